"""A run of several tasks is recorded, and repeated without a model to the same tree."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.support.cli import Said, User, ended_with, refused
from tests.support.served import served

TURNS = """
[[turn]]
task = '^# {task}$'
call = [{{ name = "list", input = {{}} }}, {{ name = "run", input = {{ command = "cat *.txt" }} }}]
{more}
[[turn]]
task = '^# {task}$'
call = [{{ name = "write", input = {{ path = "{task}.txt", text = "{task}\\n" }} }}]
{more}
[[turn]]
task = '^# {task}$'
call = [{{ name = "finish", input = {{ summary = "I wrote {task}. It is there." }} }}]
{more}
"""
LOST = "[[turn]]\ntask = '^# {task}$'\nstatus = 401\nper = 'script'\n"
RED = """
[[turn]]
task = '^# {task}$'
call = [{{ name = "write", input = {{ path = "{task}.txt", text = "broken\\n" }} }}]
[[turn]]
task = '^# {task}$'
call = [{{ name = "finish", input = {{ summary = "Done. It works." }} }}]
"""
SLOW = "first_byte_s = 0.3\n"
TASKS = tuple("abcdefg")


@pytest.fixture
def user(tmp_path: Path) -> User:
    user = User(tmp_path / "home", models=True)
    user.plan(*TASKS)
    return user


def points_to(user: User, url: str, run: str = "parallel = 3") -> None:
    """A model worker there; the land gate wants nothing, the check gate that nothing is broken."""
    user.settings(
        run=run,
        checks={"whole": "! grep -q broken *.txt"},
        more=(
            '\n[worker.coder]\nkind = "model"\nmodel = "p:m"\nmax_output_tokens = 1000\n'
            f'[provider.p]\ndialect = "openai"\nurl = "{url}/v1"\n'
        ),
    )
    settings = user.root / ".agent" / "orch.toml"
    settings.write_text(settings.read_text().replace('worker = "sh"', 'worker = "coder"'))
    user.trust()


def tree(user: User) -> str:
    return user.git("rev-parse", f"refs/orch/{user.run_id()}/tip^{{tree}}")


def recorded(user: User, script: str, *words: str) -> tuple[Path, Said]:
    """What is recorded of a run with a model that says this."""
    record = user.home / "calls.jsonl"
    with served(script) as server:
        points_to(user, server.url)
        user.commit({}, "settings")
        said = user.orch("run", "--record", str(record), *words)
    return record, said


def replayed(user: User, record: Path, *words: str) -> Said:
    """The server is gone: whatever is answered comes out of the record."""
    return user.orch("run", "--replay", str(record), *words)


def bases(record: Path) -> set[str]:
    """The trees on which attempts began."""
    lines = map(json.loads, record.read_text().splitlines())
    return {line["step"]["tree"] for line in lines if line.get("step", {}).get("kind") == "began"}


def script(*special: str, **more: str) -> str:
    return "".join(special) + "".join(
        TURNS.format(task=task, more=more.get(task, "")) for task in TASKS
    )


def test_seven_tasks_with_a_lost_attempt_and_a_red_check_come_to_the_same_tree(user: User) -> None:
    user.plan(*"abcde", ("f", ["a"]), ("g", ["f"]))
    turns = script(LOST.format(task="b"), RED.format(task="c"), a=SLOW, e=SLOW)
    record, said = recorded(user, turns)
    ended_with(said, 0, "landed g", "refused the key", "gate 'whole' failed")
    first, run = tree(user), user.run_id()
    assert len(bases(record)) > 2, "attempts begin at several places"
    again = replayed(user, record)
    ended_with(again, 0, "landed g", "b round 1: p (m): it refused the key", "gate 'whole' failed")
    assert (tree(user), user.run_id() != run) == (first, True)


def test_a_budget_and_what_was_resumed_after_it_are_one_record(user: User) -> None:
    with served(script(a=SLOW)) as server:
        points_to(user, server.url, "parallel = 3")
        user.commit({}, "settings")
        record = user.home / "calls.jsonl"
        short = user.orch("run", "--record", str(record), "--budget-tokens", "16000")
        ended_with(short, 4, "budget")
        assert len(user.result()) < 1 + len(TASKS)
        ended_with(user.orch("resume", "--record", str(record), "--budget-tokens", "5M"), 0)
    first = tree(user)
    ended_with(replayed(user, record), 0, "landed g")
    assert tree(user) == first
    ended_with(replayed(user, record, "--budget-tokens", "16000"), 0, "landed g")
    assert tree(user) == first


def test_what_was_changed_ends_a_replay_at_once_with_one_error(user: User) -> None:
    record, said = recorded(user, script(LOST.format(task="b")))
    ended_with(said, 0)
    plan = user.root / ".agent" / "plans" / "work.toml"
    text = plan.read_text()
    plan.write_text(text.replace('id = "c"\nprompt = "do it"', 'id = "c"\nprompt = "do that"'))
    said = replayed(user, record)
    refused(said, 2, "the record's c, attempt 1, call 1 asked something else", "do it", "do that")
    assert said.words.count("error:") == 1, said
    assert user.status()["tasks"][2]["attempts"] in (0, 1), said
    plan.write_text(text)
    base = user.commit({"readme": "changed"}, "other code")
    refused(replayed(user, record), 2, "began on another tree", "--base")
    first = user.git("rev-parse", f"{base}~1")
    ended_with(replayed(user, record, "--base", first), 0, "landed g")
    for wrong in (("run", "--record", str(record)),):
        refused(user.orch(*wrong), 2, "a record is of one run")


def test_a_result_that_is_another_tree_is_told(user: User) -> None:
    user.plan("a")
    turns = TURNS.format(task="a", more="")
    with served(turns) as server:
        points_to(user, server.url, 'fix = ["date +%N >> a.txt"]')
        user.commit({}, "settings")
        record = user.home / "calls.jsonl"
        ended_with(user.orch("run", "--record", str(record)), 0)
    refused(replayed(user, record), 2, "the replay came to another tree", "orch diff")


@pytest.mark.thorough
def test_a_killed_engine_and_what_was_resumed_after_it_are_one_record(user: User) -> None:
    record = user.home / "calls.jsonl"
    with served(script(a=SLOW, b=SLOW, e=SLOW)) as server:
        points_to(user, server.url, "parallel = 3")
        user.commit({}, "settings")
        with user.typing("run", "--record", str(record)) as typed:
            typed.hears("landed")
            typed.press(signal.SIGKILL)
            typed.process.wait(30)
        ended_with(user.orch("resume", "--record", str(record)), 0, "landed g")
    first = tree(user)
    ended_with(replayed(user, record), 0, "landed g")
    assert tree(user) == first
    ended_with(replayed(user, record, "--parallel", "1"), 0, "landed g")
    assert tree(user) == first


@pytest.mark.thorough
def test_who_asked_a_person_is_asked_again_and_the_rest_goes_on(user: User) -> None:
    record = user.home / "calls.jsonl"
    answered = """
        [[turn]]
        task = "the second"
        call = [{ name = "write", input = { path = "a.txt", text = "two\\n" } }]
        [[turn]]
        task = "the second"
        call = [{ name = "finish", input = { summary = "Done. As you said." } }]
        [[turn]]
        task = '^# a$'
        call = [{ name = "ask", input = { question = "Which one?" } }]
        """
    with served(answered + script(b=SLOW)) as server:
        points_to(user, server.url, "parallel = 2")
        user.commit({}, "settings")
        ended_with(user.orch("run", "--record", str(record)), 5)
        ended_with(user.orch("answer", "a", "take the second", "--later"), 0)
        ended_with(user.orch("resume", "--record", str(record)), 0)
    first = tree(user)
    ended_with(replayed(user, record), 5, "landed g")
    ended_with(user.orch("answer", "a", "take the second", "--later"), 0)
    ended_with(user.orch("resume", "--replay", str(record)), 0)
    assert tree(user) == first
