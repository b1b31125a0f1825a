"""Somebody with git moves the run's tip while it goes on."""

from collections.abc import Callable, Sequence

import pytest

from ledger import events as e
from ledger.events import Event
from ledger.model import Gate, TaskId
from ledger.state import RunState
from orchestrator import persons
from orchestrator.cleaning import clean
from orchestrator.review.advice import next_steps
from orchestrator.review.report import render_report
from orchestrator.review.status import render_status, status_of
from orchestrator.review.verify import Verification, verify_run
from orchestrator.sides import log_of_gate
from tests.support.project import Project, kinds, task

WRITE = '[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n'
GATE = "echo looked; test ! -e broken && test ! -e bad.txt\n"


class Outsider:
    """Commits on top of the tip, once, as soon as a fact is recorded that they wait for."""

    def __init__(
        self, project: Project, run: str, files: dict[str, str], when: Callable[[Event], bool]
    ) -> None:
        self.project, self.run, self.files, self.when = project, run, files, when
        self.commit = ""

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        if not self.commit and any(self.when(fact) for fact, _ in facts):
            self.commit = push(self.project, self.run, self.files)

    def on_line(self, where: str, text: str) -> None:
        """Nobody reads along."""


def push(project: Project, run: str, files: dict[str, str]) -> str:
    """A commit on top of the tip, and the tip moved to it; the commit."""
    ref = f"refs/orch/{run}/tip"
    tip = project.git("rev-parse", ref)
    place = str(project.root.parent / f"outside-{tip[:8]}")
    project.git("worktree", "add", "--quiet", "--detach", place, tip)
    for name, text in files.items():
        (project.root.parent / place / name).write_text(text)
    project.git("-C", place, "add", "-A")
    project.git("-C", place, "commit", "--quiet", "-m", "an outsider's")
    new = project.git("-C", place, "rev-parse", "HEAD")
    project.git("worktree", "remove", "--force", place)
    project.git("update-ref", ref, new, tip)
    return new


def push_first(project: Project, run: str, files: dict[str, str]) -> str:
    """The same before an engine drives the run."""
    project.git("update-ref", f"refs/orch/{run}/tip", project.git("rev-parse", "HEAD"))
    return push(project, run, files)


def judging(fact: Event) -> bool:
    return isinstance(fact, e.JudgingStarted)


def pushed_to(
    project: Project, files: dict[str, str], *tasks: TaskId, **how: int
) -> tuple[RunState, str]:
    """A run whose tip is moved while the first candidate is judged; how it ended, the commit."""
    run = project.start(*map(task, tasks), **how)
    outsider = Outsider(project, run, files, judging)
    return project.drive(run, (outsider,)), outsider.commit


def verified(project: Project, run: str) -> Verification:
    workplace = project.workplace()
    with project.store() as store:
        return verify_run(workplace.git, store, workplace.blobs, run)


def tip_verdicts(project: Project, run: str) -> list[tuple[str, str]]:
    return [
        (fact.verdict.gate, fact.verdict.outcome)
        for fact in project.facts(run)
        if isinstance(fact, e.TipGateJudged)
    ]


@pytest.fixture
def gated(project: Project) -> Project:
    """A project whose gate is red where a file `broken` is, or one named `bad.txt`."""
    project.commit({"test.sh": GATE}, "a gate")
    project.does(WRITE)
    return project


def test_a_red_tip_ends_the_run_and_nobody_is_blamed(gated: Project) -> None:
    state, red = pushed_to(gated, {"broken": "x"}, "a", "b", "c", attempts=1)
    run = state.run
    assert state.finished and state.finished.outcome == "person-needed"
    assert state.finished.exit_code == 5
    assert red[:10] in state.finished.why and "'tests' is red" in state.finished.why
    assert f"refs/orch/{run}/tip" in state.finished.why
    assert not state.with_status("failed")
    assert all(task.charged == 0 for task in state.tasks.values())
    assert tip_verdicts(gated, run) == [("tests", "failed")] * 2
    # What orch moves never goes to what nobody judged.
    assert gated.git("rev-parse", f"orch/{run}/result") == state.result
    status = "\n".join(render_status(status_of(state, alive=False), 0.0))
    assert f"moved to {red[:10]} by somebody else; gate 'tests' failed on it" in status
    assert f"moved to {red[:10]} by somebody else" in render_report(state, False, 0.0)
    found = verified(gated, run)
    assert found.agrees, found.disagreements
    assert any(
        f"not made by orch, somebody else moved the tip there: {red[:10]}" in n for n in found.notes
    )


