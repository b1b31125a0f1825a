"""Whole runs through the installed command, against the bound of their slots."""

from __future__ import annotations

import math
import time
from pathlib import Path

from benchmarks.jobs import make_job, orch
from benchmarks.place import fresh_folder
from benchmarks.rows import Row, print_table


def many_row(folder: Path) -> Row:
    """200 tasks of 0.5 s, 8 workers, a gate of 0.1 s in 2 slots."""
    tasks, work_s, gate_s, parallel, slots = 200, 0.5, 0.1, 8, 2
    root = make_job(
        folder, tasks=tasks, work_s=work_s, gate_s=gate_s, parallel=parallel, gates_parallel=slots
    )
    began = time.monotonic()
    orch(root, "run")
    took_s = time.monotonic() - began
    # The last batch cannot land before the last worker is done and its gate has run.
    bound_s = max(math.ceil(tasks / parallel) * work_s + gate_s, gate_s)
    ratio = took_s / bound_s
    return Row(
        "200 tasks of 0.5 s, gate 0.1 s, 8 workers, 2 slots",
        f"{took_s:.2f} s",
        f"{bound_s:.2f} s bound",
        ratio,
        1.15,
        ratio <= 1.15,
    )


def few_row(folder: Path) -> Row:
    """20 tasks of 0.5 s, 8 workers: from the prompt back to the prompt."""
    root = make_job(folder, tasks=20, work_s=0.5, gate_s=0.02, parallel=8, gates_parallel=1)
    began = time.monotonic()
    orch(root, "run")
    took_s = time.monotonic() - began
    orch(root, "ledger", "verify")
    return Row(
        "20 tasks of 0.5 s, 8 workers, every landed tree judged",
        f"{took_s:.2f} s",
        "2.5 s",
        took_s / 2.5,
        1.0,
        took_s <= 2.5,
    )


def rows() -> list[Row]:
    """The figures of whole runs."""
    return [few_row(fresh_folder()), many_row(fresh_folder())]


if __name__ == "__main__":
    print_table(rows())
