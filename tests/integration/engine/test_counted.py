"""Runs whose gates count tests: lost tests, known failures, what is told of both."""

from typing import Any

import anyio
import pytest

from ledger.events import BaselineGateJudged, CandidateGateJudged
from ledger.model import FEWER_TESTS, Gate, TestCount
from ledger.state import RunState
from orchestrator.accept import AcceptResult, Selection, accept
from orchestrator.feedback import render_feedback
from orchestrator.persons import allow, reject
from orchestrator.start import RunOptions
from tests.support.project import Project, task

COUNT = 'echo "$(ls t_* | wc -l) passed in 0.1s"\n'
"""Each file t_* is a test."""
JUDGE = """
for t in t_*; do
  if sh $t; then passed=$((passed + 1)); else echo "FAILED t.py::$t - no"; failed=1$failed; fi
done
echo "${#failed} failed, ${passed:-0} passed in 0.1s"
test -z "$failed"
"""
"""Each file t_* passes or fails."""
KNOWN = Gate(name="tests", command="sh test.sh", pass_if="no-new-failures")


def accepted(project: Project, run: str, **how: Any) -> AcceptResult:
    async def bounded() -> AcceptResult:
        with anyio.fail_after(60):
            return await accept(project.workplace(), store, run, **how)

    with project.store() as store:
        return anyio.run(bounded)


def said_of(state: RunState, task_id: str) -> str:
    return state.tasks[task_id].note


def test_a_head_with_fewer_tests_waits_for_a_persons_yes_and_then_lands(project: Project) -> None:
    project.commit({"test.sh": COUNT, "t_1": "", "t_2": "", "t_3": ""}, "three tests")
    project.does(
        '[[step]]\ntask = "a"\ndelete = ["t_1"]\n[[step]]\ntask = "b"\nwrite = { "t_b" = "" }\n'
    )
    tasks = (task("a", paths=("t_1",)), task("b", paths=("t_b",)))
    state = project.run(*tasks, parallel=1)
    assert state.finished and state.finished.exit_code == 5
    assert {t: s.status for t, s in state.tasks.items()} == {"a": "held", "b": "landed"}
    assert state.to_allow(state.tasks["a"]) == (FEWER_TESTS,)
    assert not state.tasks["a"].charged
    with project.store() as store:
        said = allow(store, state.run, "a", FEWER_TESTS)
    assert said.what == "fewer-tests is allowed: a is queued"
    state = project.drive(state.run)
    assert state.finished and state.finished.exit_code == 0
    last = state.candidates[state.landings[-1].candidate].verdicts[-1]
    assert last.tests == TestCount(passed=3)
    assert last.needed_tests == 4, "what landed before had four"


@pytest.mark.thorough
def test_the_worker_is_told_of_lost_tests_and_may_bring_them_back(project: Project) -> None:
    project.gates = (Gate(name="tests", command="sh test.sh", stage="check"),)
    project.commit({"test.sh": f"sleep 0.3; {COUNT}", "t_1": "", "t_2": ""}, "two tests")
    project.does(
        '[[step]]\nround = 1\nsleep_s = 2\ndelete = ["t_1"]\nwrite = { "a.txt" = "x" }\n'
        '[[step]]\nif_feedback = "only 1 test ran, where 2 did before"\nwrite = { "t_1" = "" }\n'
    )
    state = project.run(task("a", paths=("t_1", "a.txt")))
    assert state.tasks["a"].status == "landed", said_of(state, "a")
    assert len(state.tasks["a"].attempts[0].rounds) == 2


def test_a_check_that_lost_tests_is_held_together_with_what_is_protected(project: Project) -> None:
    project.gates = (Gate(name="tests", command="sh ./test.sh", stage="check"),)
    project.commit({"test.sh": f"sleep 0.3; {COUNT}", "t_1": "", "t_2": ""}, "two tests")
    project.does('[[step]]\nsleep_s = 2\ndelete = ["t_1"]\nwrite = { "tox.ini" = "x" }\n')
    state = project.run(task("a", paths=("t_1", "tox.ini")), rounds=1)
    assert state.to_allow(state.tasks["a"]) == ("tox.ini", FEWER_TESTS)
    assert "tox.ini" in said_of(state, "a") and "only 1 test ran" in said_of(state, "a")
    with project.store() as store:
        allow(store, state.run, "a", "tox.ini")
        assert "still to allow: fewer-tests" in allow(store, state.run, "a", "tox.ini").what
        allow(store, state.run, "a", FEWER_TESTS)
    state = project.drive(state.run)
    assert state.tasks["a"].status == "landed", said_of(state, "a")


def test_leave_given_beforehand_lets_tests_go(project: Project) -> None:
    project.commit({"test.sh": COUNT, "t_1": "", "t_2": ""}, "two tests")
    project.does('[[step]]\ndelete = ["t_1"]\n')
    state = project.run(task("a", paths=("t_1",), may_change=("t_1",)))
    assert state.tasks["a"].status == "landed", said_of(state, "a")
    assert state.tasks["a"].last and state.tasks["a"].last.finished
    assert state.tasks["a"].last.finished.leave == ("t_1",)


@pytest.mark.thorough
def test_what_was_taken_out_again_takes_its_tests_along(project: Project) -> None:
    project.commit({"test.sh": COUNT, "t_1": ""}, "a test")
    project.does('[[step]]\nwrite = { "t_{task}" = "" }\n')
    state = project.run(task("a", paths=("t_a",)), task("b", paths=("t_b",)))
    assert state.finished and state.finished.exit_code == 0
    with project.store() as store:
        reject(store, state.run, ("a",))
    state = project.drive(state.run)
    assert state.tasks["a"].status == "rejected"


