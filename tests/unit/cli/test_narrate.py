"""One line for each fact that matters."""

import pytest

from ledger import events as e
from ledger.model import Verdict
from orchestrator.review.narrate import narrate, narrate_all
from orchestrator.review.told import KEPT, Told
from tests.support.builders import Story, head, verdict

SILENT = {"CandidateBuilt", "LandingIntended", "PrefixCut", "AttemptPrepared", "BaselineStarted"}


def test_a_run_reads_like_a_story() -> None:
    story = Story.of({"a": [], "b": []}).baseline()
    story.starts("a").ends("a", duration_s=3.0)
    number = story.builds(1)
    story.judges(number, "failed").judges(number, "failed", confirms=True)
    story.tell(e.HeadSentBack(task="a", attempt=1, cause="red", why="gate 'unit' failed"))
    story.starts("a").ends("a")
    number = story.builds(1, "fine")
    story.judges(number).lands(number)
    story.tell(e.RunFinished(outcome="complete", exit_code=0))
    lines = [text for _, (text, _) in narrate_all(story.facts, story.state)]
    joined = "\n".join(lines)
    assert "base  gate 'unit' passed" in joined and "a  started, by coder" in joined
    assert "queue judging a again, to be sure" in joined
    assert "a  sent back: gate 'unit' failed" in joined
    assert "a  attempt 2, by coder" in joined and "result landed a (1 of 2)" in joined
    assert lines[-1] == "run   complete"


def test_a_reason_is_told_in_full_once_and_each_line_after_that_is_shorter() -> None:
    story, why = Story.of({"a": [], "b": []}, attempts=1).baseline(), "FAIL: test_money"
    story.starts("a").ends("a")
    number = story.builds(1)
    judged = verdict("failed", "other").model_copy(update={"why": why, "duration_s": 1.0})
    for confirms in (False, True):
        story.tell(
            e.JudgingStarted(candidate=number, confirms=confirms),
            e.CandidateGateJudged(candidate=number, verdict=judged),
            e.CandidateJudged(candidate=number, outcome="failed", gate="unit"),
        )
    whole = f"gate 'unit' failed with what has landed: {why}"
    story.tell(e.HeadSentBack(task="a", attempt=1, cause="red", why=whole))
    story.tell(e.TaskGivenUp(task="a", why=f"given up after 1 attempt: {whole}"))
    lines = [text for _, (text, _) in narrate_all(story.facts, story.state)]
    assert lines[-6:] == [
        "queue judging a",
        f"queue gate 'unit' failed in 1.0 s: {why}",
        "queue judging a again, to be sure",
        "queue gate 'unit' failed in 1.0 s, as before",
        "a  sent back: gate 'unit' failed with what has landed",
        "a  given up after 1 attempt",
    ]
    told = Told()
    back = e.HeadSentBack(task="a", attempt=2, cause="red", why=whole)
    twice = [narrate(back, story.state, told) for _ in range(2)]
    assert [line and line[0] for line in twice] == [
        f"a  sent back: {whole}",
        "a  sent back, as before",
    ]
    late = [text for _, (text, _) in narrate_all(story.facts[-1:], story.state)]
    assert late == [f"a  given up after 1 attempt: {whole}"], "who joins late is told in full"


def test_another_gate_that_says_the_same_is_told_in_full_and_old_reasons_are_forgotten() -> None:
    told = Told()
    one, other = (verdict("failed", gate=name) for name in ("lint", "unit"))
    assert (told.again(one), told.again(other), told.again(one)) == (False, False, True)
    assert told.rest("exit 1") == "exit 1" and told.rest("it failed: exit 1") == "it failed"
    assert told.rest("gave up: it failed: exit 1") == "gave up" and told.rest("") == ""
    for number in range(2 * KEPT):
        told.rest(f"reason {number}")
    assert told.rest("exit 1") == "exit 1"


def forge_facts() -> dict[str, e.Event]:
    """What left for a remote."""
    commit, away = "c" * 40, "orch/ada/r\x1b"
    push = {"remote": "origin", "branch": away, "commit": commit, "tree": commit, "heads": ()}
    pull = {"repository": "ada/tea", "branch": away, "target": "main"}
    found: tuple[e.Event, ...] = (
        e.PushIntended.model_validate(push),
        e.Pushed.model_validate({**push, "url": "https://example.com/ada/tea"}),
        e.PullRequestIntended.model_validate(pull),
        e.PullRequestOpened.model_validate({**pull, "number": 7, "url": "https://x\x1b"}),
        e.PullRequestUpdated(branch=away, number=7, url="u"),
    )
    return {fact.kind: fact for fact in found}


