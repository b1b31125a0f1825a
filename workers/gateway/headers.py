"""Which headers go on to a provider, and which come back. Pure.

1. To a provider go only headers that are known to say what is wanted. Keys and cookies of the
   client's never do; the credential's own headers are put beside them.
2. Back comes everything but what belongs to one connection, what says how the body was packed,
   cookies, whose account it is, and whatever holds the real key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

ONWARDS = re.compile(
    r"accept|content-type|user-agent|anthropic-(?:version|beta)|openai-beta|x-title|http-referer"
    r"|x-app|x-stainless-(?!retry|timeout|read)[a-z-]+"
)
NOT_BACK = re.compile(
    r"connection|keep-alive|proxy-[a-z-]+|te|trailers?|transfer-encoding|upgrade"
    r"|content-(?:length|encoding)|set-cookie2?|server|date|alt-svc|strict-transport-security"
    r"|www-authenticate|location|(?:anthropic|openai)-(?:organization|project)(?:-id)?"
)


def onwards(headers: Iterable[tuple[str, str]], credential: Mapping[str, str]) -> dict[str, str]:
    """The headers for the provider."""
    kept = {name: value for name, value in headers if ONWARDS.fullmatch(name.lower())}
    # What is packed would have to be unpacked before it can be metered.
    return kept | {"accept-encoding": "identity"} | dict(credential)


def back(headers: Iterable[tuple[str, str]], secrets: Iterable[str]) -> list[tuple[str, str]]:
    """The headers for the client."""
    secret = tuple(secrets)
    named = [(name.lower(), value) for name, value in headers]
    of_connection = {
        word.strip().lower()
        for name, value in named
        if name == "connection"
        for word in value.split(",")
    }
    return [
        (name, value)
        for name, value in named
        if not NOT_BACK.fullmatch(name)
        and name not in of_connection
        and not any(one and one in value for one in secret)
    ]


class KeyGuard:
    """Keeps a key out of a stream, wherever the stream was cut."""

    MARK = b"[redacted key]"

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [one.encode() for one in secrets if one]
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What may go on by now; what may be the beginning of a key is held back."""
        data = self._held + chunk
        for secret in self._secrets:
            data = data.replace(secret, self.MARK)
        keep = max((_overlap(data, secret) for secret in self._secrets), default=0)
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]

    def end(self) -> bytes:
        """What was held back; nothing more comes."""
        held, self._held = self._held, b""
        return held


def _overlap(data: bytes, secret: bytes) -> int:
    """How much of the end of the data is the beginning of the secret."""
    tail = data[-(len(secret) - 1) :] if len(secret) > 1 else b""
    at = tail.find(secret[:1])
    while at >= 0:
        if secret.startswith(tail[at:]):
            return len(tail) - at
        at = tail.find(secret[:1], at + 1)
    return 0
