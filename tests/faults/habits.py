"""What a person does in their own repository meanwhile, and how they would put it right again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import Project

Act = Callable[[Project, str], None]


def _nothing(project: Project, run: str) -> None:
    """There is nothing to put right."""


@dataclass(frozen=True)
class Habit:
    """What a person does, what they do about it later, and what of theirs must then be there."""

    name: str
    does: Act
    undoes: Act = _nothing
    hinders: bool = False
    """The run may end in words before it is undone."""
    keeps: str = ""
    """By sh in the checkout, at the end: theirs is still there."""


def _sh(text: str) -> Act:
    def act(project: Project, run: str) -> None:
        done = subprocess.run(
            ("sh", "-ec", text),
            cwd=project.root,
            env={**project.environ, "RUN": run, "STATE": project.environ["ORCH_STATE_DIR"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{text}: {done.stderr}"

    return act


def _locks(name: str) -> tuple[Act, Act]:
    def lock(project: Project, run: str) -> None:
        (project.root / ".git" / name).write_text("")

    def unlock(project: Project, run: str) -> None:
        lock = project.root / ".git" / name
        assert lock.exists(), f"{name} was the user's to remove"
        lock.unlink()

    return lock, unlock


def _away(project: Project) -> Path:
    return project.root.with_name("renamed")


def _renames(project: Project, run: str) -> None:
    project.root.rename(_away(project))


def _renames_back(project: Project, run: str) -> None:
    """Where something was made at the old place meanwhile it is only what orch made."""
    if _away(project).exists():
        shutil.rmtree(project.root, ignore_errors=True)
        _away(project).rename(project.root)


HABITS = (
    Habit("commits", _sh("echo mine > mine; git add mine; git commit -qm mine"),
          keeps='git cat-file -e "main:mine"'),
    Habit("commits-what-conflicts", _sh("echo mine > a.txt; git add .; git commit -qm mine"),
          keeps='git log --format=%s main | grep -qx mine'),
    Habit("dirties", _sh("echo mine >> readme; echo new > new; git add new; echo more >> new"),
          _sh("cat readme new | grep -q mine; git reset -q --hard; rm -f new")),
    Habit("leaves-files", _sh("echo mine > a.txt"), _sh("grep -qx mine a.txt; rm a.txt")),
    Habit("stashes", _sh("echo mine >> readme; git stash -q"),
          keeps="git stash show -p | grep -q mine"),
    Habit("switches", _sh("git checkout -q -b elsewhere; echo mine > mine; git add mine;"
          " git commit -qm mine"), keeps="git cat-file -e elsewhere:mine"),
    Habit("detaches", _sh("git checkout -q --detach")),
    Habit("amends", _sh("git commit -q --amend -m mine"),
          keeps="git log --format=%s main | grep -qx mine"),
    Habit("checks-out-the-result", _sh('git checkout -q "orch/$RUN/result"'),
          _sh("git checkout -q main")),
    Habit("checks-out-the-tip", _sh('git checkout -q "refs/orch/$RUN/tip"')),
    Habit("deletes-branches", _sh('git checkout -q -b elsewhere; git branch -q -D main'
          ' "orch/$RUN/result"'), _sh("git branch main elsewhere")),
    Habit("is-in-a-merge", _sh("git checkout -q -b side; echo side > readme; git commit -qam side;"
          " git checkout -q main; echo mine > readme; git commit -qam mine; ! git merge -q side"
          " >/dev/null"), _sh("git merge --abort"), keeps="grep -qx mine readme"),
    Habit("removes-worktrees", _sh("for w in $(git worktree list --porcelain |"
          " sed -n 's/^worktree //p' | grep -F orch- || :); do"
          ' git worktree remove --force "$w" || :; done')),
    Habit("removes-the-workspaces", _sh('rm -rf "$STATE"/*/*/orch-* || :')),
    Habit("prunes", _sh("rm -rf \"$STATE\"/*/*/orch-* || :; git worktree prune --expire=now;"
          " git reflog expire --expire=now --all; git gc -q --prune=now")),
    Habit("packs", _sh("git pack-refs --all; git repack -qad; git commit-graph write")),
    Habit("locks-the-index", *_locks("index.lock")),
    Habit("locks-the-target", *_locks("refs/heads/main.lock")),
    Habit("locks-the-settings", *_locks("config.lock")),
    Habit("locks-head", *_locks("HEAD.lock")),
    Habit("sets-and-hooks", _sh("git config user.name Other; git config core.pager false;"
          " printf '#!/bin/sh\\nexit 1\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit;"
          " cp .git/hooks/pre-commit .git/hooks/reference-transaction"),
          _sh("git config user.name 'A Person'; git config --unset core.pager;"
              " rm .git/hooks/pre-commit .git/hooks/reference-transaction")),
    Habit("tags-and-branches", _sh('git tag "orch"; git branch "$RUN"; git tag result')),
    Habit("renames-the-folder", _renames, _renames_back, hinders=True),
)  # fmt: skip
