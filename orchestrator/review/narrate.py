"""One line for each fact that matters to somebody who watches. Pure.

1. A fact that only prepares another (`CandidateBuilt`, `LandingIntended`) says nothing.
2. A line begins with what it is about: a task's id, or `run`, `base`, `queue`, `result`.
   Neither does a model's call: what they came to is told with what they were made for. A call of
   an MCP server is told only where it was lost.
3. Foreign text is cut to one clean line.
4. A reason is told in full once to each reader, and left out after that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ledger import events as e
from ledger.model import BLOCKING_FINDINGS, FEWER_TESTS, Verdict
from orchestrator.review.flakes import said_of_flake
from orchestrator.review.spent import said_of_waits, said_of_worker, spent, to_raise, to_raise_own
from orchestrator.review.tested import counts_of
from orchestrator.review.told import Told
from orchestrator.review.words import Style, branch, count, duration, foreign, listed, short

if TYPE_CHECKING:
    from ledger.state import RunState

Line = tuple[str, Style]


def narrate(event: e.Event, state: RunState, told: Told | None = None) -> Line | None:
    """What to say of a fact; `state` is what stands after it. None: nothing.

    `told`: what the reader knows; absent: nothing yet.
    """
    told = told or Told()
    match event:
        case e.BaselineStarted() | e.BaselineGateJudged() | e.BaselineFinished() | e.BaselineLost():
            return _baseline(event, state, told)
        case (
            e.AttemptStarted()
            | e.AttemptPrepared()
            | e.RoundFinished()
            | e.RoundGateJudged()
            | e.CheckerJudged()
            | e.AttemptFinished()
        ):
            return _attempt(event, state, told)
        case (
            e.CandidateBuilt()
            | e.PrefixCut()
            | e.JudgingStarted()
            | e.CandidateGateJudged()
            | e.CandidateJudged()
            | e.CandidateDropped()
            | e.LandingIntended()
            | e.Landed()
            | e.CandidateStale()
            | e.HeadSentBack()
            | e.FlakeSeen()
        ):
            return _queue(event, state, told)
        case e.CallReserved() | e.CallSettled() | e.BudgetReached() | e.ProviderPaused():
            return _model(event, state)
        case e.McpToolCalled(outcome="lost"):
            what = f"a call of MCP server '{foreign(event.server)}' was lost"
            return f"{event.task}  {what}: {foreign(event.why)}", "ask"
        case e.McpToolCalled():
            return None
        case e.TipMoved() | e.TipJudgingStarted() | e.TipGateJudged() | e.TipJudgingLost():
            return _tip(event, state, told)
        case e.PushIntended() | e.Pushed() | e.PullRequestIntended():
            return _forge(event)
        case e.PullRequestOpened() | e.PullRequestUpdated():
            return _forge(event)
        case (
            e.RunStarted()
            | e.EngineStarted()
            | e.LimitsChanged()
            | e.StopRequested()
            | e.RunFinished()
            | e.Notified()
            | e.Noticed()
            | e.RunCleaned()
        ):
            return _run(event, state)
        case _:
            return _person(event, told)


def narrate_all(
    facts: Iterable[tuple[e.Event, float]], state: RunState, told: Told | None = None
) -> list[tuple[float, Line]]:
    """The lines of several facts, with their times."""
    told = told or Told()
    return [(at, line) for event, at in facts if (line := narrate(event, state, told))]


def said_of(verdict: Verdict) -> str:
    """`gate 'unit' failed in 12 s: 118 passed, 2 failed: FAILED tests/a.py::b`."""
    said = (counts_of(verdict), foreign(verdict.why))
    return ": ".join([_head_of(verdict), *filter(None, said)])


def _head_of(verdict: Verdict) -> str:
    word = "could not run" if verdict.outcome == "could-not-run" else verdict.outcome
    took = " (known of this tree)" if verdict.reused else f" in {duration(verdict.duration_s)}"
    return f"gate '{verdict.gate}' {word}{took}"


def _red(verdict: Verdict, told: Told) -> str:
    """What a gate said that is not green; the reason only where it is new."""
    again = told.again(verdict)
    told.rest(verdict.why)
    return f"{_head_of(verdict)}, as before" if again and verdict.why else said_of(verdict)


def _why(why: str, told: Told) -> str:
    """A reason behind a colon, as far as it is new."""
    new = told.rest(why)
    return f": {foreign(new)}" if new else ""


def _run(event: e.Event, state: RunState) -> Line | None:
    match event:
        case e.RunStarted():
            tasks = count(len(event.plan.tasks), "task")
            return f"run   {event.run}: {tasks}, from {short(event.base)}", "strong"
        case e.EngineStarted():
            return ("run   goes on", "strong") if state.engines > 1 else None
        case e.LimitsChanged():
            return "run   has other limits now", "plain"
        case e.StopRequested():
            return f"run   is ending: {foreign(event.why)}", "ask"
        case e.RunFinished():
            why = f": {foreign(event.why)}" if event.why else ""
            cost = f"; {said}" if (said := spent(state).said) else ""
            return f"run   {event.outcome.replace('-', ' ')}{why}{cost}", (
                "good" if event.exit_code == 0 else "bad"
            )
        case e.Notified() if event.failed:
            return f"run   you were not told: {foreign('; '.join(event.failed), 400)}", "ask"
        case e.Notified():
            return f"run   you were told ({listed(event.ways)})", "faint"
        case e.Noticed():
            about = event.task or "run  "
            hint = f" (hint: {foreign(event.hint)})" if event.hint else ""
            return f"{about} {foreign(event.what)}{hint}", "ask"
        case e.RunCleaned():
            return "run   cleaned", "plain"
        case _:
            return None


def _baseline(event: e.Event, state: RunState, told: Told) -> Line | None:
    match event:
        case e.BaselineGateJudged():
            if event.verdict.outcome == "passed":
                return f"base  {said_of(event.verdict)}", "good"
            return f"base  {_red(event.verdict, told)}", "bad"
        case e.BaselineFinished():
            if state.baseline == "advisory":
                return "base  is not green; its red gates do not judge this run", "ask"
            if state.baseline == "red":
                return "base  is not green: nothing can land", "bad"
            return None
        case e.BaselineLost():
            return f"base  is judged again: {foreign(event.why)}", "ask"
        case _:
            return None


def _attempt(event: e.Event, state: RunState, told: Told) -> Line | None:
    match event:
        case e.AttemptStarted():
            tries = f"attempt {event.attempt}" if event.attempt > 1 else "started"
            return f"{event.task}  {tries}, by {said_of_worker(event.worker, event.model)}", "busy"
        case e.RoundFinished() if event.worker_outcome != "done":
            why = foreign(told.rest(event.why)) or event.worker_outcome
            return f"{event.task}  round {event.round}: {why}", "bad"
        case e.RoundFinished() if event.refusals:
            paths = listed((foreign(r.path, 60) for r in event.refusals), 3)
            return f"{event.task}  round {event.round}: may not be committed: {paths}", "bad"
        case e.RoundFinished() if event.outside:
            paths = listed((foreign(path, 60) for path in event.outside), 3)
            return f"{event.task}  round {event.round}: changed what it may not: {paths}", "bad"
        case e.RoundGateJudged() if event.verdict.outcome != "passed":
            return f"{event.task}  round {event.round}: {_red(event.verdict, told)}", "bad"
        case e.CheckerJudged():
            return _checked(event)
        case e.AttemptFinished():
            return _attempt_finished(event, state, told)
        case _:
            return None


def _checked(event: e.CheckerJudged) -> Line:
    by = f"{event.task}  round {event.round}: checker '{foreign(event.worker)}'"
    if event.why:
        return f"{by} could not judge: {foreign(event.why)}", "bad"
    if event.back:
        first = foreign(event.findings[event.back[0]].said)
        more = f", and {len(event.back) - 1} more" if len(event.back) > 1 else ""
        return f"{by} sends it back: {first}{more}", "bad"
    if event.blocking:
        return f"{by} still finds {count(event.blocking, 'blocking thing')}", "ask"
    advice = f", with {count(len(event.findings), 'piece')} of advice" if event.findings else ""
    return f"{by} has nothing against it{advice}", "good"


def _attempt_finished(event: e.AttemptFinished, state: RunState, told: Told) -> Line:
    cost = spent(state, event.task, event.attempt).said
    took = ", ".join(filter(None, (duration(event.duration_s), cost)))
    cost = f" ({cost})" if cost else ""
    match event.outcome:
        case "green":
            rounds = len(state.tasks[event.task].attempts[event.attempt - 1].rounds)
            after = f" after {rounds} rounds" if rounds > 1 else ""
            return f"{event.task}  ready to land{after} ({took})", "plain"
        case "unchanged":
            return f"{event.task}  unchanged: its worker had nothing to do ({took})", "good"
        case "held" if event.cause == "question":
            to_type = f'orch answer {event.task} "..."'
            return f"{event.task}  asks you{cost}: {foreign(event.why)} ({to_type})", "ask"
        case "held":
            return f"{event.task}  waits for you{cost}{_why(event.why, told)}", "ask"
        case "lost":
            return f"{event.task}  attempt {event.attempt} lost{cost}{_why(event.why, told)}", "ask"
        case "failed":
            what = f"attempt {event.attempt} failed{cost}"
            return f"{event.task}  {what}{_why(event.why, told)}", "bad"


def _model(event: e.Event, state: RunState) -> Line | None:
    match event:
        case e.BudgetReached(scope="run"):
            why = f"the run's budget is reached: {foreign(event.why)}"
            return f"{event.task}  {why} (to go on: orch resume {to_raise(state)})", "ask"
        case e.BudgetReached(scope="call"):
            why = f"a call was too large: {foreign(event.why)}"
            return f"{event.task}  {why} (more: orch resume {to_raise_own(state, event)})", "ask"
        case e.BudgetReached():
            why = f"the {event.scope}'s budget is reached: {foreign(event.why)}"
            return f"{event.task}  {why} (more: orch resume {to_raise_own(state, event)})", "ask"
        case e.ProviderPaused(until=None):
            return f"run   goes on: {foreign(event.provider)} answers again", "plain"
        case e.ProviderPaused():
            (said,) = said_of_waits(((event.provider, event.until or 0.0),), event.until or 0.0)
            return f"run   {said}", "ask"
        case _:
            return None


def _queue(event: e.Event, state: RunState, told: Told) -> Line | None:
    match event:
        case e.JudgingStarted():
            candidate = state.candidates[event.candidate].built
            again = " again, to be sure" if event.confirms else ""
            if candidate.removes:
                return f"queue judging the result without {listed(candidate.removes)}", "plain"
            return f"queue judging {listed(ref.task for ref in candidate.heads)}{again}", "plain"
        case e.CandidateGateJudged() if event.verdict.outcome != "passed":
            return f"queue {_red(event.verdict, told)}", "bad"
        case e.Landed():
            built = state.candidates[event.candidate].built
            if built.removes:
                return f"result is without {listed(built.removes)} now", "good"
            landed = len(state.by_status.get("landed", ()))
            total = f"({landed} of {len(state.tasks)})"
            return f"result landed {listed(ref.task for ref in built.heads)} {total}", "good"
        case e.CandidateStale():
            return "result had moved; building on it again, nobody is to blame", "ask"
        case e.HeadSentBack():
            why = _why(event.why or event.cause, told) or ", as before"
            return f"{event.task}  sent back{why}", "bad"
        case e.FlakeSeen():
            return f"queue {said_of_flake(event)} (red, then green, on one tree)", "ask"
        case _:
            return None


def _tip(event: e.Event, state: RunState, told: Told) -> Line | None:
    match event:
        case e.TipMoved() if event.tip == state.result:
            return f"result was put back to {short(event.tip)}, which landed last", "ask"
        case e.TipMoved():
            return f"result was moved to {short(event.tip)} by somebody else; going on there", "ask"
        case e.TipJudgingStarted():
            again = " again, to be sure" if event.confirms else ""
            what = f"{short(event.tip)}, which somebody else put there"
            return f"result asking gate '{event.gate}' about {what}{again}", "plain"
        case e.TipGateJudged() if event.verdict.outcome == "passed":
            return f"result {said_of(event.verdict)}: it is not to blame", "good"
        case e.TipGateJudged():
            return f"result {_red(event.verdict, told)}", "bad"
        case _:
            return None


def _by(agent: str) -> str:
    """Who said it, where that was no person."""
    return f", said {foreign(agent, 60)}, an agent" if agent else ""


def _forge(event: e.Event) -> Line | None:
    match event:
        case e.Pushed():
            what = f"push  {foreign(event.branch)} is at {short(event.commit)}"
            return f"{what} on {foreign(event.remote)}", "good"
        case e.PullRequestOpened():
            word = "found" if event.found else "opened"
            return f"push  pull request {event.number} {word}: {foreign(event.url)}", "good"
        case e.PullRequestUpdated():
            return f"push  pull request {event.number} brought up to date", "good"
        case _:
            return None


def _person(event: e.Event, told: Told) -> Line | None:
    match event:
        case e.TaskGivenUp():
            return f"{event.task}  {foreign(told.rest(event.why)) or 'given up'}", "bad"
        case e.TaskHeld():
            return f"{event.task}  waits for you{_why(event.why, told)}", "ask"
        case e.PathAllowed() if event.path == FEWER_TESTS:
            return f"{event.task}  may lose tests", "plain"
        case e.PathAllowed() if event.path == BLOCKING_FINDINGS:
            return f"{event.task}  may land although a checker blocks it", "plain"
        case e.PathAllowed():
            return f"{event.task}  may change {foreign(event.path)}", "plain"
        case e.RetryRequested():
            note = f": {foreign(event.note)}" if event.note else ""
            return f"{event.task}  to be tried again{_by(event.said_by)}{note}", "plain"
        case e.QuestionAnswered():
            agent = foreign(event.said_by, 60)
            whose = f"the answer of {agent}, an agent" if agent else "your answer"
            return f"{event.task}  goes on with {whose}: {foreign(event.answer)}", "plain"
        case e.TaskTaken():
            return f"{event.task}  taken as {branch(event.branch)}", "plain"
        case e.HeadSubmitted():
            return f"{event.task}  submitted by a person", "plain"
        case e.RejectRequested():
            return f"result to be without {listed(event.tasks)}", "plain"
        case e.TaskRejected():
            return f"{event.task}  rejected: it is not tried again", "plain"
        case e.RejectRefused():
            return f"result keeps {listed(event.tasks)}: {foreign(event.why)}", "bad"
        case e.AcceptGateJudged() if event.verdict.outcome != "passed":
            return f"accept {_red(event.verdict, told)}", "bad"
        case e.Accepted() if event.before == event.commit:
            return f"accept {branch(event.target)} has all of it already", "good"
        case e.Accepted():
            by = _by(event.said_by)
            return f"accept {branch(event.target)} is at {short(event.commit)} now{by}", "good"
        case _:
            return None
