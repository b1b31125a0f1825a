"""A run that begins at the newest commit that its gates are known to pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.model import Gate, Plan
from orchestrator.base import Base, newest_base
from orchestrator.errors import OrchError, Problems
from orchestrator.last_green import find_base
from orchestrator.start import RunOptions, start_run
from tests.support.project import Project, task

# A file that a command names is a part of its verdicts' keys: these are put together by the shell.
TELLS = 'f=asked; echo asked >> {folder}/$f; test "$(cat state)" = green'


@pytest.fixture
def here(tmp_path: Path) -> Project:
    project = Project(tmp_path, {"state": "green\n"})
    (tmp_path / "asked").write_text("")
    project.gates = (Gate(name="state", command=TELLS.format(folder=tmp_path)),)
    project.does('[[step]]\nwrite = { "a.txt" = "a" }\n')
    return project


def asked(here: Project) -> int:
    return len((here.root.parent / "asked").read_text().split())


def plan(base: str | None = None) -> Plan:
    return Plan(goal="A goal", base=base, tasks=(task("a"),))


def look(here: Project, base: str | None = None, typed: str | None = "last-green") -> Base:
    told: list[str] = []
    with here.store() as store:
        return find_base(here.workplace(), store, here.settings(), plan(base), typed, told.append)


def step(here: Project, state: str, note: str) -> str:
    return here.commit({"state": f"{state}\n", "note": note}, note)


def test_a_newest_commit_that_is_green_is_judged_once_and_taken(here: Project) -> None:
    found = look(here)
    assert found == Base(here.git("rev-parse", "HEAD"), "main") and asked(here) == 1
    assert look(here) == found and asked(here) == 1, "its verdict is known now"
    state = here.run(task("a"))
    assert state.started.base == found.commit
    assert asked(here) == 2, "the baseline knew it too: the same key; only the candidate was judged"


def test_a_red_one_gives_way_to_the_newest_that_is_known_to_be_green(here: Project) -> None:
    look(here)
    green = step(here, "green", "second")
    look(here)
    unknown = step(here, "green", "third, which nobody has judged")
    red = step(here, "red", "fourth")
    before = asked(here)
    found = look(here)
    assert asked(here) == before + 1, "only the newest is judged"
    assert (found.commit, found.target) == (green, "main") and unknown != green
    for words in (f"red on main at {red[:10]}", "2 commits before it", green[:10]):
        assert words in found.said
    assert f"{green[:10]}..{red[:10]}" in found.hint
    with here.store() as store:
        run = start_run(
            *(here.workplace(), store, plan(), "goal", here.settings(), RunOptions(), found)
        )
    state = here.drive(run)
    assert state.started.base == green and state.started.target == "main"
    assert [notice.what for notice in state.notices] == [found.said]
    assert state.finished and state.finished.exit_code == 0
    assert "fourth" not in here.git("log", "--format=%s", f"orch/{run}/result")


def test_a_red_that_is_only_known_is_asked_about_once_more(here: Project, tmp_path: Path) -> None:
    """A gate that changed its mind must not keep runs on an old commit for ever."""
    flag = tmp_path / "flag"
    command = f"f=flag; test -e {tmp_path}/$f"
    here.gates = (Gate(name="mood", command=command),)
    with pytest.raises(OrchError, match="no commit before it is known"):
        look(here)
    flag.touch()
    assert look(here).said == ""


def test_where_nothing_green_is_known_it_ends_and_says_what_to_type(here: Project) -> None:
    step(here, "red", "second")
    with pytest.raises(OrchError) as refused:
        look(here)
    assert refused.value.exit_code == 5
    assert "no commit before it is known to be green" in refused.value.message
    assert "orch gate state" in refused.value.hint and "git switch --detach" in refused.value.hint
    assert here.git("worktree", "list").count("\n") == 0


def test_a_verdict_of_another_command_says_nothing(here: Project) -> None:
    """The full key counts: a pass of yesterday's gate is no pass of today's."""
    look(here)
    step(here, "red", "second")
    gate = here.gates[0]
    here.gates = (gate.model_copy(update={"command": f"{gate.command} # stricter"}),)
    with pytest.raises(OrchError, match="no commit before it is known"):
        look(here)


def test_every_gate_of_the_base_must_have_passed_there(here: Project) -> None:
    look(here)
    step(here, "red", "second")
    here.gates = (*here.gates, Gate(name="second", command="true"))
    with pytest.raises(OrchError, match="no commit before it is known"):
        look(here)


@pytest.mark.thorough
def test_what_was_merged_in_is_not_on_the_way_back(here: Project) -> None:
    """Along first parents: a green commit of somebody's side branch was never the branch."""
    here.git("switch", "-q", "-c", "side")
    side = step(here, "green", "side")
    look(here)
    here.git("switch", "-q", "main")
    here.commit({"other": "x"}, "main goes on")
    here.git("merge", "-q", "--no-ff", "-m", "merged", "side")
    step(here, "red", "red")
    with pytest.raises(OrchError, match="no commit before it is known"):
        look(here)
    assert side


def test_a_gate_that_cannot_run_is_no_red(here: Project) -> None:
    look(here)
    here.commit({"more": "x"}, "second")
    here.gates = (Gate(name="state", command="no-such-program-anywhere"),)
    with pytest.raises(OrchError, match="cannot run") as refused:
        look(here)
    assert refused.value.exit_code == 5 and "orch gate state --log" in refused.value.hint


def test_the_branch_of_the_plan_is_looked_along(here: Project) -> None:
    here.git("branch", "work")
    look(here)
    step(here, "red", "second")
    found = look(here, base="work")
    assert found.target == "work" and not found.said
    assert look(here, base="last-green", typed=None).said, "the plan may say it as well"
    assert look(here, base="last-green", typed="main") == newest_base(here.workplace(), "main")


def test_a_branch_of_that_name_is_not_taken_for_it(here: Project) -> None:
    here.git("branch", "last-green")
    with pytest.raises(OrchError, match="may mean") as refused:
        look(here)
    assert "refs/heads/last-green" in refused.value.hint


def test_without_a_gate_nothing_is_green(here: Project) -> None:
    here.gates = ()
    with pytest.raises(OrchError, match="no gate judges anything"):
        look(here)


def test_no_other_way_of_starting_passes_by_what_an_unattended_run_wants(here: Project) -> None:
    with pytest.raises(Problems, match="no sandbox confines it"):
        here.start(task("a"), options=RunOptions(unattended=True))
    with here.store() as store:
        assert store.runs() == ()


def test_nobody_starts_there_without_having_looked(here: Project) -> None:
    with pytest.raises(OrchError, match="nobody has looked"):
        here.start(task("a"), base="last-green")
