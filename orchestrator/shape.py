"""A table of a TOML file becomes one of the nouns, or problems in plain words with lines.

1. Types are strict: `"4"` is no number and `true` is no count.
2. Every error at once; each names the key, says what belongs there and, for an unknown key,
   the nearest known one.
3. Where a table is wrong in part, `repaired` is what can be kept, so that what follows can be
   looked at too and a person hears everything in one go.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.errors import Problem
from orchestrator.policy.nearest import listed, nearest
from orchestrator.toml_lines import Document, KeyPath


def frozen(value: Any) -> Any:
    """TOML's lists as tuples, all the way down: the nouns hold tuples."""
    if isinstance(value, list):
        return tuple(frozen(one) for one in value)
    if isinstance(value, dict):
        return {key: frozen(one) for key, one in value.items()}
    return value


def shape_problems(
    model: type[BaseModel],
    table: Mapping[str, Any],
    document: Document,
    at: KeyPath,
    *,
    known: Iterable[str] | None = None,
    names: Mapping[str, str] | None = None,
    leave: Container[str] = (),
) -> list[Problem]:
    """What keeps a table from being a `model`.

    `names` are the file's words for the model's fields where they differ; `known` are the
    keys to choose from for an unknown one; `leave` are kinds of errors that another rule tells.
    """
    called = dict(names or {})
    try:
        model.model_validate(frozen(table), strict=True)
    except ValidationError as error:
        words = tuple(known) if known is not None else tuple(model.model_fields)
        found = []
        for details in error.errors(include_url=False):
            if details["type"] in leave:
                continue
            loc = details["loc"]
            if loc:
                loc = (called.get(str(loc[0]), loc[0]), *loc[1:])
            what, hint = _in_words(details, loc, words, model)
            found.append(document.problem((*at, *loc), what, hint))
        return found
    return list(_endless(table, document, at))


def _endless(table: Mapping[str, Any], document: Document, at: KeyPath) -> Iterator[Problem]:
    """TOML knows infinity, the ledger's JSON does not: a run that recorded it could not be read."""
    for key, value in table.items():
        if isinstance(value, float) and not math.isfinite(value):
            what = f"'{key}' must be a finite number, not {type_in_words(value)}"
            yield document.problem((*at, key), what, f"write: {key} = 60")


def repaired(
    model: type[BaseModel], table: Mapping[str, Any], *, leave: Container[str] = ()
) -> dict[str, Any]:
    """The fields of a table that are right on their own, or wrong only in what is left."""
    values = frozen(table)
    try:
        model.model_validate(values, strict=True)
    except ValidationError as error:
        wrong = {one["loc"][0] for one in error.errors() if one["loc"] and one["type"] not in leave}
        return {key: value for key, value in values.items() if key not in wrong}
    return dict(values)


# --- plain words -----------------------------------------------------------------------------

_WANTED = {
    "string_type": ("text in quotes", 'write: {key} = "..."'),
    "int_type": ("a whole number", "write: {key} = 4"),
    "int_from_float": ("a whole number", "write: {key} = 4"),
    "float_type": ("a number", "write: {key} = 60"),
    "finite_number": ("a finite number", "write: {key} = 60"),
    "bool_type": ("true or false", "write: {key} = true"),
    "tuple_type": ("a list", 'write: {key} = ["..."]'),
    "dict_type": ("a table", "write: [{key}]"),
    "model_type": ("a table", "write: [{key}]"),
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def _in_words(
    details: ErrorDetails, loc: tuple[int | str, ...], known: tuple[str, ...], model: type
) -> tuple[str, str]:
    keys = [part for part in loc if isinstance(part, str)]
    key = keys[-1] if keys else "it"
    subject = f"'{key}'" if not loc or loc[-1] == key else f"element {int(loc[-1]) + 1} of '{key}'"
    kind = details["type"]
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_key(key, known)
    if kind == "missing":
        return f"'{key}' is missing", f'add: {key} = "..."'
    if kind in _WANTED:
        wanted, hint = _WANTED[kind]
        whole = loc and loc[-1] == key
        return (
            f"{subject} must be {wanted}, not {type_in_words(details['input'])}",
            hint.format(key=key) if whole else "",
        )
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{subject} must be {words} {context[name]}, not {_number(details['input'])}", ""
    if kind == "literal_error":
        value = str(details["input"])
        words_known = _literals(model, loc) or (str(context["expected"]),)
        close = nearest(value, words_known)
        hint = f'did you mean "{close}"?' if close else ""
        return f"{subject} must be one of {', '.join(words_known)}, not {value!r}", hint
    if kind == "string_pattern_mismatch":
        what = f"{subject} is no legal name: {details['input']!r}"
        signs = "digits, -, _ and ." if "_" in context["pattern"] else "digits and -"
        return what, f"up to 63 small letters, {signs}; first a letter or a digit"
    if kind == "too_short":
        return f"{subject} must not be empty", ""
    return f"{subject}: {details['msg']}", ""


def _number(value: Any) -> str:
    try:
        return str(value)
    except ValueError:  # Python writes no number of thousands of digits
        return "a number of thousands of digits"


def _literals(model: type, loc: tuple[int | str, ...]) -> tuple[str, ...]:
    field = getattr(model, "model_fields", {}).get(loc[0]) if loc else None
    if field is None:
        return ()
    found: list[str] = []
    for one in get_args(field.annotation):
        if one is not NoneType and one is not Ellipsis:  # of a choice that may be absent, of a list
            found += map(str, get_args(one)) if get_origin(one) is Literal else [str(one)]
    return tuple(found)


def unknown_key(key: str, known: Iterable[str]) -> tuple[str, str]:
    """What to say of a key that nobody knows."""
    words = tuple(known)
    close = nearest(key, words)
    hint = f"did you mean '{close}'?" if close else f"known here: {listed(words, 24)}"
    return f"unknown key '{key}'", hint


def type_in_words(value: Any) -> str:
    """What a TOML value is, for a person."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return "text"
        case int():
            return "a whole number"
        case float():
            return f"the number {value}"
        case list() | tuple():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"
