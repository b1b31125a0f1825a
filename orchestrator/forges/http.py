"""The one door to forges: a call of their API, and what its answer means.

1. No redirect is followed, for the token would go along. Every answer is bounded in size and in
   time, and is JSON or trouble.
2. Asked again, a few times, is only what cannot be done twice by it: reading and replacing, or what
   certainly never arrived. Whether something was made before the line broke, the caller looks.
3. A limit on calls is waited for where it lasts seconds; else it is said until when it lasts.
4. What the forge says of itself is told in short, as data, without the token.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.forges.base import ForgeError, Repo, Trouble
from orchestrator.forges.deadline import Deadline
from orchestrator.forges.tokens import Token
from orchestrator.review.words import day, foreign

if TYPE_CHECKING:
    import httpx

ANSWER_BYTES = 8 << 20
RETRIED = ("GET", "PUT", "PATCH")
_SERVER_AT_FAULT = 500
_REDIRECTS = range(300, 400)


@dataclass(frozen=True)
class Patience:
    """How long a forge is waited for."""

    tries: int = 3
    first_s: float = 0.5
    """Before the second try; twice as long before each further one."""
    limit_s: float = 10.0
    """As long a limit on calls is waited for."""
    connect_s: float = 10.0
    silence_s: float = 30.0
    whole_s: float = 60.0
    """One try, however it drips."""


@dataclass
class Caller:
    """Calls a forge's API."""

    repo: Repo
    token: Token
    headers: Mapping[str, str]
    environ: Mapping[str, str] = field(repr=False, default_factory=dict)
    patience: Patience = Patience()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """What it answered, as JSON; ForgeError where it did not do it."""
        wait_s = self.patience.first_s
        for left in range(self.patience.tries - 1, -1, -1):
            try:
                return self._once(method, path, params, body)
            except _Again as again:
                patient = again.wait_s is None or again.wait_s <= self.patience.limit_s
                safe = method in RETRIED or not again.error.unsure
                if not left or not patient or not safe:
                    raise again.error from None
                time.sleep(wait_s if again.wait_s is None else again.wait_s)
                wait_s *= 2
        raise AssertionError("unreachable")

    def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        body: Mapping[str, Any] | None,
    ) -> Any:
        import httpx

        patience, proxy = self.patience, self._proxy()
        timeout = httpx.Timeout(patience.silence_s, connect=patience.connect_s)
        sent = {
            "authorization": f"Bearer {self.token.value}",
            "user-agent": "orch",
            "accept-encoding": "identity",
            **self.headers,
        }
        try:
            with (
                Deadline(patience.whole_s) as deadline,
                httpx.Client(
                    trust_env=False, follow_redirects=False, timeout=timeout, proxy=proxy
                ) as client,
                client.stream(
                    method,
                    f"{self.repo.api}{path}",
                    params=params,
                    json=body,
                    headers=sent,
                    extensions=deadline.extensions,
                ) as answer,
            ):
                raw = bytearray()
                # As it came: what was packed against what was asked could unpack to anything.
                for chunk in answer.iter_raw():
                    raw += chunk
                    if len(raw) > ANSWER_BYTES:
                        raise self._error(
                            f"answered more than {ANSWER_BYTES >> 20} MB", "unexpected"
                        )
                return self._read(method, path, answer, bytes(raw))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            why = foreign(str(error), 200) or "no connection in time"
            hint = (
                "see whether it can be reached; what was pushed is safe, so the same again will do"
            )
            raise _Again(self._error(f"cannot be reached: {why}", "unreachable", hint)) from None
        except httpx.HTTPError:
            raise self._silent() from None
        except httpx.InvalidURL:
            raise self._error("is no address", "unreachable", 'url = "https://..."') from None

    def _read(self, method: str, path: str, answer: httpx.Response, raw: bytes) -> Any:
        status = answer.status_code
        try:
            said = json.loads(raw) if raw.strip() else None
        except (ValueError, RecursionError):
            said = _BROKEN
        if 200 <= status < 300:
            if said is _BROKEN or said is None:
                raise self._error(
                    f"answered {method} {path} with something else than JSON",
                    "not-json",
                    'see whether that is its API: url = "..." below [forge]',
                    unsure=method == "POST",
                )
            return said
        raise self._trouble(method, path, answer, said)

    def _trouble(
        self, method: str, path: str, answer: httpx.Response, said: Any
    ) -> ForgeError | _Again:
        status, told = answer.status_code, self._told(said)
        what = f"answered {status} to {method} {path}" + (f": {told}" if told else "")
        limit = _limit(answer, told)
        if limit is not None:
            until = f" until {day(time.time() + limit)}" if limit else ""
            hint = "try again then; what was pushed is safe"
            error = self._error(f"takes no more calls{until}: {what}", "rate-limit", hint)
            return _Again(error, limit or None)
        if status in _REDIRECTS:
            where = foreign(answer.headers.get("location", "elsewhere"), 200)
            hint = "it may have moved: git remote set-url, or repository and url below [forge]"
            return self._error(
                f"redirects to {self._hidden(where)}, which is not followed", "redirected", hint
            )
        source = self.token.source
        match status:
            case 401:
                hint = f"it is expired or wrong: give {source} a new one"
                return self._error(
                    f"does not know the token of {source}: {what}", "unauthorized", hint
                )
            case 403:
                hint = f"the token of {source} needs the right to write pull requests"
                return self._error(what, "forbidden", hint)
            case 404 | 410:
                hint = f"is the repository {self.repo.name}, and may the token of {source} see it?"
                return self._error(what, "missing", hint)
            case 409:
                return self._error(what, "conflict", "see what is there, then try again")
            case 400 | 405 | 422:
                return self._error(what, "invalid", "see what it says; the branch is pushed")
        if status >= _SERVER_AT_FAULT:
            hint = "try again later; what was pushed is safe"
            return _Again(self._error(what, "broken", hint, unsure=True))
        return self._error(what, "unexpected", "try again later")

    def _silent(self) -> _Again:
        hint = "try again; what was pushed is safe"
        said = "said nothing for too long, or broke off"
        return _Again(self._error(said, "silent", hint, unsure=True))

    def _error(
        self, what: str, trouble: Trouble, hint: str = "", *, unsure: bool = False
    ) -> ForgeError:
        return ForgeError(f"{self.repo.api} {what}", trouble, hint=hint, unsure=unsure)

    def _told(self, said: Any) -> str:
        if not isinstance(said, dict):
            return ""
        parts = [said.get("message") or said.get("error_description") or said.get("error") or ""]
        errors = said.get("errors")
        if isinstance(errors, list):
            parts += [
                one.get("message", "") if isinstance(one, dict) else one for one in errors[:3]
            ]
        texts = [one if isinstance(one, str) else json.dumps(one) for one in parts if one]
        return self._hidden(foreign("; ".join(texts), 300))

    def _hidden(self, text: str) -> str:
        from workers.redact import Redactor

        return Redactor({self.token.source: self.token.value}).redact_text(text)

    def _proxy(self) -> str | None:
        """The user's proxy, where there is one and the host is not left out of it."""
        from urllib.parse import urlsplit

        from orchestrator.forges.address import LOOPBACK

        parts = urlsplit(self.repo.api)
        host = parts.hostname or ""
        named = self.environ.get("NO_PROXY") or self.environ.get("no_proxy") or ""
        names = [one.strip().lstrip("*").lstrip(".").lower() for one in named.split(",")]
        spared = named.strip() == "*" or any(
            one and (host == one or host.endswith(f".{one}")) for one in names
        )
        if not host or host in LOOPBACK or spared:
            return None
        name = "HTTPS_PROXY" if self.environ.get("HTTPS_PROXY") else "https_proxy"
        proxy = self.environ.get(name, "").strip()
        if proxy and "://" not in proxy:
            proxy = f"http://{proxy}"  # as curl and git take it
        try:
            parts = urlsplit(proxy)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if proxy and not good:  # not repeated: it may hold a password
            raise self._error(
                f"cannot be reached: {name} is no address of an http proxy",
                "unreachable",
                f"export {name}=http://host:port, or leave the forge out of it by NO_PROXY",
            )
        return proxy or None


_BROKEN = object()
_NUMBER = re.compile(r"[0-9]{1,15}")
"""Python makes no number of some thousand digits."""


class _Again(Exception):
    """Trouble after which it may be tried again."""

    def __init__(self, error: ForgeError, wait_s: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.wait_s = error, wait_s


def _limit(answer: httpx.Response, told: str) -> float | None:
    """For how many seconds no more calls are taken; None where that is not the trouble."""
    headers = answer.headers
    used_up = headers.get("x-ratelimit-remaining") == "0" or "rate limit" in told.lower()
    after = headers.get("retry-after", "")
    if answer.status_code != 429 and not (answer.status_code == 403 and (used_up or after)):
        return None
    if _NUMBER.fullmatch(after):
        return float(min(int(after), 86_400))
    until = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or ""
    if _NUMBER.fullmatch(until):
        return max(0.0, min(int(until) - time.time(), 86_400.0))
    return 0.0
