"""What a person does with a run: accept, reject, retry, take, submit, stop, clean."""

import threading
import time

import anyio
import pytest

from ledger.events import RunFinished
from orchestrator import persons
from orchestrator.accept import AcceptResult, accept
from orchestrator.cleaning import clean
from orchestrator.errors import OrchError
from orchestrator.journal import Journal
from orchestrator.policy.selection import Selection
from orchestrator.runs import unfinished
from tests.support.project import Project, kinds, task

WRITE = '[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n'


def accepted(project: Project, run: str, **how: object) -> AcceptResult:
    async def bounded() -> AcceptResult:
        with anyio.fail_after(60):
            return await accept(project.workplace(), store, run, **how)  # type: ignore[arg-type]

    with project.store() as store:
        return anyio.run(bounded)


@pytest.fixture
def landed(project: Project) -> tuple[Project, str]:
    """Three landed tasks; c needs a."""
    project.does(WRITE)
    state = project.run(task("a"), task("b"), task("c", needs=("a",)))
    return project, state.run


def test_accepting_all_on_an_unmoved_target_is_a_fast_forward_and_runs_nothing(
    landed: tuple[Project, str],
) -> None:
    project, run = landed
    result = accepted(project, run)
    assert result.outcome == "accepted" and not result.judged
    assert project.git("rev-parse", "main") == project.git("rev-parse", f"orch/{run}/result")
    assert (project.root / "a.txt").read_text() == "by a\n"
    assert project.git("status", "--porcelain") == ""
    assert accepted(project, run).outcome == "nothing"


def test_accepting_on_a_target_that_moved_is_one_judged_commit(
    landed: tuple[Project, str],
) -> None:
    project, run = landed
    mine = project.commit({"mine.txt": "mine"}, "meanwhile")
    result = accepted(project, run)
    assert result.outcome == "accepted" and result.judged
    assert project.git("log", "--format=%H", "--first-parent", "-2", "main").split() == [
        result.commit,
        mine,
    ]
    assert {"a.txt", "b.txt", "c.txt", "mine.txt"} <= set(project.files("main"))


def test_a_selection_takes_its_needs_along_and_says_so(landed: tuple[Project, str]) -> None:
    project, run = landed
    result = accepted(project, run, selection=Selection(only=("c",)))
    assert result.outcome == "accepted"
    assert result.tasks == ("a", "c") and result.added == ("a",)
    files = project.files("main")
    assert "a.txt" in files and "c.txt" in files and "b.txt" not in files


@pytest.mark.thorough
def test_what_needs_a_task_that_is_left_out_is_left_out_too(landed: tuple[Project, str]) -> None:
    project, run = landed
    result = accepted(project, run, selection=Selection(without=("a",)))
    assert result.tasks == ("b",) and result.left_out == ("c",)
    assert "a.txt" not in project.files("main")


def test_squash_makes_one_commit_with_one_parent(landed: tuple[Project, str]) -> None:
    project, run = landed
    base = project.git("rev-parse", "main")
    accepted(project, run, squash=True)
    assert project.git("log", "--format=%P", "-1", "main") == base


@pytest.mark.thorough
def test_accepting_to_another_branch_needs_no_clean_checkout(landed: tuple[Project, str]) -> None:
    project, run = landed
    (project.root / "readme").write_text("my own words")
    refused = accepted(project, run)
    assert refused.outcome == "refused" and "readme" in refused.why
    assert "--to" in refused.hint
    assert accepted(project, run, to="review").outcome == "accepted"
    assert "a.txt" in project.files("review")
    assert (project.root / "readme").read_text() == "my own words"


def test_a_red_candidate_is_not_accepted_and_nothing_moves(project: Project) -> None:
    project.commit({"test.sh": "test ! -e mine.txt || test ! -e a.txt\n"}, "a gate")
    project.does(WRITE)
    run = project.run(task("a")).run
    project.commit({"mine.txt": "mine"}, "meanwhile")
    before = project.git("rev-parse", "main")
    result = accepted(project, run)
    assert result.outcome == "red" and result.verdict and result.verdict.gate == "tests"
    assert project.git("rev-parse", "main") == before


