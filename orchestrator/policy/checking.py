"""What a checker's findings do to a change. Pure.

1. Only what is blocking sends work back, and what is advice never does: it is kept and shown.
2. What has sent the work back once does not do so again. Whether the maker mended it or said why
   not, it was answered. Findings are the same where file and words are: lines shift, numbers in
   the words with them, and case, quotes and spaces say nothing.
3. It sends work back at most `check_rounds` times in an attempt. What is blocking and may not
   send it back any more is left over: a person decides, and no gate is asked less for it.
4. A finding that came back after it was answered is told apart: the attempt goes in circles
   (`circles`). It never makes anything pass.
5. Where a person has allowed it once (`blocking-findings`), what is left over or came back holds
   up nothing of that task any more.
6. A finding must hold to the change: a file of the tree or of what was changed, a line of that
   file, words, and, where it is blocking, how to reproduce it. Else it goes back to the checker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ledger.model import CheckerFinding
from ledger.state import AttemptState

MOST = 20
"""Findings that one judgement may have."""
_NUMBER = re.compile(r"\d+")
_NOISE = re.compile(r"[^\w/#+*<>=!-]+")

Identity = tuple[str, str]


def identity(finding: CheckerFinding) -> Identity:
    """Equal for findings that say the same of the same file (rule 2)."""
    words = _NUMBER.sub("0", finding.what.casefold())
    path = finding.path.removeprefix("./")
    return path, " ".join(_NOISE.sub(" ", words).split())


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a judgement."""

    back: tuple[CheckerFinding, ...] = ()
    """These send the work back; none: it goes on."""
    left: tuple[CheckerFinding, ...] = ()
    """Blocking and new, but the rounds are used up."""
    returned: tuple[CheckerFinding, ...] = ()
    """Blocking, and answered before."""
    advice: tuple[CheckerFinding, ...] = ()


def blocking(findings: Iterable[CheckerFinding]) -> tuple[CheckerFinding, ...]:
    """Those that are no advice."""
    return tuple(one for one in findings if one.severity == "blocking")


def against(attempt: AttemptState) -> tuple[CheckerFinding, ...]:
    """The blocking findings that ended an attempt; none where something else did."""
    ended, rounds = attempt.finished, attempt.rounds
    judged = rounds[-1].checked if rounds else None
    if ended is None or ended.cause != "checker" or attempt.sent_back or judged is None:
        return ()
    return blocking(judged.findings)


def came_back(attempt: AttemptState) -> bool:
    """Whether one of them had sent the work back before, in the same attempt."""
    judged = [done.checked for done in attempt.rounds[:-1] if done.checked]
    before = {identity(one.findings[at]) for one in judged for at in one.back}
    return any(identity(one) in before for one in against(attempt))


def decide_check(
    findings: Iterable[CheckerFinding],
    sent_back: Sequence[Sequence[CheckerFinding]],
    check_rounds: int,
) -> Decision:
    """What a judgement does, after those of this attempt that have sent work back before."""
    answered = {identity(one) for before in sent_back for one in before}
    told: set[Identity] = set()
    new: list[CheckerFinding] = []
    returned: list[CheckerFinding] = []
    advice: list[CheckerFinding] = []
    for finding in findings:
        name = identity(finding)
        if finding.severity == "advice":
            advice.append(finding)
        elif name in told:
            continue  # said twice in one judgement
        elif name in answered:
            returned.append(finding)
        else:
            new.append(finding)
        told.add(name)
    may = len(sent_back) < check_rounds
    return Decision(
        back=tuple(new) if may else (),
        left=() if may else tuple(new),
        returned=tuple(returned),
        advice=tuple(advice),
    )


def wrong_with(
    findings: Sequence[CheckerFinding], lines: Mapping[str, int], changed: Iterable[str]
) -> tuple[str, ...]:
    """What is wrong with findings, by the files of the tree and their numbers of lines (rule 6).

    A file whose lines were not counted has 0 of them, and any line will do.
    """
    told = []
    gone = set(changed)
    if len(findings) > MOST:
        told.append(f"there are {len(findings)} findings: give the {MOST} that matter most")
    for number, finding in enumerate(findings[:MOST], 1):
        at = f"finding {number} ({finding.path}:{finding.line})"
        if not finding.what.strip():
            told.append(f"{at}: 'what' is empty: say what is wrong")
        if finding.path not in lines and finding.path not in gone:
            told.append(f"{at}: there is no such file: give a path from the top of the tree")
        elif finding.line < 0 or finding.line > (lines.get(finding.path) or finding.line):
            count = lines.get(finding.path, 0)
            told.append(f"{at}: the file has {count} lines; 0 means the file as a whole")
        if finding.severity == "blocking" and not finding.reproduce.strip():
            told.append(f"{at}: 'reproduce' must say how to see it; else make it advice")
    return tuple(told)