def test_what_the_end_says_to_type_brings_the_run_on(gated: Project) -> None:
    state, red = pushed_to(gated, {"broken": "x"}, "a", "b", attempts=1)
    log = log_of_gate(state, None, "tests", None, None)
    assert log.blob and log.title.startswith("gate 'tests' failed, the tip ")
    assert red[:10] in log.title
    look, back, resume = (step.command for step in next_steps(state, alive=False)[:3])
    assert (look, resume) == ("orch log --gate tests", "orch resume")
    program, *words = back.split()
    assert program == "git" and words[-1] == red
    gated.git(*words)
    state = gated.drive(state.run)
    assert state.finished and state.finished.exit_code == 0
    assert set(state.with_status("landed")) == {"a", "b"}
    assert "broken" not in gated.result(state.run)
    found = verified(gated, state.run)
    assert found.agrees and not found.notes, found


@pytest.mark.thorough
def test_a_red_tip_that_is_left_is_asked_again_and_ends_the_run_again(gated: Project) -> None:
    state, _ = pushed_to(gated, {"broken": "x"}, "a", attempts=1)
    state = gated.drive(state.run)
    assert state.finished and state.finished.exit_code == 5
    assert state.tasks["a"].charged == 0
    (move,) = state.moves
    assert [v.reused for v in move.verdicts] == [False, False, True, False], "known, then confirmed"


@pytest.mark.thorough
def test_a_red_tip_that_is_put_right_at_once_is_no_reason_to_end(gated: Project) -> None:
    run = gated.start(task("a"), attempts=1)
    red = push_first(gated, run, {"broken": "x"})

    def puts_right(fact: Event) -> bool:
        if isinstance(fact, e.TipGateJudged):
            gated.git("update-ref", f"refs/orch/{run}/tip", f"{red}~1", red)
        return False

    state = gated.drive(run, (Outsider(gated, run, {}, puts_right),))
    assert state.finished and state.finished.exit_code == 0
    assert state.tasks["a"].status == "landed" and state.tasks["a"].charged == 0
    assert tip_verdicts(gated, run) == [("tests", "failed")]
    assert "broken" not in gated.result(run)


def test_a_red_tip_that_somebody_mends_on_top_lets_the_run_go_on(gated: Project) -> None:
    state, red = pushed_to(gated, {"broken": "x"}, "a", attempts=1)
    mended = gated.git("commit-tree", "-p", red, "-m", "mended", f"{red}~1^{{tree}}")
    gated.git("update-ref", f"refs/orch/{state.run}/tip", mended, red)
    state = gated.drive(state.run)
    assert state.tasks["a"].status == "landed"
    found = verified(gated, state.run)
    assert found.agrees, found.disagreements
    assert any(red[:10] in note and mended[:10] in note for note in found.notes)


@pytest.mark.thorough
def test_a_green_commit_of_somebody_elses_costs_no_gate_run_of_its_own(gated: Project) -> None:
    state, green = pushed_to(gated, {"theirs.txt": "x"}, "a", "b")
    assert set(state.with_status("landed")) == {"a", "b"}
    assert "TipJudgingStarted" not in kinds(gated.facts(state.run))
    assert "theirs.txt" in gated.result(state.run)
    found = verified(gated, state.run)
    assert found.agrees and any(green[:10] in note for note in found.notes), found


def test_on_a_green_tip_a_bad_head_is_blamed_as_ever(gated: Project) -> None:
    run = gated.start(task("bad"), attempts=2)
    push_first(gated, run, {"theirs.txt": "x"})
    state = gated.drive(run)
    assert state.tasks["bad"].status == "failed" and state.tasks["bad"].charged == 2
    assert tip_verdicts(gated, run) == [("tests", "passed")], "once, however many are blamed"
    told = kinds(gated.facts(run))
    assert told.index("TipGateJudged") < told.index("HeadSentBack")


def test_a_head_that_mends_a_red_tip_lands(gated: Project) -> None:
    gated.commit({"test.sh": "test ! -e broken || test -e a.txt\n"}, "another gate")
    state, red = pushed_to(gated, {"broken": "x"}, "a", attempts=1)
    assert state.finished and state.finished.exit_code == 0
    assert state.tasks["a"].status == "landed"
    assert "TipJudgingStarted" not in kinds(gated.facts(state.run))
    assert red in gated.git("rev-list", "--first-parent", f"orch/{state.run}/result").split()


@pytest.mark.thorough
def test_a_tip_that_a_gate_cannot_run_on_holds_nobody(gated: Project) -> None:
    gated.gates = (Gate(name="tool", command="test ! -e broken || no-such-program-at-all"),)
    state, red = pushed_to(gated, {"broken": "x"}, "a", "b", attempts=1)
    assert state.finished and state.finished.exit_code == 5
    assert f"'tool' could not run on {red[:10]}" in state.finished.why
    assert not state.with_status("held")


