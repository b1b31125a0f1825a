"""Drive a run in a process of its own, which ends or stops itself at one boundary.

Just before, or just after, that effect the process is gone: no handler, no clean-up. Processes are
forked from a server that has imported everything, so that each costs milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

from orchestrator.workplace import open_workplace
from tests.support.faults import Boundary, Passages
from tests.support.project import ENVIRON

WITHIN_S = 120.0
REFUSED = 7
"""How a process ends that was told that another engine drives the run."""
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.support.killed"])


def start_engine(
    folder: Path, run: str, boundary: Boundary | None = None, number: int = signal.SIGKILL
) -> BaseProcess:
    """Start an engine that sends itself that signal at the boundary."""
    process = _forks.Process(target=_main, args=(folder, run, boundary, int(number)))
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    """Wait for an engine; its exit code."""
    process.join(WITHIN_S)
    assert process.exitcode is not None, "the engine does not end"
    return process.exitcode


def killed_at(folder: Path, run: str, boundary: Boundary) -> bool:
    """Drive until the boundary; whether it came to it before the end of the run."""
    code = ended(start_engine(folder, run, boundary))
    assert code in (0, -signal.SIGKILL), f"the engine ended with {code}"
    return code != 0


def _main(folder: Path, run: str, boundary: Boundary | None, number: int) -> None:
    from ledger.lock import EngineRunning

    environ = {**ENVIRON, "ORCH_STATE_DIR": str(folder / "state")}
    workplace = open_workplace(folder / "project", environ)
    passages = Passages(boundary, partial(os.kill, os.getpid(), number))
    try:
        passages.drive(workplace, run)
    except EngineRunning:
        raise SystemExit(REFUSED) from None