@pytest.mark.parametrize("kind", sorted(e.EVENT_TYPES))
def test_every_kind_of_fact_is_told_or_silent_on_purpose(kind: str) -> None:
    story = Story.of({"t": [], "u": []}).baseline().starts("t")
    story.ends("t")
    number = story.builds(1)
    red = Verdict(gate="unit", tree="t", key="k", outcome="failed", why="\x1b[31mred")
    sha = "c" * 40
    facts: dict[str, e.Event] = {
        "RunStarted": story.state.started,
        "EngineStarted": e.EngineStarted(pid=1, host="h"),
        "LimitsChanged": e.LimitsChanged(limits=story.state.limits),
        "StopRequested": e.StopRequested(),
        "RunFinished": e.RunFinished(outcome="stopped", exit_code=130),
        "Noticed": e.Noticed(what="odd"),
        "Notified": e.Notified(said="s", failed=("webhook: \x1bw",)),
        "CallReserved": e.CallReserved(
            call=1, task="t", attempt=1, worker="w", provider="p", model="m", tokens=9
        ),
        "CallSettled": e.CallSettled(call=1),
        "BudgetReached": e.BudgetReached(task="t", attempt=1, scope="run", why="\x1bw"),
        "ProviderPaused": e.ProviderPaused(provider="p\x1b", until=2000.0),
        "QuestionAnswered": e.QuestionAnswered(task="t", answer="yes\x1b\nindeed"),
        "BaselineStarted": e.BaselineStarted(),
        "BaselineGateJudged": e.BaselineGateJudged(verdict=verdict()),
        "BaselineFinished": e.BaselineFinished(),
        "BaselineLost": e.BaselineLost(why="w"),
        "AttemptStarted": e.AttemptStarted(task="t", attempt=1, base=sha, worker="w"),
        "AttemptPrepared": e.AttemptPrepared(task="t", attempt=1, workspace="w"),
        "RoundFinished": e.RoundFinished(task="t", attempt=1, round=1, worker_outcome="timeout"),
        "RoundGateJudged": e.RoundGateJudged(task="t", attempt=1, round=1, verdict=red),
        "CheckerJudged": e.CheckerJudged(
            task="t", attempt=1, round=1, worker="c", model="m", blocking=1
        ),
        "McpToolCalled": e.McpToolCalled(
            task="t", attempt=1, round=1, server="db", tool="q", outcome="lost", why="w"
        ),
        "AttemptFinished": e.AttemptFinished(task="t", attempt=1, outcome="lost", why="w"),
        "CandidateBuilt": story.state.candidates[number].built,
        "PrefixCut": e.PrefixCut(length=1),
        "JudgingStarted": e.JudgingStarted(candidate=number),
        "CandidateGateJudged": e.CandidateGateJudged(candidate=number, verdict=red),
        "CandidateJudged": e.CandidateJudged(candidate=number, outcome="passed"),
        "CandidateDropped": e.CandidateDropped(candidate=number, why="w"),
        "LandingIntended": e.LandingIntended(candidate=number),
        "Landed": e.Landed(candidate=number),
        "CandidateStale": e.CandidateStale(candidate=number, tip=sha, tip_tree=sha),
        "HeadSentBack": e.HeadSentBack(task="t", attempt=1, cause="conflict"),
        "FlakeSeen": e.FlakeSeen(gate="unit", tree="t"),
        "TipMoved": e.TipMoved(tip=sha, tip_tree=sha),
        "TipJudgingStarted": e.TipJudgingStarted(tip=sha, gate="unit"),
        "TipGateJudged": e.TipGateJudged(tip=sha, verdict=red),
        "TipJudgingLost": e.TipJudgingLost(why="w"),
        "TaskGivenUp": e.TaskGivenUp(task="t", why="given up"),
        "TaskHeld": e.TaskHeld(task="t", why="w"),
        "PathAllowed": e.PathAllowed(task="t", path="p"),
        "RetryRequested": e.RetryRequested(task="t", note="n"),
        "TaskTaken": e.TaskTaken(task="t", branch="b", head=sha),
        "HeadSubmitted": e.HeadSubmitted(task="t", attempt=1, base=sha, head=sha, tree=sha),
        "RejectRequested": e.RejectRequested(tasks=("t",)),
        "TaskRejected": e.TaskRejected(task="t"),
        "RejectRefused": e.RejectRefused(tasks=("t",), why="w"),
        "AcceptIntended": e.AcceptIntended(
            target="main", before=sha, commit=sha, tree=sha, heads=(head("t"),)
        ),
        "AcceptGateJudged": e.AcceptGateJudged(verdict=red),
        "Accepted": e.Accepted(target="main", before=sha, commit=sha, tree=sha, heads=(head("t"),)),
        **forge_facts(),
        "RunCleaned": e.RunCleaned(),
    }
    line = narrate(facts[kind], story.state)
    quiet = {*SILENT, "EngineStarted", "BaselineFinished", "CandidateJudged", "CandidateDropped"}
    quiet |= {
        "PushIntended",
        "PullRequestIntended",
        "AcceptIntended",
        "TipJudgingLost",
        "CallReserved",
        "CallSettled",
    }
    assert (line is None) == (kind in quiet)
    assert line is None or ("\x1b" not in line[0] and "\n" not in line[0])
