"""Which lines of a gate's output matter, and which failures are the same. Pure.

1. A line matters when a test runner, type checker, linter or compiler that is known here uses
   it to say what failed. Where none is recognised, the last lines matter.
2. Kept first are lines that name a failed test, then findings (`file:line: what`), then what
   explains them and where they were, then a runner's closing lines; in the order of the output,
   each once, bounded in number and length. How many were left out is said.
3. The most telling line is the first failed test with what explains it, else the first finding,
   else the end of the last traceback.
4. The signature is made of the failed tests, else of the findings, whatever their order. Line
   numbers, addresses, durations, times, process ids, ports and the paths of workspaces and
   temporary files are left out of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LINES_AT_MOST = 40
LINE_CHARS = 300
LAST_LINES = 20
"""How many lines are kept of an output that no rule recognises."""

Kind = Literal["test", "finding", "detail", "place", "closing"]

_PATH = r"(?:[A-Za-z]:)?[\w./\\@+~-]+\.\w+"
_START = r"(?<![\w./\\@+~-])"
_EXPRESSIONS: tuple[tuple[Kind, str], ...] = (
    # pytest
    ("test", r"(?:FAILED|ERROR) \S+(?:\.py|::).*"),
    ("detail", r"E {2,}\S.*"),
    ("place", rf"{_PATH}:\d+: (?:in \S.*|[A-Z]\w*)"),
    ("place", r"ImportError while loading conftest .*"),
    ("closing", r"=*\s*(?:\d+ [a-z]+, )*\d+ (?:failed|errors?)\b.* in \d[\d.]*s\b.*"),
    # unittest
    ("test", r"(?:FAIL|ERROR): \w+ \(.*\).*"),
    ("closing", r"FAILED \((?:failures|errors|unexpected).*\)"),
    # go
    ("test", r"\s*--- FAIL: .*"),
    ("detail", r"\s+\w+_test\.go:\d+: .*"),
    ("detail", r"panic: .*"),
    ("closing", r"FAIL\t\S+.*"),
    # cargo
    ("test", r"test \S+ \.\.\. FAILED"),
    ("place", r"thread '.*' (?:\(\d+\) )?panicked at \S+:\d+:\d+:?"),
    ("detail", r"thread '.*' (?:\(\d+\) )?panicked at .*"),
    ("detail", r"assertion .*failed.*"),
    ("detail", r"\s*(?:left|right): .*"),
    ("closing", r"test result: FAILED\..*|error: (?:test failed|could not compile|aborting due).*"),
    # jest, vitest, mocha, node
    ("test", r"\s*(?:●|✕|×|✖) *[^\W\d].*"),
    ("test", r"\s*not ok \d+ .*"),
    ("place", r"\s*location: .*"),
    ("detail", r"\s*(?:Expected|Received|expected|actual|error): .*"),
    ("detail", r"\s+(?:AssertionError|TypeError|ReferenceError|Error)\b.*: .*"),
    ("closing", r"\s*Tests:? +.*\bfailed\b.*"),
    # ctest
    ("test", r"\s+\d+ - \S+ \((?:Failed|Timeout|SEGFAULT|Not Run|Subprocess .*)\).*"),
    # type checkers, linters, compilers: file:line: what; file(line,column): what
    ("place", rf"{_PATH}:\d+(?::\d+)?: (?:note|help): .*"),
    ("finding", rf"{_PATH}:\d+(?::\d+)?(?:-\d+)?:? (?:- )?\S.*"),
    ("finding", rf"{_PATH}\(\d+,\d+\): \S.*"),
    ("finding", r"error(?:\[\w+\])?: .*"),
    ("finding", r"[A-Z]{1,6}\d{2,5} (?:\[\*\] )?\S.*"),
    ("place", rf"\s*(?:-->|╭▸|┌─) {_PATH}:\d+:\d+.*"),
    ("finding", r"\s+\d+:\d+\s+error\s{2,}.*"),
    ("finding", r"(?:[Ww]ould reformat:?|unformatted:|\[warn\]|\[error\]) \S.*"),
    ("closing", r"Found \d+ errors?\b.*|✖ \d+ problems?\b.*"),
    # what ends a Python traceback, and what programs say when they give up
    ("detail", r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt)(?::.*)?"),
    ("closing", r"g?make(?:\[\d+\])?: \*\*\* .*|npm (?:ERR!|error) .*"),
    ("finding", r"(?:.{0,200}: )?(?:[Ff]atal|FATAL|[Ee]rror|ERROR|[Ff]ailed): \S.*"),
)
_RULES = tuple((kind, re.compile(expression)) for kind, expression in _EXPRESSIONS)
_CAPTURED = re.compile(r"-+ Captured .* -+")

_VOLATILE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(expression), to)
    for expression, to in (
        (r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)?", "DATE"),
        (r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b", "TIME"),
        (r"(?:/private)?/(?:var/)?tmp/[^\s'\"),;:]+|/var/folders/[^\s'\"),;:]+", "TEMPORARY"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
        (r"\b0x[0-9A-Fa-f]+\b", "ADDRESS"),
        (r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,64}\b", "HASH"),
        (r"\b(localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0):\d+", r"\1:PORT"),
        # Looked for at the start of a word only: else a long word is tried from each character.
        (rf"{_START}({_PATH}):\d+(?::\d+)?(?:-\d+)?", r"\1:LINE"),
        (rf"{_START}({_PATH})\(\d+,\d+\)", r"\1:LINE"),
        (r"\bline \d+", "line LINE"),
        (r"^\s*\d+:\d+\s", "LINE "),
        (r"\b(pid|PID|process|Process|thread|port)([ =:]+)\d+", r"\1\2NUMBER"),
        (r"^(\s*not ok) \d+", r"\1"),
        (r"^\s+\d+ - ", ""),
        (r"' \(\d+\) panicked", "' panicked"),
        (r"\b\d+(?:\.\d+)?\s?(?:ns|us|µs|ms|s|sec|secs|seconds?|minutes?|min)\b", "DURATION"),
    )
)


@dataclass(frozen=True, slots=True)
class Telling:
    """What an output says of a failure, shortened."""

    why: str
    lines: tuple[str, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class _Line:
    at: int
    kind: Kind
    text: str


def find_telling(lines: Sequence[str], roots: Sequence[str] = (), fallback: str = "") -> Telling:
    """The lines that matter, the most telling one, and the failure's signature.

    `lines` are free of escapes; `roots` are folders (the workspace's) that are taken off paths;
    `fallback` is the reason when nothing was printed.
    """
    found = _recognised(lines, roots)
    if not found:
        last = [line for line in (_short(line, roots) for line in lines[-400:]) if line.strip()]
        kept = last[-LAST_LINES:]
        why = kept[-1].strip() if kept else fallback
        return Telling(why[:LINE_CHARS], tuple(kept), _signature(kept or [fallback]))
    return Telling(_most_telling(found), _bounded(found), _signature(_that_names(found)))


def _recognised(lines: Sequence[str], roots: Sequence[str]) -> list[_Line]:
    found: list[_Line] = []
    seen: set[str] = set()
    for at, raw in enumerate(lines):
        if not raw or raw.isspace() or _CAPTURED.fullmatch(raw):
            continue
        line = _short(raw, roots)
        kind = next((kind for kind, rule in _RULES if rule.fullmatch(line)), None)
        if kind is None or (text := line.strip()) in seen:
            continue
        seen.add(text)
        found.append(_Line(at, kind, line.rstrip()))
    return found


def _short(line: str, roots: Sequence[str]) -> str:
    line = line[: LINE_CHARS * 4]
    for root in roots:
        line = line.replace(f"{root}/", "").replace(root, ".")
    return line if len(line) <= LINE_CHARS else line[: LINE_CHARS - 1] + "…"


def _of(found: Sequence[_Line], *kinds: Kind) -> list[_Line]:
    return [line for line in found if line.kind in kinds]


def _most_telling(found: Sequence[_Line]) -> str:
    details = _of(found, "detail")
    if tests := _of(found, "test"):
        text = tests[0].text.strip()
        if details and not re.match(r"(?:FAILED|ERROR) .+ - ", text):
            after = (line for line in details if line.at > tests[0].at)
            # pytest explains before it names, all others after
            said = next(after, None) or details[-1]
            text = f"{text} ({re.sub(r'^E +', '', said.text.strip())})"
    elif findings := _of(found, "finding"):
        text = findings[0].text.strip()
        below = next((p for p in _of(found, "place") if p.at == findings[0].at + 1), None)
        if below and (place := re.fullmatch(r"\s*(?:-->|╭▸|┌─) (.*)", below.text)):
            text = f"{text} ({place[1]})"
    else:
        # The end of a traceback says more than what was raised on the way to it.
        text = (details or list(found))[-1].text.strip()
    return text[:LINE_CHARS]


def _that_names(found: Sequence[_Line]) -> list[str]:
    lines = _of(found, "test") or _of(found, "finding", "place") or _of(found, "detail")
    return [line.text for line in lines or found]


def _bounded(found: Sequence[_Line]) -> tuple[str, ...]:
    if len(found) <= LINES_AT_MOST:
        return tuple(line.text for line in found)
    room = LINES_AT_MOST - 1
    names, rest = _of(found, "test", "finding"), _of(found, "detail", "place")
    kept = names[: room * 3 // 5] + _of(found, "closing")[-3:]
    kept += rest[: room - len(kept)]
    kept += names[room * 3 // 5 :][: room - len(kept)]
    ordered = sorted(kept, key=lambda line: line.at)
    left_out = len(found) - len(kept)
    return (*(line.text for line in ordered), f"({left_out} more lines like these)")


# --- signatures -------------------------------------------------------------------------------


def steady(line: str) -> str:
    """The line without what differs from run to run."""
    for volatile, to in _VOLATILE:
        line = volatile.sub(to, line)
    return " ".join(line.split())


def _signature(lines: Sequence[str]) -> str:
    same = sorted({steady(line) for line in lines})
    digest = hashlib.sha256("\n".join(same).encode("utf-8", "replace")).hexdigest()[:12]
    first = re.sub(r"^(?:FAILED|ERROR|FAIL:|ERROR:) ", "", same[0]) if same else ""
    head = re.sub(r"[^\w./:\[\]-]+", "-", first.split(" - ")[0]).strip("-")[:48]
    return f"{head}~{digest}" if head else digest
