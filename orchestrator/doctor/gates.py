"""What judges and who works: whether it can be run here."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from ledger.model import CommandWorker
from orchestrator.doctor.findings import Finding, Visit
from orchestrator.workplace import Workplace

_SHELL_WORDS = (
    ". : [ alias bg break case cd command continue do done echo elif else esac eval exec exit"
    " export false fg fi for getopts hash if in jobs kill local printf pwd read readonly return"
    " set shift test then times trap true type ulimit umask unalias unset until wait while"
)
BUILTINS = frozenset(_SHELL_WORDS.split())
"""The words that sh itself knows."""


def gates(visit: Visit) -> Iterator[Finding]:
    """Whether the programs that the gates begin with are there."""
    if visit.settings is None:
        return
    found = visit.settings.gates
    if not found:
        what = "no gate judges anything: whatever a worker does would land"
        yield Finding("gates", "bad", what, "orch init shows what it would write")
    for gate in found:
        if lacking := missing(gate.command, visit.workplace):
            what, hint = lacking
            then = f"{hint}, then: orch gate {shlex.quote(gate.name)}"
            yield Finding("gates", "bad", f"gate '{gate.name}': {what}", then)
    if found:
        yield Finding("gates", "good", "orch gate runs them on the checkout as it is now")


def imports(visit: Visit) -> Iterator[Finding]:
    """What could make a gate's tests import the checkout, and not the tree that is judged."""
    from orchestrator.verification.elsewhere import find_leads, other_copies
    from workers.environment import build_environment

    if visit.settings is None:
        return
    place = visit.workplace
    copies = other_copies(place.repository)
    allowed = visit.settings.env
    environ = build_environment(place.environ, temporary=Path("/"), allowed=allowed)
    told: set[str] = set()
    for gate in visit.settings.gates:
        # The folder of no workspace: whatever leads to a worktree leads elsewhere.
        for lead in find_leads(gate.command, environ, Path("/nonexistent"), copies):
            if lead.file not in told and Path(lead.file).is_absolute():
                told.add(lead.file)
                what = f"{lead.file} leads to {lead.to}: tests may import that, not what is judged"
                hint = f"orch gate {shlex.quote(gate.name)} tells whether they do"
                yield Finding("imports", "odd", what, hint)


def workers(visit: Visit) -> Iterator[Finding]:
    """Whether the programs of the workers are there, and keys and prices of their models."""
    from orchestrator.config import lacking_keys
    from orchestrator.pricing import unpaid, unpaid_planner

    if visit.settings is None:
        return
    for name, worker in visit.settings.workers.items():
        if isinstance(worker, CommandWorker) and (
            lacking := missing(worker.command, visit.workplace)
        ):
            what, hint = lacking
            hint = f"{hint}, or change [worker.{name}] in .agent/orch.toml"
            yield Finding("workers", "bad", f"worker '{name}': {what}", hint)
    for name, server in visit.settings.mcp.items():
        command = server.command
        words = command if isinstance(command, str) else shlex.join(command or ())
        if words and (lacking := missing(words, visit.workplace)):
            what, hint = lacking
            hint = f"{hint}, or change [mcp.{name}] in .agent/orch.toml"
            yield Finding("workers", "bad", f"MCP server '{name}': {what}", hint)
    for problem in lacking_keys(visit.settings, visit.workplace.environ, visit.settings.workers):
        yield Finding("workers", "bad", problem.what, problem.hint)
    priceless = unpaid(visit.settings, visit.settings.workers)
    for problem in priceless or unpaid_planner(visit.settings, visit.settings.planner):
        yield Finding("workers", "bad", problem.what, problem.hint)


def missing(command: str, workplace: Workplace) -> tuple[str, str] | None:
    """Why a shell command cannot begin, and what to do; None where nothing speaks against it."""
    program = program_of(command)
    if program is None:
        return None
    if "/" not in program:
        if shutil.which(program, path=workplace.environ.get("PATH", "")):
            return None
        return f"there is no program '{program}'", f"install {program}"
    path = Path(program).expanduser()
    path = path if path.is_absolute() else workplace.checkout / path
    if not path.exists():
        return f"there is no program '{program}'", "make it, or correct the command"
    if not os.access(path, os.X_OK):
        return f"'{program}' may not be executed", f"chmod +x {shlex.quote(program)} and commit it"
    return None


def program_of(command: str) -> str | None:
    """The program that a shell command starts with; None where that cannot be told."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return None
    for word in words:
        name, equals, _ = word.partition("=")
        if equals and name.isidentifier():
            continue
        plain = all(char.isalnum() or char in "._+/~-[:" for char in word)
        return word if plain and word not in BUILTINS else None
    return None
