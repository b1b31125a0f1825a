"""A pattern of paths, taken apart: git's wildmatch from the repository's root. Pure.

1. A pattern is names with `/` between them; a leading `/` changes nothing. It is always
   anchored: `*.py` is a file in the top folder, `**/*.py` is one in any.
2. `*` is any run of characters within a name, `?` one character, `[...]` one of a class
   (`[!...]` none of it, `[[:digit:]]` and its like are known); none of them covers a `/`.
   A backslash takes the meaning from the character after it. Letters differ by case.
3. `**` as a whole name is any number of folders; at the end it is whatever lies below.
4. A pattern whose last name has no wildcard, or that ends with `/`, names a folder too and
   covers all below it: `src/core` is the file `src/core` or everything in the folder.
5. Refused: an empty pattern, `.` and `..`, `.git`, `~`, a drive letter, an empty name (`//`),
   control characters, a class that is not closed or holds nothing, a lone backslash at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LONGEST_PATTERN = 4096

Ranges = tuple[tuple[int, int], ...]
"""Sorted code points, both ends included; what one token of a name may be."""


@dataclass(frozen=True, slots=True)
class Deep:
    """`**`: any number of folders, none included."""


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a pattern: its tokens, None standing for `*`."""

    tokens: tuple[Ranges | None, ...]
    """Empty for a literal name."""
    literal: str | None
    """The name itself where it has no wildcard."""


Part = Deep | Name
DEEP: Final = Deep()
_LAST = 0x10FFFF
_SLASH = ord("/")
_ANY: Ranges = ((0, _SLASH - 1), (_SLASH + 1, _LAST))
_ANY_NAME = Name((None,), None)
_PLAIN = re.compile(r"[^*?\[\\]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CLASSES: dict[str, tuple[tuple[str, str], ...]] = {
    "alnum": (("0", "9"), ("A", "Z"), ("a", "z")),
    "alpha": (("A", "Z"), ("a", "z")),
    "blank": (("\t", "\t"), (" ", " ")),
    "cntrl": (("\0", "\x1f"), ("\x7f", "\x7f")),
    "digit": (("0", "9"),),
    "graph": (("!", "~"),),
    "lower": (("a", "z"),),
    "print": ((" ", "~"),),
    "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": (("\t", "\r"), (" ", " ")),
    "upper": (("A", "Z"),),
    "xdigit": (("0", "9"), ("A", "F"), ("a", "f")),
}


class PatternError(ValueError):
    """A pattern that rule 5 refuses, in words for a person."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern taken apart; `prefix` are the leading names without wildcards."""

    text: str
    parts: tuple[Part, ...]
    prefix: tuple[str, ...]
    literal: str | None
    """The one path (file or folder) that it names, where no part is a wildcard."""


# --- reading a pattern ----------------------------------------------------------------------


@lru_cache(maxsize=131072)
def parse_pattern(text: str) -> Pattern:
    """A pattern taken apart; PatternError where rule 5 refuses it."""
    if not text or text == "/":
        raise PatternError("an empty pattern covers nothing")
    if len(text) > LONGEST_PATTERN:
        raise PatternError(f"a pattern is at most {LONGEST_PATTERN} characters long")
    if _CONTROL.search(text):
        raise PatternError("a pattern has no control characters")
    if text[0] == "~" or re.match(r"[A-Za-z]:[\\/]", text):
        raise PatternError("a pattern starts at the repository's root, not at a folder outside")
    body = text.removeprefix("/")
    below = body.endswith("/")
    parts: list[Part] = []
    for name in body.removesuffix("/").split("/"):
        part = DEEP if name == "**" else _parse_name(name)
        if part is not DEEP or not parts or parts[-1] is not DEEP:
            parts.append(part)
    names = [part.literal if isinstance(part, Name) else None for part in parts]
    folder = below or names[-1] is not None
    if parts[-1] is DEEP:  # `a/**` is what lies below a, not a itself
        parts[-1:] = [_ANY_NAME, DEEP]
    elif folder:
        parts += [_ANY_NAME, DEEP] if below else [DEEP]
    prefix = tuple(name for name in names[: _literal_count(names)] if name is not None)
    whole = len(prefix) == len(names)
    return Pattern(text, tuple(parts), prefix, "/".join(prefix) if whole else None)


