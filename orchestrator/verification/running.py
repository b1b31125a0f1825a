"""One run of a gate's command in a tree, whoever's it is, and what it said.

1. The command runs as any other; what it printed is read where it matters, at the beginning and
   at the end of what was kept.
2. A report that the settings name is not there when it starts, and gone when it is read.
3. No secret that the gate may see is in the names of its tests; its output has none already.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import anyio.to_thread

from ledger.model import Gate
from orchestrator.policy.measure import UNMEASURED, Measure
from orchestrator.verification.junit import NoReport, Report, make_room, take_report
from orchestrator.verification.reading import Reading, read_output
from workers.command import run_command
from workers.environment import beyond_usual
from workers.process import Ended
from workers.redact import Redactor
from workers.sandbox import Confinement

HEAD_BYTES = 128 * 1024
TAIL_BYTES = 512 * 1024
"""How much of a log's beginning and end is read for what matters in it."""

OnLine = Callable[[str], None]


async def run_gate(
    gate: Gate,
    *,
    tree: Path,
    env: Mapping[str, str],
    mark: str,
    log: Path,
    timeout_s: float,
    measure: Measure = UNMEASURED,
    on_line: OnLine | None = None,
    secrets: Mapping[str, str] | None = None,
    confinement: Confinement | None = None,
) -> tuple[Reading, Ended]:
    """Run a gate's command in a tree, whoever's it is, and read what it said."""
    made, refused = await anyio.to_thread.run_sync(_make_room, gate, tree)
    ended = await run_command(
        gate.command,
        tree=tree,
        env=env,
        mark=mark,
        timeout_s=timeout_s,
        log=log,
        on_line=on_line,
        secrets=secrets,
        confinement=confinement,
    )

    def read() -> Reading:
        redactor = Redactor({**beyond_usual(env), **(secrets or {})})
        return read_output(
            ended.exit_code,
            # Where a shell said 126 or 127 the output says more than the bare reason.
            "exited" if ended.exit_code is not None else ended.reason,
            _load_log(log) or ended.why,
            command=gate.command,
            measure=measure,
            pass_if=gate.pass_if,
            over=ended.why if ended.reason == "limit" else "",
            report=refused or _report_of(gate, tree, made, redactor),
            timeout_s=timeout_s,
            roots=_names_of(tree),
        )

    return await anyio.to_thread.run_sync(read), ended


def _make_room(gate: Gate, tree: Path) -> tuple[str | None, str | None]:
    """The folder that is missing on the way to its report; why there cannot be one."""
    if gate.junit is None:
        return None, None
    try:
        return make_room(tree, gate.junit), None
    except (NoReport, OSError) as error:
        return None, _unreported(gate, error)


def _report_of(gate: Gate, tree: Path, made: str | None, redactor: Redactor) -> Report | str | None:
    if gate.junit is None:
        return None
    try:
        report = take_report(tree, gate.junit, made)
    except (NoReport, OSError) as error:
        return _unreported(gate, error)
    names = (name.encode("utf-8", "replace") for name in report.failed.names)
    clean = dict.fromkeys(redactor.redact(name).decode("utf-8", "replace") for name in names)
    return replace(report, failed=replace(report.failed, names=tuple(clean)))


def _unreported(gate: Gate, error: Exception) -> str:
    why = getattr(error, "strerror", None) or str(error)
    hint = f"its command must write it, as pytest --junitxml={gate.junit} does"
    return f"its report {gate.junit} cannot be read: {why} (hint: {hint})"


def _names_of(tree: Path) -> tuple[str, ...]:
    """The folder as it was given, and as programs may print it."""
    return tuple(dict.fromkeys((os.path.realpath(tree), str(tree))))


def _load_log(path: Path) -> str:
    """The beginning and the end of a log."""
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
            file.seek(0)
            if size_bytes <= HEAD_BYTES + TAIL_BYTES:
                return file.read().decode("utf-8", "replace")
            head = file.read(HEAD_BYTES)
            file.seek(size_bytes - TAIL_BYTES)
            return (head + b"\n[...]\n" + file.read()).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
