"""An attack is what one worker does; many share a run, one task each, side by side.

1. A worker's script begins in its workspace, clean, and knows `$ENTRY` and `$COMMON`, its own and
   the repository's git folders, `$OUT`, a folder of somebody else's, and `$TRAP`.
2. `$TRAP` is the canary: a program that leaves a file of the attack's name when it is run, as
   whatever and by whomever but a worker.
3. An attack says what of it may be in the result. Whatever else is there, has landed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from ledger.model import SandboxMode, Task
from ledger.state import RunState
from tests.faults.scenarios import does
from tests.support.invariants import check_run, things
from tests.support.project import Project, task
from tests.support.sandboxed import needs_sandbox

Ends = Literal["landed", "unchanged", "refused", "outside", "either"]

FILES = {"test.sh": "exit 0\n", "readme": "hello\n", "src/code.txt": "code\n", "src/changes": "x\n"}
_TRAP = """#!/bin/sh
test -n "$ORCH_TASK" || echo "$0 $*" >> "{canary}/$(basename "$0")"
exec 2>/dev/null
timeout 2 cat
exit 0
"""
_BEGINS = """{strict}
ENTRY=$(cut -c9- .git); COMMON=$(cd "$ENTRY/../.." && pwd)
OUT='{outside}'; TRAP='{traps}/{name}'
"""
_LOOKS = 'test -z "$(git status --porcelain --ignored)" || exit 9\n'
"""A worker that finds anything of another's in its workspace fails."""


@dataclass(frozen=True)
class Attack:
    """One task of a hostile worker."""

    name: str
    script: str
    ends: Ends = "refused"
    lands: tuple[str, ...] = ()
    """What may be in the result; with `either`, all of it or nothing."""
    says: str = ""
    """What the person is told of it."""
    at_root: bool = False
    """It needs the top folder; else it works in a folder of its name."""
    paths: tuple[str, ...] = ()
    springs: str = ""
    """What a person would type, by sh in the checkout, and so spring the trap."""
    slow: bool = False
    also: tuple[str, ...] = ()
    """What lands of it outside of its folder."""


def cases(groups: Iterable[str], in_a_sandbox: Sequence[str]):
    """Each group without a sandbox and in one; in one only these, where not all is run."""
    groups = tuple(groups)
    found: list[object] = [(group, "none") for group in groups]
    for group in groups:
        marks = [needs_sandbox] if group in in_a_sandbox else [needs_sandbox, pytest.mark.thorough]
        found.append(pytest.param(group, "bubblewrap", marks=marks))
    return found


