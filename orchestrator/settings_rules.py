"""What one settings file may say, and how a person hears what is wrong in it.

1. `[run]`, `[sandbox]`, `[[gate]]`, `[worker.NAME]`, `[provider.NAME]`, `[mcp.NAME]`, `[[price]]`,
   `[notify]`, `[forge]`, `[tickets]`, `[mcp_server]` and `[[automation]]`, with the keys below and
   no others; what is said of models is in `model_rules`, of MCP servers in `mcp_rules`, of forges
   in `forge_rules`, of tickets in `ticket_rules`, of automations in `automations.rules`.
2. A person's own files may only say how much, with whom and who is told (`OWN_KEYS`, workers,
   providers, MCP servers, prices, `[notify]`, `[forge]`, `[tickets]`, automations of their own),
   never what judges: gates, the checker, set-up and protected paths are the team's.
3. A key that this version does not have yet is refused, not passed over: a budget or a sandbox
   that is silently ignored would be worse than none. So is a value that would do nothing: a
   pattern where a name is meant, a variable that is never passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ledger.connectors import McpServerSettings
from ledger.model import CommandWorker, Gate, Limits, Preparation, SandboxSettings, Settings
from orchestrator.automations.rules import automation_problems
from orchestrator.errors import Problem
from orchestrator.forge_rules import forge_problems
from orchestrator.mcp_rules import mcp_problems
from orchestrator.model_rules import model_worker_problems, price_problems, provider_problems
from orchestrator.notify_rules import notify_problems
from orchestrator.policy.nearest import listed, nearest
from orchestrator.policy.pattern import escape, pattern_problem
from orchestrator.shape import shape_problems, type_in_words, unknown_key
from orchestrator.ticket_rules import ticket_problems
from orchestrator.toml_lines import Document, KeyPath
from workers.environment import is_passable
from workers.reach import LOWEST_PORT, parse_host
from worktree.names import target_problem

SHARED_FILE = ".agent/orch.toml"
LOCAL_FILE = ".agent/orch.local.toml"

LIMIT_KEYS = tuple(name for name in Limits.model_fields if name != "deadline")
PREPARATION_KEYS = {
    "setup": "setup",
    "setup_inputs": "setup_inputs",
    "keep": "keep",
    "copy": "copy_files",
    "copy_gates": "copy_gates",
}
"""The file's words and the model's."""
PLAIN_KEYS = (
    *("worker", "planner", "checker", "plan_budget_usd", "fix", "protected", "env", "workspaces"),
    *("daily_usd", "daily_tokens"),
)
SANDBOX_KEYS = tuple(name for name in SandboxSettings.model_fields if name != "mode")
RUN_KEYS = (*LIMIT_KEYS, *PREPARATION_KEYS, *PLAIN_KEYS, "sandbox")
BUDGET_KEYS = (
    *("budget_usd", "budget_tokens", "call_usd", "attempt_usd", "task_usd", "plan_budget_usd"),
)
DAILY_KEYS = ("daily_usd", "daily_tokens")
OWN_KEYS = (
    *("parallel", "gates_parallel", "worker", "planner", "workspaces", "min_free_gb", "sandbox"),
    *BUDGET_KEYS,
    *DAILY_KEYS,
)
TABLES = (
    *("run", "sandbox", "gate", "worker", "provider", "mcp", "price", "notify", "forge"),
    *("tickets", "mcp_server", "automation"),
)

PLAIN_TABLES = ("run", "sandbox", "notify", "forge", "tickets", "mcp_server")
KINDS = ("command", "model")
LATER_KINDS = ("acp", "claude", "codex", "gemini", "aider", "opencode", "goose")
_PATTERN_KEYS = ("setup_inputs", "protected")
_NAME_KEYS = ("keep", "copy", "copy_gates")
_STOPS_EARLY = re.compile(r"--(?:exitfirst|maxfail|failfast|fail-fast|bail)\b")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def split_run(
    run: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The keys of `[run]` as those of Limits, Preparation and Settings."""
    return (
        {key: run[key] for key in LIMIT_KEYS if key in run},
        {field: run[key] for key, field in PREPARATION_KEYS.items() if key in run},
        {key: run[key] for key in PLAIN_KEYS if key in run},
    )


