"""A commit that is written without git is, byte for byte, the one that git would write."""

import stat
import subprocess
import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.integration.worktree.support import AUTHOR, Scene
from worktree.git import GitError
from worktree.objects import write_commit
from worktree.values import Person

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def written(scene: Scene, parents: tuple[str, ...], message: str, author: Person) -> str | None:
    """What is written without git, if it is."""
    here = scene.git.repository, scene.git.incoming
    return write_commit(*here, scene.git.tree_of(scene.base), parents, message, author)


def by_git(
    scene: Scene, parents: tuple[str, ...], message: str, author: Person, **more: str
) -> str:
    """The commit that git makes."""
    words = ["git", "commit-tree", scene.git.tree_of(scene.base), "-F", "-"]
    words += [part for parent in parents for part in ("-p", parent)]
    people = {
        f"GIT_{who}_{what}": text
        for who in ("AUTHOR", "COMMITTER")
        for what, text in (("NAME", author.name), ("EMAIL", author.email))
    }
    done = subprocess.run(
        words,
        cwd=scene.user,
        env={**scene.environ, **people, **more},
        input=message.encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return done.stdout.decode().strip()


def author_line(scene: Scene, commit: str) -> str:
    raw = scene.plain("cat-file", "commit", commit)
    return next(line for line in raw.split("\n") if line.startswith("author "))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXT, email=TEXT, message=TEXT, two=st.booleans())
@example("Ünal, Jr", "u@example.invalid", "titel\n\nmore\n", True)
@example("O'Brien", "x", "", False)
@example("a <b", "x", "m", False)
@example("dots.", "x", "m", False)
def test_it_is_what_git_would_write(scene: Scene, name: str, email: str, message: str, two: bool):
    parents, author = (scene.base,), Person(name, email)
    if two:
        parents += (scene.git.commit_tree(scene.git.tree_of(scene.base), parents, "2", AUTHOR),)
    mine = written(scene, parents, message, author)
    if mine is None:
        return  # left to git, which cleans such a name or refuses it
    at = author_line(scene, mine).rpartition("> ")[2]
    dates = {"GIT_AUTHOR_DATE": f"@{at}", "GIT_COMMITTER_DATE": f"@{at}"}
    assert by_git(scene, parents, message, author, **dates) == mine
    scene.plain("fsck", "--strict")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns", "EST5"])
def test_its_time_is_of_the_place(scene: Scene, zone: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        mine = written(scene, (scene.base,), "m", AUTHOR)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert mine
    theirs = by_git(scene, (scene.base,), "m", AUTHOR, TZ=zone)
    ours, git_s = (author_line(scene, one).split()[-2:] for one in (mine, theirs))
    assert ours[1] == git_s[1] and abs(int(ours[0]) - int(git_s[0])) < 60


def test_ordinary_commits_need_no_git(scene: Scene):
    mine = written(scene, (scene.base,), "a title\n\nOrch-Task: t1\n", AUTHOR)
    assert mine
    object_file = scene.user / ".git/objects" / mine[:2] / mine[2:]
    assert stat.S_IMODE(object_file.stat().st_mode) == 0o444
    assert scene.git.read_commit(mine).message == "a title\n\nOrch-Task: t1\n"


def test_what_is_not_by_itself_in_the_store_is_gits_to_find(scene: Scene):
    tree = scene.git.tree_of(scene.base)
    scene.plain("gc", "-q")
    assert written(scene, (scene.base,), "m", AUTHOR) is None
    made = scene.git.commit_tree(tree, (scene.base,), "m", AUTHOR)
    assert scene.git.read_commit(made).parents == (scene.base,)
    with pytest.raises(GitError) as caught:
        scene.git.commit_tree("1" * 40, (scene.base,), "m", AUTHOR)
    assert caught.value.kind == "missing-object"


def test_modes_of_a_shared_repository_are_gits_to_set(scene: Scene):
    scene.plain("config", "core.sharedRepository", "group")
    shared = scene.open()
    made = shared.commit_tree(shared.tree_of(scene.base), (scene.base,), "m", AUTHOR)
    object_file = scene.user / ".git/objects" / made[:2] / made[2:]
    assert object_file.stat().st_mode & 0o040


def test_a_name_that_git_cleans_is_cleaned(scene: Scene):
    tree = scene.git.tree_of(scene.base)
    made = scene.git.commit_tree(tree, (scene.base,), "m", Person("A. <Person>.", "p@x."))
    assert scene.git.read_commit(made).author == Person("A. Person", "p@x")
