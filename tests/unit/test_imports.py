"""Who may import whom, and which modules stay pure.

1. `ledger` and `worktree` import nothing of ours; `workers` imports the nouns of `ledger` (`model`,
   `connectors`), `books` and `guidance` alone; `orchestrator.policy` these, `events`, `state`, what
   is told of automations, and itself; nothing outside `orchestrator.cli` imports it.
2. Pure modules know no files, clock, chance, processes, network or git.
3. Each outside thing has one door: one module of `worktree` imports GitPython, only
   `orchestrator.cli.output` and the live view print or import rich. A program that runs as a
   child of its own speaks to whoever started it, so it may print.

All imports count, those inside functions too. Imports under `TYPE_CHECKING` run never, and
count for rule 1 only.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("ledger", "worktree", "workers", "orchestrator")

NOUNS = ("ledger.value", "ledger.connectors", "ledger.model")
ALLOWED: dict[str, tuple[str, ...]] = {
    "ledger": ("ledger",),
    "worktree": ("worktree",),
    "workers": ("workers", *NOUNS, "ledger.books", "ledger.guidance"),
    "orchestrator.policy": (
        "orchestrator.policy",
        *NOUNS,
        "ledger.events",
        "ledger.books",
        "ledger.state",
        "ledger.automations",
        "ledger.heartbeat",
        "ledger.heartbeat_fold",
    ),
    "orchestrator": ROOMS,
}
"""What each room may import of ours; the longest matching room counts."""

PURE = (
    *NOUNS,
    "ledger.guidance",
    "ledger.facts",
    "ledger.events",
    "ledger.automations",
    "ledger.heartbeat",
    "ledger.heartbeat_fold",
    "ledger.state",
    "ledger.standing",
    "ledger.accept_fold",
    "ledger.forge_fold",
    "ledger.books",
    "ledger.calls_fold",
    "ledger.task_fold",
    "ledger.queue_fold",
    "ledger.tip_fold",
    "ledger.export",
    "worktree.names",
    "worktree.address",
    "orchestrator.policy",
    "orchestrator.mcp_server.fitting",
    "orchestrator.planning.graph",
    "orchestrator.automations.system.texts",
    "orchestrator.verification.weakened",
    "orchestrator.verification.python_tests",
    "workers.secrets",
    "workers.scripted_model.caching",
    "workers.scripted_model.choosing",
    "workers.scripted_model.script",
    "workers.wire",
    "ledger.books",
    "workers.gateway.headers",
    "workers.gateway.joined",
    "workers.gateway.likeness",
    "workers.gateway.pace",
    "workers.gateway.trouble",
    "workers.mcp.catalogue",
    "workers.mcp.schema",
    "workers.model.context",
    "workers.model.editing",
    "workers.model.repeats",
)
IMPURE_MODULES = {
    *("os", "io", "sys", "pathlib", "tempfile", "shutil", "glob", "fcntl", "signal", "sqlite3"),
    *("time", "datetime", "random", "secrets", "uuid", "subprocess", "multiprocessing"),
    *("socket", "select", "asyncio", "threading", "anyio", "httpx", "git", "psutil", "rich"),
    *("logging", "platformdirs", "tomlkit", "typer"),
}
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}
VALUES_OF_IMPURE = {
    ("pathlib", "PurePath"),
    ("pathlib", "PurePosixPath"),
}
"""Names of otherwise impure modules that only compute."""

PRINTERS = ("orchestrator.cli.output", "orchestrator.cli.live")
PROGRAMS = ("workers.scripted", "workers.relay")
"""Modules that run as a child process of their own."""


SAMPLE = "orchestrator.demo.project"
"""Files of a project that a demonstration makes: data, not modules of ours."""


@dataclass(frozen=True)
class Import:
    """One name that a module brings in."""

    importer: str
    line: int
    module: str
    name: str | None
    checked_only: bool
    """Under `TYPE_CHECKING`: it never runs."""

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]

    def reaches(self, other: str) -> bool:
        """Whether it brings in that module, or something in it."""
        whole = f"{self.module}.{self.name}" if self.name else self.module
        return within(self.module, other) or within(whole, other)

    def __str__(self) -> str:
        what = f"{self.module}.{self.name}" if self.name else self.module
        return f"{self.importer}:{self.line} imports {what}"


def within(module: str, room: str) -> bool:
    """Whether a module is that room or inside it."""
    return module == room or module.startswith(room + ".")


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of ours, parsed."""
    found: dict[str, ast.Module] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if within(name, SAMPLE):
                continue
            found[name] = ast.parse(path.read_text(), filename=str(path))
    return found


def packages() -> set[str]:
    """The modules that are folders."""
    return {
        ".".join(path.parent.relative_to(ROOT).parts)
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }


