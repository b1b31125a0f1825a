"""A run of several tasks is recorded, and repeated without a model to the same tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Said, User, ended_with
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
KEY = "sk-real-" + "k3Y" * 9
TASKS = tuple("abcdefg")


@pytest.fixture
def user(tmp_path: Path) -> User:
    user = User(tmp_path / "home", models=True, environ={"SCRIPTED_KEY": KEY})
    user.plan(*TASKS)
    return user


def points_to(user: User, url: str, run: str = "parallel = 3") -> None:
    """A model worker there; the land gate wants nothing, the check gate that nothing is broken."""
    user.settings(
        run=run,
        checks={"whole": "! grep -q broken *.txt"},
        more=(
            '\n[worker.coder]\nkind = "model"\nmodel = "p:m"\nmax_output_tokens = 1000\n'
            f'[provider.p]\ndialect = "openai"\nurl = "{url}/v1"\nkey = "SCRIPTED_KEY"\n'
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


def script(*special: str, **more: str) -> str:
    return "".join(special) + "".join(
        TURNS.format(task=task, more=more.get(task, "")) for task in TASKS
    )


def test_seven_tasks_with_a_lost_attempt_and_a_red_check_come_to_the_same_tree(user: User) -> None:
    turns = script(LOST.format(task="b"), RED.format(task="c"), a=SLOW, e=SLOW)
    record, said = recorded(user, turns)
    ended_with(said, 0, "landed g", "refused the key", "gate 'whole' failed")
    first, run = tree(user), user.run_id()
    ended_with(replayed(user, record), 0, "landed g", "refused the key", "gate 'whole' failed")
    assert (tree(user), user.run_id() != run) == (first, True)
    assert KEY not in record.read_text()
