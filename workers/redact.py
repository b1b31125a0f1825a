"""Secrets in what children print are replaced before anything of it is written or shown.

1. A secret is a value that the child was given beyond what every child sees: variables allowed
   by name, files like `.env` that were copied for it. Each of at least 8 characters is replaced by
   `[redacted NAME]`, as it is and as base64 (also within a longer text), in URLs, in JSON; each
   line of one that has several; and the password within an address. No secrets are names of
   places that exist, and a few plain words.
2. Whatever looks like a key of a well-known kind is one, whoever gave it to the child: private
   keys, keys of clouds, forges, registries, models and payments, signed tokens (JWT).
3. Output is redacted line by line, so a secret that came in pieces is found; of a line that does
   not end, all but what may be the beginning of a secret.
4. A piece whose beginning is lost has its first line left out: it may be the rest of a secret.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

SECRET_CHARS = 8
LINE_BYTES = 64 * 1024
"""A line longer than this is redacted in parts."""
_KEY_BYTES = 32 * 1024
_SHAPE_BYTES = 3100
"""As long as a key of a known kind may be."""
_TELLING = 4
"""So many bytes at the end of what was printed may be the beginning of a secret."""
_PLAIN = frozenset(
    ("localhost", "127.0.0.1", "development", "production", "disabled", "database", "postgres")
)
_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")

# A key's lines may be shown behind a margin, or within a text with its line ends written out.
_BEGIN = rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
_MARGIN = rb"[ \t\"',]{0,4}(?:\r?\n|\\r|\\n){1,4}[ \tE>|+\d:\"'-]{0,40}"
_LINE = rb"(?:[A-Za-z0-9+/=]{1,200}|(?:Proc-Type|DEK-Info):[^\n]{0,100})?"
_END = rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----"
_BLOCK = re.compile(
    _BEGIN + rb"(?:%s%s){0,600}(?P<end>(?:%s)?%s)?" % (_MARGIN, _LINE, _MARGIN, _END)
)
_PRIVATE = b"[redacted private key]"
_KEY = b"[redacted key]"
# What each begins with is looked for first, which is far quicker than a search by all of them.
_SHAPES = tuple(
    (re.compile(begin), re.compile(begin + rest), what)
    for what, begin, rest in (
        (
            "a key of a model provider",
            rb"sk-",
            rb"(?<![A-Za-z0-9]sk-)(?=[A-Za-z_-]{0,500}\d)[A-Za-z0-9_-]{20,500}",
        ),
        ("a key of a model provider", rb"gsk_", rb"(?<![A-Za-z0-9]gsk_)[A-Za-z0-9]{30,500}"),
        ("a key of a model provider", rb"hf_", rb"(?<![A-Za-z0-9_]hf_)[A-Za-z0-9]{30,500}"),
        ("a token of a forge", rb"gh[pousr]_", rb"(?<![A-Za-z0-9]gh._)[A-Za-z0-9]{20,500}"),
        ("a token of a forge", rb"github_pat_", rb"[A-Za-z0-9_]{20,500}"),
        ("a token of a forge", rb"glpat-", rb"[A-Za-z0-9_-]{16,500}"),
        ("a token of a chat", rb"xox[abeprs]-", rb"[A-Za-z0-9-]{10,500}"),
        ("an access key of a cloud", rb"AKIA", rb"[0-9A-Z]{16}"),
        ("an access key of a cloud", rb"ASIA", rb"[0-9A-Z]{16}"),
        ("a key of a cloud", rb"AIza", rb"[0-9A-Za-z_-]{30,500}"),
        ("a key for payments", rb"[rs]k_live_", rb"(?<![A-Za-z0-9].k_live_)[A-Za-z0-9]{16,500}"),
        ("a token of a registry", rb"npm_", rb"(?<![A-Za-z0-9_]npm_)[A-Za-z0-9]{30,500}"),
        ("a token of a registry", rb"pypi-AgE", rb"[A-Za-z0-9_-]{40,2000}"),
        (
            "a signed token",
            rb"eyJ",
            rb"(?<![A-Za-z0-9_-]eyJ)[A-Za-z0-9_-]{10,300}\.eyJ[A-Za-z0-9_-]{10,2000}"
            rb"\.[A-Za-z0-9_-]{20,700}",
        ),
    )
)
_ANY = re.compile(b"|".join(begin.pattern for begin, _, _ in _SHAPES))
_BEGINNING = re.compile(
    rb"(?:(?:sk-|gsk_|hf_|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|A[KS]IA|AIza|[rs]k_live_"
    rb"|npm_|pypi-AgE)[\w-]{0,2000}|eyJ[\w.-]{0,3000})\Z"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a secret stands in a text, and what it is; never the secret itself."""

    start: int
    end: int
    what: str
    known: bool
    """A value that is known, not what only looks like a key."""