def test_a_conflict_with_the_target_is_said_and_nothing_moves(project: Project) -> None:
    project.does('[[step]]\nwrite = { "readme" = "theirs\\n" }\n')
    run = project.run(task("a", paths=("readme",))).run
    project.commit({"readme": "mine\n"}, "meanwhile")
    result = accepted(project, run)
    assert result.outcome == "conflict" and "readme" in result.why


def test_a_rejected_task_leaves_the_result_with_what_needs_it(
    landed: tuple[Project, str],
) -> None:
    project, run = landed
    with project.store() as store:
        said = persons.reject(store, run, ("a",))
    assert said.tasks == ("a", "c")
    state = project.drive(run)
    assert {t: s.status for t, s in state.tasks.items()} == {
        "a": "rejected",
        "b": "landed",
        "c": "rejected",
    }
    files = project.result(run)
    assert "b.txt" in files and "a.txt" not in files and "c.txt" not in files
    assert state.trees[state.tip_tree].passed


def test_a_rejection_that_would_leave_the_result_red_is_refused(project: Project) -> None:
    project.commit({"test.sh": "test ! -e b.txt || test -e a.txt\n"}, "b wants a")
    project.does('[[step]]\ntask = "b"\nsleep_s = 0.4\n' + WRITE.removeprefix("[[step]]\n") + WRITE)
    run = project.run(task("a"), task("b", needs=("a",))).run
    with project.store() as store:
        assert persons.reject(store, run, ("a",)).tasks == ("a", "b")
    assert "b.txt" not in project.files(f"refs/orch/{project.drive(run).run}/tip")


@pytest.mark.thorough
def test_a_rejected_task_may_be_tried_again(landed: tuple[Project, str]) -> None:
    project, run = landed
    with project.store() as store:
        persons.reject(store, run, ("b",))
    project.drive(run)
    project.does('[[step]]\nwrite = { "{task}.txt" = "better\\n" }\n')
    with project.store() as store:
        persons.retry(store, run, "b", "do better")
    state = project.drive(run)
    assert state.tasks["b"].status == "landed"
    assert project.result(run)["b.txt"] == "better"


def test_retry_passes_the_note_on_and_gives_new_attempts(project: Project) -> None:
    project.does(
        """
        [[step]]
        if_feedback = "use plan B"
        write = { "a.txt" = "plan B" }
        exit = 0
        [[step]]
        unless_feedback = "use plan B"
        exit = 1
        """
    )
    state = project.run(task("a"), task("b", needs=("a",), paths=("a*",)), attempts=1)
    assert state.tasks["a"].status == "failed" and state.tasks["b"].status == "skipped"
    with project.store() as store:
        persons.retry(store, state.run, "a", "use plan B")
    state = project.drive(state.run)
    assert state.tasks["a"].status == "landed"


@pytest.mark.thorough
def test_a_person_takes_a_failed_head_finishes_it_and_submits_it(project: Project) -> None:
    project.commit({"test.sh": "! grep -q broken *.txt\n"}, "a gate")
    project.does('[[step]]\nwrite = { "a.txt" = "broken" }\n')
    run = project.run(task("a"), attempts=1).run
    with project.store() as store:
        said = persons.take(project.workplace(), store, run, "a")
        assert "orch submit a" in said.hint
    project.git("switch", "--quiet", f"orch/{run}/take/a")
    project.commit({"a.txt": "mended"}, "by hand")
    project.git("switch", "--quiet", "main")
    with project.store() as store:
        persons.submit(project.workplace(), store, run, "a")
    state = project.drive(run)
    assert state.tasks["a"].status == "landed"
    assert project.result(run)["a.txt"] == "mended"


def test_what_cannot_be_done_is_refused_before_anything_is_written(
    landed: tuple[Project, str],
) -> None:
    project, run = landed
    with project.store() as store:
        before = store.newest(run)
        for call in (
            lambda: persons.retry(store, run, "a"),
            lambda: persons.retry(store, run, "aa"),
            lambda: persons.allow(store, run, "a", "x"),
            lambda: persons.reject(store, run, ("nope",)),
            lambda: persons.submit(project.workplace(), store, run, "b"),
            lambda: persons.request_stop(store, run),
        ):
            with pytest.raises(OrchError) as caught:
                call()
            assert caught.value.hint
        assert store.newest(run) == before


