"""What is wrong with a round, and why the attempt before came back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger.model import CheckerFinding, Refusal, Verdict
from ledger.state import AttemptState, RoundState, RunState
from orchestrator.feedback.markdown import PATHS_SHOWN, code, fenced, listed
from orchestrator.policy.checking import against
from orchestrator.policy.flaky import known_flaky
from workers.text import clean_line

ReadLog = Callable[[str], str]
"""The text of a kept log, bounded."""


def render_wrong(
    state: RunState,
    verdicts: Sequence[Verdict],
    outside: Sequence[str],
    refusals: Sequence[Refusal],
    lines_shown: int,
) -> list[str]:
    """What a round did wrong, one text each."""
    red = (verdict for verdict in verdicts if verdict.outcome != "passed")
    parts = [_verdict(state, verdict, lines_shown) for verdict in red]
    if outside:
        head = "Files were changed that this task may not change. Put them back as they were:"
        parts.append(listed(head, [code(path) for path in outside], len(outside)))
    if refusals:
        head = "These changes cannot be committed as they are:"
        said = [f"{code(refusal.path)}: {clean_line(refusal.why)}" for refusal in refusals]
        parts.append(listed(head, said, len(refusals)))
    return parts


def render_findings(findings: Sequence[CheckerFinding]) -> str:
    """What a checker sends work back for."""
    head = "Another model has checked the change, and blocks it. Mend what it found:"
    said = []
    for one in findings:
        how = f" To see it: {clean_line(one.reproduce, 600)}" if one.reproduce else ""
        said.append(f"{clean_line(one.said, 600)}{how}")
    return listed(head, said, len(findings))


def _verdict(state: RunState, verdict: Verdict, lines_shown: int) -> str:
    how = "failed" if verdict.outcome == "failed" else "could not run"
    exited = "" if verdict.exit_code is None else f" (exit code {verdict.exit_code})"
    why = f": {clean_line(verdict.why)}" if verdict.why else ""
    head = f"Gate {code(verdict.gate)} {how}{exited}{why}" + _tests(state, verdict)
    lines = verdict.lines[:lines_shown]
    if not lines:
        return head
    more = len(verdict.lines) - len(lines)
    return f"{head}\n\n{fenced(lines)}" + (f"\n({more} more lines)" if more else "")


def _tests(state: RunState, verdict: Verdict) -> str:
    """How many tests there were, and which failures are the change's own."""
    said = []
    if verdict.tests is not None:
        said.append(f"Tests: {verdict.tests.render()}.")
    if verdict.outcome == "failed" and verdict.new_failures:
        named = [code(name) for name in verdict.new_failures[:PATHS_SHOWN]]
        more = len(verdict.new_failures) - len(named) + verdict.failed_more
        said.append(f"New against the base: {', '.join(named)}" + f" and {more} more" * bool(more))
    known = known_flaky(state, verdict.gate)
    if flaky := [name for name in verdict.failed_tests if name in known]:
        named = [code(name) for name in flaky[:PATHS_SHOWN]]
        said.append(f"Seen to fail without a cause in this run: {', '.join(named)}")
    return "".join(f"\n\n{line}" for line in said)


def render_why_back(
    state: RunState, attempt: AttemptState, read_log: ReadLog | None, lines_shown: int
) -> list[str]:
    """Why an attempt came back; nothing where it did not."""
    back, finished = attempt.sent_back, attempt.finished
    if back is not None:
        if back.cause == "conflict":
            head = "Your change does not merge with what landed meanwhile. In conflict:"
            return [listed(head, [code(path) for path in back.paths], len(back.paths))]
        candidate = state.candidates.get(back.candidate or 0)
        red = [v for v in candidate.verdicts if v.outcome != "passed"] if candidate else []
        head = "Your change passed its own checks, but not together with what has landed."
        return [head, *(_verdict(state, verdict, lines_shown) for verdict in red[-1:])]
    if finished is None or finished.outcome in ("green", "unchanged"):
        return []
    last = attempt.rounds[-1] if attempt.rounds else None
    if finished.outcome == "lost" or last is None:
        return [f"It was interrupted, by no fault of yours: {clean_line(finished.why)}"]
    fact = last.finished
    if fact.worker_outcome != "done":
        return _worker_failed(last, read_log, lines_shown)
    wrong = render_wrong(state, last.verdicts, fact.outside, fact.refusals, lines_shown)
    if finished.findings:
        head = "It was held for a person, since it weakens tests or adds secrets. Put these back:"
        found = [code(finding.said) for finding in finished.findings]
        wrong.append(listed(head, found, len(found)))
    if stood := against(attempt):
        wrong.append(render_findings(stood))
    return wrong or [clean_line(finished.why) or "It failed, without a word about why."]


def _worker_failed(last: RoundState, read_log: ReadLog | None, lines_shown: int) -> list[str]:
    fact = last.finished
    how = {
        "timeout": "The work did not end in time and was stopped",
        "not-started": "The work could not be started",
    }.get(fact.worker_outcome, "The work ended with an error")
    exited = "" if fact.exit_code is None else f" (exit code {fact.exit_code})"
    parts = [f"{how}{exited}" + (f": {clean_line(fact.why)}" if fact.why else ".")]
    if fact.log and read_log and lines_shown:
        lines = [clean_line(line, 300) for line in read_log(fact.log)[-40_000:].splitlines()]
        said = [line for line in lines if line.strip()][-min(lines_shown, 20) :]
        if said:
            parts.append(f"Its last lines:\n\n{fenced(said)}")
    return parts