@pytest.mark.thorough
def test_a_pass_beside_a_slow_base_is_held_against_it_all_the_same(project: Project) -> None:
    slow = f"test -e t_1 && sleep 3\n{COUNT}"
    project.commit({"test.sh": slow, "t_1": "", "t_2": ""}, "two tests")
    project.does('[[step]]\ndelete = ["t_1"]\n')
    state = project.run(task("a", paths=("t_1",)), gates_parallel=2)
    assert state.tasks["a"].status == "held"
    assert state.to_allow(state.tasks["a"]) == (FEWER_TESTS,)


# --- known failures -----------------------------------------------------------------------------


def test_on_a_red_base_known_failures_land_and_new_ones_do_not(project: Project) -> None:
    project.gates = (KNOWN,)
    project.commit({"test.sh": JUDGE, "t_good": "true", "t_bad": "false"}, "one of two fails")
    project.does(
        """
        [[step]]
        task = "breaks"
        write = { "t_good" = "false" }
        [[step]]
        task = "adds"
        write = { "t_new" = "false" }
        [[step]]
        task = "mends"
        write = { "t_bad" = "true" }
        [[step]]
        task = "other"
        write = { "{task}.txt" = "x" }
        """
    )
    state = project.run(
        task("breaks", paths=("t_good",)),
        task("adds", paths=("t_new",)),
        task("mends", paths=("t_bad",)),
        task("other"),
        attempts=1,
    )
    assert state.baseline == "green"
    base = state.baseline_verdicts["tests"]
    assert (base.outcome, base.failed_tests) == ("passed", ("t.py::t_bad",))
    assert {t: s.status for t, s in state.tasks.items()} == {
        "breaks": "failed",
        "adds": "failed",
        "mends": "landed",
        "other": "landed",
    }
    assert "failed newly: FAILED t.py::t_good - no" in said_of(state, "breaks")
    assert "failed newly: FAILED t.py::t_new - no" in said_of(state, "adds")


@pytest.mark.thorough
def test_a_check_waits_for_what_is_known_of_the_base(project: Project) -> None:
    project.gates = (KNOWN.model_copy(update={"stage": "check"}),)
    slow = f"test -e a.txt || sleep 2\n{JUDGE}"
    project.commit({"test.sh": slow, "t_good": "true", "t_bad": "false"}, "one of two fails")
    project.does('[[step]]\nwrite = { "{task}.txt" = "x" }\n')
    state = project.run(task("a"), rounds=1, attempts=1)
    assert state.tasks["a"].status == "landed", said_of(state, "a")


def test_where_the_base_names_no_failures_the_run_ends_and_says_what_to_type(
    project: Project,
) -> None:
    project.gates = (KNOWN,)
    project.commit({"test.sh": "echo '1 failed, 3 passed in 1s'; exit 1"}, "it names nothing")
    project.does('[[step]]\nwrite = { "{task}.txt" = "x" }\n')
    state = project.run(task("a"))
    assert state.finished and state.finished.outcome == "red-base"
    base = state.baseline_verdicts["tests"]
    assert base.outcome == "could-not-run"
    assert 'junit = "report.xml"' in base.why
    state = project.run(task("a"), options=RunOptions(allow_red_base=True))
    assert (state.baseline, state.tasks["a"].status) == ("advisory", "landed")


@pytest.mark.thorough
def test_the_worker_of_a_red_head_is_told_which_failure_is_new(project: Project) -> None:
    project.gates = (KNOWN,)
    project.commit({"test.sh": JUDGE, "t_good": "true", "t_bad": "false"}, "one of two fails")
    project.does('[[step]]\nwrite = { "t_good" = "false" }\n')
    state = project.run(task("a", paths=("t_good",)), attempts=2)
    told = render_feedback(state, "a") or ""
    assert "New against the base: `t.py::t_good`" in told
    assert "t_bad" not in told


@pytest.mark.thorough
def test_what_lost_tests_by_leave_is_accepted_onto_a_branch_that_moved(project: Project) -> None:
    project.commit({"test.sh": COUNT, "t_1": "", "t_2": "", "t_3": ""}, "three tests")
    project.does(
        '[[step]]\ntask = "a"\ndelete = ["t_1"]\n[[step]]\ntask = "b"\nwrite = { "b" = "" }\n'
    )
    lost = task("a", paths=("t_1",), may_change=("t_1",))
    run = project.run(lost, task("b")).run
    part = accepted(project, run, selection=Selection(only=("a",)), to="part", squash=True)
    assert part.outcome == "accepted", part  # judged, or known where it landed before the other
    project.git("rm", "-q", "t_2")
    project.git("commit", "-qm", "fewer by my own hand")
    whole = accepted(project, run)
    assert (whole.outcome, whole.judged) == ("accepted", True), whole


# --- an accept, a ledger ------------------------------------------------------------------------


def test_counts_and_names_are_in_the_ledger(project: Project) -> None:
    project.commit({"test.sh": JUDGE, "t_1": "true"}, "a test")
    project.does('[[step]]\nwrite = { "t_2" = "false" }\n')
    state = project.run(task("a", paths=("t_2",)), attempts=1)
    facts = project.facts(state.run)
    base = next(f.verdict for f in facts if isinstance(f, BaselineGateJudged))
    assert (base.tests, base.failed_tests) == (TestCount(passed=1), ())
    red = next(f.verdict for f in facts if isinstance(f, CandidateGateJudged))
    assert (red.tests, red.new_failures) == (TestCount(passed=1, failed=1), ("t.py::t_2",))
