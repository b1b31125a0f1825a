"""What no gate judged is called so, whatever else was recorded."""

from typing import Any

from ledger.model import Gate
from ledger.state import begin
from orchestrator.policy.judges import unjudged
from orchestrator.review.judged import UNGATED, said_of_landings, warnings_of
from tests.support.builders import Story, started


def story_of(*gates: Gate, needs: Any = 2, named: dict[str, str] | None = None) -> Story:
    first = started(needs, allow_red_base=True)
    settings = first.settings.model_copy(update={"gates": gates})
    tasks = tuple(
        task.model_copy(update={"gates": tuple(filter(None, [(named or {}).get(task.id)]))})
        for task in first.plan.tasks
    )
    plan = first.plan.model_copy(update={"tasks": tasks})
    first = first.model_copy(update={"settings": settings, "plan": plan})
    return Story(begin(first, 0.0), [(first, 0.0)])


def test_landings_that_no_gate_judged_are_counted_and_named() -> None:
    assert said_of_landings(1, 1) == "1 landing, no gate judged it"
    assert said_of_landings(2, 2) == "2 landings, no gate judged them"
    assert said_of_landings(3, 1) == "3 landings, no gate judged 1 of them"
    assert said_of_landings(3, 0, "each tree judged") == "3 landings, each tree judged"


def test_before_anything_lands_it_is_said_that_it_will_be_unjudged() -> None:
    story = story_of()
    assert warnings_of(story.state) == (UNGATED,)
    story.lands_at_once("t1")
    assert warnings_of(story.state) == ("no gate judged what landed",)
    assert warnings_of(story_of(Gate(name="unit", command="true")).state) == ()


def test_a_gate_that_only_some_tasks_name_judges_what_holds_these() -> None:
    gate = Gate(name="unit", command="true", when="named")
    story = story_of(gate, needs=3, named={"t2": "unit"}).baseline().lands_at_once("t1", "t2", "t3")
    assert [landing.heads[0].task for landing in unjudged(story.state)] == ["t1"]
    assert warnings_of(story.state) == ("no gate judged 1 of 3 landings: t1",)
