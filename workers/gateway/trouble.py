"""What may go wrong between the gateway and a provider, as a value that is told to who asked.

1. Trouble is the provider's, the network's or the person's who gave the key: no worker's, so it
   uses up no attempt. Only `refused` is a matter of the request: it would be refused again.
2. `again` says that the gateway may try once more by itself, as long as nothing was passed on.
3. Each kind has a status that the client is answered with. Together with `x-should-retry: false`
   none is one that vendors' libraries try again: tries are in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TroubleKind = Literal[
    "no-access",
    "rate-limit",
    "overloaded",
    "server-error",
    "refused",
    "redirect",
    "unreachable",
    "silent",
    "broken-off",
    "not-json",
    "too-large",
]
PACED: tuple[TroubleKind, ...] = ("rate-limit", "overloaded")
"""After these all calls of the credential pause."""
AGAIN: tuple[TroubleKind, ...] = (*PACED, "server-error", "unreachable", "broken-off")
STATUS: dict[TroubleKind, int] = {
    "no-access": 403,
    "rate-limit": 429,
    "overloaded": 503,
    "server-error": 502,
    "refused": 400,
    "redirect": 502,
    "unreachable": 502,
    "silent": 504,
    "broken-off": 502,
    "not-json": 502,
    "too-large": 502,
}


@dataclass(frozen=True)
class Trouble:
    """What happened to a call."""

    kind: TroubleKind
    provider: str
    model: str
    why: str
    """For a person, without anything secret."""
    status: int | None = None
    """The provider's; None: it gave none."""
    tries: int = 1
    passed_on: bool = False
    """Some of an answer had been passed on: it could not be tried again."""

    @property
    def blames_request(self) -> bool:
        """Whether the request itself is what is wrong."""
        return self.kind == "refused"

    @property
    def again(self) -> bool:
        """Whether one more try may help."""
        return self.kind in AGAIN and not self.passed_on

    @property
    def answer_status(self) -> int:
        """What the client is answered with."""
        if self.kind == "refused" and self.status is not None:
            return self.status
        return STATUS[self.kind]

    def __str__(self) -> str:
        tries = f", {self.tries} times" if self.tries > 1 else ""
        return f"{self.provider} ({self.model}): {self.why}{tries}"


def kind_of(status: int) -> TroubleKind | None:
    """What a provider's status says; None: it answers."""
    if status < 300:
        return None
    if status < 400:
        return "redirect"
    if status in (401, 403):
        return "no-access"
    if status == 429:
        return "rate-limit"
    if status in (503, 529):
        return "overloaded"
    return "server-error" if status >= 500 or status == 408 else "refused"
