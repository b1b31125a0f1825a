"""A fact that cannot follow raises IllegalEvent and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import Limits
from ledger.state import IllegalEvent, RunState, evolve, fold, head_commits
from tests.support.builders import Story, head, started, verdict

ATTEMPT = {"task": "a", "attempt": 1}
SERVED = {"round": 1, "server": "db", "tool": "q", "outcome": "answered"}
CALL = {"worker": "coder", "provider": "p", "model": "m", "tokens": 10}


def fresh() -> Story:
    """a, b and c, where c needs a; nothing has happened."""
    return Story.of({"a": [], "b": [], "c": ["a"]})


def working() -> Story:
    """A worker is at a."""
    return fresh().starts("a")


def settled() -> Story:
    """A model was called for a, and that has ended."""
    story = working().tell(e.CallReserved(call=1, task="a", attempt=1, **CALL))
    return story.tell(e.CallSettled(call=1))


def held_for_leave() -> Story:
    """a is held, and asks nothing."""
    story = working()
    finished = e.AttemptFinished(**ATTEMPT, outcome="held", head="h", tree="t", held_paths=("x",))
    return story.tell(finished)


def queued() -> Story:
    """a and b are queued, the base is green."""
    return fresh().baseline().queues("a", "b")


def judging() -> Story:
    """Candidate 1, of a and b, is being judged."""
    story = queued()
    story.builds(2)
    return story.tell(e.JudgingStarted(candidate=1))


def passed() -> Story:
    """Candidate 1, of a and b, has passed."""
    story = queued()
    return story.judges(story.builds(2))


def outrun() -> Story:
    """Candidate 1, of a and b, has passed on a tip that a has landed on meanwhile."""
    story = judging()
    first = story.builds(1)
    story.judges(first).lands(first)
    return story.tell(e.CandidateJudged(candidate=1, outcome="passed"))


def landing() -> Story:
    """The tip is about to move to candidate 1."""
    return passed().tell(e.LandingIntended(candidate=1))


def landed() -> Story:
    """a has landed."""
    return fresh().baseline().lands_at_once("a")


def rejected() -> Story:
    """a has landed, was accepted as commit c, was taken out of the result, and landed again."""
    story = landed().tell(accepts(head("a")))
    story.tell(e.RejectRequested(tasks=("a",)))
    number = story.builds_without("a")
    story.judges(number).lands(number).tell(e.RetryRequested(task="a"))
    return story.lands_at_once("a")


def intending() -> Story:
    """The target is about to move to commit c, which holds a."""
    return landed().tell(intends(head("a")))


def cleaned() -> Story:
    """a has landed, b is ready, and the run was cleaned."""
    return landed().tell(e.RunCleaned())


def intends(*heads: HeadRef) -> e.AcceptIntended:
    return e.AcceptIntended(target="main", before="b", commit="c", tree="t", heads=heads)


def accepts(*heads: HeadRef) -> e.Accepted:
    return e.Accepted(target="main", before="b", commit="c", tree="t", heads=heads)


def pushed() -> Story:
    """somebody else moved the tip."""
    return fresh().baseline().tell(e.TipMoved(tip="pushed", tip_tree="pushed-tree"))


def asked() -> Story:
    """a gate judges the tip that somebody else moved."""
    return pushed().tell(e.TipJudgingStarted(tip="pushed", gate="unit"))


def built(candidate: int = 1, base: str = "base", **keywords) -> e.CandidateBuilt:
    keywords.setdefault("heads", (head("a"),))
    return e.CandidateBuilt(candidate=candidate, base=base, commit="c", tree="t", **keywords)


def starts(task: str = "a", attempt: int = 1) -> e.AttemptStarted:
    return e.AttemptStarted(task=task, attempt=attempt, base="base", worker="coder")


def ends(task: str = "a", attempt: int = 1, outcome: str = "failed") -> e.AttemptFinished:
    return e.AttemptFinished.model_validate({"task": task, "attempt": attempt, "outcome": outcome})


def submits(task: str, attempt: int) -> e.HeadSubmitted:
    return e.HeadSubmitted(task=task, attempt=attempt, base="base", head="h", tree="t")


def sends_back(task: str, attempt: int = 1) -> e.HeadSentBack:
    return e.HeadSentBack(task=task, attempt=attempt, cause="red")


CASES: list[tuple[Callable[[], Story], e.Event]] = [
    (fresh, started()),
    # the baseline
    (fresh, e.BaselineGateJudged(verdict=verdict())),
    (fresh, e.BaselineFinished()),
    (fresh, e.BaselineLost(why="killed")),
    (queued, e.BaselineStarted()),
    (queued, e.BaselineLost(why="killed")),
    (lambda: fresh().tell(e.BaselineStarted()), e.BaselineStarted()),
    # attempts
    (fresh, starts("nobody")),
    (fresh, starts("c")),
    (fresh, starts("a", 2)),
    (working, starts("a", 2)),
    (queued, starts("a", 2)),
    (landed, starts("a", 2)),
    (fresh, e.AttemptPrepared(**ATTEMPT, workspace="w")),
    (fresh, e.RoundFinished(**ATTEMPT, round=1)),
    (working, e.RoundFinished(**ATTEMPT, round=2)),
    (working, e.RoundFinished(**ATTEMPT, round=0)),
    (working, e.RoundGateJudged(**ATTEMPT, round=0, verdict=verdict())),
    (working, e.RoundGateJudged(**ATTEMPT, round=1, verdict=verdict())),
    (working, e.CheckerJudged(**ATTEMPT, round=1, worker="c", model="m")),
    (working, e.McpToolCalled(task="a", attempt=2, **SERVED)),
    (queued, e.McpToolCalled(**ATTEMPT, **SERVED)),
    (working, ends("a", 2)),
    (working, ends("b")),
    (working, ends("nobody")),
    (working, ends("a", 1, "green")),
    (working, ends("a", 1, "held")),
    (queued, ends("a")),
    # candidates
    (queued, built(candidate=2)),
    (queued, built(base="elsewhere")),
    (queued, built(heads=())),
    (queued, built(removes=("a",))),
    (queued, built(heads=(head("c"),))),
    (queued, built(heads=(head("b"),))),
    (queued, built(heads=(head("a"), head("a")))),
    (queued, built(heads=(head("a", 2),))),
    (queued, e.PrefixCut(length=0)),
    (queued, e.PrefixCut(length=2)),
    (queued, e.JudgingStarted(candidate=1)),
    (judging, e.JudgingStarted(candidate=1)),
    (passed, e.JudgingStarted(candidate=1)),
    (passed, e.CandidateGateJudged(candidate=1, verdict=verdict())),
    (passed, e.CandidateJudged(candidate=1, outcome="passed")),
    (queued, e.CandidateJudged(candidate=1, outcome="passed")),
    (queued, e.CandidateDropped(candidate=1, why="no")),
    (landing, e.CandidateDropped(candidate=1, why="no")),
    (judging, e.LandingIntended(candidate=1)),
    (queued, e.LandingIntended(candidate=1)),
    (outrun, e.LandingIntended(candidate=1)),
    (passed, e.Landed(candidate=1)),
    (landed, e.Landed(candidate=1)),
    (landed, e.LandingIntended(candidate=1)),
    (judging, e.CandidateStale(candidate=1, tip="t", tip_tree="t")),
    (queued, e.CandidateStale(candidate=1, tip="t", tip_tree="t")),
    (lambda: landing().tell(sends_back("b")), e.Landed(candidate=1)),
    # a tip that somebody else moved
    (fresh, e.TipMoved(tip="base", tip_tree="base-tree")),
    (landing, e.TipMoved(tip="t", tip_tree="t")),
    (fresh, e.TipJudgingStarted(tip="base", gate="unit")),
    (landed, e.TipJudgingStarted(tip="c1", gate="unit")),
    (pushed, e.TipJudgingStarted(tip="base", gate="unit")),
    (asked, e.TipJudgingStarted(tip="pushed", gate="unit")),
    (pushed, e.TipGateJudged(tip="pushed", verdict=verdict())),
    (asked, e.TipGateJudged(tip="base", verdict=verdict())),
    (asked, e.TipGateJudged(tip="pushed", verdict=verdict(gate="lint"))),
    (pushed, e.TipJudgingLost(why="killed")),
    # heads that go back
    (fresh, sends_back("a")),
    (queued, sends_back("a", 2)),
    (queued, sends_back("c")),
    (landed, sends_back("a")),
    # tasks
    (working, e.TaskGivenUp(task="a", why="no")),
    (queued, e.TaskGivenUp(task="a", why="no")),
    (landed, e.TaskGivenUp(task="a", why="no")),
    (fresh, e.TaskGivenUp(task="nobody", why="no")),
    (working, e.TaskHeld(task="a", why="no")),
    (landed, e.TaskHeld(task="a", why="no")),
    # models
    (fresh, e.CallReserved(call=2, task="a", attempt=1, **CALL)),
    (fresh, e.CallReserved(call=1, task="nobody", attempt=1, **CALL)),
    (fresh, e.CallSettled(call=1)),
    (settled, e.CallSettled(call=1)),
    (settled, e.CallReserved(call=1, task="a", attempt=1, **CALL)),
    (fresh, e.BudgetReached(task="nobody", attempt=1, scope="task", why="no")),
    # people
    (fresh, e.PathAllowed(task="nobody", path="x")),
    (fresh, e.RetryRequested(task="a")),
    (working, e.RetryRequested(task="a")),
    (queued, e.RetryRequested(task="a")),
    (landed, e.RetryRequested(task="a")),
    (fresh, e.RetryRequested(task="nobody")),
    (fresh, e.QuestionAnswered(task="a", answer="yes")),
    (held_for_leave, e.QuestionAnswered(task="a", answer="yes")),
    (fresh, e.TaskTaken(task="nobody", branch="b", head="h")),
    (fresh, submits("nobody", 1)),
    (fresh, submits("a", 2)),
    (working, submits("a", 2)),
    (queued, submits("a", 2)),
    (landed, submits("a", 2)),
    (fresh, e.RejectRequested(tasks=("a",))),
    (landed, e.RejectRequested(tasks=("a", "b"))),
    (landed, e.RejectRequested(tasks=("a", "nobody"))),
    (fresh, e.TaskRejected(task="a")),
    (working, e.TaskRejected(task="a")),
    (landed, e.TaskRejected(task="a")),
    (rejected, e.TaskRejected(task="a")),
    (fresh, e.TaskRejected(task="nobody")),
    # into a branch of the user's
    (fresh, intends(head("a"))),
    (queued, intends(head("a"))),
    (landed, intends(head("a", 2))),
    (landed, intends(head("nobody"))),
    (rejected, intends(head("a"), head("a", 2))),
    (fresh, accepts(head("a"))),
    (queued, accepts(head("a"))),
    (landed, accepts(head("a"), head("b"))),
    (intending, accepts()),
    # to a remote
    (queued, e.PushIntended(remote="o", branch="b", commit="c", tree="t", heads=(head("a"),))),
    (queued, e.Pushed(remote="o", url="u", branch="b", commit="c", tree="t", heads=(head("a"),))),
    (landed, e.PullRequestIntended(repository="a/t", branch="b", target="main")),
    (
        landed,
        e.PullRequestOpened(repository="a/t", branch="b", target="main", number=1, url="u"),
    ),
    (landed, e.PullRequestUpdated(branch="b", number=1, url="u")),
    # after a clean: one of each kind
    (cleaned, e.EngineStarted(pid=1, host="here")),
    (cleaned, e.LimitsChanged(limits=Limits())),
    (cleaned, e.StopRequested()),
    (cleaned, e.RunFinished(outcome="complete", exit_code=0)),
    (cleaned, e.BaselineStarted()),
    (cleaned, starts("b")),
    (cleaned, e.FlakeSeen(gate="unit", tree="t")),
    (cleaned, e.PathAllowed(task="b", path="x")),
    (cleaned, e.TaskTaken(task="a", branch="b", head="h")),
    (cleaned, submits("b", 1)),
    (cleaned, e.RejectRequested(tasks=("a",))),
    (cleaned, e.TaskRejected(task="a")),
    (cleaned, e.RejectRefused(tasks=("a",), why="no")),
    (cleaned, intends(head("a"))),
    (cleaned, e.AcceptGateJudged(verdict=verdict())),
    (cleaned, accepts(head("a"))),
]


def name(case: object) -> str:
    if isinstance(case, e.Fact):
        return type(case).__name__
    return getattr(case, "__name__", "story").strip("<>")


@pytest.mark.parametrize(("situation", "fact"), CASES, ids=name)
def test_an_illegal_fact_raises_and_changes_nothing(situation, fact):
    story = situation()
    before = deepcopy(story.state)
    with pytest.raises(IllegalEvent) as raised:
        evolve(story.state, fact, 99.0)
    assert str(raised.value)
    assert story.state == before


def test_every_fact_that_can_be_illegal_is_tried_here():
    tried = {type(fact) for _, fact in CASES}
    always_legal = {e.Noticed, e.Notified, e.RunCleaned, e.ProviderPaused}
    assert tried | always_legal == set(e.EVENT_TYPES.values())


def test_facts_without_a_start_are_no_run():
    with pytest.raises(IllegalEvent, match="without facts"):
        fold([])
    with pytest.raises(IllegalEvent, match="starts with RunStarted"):
        fold([(e.BaselineStarted(), 0.0)])


def test_an_attempt_that_never_was_has_no_head():
    state: RunState = queued().state
    assert list(head_commits(state, state.queue)) == ["h-a-1", "h-b-1"]
    with pytest.raises(IllegalEvent, match="no attempt 2 at a"):
        state.attempt(HeadRef(task="a", attempt=2))
    with pytest.raises(IllegalEvent, match="has no head"):
        list(head_commits(working().state, [head("a")]))
