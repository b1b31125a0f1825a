"""What a server says that a tool takes, as much of it as a model may be told. Pure.

1. A model is told of an object with properties. What no provider takes is left out: names that are
   not plain, choices at the top, patterns, links to elsewhere.
2. Texts are cleaned and cut, lists are cut, what is nested too deeply may be anything.
3. What is too large all the same loses its descriptions, then the types of its properties, then
   its properties.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

SCHEMA_CHARS = 6_000
TEXT_CHARS = 300
DEEPEST = 8
MOST = 60
"""Properties of one object, values of one choice."""

Clean = Callable[[str], str]
"""A text as a model may have it."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_NUMBERS = frozenset(
    """
    minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
    minLength maxLength minItems maxItems minProperties maxProperties
    """.split()  # noqa: SIM905
)


def bounded_schema(schema: Mapping[str, Any], clean: Clean) -> dict[str, Any]:
    """A schema of an object, for a model (rules 1 to 3)."""
    shown = _object(schema, clean, 0)
    for without in (frozenset({"description"}), _NUMBERS | {"description", "default", "enum"}):
        if _size(shown) <= SCHEMA_CHARS:
            return shown
        shown = _stripped(shown, without)
    if _size(shown) <= SCHEMA_CHARS:
        return shown
    names = {name: dict[str, Any]() for name in shown["properties"]}
    shown = {"type": "object", "properties": names}
    return shown if _size(shown) <= SCHEMA_CHARS else {"type": "object", "properties": {}}


def _object(schema: Mapping[str, Any], clean: Clean, depth: int) -> dict[str, Any]:
    given = schema.get("properties")
    properties: dict[str, Any] = {}
    if isinstance(given, Mapping):
        for name, value in list(given.items())[:MOST]:
            if isinstance(name, str) and _PLAIN_NAME.fullmatch(name) and clean(name) == name:
                properties[name] = _any(value, clean, depth + 1)
    shown: dict[str, Any] = {"type": "object", "properties": properties}
    required = schema.get("required")
    if isinstance(required, list):
        names = dict.fromkeys(name for name in required if isinstance(name, str))
        if kept := [name for name in names if name in properties]:
            shown["required"] = kept
    if isinstance(schema.get("additionalProperties"), bool):
        shown["additionalProperties"] = schema["additionalProperties"]
    return shown


def _any(schema: Any, clean: Clean, depth: int) -> dict[str, Any]:
    """The same for what is within."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return {}
    kind = schema.get("type")
    shown = _object(schema, clean, depth) if kind == "object" or "properties" in schema else {}
    if isinstance(kind, str) and kind in _TYPES:
        shown["type"] = kind
    elif isinstance(kind, list):
        shown["anyOf"] = [{"type": one} for one in kind if isinstance(one, str) and one in _TYPES]
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            shown["anyOf"] = [_any(one, clean, depth + 1) for one in schema[key][:MOST]]
    if not shown.get("anyOf", True):
        del shown["anyOf"]
    if kind == "array":
        shown["items"] = _any(schema.get("items"), clean, depth + 1)
    if isinstance(schema.get("enum"), list):
        shown["enum"] = [_value(one, clean) for one in schema["enum"][:MOST] if _is_plain(one)]
        if not shown["enum"]:
            del shown["enum"]
    if isinstance(schema.get("description"), str):
        shown["description"] = cut(clean(schema["description"]), TEXT_CHARS)
    if _is_plain(schema.get("default")) and "default" in schema:
        shown["default"] = _value(schema["default"], clean)
    for key in _NUMBERS & schema.keys():
        if _is_number(schema[key]):
            shown[key] = schema[key]
    return dict(sorted(shown.items()))  # the same however a server orders it


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool) or _is_number(value)


def _is_number(value: Any) -> bool:
    """Whether it is a number that every reader of JSON takes."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**53


def _value(value: Any, clean: Clean) -> Any:
    return cut(clean(value), TEXT_CHARS) if isinstance(value, str) else value


def _stripped(shown: Any, without: frozenset[str]) -> Any:
    if isinstance(shown, list):
        return [_stripped(one, without) for one in shown]
    if not isinstance(shown, dict):
        return shown
    kept = {}
    for key, value in shown.items():
        if key == "properties":  # names of the server's, whatever they are called
            kept[key] = {name: _stripped(one, without) for name, one in value.items()}
        elif key not in without:
            kept[key] = _stripped(value, without)
    return kept


def cut(text: str, most: int) -> str:
    """The beginning of a text, and a sign where that is not all."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _size(shown: dict[str, Any]) -> int:
    return len(json.dumps(shown))
