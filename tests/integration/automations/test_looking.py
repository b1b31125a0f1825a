"""What counts as a change of watched files: in a real repository, by what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.automations import Automation
from orchestrator.automations.branches import Branches
from orchestrator.automations.looking import Changes, Looker, Snapshot
from orchestrator.automations.memory import Memory
from orchestrator.automations.watching import Watched, matters, roots_of
from orchestrator.workplace import open_workplace
from tests.support.cli import User

COVER = Automation(name="cover", goal="x", watch=("src/**/*.py",))
ALL = Automation(name="all", goal="x", watch=("**",))


@pytest.fixture
def user(tmp_path: Path) -> User:
    user = User(tmp_path)
    user.commit({"src/a.py": "a\n", "src/b.py": "b\n", ".gitignore": "build/\n*.log\n"})
    return user


class Looks:
    """Looks again and again."""

    def __init__(self, user: User, automation: Automation = COVER) -> None:
        self.looker = Looker(open_workplace(user.root, user.environ))
        self.automation = automation
        self.before: Snapshot = self.looker.snapshot(automation)

    def changes(self) -> Changes:
        now = self.looker.snapshot(self.automation)
        found = self.looker.changes(self.before, now)
        self.before = now
        return found


def test_added_changed_and_removed_are_told_apart(user):
    looks = Looks(user)
    assert looks.changes() == Changes()
    user.write({"src/new.py": "n\n", "src/a.py": "other\n", "docs/x.md": "x"})
    (user.root / "src/b.py").unlink()
    found = looks.changes()
    assert found == Changes(added=("src/new.py",), changed=("src/a.py",), removed=("src/b.py",))
    assert found.counting("added").paths == ("src/new.py",)
    assert found.said() == "3 files: 1 added, 1 changed, 1 removed"
    assert found.counting("removed").said() == "src/b.py was removed"
    assert looks.changes() == Changes()


def test_a_rename_is_one_removed_and_one_added_and_a_save_is_a_change(user):
    looks = Looks(user)
    (user.root / "src/a.py").rename(user.root / "src/z.py")
    assert looks.changes() == Changes(added=("src/z.py",), removed=("src/a.py",))
    user.write({"src/.b.tmp": "b\n"})  # an editor writes anew and renames, with the same content
    (user.root / "src/.b.tmp").rename(user.root / "src/b.py")
    assert looks.changes() == Changes(changed=("src/b.py",))
    (user.root / "src").rename(user.root / "lib")
    assert looks.changes() == Changes(removed=("src/b.py", "src/z.py"))


def test_what_git_ignores_and_what_is_anothers_is_not_there(user):
    looks = Looks(user, ALL)
    user.write({"build/x.py": "x", "some.log": "x", ".agent/plans/new.toml": "x"})
    user.git("init", "-q", "nested")
    user.write({"nested/inside.py": "x"})
    assert looks.changes() == Changes()
    user.write({"seen.py": "x"})
    assert looks.changes() == Changes(added=("seen.py",))


def test_what_orch_accepted_starts_nothing_and_what_a_person_did_beside_it_does(user):
    looks = Looks(user)
    user.commit({"src/new.py": "n\n", "src/a.py": "by orch\n"}, "Land it\n\nOrch-Run: r1\n")
    assert looks.changes() == Changes()
    user.commit({"src/c.py": "c\n"}, "Land more\n\nOrch-Run: r1\n")
    user.write({"src/a.py": "by a person\n"})
    assert looks.changes() == Changes(changed=("src/a.py",))
    user.commit({"src/a.py": "by orch again\n", "src/e.py": "e\n"}, "Land\n\nOrch-Run: r1\n")
    user.write({"src/e.py": "by a person, after orch made it\n"})
    assert looks.changes() == Changes(added=("src/e.py",))
    user.commit({"src/d.py": "d\n"}, "A person's")
    assert looks.changes() == Changes(added=("src/d.py",))


def test_ten_thousand_files_are_one_look(user):
    looks = Looks(user)
    folder = user.root / "src/many"
    folder.mkdir()
    for number in range(10_000):
        (folder / f"{number}.py").touch()
    assert len(looks.changes().added) == 10_000


def test_stirring_that_cannot_matter_is_passed_over(user):
    for path in (".git/index", ".agent/state_ledger.json", ".agent", "README"):
        user.write({"README": "x"})
        assert not matters(("**/*.py",), path, user.root), path
    for path in ("src/a.py", "src", "gone-folder"):
        assert matters(("src/**/*.py",), path, user.root), path


def test_only_folders_that_patterns_reach_are_listened_to(user):
    more = Automation(name="more", goal="x", watch=("src/core/x.py", "docs/deep/*.md"))
    assert roots_of(user.root, [COVER]) == (user.root / "src",)
    assert roots_of(user.root, [COVER, more]) == (user.root,)  # there is no docs yet
    (user.root / "docs").mkdir()
    assert roots_of(user.root, [COVER, more]) == (user.root / "docs", user.root / "src")


def test_what_never_comes_to_rest_is_looked_at_all_the_same():
    watched = Watched(COVER, Snapshot({}, None))
    watched.stir(100.0)
    assert watched.rest_in(100.0) == COVER.debounce_s
    for second in range(101, 170):
        watched.stir(float(second))
    assert watched.rest_in(159.0) == 1.0
    assert watched.rest_in(161.0) < 0


FOLLOW = Automation(name="follow", goal="x", branch="main")


def test_new_commits_of_a_persons_start_it_once(user):
    branches = Branches(open_workplace(user.root, user.environ))
    fired, memory = branches.look([FOLLOW], Memory())
    assert fired == ()  # seen for the first time
    assert branches.stirred([FOLLOW], 0.0) and not branches.stirred([FOLLOW], 1.0)
    user.commit({"x": "1"})
    user.commit({"x": "2"})
    assert branches.stirred([FOLLOW], 2.0)
    fired, memory = branches.look([FOLLOW], memory)
    assert len(fired) == 1 and "new commits on main" in fired[0].because
    assert branches.look([FOLLOW], memory)[0] == ()
    user.git("pack-refs", "--all")
    assert branches.stirred([FOLLOW], 3.0)
    assert branches.look([FOLLOW], memory)[0] == ()


def test_commits_of_orchs_own_start_nothing(user):
    branches = Branches(open_workplace(user.root, user.environ))
    _, memory = branches.look([FOLLOW], Memory())
    user.commit({"x": "1"}, "Land\n\nOrch-Run: r1\n")
    fired, memory = branches.look([FOLLOW], memory)
    assert fired == ()
    user.commit({"x": "2"}, "Land\n\nOrch-Run: r1\n")
    user.commit({"x": "3"}, "A person's")
    assert len(branches.look([FOLLOW], memory)[0]) == 1


def test_a_branch_that_comes_and_goes(user):
    branches = Branches(open_workplace(user.root, user.environ))
    side = FOLLOW.model_copy(update={"branch": "side"})
    _, memory = branches.look([side], Memory())
    user.git("branch", "side")
    fired, memory = branches.look([side], memory)
    assert fired == ()
    user.git("branch", "-D", "side")
    fired, memory = branches.look([side], memory)
    assert fired == () and memory.of("follow").tip is None
