"""Workers that do the same again: real ones, counted by how often they ran."""

from __future__ import annotations

import pytest

from ledger.model import CommandWorker, Gate
from ledger.state import RunState
from tests.support.project import Project, task


def ran(project: Project, command: str) -> tuple[list[str], RunState]:
    """Let a shell command do the task: each time as attempt and round, and the run's end."""
    log = project.root.parent / "ran"
    counted = f'echo "$ORCH_ATTEMPT.$ORCH_ROUND" >> {log}; {command}'
    worker = CommandWorker(kind="command", command=counted)
    project.more_settings = {"workers": {"scripted": worker}}
    state = project.run(task("a"))
    return log.read_text().split(), state


def test_a_codemod_that_a_check_gate_refuses_runs_three_times_not_nine(project: Project) -> None:
    project.gates = (Gate(name="check", command="! grep -q old a.txt", stage="check"),)
    runs, state = ran(project, "echo old > a.txt")
    assert runs == ["1.1", "1.2", "2.1"]
    assert state.tasks["a"].status == "held"
    assert "going in circles: it did exactly the same again" in state.tasks["a"].note
    assert state.finished.exit_code == 5
    assert {attempt.finished.cause for attempt in state.tasks["a"].attempts} == {"check"}


def test_a_codemod_that_a_land_gate_refuses_has_no_third_run(project: Project) -> None:
    project.gates = (Gate(name="tests", command="! grep -q old a.txt"),)
    assert ran(project, "echo old > a.txt")[0] == ["1.1", "2.1"]


def test_a_command_that_crashes_in_the_same_way_has_no_third_run(project: Project) -> None:
    assert ran(project, "echo cannot; exit 3")[0] == ["1.1", "2.1"]


@pytest.mark.thorough
def test_who_fails_differently_has_all_attempts_and_is_asked_for_another_approach(
    project: Project,
) -> None:
    project.gates = (Gate(name="tests", command="! grep -q old a.txt"),)
    feedback = project.root.parent / "feedback"
    command = f'echo "old $ORCH_ATTEMPT" > a.txt; cat "$ORCH_FEEDBACK_FILE" > {feedback} || true'
    runs, state = ran(project, command)
    assert runs == ["1.1", "2.1", "3.1"]
    assert "Attempts 1 and 2 failed in the same way. Take a different" in feedback.read_text()
    assert "failed in the same way 3 times" in state.tasks["a"].note


def test_who_repairs_it_in_the_second_round_is_let(project: Project) -> None:
    project.gates = (Gate(name="check", command="! grep -q old a.txt", stage="check"),)
    command = "if [ -e a.txt ]; then echo new > a.txt; else echo old > a.txt; fi"
    runs, state = ran(project, command)
    assert runs == ["1.1", "1.2"]
    assert state.tasks["a"].status == "landed"


def test_the_same_change_is_known_again_on_a_tip_that_has_moved(project: Project) -> None:
    project.gates = (Gate(name="tests", command="! grep -q old a.txt"),)
    worker = CommandWorker(kind="command", command='echo old > "$ORCH_TASK.txt"')
    project.more_settings = {"workers": {"scripted": worker}}
    state = project.run(task("b"), task("a"))
    assert state.tasks["b"].status == "landed"
    assert state.tasks["a"].status == "held" and len(state.tasks["a"].attempts) == 2
