"""`orch ledger verify`: it agrees with what orch did, and with nothing else."""

import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ledger.blobs import Blobs
from ledger.model import Gate
from ledger.store import Store
from orchestrator import persons
from orchestrator.accept import accept
from orchestrator.cleaning import clean
from orchestrator.review.verify import Verification, verify_run
from tests.support.project import Project, task

SCRIPT = """
[[step]]
task = "bad"
write = { "bad.txt" = "half" }
exit = 1
[[step]]
write = { "{task}.txt" = "by {task}\\n" }
print = "at work"
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of which two tasks landed, one after the other, and one failed with a head."""
    project = Project(tmp_path_factory.mktemp("template"))
    project.commit({"readme": "more\n"}, "second")
    project.gates = (
        project.gates[0].model_copy(update={"command": "echo tested; sh test.sh"}),
        project.gates[0].model_copy(update={"name": "second", "command": "test ! -e never"}),
    )
    project.does(SCRIPT)
    tasks = (task("a"), task("b", needs=("a",)), task("bad"))
    state = project.run(*tasks, attempts=1)
    assert set(state.with_status("landed")) == {"a", "b"}
    return project.root.parent, state.run


@pytest.fixture
def done(template: tuple[Path, str], tmp_path: Path) -> tuple[Project, str]:
    """A copy of that run, to be tampered with."""
    folder, run = template
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True, symlinks=True)
    project = Project.__new__(Project)
    project.root, project.script = tmp_path / "project", tmp_path / "script.toml"
    project.gates, project.more_settings = (), {}
    from tests.support.project import ENVIRON

    project.environ = {**ENVIRON, "ORCH_STATE_DIR": str(tmp_path / "state")}
    return project, run


def verify(project: Project, run: str, ledger: Path | None = None) -> Verification:
    workplace = project.workplace()
    with Store.open(ledger or workplace.place.ledger) as store:
        return verify_run(workplace.git, store, workplace.blobs, run)


def rewritten(
    project: Project, run: str, folder: Path, change: Callable[[str, str], str | None]
) -> Path:
    """A ledger with the same events but for what `change` makes of a kind and body."""
    path = folder / "other.sqlite"
    with project.store() as store, Store.open(path) as other:
        rows = []
        for row in store.read(run):
            body = change(row.kind, row.body)
            if body is not None:
                rows.append((row.kind, row.version, body))
        other.append(run, 0, rows, 1.0, goal="g")
    return path


def test_a_run_that_nobody_touched_agrees(done: tuple[Project, str]) -> None:
    project, run = done
    found = verify(project, run)
    assert found.agrees and found.landings == 2, found.disagreements
    assert found.summary.startswith("2 landings, each tree judged")


def test_a_commit_that_no_gate_judged_is_found(done: tuple[Project, str]) -> None:
    project, run = done
    tip = project.git("rev-parse", f"refs/orch/{run}/tip")
    tree = project.git("rev-parse", f"{tip}^{{tree}}")
    evil = project.git("commit-tree", tree, "-p", tip, "-m", "unjudged")
    project.git("update-ref", f"refs/heads/orch/{run}/result", evil)
    (only,) = verify(project, run).disagreements
    assert "which no landing made" in only.why
    project.git("update-ref", f"refs/orch/{run}/tip", evil)
    found = verify(project, run)
    assert not found.agrees and any(one.what == "the tip" for one in found.disagreements)


def test_a_commit_on_the_result_that_nobody_recorded_is_found(
    done: tuple[Project, str], tmp_path: Path
) -> None:
    project, run = done
    base, older = project.git("rev-parse", "main", "main~1").split()

    def from_older(kind: str, body: str) -> str:
        moved = kind in ("RunStarted", "CandidateBuilt")
        return body.replace(f'"base":"{base}"', f'"base":"{older}"') if moved else body

    found = verify(project, run, rewritten(project, run, tmp_path, from_older)).disagreements
    assert any(f"commit {base[:10]}" in one.what and "no landing" in one.why for one in found)


def test_a_result_branch_that_waits_behind_is_only_noted(done: tuple[Project, str]) -> None:
    project, run = done
    project.git("update-ref", f"refs/heads/orch/{run}/result", f"refs/orch/{run}/tip~1")
    found = verify(project, run)
    assert found.agrees and any("is behind" in note for note in found.notes)


def test_a_tree_without_a_verdict_is_found(done: tuple[Project, str], tmp_path: Path) -> None:
    project, run = done

    def without_second(kind: str, body: str) -> str | None:
        return None if kind == "CandidateGateJudged" and '"second"' in body else body

    found = verify(project, run, rewritten(project, run, tmp_path, without_second))
    assert len(found.disagreements) == 2
    assert all("gate 'second'" in d.why and "no verdict" in d.why for d in found.disagreements)


