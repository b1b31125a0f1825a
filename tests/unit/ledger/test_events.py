"""Facts survive the trip through the ledger, also from an older version."""

from __future__ import annotations

import json
import types
import typing
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ledger import events as e
from ledger.events import EVENT_TYPES, PERSON_FACTS, Fact, parse_event, render_event
from ledger.heartbeat import BEAT_TYPES
from ledger.model import Plan, Task
from tests.support.builders import started, verdict
from tests.support.examples import examples

TEXT = st.text(
    alphabet=st.characters(exclude_categories=("Cs",)),  # what UTF-8 can carry
    max_size=12,
)
TASK_IDS = st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,8}\Z")
PLANS = st.lists(st.builds(Task, id=TASK_IDS, prompt=TEXT, paths=st.tuples(TEXT)), min_size=1).map(
    lambda tasks: Plan(goal="g", tasks=tuple(tasks))
)


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Examples of a field's type."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is Plan:
        return PLANS
    if origin is Literal:
        return st.sampled_from(args)
    if origin is typing.Annotated:
        return TASK_IDS if args[0] is str else values(args[0])
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(values(arg) for arg in args))
    if origin is tuple:
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=2)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return models(annotation)
    numbers = {
        int: st.integers(1, 2**40),
        float: st.floats(0.25, 1e9),
        bool: st.booleans(),
        str: TEXT,
        type(None): st.none(),
    }
    return numbers[annotation]


def models(cls: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Examples of a class; names and bounded numbers keep to what the class allows."""
    hints = typing.get_type_hints(cls, include_extras=True)
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in cls.model_fields.items():
        if name in ("kind", "settings", "limits"):
            continue  # their defaults, or what `started` says
        bounded = any(type(limit).__name__ in ("Ge", "Le", "Gt") for limit in field.metadata)
        fields[name] = st.just(field.default) if bounded else values(hints[name])
    return st.builds(cls, **fields)


@pytest.mark.parametrize("kind", sorted(set(EVENT_TYPES) - {"RunStarted", "LimitsChanged"}))
@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_every_fact_is_the_same_after_a_trip_through_json(kind, data):
    fact = data.draw(models(EVENT_TYPES[kind]))
    rendered = render_event(fact)
    assert rendered[0] == kind
    assert parse_event(*rendered) == fact
    assert render_event(parse_event(*rendered)) == rendered


def test_a_start_and_changed_limits_make_the_trip_too():
    first = started({"a": [], "b": ["a"]}, paths={"a": ["src/**"]}, deadline=5.0, attempts=7)
    for fact in (first, e.LimitsChanged(limits=first.settings.limits)):
        assert parse_event(*render_event(fact)) == fact


def test_what_is_default_is_not_written_down():
    _, _, body = render_event(e.AttemptFinished(task="a", attempt=1, outcome="lost"))
    assert json.loads(body) == {"task": "a", "attempt": 1, "outcome": "lost"}
    assert render_event(e.BaselineStarted()) == ("BaselineStarted", 1, "{}")


def test_text_of_any_kind_survives():
    nasty = '\x00\x1b[31m\n\u2028 \U0001f600 " \\ </script>'
    fact = e.Noticed(what=nasty)
    assert parse_event(*render_event(fact)) == fact


def test_a_kind_that_is_not_known_comes_from_a_newer_orch():
    with pytest.raises(ValueError, match="RobotDanced version 1 comes from a newer orch"):
        parse_event("RobotDanced", 1, "{}")


def test_a_newer_version_of_a_known_kind_is_refused():
    with pytest.raises(ValueError, match="Landed version 2 comes from a newer orch"):
        parse_event("Landed", 2, '{"candidate": 1}')


def test_a_body_with_unknown_or_missing_keys_is_refused():
    with pytest.raises(ValidationError):
        parse_event("Landed", 1, '{"candidate": 1, "mood": "good"}')
    with pytest.raises(ValidationError):
        parse_event("Landed", 1, "{}")
    with pytest.raises(ValueError):
        parse_event("Landed", 1, "not json")


def test_an_older_version_is_brought_up_step_by_step(monkeypatch):
    monkeypatch.setattr(e.Landed, "version", 3)
    upgrades = {
        ("Landed", 1): lambda body: {"number": body["num"]},
        ("Landed", 2): lambda body: {"candidate": body["number"]},
    }
    monkeypatch.setattr(e, "UPGRADES", upgrades)
    assert parse_event("Landed", 1, '{"num": 4}') == e.Landed(candidate=4)
    assert parse_event("Landed", 2, '{"number": 4}') == e.Landed(candidate=4)
    assert parse_event("Landed", 3, '{"candidate": 4}') == e.Landed(candidate=4)
    assert render_event(e.Landed(candidate=4))[1] == 3


def test_every_older_version_has_an_upgrade():
    for kind, cls in EVENT_TYPES.items():
        for version in range(1, cls.version):
            assert (kind, version) in e.UPGRADES


def test_every_class_of_fact_is_in_the_union_under_its_own_name():
    defined = {cls.__name__: cls for cls in Fact.__subclasses__()}
    assert defined == {**EVENT_TYPES, **BEAT_TYPES}
    assert not set(EVENT_TYPES) & set(BEAT_TYPES), "of runs, or of automations"
    assert set(PERSON_FACTS) <= set(defined.values())


def test_facts_are_frozen_and_refuse_unknown_keys():
    fact = e.Landed(candidate=1)
    with pytest.raises(ValidationError):
        fact.candidate = 2
    with pytest.raises(ValidationError):
        e.Landed(candidate=1, other=2)
    assert hash(e.HeadRef(task="a", attempt=1)) == hash(e.HeadRef(task="a", attempt=1))
    assert verdict() == verdict()
