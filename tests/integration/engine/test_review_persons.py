"""What a person says at an awkward moment, and what of theirs must not be lost."""

import subprocess
from collections.abc import Callable, Iterator

import pytest

from ledger.events import AcceptIntended, HeadRef, Landed, TaskGivenUp
from ledger.model import CommandWorker
from ledger.store import Store, Stored
from orchestrator import persons
from orchestrator.cleaning import _remove_refs, clean
from orchestrator.errors import OrchError
from orchestrator.given import made_anew
from orchestrator.journal import Journal, load_state
from orchestrator.scene import open_scene
from tests.integration.engine.test_persons import accepted
from tests.integration.engine.test_review_resume import When, stop
from tests.support.project import Project, kinds, task
from worktree.names import discarded_ref

WRITE = '[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n'


@pytest.mark.thorough
def test_a_retry_at_the_very_end_is_not_overrun_by_the_end(project: Project) -> None:
    project.does('[[step]]\nunless_feedback = "again"\nexit = 1\n' + WRITE)
    run = project.start(task("a"), attempts=1)

    def again() -> None:
        with project.store() as store:
            persons.retry(store, run, "a", "again")

    state = project.drive(run, (When(lambda fact: isinstance(fact, TaskGivenUp), again),))
    assert state.tasks["a"].status == "landed", state.finished


@pytest.mark.thorough
def test_a_submission_of_a_task_that_is_just_starting_ends_no_engine(project: Project) -> None:
    project.does(WRITE)
    run = project.start(task("a"), task("b", needs=("a",)))
    mine = project.commit({"b.txt": "mine"}, "by hand")
    project.git("reset", "--quiet", "--hard", "HEAD^")

    def give() -> None:
        with project.store() as store:
            persons.submit(project.workplace(), store, run, "b", mine)

    state = project.drive(run, (When(lambda fact: isinstance(fact, Landed), give),))
    assert state.finished and state.finished.exit_code == 0