def problems_of_file(document: Document) -> Iterator[Problem]:
    """Everything that is wrong in one file, seen on its own."""
    own = document.name != SHARED_FILE
    for key, value in document.data.items():
        if key not in TABLES:
            what, hint = unknown_key(key, TABLES)
            if key in RUN_KEYS:
                hint = f"it belongs below [run]: {key} = ..."
            yield document.problem((key,), what, hint)
        elif key == "gate":
            if own:
                what = "gates are the team's: they judge everybody's work"
                yield document.problem(("gate",), what, f"write them in {SHARED_FILE}")
            elif isinstance(value, list) and all(isinstance(one, dict) for one in value):
                yield from _gate_problems(document, value)
            else:
                yield _wrong_table(document, key, value, '[[gate]] with name = "..."')
        elif key == "automation":
            if document.name not in (SHARED_FILE, LOCAL_FILE):
                what = "an automation belongs to one repository; this file is for all of yours"
                yield document.problem((key,), what, f"write it in {LOCAL_FILE}")
            elif isinstance(value, list) and all(isinstance(one, dict) for one in value):
                yield from automation_problems(document, value)
            else:
                yield _wrong_table(document, key, value, '[[automation]] with name = "..."')
        elif key == "price":
            if isinstance(value, list) and all(isinstance(one, dict) for one in value):
                yield from price_problems(document, value)
            else:
                yield _wrong_table(document, key, value, '[[price]] with model = "..."')
        elif not isinstance(value, dict):
            example = f"[{key}]" if key in PLAIN_TABLES else f"[{key}.NAME]"
            yield _wrong_table(document, key, value, example)
        elif key == "run":
            yield from _run_problems(document, value, own)
        elif key == "sandbox":
            yield from _sandbox_problems(document, value)
        elif key == "mcp_server":
            yield from _mcp_server_problems(document, value, own)
        elif key == "notify":
            yield from notify_problems(document, value)
            yield from _command_problems(document, (key,), value)
            yield from _variable_problems(document, (key,), value.get("env"))
        elif key == "forge":
            yield from forge_problems(document, value, own=own)
        elif key == "tickets":
            yield from ticket_problems(document, value)
        elif key == "provider":
            yield from provider_problems(document, value, own=own)
        elif key == "mcp":
            yield from mcp_problems(document, value)
            for name, table in value.items():
                if isinstance(table, dict):
                    yield from _variable_problems(document, (key, name), table.get("env"))
                    yield from _network_problems(document, (key, name, "network"), table)
        else:
            yield from _worker_problems(document, value)


def _wrong_table(document: Document, key: str, value: Any, example: str) -> Problem:
    return document.problem((key,), f"'{key}' is {type_in_words(value)}", f"write: {example}")


def _run_problems(document: Document, run: Mapping[str, Any], own: bool) -> Iterator[Problem]:
    known: dict[str, Any] = {}
    for key, value in run.items():
        if key == "deadline":
            what = "'deadline' belongs to one run, not to the settings"
            yield document.problem(("run", key), what, "orch run --deadline 07:00")
        elif key not in RUN_KEYS:
            what, hint = unknown_key(key, OWN_KEYS if own else RUN_KEYS)
            yield document.problem(("run", key), what, hint)
        elif own and key not in OWN_KEYS:
            what = f"'{key}' is the team's to say; your own files may say {listed(OWN_KEYS)}"
            yield document.problem(("run", key), what, f"write it in {SHARED_FILE}")
        else:
            known[key] = value
    sandbox = {"mode": known.pop("sandbox")} if "sandbox" in known else {}
    yield from shape_problems(
        SandboxSettings, sandbox, document, ("run",), names={"mode": "sandbox"}
    )
    names = {field: key for key, field in PREPARATION_KEYS.items()}
    models: tuple[type[BaseModel], ...] = (Limits, Preparation, Settings)
    for model, table in zip(models, split_run(known), strict=True):
        yield from shape_problems(model, table, document, ("run",), names=names)
    for key in _PATTERN_KEYS:
        for position, text in _texts(known.get(key)):
            if (why := pattern_problem(text)) is not None:
                at = ("run", key, position)
                yield document.problem(at, f"'{key}': {text!r} is refused: {why}")
    for key in _NAME_KEYS:
        for position, text in _texts(known.get(key)):
            at = ("run", key, position)
            if (why := pattern_problem(escape(text))) is not None:
                yield document.problem(at, f"'{key}': {text!r} is refused: {why}")
            elif any(char in text for char in "*?["):
                what = f"'{key}' takes names of files and folders; {text!r} is a pattern"
                hint = "write each name; a folder's name means all below it"
                yield document.problem(at, what, hint)
    for key in ("fix", "setup"):
        for position, text in _texts(known.get(key)):
            if not text.strip():
                yield document.problem(("run", key, position), f"an empty command in '{key}'")
            elif "\0" in text:
                what = f"a command in '{key}' holds a NUL character"
                yield document.problem(("run", key, position), what)
    yield from _variable_problems(document, ("run",), known.get("env"))
    if isinstance(known.get("workspaces"), str):
        yield from _folder_problems(document, ("run", "workspaces"), known["workspaces"])


