"""What a planner is told and gives: the same rules as by hand, and a person's words stay."""

from __future__ import annotations

from ledger.model import CommandWorker, Gate, ModelWorkerSettings, Plan, Settings, Task
from orchestrator.planning.drafting import (
    MOST_TASKS,
    Discovery,
    Drafted,
    DraftedTask,
    Refinement,
    broken_rules,
    comments_of,
    first_words,
    plan_of,
    system_words,
)
from orchestrator.planning.plan_text import render_plan
from orchestrator.policy.plan_rules import RepositoryFacts

FACTS = RepositoryFacts(workers=("coder", "judge"), default_worker="coder", gates=("unit",))


def drafted(*tasks: dict[str, object]) -> Drafted:
    usual = {"title": "T", "prompt": "p", "acceptance": "unit passes", "paths": ("a",)}
    return Drafted(tasks=tuple(DraftedTask(**{**usual, **task}) for task in tasks))


def told(draft: Drafted, facts: RepositoryFacts = FACTS) -> str:
    return "\n".join(broken_rules(draft, plan_of(draft, "goal", None), facts))


def test_a_sound_draft_becomes_a_plan_with_its_acceptance_in_the_prompt():
    draft = drafted({"id": "a"}, {"id": "b", "needs": ("a",), "worker": "judge"})
    assert told(draft) == ""
    plan = Plan.model_validate(plan_of(draft, "goal", "main", worker="coder").model_dump())
    assert plan.tasks[0].prompt == "p\n\nIt is done when: unit passes\n"
    assert [task.worker for task in plan.tasks] == ["coder", "judge"]
    assert plan.base == "main"


def test_the_rules_of_plans_by_hand_hold_and_say_which_task():
    draft = drafted(
        {"id": "A b"},
        {"id": "b", "needs": ("c",)},
        {"id": "c", "needs": ("b",), "gates": ("nope",), "worker": "nobody"},
        {"id": "d", "paths": ("../x",), "acceptance": "", "prompt": " "},
    )
    said = told(draft)
    for part in (
        "task A b: 'A b' is no legal id",
        "tasks that need each other: b -> c -> b",
        "task c: there is no gate 'nope'",
        "task c: there is no worker 'nobody'",
        "task d: '../x' is refused",
        "task d: 'acceptance' is empty",
        "task d: the prompt of 'd' is empty",
    ):
        assert part in said, part


def test_who_judges_cannot_be_planned_to_work():
    facts = RepositoryFacts(
        workers=("coder", "judge"), default_worker="coder", judging=frozenset({"judge"})
    )
    assert "it would judge its own work" in told(drafted({"id": "a", "worker": "judge"}), facts)


def test_a_plan_without_tasks_or_with_hundreds_is_none():
    assert told(Drafted(tasks=())) == "the plan has no task"
    many = drafted(*({"id": f"t{n}"} for n in range(MOST_TASKS + 1)))
    assert told(many) == f"the plan has {MOST_TASKS + 1} tasks: make it {MOST_TASKS} at most"


def test_a_draft_gives_no_leave_and_a_person_s_leave_stays():
    before = Plan(
        goal="g",
        tasks=(Task(id="a", prompt="p", may_change=("conftest.py",), worker="coder"),),
    )
    assert "may_change" not in DraftedTask.model_fields
    plan = plan_of(drafted({"id": "a"}, {"id": "b"}), "g", None, before=before)
    assert [task.may_change for task in plan.tasks] == [("conftest.py",), ()]
    assert plan.tasks[0].worker == "coder"


def test_what_a_model_says_cannot_steer_a_terminal_or_leave_a_comment():
    draft = drafted({"id": "a", "title": "x\n\x1b[2Jy", "prompt": "a\x1b[31mb\n\ncd"})
    task = plan_of(draft, "g", None).tasks[0]
    assert "\x1b" not in task.title + task.prompt and "\n" not in task.title
    comments = comments_of(
        "p:m", "c" * 40, "1 call", ["one\ngoal = 'other'"], ["\x1b]0;x\x07?"], []
    )
    text = render_plan(Plan.model_validate(plan_of(draft, "g", None).model_dump()), comments)
    assert "\ngoal = 'other'" not in text and "\x1b" not in text
    assert "#   - one goal = 'other'" in text


def test_it_is_told_what_judges_who_works_and_what_a_person_said():
    settings = Settings(
        worker="coder",
        planner="thinker",
        checker="judge",
        gates=(Gate(name="unit", command="pytest -q"), Gate(name="e2e", command="x", when="named")),
        workers={
            "coder": ModelWorkerSettings(kind="model", models=("a:b",)),
            "sh": CommandWorker(kind="command", command="ruff --fix"),
            "judge": ModelWorkerSettings(kind="model", models=("a:c",)),
            "thinker": ModelWorkerSettings(kind="model", models=("a:d",)),
        },
    )
    known = Discovery(
        commit="c" * 40,
        map="src/ 3 files ``` done",
        history=("Add it",),
        rules="No floats.",
        settings=settings,
        protected=("conftest.py",),
        said=("Keep it small.",),
        found=("It is old.",),
        left_out=2,
    )
    words = first_words(
        "The goal",
        known,
        Refinement(
            Plan(goal="g", tasks=(Task(id="a", prompt="p\n\nIt is done when: unit passes\n"),)),
            "Split it.",
        ),
    )
    for part in (
        "unit (before it is merged): pytest -q",
        "e2e (before it is merged, only where a task names it)",
        "coder (the default): a model",
        "sh: the command ruff --fix",
        "conftest.py",
        "Add it",
        "No floats.",
        "Keep it small.",
        "- It is old.",
        "2 files are too large",
        '"acceptance": "unit passes"',
        "Split it.",
        "````",
    ):
        assert part in words, part
    assert "judge:" not in words and "thinker:" not in words
    assert "Use words." in system_words("Use words.")