def test_what_was_rejected_and_is_submitted_again_lands_whole(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a"), task("b")).run
    with project.store() as store:
        persons.reject(store, run, ("a",))
    project.drive(run)
    with project.store() as store:
        persons.take(project.workplace(), store, run, "a")
    project.git("switch", "--quiet", f"orch/{run}/take/a")
    project.commit({"a2.txt": "and more"}, "by hand")
    project.git("switch", "--quiet", "main")
    with project.store() as store:
        persons.submit(project.workplace(), store, run, "a")
    state = project.drive(run)
    assert state.tasks["a"].status == "landed"
    files = project.result(run)
    assert files["a2.txt"] == "and more"
    assert files.get("a.txt") == "by a", "the branch that was submitted has it"


@pytest.mark.thorough
def test_work_that_landed_again_after_a_rejection_is_not_accepted_yet(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    accepted(project, run)
    with project.store() as store:
        persons.reject(store, run, ("a",))
    project.drive(run)
    project.does('[[step]]\nwrite = { "a.txt" = "better" }\n')
    with project.store() as store:
        persons.retry(store, run, "a")
    assert project.drive(run).tasks["a"].status == "landed"
    with project.store() as store:
        cleaned = clean(project.workplace(), store, run)
    assert cleaned.left and not cleaned.runs
    assert project.result(run)["a.txt"] == "better"


@pytest.mark.thorough
def test_what_a_person_committed_on_the_result_branch_is_not_cleaned_away(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    accepted(project, run)
    project.git("switch", "--quiet", f"orch/{run}/result")
    mine = project.commit({"mine.txt": "mine"}, "by hand")
    project.git("switch", "--quiet", "main")
    with project.store() as store:
        clean(project.workplace(), store, run)
    held = project.git("for-each-ref", "--format=%(objectname)").split()
    assert mine in held


@pytest.mark.thorough
def test_what_needs_a_rejected_task_does_not_land_without_it(project: Project) -> None:
    project.does(WRITE + '[[step]]\ntask = "b"\nsleep_s = 1\n')
    run = project.start(task("a"), task("b", needs=("a",)))

    def reject() -> None:
        with project.store() as store:
            persons.reject(store, run, ("a",))

    started = When(
        lambda fact: fact.kind == "AttemptStarted" and getattr(fact, "task", "") == "b", reject
    )
    state = project.drive(run, (started,))
    assert state.tasks["a"].status == "rejected"
    assert state.tasks["b"].status == "skipped"
    assert "b.txt" not in project.result(run)


def test_a_submission_that_a_crash_cut_short_can_be_made_again(project: Project) -> None:
    project.does("[[step]]\nexit = 1\n")
    run = project.run(task("a"), attempts=1).run
    mine = project.commit({"a.txt": "mine"}, "by hand")
    project.git("reset", "--quiet", "--hard", "HEAD^")
    # as if orch had died between ref and fact
    project.git("update-ref", f"refs/orch/{run}/attempt/a/2", mine)
    with project.store() as store:
        persons.submit(project.workplace(), store, run, "a", mine)
    assert project.drive(run).tasks["a"].status == "landed"


def test_a_clean_that_a_crash_cut_short_still_keeps_only_for_a_time(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    git = project.workplace().git
    with project.store() as store:
        # as if orch had died between refs and fact
        _remove_refs(git, load_state(store, run), keep=True)
        clean(project.workplace(), store, run, discard=True)
        cleaned = load_state(store, run).cleaned
    assert git.list_refs(discarded_ref(run))
    assert cleaned and cleaned.kept and cleaned.kept_until


def test_nothing_is_asked_of_a_run_that_was_cleaned(project: Project) -> None:
    project.does("[[step]]\nexit = 1\n")
    run = project.run(task("a"), attempts=1).run
    with project.store() as store:
        assert clean(project.workplace(), store, run).runs == [run]
        with pytest.raises(OrchError):
            persons.retry(store, run, "a")


class Overtaken(Store):
    """A store whose run is cleaned by somebody else just after it was read."""

    clean_it: Callable[[], object] | None = None

    def read(self, run: str, after: int = 0) -> Iterator[Stored]:
        yield from super().read(run, after)
        if (act := self.clean_it) is not None:
            self.clean_it = None
            act()


@pytest.mark.thorough
def test_a_clean_that_was_quicker_leaves_nothing_of_a_persons_word(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    accepted(project, run)
    workplace = project.workplace()

    def clean_it() -> None:
        with project.store() as store:
            assert clean(workplace, store, run).runs == [run]

    with Overtaken.open(workplace.place.ledger) as store:
        assert isinstance(store, Overtaken)
        store.clean_it = clean_it
        with pytest.raises(OrchError, match="was cleaned"):
            persons.take(workplace, store, run, "a")
    assert project.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"
    facts = kinds(project.facts(run))
    with pytest.raises(OrchError, match="was cleaned"):
        project.drive(run)
    assert kinds(project.facts(run)) == facts and facts[-1] == "RunCleaned"


@pytest.mark.thorough
def test_a_branch_that_was_taken_before_its_task_was_rejected_lands_whole(
    project: Project,
) -> None:
    project.does(WRITE)
    run = project.run(task("a"), task("b")).run
    with project.store() as store:
        persons.take(project.workplace(), store, run, "a")
        persons.reject(store, run, ("a",))
    project.drive(run)
    project.git("switch", "--quiet", f"orch/{run}/take/a")
    mine = project.commit({"a2.txt": "and more"}, "by hand")
    project.git("switch", "--quiet", "main")
    with project.store() as store:
        persons.submit(project.workplace(), store, run, "a", mine)
    assert project.drive(run).tasks["a"].status == "landed"
    files = project.result(run)
    assert (files["a.txt"], files["a2.txt"], files["b.txt"]) == ("by a", "and more", "by b")


@pytest.mark.thorough
def test_what_a_crash_left_in_a_submissions_place_is_moved_aside(project: Project) -> None:
    project.does("[[step]]\nexit = 1\n")
    run = project.run(task("a"), attempts=1).run
    lost = project.commit({"a.txt": "first"}, "by hand")
    project.git("reset", "--quiet", "--hard", "HEAD^")
    mine = project.commit({"a.txt": "second"}, "by hand again")
    project.git("reset", "--quiet", "--hard", "HEAD^")
    project.git("update-ref", f"refs/orch/{run}/attempt/a/2", lost)
    with project.store() as store:
        persons.submit(project.workplace(), store, run, "a", mine)
    assert project.drive(run).tasks["a"].status == "landed"
    assert project.result(run)["a.txt"] == "second"
    assert lost in project.git("for-each-ref", "--format=%(objectname)", "refs/orch-discarded/")


def test_a_skipped_task_says_what_it_waits_for(project: Project) -> None:
    project.does("[[step]]\nexit = 1\n")
    run = project.run(task("a"), task("b", needs=("a",)), task("c", needs=("b",)), attempts=1).run
    with project.store() as store, pytest.raises(OrchError) as caught:
        persons.retry(store, run, "c")
    assert "waits for a (failed)" in caught.value.message
    assert caught.value.hint == "orch retry a"


def test_a_name_that_is_shown_escaped_is_allowed_by_its_own_bytes(project: Project) -> None:
    name = "a\N{ZERO WIDTH JOINER}.cfg"
    command = f"printf x > '{name}'"
    project.more_settings = {
        "worker": "sh",
        "workers": {"sh": CommandWorker(kind="command", command=command)},
        "protected": ("*.cfg",),
    }
    run = project.run(task("a", paths=())).run
    held = project.state(run).tasks["a"]
    assert held.status == "held", held.note
    with project.store() as store:
        persons.allow(store, run, "a", name)
    assert project.drive(run).tasks["a"].status == "landed"


def test_a_stopped_run_that_made_nothing_is_cleaned(project: Project) -> None:
    project.does("[[step]]\nsleep_s = 30\n")
    run = project.start(task("a"))
    working = When(lambda fact: fact.kind == "AttemptPrepared", lambda: stop(project, run))
    project.drive(run, (working,))
    with project.store() as store:
        assert clean(project.workplace(), store, run).runs == [run]
    assert project.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"


@pytest.mark.thorough
def test_a_run_whose_branch_is_checked_out_is_not_cleaned(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    accepted(project, run)
    project.git("switch", "--quiet", f"orch/{run}/result")
    for discard in (False, True):
        with project.store() as store:
            done = clean(project.workplace(), store, run, discard=discard)
        assert not done.runs and "is checked out in" in done.left[0].why
    assert project.git("rev-parse", "HEAD") == project.git("rev-parse", "main")


@pytest.mark.thorough
def test_work_that_was_accepted_again_by_one_commit_is_no_work_any_more(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    accepted(project, run, squash=True)
    with project.store() as store:
        persons.reject(store, run, ("a",))
    project.drive(run)
    project.does('[[step]]\nwrite = { "a2.txt" = "better" }\n')
    with project.store() as store:
        persons.retry(store, run, "a")
    project.drive(run)
    with project.store() as store:
        assert not clean(project.workplace(), store, run).runs
    assert accepted(project, run, squash=True).outcome == "accepted"
    assert project.files("main")["a2.txt"] == "better"
    with project.store() as store:
        assert clean(project.workplace(), store, run).runs == [run]


def test_an_accept_whose_fact_is_missing_is_known_to_clean(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    state = project.state(run)
    with project.store() as store:  # as if orch had died between branch and fact
        Journal.load(store, run).append(
            AcceptIntended(
                target="main",
                before=state.started.base,
                commit=state.tip,
                tree=state.tip_tree,
                heads=(HeadRef(task="a", attempt=1),),
            )
        )
    project.git("merge", "--quiet", "--ff-only", state.tip)
    with project.store() as store:
        assert clean(project.workplace(), store, run).runs == [run]
    assert project.state(run).accepted


@pytest.mark.thorough
def test_what_a_killed_engine_left_running_is_ended_before_an_accept(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    with project.store() as store:
        mark = open_scene(project.workplace(), Journal.load(store, run), lambda: None).mark_of_run
    orphan = subprocess.Popen(
        ["sleep", "60"], env={**project.environ, "ORCH_MARK": f"{mark}/a/1/nonce"}
    )
    lock = project.root / ".git" / "refs" / "orch" / run / "tip.lock"
    lock.touch()
    try:
        assert accepted(project, run).outcome == "accepted"
        assert orphan.poll() is not None or orphan.wait(5)
        assert not lock.exists()
    finally:
        orphan.kill()
        orphan.wait()


@pytest.mark.thorough
def test_a_step_that_nobody_judged_is_no_step_of_the_target(project: Project) -> None:
    project.does(WRITE + '[[step]]\ntask = "b"\nsleep_s = 0.5\n')
    run = project.start(task("a"), task("b", needs=("a",)))
    pushed: list[str] = []

    def push() -> None:
        tip = project.git("rev-parse", f"refs/orch/{run}/tip")
        project.git("switch", "--quiet", "--detach", tip)
        pushed.append(project.commit({"theirs.txt": "never judged"}, "an outsider's"))
        project.git("switch", "--quiet", "main")
        project.git("update-ref", f"refs/orch/{run}/tip", pushed[0], tip)

    state = project.drive(run, (When(lambda fact: isinstance(fact, Landed), push),))
    assert state.tasks["b"].status == "landed"
    result = accepted(project, run)
    assert result.outcome == "accepted" and "theirs.txt" in project.files("main")
    steps = project.git("log", "--format=%H", "--first-parent", "main").split()
    assert steps[0] == result.commit and pushed[0] not in steps


@pytest.mark.thorough
def test_a_head_whose_change_does_not_go_on_the_tip_is_taken_as_it_was(project: Project) -> None:
    project.does('[[step]]\nwrite = { "readme" = "by {task}" }\n')
    run = project.run(task("a", paths=("readme",))).run
    with project.store() as store:
        persons.reject(store, run, ("a",))
    project.drive(run)
    mine = project.commit({"readme": "mine"}, "meanwhile")
    tree = project.git("rev-parse", "HEAD^{tree}")
    tip = project.git("rev-parse", f"refs/orch/{run}/tip")
    project.git("reset", "--quiet", "--hard", "HEAD^")
    other = project.git("commit-tree", "-p", tip, "-m", "an outsider's", tree)
    assert mine != other
    state = project.state(run)
    workplace = project.workplace()
    head = state.tasks["a"].attempts[0].head
    state.tip = other
    assert head
    made = made_anew(workplace.git, state, state.started.base, head)
    assert project.files(made)["readme"] == "by a"
    assert project.git("rev-parse", f"{made}^") == state.started.base