class Redactor:
    """Replaces the secrets of one child, given by the names they are known under."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        marks: dict[bytes, bytes] = {}
        self._names: dict[bytes, str] = {}
        for name, value in (secrets or {}).items():
            # What stands in brackets behind a name says only in which way it is written.
            own = name.partition(" (")[0]
            mark = f"[redacted {own}]".encode("utf-8", "replace")
            self._names[mark] = own
            for part in _parts(value):
                for form in _forms(part):
                    marks.setdefault(form, mark)
        # The longest first: one secret may be a part of another.
        self._marks = sorted(marks.items(), key=lambda known: -len(known[0]))
        self.longest = max([_SHAPE_BYTES, *map(len, marks)])

    def redact(self, data: bytes) -> bytes:
        """A whole text, or whole lines of one."""
        if b"PRIVATE KEY-----" in data:
            data = _BLOCK.sub(_PRIVATE, data)
        for form, mark in self._marks:
            data = data.replace(form, mark)
        if _ANY.search(data):
            for begin, shape, _ in _SHAPES:
                if begin.search(data):
                    data = shape.sub(_KEY, data)
        return data

    def redact_text(self, text: str) -> str:
        """The same for a text."""
        raw = text.encode("utf-8", "surrogateescape")
        clean = self.redact(raw)
        return text if clean == raw else clean.decode("utf-8", "surrogateescape")

    def find(self, data: bytes) -> Iterator[Hit]:
        """Every secret in a text; one that is known may be told in several forms."""
        for form, mark in self._marks:
            at = data.find(form)
            while at >= 0:
                yield Hit(at, at + len(form), f"the value of {self._names[mark]}", True)
                at = data.find(form, at + len(form))
        if b"PRIVATE KEY-----" in data:
            for block in _BLOCK.finditer(data):
                yield Hit(block.start(), block.end(), "a private key", False)
        for begin, shape, what in _SHAPES:
            if begin.search(data):
                for match in shape.finditer(data):
                    yield Hit(match.start(), match.end(), what, False)

    def redact_open(self, data: bytes, *, cut: bool) -> bytes:
        """What is there of a text that may go on, and whose beginning is lost where it was cut."""
        data = self.redact(data)
        for form, _ in self._marks:
            at = data.find(form[:_TELLING], max(0, len(data) - len(form)))
            while at >= 0 and not form.startswith(data[at:]):
                at = data.find(form[:_TELLING], at + 1)
            if at >= 0:
                data = data[:at]
        data = _BEGINNING.sub(b"", data)
        return self.without_first(data) if cut else data

    def without_first(self, data: bytes) -> bytes:
        """The same from the first line that is whole."""
        end = data.find(b"\n")
        return data[end + 1 :] if end >= 0 else data[self.longest :]

    def cut_at(self, data: bytes, at: int) -> int:
        """Where to part a text so that no secret is parted: there, or before it."""
        wanted = at
        while at > 0:
            before = at
            for form, _ in self._marks:
                found = data.find(form, max(0, at - len(form) + 1), at + len(form) - 1)
                if 0 <= found < at:
                    at = found
            for _, shape, _ in _SHAPES:
                for match in shape.finditer(data, max(0, at - _SHAPE_BYTES), at + _SHAPE_BYTES):
                    if match.start() < at < match.end():
                        at = match.start()
            if at == before:
                return at
        return wanted  # one within the other all the way: something has to give


class Stream:
    """Redacts what comes in pieces; holds back the last line until it has ended."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""
        self._cut = False

    def feed(self, data: bytes) -> bytes:
        """The next piece: what may be written by now."""
        data = self._held + data
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if len(data) - end > max(LINE_BYTES, 4 * self._redactor.longest):
            end = self._redactor.cut_at(data, len(data) - self._redactor.longest)
        end = self._before_open_key(data, end)
        ready, self._held = data[:end], data[end:]
        return self._out(ready)

    def lose(self) -> None:
        """What comes next does not follow on what came before."""
        self._held, self._cut = b"", True

    def end(self) -> bytes:
        """What was held back; nothing more comes."""
        held, self._held = self._held, b""
        return self._out(held)

    def _out(self, ready: bytes) -> bytes:
        if not ready:
            return ready
        redacted = self._redactor.redact(ready)
        if self._cut:
            redacted, self._cut = self._redactor.without_first(redacted), False
        return redacted

    def _before_open_key(self, data: bytes, end: int) -> int:
        """A key that has begun and not ended is held back as a whole, unless it is none."""
        if b"PRIVATE KEY-----" not in data:
            return end
        for block in _BLOCK.finditer(data):
            may_go_on = block.end() == len(data) and block["end"] is None
            if may_go_on and len(data) - block.start() < _KEY_BYTES:
                return min(end, block.start())
        return end


def is_secret(value: str) -> bool:
    """Whether a value that a child was given is one to hide."""
    if len(value) < SECRET_CHARS or value.lower() in _PLAIN:
        return False
    parent = os.path.dirname(value) if value.startswith("/") else ""  # noqa: PTH120
    try:
        is_place = len(parent) > 1 and os.path.isdir(parent)  # noqa: PTH112
    except ValueError:
        is_place = False
    return not is_place


def _parts(value: str) -> Iterator[str]:
    """A value, and what within it is secret by itself."""
    lines = [line.strip() for line in value.splitlines()]
    passwords = _PASSWORD.findall(value)
    for part in dict.fromkeys((value, value.strip(), *lines, *passwords)):
        if is_secret(part):
            yield part


def _forms(value: str) -> set[bytes]:
    """How a value may be written."""
    raw = value.encode("utf-8", "surrogateescape")
    quoted = (quote(raw, safe=""), quote(raw), quote_plus(raw))
    lower = (re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), text) for text in quoted)
    texts = {*quoted, *lower, json.dumps(value)[1:-1], repr(value)[1:-1]}
    forms = {raw, json.dumps(value, ensure_ascii=False)[1:-1].encode("utf-8", "surrogateescape")}
    forms |= {text.encode("utf-8", "surrogateescape") for text in texts}
    # Within something longer it may begin at each of three places of base64's groups; a character
    # that its neighbours have a part in is left out.
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(b"\0" * before + raw)
            first = -(-before * 4 // 3)
            forms.add(whole[first : (before + len(raw)) * 4 // 3])
    return {form for form in forms if len(form) >= SECRET_CHARS}
