"""A TOML document and the line of everything in it.

`tomllib` reads values and forgets where they stood. `find_lines` walks the same text again and
notes the line of every key, table, element of an array of tables and element of an array.

1. It only walks what `tomllib` has accepted, so it recognises where things end and judges nothing.
2. A key path is keys and positions from the top: `("task", 3, "needs", 0)`.
3. A key stands where its name is, a table where its header is (or else where it is first named),
   an element where its value begins.
4. The walk costs as much as reading; a document does it when a line is first asked for.
5. Files may come from anybody. What is no file, too large, or nested so deeply that reading it
   would take for ever or end in the middle, is refused in words.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem, Problems

KeyPath = tuple[str | int, ...]

SIZE_LIMIT_BYTES = 64 * 1024 * 1024
DEEPEST = 32
"""Tables and lists within each other, and parts of a key; nothing that we read needs five."""


@dataclass(frozen=True)
class Document:
    """A TOML file as read: its values, and where each stands."""

    name: str
    """How the file is called in messages."""
    text: str
    data: dict[str, Any]

    @cached_property
    def lines(self) -> dict[KeyPath, int]:
        """The line, from 1, of every key path."""
        return find_lines(self.text)

    def line(self, at: KeyPath) -> int | None:
        """The line of a key path, or of the nearest thing around it; None for the whole file."""
        for length in range(len(at), 0, -1):
            if (found := self.lines.get(at[:length])) is not None:
                return found
        return None

    def problem(self, at: KeyPath, what: str, hint: str = "") -> Problem:
        """What is wrong at a key path of this document."""
        return Problem(self.name, self.line(at), what, hint)


def load_document(path: Path, name: str, *, size_limit_bytes: int = SIZE_LIMIT_BYTES) -> Document:
    """Read a TOML file; Problems where it cannot be read or is not TOML."""
    try:
        # A pipe or a terminal in a file's place must not keep us waiting.
        flags = os.O_NONBLOCK | os.O_NOCTTY
        with open(path, "rb", opener=lambda name, how: os.open(name, how | flags)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Problems([Problem(name, None, "is not a file", "write it as a plain file")])
            raw = file.read(size_limit_bytes + 1)
    except OSError as error:
        raise Problems([Problem(name, None, f"cannot be read: {error.strerror}")]) from None
    if len(raw) > size_limit_bytes:
        what = f"is larger than {size_limit_bytes // (1024 * 1024)} MiB"
        raise Problems([Problem(name, None, what)])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem(name, line, "is not UTF-8 text", "save the file as UTF-8")
        raise Problems([problem]) from None
    return parse_document(text, name)


def parse_document(text: str, name: str) -> Document:
    """Read TOML text; Problems, with the line and a hint, where it is not TOML."""
    long_key = _LONG_KEY.search(text)  # reading it would take the square of its length
    if long_key is not None:
        line = text.count("\n", 0, long_key.end()) + 1
        raise Problems([Problem(name, line, *_TOO_DEEP)])
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Problems([_syntax_problem(text, name, str(error))]) from None
    except RecursionError:
        raise Problems([Problem(name, None, *_TOO_DEEP)]) from None
    except ValueError:  # of Python's own: it reads no number of thousands of digits
        raise Problems([_endless_number(text, name)]) from None
    document = Document(name, text, data)
    if (deep := _too_deep(data)) is not None:
        raise Problems([document.problem(deep, *_TOO_DEEP)])
    return document


_TOO_DEEP = ("is nested too deeply", "write it flatter")
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(
    rf"(?m)(?:^|[\[{{,])[ \t]*+{_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{DEEPEST},}}+[ \t]*+[=\]]"
)
_NUMBER = re.compile(r"[0-9_]{4300,}")


def _endless_number(text: str, name: str) -> Problem:
    found = _NUMBER.search(text)
    line = text.count("\n", 0, found.start()) + 1 if found else None
    return Problem(name, line, "a number has thousands of digits", "write: 4")


def _too_deep(data: dict[str, Any]) -> KeyPath | None:
    """The way to something that lies too deep, or None; without going down that way itself."""
    left: list[tuple[Any, KeyPath]] = [(data, ())]
    while left:
        value, at = left.pop()
        if len(at) > DEEPEST:
            return at
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        left += [(part, (*at, key)) for key, part in parts if isinstance(part, (dict, list))]
    return None


# --- syntax errors ---------------------------------------------------------------------------

_SYNTAX_HINTS = (
    ("Cannot overwrite a value", "the key stands there already; keep one of the two"),
    ("Cannot mutate immutable", "the table was written in one piece above; add the key there"),
    ("twice", "the table stands there already; a list of them is written [[name]]"),
    ("Cannot declare", "the name is in use already; a list of tables is written [[name]]"),
    ("Cannot overwrite", "the name is in use already; keep one of the two"),
    ("Illegal character '\\n'", "close the quotes on the same line, or use three quotes"),
    ("Unescaped", "write the backslash twice, or use single quotes"),
    ("Expected '=' after a key", 'a line is: key = "value"'),
    ("Invalid value", 'text stands in quotes: key = "text"; true and false are in small letters'),
    ("Unclosed array", "close the list with ]"),
    ("Unclosed inline table", "close the table with }"),
    ("Unterminated string", "close the quotes"),
    ("Expected newline or end of document", "one key a line; a second value needs a list: [a, b]"),
    ("Invalid statement", 'a line is: key = "value", [table], [[list of tables]] or # comment'),
    ("Invalid initial character for a key", "a key is letters, digits, - and _, or in quotes"),
    ("Expected ']'", "close the header with the same number of brackets"),
)


def _syntax_problem(text: str, name: str, said: str) -> Problem:
    place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", said)
    what, line = said, None
    if place is not None:
        what = said[: place.start()]
        end = len(text.rstrip().split("\n"))
        line = int(place[1]) if place[1] else end
    hint = next((hint for part, hint in _SYNTAX_HINTS if part in what), "")
    return Problem(name, line, f"not TOML: {what}", hint)


# --- the walk --------------------------------------------------------------------------------

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_GAP = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']++|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]++|\\.)*+"'
    r"|'[^'\n]*+'",
    re.DOTALL,
)
_PLAIN = re.compile(r"\d{4}-\d\d-\d\d \d\d:[0-9:.+Zz-]+|[^\s,\]}#]+")


def find_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of every key path of a TOML text that `tomllib` accepts."""
    return _Walk(text.replace("\r\n", "\n")).document()


