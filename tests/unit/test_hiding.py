"""No text of any fact keeps a secret, and nothing that a run goes by is changed by hiding."""

from __future__ import annotations

import typing
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from ledger import events as e
from ledger.events import EVENT_TYPES, render_event
from ledger.model import CommandWorker, Gate, Plan, Preparation, Settings, Task
from ledger.state import begin
from orchestrator.errors import OrchError
from orchestrator.hiding import NEVER, ONLY, Hiding, hidden_in_plan, refuse_secrets
from tests.support.builders import started
from workers.redact import Redactor

CANARY = "kanarie-7Gq2vX9"
HIDING = Hiding(Redactor({"API_TOKEN": CANARY}))
SHOWN = "[redacted API_TOKEN]"


def planted(annotation: Any, name: str) -> Any:
    """A value of a field's type with the canary in each of its texts, but where ids stand."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return args[0]
    if origin is typing.Annotated:
        return "a-task" if args[0] is str else planted(args[0], name)
    if args and origin is not tuple and origin is not dict:
        return planted(next(arg for arg in args if arg is not type(None)), name)
    if origin is tuple:
        return (planted(args[0], name),)
    if origin is dict:
        return {"key": planted(args[1], name)}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return planted_model(annotation)
    return {int: 1, float: 1.0, bool: True}.get(annotation, CANARY)


def planted_model(cls: type[BaseModel]) -> BaseModel:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {
        name: planted(hints[name], name)
        for name, field in cls.model_fields.items()
        if name not in ("kind", "settings", "limits", "plan", "estimates", "identity")
        and not (name == "id" and field.metadata)
    }
    return cls.model_construct(**fields)


@pytest.mark.parametrize("kind", sorted(set(EVENT_TYPES) - {"RunStarted"}))
def test_every_text_of_a_fact_is_hidden_in_and_every_name_is_kept(kind):
    fact = typing.cast(Any, planted_model(EVENT_TYPES[kind]))
    hidden = HIDING.fact(fact)

    def compare(before: Any, after: Any, name: str) -> None:
        if isinstance(before, BaseModel):
            for field in type(before).model_fields:
                compare(getattr(before, field, None), getattr(after, field, None), field)
        elif isinstance(before, tuple):
            for one, other in zip(before, after, strict=True):
                compare(one, other, name)
        elif before == CANARY:
            assert after == (CANARY if name in NEVER else SHOWN), f"{kind}.{name}"

    compare(fact, hidden, "")


def test_of_a_start_the_texts_are_hidden_and_what_the_run_goes_by_is_kept():
    plan = Plan(
        goal=f"use {CANARY}",
        tasks=(
            Task(id="a", title=f"t {CANARY}", prompt=f"p {CANARY}", paths=(f"{CANARY}/**",)),
            Task(id="b", prompt="nothing", needs=("a",)),
        ),
    )
    before = started(1).model_copy(update={"plan": plan, "rules": f"r {CANARY}"})
    after = HIDING.fact(before)
    assert after.plan.goal == f"use {SHOWN}" and after.rules == f"r {SHOWN}"
    assert (after.plan.tasks[0].title, after.plan.tasks[0].prompt) == (f"t {SHOWN}", f"p {SHOWN}")
    assert after.plan.tasks[0].paths == (f"{CANARY}/**",)
    assert after.plan.tasks[1] is plan.tasks[1]
    assert after.settings is before.settings
    assert begin(after, 0.0).tasks["b"].status == "waiting"
    assert hidden_in_plan(plan, HIDING) == (
        "the goal (the value of API_TOKEN)",
        "the title of a (the value of API_TOKEN)",
        "the prompt of a (the value of API_TOKEN)",
    )


def test_a_fact_without_a_secret_is_the_very_same():
    fact = e.Noticed(what="all is well", hint="go on")
    assert HIDING.fact(fact) is fact
    assert render_event(HIDING.fact(started(3))) == render_event(started(3))


def test_what_may_be_changed_is_named_as_it_is():
    for cls, names in ONLY.items():
        assert names <= set(cls.model_fields)


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        (Settings(gates=(Gate(name="unit", command=f"K={CANARY} pytest"),)), "gate 'unit'"),
        (
            Settings(workers={"w": CommandWorker(kind="command", command=f"run {CANARY}")}),
            "worker 'w'",
        ),
        (Settings(fix=(f"fix {CANARY}",)), "`fix`"),
        (Settings(preparation=Preparation(setup=(f"set {CANARY}",))), "`setup`"),
    ],
)
def test_a_command_that_holds_a_secret_is_refused_without_showing_it(settings, where):
    with pytest.raises(OrchError) as refused:
        refuse_secrets(settings, HIDING)
    assert where in refused.value.message and "the value of API_TOKEN" in refused.value.message
    assert CANARY not in f"{refused.value.message}{refused.value.hint}"
    refuse_secrets(settings, Hiding())
