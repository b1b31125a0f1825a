"""What an agent is told to do next is what it may do; the rest is a command for the person."""

from __future__ import annotations

from ledger import events as e
from orchestrator.mcp_server.answers import Step
from orchestrator.mcp_server.steps import MOST, steps_of
from tests.support.builders import Story

RUN = "20261122-goal-a1"


def said(story: Story, *, alive: bool = False, branches: tuple[str, ...] = ()) -> list[Step]:
    return steps_of(story.state, alive, branches)


def tools(steps: list[Step]) -> list[str]:
    return [step.tool or f"person: {step.person}" for step in steps]


def finished(story: Story, outcome: str = "complete", exit_code: int = 0) -> Story:
    fact = {"outcome": outcome, "exit_code": exit_code}
    return story.tell(e.RunFinished.model_validate(fact))


def test_a_run_that_goes_on_is_waited_for_from_where_it_stands() -> None:
    story = Story.of(2).baseline().starts("t1")
    first, stop = said(story, alive=True)
    assert first.tool == "wait" and first.arguments == {"run": RUN, "after": story.state.seq}
    assert stop.tool == "stop"


def test_a_question_comes_first_and_may_be_answered() -> None:
    story = Story.of(2).baseline().starts("t1").ends("t1", "held", cause="question", why="tabs?")
    first = said(story, alive=True)[0]
    assert first.tool == "answer"
    assert first.arguments == {"task": "t1", "text": "...", "run": RUN}


def test_a_run_that_no_engine_drives_is_resumed() -> None:
    (step,) = said(Story.of(1).baseline().starts("t1"))
    assert step.tool == "resume" and step.arguments == {"run": RUN}


def test_what_is_held_is_for_a_person_and_what_failed_may_be_tried_again() -> None:
    story = Story.of(2).baseline().starts("t1").ends("t1", "held", held_paths=("ci.yml",))
    story = finished(story.starts("t2").ends("t2", "failed", cause="check", why="no"), exit_code=5)
    steps = said(story)
    assert f"person: orch allow t1 ci.yml --run {RUN}" in tools(steps)
    assert f'person: orch retry t1 --note "..." --run {RUN}' in tools(steps)
    assert not [one for one in steps if one.tool == "retry" and "t1" in str(one.arguments)]
    assert len(steps) <= MOST


def test_a_budget_and_a_red_base_are_a_persons() -> None:
    story = finished(Story.of(1).baseline("failed"), "red-base", 5)
    assert f"person: orch log --gate unit --run {RUN}" in tools(said(story))
    assert "person: orch run --allow-red-base" in tools(said(story))
    late = finished(Story.of(1).baseline(), "deadline", 4)
    assert tools(said(late))[0] == f"person: orch resume {RUN} --deadline 2h"


def test_a_branch_is_accepted_into_by_an_agent_only_where_it_is_named() -> None:
    story = Story.of(1).baseline().lands_at_once("t1")
    started = story.state.started.model_copy(update={"target": "main"})
    story.state.started = started
    steps = said(finished(story))
    assert tools(steps) == ["diff", f"person: orch accept {RUN}"]
    assert tools(said(story, branches=("main-2",))) == tools(steps)
    assert tools(said(story, branches=("main",))) == ["diff", "accept"]
