"""Which commands the settings name, and what they are run with, as text to compare and show. Pure.

1. What counts is what runs, and what it is handed or let at: gates, workers, fix and set-up
   commands; variables and files that are passed on; where workspaces lie; sandbox and network;
   which models read the code, who serves them and by whose key; which servers of tools there are,
   who may use what of them, what they are given, and which of them tickets are asked of; by what a
   person is told; what automations run and ask, and into which branch they may accept by
   themselves.
2. What only says when, how often or how long does not count (`UNCOUNTED`). A field that nobody
   has put there counts: a new setting is asked about until somebody has thought about it.
3. A line says one thing, whole, and whose it is: a difference of two texts needs no context.
   Equal texts mean equal commands: no value can pass for another line, or for the end of one.
4. Every line is plain ASCII. What could steer a terminal, turn text around, hide or pass for
   another letter is written as an escape, so that a person reads what a shell would.
5. What has its default is left out: a version that knows more settings asks about none of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from ledger.automations import Automation
from ledger.connectors import ForgeSettings, McpServer, NotifySettings
from ledger.model import (
    CommandWorker,
    Gate,
    ModelWorkerSettings,
    Preparation,
    ProviderSettings,
    Settings,
)

UNCOUNTED: Mapping[type[BaseModel], frozenset[str]] = {
    Settings: frozenset(
        {"worker", "planner", "checker", "plan_budget_usd", "protected", "prices"}
        | {"daily_usd", "daily_tokens"}
    ),
    NotifySettings: frozenset({"shape", "bell", "when"}),
    Automation: frozenset(
        {"plan", "batch", "by_folder", "max_tasks", "schedule", "time_zone", "watch", "when"}
        | {"debounce_s", "branch", "quiet", "pause_s", "while_running", "until", "max_rounds"}
        | {"base", "deadline", "budget_usd", "budget_tokens"}
    ),
    Preparation: frozenset({"setup_inputs", "keep"}),
    Gate: frozenset({"stage", "timeout_s", "when", "pass_if", "junit"}),
    CommandWorker: frozenset({"timeout_s"}),
    McpServer: frozenset({"timeout_s"}),
    ForgeSettings: frozenset({"protected"}),
    ModelWorkerSettings: frozenset({"timeout_s", "window_tokens", "max_output_tokens"}),
    ProviderSettings: frozenset({"parallel"}),
}
"""Fields that start nothing, hand over nothing and open nothing."""
_ELSEWHERE = frozenset({"limits", "preparation", "gates", "workers", "providers", "mcp"})
"""Fields of the settings that are told under a name of their own."""
_WORDS = {"copy_files": "copy"}
"""The file's words, where they differ from the model's."""


def commands_of(settings: Settings, automations: Iterable[Automation] = ()) -> tuple[str, ...]:
    """Every command of the settings and what it is run with, one thing a line."""
    lines = [*_fields("run", settings.preparation), *_fields("run", settings)]
    for gate in sorted(settings.gates, key=lambda gate: gate.name):
        lines += _fields(f"gate {gate.name}", gate)
    for name, worker in sorted(settings.workers.items()):
        lines += _fields(f"worker {name}", worker)
    for name, provider in sorted(settings.providers.items()):
        lines += _fields(f"provider {name}", provider)
    for name, server in sorted(settings.mcp.items()):
        lines += _fields(f"mcp {name}", server)
    for automation in sorted(automations, key=lambda one: one.name):
        lines += _fields(f"automation {automation.name}", automation)
    return tuple(lines)


def _fields(owner: str, value: BaseModel) -> Iterator[str]:
    uncounted = UNCOUNTED.get(type(value), frozenset())
    for name, field in type(value).model_fields.items():
        now = getattr(value, name)
        if name in uncounted or name == "name":
            continue
        if isinstance(value, Settings) and name in _ELSEWHERE:
            continue  # a field of that name in another table is counted
        if isinstance(now, BaseModel):  # a table of its own
            yield from _fields(name, now)
        elif field.is_required() or now != field.get_default(call_default_factory=True):
            yield from _said(f"{owner}: {_WORDS.get(name, name)}", now)


def _said(at: str, value: Any) -> Iterator[str]:
    match value:
        case str():
            # A script is told line by line, as it is read; what goes on is marked as such.
            first, *rest = (ascii_text(line) for line in value.splitlines(keepends=True) or [""])
            yield f"{at} = {first}"
            yield from (f"{at} ... {line}" for line in rest)
        case list() | tuple():
            for one in value:
                yield from _said(at, one)
        case dict():
            for key in sorted(value):
                yield from _said(f"{at} {ascii_text(key)}", value[key])
        case _:
            yield f"{at} = {json.dumps(value)}"


def ascii_text(text: str) -> str:
    """A text in quotes, of printable ASCII alone; the same text never looks like another."""
    escaped = json.dumps(text)[1:-1]
    # Only the first and the last quote of a line delimit: those within need no escape.
    return '"' + escaped.replace('\\"', '"') + '"'
