"""What a pull request says: a title out of the goal, and the run's report, bounded. Pure.

1. A title is one line that mentions nobody and closes nothing, whatever the goal says.
2. The report is cut between its sections, from the end: what is told first matters most.
3. It stands between two marks; what stands outside of them is somebody's, and is kept.
"""

from __future__ import annotations

from ledger.state import RunState
from orchestrator.driven import Driven
from orchestrator.messages import goal_line
from orchestrator.review.markdown import unlinked
from orchestrator.review.report import render_report

BODY_CHARS = 60_000
"""Forges take more, GitHub 65,536."""
LEAST_CHARS = 2_000


def title_of_run(state: RunState) -> str:
    """A title for the run's pull request."""
    name = f"orch: {state.run}"
    return unlinked(goal_line(state.plan.goal, name) if state.plan.goal.strip() else name)


def body_of(state: RunState, now: float, driven: Driven | None = None, note: str = "") -> str:
    """The report of the run, and before it what there is to say of this part of it."""
    report = render_report(state, False, now, False, driven)
    return f"{note}\n\n{report}" if note else report


def merged(before: str, report: str, run: str) -> str:
    """The text of a pull request with the report in its place."""
    begin, end = f"<!-- orch: report of {run} -->", "<!-- orch: end of the report -->"
    head, mark, rest = before.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (mark and closed):
        head, tail = (f"{before.rstrip()}\n\n" if before.strip() else ""), ""
    room = max(LEAST_CHARS, BODY_CHARS - len(head) - len(tail))
    return f"{head}{begin}\n{cut(report.strip(), room, run)}\n{end}{tail}"


def cut(report: str, limit: int, run: str) -> str:
    """As many sections, from the first, as there is room for."""
    # Nobody else's words can end it: what somebody wrote in a report is escaped.
    if len(report) <= limit:
        return report
    note = f"\n\n*Cut here. All of it: `orch report {run}`*"
    room = limit - len(note)
    parts = report.split("\n\n## ")
    kept = parts[0]
    for part in parts[1:]:
        if len(kept) + len(part) + 5 > room:
            break
        kept += f"\n\n## {part}"
    if len(kept) > room:
        kept = kept[:room].rpartition("\n")[0] or kept[:room]
    elif kept == parts[0] and len(parts) > 1:
        lines = f"{kept}\n\n## {parts[1]}"[:room]
        kept = lines.rpartition("\n")[0]
    return kept + note
