"""A real repository in a temporary folder, and what is done to it by hand."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from worktree.commit import Committed, NotCommitted, Unchanged, commit_workspace
from worktree.discovery import discover
from worktree.git import Git, Person
from worktree.names import attempt_ref
from worktree.user import UserSettings, read_user_settings
from worktree.workspace import Pool, Workspace

RUN = "20261122-test-a1"
AUTHOR = Person("A Person", "person@example.invalid")
FILES = {
    "README.md": "# a project\n",
    "pkg/one.py": "one = 1\n",
    "pkg/two.py": "two = 2\n",
    "pkg/deep/three.py": "three = 3\n",
    "tests/test_one.py": "def test_one():\n    pass\n",
    ".gitignore": "*.log\nbuild/\n",
}


_made: dict[tuple[int | tuple[str, str], ...], Path] = {}
"""Repositories that were made once; copying one is quicker than making it."""


class Scene:
    """A user's repository with one commit, and orch's way into it."""

    def __init__(self, folder: Path, files: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.user = folder / "user"
        self.home = folder / "home"
        self.pools = folder / "pools"
        self.home.mkdir(parents=True)
        self.user.mkdir()
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        (self.home / ".gitconfig").write_text(
            f"[user]\n\tname = {AUTHOR.name}\n\temail = {AUTHOR.email}\n"
        )
        chosen = FILES if files is None else files
        # Who is somebody else since may not read what was made before.
        wanted = (os.geteuid(), *chosen.items())
        if wanted not in _made:
            self._make(dict(chosen))
            _made[wanted] = folder.parent / f"made-{folder.name}"
            shutil.copytree(self.user, _made[wanted])
        else:
            shutil.copytree(_made[wanted], self.user, dirs_exist_ok=True)
        self.base = self.plain("rev-parse", "HEAD")
        self.git = self.open()

    def _make(self, files: dict[str, str]) -> None:
        self.plain("init", "-q", "-b", "main", ".")
        for name, text in files.items():
            self.write(name, text)
        self.commit_all("base")

    def open(self) -> Git:
        return Git(discover(self.user, self.environ))

    def settings(self) -> UserSettings:
        return read_user_settings(self.git.repository, self.environ)

    def plain(self, *args: str, folder: Path | None = None, check: bool = True) -> str:
        """The user's own git, as they would type it."""
        done = subprocess.run(
            ["git", *args],
            cwd=folder or self.user,
            env=self.environ,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=60,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"git {' '.join(args)}: {done.stderr}")
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        path = self.user / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit_all(self, message: str) -> str:
        self.plain("add", "-A")
        self.plain("commit", "-q", "--no-gpg-sign", "-m", message)
        return self.plain("rev-parse", "HEAD")

    def pool(self, kind: str = "worker", keep: tuple[str, ...] = ()) -> Pool:
        return Pool(self.git, self.pools, f"orch-{RUN}-{kind}", keep)

    def commit(
        self, workspace: Workspace, *, parent: str | None = None, task: str = "t", **limits: int
    ) -> Committed | Unchanged | NotCommitted:
        return commit_workspace(
            self.git,
            workspace,
            parent=parent or workspace.commit,
            ref=attempt_ref(RUN, task, 1),
            message=f"{task}\n\nOrch-Task: {task}\n",
            author=AUTHOR,
            excludes="*.idea\n",
            **limits,
        )

    def head(self, base: str, files: dict[str, str | None], task: str = "t") -> str:
        """A commit on `base` with these files written, or removed where None."""
        pool = self.pool("made")
        workspace = pool.take(base)
        for name, text in files.items():
            path = workspace.path / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        made = self.commit(workspace, task=task)
        pool.remove_all()
        assert isinstance(made, Committed), made
        return made.commit

    def files_of(self, tree: str) -> dict[str, str]:
        """What a tree holds, by path."""
        names = self.plain("ls-tree", "-r", "-z", "--name-only", tree).split("\0")
        return {name: self.plain("show", f"{tree}:{name}") for name in names if name}


def tree_files(path: Path) -> dict[str, str]:
    """What a folder holds but its git pointer, by path; links by where they point."""
    found = {}
    for folder, folders, files in os.walk(path):
        for name in [*folders, *files]:
            place = Path(folder, name)
            key = str(place.relative_to(path))
            if place.is_symlink():
                found[key] = f"-> {place.readlink()}"
            elif place.is_file() and key != ".git":
                found[key] = place.read_text(errors="surrogateescape")
            elif place.is_dir() and not any(place.iterdir()):
                found[f"{key}/"] = ""
    return found


def fingerprint(user: Path) -> dict[str, str]:
    """SHA-256 of every file of a user's checkout and git folder but orch's own."""
    ours = ("orch/", "refs/orch/", "refs/heads/orch/", "objects/", "worktrees/orch-")
    found = {}
    for folder, _, files in os.walk(user):
        for name in files:
            place = Path(folder, name)
            key = str(place.relative_to(user))
            if key.startswith(tuple(f".git/{part}" for part in ours)):
                continue
            content = os.fsencode(place.readlink()) if place.is_symlink() else place.read_bytes()
            found[key] = hashlib.sha256(content).hexdigest()
    return found
