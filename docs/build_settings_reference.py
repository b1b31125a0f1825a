"""The tables of settings and plans in docs/reference/files.md, made from the models.

    python docs/build_settings_reference.py [--write]

Keys, types and defaults are the models'; what a key means is the page's own, and stays. A default
that the models leave open (`None`) is told by the page. Prints the page, or writes it; fails where
a key is not told. A test holds the page to the code.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from ledger.automations import Automation
from ledger.connectors import (
    ForgeSettings,
    McpServer,
    McpServerSettings,
    NotifySettings,
    TicketSettings,
)
from ledger.model import (
    CommandWorker,
    Gate,
    Limits,
    ModelWorkerSettings,
    Plan,
    Preparation,
    Price,
    ProviderSettings,
    SandboxSettings,
    Settings,
    Task,
)
from orchestrator.mcp_rules import FROM
from orchestrator.settings_rules import PREPARATION_KEYS, RUN_KEYS

PAGE = Path(__file__).resolve().parent / "reference" / "files.md"
COLUMNS = "| key | type | default | meaning |\n|---|---|---|---|\n"
_TABLE = re.compile(r"(?m)^\| key \|.*\n\|[-|]+\|\n((?:^\|.*\n)+)")
_ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$")


@dataclass(frozen=True)
class Key:
    """One key, and what its model says of it."""

    type: str
    default: str
    """Empty: the model leaves it open."""


def told(field: FieldInfo) -> Key:
    """What a model's field says."""
    metadata = field.metadata
    words = f"{_words(field.annotation)}{_range(metadata)}"
    if field.is_required():
        return Key(words, "required")
    default = field.get_default(call_default_factory=True)
    return Key(words, "" if default in (None, "", {}) else _value(default))


def _words(annotation: Any) -> str:
    """A type, as a person who writes TOML would say it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, *metadata = arguments
        found = [one for each in metadata for one in getattr(each, "metadata", [each])]
        return f"{_words(inner)}{_range(found)}"
    if origin is Literal:
        return " or ".join(_value(one) for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(one) for one in arguments if one is not type(None))
    if origin is tuple:
        inner = _words(arguments[0])
        return f"list of {inner}s" if inner == "text" else f"list of {inner}"
    if origin is dict:
        return f"table of {_words(arguments[1])}s"
    named = {bool: "`true` or `false`", int: "whole number", float: "number", str: "text"}
    return named[annotation]


def _range(metadata: Iterable[Any]) -> str:
    least = next((f"{one.ge:g}" for one in metadata if isinstance(one, Ge)), "")
    most = next((f"{one.le:,g}" for one in metadata if isinstance(one, Le)), "")
    above = next((f"{one.gt:g}" for one in metadata if isinstance(one, Gt)), "")
    if above:
        return f" above {above}" + (f", at most {most}" if most else "")
    if least and most:
        return f", {least} to {most}"
    return f", at least {least}" if least else ""


def _value(value: Any) -> str:
    if value is True or value is False:
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return "`[]`" if value == () else f"{value:g}"


def _keys(model: Any, *left_out: str) -> dict[str, Key]:
    return {k: told(field) for k, field in model.model_fields.items() if k not in left_out}


def _run() -> dict[str, Key]:
    fields = {**Settings.model_fields, **Limits.model_fields}
    fields |= {key: Preparation.model_fields[name] for key, name in PREPARATION_KEYS.items()}
    fields["sandbox"] = SandboxSettings.model_fields["mode"]
    return {key: told(fields[key]) for key in RUN_KEYS}


def _models() -> dict[str, Key]:
    """One model, or a ladder of them: the file's `model` is a ladder of one."""
    keys = _keys(ModelWorkerSettings)
    return {**keys, "model": Key("text", "required"), "models": Key(keys["models"].type, "")}


def sections() -> Iterator[tuple[str, Mapping[str, Key]]]:
    """Where each table of the page begins, and its keys."""
    yield "### [run]\n", _run()
    yield "### [sandbox]\n", _keys(SandboxSettings, "mode")
    yield "### [[gate]]\n", _keys(Gate)
    yield "### [worker.NAME]\n", _keys(CommandWorker)
    yield 'With `kind = "model"`:\n', {k: v for k, v in _models().items() if k != "kind"}
    yield "### [provider.NAME]\n", _keys(ProviderSettings)
    yield "### [mcp.NAME]\n", {FROM: Key("text", ""), **_keys(McpServer)}
    yield "### [[price]]\n", _keys(Price)
    yield "### [[automation]]\n", _keys(Automation)
    yield "### [notify]\n", _keys(NotifySettings)
    yield "### [mcp_server]\n", _keys(McpServerSettings)
    yield "### [forge]\n", _keys(ForgeSettings)
    yield "### [tickets]\n", {**_keys(TicketSettings), "arguments": Key("table", "")}
    yield "## Plans\n", _keys(Plan, "tasks")
    yield "Each `[[task]]`:\n", _keys(Task)


def build(text: str) -> str:
    """The page with its tables made anew."""
    for begins, keys in sections():
        assert text.count(f"\n{begins}") == 1, f"where is {begins}"
        at = text.index(f"\n{begins}") + 1
        found = _TABLE.search(text, at)
        assert found is not None
        text = (
            text[: found.start()] + COLUMNS + _table(begins, found[1], keys) + text[found.end() :]
        )
    return text


def _table(begins: str, rows: str, keys: Mapping[str, Key]) -> str:
    told_so_far: dict[str, tuple[str, str]] = {}
    for row in rows.splitlines():
        found = _ROW.fullmatch(row)
        assert found is not None, row
        *_, default, meaning = found[2].split(" | ") if " | " in found[2] else ("", found[2])
        told_so_far[found[1]] = default.strip(), meaning.strip()
    if missing := keys.keys() - told_so_far.keys():
        sys.exit(f"{PAGE.name}, {begins.strip()}: nothing is said of {', '.join(sorted(missing))}")
    if odd := told_so_far.keys() - keys.keys():
        sys.exit(f"{PAGE.name}, {begins.strip()}: there is no {', '.join(sorted(odd))}")
    lines = []
    for key, (default, meaning) in told_so_far.items():
        said = keys[key]
        lines.append(f"| `{key}` | {said.type} | {said.default or default} | {meaning} |\n")
    return "".join(lines)


if __name__ == "__main__":
    page = build(PAGE.read_text("utf-8"))
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page, "utf-8")
    else:
        sys.stdout.write(page)
