"""What gates say, of what, and what follows from it."""

import gzip
import os
from base64 import b64encode
from pathlib import Path

import pytest

from ledger.events import (
    AttemptStarted,
    CandidateGateJudged,
    CandidateJudged,
    JudgingStarted,
)
from ledger.model import CommandWorker, Gate, Preparation, Verdict
from orchestrator.journal import read_facts
from orchestrator.policy.decide import decide
from orchestrator.policy.orders import JudgeCandidate
from orchestrator.start import RunOptions
from tests.support.builders import FREE, NOW, Story
from tests.support.project import Project, task

WRITE = '[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n'


@pytest.mark.thorough
def test_a_check_that_was_red_on_the_base_by_leave_fails_no_attempt(project: Project) -> None:
    project.gates = (
        Gate(name="lint", command="exit 1", stage="check"),
        Gate(name="slow", command="sleep 3"),
    )
    project.does(WRITE)
    state = project.run(task("a"), options=RunOptions(allow_red_base=True), attempts=1, rounds=1)
    assert state.tasks["a"].status == "landed", state.tasks["a"].note


def test_the_red_that_blames_is_the_one_that_was_confirmed() -> None:
    story = Story.of(1).baseline().queues("t1")
    number = story.builds(1, "tree")

    def judged(gate: str, confirms: bool) -> None:
        verdict = Verdict(gate=gate, tree="tree", key=gate, outcome="failed")
        story.tell(
            JudgingStarted(candidate=number, confirms=confirms),
            CandidateGateJudged(candidate=number, verdict=verdict),
            CandidateJudged(candidate=number, outcome="failed", gate=gate),
        )

    judged("flaky", confirms=False)
    judged("other", confirms=True)  # the flaky one passed this time
    assert decide(story.state, FREE, NOW) == (JudgeCandidate(number, confirms=True),)


@pytest.mark.thorough
def test_a_gates_tool_that_changed_is_asked_again(project: Project, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    tool = tools / "my-linter"
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    project.environ["PATH"] = f"{tools}{os.pathsep}{project.environ['PATH']}"
    project.gates = (Gate(name="lint", command="my-linter"),)
    project.does(WRITE)
    assert project.run(task("a")).baseline == "green"
    tool.write_text("#!/bin/sh\nexit 1 # a newer version, that finds more\n")
    assert project.run(task("a")).baseline == "red"


@pytest.mark.thorough
def test_a_conflict_in_a_file_whose_name_is_no_text_goes_back_to_its_worker(
    project: Project,
) -> None:
    name = os.fsdecode(b"na\xefve.txt")
    project.commit({name: "base\n"}, "an old name")
    write = 'for name in na*ve.txt; do printf "%s\\n" "$ORCH_TASK" > "$name"; done'
    settings = project.settings()
    worker = settings.workers["scripted"].model_copy(update={"command": write})
    project.more_settings = {"workers": {"scripted": worker}}
    state = project.run(task("a", paths=()), task("b", paths=()))
    assert state.finished and state.finished.exit_code == 0
    assert {t.status for t in state.tasks.values()} <= {"landed", "unchanged"}


def test_the_feedback_after_a_lost_attempt_still_says_why_the_one_before_came_back() -> None:
    from orchestrator.feedback import render_feedback

    story = Story.of(1).baseline().starts("t1").ends("t1", "failed", cause="worker", why="no luck")
    story.starts("t1").ends("t1", "lost", why="the engine ended").starts("t1")
    assert isinstance(story.facts[-1][0], AttemptStarted)
    assert "no luck" in (render_feedback(story.state, "t1") or "")


def test_a_secret_that_a_gate_may_see_is_in_no_fact(project: Project) -> None:
    project.environ["SERVICE_TOKEN"] = "hunter2-hunter2-hunter2"
    project.more_settings = {"env": ("SERVICE_TOKEN",)}
    project.gates = (Gate(name="tests", command='echo "with $SERVICE_TOKEN"; exit 1'),)
    project.does(WRITE)
    state = project.run(task("a"))
    assert state.finished and state.finished.outcome == "red-base"
    assert not [f for f in project.facts(state.run) if "hunter2" in f.model_dump_json()]


@pytest.mark.thorough
def test_what_one_trees_tests_leave_in_a_kept_folder_judges_no_other_tree(
    project: Project,
) -> None:
    project.commit({".gitignore": "kept/\n"}, "a kept folder")
    project.more_settings = {"preparation": Preparation(keep=("kept",))}
    gate = "mkdir -p kept; if test -e b.txt; then test -e kept/leave; else touch kept/leave; fi"
    project.gates = (Gate(name="tests", command=gate),)
    project.does(WRITE)
    state = project.run(task("a"), task("b", needs=("a",)), attempts=1)
    assert state.tasks["a"].status == "landed"
    assert state.tasks["b"].status == "failed", "in a fresh checkout its gate is red"


def test_no_secret_that_was_given_is_anywhere_in_what_orch_keeps(project: Project) -> None:
    worker, gate, copied = "of-the-worker-1", "of-the-gates-22", "of-the-file-333"
    project.environ |= {"WORKER_KEY": worker, "GATE_KEY": gate}
    project.commit({".gitignore": ".env\n"}, "an ignored file")
    project.write({".env": f'export COPIED="{copied}"\n'})
    base64 = 'printf %s "me:$(cat .env)" | base64 -w0; echo'
    setup = f"echo set-up; cat .env; {base64}; mkdir -p made"
    tell = f'echo "with $GATE_KEY"; cat .env; {base64}; printf of-the-; sleep 0.3; echo gates-22'
    project.gates = (
        Gate(name="check", command=f"{tell}; test -e b.txt || test ! -e a.txt", stage="check"),
        Gate(name="land", command=f"{tell}; exit 0"),
    )
    command = 'echo "I am $WORKER_KEY"; echo x > $ORCH_TASK.txt; test $ORCH_TASK = a || exit 3'
    project.more_settings = {
        "env": ("GATE_KEY",),
        "workers": {
            "scripted": CommandWorker(kind="command", command=command, env=("WORKER_KEY",))
        },
        "preparation": Preparation(setup=(setup,), copy_gates=(".env",)),
    }
    state = project.run(task("a"), task("b"), attempts=2, rounds=1)
    assert state.tasks["a"].status == state.tasks["b"].status == "failed"
    with project.store() as store:
        facts = [fact.model_dump_json() for _, _, fact in read_facts(store, state.run)]
    assert "[redacted" in "".join(facts)
    workplace = project.workplace()
    hidden = [secret.encode() for secret in (worker, gate, copied)]
    hidden += [b64encode(b" " * n + copied.encode())[4:16] for n in range(3)]
    looked = 0
    for path in workplace.place.folder.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            texts = [raw, gzip.decompress(raw)] if raw[:2] == b"\x1f\x8b" else [raw]
            looked += len(texts)
            assert not [secret for text in texts for secret in hidden if secret in text], path
    assert looked > 5
