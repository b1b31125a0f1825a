"""A branch that cannot be moved after git has written the files: they are put back."""

import pytest

from tests.integration.worktree.support import Scene
from worktree.landing import Accepted, accept_commit
from worktree.values import GitError

MAIN = "refs/heads/main"


def content(scene: Scene) -> dict[str, object]:
    """The files and what the index has of them, without what it remembers of their dates."""
    files = {
        str(path.relative_to(scene.user)): path.read_bytes()
        for path in sorted(scene.user.rglob("*"))
        if path.is_file() and ".git" not in path.parts
    }
    return {**files, "index": scene.plain("ls-files", "-s"), "refs": scene.plain("for-each-ref")}


@pytest.mark.parametrize("lock", ["HEAD.lock", "refs/heads/main.lock", "index.lock"])
@pytest.mark.sample(1)
def test_a_lock_of_the_users_leaves_the_checkout_as_it_was(scene: Scene, lock: str) -> None:
    made = scene.head(scene.base, {"pkg/one.py": "one = 11\n", "new.py": "new\n"}, "made")
    place = scene.user / ".git" / lock
    place.write_text("")
    before = content(scene)
    with pytest.raises(GitError, match=r"\.lock"):
        accept_commit(scene.git, MAIN, made, scene.base, scene.settings())
    assert content(scene) == before
    place.unlink()
    assert scene.plain("status", "--porcelain") == ""
    assert isinstance(accept_commit(scene.git, MAIN, made, scene.base, scene.settings()), Accepted)


def test_what_is_in_the_way_stays(scene: Scene) -> None:
    """A file that git does not overwrite: nothing was written, and nothing is put back."""
    made = scene.head(scene.base, {"new.py": "new\n"}, "made")
    (scene.user / "new.py").write_text("mine\n")
    accept_commit(scene.git, MAIN, made, scene.base, scene.settings())
    assert (scene.user / "new.py").read_text() == "mine\n"