def test_a_stop_ends_in_order_and_resume_goes_on(project: Project) -> None:
    project.does('[[step]]\nattempt = 1\nsleep_s = 30\n[[step]]\nwrite = { "a.txt" = "x" }\n')
    run = project.start(task("a"))

    def stop_soon() -> None:
        for _ in range(200):
            time.sleep(0.05)
            if project.state(run).tasks["a"].status == "working":
                break
        time.sleep(0.3)
        with project.store() as store:
            persons.request_stop(store, run)

    stopper = threading.Thread(target=stop_soon)
    stopper.start()
    began = time.monotonic()
    state = project.drive(run)
    stopper.join()
    assert time.monotonic() - began < 15
    assert state.finished and state.finished.exit_code == 130
    assert state.tasks["a"].charged == 0
    assert kinds(project.facts(run))[-1] == "RunFinished"
    state = project.drive(run)
    assert state.finished and state.finished.exit_code == 0


def test_a_deadline_ends_the_run_with_exit_4(project: Project) -> None:
    project.does("[[step]]\nsleep_s = 30\n")
    run = project.start(task("a"), deadline=time.time() + 1.0)
    state = project.drive(run)
    assert state.finished and state.finished.exit_code == 4


def test_clean_refuses_to_drop_work_and_keeps_what_is_discarded(
    landed: tuple[Project, str],
) -> None:
    project, run = landed
    with project.store() as store:
        first = clean(project.workplace(), store, run)
        assert not first.runs and "not accepted" in first.left[0].why
        tip = project.git("rev-parse", f"refs/orch/{run}/tip")
        second = clean(project.workplace(), store, run, discard=True)
        assert second.runs == [run] and second.kept_aside
    refs = project.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    assert all(ref.startswith(("refs/heads/main", "refs/orch-discarded/")) for ref in refs)
    assert any(ref.endswith(tip) for ref in refs)


def test_clean_after_accept_leaves_nothing(landed: tuple[Project, str]) -> None:
    project, run = landed
    accepted(project, run)
    with project.store() as store:
        assert clean(project.workplace(), store, run).runs == [run]
    assert project.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_nothing_is_accepted_into_a_branch_of_orchs_own(landed: tuple[Project, str]) -> None:
    project, run = landed
    refs = project.git("for-each-ref")
    for name in ("orch", f"orch/{run}/keep", f"orch/{run}/result", "refs/heads/y", "HEAD"):
        said = accepted(project, run, to=name)
        assert said.outcome == "refused" and name in said.why and "--to" in said.hint
    assert project.git("for-each-ref") == refs


def test_clean_leaves_a_persons_branch_beside_those_of_the_run(
    landed: tuple[Project, str],
) -> None:
    project, run = landed
    with project.store() as store:
        persons.take(project.workplace(), store, run, "a")
    project.git("switch", "--quiet", "--create", f"orch/{run}/keep", f"orch/{run}/result")
    mine = project.commit({"mine.txt": "mine"}, "mine")
    project.git("branch", f"orch/{run}/take/other", "main")
    accepted(project, run)
    with project.store() as store:
        assert clean(project.workplace(), store, run).runs == [run]
    left = project.git("for-each-ref", "--format=%(refname:short)").split()
    assert left == ["main", f"orch/{run}/keep", f"orch/{run}/take/other"]
    assert project.git("rev-parse", f"orch/{run}/keep") == mine


def test_a_run_that_starts_from_a_branch_of_orchs_has_no_target(
    landed: tuple[Project, str],
) -> None:
    project, run = landed
    project.git("switch", "--quiet", f"orch/{run}/result")
    again = project.run(task("d"))
    assert again.started.target is None
    with pytest.raises(OrchError, match="no branch of yours") as refused:
        accepted(project, again.run)
    assert "--to" in refused.value.hint


def test_what_resume_could_go_on_with_is_cleaned_by_its_name_only(project: Project) -> None:
    project.does(WRITE)
    over = project.run(task("z")).run
    accepted(project, over)
    outcomes = ("stopped", "deadline", "no-space", "budget", "red-base", "person-needed", None)
    runs = {outcome: project.start(task("a")) for outcome in outcomes}
    with project.store() as store:
        for outcome, run in runs.items():
            if outcome:  # None: as if its engine had been killed
                end = RunFinished(outcome=outcome, exit_code=4)  # type: ignore[arg-type]
                Journal.load(store, run).append(end)
        done = clean(project.workplace(), store, discard=True)
        assert done.runs == [over]
        assert {left.run for left in done.left} == set(runs.values())
        assert all(f"orch clean {left.run}" in left.hint for left in done.left)
    finished = project.drive(runs["no-space"]).finished
    assert finished and finished.exit_code == 0
    with project.store() as store:
        assert clean(project.workplace(), store, runs["stopped"]).runs == [runs["stopped"]]


