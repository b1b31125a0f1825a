"""The digest of what was tried, made from the ledger without a model. Pure.

1. An entry is one way of failing: which attempts and rounds came to it, what they had changed,
   what judged them and how it ended, which tests failed, and the lines that matter.
2. The same way of failing, by its signature, is one entry however often it was come to; the
   newest is first. What is told in full elsewhere is only counted.
3. A test or a line that a newer entry has told is not told again.
4. It has at most as many tokens as it may, four bytes each. What does not fit goes from the end:
   an entry loses its lines, then its tests, then it is left out, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ledger.model import CheckerFinding, Verdict
from ledger.state import AttemptState, RoundState, RunState
from orchestrator.feedback.markdown import code, fenced
from orchestrator.policy.checking import against, identity
from workers.text import clean_line

DIGEST_TOKENS = 1500
BYTES_A_TOKEN = 4
LINES_SHOWN = 8
TESTS_SHOWN = 10
PATHS_SHOWN = 6
PLACES_SHOWN = 4
HEAD = "## What was tried before\n"
_LAST_BYTES = 60
"""Kept for saying that there was more."""


@dataclass
class Entry:
    """One way of failing."""

    why: str
    verdict: Verdict | None = None
    times: int = 0
    by_paths: dict[str, list[str]] = field(default_factory=dict)
    """What was changed, and in which rounds, the newest first."""


def render_digest(
    state: RunState,
    attempts: Sequence[AttemptState],
    told: RoundState | None = None,
    *,
    budget_tokens: int = DIGEST_TOKENS,
    lines_shown: int = LINES_SHOWN,
) -> str:
    """What these attempts tried and came to; `told` was told in full already. Empty: nothing."""
    entries = [entry for entry in _entries(state, attempts, told) if entry.by_paths]
    left = budget_tokens * BYTES_A_TOKEN - len(HEAD) - _LAST_BYTES
    said: set[str] = set()
    items: list[str] = []
    for entry in entries:
        tests, lines = _new(entry, said, min(lines_shown, LINES_SHOWN))
        for more in (_tests(tests) + _lines(lines), _tests(tests), ""):
            item = _head(entry) + more
            size = len(item.encode("utf-8", "replace")) + 1
            if size <= left:
                break
        else:
            count = len(entries) - len(items)
            items.append(f"- and {count} earlier way{'s' * (count > 1)} of failing, left out here")
            break
        left -= size
        items.append(item)
        said |= {*tests, *lines}
    return "\n".join([HEAD, *items]) if entries and left >= 0 else ""


def _entries(
    state: RunState, attempts: Sequence[AttemptState], told: RoundState | None
) -> list[Entry]:
    found: dict[str, Entry] = {}
    for attempt in reversed(attempts):
        for done in reversed(attempt.rounds):
            key, why, verdict = _failure(state, attempt, done)
            if not why:
                continue
            entry = found.setdefault(key, Entry(why, verdict))
            entry.times += 1
            if done is not told:
                place = f"attempt {attempt.number}, round {done.finished.round}"
                entry.by_paths.setdefault(_paths(done), []).append(place)
    return list(found.values())


def _failure(
    state: RunState, attempt: AttemptState, done: RoundState
) -> tuple[str, str, Verdict | None]:
    """What a round came to: a key for what is the same, words, and a gate's verdict if any."""
    fact = done.finished
    if attempt.sent_back and done is attempt.rounds[-1]:
        back = attempt.sent_back
        candidate = state.candidates.get(back.candidate or 0)
        red = [v for v in candidate.verdicts if v.outcome != "passed"] if candidate else []
        why = clean_line(back.why, 240)
        return f"back:{back.signature or why}", why, red[-1] if red else None
    if fact.worker_outcome != "done":
        why = clean_line(fact.why, 240) or fact.worker_outcome
        exited = "" if fact.exit_code is None else f" (exit code {fact.exit_code})"
        return f"worker:{why}", why if f"exit {fact.exit_code}" in why else why + exited, None
    if fact.refusals:
        first = fact.refusals[0]
        why = clean_line(f"{first.path} was refused, {first.why}", 240)
        return why, why, None
    if fact.outside:
        why = clean_line(f"{fact.outside[0]} is outside what the task may change", 240)
        return why, why, None
    bad = next((v for v in done.verdicts if v.outcome != "passed"), None)
    if bad is None:
        found = _blocking(attempt, done)
        if not found:
            return "", "", None
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        why = clean_line(f"a checker blocked it, {found[0].said}{more}", 400)
        return f"checker:{sorted(map(identity, found))}", why, None
    how = "" if bad.exit_code in (None, 1) else f" (exit code {bad.exit_code})"
    why = clean_line(f"gate {bad.gate}{how}: {bad.why}", 240)
    return f"{bad.gate}:{bad.signature or why}", why, bad


def _blocking(attempt: AttemptState, done: RoundState) -> Sequence[CheckerFinding]:
    """What a checker sent a round back for, or ended the attempt for."""
    if done.checked is None:
        return ()
    back = [done.checked.findings[at] for at in done.checked.back]
    return back or (against(attempt) if done is attempt.rounds[-1] else ())


def _new(entry: Entry, said: set[str], lines_shown: int) -> tuple[list[str], list[str]]:
    """The tests and lines of an entry that nothing newer has told."""
    if entry.verdict is None or not lines_shown:
        return [], []
    new, failed = entry.verdict.new_failures, entry.verdict.failed_tests
    known = set(failed) - set(new) if new is not None else set()
    tests = [name for name in failed if name not in said and name not in known]
    lines = [line for line in entry.verdict.lines if line not in said and line != entry.verdict.why]
    return tests[:TESTS_SHOWN], lines[:lines_shown]


def _head(entry: Entry) -> str:
    parts = [
        f"{', '.join(places[:PLACES_SHOWN])}: changed {paths}"
        for paths, places in list(entry.by_paths.items())[:PLACES_SHOWN]
    ]
    again = f" It came to the same {entry.times} times: try another way."
    return f"- {'; '.join(parts)}, then {entry.why}." + (again if entry.times > 1 else "")


def _tests(tests: Sequence[str]) -> str:
    named = ", ".join(code(name) for name in tests)
    return f"\n  Failed tests: {named}" if named else ""


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"\n  {line}" if line else "\n" for line in _indented(lines))


def _indented(lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield from fenced(lines).splitlines()


def _paths(done: RoundState) -> str:
    fact = done.finished
    if not fact.paths_count:
        return "nothing"
    shown = ", ".join(code(path) for path in fact.paths[:PATHS_SHOWN])
    more = fact.paths_count - PATHS_SHOWN
    return shown + (f" and {more} more" if more > 0 else "")