class _Walk:
    """One walk over the text: where it is, at which line, and what it has found."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.counted = 0
        self.line = 1
        self.lines: dict[KeyPath, int] = {}
        self.lists: dict[KeyPath, int] = {}
        """The newest position in each array of tables."""

    def here(self) -> int:
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line

    def skip(self, what: re.Pattern[str]) -> str:
        found = what.match(self.text, self.at)
        if found is None:  # only a text that tomllib refuses comes here
            raise ValueError(f"not TOML at line {self.here()}")
        self.at = found.end()
        return found[0]

    def document(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self.skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip(_BLANK)
        return self.lines

    def header(self) -> KeyPath:
        line = self.here()
        many = self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        self.skip(_GAP)
        keys = self.keys()
        self.at += 2 if many else 1
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self.newest((*path, key), line)
        path = (*path, keys[-1])
        if not many:
            self.lines[path] = line
            return path
        self.lines.setdefault(path, line)
        position = self.lists.get(path, -1) + 1
        self.lists[path] = position
        self.lines[(*path, position)] = line
        return (*path, position)

    def newest(self, path: KeyPath, line: int) -> KeyPath:
        """A table named on the way: of an array of tables, its newest element."""
        self.lines.setdefault(path, line)
        return (*path, self.lists[path]) if path in self.lists else path

    def keys(self) -> list[str]:
        """The parts of a dotted key; stops behind the gap that follows it."""
        found: list[str] = []
        while True:
            if self.text[self.at] in "\"'":
                quoted = self.skip(_STRING)
                found.append(tomllib.loads(f"key = {quoted}")["key"])
            else:
                found.append(self.skip(_BARE))
            self.skip(_GAP)
            if not self.text.startswith(".", self.at):
                return found
            self.at += 1
            self.skip(_GAP)

    def pair(self, table: KeyPath) -> None:
        line = self.here()
        path = table
        for key in self.keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self.skip(_GAP)
        self.value(path)

    def value(self, path: KeyPath) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self.skip(_STRING)
        elif first == "[":
            self.array(path)
        elif first == "{":
            self.inline_table(path)
        else:
            self.skip(_PLAIN)

    def array(self, path: KeyPath) -> None:
        self.at += 1
        position = 0
        self.skip(_BLANK)
        while self.text[self.at] != "]":
            self.lines[(*path, position)] = self.here()
            self.value((*path, position))
            position += 1
            self.skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
                self.skip(_BLANK)
        self.at += 1

    def inline_table(self, path: KeyPath) -> None:
        self.at += 1
        self.skip(_BLANK)
        while self.text[self.at] != "}":
            self.pair(path)
            self.skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
                self.skip(_BLANK)
        self.at += 1
