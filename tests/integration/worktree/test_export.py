"""A commit's files as plain files: what git keeps, nothing that leads out, no repository."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.project import ENVIRON
from worktree.discovery import discover
from worktree.export import export_commit
from worktree.git import Git


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "project"
    root.mkdir()

    def git(*argv: str, stdin: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *argv],
            cwd=root,
            check=True,
            env={**os.environ, **ENVIRON},
            input=stdin,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    git("init", "-q", "--initial-branch=main")
    (root / "src").mkdir()
    (root / "src" / "a.py").write_bytes(b"x = 1\r\n")
    (root / "large").write_bytes(b"y" * 5000)
    (root / "link").symlink_to("/etc/passwd")
    (root / "folder").symlink_to("/etc")
    (root / ".gitattributes").write_text("*.py text eol=lf export-ignore filter=evil\n")
    git("config", "filter.evil.smudge", "touch hacked")
    git("add", "-A")
    git("commit", "-qm", "first")
    return root, git


def test_what_git_keeps_is_written_and_nothing_else(repository, tmp_path):
    root, _ = repository
    git = Git(discover(root, {**os.environ, **ENVIRON}))
    folder = tmp_path / "out"
    folder.mkdir()
    (root / "src" / "a.py").write_text("changed\n")
    left_out = export_commit(git, git.resolve("HEAD"), folder, limit_bytes=1000)
    assert left_out == 1
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    assert found == [".gitattributes", "src", "src/a.py"]
    assert (folder / "src" / "a.py").read_bytes() == b"x = 1\n"
    assert not (root / "hacked").exists()


def test_a_tree_with_hostile_names_stays_below_the_folder(repository, tmp_path):
    root, git = repository
    blob = git("hash-object", "-w", "--stdin", stdin=b"evil")
    inner = git("mktree", stdin=f"100644 blob {blob}\tescaped\n".encode())
    tree = git("mktree", stdin=f"040000 tree {inner}\t..\n100644 blob {blob}\tok\n".encode())
    commit = git("commit-tree", tree, "-m", "hostile")
    folder = tmp_path / "deep" / "out"
    folder.mkdir(parents=True)
    export_commit(Git(discover(root, {**os.environ, **ENVIRON})), commit, folder)
    assert sorted(path.name for path in folder.rglob("*")) == ["ok"]
    assert not (tmp_path / "deep" / "escaped").exists()
