"""Moving the result, and a branch of the user's."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.worktree.support import AUTHOR, RUN, Scene, fingerprint
from worktree.candidate import Candidate, Head, build_candidate
from worktree.git import RefUpdate
from worktree.landing import (
    Accepted,
    Refused,
    accept_commit,
    check_accept,
    checked_out,
    land,
    name_conflict,
    open_result,
    result_follows,
)
from worktree.names import result_branch, tip_ref

MAIN = "refs/heads/main"


def candidate(scene: Scene, tip: str, name: str) -> str:
    head = scene.head(scene.base, {name: f"{name}\n"}, name.partition(".")[0])
    made = build_candidate(scene.git, tip, (Head(head),), f"{name}\n", AUTHOR)
    assert isinstance(made, Candidate)
    return made.commit


def test_the_result_moves_with_its_branch_and_nothing_else_does(scene: Scene):
    before = fingerprint(scene.user)
    assert open_result(scene.git, RUN, scene.base) == scene.base
    first = candidate(scene, scene.base, "a.py")
    assert land(scene.git, RUN, first, scene.base)
    second = candidate(scene, first, "b.py")
    assert not land(scene.git, RUN, second, scene.base)
    assert scene.git.read_ref(tip_ref(RUN)) == first
    assert land(scene.git, RUN, second, first)
    assert scene.git.read_ref(tip_ref(RUN)) == second
    assert scene.git.read_ref(result_branch(RUN)) == second
    assert open_result(scene.git, RUN, scene.base) == second
    assert fingerprint(scene.user) == before


def test_a_result_branch_that_is_checked_out_stays_behind_and_follows_later(scene: Scene):
    open_result(scene.git, RUN, scene.base)
    scene.plain("switch", "-q", f"orch/{RUN}/result")
    made = candidate(scene, scene.base, "a.py")
    assert land(scene.git, RUN, made, scene.base)
    assert scene.git.read_ref(result_branch(RUN)) == scene.base
    # The branch stands where a late comer expects it; the tip, which is the truth, does not.
    assert not land(scene.git, RUN, candidate(scene, scene.base, "late.py"), scene.base)
    assert scene.git.read_ref(tip_ref(RUN)) == made
    assert scene.plain("status", "--porcelain") == ""
    assert not result_follows(scene.git, RUN)
    scene.plain("switch", "-q", "main")
    assert result_follows(scene.git, RUN)
    assert scene.git.read_ref(result_branch(RUN)) == made
    assert result_follows(scene.git, RUN)


def test_a_result_branch_with_a_persons_commit_is_not_moved_over_it(scene: Scene):
    open_result(scene.git, RUN, scene.base)
    scene.plain("switch", "-q", f"orch/{RUN}/result")
    scene.write("mine", "mine\n")
    mine = scene.commit_all("mine")
    scene.plain("switch", "-q", "main")
    made = candidate(scene, scene.base, "a.py")
    assert land(scene.git, RUN, made, scene.base)
    assert scene.git.read_ref(tip_ref(RUN)) == made
    assert scene.git.read_ref(result_branch(RUN)) == mine
    assert not result_follows(scene.git, RUN)


def test_a_result_branch_that_a_person_deleted_comes_back(scene: Scene):
    open_result(scene.git, RUN, scene.base)
    scene.plain("branch", "-q", "-D", f"orch/{RUN}/result")
    made = candidate(scene, scene.base, "a.py")
    assert land(scene.git, RUN, made, scene.base)
    assert result_follows(scene.git, RUN)
    assert scene.git.read_ref(result_branch(RUN)) == made


def test_a_result_branch_follows_what_landed_not_what_somebody_else_put_on_the_tip(scene: Scene):
    open_result(scene.git, RUN, scene.base)
    made = candidate(scene, scene.base, "a.py")
    assert land(scene.git, RUN, made, scene.base)
    theirs = candidate(scene, made, "theirs.py")
    scene.plain("update-ref", tip_ref(RUN), theirs, made)
    scene.plain("update-ref", result_branch(RUN), scene.base)
    assert result_follows(scene.git, RUN, made)
    assert scene.git.read_ref(result_branch(RUN)) == made


RACER = """
import sys, time
from pathlib import Path
from worktree.discovery import discover
from worktree.git import Git
from worktree.landing import land
user, run, base, start, mine = sys.argv[1:]
git = Git(discover(Path(user)))
git.tree_of(base)
time.sleep(max(0.0, float(start) - time.time()))
sys.exit(0 if land(git, run, mine, base) else 9)
"""


def test_eight_processes_land_on_one_tip_and_exactly_one_wins(scene: Scene):
    open_result(scene.git, RUN, scene.base)
    tree = scene.git.tree_of(scene.base)
    made = [scene.git.commit_tree(tree, (scene.base,), f"{n}", AUTHOR) for n in range(8)]
    start = str(time.time() + 1.5)
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, scene.user, RUN, scene.base, start, commit])
        for commit in made
    ]
    codes = [racer.wait(60) for racer in racers]
    assert sorted(codes) == [0, *[9] * 7]
    winner = made[codes.index(0)]
    assert scene.git.read_ref(tip_ref(RUN)) == scene.git.read_ref(result_branch(RUN)) == winner


def test_symbolic_refs_planted_in_our_names_are_replaced_and_not_followed(scene: Scene):
    open_result(scene.git, RUN, scene.base)
    scene.plain("symbolic-ref", result_branch(RUN), MAIN)
    scene.plain("symbolic-ref", tip_ref(RUN), MAIN)
    made = candidate(scene, scene.base, "a.py")
    land(scene.git, RUN, made, scene.base)
    assert scene.git.read_ref(MAIN) == scene.base


def test_a_branch_in_the_way_is_named(scene: Scene):
    assert name_conflict(scene.git, RUN) is None
    scene.plain("branch", "orch-fine")
    assert name_conflict(scene.git, RUN) is None
    scene.plain("branch", "orch")
    assert name_conflict(scene.git, RUN) == "orch"
    scene.plain("branch", "-m", "orch", f"orch/{RUN}")
    assert name_conflict(scene.git) is None
    assert name_conflict(scene.git, RUN) == f"orch/{RUN}"


# --- accept ---------------------------------------------------------------------------------


def test_a_clean_checkout_is_fast_forwarded_with_its_files(scene: Scene):
    made = candidate(scene, scene.base, "a.py")
    scene.write("untracked", "mine\n")
    assert check_accept(scene.git, MAIN, scene.settings()) is None
    found = accept_commit(scene.git, MAIN, made, scene.base, scene.settings())
    assert found == Accepted(MAIN, scene.base, made, "fast-forward")
    assert (scene.user / "a.py").read_text() == "a.py\n"
    assert scene.plain("status", "--porcelain") == "?? untracked"
    assert "orch accept" in scene.plain("reflog", "-1")
    again = accept_commit(scene.git, MAIN, made, scene.base, scene.settings())
    assert again == Accepted(MAIN, made, made, "already")


@pytest.mark.parametrize("how", ["changed", "staged", "deleted"])
def test_a_dirty_checkout_is_refused_with_nothing_lost(scene: Scene, how: str):
    made = candidate(scene, scene.base, "a.py")
    if how == "deleted":
        (scene.user / "pkg/one.py").unlink()
    else:
        scene.write("pkg/one.py", "mine\n")
    if how == "staged":
        scene.plain("add", "-A")
    before = fingerprint(scene.user)
    found = accept_commit(scene.git, MAIN, made, scene.base, scene.settings())
    assert isinstance(found, Refused)
    assert "pkg/one.py" in found.why and "--to" in found.hint
    assert check_accept(scene.git, MAIN, scene.settings()) == found
    assert fingerprint(scene.user) == before
    other = accept_commit(scene.git, "refs/heads/other", made, None, scene.settings())
    assert other == Accepted("refs/heads/other", None, made, "created")


def test_an_untracked_file_in_the_way_is_refused_with_nothing_lost(scene: Scene):
    made = candidate(scene, scene.base, "a.py")
    scene.write("a.py", "mine\n")
    found = accept_commit(scene.git, MAIN, made, scene.base, scene.settings())
    assert isinstance(found, Refused) and "a.py" in found.why
    assert (scene.user / "a.py").read_text() == "mine\n"
    assert scene.git.read_ref(MAIN) == scene.base


def test_a_target_that_moved_is_refused(scene: Scene):
    made = candidate(scene, scene.base, "a.py")
    scene.write("b.py", "b\n")
    moved = scene.commit_all("meanwhile")
    for expected in (scene.base, moved, None):
        found = accept_commit(scene.git, MAIN, made, expected, scene.settings())
        assert isinstance(found, Refused) and "orch accept" in found.hint
    assert scene.git.read_ref(MAIN) == moved


def test_a_branch_that_is_nowhere_checked_out_moves_alone(scene: Scene):
    scene.plain("branch", "stable")
    made = candidate(scene, scene.base, "a.py")
    before = fingerprint(scene.user)
    found = accept_commit(scene.git, "refs/heads/stable", made, scene.base, scene.settings())
    assert found == Accepted("refs/heads/stable", scene.base, made, "moved")
    after = fingerprint(scene.user)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert changed == {".git/refs/heads/stable", ".git/logs/refs/heads/stable"}
    log = (scene.user / ".git/logs/refs/heads/stable").read_text()
    assert AUTHOR.name in log and "orch accept" in log


def test_a_branch_checked_out_in_another_worktree_moves_there(scene: Scene):
    scene.plain("worktree", "add", "-q", "../side", "-b", "side")
    made = candidate(scene, scene.base, "a.py")
    side = "refs/heads/side"
    place = checked_out(scene.git, side)
    assert place is not None and place.tree == scene.folder / "side"
    (scene.folder / "side/README.md").write_text("mine\n")
    assert isinstance(accept_commit(scene.git, side, made, scene.base, scene.settings()), Refused)
    scene.plain("checkout", "-q", ".", folder=scene.folder / "side")
    found = accept_commit(scene.git, side, made, scene.base, scene.settings())
    assert found == Accepted(side, scene.base, made, "fast-forward")
    assert (scene.folder / "side/a.py").exists() and not (scene.user / "a.py").exists()
    assert scene.plain("status", "--porcelain", folder=scene.folder / "side") == ""


def test_in_the_middle_of_a_rebase_the_branch_is_not_moved_under_it(scene: Scene):
    scene.write("pkg/one.py", "a\n")
    scene.commit_all("a")
    scene.plain("switch", "-q", "-c", "topic", scene.base)
    scene.write("pkg/one.py", "b\n")
    topic = scene.commit_all("b")
    scene.plain("rebase", "main", check=False)
    made = scene.git.commit_tree(scene.git.tree_of(topic), (topic,), "on top\n", AUTHOR)
    found = accept_commit(scene.git, "refs/heads/topic", made, topic, scene.settings())
    assert isinstance(found, Refused) and "rebase" in found.why and "--abort" in found.hint
    assert scene.git.read_ref("refs/heads/topic") == topic


def test_an_agent_that_switches_to_the_target_does_not_become_its_checkout(scene: Scene):
    scene.plain("branch", "stable")
    workspace = scene.pool().take(scene.base)
    scene.plain("switch", "-q", "stable", folder=workspace.path)
    assert checked_out(scene.git, "refs/heads/stable") is None
    made = candidate(scene, scene.base, "a.py")
    found = accept_commit(scene.git, "refs/heads/stable", made, scene.base, scene.settings())
    assert isinstance(found, Accepted) and found.how == "moved"


def test_hooks_do_not_run_but_the_users_recorded_filters_do(tmp_path: Path):
    scene = Scene(tmp_path, {"x.up": "LOUD\n", ".gitattributes": "*.up filter=up\n"})
    clean, smudge = "tr a-z A-Z", "tr A-Z a-z"
    scene.plain("config", "--global", "filter.up.clean", clean)
    scene.plain("config", "--global", "filter.up.smudge", smudge)
    scene.plain("config", "--global", "filter.up.required", "true")
    (scene.user / "x.up").unlink()
    scene.plain("checkout", "-q", ".")
    assert (scene.user / "x.up").read_text() == "loud\n"
    settings = scene.settings()
    for hook in ("post-merge", "reference-transaction", "post-checkout", "pre-merge-commit"):
        path = scene.user / ".git/hooks" / hook
        path.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\n")
        path.chmod(0o755)
    # Planted after the settings were read: an agent's, not the user's.
    scene.plain("config", "filter.up.smudge", f"touch {tmp_path}/planted-ran; cat")
    scene.plain("config", "filter.late.smudge", f"touch {tmp_path}/planted-ran; cat")
    scene.plain("config", "core.fsmonitor", f"{tmp_path}/monitor")
    (tmp_path / "monitor").write_text(f"#!/bin/sh\ntouch {tmp_path}/monitor-ran\n")
    (tmp_path / "monitor").chmod(0o755)
    (scene.user / "x.up").touch()
    made = scene.head(scene.base, {"y.up": "NEWS\n", "z": "z\n"})
    found = accept_commit(scene.git, MAIN, made, scene.base, settings)
    assert isinstance(found, Accepted), found
    assert (scene.user / "y.up").read_text() == "news\n"
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith("-ran")]


def test_a_commit_that_only_a_transaction_could_tear_apart_is_never_half_moved(scene: Scene):
    open_result(scene.git, RUN, scene.base)
    made = candidate(scene, scene.base, "a.py")
    lock = scene.user / f".git/{result_branch(RUN)}.lock"
    lock.touch()
    with pytest.raises(Exception, match="lock"):
        land(scene.git, RUN, made, scene.base)
    assert scene.git.read_ref(tip_ref(RUN)) == scene.base
    lock.unlink()
    scene.git.update_refs([RefUpdate(tip_ref(RUN), made, scene.base)])
    assert result_follows(scene.git, RUN)
