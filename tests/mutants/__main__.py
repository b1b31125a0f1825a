"""Seed each bug into a copy of the tree and see its tests fail.

    python -m tests.mutants [NAME...]

1. The copy holds what git tracks; it is what the tests import, also in the processes they start.
2. The named tests must pass in a copy without a bug, and at least one must fail with it.
3. The last line says how many were caught. Exit 1 unless all were.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.bugs import BUGS
from tests.mutants.seeded import Seeded
from workers.sandbox_offer import sandbox_offer

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 2
WITHIN_S = 600.0


def copy_tree(into: Path) -> Path:
    """The files that git tracks, and those that it would, without history."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in os.fsdecode(listed).split("\0"):
        source, target = ROOT / name, into / name
        if name and source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return into


def seed(bug: Seeded, root: Path) -> None:
    """Put one bug into a tree; ValueError where its old text does not stand there exactly once."""
    path = root / bug.file
    text = path.read_text("utf-8")
    if text.count(bug.old) != 1:
        raise ValueError(f"{bug.name}: found {text.count(bug.old)} times in {bug.file}: {bug.old}")
    path.write_text(text.replace(bug.old, bug.new), "utf-8")


def run_tests(tests: Sequence[str], root: Path) -> subprocess.CompletedProcess[str]:
    """Run tests in a tree that is no installation: everything is imported from there."""
    # A file is named with its dear tests; those of the fault matrix would take hours.
    every = {} if any(one.startswith("tests/faults/") for one in tests) else {"ORCH_FAULTS": "all"}
    return subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", *tests),
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", **every},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def is_caught(bug: Seeded) -> tuple[bool, str]:
    """Whether its tests fail because of it, and what there is to say."""
    with tempfile.TemporaryDirectory(prefix="orch-mutant-") as folder:
        root = copy_tree(Path(folder))
        sound = run_tests(bug.tests, root)
        if sound.returncode:
            return False, f"its tests do not pass without it:\n{sound.stdout[-2000:]}"
        seed(bug, root)
        try:
            done = run_tests(bug.tests, root)
        except subprocess.TimeoutExpired:
            return True, "the tests did not end"
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
        said = failed[0].removeprefix("FAILED ")[:100] if failed else f"exit {done.returncode}"
        return done.returncode == 1, said


def main(names: Sequence[str]) -> int:
    """0 where all that were asked for are caught."""
    chosen = [bug for bug in BUGS if not names or bug.name in names]
    if missing := set(names) - {bug.name for bug in chosen}:
        print(f"no such bug: {', '.join(sorted(missing))}")
        return 2
    if not sandbox_offer().works:
        left_out = [bug.name for bug in chosen if bug.needs_sandbox]
        chosen = [bug for bug in chosen if not bug.needs_sandbox]
        print(f"no sandbox on this machine; left out: {', '.join(left_out)}")
    caught = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for bug, (is_so, said) in zip(chosen, pool.map(is_caught, chosen), strict=True):
            caught += is_so
            print(f"{'caught' if is_so else 'MISSED'}  {bug.name}: {bug.law}\n        {said}")
    print(f"{caught} of {len(chosen)}")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
