"""The refs as one packed file: what is in it, and when they are listed anew."""

import os
from pathlib import Path

import pytest

from tests.support.project import Project
from worktree import packed
from worktree.packed import PackedRefs, refs_state


def names(text: bytes) -> list[str]:
    return [line.split()[1].decode() for line in text.splitlines()[1:]]


def test_all_refs_but_orchs_own_are_in_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    head = project.git("rev-parse", "HEAD")
    for ref in ("refs/orch/r/tip", "refs/heads/orch/r/result", "refs/orch-discarded/r/tip"):
        project.git("update-ref", ref, head)
    for ref in ("refs/heads/orchard", "refs/orchestra/x", "refs/notes/orch/x"):
        project.git("update-ref", ref, head)
    text = PackedRefs().read(project.workplace().git)
    assert names(text) == [
        *("refs/heads/main", "refs/heads/orchard", "refs/notes/orch/x", "refs/orchestra/x")
    ]
    assert text.startswith(b"# pack-refs with: sorted \n" + head.encode())


CHANGES = {
    "a branch is made": ("branch", "topic"),
    "a branch moves": ("commit", "--quiet", "--allow-empty", "-m", "more"),
    "a branch is deleted": ("branch", "-D", "deep/old"),
    "a tag deep down": ("tag", "v/1/2/3"),
    "a packed ref goes": ("update-ref", "-d", "refs/heads/packed"),
    "a ref elsewhere": ("update-ref", "refs/remotes/origin/main", "HEAD"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_any_ref_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(packed, "SETTLED_S", -3600.0)
    project = Project(tmp_path)
    project.git("branch", "packed")
    project.git("pack-refs", "--all")
    project.git("branch", "deep/old")
    git, refs = project.workplace().git, PackedRefs()
    before = refs.read(git)
    assert refs.read(git) is before, "nothing is listed twice"
    project.git(*CHANGES[what])
    after = refs.read(git)
    assert after != before
    wanted = project.git("for-each-ref", "--format=%(objectname) %(refname)")
    assert after.decode().splitlines()[1:] == wanted.splitlines()


def test_orchs_own_refs_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SETTLED_S", -3600.0)
    project = Project(tmp_path)
    head = project.git("rev-parse", "HEAD")
    project.git("update-ref", "refs/orch/r/tip", head)
    project.git("update-ref", "refs/heads/orch/r/result", head)
    git, refs = project.workplace().git, PackedRefs()
    before = refs.read(git)
    project.git("update-ref", "refs/orch/r/attempt/a/1", head)
    project.git("update-ref", "refs/heads/orch/r/take/a", head)
    assert refs.read(git) is before


def test_a_young_state_is_not_relied_on(tmp_path: Path) -> None:
    project = Project(tmp_path)
    common = project.workplace().git.repository.common_dir
    assert refs_state(common) is None
    for path in (common / "refs", *(common / "refs").rglob("*"), common / "packed-refs"):
        if path.exists():
            os.utime(path, (1e9, 1e9))
    assert refs_state(common) is not None
    (common / "reftable").mkdir()
    assert refs_state(common) is None
