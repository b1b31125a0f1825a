"""The sandbox: what it costs to start a child in one, to make a shadow, and to run a whole job.

The bare side of the first figures is bubblewrap with the very same mounts, called as one would by
hand; ours also counts and limits, keeps a log, follows what it starts and takes all of it away.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio

from benchmarks.bench_git import make_repository, plain, seconds
from benchmarks.jobs import ORCH, environ_for
from benchmarks.rows import Row, print_table
from ledger.model import SandboxSettings
from orchestrator.sandboxing import Kind, Sandboxes
from workers.alive import become_subreaper
from workers.command import run_command
from workers.environment import build_environment
from workers.reach import Reach, allowance_of
from workers.sandbox import OBJECTS, Confinement, bubblewrap, environment_within, isolation, mounts
from workers.sandbox_offer import sandbox_offer
from worktree.git import strip_environment
from worktree.packed import SETTLED_S, PackedRefs
from worktree.shadow import make_shadow
from worktree.workspace import Pool, Workspace

COMMAND = "exit 0"


class _Cell:
    """A repository with a workspace in it, and its confinement."""

    def __init__(self, folder: Path, refs: int, kind: Kind = "worker") -> None:
        self.git = make_repository(folder / "user", 200)
        self.user, self.folder = folder / "user", folder
        head = plain(self.user, "rev-parse", "main")
        moves = "".join(f"create refs/tags/t{number} {head}\n" for number in range(refs))
        plain(self.user, "update-ref", "--stdin", stdin=moves)
        plain(self.user, "pack-refs", "--all")
        self.pool = Pool(self.git, folder / "pool", "orch-bench-worker")
        self.workspace: Workspace = self.pool.take(head)
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self.sandboxes = Sandboxes(self.git, SandboxSettings(), environ, "bench")
        confinement = self.sandboxes.confine(self.workspace, kind)
        assert confinement is not None
        self.confinement: Confinement = confinement
        self.env = build_environment(environ, temporary=self.workspace.folder / "tmp")

    def bare(self, network: bool = False) -> None:
        """Bubblewrap as one would call it by hand, with the same mounts and variables."""
        tree = self.workspace.path
        words = [str(bubblewrap()), *isolation(network), *mounts(self.confinement, tree)]
        words += ["--chdir", str(tree), "--clearenv"]
        for name, value in environment_within(self.confinement, self.env).items():
            words += ["--setenv", name, value]
        subprocess.run(
            (*words, "--", "/bin/sh", "-c", COMMAND),
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    async def ours(self, confinement: Confinement | None) -> None:
        """The same by orch, to its end and with all that it does for a child."""
        ended = await run_command(
            COMMAND,
            tree=self.workspace.path,
            env=self.env,
            mark="bench/a/1/x",
            timeout_s=60,
            log=self.folder / "log",
            confinement=confinement,
        )
        assert ended.exit_code == 0, ended


def _ms(value: float) -> str:
    return f"{value * 1e3:.1f} ms"


def children(folder: Path, times: int = 60) -> list[Row]:
    """One child, by hand and by orch in turn; with a way to some hosts too."""
    cell = _Cell(folder, 10)
    reach = Reach(allowance_of(["host.example"]), folder / "s", "", lambda target: None)
    some_hosts = replace(cell.confinement, network=reach)
    bare, ours, none, hosts = [], [], [], []

    async def act() -> None:
        for _ in range(times):
            bare.append(seconds(cell.bare))
            for into, confinement in (
                (ours, cell.confinement),
                (none, None),
                (hosts, some_hosts),
            ):
                began = time.perf_counter()
                await cell.ours(confinement)
                into.append(time.perf_counter() - began)

    anyio.run(act)
    cell.pool.remove_all()
    cell.sandboxes.sweep(everywhere=False)
    mid = [statistics.median(side) for side in (bare, ours, none, hosts)]
    return [
        _row("a child in its sandbox / bare bubblewrap", mid[1], mid[0], 1.5),
        _row("a child without a sandbox / bare bubblewrap", mid[2], mid[0], 1.0),
        # An interpreter has to start before the command does.
        _row("a child that may reach some hosts / bare bubblewrap", mid[3], mid[0], 5.0),
    ]


def shadow(folder: Path, times: int = 15) -> list[Row]:
    """A shadow of a git folder with ten thousand refs, against the time that it may take."""
    cell = _Cell(folder, 10_000)
    make = partial(make_shadow, cell.git, cell.workspace, OBJECTS)
    anew = statistics.median(seconds(make) for _ in range(times))
    time.sleep(SETTLED_S)
    refs = PackedRefs()
    make(refs)
    took = statistics.median(seconds(partial(make, refs)) for _ in range(times))
    listing = partial(plain, cell.user, "for-each-ref", "--format=%(objectname) %(refname)")
    by_git = statistics.median(seconds(listing) for _ in range(times))
    cell.pool.remove_all()
    name = "a shadow git folder, 10,000 refs"
    return [
        Row(name, _ms(took), "20 ms", took / 0.020, 1.0, took <= 0.020),
        _row(f"{name} that have just changed / listing them by git", anew, by_git, 2.5),
    ]


def demo(folder: Path, times: int = 3) -> Row:
    """The whole demo, with its sandbox and without, in turn."""
    sides: Mapping[str, list[float]] = {"bubblewrap": [], "none": []}
    for turn in range(times):
        for mode, took in sides.items():
            place = folder / f"{mode}-{turn}"
            (place / ".config" / "orch").mkdir(parents=True)
            settings = f'[run]\nsandbox = "{mode}"\n'
            (place / ".config" / "orch" / "orch.toml").write_text(settings)
            took.append(seconds(partial(_demo, place)))
    mid = {mode: statistics.median(took) for mode, took in sides.items()}
    name = "the whole demo, with its sandbox / without"
    ratio = mid["bubblewrap"] / mid["none"]
    with_it, without = (f"{mid[mode]:.1f} s" for mode in ("bubblewrap", "none"))
    return Row(name, with_it, without, ratio, 1.25, ratio <= 1.25)


def _demo(place: Path) -> None:
    subprocess.run(
        (str(ORCH), "demo", "--yes", "--dir", str(place / "demo")),
        env=environ_for(place),
        capture_output=True,
        timeout=600,
        check=True,
    )


def _row(name: str, ours: float, theirs: float, target: float) -> Row:
    ratio = ours / theirs
    return Row(name, _ms(ours), _ms(theirs), ratio, target, ratio <= target)


def rows(folder: Path | None = None) -> list[Row]:
    """Every figure; none where this machine gives no sandbox."""
    if not (offer := sandbox_offer()).works:
        print(f"no sandbox: {offer.what}; {offer.hint}", file=sys.stderr)
        return []
    strip_environment(os.environ)
    become_subreaper()  # as the engine does
    place = Path(tempfile.mkdtemp(prefix="orch-bench-", dir=folder))
    try:
        return [*children(place / "c"), *shadow(place / "s"), demo(place / "d")]
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    print_table(rows())
