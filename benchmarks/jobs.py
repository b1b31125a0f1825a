"""Jobs that benchmarks run: a repository of their own, workers that sleep, gates that sleep."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

ORCH = Path(sys.executable).parent / "orch"


def environ_for(folder: Path) -> dict[str, str]:
    """A scrubbed environment whose state lies in the benchmark's own folder."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "ORCH_STATE_DIR": str(folder / "state"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
    }


def make_job(
    folder: Path, *, tasks: int, work_s: float, gate_s: float, parallel: int, gates_parallel: int
) -> Path:
    """A repository with settings and a plan of independent tasks; its path."""
    root = folder / "project"
    (root / ".agent" / "plans").mkdir(parents=True)
    (root / ".agent" / "orch.toml").write_text(
        f"""
[run]
sandbox = "none"
parallel = {parallel}
gates_parallel = {gates_parallel}
min_free_gb = 0.1
worker = "sleeper"

[[gate]]
name = "gate"
command = "sleep {gate_s}"

[worker.sleeper]
kind = "command"
command = "sleep {work_s}; echo done > $ORCH_TASK.txt"
"""
    )
    (root / ".agent" / ".gitignore").write_text("state_ledger.json\norch.local.toml\n")
    plan = ['goal = "Sleep well"\n']
    plan += [
        f'[[task]]\nid = "t{n}"\nprompt = "sleep"\npaths = ["t{n}.txt"]\n' for n in range(tasks)
    ]
    (root / ".agent" / "plans" / "sleep.toml").write_text("\n".join(plan))
    (root / "readme").write_text("hello\n")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "config", "user.name", "Benchmark")
    git(root, "config", "user.email", "benchmark@example.invalid")
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "first")
    return root


def git(root: Path, *args: str) -> str:
    """What git says."""
    done = subprocess.run(
        ("git", *args),
        cwd=root,
        env=environ_for(root.parent),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def orch(root: Path, *args: str, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    done = subprocess.run(
        (str(ORCH), *args),
        cwd=root,
        env=environ_for(root.parent),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}"
        raise RuntimeError(f"orch {shlex.join(args)} ended with {done.returncode}:\n{said}")
    return done