def _folder_problems(document: Document, at: KeyPath, folder: str) -> Iterator[Problem]:
    if re.search(r"[\x00-\x1f\x7f]", folder):
        yield document.problem(at, f"'{at[-1]}' holds control characters: {folder!r}")
        return
    try:
        Path(folder).expanduser()
    except RuntimeError:
        user = folder.split("/")[0]
        what = f"'{at[-1]}' begins with {user!r}, and nobody is called so here"
        yield document.problem(at, what, 'your own folder is: "~/..."')


def _sandbox_problems(document: Document, table: Mapping[str, Any]) -> Iterator[Problem]:
    known: dict[str, Any] = {}
    for key, value in table.items():
        if key == "mode":
            hint = f"write it below [run]: sandbox = {value!r}"
            yield document.problem(("sandbox", key), "'mode' does not belong here", hint)
        elif key not in SANDBOX_KEYS:
            what, hint = unknown_key(key, SANDBOX_KEYS)
            yield document.problem(("sandbox", key), what, hint)
        else:
            known[key] = value
    yield from shape_problems(SandboxSettings, known, document, ("sandbox",))
    for key in ("read", "write"):
        for position, text in _texts(known.get(key)):
            if re.search(r"[\x00-\x1f\x7f]", text):
                what = f"'{key}' holds control characters: {text!r}"
                yield document.problem(("sandbox", key, position), what)
            elif not text.startswith(("/", "~/")) or ".." in text.split("/"):
                what = f"'{key}': {text!r} is no whole path"
                yield document.problem(("sandbox", key, position), what, 'write: "~/..." or "/..."')
    yield from _network_problems(document, ("sandbox", "setup_network"), known)


def _mcp_server_problems(
    document: Document, table: Mapping[str, Any], own: bool
) -> Iterator[Problem]:
    if own:
        what = "what agents may accept is the team's to say"
        yield document.problem(("mcp_server",), what, f"write it in {SHARED_FILE}")
        return
    yield from shape_problems(McpServerSettings, table, document, ("mcp_server",))
    for position, name in _texts(table.get("accept")):
        at: KeyPath = ("mcp_server", "accept", position)
        if any(char in name for char in "*?["):
            what = f"'accept' takes names of branches; {name!r} is a pattern"
            yield document.problem(at, what, "write each branch that agents may accept into")
        elif why := target_problem(name):
            what = f"'accept': {name!r} {why}"
            yield document.problem(at, what, 'as git branch lists it: accept = ["main"]')


def _network_problems(
    document: Document, at: KeyPath, table: Mapping[str, Any]
) -> Iterator[Problem]:
    for position, text in _texts(table.get(str(at[-1]))):
        host = parse_host(text)
        if host is not None and host.is_own and min(host.ports) < LOWEST_PORT:
            what = f"'{at[-1]}': {text!r}: this machine's own ports are reached from 1024 on"
            yield document.problem((*at, position), what, 'write: "localhost:5432"')
        elif host is None:
            what = f"'{at[-1]}': {text!r} is no host"
            hint = 'write: "host", "*.domain" or "host:port"; for any host: ' + f"{at[-1]} = true"
            yield document.problem((*at, position), what, hint)


