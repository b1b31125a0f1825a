"""`orch demo`: a small project of its own, planned, run, reviewed and accepted, with no model.

The project lies beside this file: its sources, its settings, a plan, and the script that the
workers follow. Every step is the command that a person would type, in a process of its own.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import OrchError
from orchestrator.itself import ORCH
from workers.sandbox_offer import sandbox_offer

HERE = Path(__file__).parent
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Step:
    """One command of the demo, and what to look at after it."""

    argv: tuple[str, ...]
    before: str
    after: str
    exit_codes: tuple[int, ...] = (0,)


STEPS = (
    Step(
        ("plan", "--check", ".agent/plans/tidy-up.toml"),
        "A plan is a file. orch checks it and shows what runs beside what.",
        "The plan: .agent/plans/tidy-up.toml   the settings: .agent/orch.toml",
    ),
    Step(
        ("run",),
        "Eight tasks, up to four workers at once, each in a worktree of its own. Watch for: search "
        "fails its quick check and passes in its next round; rename and receipt are green alone "
        "and red together; bankers cannot be done.",
        "Look closer: orch show receipt   orch log bankers   orch diff rename   orch ledger events",
        exit_codes=(1,),
    ),
    Step(
        ("status",),
        "What became of it:",
        "orch take bankers would give you the failed head as a branch; "
        'orch retry bankers --note "..." would try again.',
    ),
    Step(
        ("show", "receipt"),
        "How the queue caught it: green alone, red with what had landed, repaired.",
        "The whole output of that gate: orch log receipt --gate tests",
    ),
    Step(
        ("accept",),
        "Your branch has not been touched so far. Accepting is a fast-forward to the result.",
        "git log --first-parent --oneline   shows judged trees only",
    ),
    Step(
        ("ledger", "verify"),
        "Does the ledger agree that every tree on the result was judged?",
        "orch report   for the whole story in Markdown",
    ),
)


def run_demo(
    folder: Path, environ: Mapping[str, str], say: Callable[[str], None], pause: Callable[[], None]
) -> int:
    """Make the project in a new folder and walk through it; 0 when all went as it should.

    `pause` is called before each command; it may wait for a key.
    """
    make_project(folder, environ)
    say(f"A small Python project, with a history and tests of its own: {folder}")
    if not (offer := sandbox_offer()).works:
        say(f"No sandbox here: {offer.what}. What runs is orch's own, so it runs without.")
        say(f"  for your own projects: {offer.hint}")
        (folder / ".agent/orch.local.toml").write_text('[run]\nsandbox = "none"\n', "utf-8")
    for step in STEPS:
        say("")
        say(step.before)
        say(f"$ orch {shlex.join(step.argv)}")
        pause()
        code = _orch(step.argv, folder, environ)
        if code not in step.exit_codes:
            say(f"orch {shlex.join(step.argv)} ended with exit {code}: that is not as it should be")
            return 1
        say(f"  {step.after}")
    say("")
    say(f"That was it. The project stays: cd {folder}")
    return 0


def make_project(folder: Path, environ: Mapping[str, str]) -> None:
    """Write the project, its settings and its plan, and commit it."""
    if folder.exists() and any(folder.iterdir()):
        raise OrchError(f"{folder} is not empty", hint="orch demo --dir NEW_FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(
        HERE / "project",
        folder,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
    )
    agent = folder / ".agent"
    (agent / "plans").mkdir(parents=True)
    settings = (HERE / "agent" / "orch.toml").read_text("utf-8")
    script = agent / "script.toml"
    (agent / "orch.toml").write_text(settings.replace("{python}", sys.executable), "utf-8")
    (agent / ".gitignore").write_text("orch.local.toml\nstate_ledger.json\n", "utf-8")
    for source, target in (
        ("RULES.md", agent / "RULES.md"),
        ("plan.toml", agent / "plans" / "tidy-up.toml"),
        ("script.toml", script),
    ):
        shutil.copyfile(HERE / "agent" / source, target)
    _git(folder, environ, "init", "--quiet", "--initial-branch=main")
    for key, value in (("user.name", "Demo"), ("user.email", "demo@example.invalid")):
        _git(folder, environ, "config", key, value)
    _git(folder, environ, "add", "-A", "--", "README.md", "pocket", "tests", "tools")
    _git(folder, environ, "commit", "--quiet", "-m", "A pocket calculator for small money")
    _git(folder, environ, "add", "-A")
    _git(folder, environ, "commit", "--quiet", "-m", "Settings for orch")


def _git(folder: Path, environ: Mapping[str, str], *args: str) -> None:
    # A folder of our own making: git may read what it likes here, but no hooks of the user's.
    command = ("git", "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", *args)
    done = subprocess.run(
        command, cwd=folder, env=dict(environ), capture_output=True, timeout=60, check=False
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise OrchError(f"git {args[0]} failed in {folder}: {said}", hint="git --version")


def _orch(argv: Sequence[str], folder: Path, environ: Mapping[str, str]) -> int:
    return subprocess.run(
        (*ORCH, *argv), cwd=folder, env=dict(environ), timeout=TIMEOUT_S, check=False
    ).returncode