class Attacked:
    """A repository, its hostile workers, and somebody else's things beside it."""

    def __init__(
        self,
        folder: Path,
        attacks: Sequence[Attack],
        sandbox: SandboxMode,
        *,
        looks: bool = True,
    ) -> None:
        self.attacks, self.sandbox, self.looks = tuple(attacks), sandbox, looks
        self.canary, self.traps = folder / "canary", folder / "traps"
        self.outside = folder / "outside"
        for one in (self.canary, self.traps, self.outside / "within"):
            one.mkdir(parents=True)
        trap = folder / "trap"
        trap.write_text(_TRAP.format(canary=self.canary))
        trap.chmod(0o755)
        for name in ("file", "within/file"):
            (self.outside / name).write_text("somebody else's\n")
            (self.outside / name).chmod(0o640)
        scripts = {}
        for attack in attacks:
            (self.traps / attack.name).symlink_to(trap)
            scripts[f"attacks/{attack.name}.sh"] = self._script(attack)
        self.project = Project(folder / "home", {**FILES, **scripts})
        self.project.sandbox = sandbox
        does(self.project, 'exec sh "attacks/$ORCH_TASK.sh"')
        self.kept = folder / "kept"
        self.begin()

    def begin(self) -> None:
        """From here on nothing of anybody's may change."""
        shutil.rmtree(self.kept, ignore_errors=True)
        shutil.copytree(self.project.root / ".git", self.kept, symlinks=True)
        self.others = fingerprint(self.outside)
        self.things = things(self.project)

    def _script(self, attack: Attack) -> str:
        # In a sandbox much of it fails; what did not is all the same to be looked at.
        strict = "set -eu" if self.sandbox == "none" else ""
        text = _BEGINS.format(
            strict=strict, outside=self.outside, traps=self.traps, name=attack.name
        )
        text += _LOOKS if self.looks else ""
        if not attack.at_root:
            text += f"mkdir -p '{attack.name}'; cd '{attack.name}'\n"
        return f"{text}{attack.script.strip()}\nexit 0\n"

    def tasks(self) -> tuple[Task, ...]:
        return tuple(task(one.name, paths=one.paths) for one in self.attacks)

    def run(self, *more: Task) -> RunState:
        """A whole run with all of them; each has one try."""
        run = self.project.start(*self.tasks(), *more, attempts=1, rounds=1, parallel=6)
        return self.project.drive(run)

    # --- what must not have come of it --------------------------------------------------------

    def check_harmless(self) -> None:
        """Nothing was executed, and nothing of anybody else's was touched."""
        sprung = {path.name: path.read_text() for path in self.canary.iterdir()}
        assert not sprung, f"executed: {sprung}"
        assert fingerprint(self.outside) == self.others, "somebody else's files were changed"

    def check_ends(self, state: RunState, *more: str) -> None:
        """Each attack ended as it must, and nothing but what it may land is in the result."""
        wrong = {}
        for attack in self.attacks:
            one = state.tasks[attack.name]
            finished = one.last.finished if one.last else None
            cause = finished.cause if finished else None
            why = finished.why if finished else ""
            ended = one.status if cause is None else cause
            if self.sandbox == "none" and attack.ends not in ("either", ended):
                wrong[attack.name] = (ended, why)
            if ended == attack.ends == "refused" and attack.says not in why:
                wrong[attack.name] = (ended, why)
        assert not wrong, f"{len(wrong)} attacks ended otherwise: {wrong}"
        may = {name.encode() for attack in self.attacks for name in (*attack.lands, *attack.also)}
        may |= set(map(str.encode, more))
        added = self.result(state.run) - self.result(state.started.base, ref="")
        assert added <= may, f"landed: {sorted(added - may)[:10]}"
        if self.sandbox == "none":
            must = {n.encode() for a in self.attacks if a.ends == "landed" for n in a.lands}
            assert must <= added, f"not landed: {sorted(must - added)[:10]}"

    def check_laws(self, state: RunState) -> None:
        """Every law holds; the person has put right before what a worker could write."""
        check_run(self.project, state, self.things)

    def check_traps(self) -> int:
        """The traps are sharp: a person's own git springs those that it can; how many."""
        sharp = [attack for attack in self.attacks if attack.springs]
        for attack in sharp:
            done = subprocess.run(
                ("timeout", "20", "sh", "-c", attack.springs),
                cwd=self.project.root,
                env=self.project.environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=60,
                check=False,
            )
            assert (self.canary / attack.name).exists(), (attack.name, done)
        return len(sharp)

    def result(self, of: str, ref: str = "refs/orch/{}/tip") -> set[bytes]:
        """Mode, name and content of everything in a commit, the content of plain files left out."""
        listed = self.project.git("ls-tree", "-r", "-z", ref.format(of) if ref else of)
        found = set()
        for line in os.fsencode(listed).split(b"\0"):
            if line:
                how, _, name = line.partition(b"\t")
                mode, blob = how.split(b" ")[0], how.split(b" ")[2]
                assert mode in (b"100644", b"100755", b"120000"), line
                found.add((name, mode, blob))
        return {name for name, _, _ in found}

    def forgive_refs(self) -> None:
        """The user's refs are as a worker without a sandbox left them: nobody else moved any."""
        self.things = {**self.things, "refs": things(self.project)["refs"]}

    def heal_objects(self) -> None:
        """As from a clone: objects that are not as they were."""
        for kept in (self.kept / "objects").glob("??/*"):
            there = self.project.root / ".git/objects" / kept.relative_to(self.kept / "objects")
            if not there.exists() or there.read_bytes() != kept.read_bytes():
                there.parent.mkdir(exist_ok=True)
                there.unlink(missing_ok=True)
                shutil.copy2(kept, there)

    def put_back(self) -> None:
        """As a person does who tried what was planted: also files and branches are put back."""
        self.heal()
        self.project.git("checkout", "-q", "-f", "main")
        self.project.git("reset", "-q", "--hard", self.things["refs"].split()[1])
        for name in self.project.git("branch", "--format=%(refname:short)").splitlines():
            if name != "main" and not name.startswith("orch/"):
                self.project.git("branch", "-q", "-D", name)
        self.heal()

    def heal(self) -> None:
        """As a person does who finds what was planted: everything but refs and objects is put back."""  # noqa: E501
        git = self.project.root / ".git"
        mine = ("config", "config.worktree", "HEAD", "index", "shallow", "logs/HEAD")
        for name in (*mine, "hooks", "info", "objects/info"):
            there, kept = git / name, self.kept / name
            if there.is_dir() and not there.is_symlink():
                shutil.rmtree(there)
            elif os.path.lexists(there):
                there.unlink()
            if kept.is_dir():
                shutil.copytree(kept, there, symlinks=True)
            elif kept.exists():
                shutil.copy2(kept, there)
        self.project.git("worktree", "prune")


def fingerprint(folder: Path) -> dict[str, str]:
    """Everything in a folder, not followed: kind, mode, and content or target."""
    return dict(_fingerprint(folder))


def _fingerprint(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        found = path.lstat()
        what = ""
        if stat.S_ISLNK(found.st_mode):
            what = os.readlink(path)
        elif stat.S_ISREG(found.st_mode):
            what = hashlib.sha256(path.read_bytes()).hexdigest()
        yield str(path.relative_to(folder)), f"{found.st_mode:o} {what}"