@pytest.mark.thorough
def test_an_attempt_that_begins_on_a_red_tip_is_not_charged_for_it(gated: Project) -> None:
    gated.gates = (Gate(name="check", command="sh test.sh", stage="check"),)
    run = gated.start(task("a"), attempts=1, rounds=1)
    red = push_first(gated, run, {"broken": "x"})
    state = gated.drive(run)
    assert state.finished and state.finished.exit_code == 5, state.finished
    (attempt,) = state.tasks["a"].attempts
    assert attempt.started.base == red and attempt.acquitted
    assert state.tasks["a"].charged == 0 and state.tasks["a"].status == "ready"
    gated.git("update-ref", f"refs/orch/{run}/tip", f"{red}~1")
    state = gated.drive(run)
    assert state.tasks["a"].status == "landed" and len(state.tasks["a"].attempts) == 2


@pytest.mark.thorough
def test_a_head_made_on_a_commit_that_was_taken_back_does_not_bring_it_along(
    gated: Project,
) -> None:
    run = gated.start(task("a"), attempts=1)
    theirs = push_first(gated, run, {"theirs.txt": "x"})

    def back(fact: Event) -> bool:
        tip = f"refs/orch/{run}/tip"
        if isinstance(fact, e.JudgingStarted) and gated.git("rev-parse", tip) == theirs:
            gated.git("update-ref", tip, f"{theirs}~1", theirs)
        return False

    state = gated.drive(run, (Outsider(gated, run, {}, back),))
    assert state.tasks["a"].status == "landed" and state.tasks["a"].charged == 0
    first = state.tasks["a"].attempts[0]
    assert first.sent_back and first.sent_back.cause == "base"
    assert "theirs.txt" not in gated.result(run) and "a.txt" in gated.result(run)
    history = gated.git("rev-list", f"orch/{run}/result").split()
    assert theirs not in history


@pytest.mark.thorough
def test_a_tip_that_lacks_what_landed_is_said_at_the_start(gated: Project) -> None:
    state = gated.run(task("a"), task("bad"), attempts=1)
    gated.git("update-ref", f"refs/orch/{state.run}/tip", state.started.base)
    with gated.store() as store:
        persons.retry(store, state.run, "bad", "again")
    state = gated.drive(state.run)
    assert state.finished and state.finished.exit_code == 5
    assert "lacks what has landed" in state.finished.why
    assert len(state.tasks["bad"].attempts) == 1


@pytest.mark.thorough
def test_what_somebody_put_on_the_tip_is_theirs_and_not_cleaned_away_unasked(
    gated: Project,
) -> None:
    run = gated.start(task("bad"), attempts=1)
    theirs = push_first(gated, run, {"theirs.txt": "x"})
    gated.drive(run)
    with gated.store() as store:
        done = clean(gated.workplace(), store, run)
    assert not done.runs and f"committed by hand: refs/orch/{run}/tip" in done.left[0].why
    assert gated.git("rev-parse", f"refs/orch/{run}/tip") == theirs


@pytest.mark.parametrize("at", ["TipJudgingStarted", "TipGateJudged", "CandidateStale"])
@pytest.mark.sample(1)
def test_an_engine_that_dies_over_a_red_tip_is_followed_by_one_that_ends_the_same(
    gated: Project, at: str
) -> None:
    run = gated.start(task("a"), task("b"), attempts=1)

    def dies(fact: Event) -> bool:
        if fact.kind == at:
            raise RuntimeError("killed")
        return False

    observers = (Outsider(gated, run, {"broken": "x"}, judging), Outsider(gated, run, {}, dies))
    with pytest.raises(RuntimeError, match="killed"):
        gated.drive(run, observers)
    state = gated.drive(run)
    assert state.finished and state.finished.exit_code == 5
    assert all(task.charged == 0 for task in state.tasks.values())
    assert at != "TipJudgingStarted" or "TipJudgingLost" in kinds(gated.facts(run))


@pytest.mark.thorough
def test_a_merge_that_puts_landings_aside_is_noted_not_refused(gated: Project) -> None:
    run = gated.start(task("a"), task("b", needs=("a",)))

    def merges(fact: Event) -> bool:
        if isinstance(fact, e.AttemptStarted) and fact.task == "b":
            base, tip = gated.git("rev-parse", "HEAD"), f"refs/orch/{run}/tip"
            new = gated.git("commit-tree", "-p", base, "-p", tip, "-m", "theirs", f"{tip}^{{tree}}")
            gated.git("update-ref", tip, new)
        return False

    state = gated.drive(run, (Outsider(gated, run, {}, merges),))
    assert set(state.with_status("landed")) == {"a", "b"}
    found = verified(gated, run)
    assert found.agrees, found.disagreements
    assert any("a history of their own" in note for note in found.notes)
