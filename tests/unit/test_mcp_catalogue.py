"""What a model is told of others' tools: names and schemas that every provider takes."""

from __future__ import annotations

import json
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from workers.mcp.catalogue import (
    MOST_TOOLS,
    NAME_CHARS,
    Listed,
    is_allowed,
    make_catalogue,
)
from workers.mcp.schema import SCHEMA_CHARS, bounded_schema

LEGAL = re.compile(r"[A-Za-z0-9_-]{1,64}")


def same(text: str) -> str:
    return text


def test_patterns_have_two_signs_and_no_others():
    assert is_allowed("read_file", ("read_*",)) and is_allowed("q", ("?",))
    assert not is_allowed("unread_file", ("read_*",)) and not is_allowed("read", ("read_*",))
    assert is_allowed("a[b]", ("a[b]",)) and not is_allowed("ab", ("a[b]",))
    assert not is_allowed("anything", ())
    assert not is_allowed("a" * 120 + "b", ("*" * 60 + "c",)), "many stars are as quick as one"


def test_names_are_legal_and_never_the_same():
    names = ["read file", "read_file", "read.file", "x" * 120, "x" * 119 + "y", "ü"]
    made = make_catalogue({"db": [Listed(name) for name in names]}, 128_000, same)
    shown = [one.name for one in made.offered]
    assert len(set(shown)) == len(names)
    assert all(LEGAL.fullmatch(name) for name in shown)
    assert "mcp__db__read_file" in shown
    assert all(len(name) <= NAME_CHARS for name in shown)


def test_the_order_of_a_server_does_not_matter():
    schema = {"properties": {"b": {}, "a": {"type": "string"}}}
    tools = [Listed(f"t{n}", "d", schema) for n in "cab"]
    one = make_catalogue({"x": tools, "a": tools[:1]}, 128_000, same)
    other = make_catalogue({"a": tools[:1], "x": tools[::-1]}, 128_000, same)
    assert one == other
    assert [(t.server, t.tool) for t in one.offered] == [
        ("a", "tc"), ("x", "ta"), ("x", "tb"), ("x", "tc"),
    ]  # fmt: skip


def test_a_large_server_leaves_room_for_a_small_one():
    large = [Listed(f"t{n:04}", "words " * 200) for n in range(2_000)]
    made = make_catalogue({"large": large, "small": [Listed("only", "one")]}, 32_000, same)
    assert made.chars <= 32_000 * 4 * 0.04
    assert "mcp__small__only" in [one.name for one in made.offered]
    assert made.left_out["large"] == 2_000 - len(made.offered) + 1
    tiny = [Listed(f"t{n:04}") for n in range(2_000)]
    assert len(make_catalogue({"tiny": tiny}, 1_000_000, same).offered) == MOST_TOOLS


def test_a_schema_keeps_what_tells_a_model_how_to_call():
    schema = {
        "type": "object",
        "$schema": "http://json-schema.org/draft-07/schema#",
        "required": ["sql", "bad name", 3],
        "additionalProperties": False,
        "properties": {
            "sql": {"type": "string", "description": "What\nto ask", "pattern": "(a+)+$"},
            "bad name": {"type": "string"},
            "rows": {"type": ["integer", "null"], "minimum": 1, "default": 10},
            "how": {"enum": ["a", "b", {"c": 1}, float("nan"), 10**400]},
            "much": {"maximum": float("inf"), "minimum": 10**400, "default": float("nan")},
            "list": {"type": "array", "items": {"$ref": "https://example.com/x"}},
            "inner": {"properties": {"x": {"anyOf": [{"type": "string"}, {"type": "number"}]}}},
        },
        "oneOf": [{"required": ["sql"]}],
    }
    assert bounded_schema(schema, lambda text: text.replace("\n", " ")) == {
        "type": "object",
        "required": ["sql"],
        "additionalProperties": False,
        "properties": {
            "sql": {"type": "string", "description": "What to ask"},
            "rows": {"anyOf": [{"type": "integer"}, {"type": "null"}], "minimum": 1, "default": 10},
            "how": {"enum": ["a", "b"]},
            "much": {},
            "list": {"type": "array", "items": {}},
            "inner": {
                "type": "object",
                "properties": {"x": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
            },
        },
    }


def test_a_schema_that_is_too_large_or_deep_says_less():
    one = {"type": "string", "description": "d" * 299}
    made = bounded_schema({"properties": {f"p{n}": one for n in range(50)}}, same)
    assert len(json.dumps(made)) <= SCHEMA_CHARS and len(made["properties"]) == 50
    deep: dict[str, object] = {"type": "string"}
    for _ in range(500):
        deep = {"properties": {"p": deep}}
    assert len(json.dumps(bounded_schema(deep, same))) < 1_000


WORDS = ("type", "properties", "items", "anyOf", "enum", "required", "description", "x")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "properties", "items", "anyOf", "enum", "required", "description", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["type", "properties", "required", "$ref"]), json_values))
def test_whatever_a_server_says_becomes_a_schema(schema):
    made = bounded_schema(schema, same)
    assert made["type"] == "object" and isinstance(made["properties"], dict)
    json.dumps(made)
