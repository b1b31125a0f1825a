"""Which values that somebody was given are secrets, and which keys are real. Pure.

1. A value is one by its name (`API_TOKEN`, `DB_PASSWORD`), or when it does not look like what
   settings usually are: words, numbers, versions, places, addresses without a password.
2. Not one is what stands for a value that is not there: `changeme`, `xxxx`, `your-key-here`,
   `<token>`, words like example, dummy, test and fake, one character over and over, digits or
   letters in a row.
3. A key of a known kind is real when what comes after its beginning is no such thing, and looks
   as if chance had made it: a long run of letters and digits, of many different ones. A private
   key is real from a few lines on, a signed token when its content is no well-known example.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Mapping

_SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:key|keys|token|tokens|secret|secrets|password|passwd|passphrase|pass|pwd|pw|pin"
    r"|credential|credentials|creds|auth|private|salt|signature|cookie|session|dsn|pat|apikey"
    r"|webhook)(?:$|[_.-]|\d)|(?:key|token|secret|password|passwd)$",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"example|dummy|placeholder|change[-_ ]?me|change[-_ ]?it|your[-_ ]|insert|replace|fill[-_ ]?in"
    r"|fake|sample|redacted|not[-_ ]?(?:a[-_ ])?(?:real|secret)|secret[-_ ]?here|todo|foobar|lorem"
    r"|(?:^|[^a-z])(?:test|testing|mock|stub|none|null|undefined|default|local|dev)(?:$|[^a-z])"
    r"|x{4,}|\*{3,}|\.{3,}|0{6,}|1{6,}|-{4,}(?!-*BEGIN)|abcdef|123456|qwert|<[^>]*>|\$\{|\{\{|%\(",
    re.IGNORECASE,
)
# Letters with a few digits at their end, or a number: `eu-west-1`, `config.settings.dev`, `3.11`.
_WORD = r"(?:[A-Za-z]{1,20}\d{0,4}|\d{1,10})"
_PLAIN = re.compile(rf"[~./\s]*{_WORD}(?:[\s._/,:;@=+|-]+{_WORD})*[./\s]*")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}://(?![^/\s]*:[^/\s]*@)\S*", re.IGNORECASE)
_RUN = re.compile(r"[A-Za-z0-9+/]{12,}")
RUN_CHARS = 12
KEY_LINES_CHARS = 200
"""A private key's body is at least so long."""
BITS_A_CHARACTER = 3.0
_EXAMPLES = ("1234567890", "John Doe", "example", "Jane Doe", "test")


def telling(secrets: Mapping[str, str]) -> dict[str, str]:
    """Of these values, those that are secrets (rules 1 and 2)."""
    return {name: value for name, value in secrets.items() if is_telling(name, value)}


def is_telling(name: str, value: str) -> bool:
    """Whether a value of that name is a secret."""
    if is_placeholder(value):
        return False
    return bool(_SECRET_NAME.search(name)) or not looks_plain(value)


def looks_plain(value: str) -> bool:
    """Whether it looks like what settings usually are."""
    text = value.strip()
    return bool(_PLAIN.fullmatch(text[:2000]) or _ADDRESS.fullmatch(text))


def is_placeholder(value: str) -> bool:
    """Whether it stands for a value that is not there."""
    text = value.strip()
    return bool(_PLACEHOLDER.search(text[:2000])) or len(set(text)) <= 3


def bits_a_character(text: str) -> float:
    """How much chance there is in a text: 0 where all is the same."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) if text else 0.0


def is_real_key(key: bytes) -> bool:
    """Whether what looks like a key of a known kind is one (rule 3)."""
    text = key.decode("ascii", "replace")
    if "PRIVATE KEY-----" in text:
        return _is_real_block(text)
    if text.startswith("eyJ"):
        return _is_real_token(text)
    if is_placeholder(text):
        return False
    runs = _RUN.findall(text)
    best = max(runs, key=len, default="")
    mixed = any(c.isdigit() for c in best) and any(c.isalpha() for c in best)
    return len(best) >= RUN_CHARS and mixed and bits_a_character(best) >= BITS_A_CHARACTER


def _is_real_block(text: str) -> bool:
    body = "".join(_RUN.findall(text.replace("PRIVATE KEY", "")))
    return (
        len(body) >= KEY_LINES_CHARS
        and bits_a_character(body) >= BITS_A_CHARACTER
        and not re.search(r"x{8,}|\.{3,}|example|dummy", text, re.IGNORECASE)
    )


def _is_real_token(text: str) -> bool:
    _, content, signature = text.split(".", 2)
    try:
        said = base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)).decode("utf-8")
    except (binascii.Error, ValueError):
        return False
    if any(word in said for word in _EXAMPLES) or is_placeholder(signature):
        return False
    return bits_a_character(signature) >= BITS_A_CHARACTER
