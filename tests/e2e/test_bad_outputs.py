"""What gates and workers may print and leave behind, and readers that go away."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.cli import ORCH, User, ended_with, no_defect, wait_for

GIGABYTE = 1_000_000_000


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "home")


def size_bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


# --- gates and workers ------------------------------------------------------------------------


@pytest.mark.thorough
def test_a_gate_that_prints_a_gigabyte(user: User) -> None:
    """Its log is bounded, its last line is known, memory and disk are not used up."""
    flood = f"head -c {GIGABYTE} /dev/zero | tr '\\0' x; echo; echo the last line; exit 1"
    gate = {"flood": f"test ! -e a.txt || {{ {flood}; }}"}
    user.settings(checks=gate, run="attempts = 1\nrounds = 1")
    user.plan("a")
    said = user.orch("run")
    ended_with(said, 1, "the last line")
    assert len(said.out) + len(said.err) < 10_000
    assert size_bytes(user.root / ".git" / "orch") < 20_000_000
    told = user.orch("log", "a", "--gate", "flood")
    ended_with(told, 0, "the last line", "orch left out")
    assert len(told.out) < 12_000_000
    assert not user.left()


@pytest.mark.thorough
def test_a_gate_that_prints_what_is_no_text(user: User) -> None:
    noise = (
        "head -c 300000 /dev/zero; head -c 300000 /dev/urandom;"
        " printf '\\033]0;title\\007\\033[2J\\377\\376 said it\\n'; exit 1"
    )
    user.settings(gates={"noise": f"test ! -e a.txt || {{ {noise}; }}"}, run="attempts = 2")
    user.plan("a")
    said = user.orch("run")
    ended_with(said, 1, "said it")
    for command in (("show", "a"), ("log", "a", "--gate", "noise"), ("report",)):
        told = user.orch(*command)
        ended_with(told, 0)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\x9b]", told.out + told.err), command
    ended_with(user.orch("status", "--json"), 0)


@pytest.mark.thorough
def test_a_worker_that_never_ends_is_ended_at_its_limit(user: User) -> None:
    stubborn = "trap '' TERM INT HUP; while :; do sleep 1; done"
    user.settings(worker=stubborn, run="attempts = 1\ntimeout_s = 0.5")
    user.plan("a")
    began = time.monotonic()
    said = user.orch("run")
    ended_with(said, 1, "still running after 0.5 seconds")
    assert time.monotonic() - began < 20
    assert not user.left()


@pytest.mark.thorough
def test_daemons_of_workers_and_gates_are_gone_when_these_are(user: User) -> None:
    daemon = "(setsid sh -c 'trap \"\" TERM HUP; sleep 600' >/dev/null 2>&1 &)"
    user.settings(worker=f'{daemon}; echo > "$ORCH_TASK.txt"', gates={"suite": f"{daemon}; exit 0"})
    user.plan("a", "b")
    ended_with(user.orch("run"), 0)
    assert not user.processes()
    assert not user.left()


def test_a_worker_that_keeps_its_output_open_holds_up_nobody(user: User) -> None:
    user.settings(worker='sleep 600 & echo > "$ORCH_TASK.txt"')
    user.plan("a")
    began = time.monotonic()
    ended_with(user.orch("run"), 0)
    assert time.monotonic() - began < 30
    assert not user.left()


def test_a_gate_that_ends_the_engines_group_or_itself(user: User) -> None:
    """A gate may send signals to its own group; the engine is not in it."""
    user.settings(gates={"suite": "test ! -e a.txt || kill -9 0"}, run="attempts = 1")
    user.plan("a")
    said = user.orch("run")
    ended_with(said, 5, "SIGKILL", "could not run")
    assert user.status()["counts"] == {"held": 1}
    assert not user.left()


@pytest.mark.parametrize(("command", "words"), [("nope --all", "nope"), ("./readme", "may not")])
@pytest.mark.sample(1)
def test_a_gate_that_cannot_run_at_all_lands_nothing(user: User, command: str, words: str) -> None:
    user.settings(gates={"suite": command})
    user.plan("a")
    said = user.orch("run")
    no_defect(said)
    assert said.exit_code == 5 and words in said.words, said
    assert "orch gate" in said.words or "--allow-red-base" in said.words
    assert user.status()["counts"].get("landed", 0) == 0
    assert not user.left()


def test_a_gate_that_changes_the_tree_it_judges_changes_nothing_that_lands(user: User) -> None:
    user.settings(gates={"suite": "echo spoiled > readme; echo more > made-by-gate; exit 0"})
    user.plan("a")
    ended_with(user.orch("run"), 0)
    result = user.result()
    assert result["readme"] == "hello" and "made-by-gate" not in result


@pytest.mark.thorough
def test_a_workers_own_looking_and_cleaning_does_no_harm(user: User) -> None:
    """An agent that has read the docs: the run that it works for is not its to clean."""
    user.settings(worker=f"{ORCH} status && {ORCH} resume; {ORCH} clean --discard; echo > a.txt")
    user.plan("a")
    before = user.things()
    ended_with(user.orch("run"), 0)
    assert user.things() == before and not user.left()
    assert "a.txt" in user.result()


def test_a_worker_may_not_start_runs_in_its_workspace(user: User) -> None:
    """Each run of the same plan would start the next one."""
    user.settings(
        worker=f"test $(ls {user.home} | wc -l) -gt 3 || {{ mktemp {user.home}/XXXX;"
        f" {ORCH} run; }}; echo > a.txt"
    )
    user.write({".agent/.gitignore": "state_ledger.json\n"})
    user.plan("a")
    user.commit({}, "with the plan")
    ended_with(user.orch("run"), 0)
    assert len(user.git("for-each-ref", "refs/heads/orch").splitlines()) == 1
    assert user.status()["run"].endswith("-a1")


@pytest.mark.thorough
def test_a_worker_may_not_speak_for_a_person(user: User) -> None:
    """Whatever the worker allows or accepts: main and the checkout stay where they are."""
    user.settings(
        worker=f'{ORCH} allow "$ORCH_TASK" x --later; {ORCH} accept; echo > "$ORCH_TASK.txt"'
    )
    user.commit({}, "worker")
    user.plan("a", ("b", ["a"]))
    before = user.things()
    ended_with(user.orch("run"), 0)
    assert user.things() == before


# --- readers that go away ---------------------------------------------------------------------


def closed_early(user: User, *args: str, lines: int = 1) -> tuple[int, str]:
    """Read a few lines of its answer and go away; its exit code and narration."""
    with user.typing(*args) as typed:
        assert typed.process.stdout is not None and typed.process.stderr is not None
        for _ in range(lines):
            typed.process.stdout.readline()
        typed.process.stdout.close()
        err = typed.process.stderr.read()
        return typed.process.wait(60), err


def test_an_answer_that_is_read_in_part_is_no_error(user: User) -> None:
    user.settings(worker='seq 50000; echo > "$ORCH_TASK.txt"')
    user.plan("a")
    code, err = closed_early(user, "run", "--json", lines=2)
    assert code == 0 and "Traceback" not in err and "Broken" not in err, err
    assert "a.txt" in user.result(), "the run went on"
    for command in (["log", "a"], ["report"]):
        code, err = closed_early(user, *command)
        assert code == 0 and "Traceback" not in err and "Broken" not in err, (command, err)


def test_output_that_cannot_be_written_at_all(user: User) -> None:
    """/dev/full: no traceback, no defect, and the run is right."""
    user.plan("a")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            (str(ORCH), "run"), cwd=user.root, env=user.environ, stdin=subprocess.DEVNULL,
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert "Traceback" not in done.stderr and "defect" not in done.stderr, done.stderr
    assert "a.txt" in user.result()


@pytest.mark.thorough
def test_a_run_without_any_output_open(user: User) -> None:
    user.plan("a")
    words = f"cd '{user.root}' && exec '{ORCH}' run <&- >&- 2>&-"
    done = subprocess.run(("sh", "-c", words), env=user.environ, timeout=60, check=False)
    assert done.returncode == 0
    assert "a.txt" in user.result()
    assert user.git("status", "--porcelain") == "" and not user.left()


@pytest.mark.thorough
def test_an_encoding_that_knows_few_letters(user: User) -> None:
    user.write(
        {".agent/plans/work.toml": 'goal = "Grüße, 工程"\n[[task]]\nid = "a"\nprompt = "é"\n'}
    )
    environ = user.environ | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ended_with(user.orch("run", environ=environ), 0)
    ended_with(user.orch("status", environ=environ), 0)
    ended_with(user.orch("report", environ=environ), 0)


# --- following in a pipe ----------------------------------------------------------------------


@pytest.mark.thorough
def test_following_in_a_pipe_is_bounded_by_the_run(user: User) -> None:
    go = user.home / "go"
    user.settings(worker=f"while ! test -e {go}; do sleep 0.05; done; echo > a.txt")
    user.plan("a")
    with user.typing("run") as run:
        run.hears("a started")
        with user.typing("status", "--watch") as watch, user.typing("wait") as wait:
            short = user.orch("wait", "--timeout", "0.3")
            ended_with(short, 4, "going on")
            change = user.orch("wait", "--for", "change", "--timeout", "0.3", "--json")
            ended_with(change, 4)
            assert watch.process.poll() is None and wait.process.poll() is None
            go.touch()
            ended_with(watch.said(20), 0, "complete")
            ended_with(wait.said(20), 0, "complete")
        ended_with(run.said(20), 0)
    ended_with(user.orch("status", "--watch", within_s=10), 0, "complete")
    wait_for(lambda: not user.processes(), 5)
    assert os.path.exists(go)