def test_a_verdict_on_another_tree_does_not_count(
    done: tuple[Project, str], tmp_path: Path
) -> None:
    project, run = done
    tree = project.state(run).landings[0].tree

    def elsewhere(kind: str, body: str) -> str:
        return body.replace(tree, "e" * 40) if kind == "CandidateGateJudged" else body

    found = verify(project, run, rewritten(project, run, tmp_path, elsewhere))
    assert {d.why.split(" on tree")[0] for d in found.disagreements} == {
        "gate 'tests'",
        "gate 'second'",
    }


def test_a_red_verdict_behind_a_landing_is_found(done: tuple[Project, str], tmp_path: Path) -> None:
    project, run = done

    def red(kind: str, body: str) -> str:
        if kind == "CandidateGateJudged" and '"second"' in body:
            return body.replace('"outcome":"passed"', '"outcome":"failed"')
        return body

    found = verify(project, run, rewritten(project, run, tmp_path, red))
    assert any("gate 'second'" in d.why and "failed" in d.why for d in found.disagreements)


def test_commits_with_other_parents_or_trailers_are_found(
    done: tuple[Project, str], tmp_path: Path
) -> None:
    project, run = done
    last = project.state(run).landings[-1]
    forged = project.git("commit-tree", last.tree, "-p", last.before, "-m", "by hand")

    def point_at(kind: str, body: str) -> str:
        return body.replace(last.commit, forged) if kind == "CandidateBuilt" else body

    project.git("update-ref", f"refs/orch/{run}/tip", forged)
    project.git("update-ref", f"refs/heads/orch/{run}/result", forged)
    found = verify(project, run, rewritten(project, run, tmp_path, point_at))
    whys = " / ".join(d.why for d in found.disagreements)
    assert "its parents are not" in whys and f"do not name run {run}" in whys
    assert "name no task" in whys and "other gates" in whys


def test_a_head_whose_ref_is_gone_is_found(done: tuple[Project, str]) -> None:
    project, run = done
    state = project.state(run)
    (failed,) = (a for a in state.tasks["bad"].attempts)
    assert failed.head is not None, "a failed attempt keeps what it changed"
    project.git("update-ref", "-d", f"refs/orch/{run}/attempt/bad/1")
    (only,) = verify(project, run).disagreements
    assert only.what == "attempt 1 at bad" and "is gone" in only.why


def test_a_lost_log_is_a_note_and_no_disagreement(done: tuple[Project, str]) -> None:
    project, run = done
    shutil.rmtree(project.workplace().place.blobs)
    found = verify(project, run)
    assert found.agrees and any("logs of tests are lost" in note for note in found.notes)
    assert isinstance(project.workplace().blobs, Blobs)


def test_facts_that_cannot_follow_each_other_are_found(
    done: tuple[Project, str], tmp_path: Path
) -> None:
    project, run = done

    def drop(kind: str, body: str) -> str | None:
        return None if kind == "LandingIntended" else body

    def judge_red(kind: str, body: str) -> str:
        return body.replace('"passed"', '"failed"') if kind == "CandidateJudged" else body

    for number, change in enumerate((drop, judge_red)):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = verify(project, run, rewritten(project, run, folder, change))
        assert [d.what for d in found.disagreements] == ["the recorded facts"]


def test_it_agrees_after_a_person_has_rejected_accepted_and_cleaned(
    done: tuple[Project, str],
) -> None:
    project, run = done
    with project.store() as store:
        persons.reject(store, run, ("b",))
    state = project.drive(run)
    assert state.tasks["b"].status == "rejected"
    found = verify(project, run)
    assert found.agrees and found.landings == 3, found.disagreements
    project.commit({"mine.txt": "mine"}, "meanwhile")
    with project.store() as store:
        result = anyio.run(lambda: accept(project.workplace(), store, run))
    assert result.outcome == "accepted"
    assert verify(project, run).agrees
    with project.store() as store:
        clean(project.workplace(), store, run, discard=True)
    found = verify(project, run)
    assert found.agrees and any("cleaned" in note for note in found.notes)


def test_gates_that_tasks_name_judge_what_lands_after_them_too(tmp_path: Path) -> None:
    """The trailers of a landing name the gates of all that its tree carries, and so it agrees."""
    project = Project(tmp_path)
    named = [Gate(name=name, command="exit 0", when="named") for name in ("one", "two")]
    project.gates = (*project.gates, *named)
    project.does(SCRIPT)
    tasks = (task("a", gates=("one",)), task("b", gates=("two",), needs=("a",)))
    state = project.run(*tasks, attempts=1)
    found = verify(project, state.run)
    assert found.agrees and found.landings == 2, found.disagreements