def _gate_problems(document: Document, gates: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for position, gate in enumerate(gates):
        at: KeyPath = ("gate", position)
        yield from shape_problems(Gate, gate, document, at)
        yield from _command_problems(document, at, gate)
        yield from _network_problems(document, (*at, "network"), gate)
        yield from _comparing_problems(document, at, gate)
        name = gate.get("name")
        if isinstance(name, str) and seen.setdefault(name, position) != position:
            first = document.line(("gate", seen[name]))
            what = f"a second gate is called '{name}'; the first is in line {first}"
            yield document.problem((*at, "name"), what, "give it a name of its own")


def _comparing_problems(
    document: Document, at: KeyPath, gate: Mapping[str, Any]
) -> Iterator[Problem]:
    """What keeps a report from being found, or new failures from being told from known ones."""
    junit, command = gate.get("junit"), gate.get("command")
    why = pattern_problem(escape(junit)) if isinstance(junit, str) else None
    if isinstance(junit, str) and junit != junit.strip("/"):
        why = "it is no path of a file below the top of the tree"
    if why is not None:
        what = f"'junit': {junit!r} is refused: {why}"
        hint = 'a path from the top of the tree, as in junit = "reports/unit.xml"'
        yield document.problem((*at, "junit"), what, hint)
    if gate.get("pass_if") != "no-new-failures" or not isinstance(command, str):
        return
    words = command.split()
    early = next((word for word in words if _STOPS_EARLY.match(word)), None)
    if early is None and "-x" in words and re.search(r"\bpy\.?test\b", command):
        early = "-x"
    if early:
        what = f"'pass_if': with {early} not all tests run, so new failures cannot be told from old"
        yield document.problem((*at, "command"), what, f"take {early} out of the command")
    elif re.search(r"\bcargo\s+test\b", command) and "--no-fail-fast" not in words:
        what = "'pass_if': cargo test stops at the first target that fails"
        yield document.problem((*at, "command"), what, "write: cargo test --no-fail-fast")


def _worker_problems(document: Document, workers: Mapping[str, Any]) -> Iterator[Problem]:
    for name, worker in workers.items():
        at: KeyPath = ("worker", name)
        if not isinstance(worker, dict):
            hint = "write: [worker.NAME], and below it kind and command"
            yield document.problem(at, f"'worker.{name}' is {type_in_words(worker)}", hint)
            continue
        if not _NAME.fullmatch(name):
            hint = "up to 63 small letters, digits, -, _ and ., first a letter or digit"
            yield document.problem(at, f"'{name}' is no legal name of a worker", hint)
        kind = worker.get("kind")
        if kind in LATER_KINDS:
            what = f"worker '{name}': kind '{kind}' is not in this version of orch yet"
            hint = 'kind = "command" runs any program, that of an agent too'
            yield document.problem((*at, "kind"), what, hint)
        elif kind is None:
            hint = 'add: kind = "command", or kind = "model"'
            yield document.problem(at, f"worker '{name}' has no kind", hint)
        elif kind not in KINDS:
            close = nearest(str(kind), (*KINDS, *LATER_KINDS))
            what = f"worker '{name}': unknown kind {kind!r}"
            hint = 'write: kind = "command", or kind = "model"'
            if close in KINDS:
                hint = f'did you mean "{close}"?'
            yield document.problem((*at, "kind"), what, hint)
        elif kind == "model":
            yield from model_worker_problems(document, at, worker)
            yield from _network_problems(document, (*at, "network"), worker)
        else:
            yield from shape_problems(CommandWorker, worker, document, at)
            yield from _command_problems(document, at, worker)
            yield from _variable_problems(document, at, worker.get("env"))
            yield from _network_problems(document, (*at, "network"), worker)


def _command_problems(
    document: Document, at: KeyPath, table: Mapping[str, Any]
) -> Iterator[Problem]:
    command = table.get("command")
    if isinstance(command, str) and not command.strip():
        yield document.problem((*at, "command"), "'command' is empty", "write what sh -c shall run")
    elif isinstance(command, str) and "\0" in command:
        yield document.problem((*at, "command"), "'command' holds a NUL character")


def _variable_problems(document: Document, at: KeyPath, names: Any) -> Iterator[Problem]:
    for position, name in _texts(names):
        if not _VARIABLE.fullmatch(name):
            what = f"'env': {name!r} is no name of a variable"
            hint = "names only; the values come from your environment" if "=" in name else ""
            yield document.problem((*at, "env", position), what, hint)
        elif not is_passable(name):
            what = f"'env': {name!r} is never passed on: it would turn git or orch itself around"
            hint = "take it out, or set it in the command: NAME=value command"
            yield document.problem((*at, "env", position), what, hint)


def _texts(values: Any) -> Iterator[tuple[int, str]]:
    if isinstance(values, list):
        yield from ((at, one) for at, one in enumerate(values) if isinstance(one, str))