def pattern_problem(text: str) -> str | None:
    """Why a pattern is refused, or None."""
    try:
        parse_pattern(text)
    except PatternError as error:
        return str(error)
    return None


def escape(path: str) -> str:
    """The pattern that names exactly this path (and, for a folder, all below it)."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", path)


def _literal_count(names: list[str | None]) -> int:
    return next((at for at, name in enumerate(names) if name is None), len(names))


def _parse_name(text: str) -> Name:
    if text == "":
        raise PatternError("an empty name: two slashes follow each other")
    tokens, name = ([], text) if _PLAIN.fullmatch(text) else _tokens(text)
    if name is None:
        return Name(tuple(tokens), None)
    if name.lower() == ".git":
        raise PatternError("'.git' belongs to git, no task may change it")
    if name in (".", ".."):
        raise PatternError(f"'{name}' is not a name: a pattern stays within the repository")
    return Name((), name)


def _tokens(text: str) -> tuple[list[Ranges | None], str | None]:
    """A name's tokens, and the name itself where none is a wildcard."""
    tokens: list[Ranges | None] = []
    literal: list[str] | None = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "*":
            if not tokens or tokens[-1] is not None:
                tokens.append(None)
            literal = None
        elif char == "?":
            tokens.append(_ANY)
            literal = None
        elif char == "[":
            ranges, at = _parse_class(text, at)
            tokens.append(ranges)
            literal = None
        else:
            if char == "\\":
                at += 1
                if at == len(text):
                    raise PatternError("a backslash at the end of a name escapes nothing")
                char = text[at]
            tokens.append(((ord(char), ord(char)),))
            if literal is not None:
                literal.append(char)
        at += 1
    return tokens, None if literal is None else "".join(literal)


def _parse_class(text: str, start: int) -> tuple[Ranges, int]:
    """The class that opens at `start`, and where its closing bracket is."""
    at = start + 1
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    first = at
    found: list[tuple[int, int]] = []
    while True:
        if at >= len(text):
            raise PatternError("a class opens with '[' and is not closed; a plain '[' is '\\['")
        if text[at] == "]" and at > first:
            break
        if text.startswith("[:", at) and (end := text.find(":]", at)) > 0:
            name = text[at + 2 : end]
            if name not in _CLASSES:
                raise PatternError(f"'[:{name}:]' is no class of characters")
            found += [(ord(low), ord(high)) for low, high in _CLASSES[name]]
            at = end + 2
            continue
        low, at = _class_char(text, at)
        high = low
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            high, at = _class_char(text, at + 1)
        if low <= high:
            found.append((low, high))
    ranges = _without_slash(_complement(_merged(found)) if negated else _merged(found))
    if not ranges:
        raise PatternError(f"the class '{text[start : at + 1]}' holds no character")
    return ranges, at


def _class_char(text: str, at: int) -> tuple[int, int]:
    if text[at] == "\\" and at + 1 < len(text):
        at += 1
    return ord(text[at]), at + 1


def _merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def _complement(ranges: Ranges) -> Ranges:
    gaps: list[tuple[int, int]] = []
    start = 0
    for low, high in ranges:
        if start < low:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= _LAST:
        gaps.append((start, _LAST))
    return tuple(gaps)


def _without_slash(ranges: Ranges) -> Ranges:
    return tuple(
        (max(low, bottom), min(high, top))
        for low, high in ranges
        for bottom, top in _ANY
        if max(low, bottom) <= min(high, top)
    )
