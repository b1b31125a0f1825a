"""How long the command line takes to answer, against the interpreter and its libraries alone."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.jobs import ORCH, environ_for, make_job, orch
from benchmarks.place import fresh_folder
from benchmarks.rows import Row, print_table
from ledger.store import Store
from orchestrator.journal import Journal
from orchestrator.workplace import open_workplace

TIMES = 15
LIBRARIES = "import typer, pydantic, sqlite3"
OF_MODELS = ("pydantic_ai", "starlette", "httpx", "uvicorn", "anthropic", "openai", "genai_prices")


def in_turn(ours: tuple[str, ...], theirs: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """Median seconds of both commands, run one after the other in turn."""
    took: tuple[list[float], list[float]] = ([], [])
    for n in range(TIMES + 2):
        for side, command in enumerate((ours, theirs)):
            began = time.perf_counter()
            subprocess.run(
                command,
                cwd=folder,
                env=environ_for(folder.parent),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                timeout=60,
                check=True,
            )
            if n >= 2:
                took[side].append(time.perf_counter() - began)
    return statistics.median(took[0]), statistics.median(took[1])


def row(
    name: str, ours: tuple[str, ...], code: str, against: str, target: float, folder: Path
) -> Row:
    """One command against an interpreter that runs `code`."""
    mine, bare = in_turn((str(ORCH), *ours), (sys.executable, "-c", code), folder)
    ratio = mine / bare
    return Row(
        name, f"{mine * 1e3:.0f} ms", f"{bare * 1e3:.0f} ms {against}", ratio, target,
        ratio <= target,
    )  # fmt: skip


def without_models(root: Path) -> Row:
    """What of the libraries for models `orch plan` and `orch run` import, where no model works."""
    environ = {**environ_for(root.parent), "PYTHONPROFILEIMPORTTIME": "1"}
    found: set[str] = set()
    for typed in (("plan", "Sleep better", "--by-hand"), ("run", "sleep", "--plain")):
        done = subprocess.run(
            (str(ORCH), *typed),
            cwd=root,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
        imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
        assert "orchestrator" in imported, "the interpreter tells what it imports"
        found |= imported & set(OF_MODELS)
    measured = ", ".join(sorted(found)) or "none"
    name = "libraries of models, orch plan and run without one"
    return Row(name, measured, f"of {len(OF_MODELS)}", float(len(found)), 0.0, not found)


def finished_run(folder: Path, tasks: int) -> Path:
    """A repository whose ledger holds a finished run of that many tasks."""
    root = make_job(folder, tasks=tasks, work_s=0, gate_s=0, parallel=16, gates_parallel=2)
    orch(root, "run")
    workplace = open_workplace(root, environ_for(folder))
    with Store.open(workplace.place.ledger) as store:
        run = store.runs()[0].run
        assert len(Journal.load(store, run).state.with_status("landed")) == tasks
    return root


def rows() -> list[Row]:
    """The figures of the command line."""
    root = finished_run(fresh_folder(), 200)
    few = make_job(fresh_folder(), tasks=2, work_s=0, gate_s=0, parallel=2, gates_parallel=1)
    return [
        row("orch --version", ("--version",), "pass", "bare", 2.0, root),
        row("orch --help", ("--help",), "pass", "bare", 8.0, root),
        row("orch status, 200 tasks", ("status",), LIBRARIES, "libraries", 1.3, root),
        without_models(few),
    ]


if __name__ == "__main__":
    print_table(rows())