def imports_in(name: str, tree: ast.Module) -> Iterator[Import]:
    """All imports of a module, wherever they stand."""
    checked = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, node.lineno, alias.name, None, id(node) in checked)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                above = name.split(".")
                own = above if name in packages() else above[:-1]
                own = own[: len(own) - node.level + 1]
                module = ".".join([*own, *([module] if module else [])])
            for alias in node.names:
                yield Import(name, node.lineno, module, alias.name, id(node) in checked)


@cache
def all_imports() -> tuple[Import, ...]:
    """Every import of ours."""
    return tuple(found for name, tree in modules().items() for found in imports_in(name, tree))


def is_pure(module: str) -> bool:
    """Whether a module promises to be pure."""
    return any(within(module, pure) for pure in PURE)


def test_there_is_something_to_look_at():
    assert "ledger.model" in modules()
    assert "orchestrator.policy.decide" in modules()
    assert len(all_imports()) > 50


def test_every_room_imports_only_what_it_may():
    wrong = []
    for found in all_imports():
        if found.root not in ROOMS:
            continue
        room = max((r for r in ALLOWED if within(found.importer, r)), key=len)
        if not any(found.reaches(allowed) for allowed in ALLOWED[room]):
            wrong.append(str(found))
    assert wrong == []


def test_nothing_but_the_command_line_imports_the_command_line():
    wrong = [
        str(found)
        for found in all_imports()
        if found.reaches("orchestrator.cli") and not within(found.importer, "orchestrator.cli")
    ]
    assert wrong == []


def test_nothing_of_ours_imports_tests_or_benchmarks():
    wrong = [str(found) for found in all_imports() if found.root in ("tests", "benchmarks")]
    assert wrong == []


def test_pure_modules_import_nothing_that_acts():
    wrong = [
        str(found)
        for found in all_imports()
        if is_pure(found.importer)
        and not found.checked_only
        and found.root in IMPURE_MODULES
        and (found.module, found.name) not in VALUES_OF_IMPURE
    ]
    assert wrong == []


def test_pure_modules_import_only_pure_modules_of_ours():
    names = set(modules())
    wrong = []
    for found in all_imports():
        if not is_pure(found.importer) or found.root not in ROOMS or found.checked_only:
            continue
        whole = f"{found.module}.{found.name}"
        target = whole if whole in names else found.module
        if target not in packages() and not is_pure(target):
            wrong.append(str(found))
    assert wrong == []


def test_pure_modules_call_nothing_that_acts():
    wrong = [
        f"{name}:{node.lineno} calls {node.func.id}"
        for name, tree in modules().items()
        if is_pure(name)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in IMPURE_CALLS
    ]
    assert wrong == []


def test_pure_modules_define_nothing_that_waits():
    wrong = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        if is_pure(name)
        for node in ast.walk(tree)
        if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.Global))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("library", "doors"),
    [
        ("rich", PRINTERS),
        ("sqlite3", ("ledger.store", "ledger.schema", "ledger.connection")),
        (
            "httpx",
            (
                "workers.gateway.upstream",
                "orchestrator.notify.sending",
                "orchestrator.forges.http",
            ),
        ),
        ("genai_prices", ("workers.gateway.prices",)),
    ],
)
def test_each_outside_thing_has_one_door(library, doors):
    wrong = [
        str(found)
        for found in all_imports()
        if found.root == library and found.importer not in doors and not found.checked_only
    ]
    assert wrong == []


def test_git_has_one_door():
    doors = {found.importer for found in all_imports() if found.root == "git"}
    assert len(doors) <= 1
    assert all(within(door, "worktree") for door in doors)


def test_one_module_prints():
    wrong = [
        f"{name}:{node.lineno} prints"
        for name, tree in modules().items()
        if name not in PRINTERS + PROGRAMS
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "typer.echo")
    ]
    assert wrong == []


def test_a_run_without_a_model_brings_in_nothing_of_models():
    """They cost seconds to import; only who calls a model pays for that."""
    heavy = ("httpx", "httpx2", "starlette", "uvicorn", "genai_prices", "pydantic_ai")
    heavy += ("watchfiles", "anthropic", "openai", "mcp", "jsonschema")
    found = ", ".join(
        ["orchestrator.cli.main", "orchestrator.cli.app", "orchestrator.engine"]
        + ["orchestrator.attempt", "orchestrator.outcome", "orchestrator.actions"]
        + ["workers.gateway.gateway"]
        + ["orchestrator.cli.planning", "orchestrator.planning.by_model", "orchestrator.spending"]
        + ["orchestrator.verification.checker"]
        + ["workers.model.worker"]
        + [name for name in modules() if within(name, "orchestrator.cli.commands")]
    )
    code = f"import sys, {found}; print(sorted(set(sys.modules) & set({heavy!r})))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.strip() == "[]"