def test_unfinished_runs_are_found_however_many_came_after_them(project: Project) -> None:
    project.does(WRITE)
    first = project.run(task("a")).run
    accepted(project, first)
    begun = project.start(task("b"))
    with project.store() as store:
        for number in range(12):
            run = project.start(task(f"c{number}"))
            Journal.load(store, run).append(RunFinished(outcome="complete", exit_code=0))
        place = project.workplace().place
        assert [state.run for state in unfinished(store, place)] == [begun]
        persons.reject(store, first, ("a",))
        assert [state.run for state in unfinished(store, place)] == [begun, first]


def test_two_runs_at_once_are_both_right(project: Project) -> None:
    project.does('[[step]]\nsleep_s = 0.4\nwrite = { "{task}.txt" = "by {task}\\n" }\n')
    runs = [project.start(task(f"{name}1"), task(f"{name}2")) for name in ("x", "y")]
    assert runs[0] != runs[1]
    threads = [threading.Thread(target=project.drive, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for run, name in zip(runs, ("x", "y"), strict=True):
        state = project.state(run)
        assert state.finished and state.finished.exit_code == 0
        assert {f"{name}1.txt", f"{name}2.txt"} <= set(project.result(run))
    assert len(project.git("worktree", "list").splitlines()) == 1


@pytest.mark.thorough
def test_what_a_person_committed_on_a_taken_branch_is_work_too(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a"), task("b")).run
    with project.store() as store:
        persons.take(project.workplace(), store, run, "a")
    project.git("switch", "--quiet", f"orch/{run}/take/a")
    mine = project.commit({"a.txt": "by hand"}, "by hand")
    project.git("switch", "--quiet", "main")
    accepted(project, run)
    with project.store() as store:
        left = clean(project.workplace(), store, run).left
        assert "committed by hand" in left[0].why
        clean(project.workplace(), store, run, discard=True)
    assert mine in project.git("for-each-ref", "--format=%(objectname)").split()


@pytest.mark.thorough
def test_a_result_that_was_merged_by_hand_counts_as_accepted(
    landed: tuple[Project, str],
) -> None:
    project, run = landed
    project.git("merge", "--quiet", "--ff-only", f"orch/{run}/result")
    assert accepted(project, run).outcome == "nothing"
    assert project.state(run).accepted
    with project.store() as store:
        assert clean(project.workplace(), store, run).runs == [run]
    assert not list((project.workplace().place.folder / "locks").iterdir())


def test_a_command_worker_reads_the_files_that_its_task_covers(project: Project) -> None:
    from ledger.model import CommandWorker

    project.commit({"src/a b.py": "x\n", "src/c.py": "x\n", "other.py": "x\n"}, "sources")
    command = "tr '\\n' '\\0' < \"$ORCH_PATHS_FILE\" | xargs -0 sed -i s/x/y/"
    project.more_settings = {
        "worker": "codemod",
        "workers": {"codemod": CommandWorker(kind="command", command=command)},
    }
    run = project.run(task("mod", paths=("src/**",))).run
    result = project.result(run)
    assert result["src/a b.py"] == result["src/c.py"] == "y"
    assert result["other.py"] == "x"


@pytest.mark.thorough
def test_a_queued_head_whose_need_was_rejected_does_not_land(project: Project) -> None:
    project.does('[[step]]\ntask = "b"\nsleep_s = 1.5\nwrite = { "b.txt" = "x" }\n' + WRITE)
    run = project.start(task("a"), task("b", needs=("a",)))

    class Person:
        said = False

        def on_facts(self, state, facts) -> None:  # type: ignore[no-untyped-def]
            if state.tasks["b"].status == "working" and not self.said:
                self.said = True
                with project.store() as store:
                    persons.reject(store, run, ("a",))

        def on_line(self, where: str, text: str) -> None:
            pass

    state = project.drive(run, (Person(),))
    assert {t: s.status for t, s in state.tasks.items()} == {"a": "rejected", "b": "skipped"}
    assert "b.txt" not in project.result(run)
