"""The smallest closed loop, as the example and the README tell it."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cli import User, ended_with, refused

EXAMPLE = Path(__file__).parents[2] / "examples" / "fibonacci"


@pytest.fixture
def user(tmp_path: Path) -> User:
    """A user with the example, on a machine whose sandbox is not what this is about."""
    user = User(tmp_path / "home", commits=False, models=True)
    shutil.rmtree(user.root / ".agent")
    shutil.copytree(EXAMPLE, user.root, dirs_exist_ok=True)
    return user


def points_to(user: User, url: str) -> None:
    """Where the model is; the example names a port that may be taken here."""
    settings = user.root / ".agent" / "orch.toml"
    text = settings.read_text()
    assert 'url = "http://127.0.0.1:8765/v1"' in text
    text = text.replace("http://127.0.0.1:8765", url)
    settings.write_text(text.replace("[run]", '[run]\nsandbox = "none"\nmin_free_gb = 0'))
    user.commit({}, "as it was")


@contextmanager
def model(user: User) -> Iterator[str]:
    with user.typing("scripted-model", "model.toml", "--json") as typed:
        assert typed.process.stdout is not None
        yield json.loads(typed.process.stdout.readline())["url"]


def test_a_model_errs_reads_what_the_gate_said_and_lands(user: User) -> None:
    with model(user) as url:
        points_to(user, url)
        said = user.orch("run", "plan.toml")
    ended_with(said, 0, "gate 'compiles' failed", "SyntaxError", "landed fibonacci")
    assert "for _ in range(n):" in user.result()["fibonacci.py"]
    cost = user.orch("cost")
    ended_with(cost, 0, "landed task")
    ended_with(user.orch("ledger", "verify"), 0, "agrees")
    assert not (user.state / "pace").exists(), "the last run that uses it leaves nothing"
    killed = user.state / "pace" / f"{'ab' * 12}.lock"
    killed.parent.mkdir()
    killed.touch()
    user.orch("clean")
    assert not killed.parent.exists(), "what a killed engine left"


def test_a_model_without_a_price_is_refused_before_the_run_with_both_ways_out(user: User) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    points_to(user, "http://127.0.0.1:8765")
    settings = user.root / ".agent" / "orch.toml"

    def typed(model: str, budget: str) -> None:
        text = settings.read_text()
        text = re.sub(r"(?m)(?<=\[worker.coder\]\nkind = \"model\"\n)model = .*$", model, text)
        settings.write_text(re.sub("(?m)^budget_.*$", budget, text))
        user.trust()

    readme = (EXAMPLE.parents[1] / "README.md").read_text()
    model, tokens = 'model = "ollama:qwen3"', "budget_tokens = 2_000_000"
    assert f"    {model}\n" in readme and f"    {tokens}  " in readme
    typed(model, "budget_usd = 5.0")
    both = ('[[price]] model = "ollama:qwen3"', "budget_tokens = 2_000_000", "--budget-tokens 2M")
    said = user.orch("run", "plan.toml")
    refused(said, 2, "model 'ollama:qwen3'", "price is not known", *both)
    assert "used up" not in said.words
    ended_with(user.orch("doctor"), 2, "bad workers model 'ollama:qwen3'", *both)
    assert user.orch("status").exit_code == 2, "no run was recorded"

    address = f'\n[provider.ollama]\nurl = "http://127.0.0.1:{port}/v1"\n'
    settings.write_text(settings.read_text() + address)
    typed(model, tokens)
    words = f"ollama (qwen3): it cannot be reached at 127.0.0.1:{port}"
    ended_with(user.orch("run", "plan.toml"), 5, words)
    assert "model 'ollama" not in user.orch("doctor").words
    settings.write_text(settings.read_text() + f"\n[[price]]\n{model}\ninput = 0.0\noutput = 0.0\n")
    typed(model, "budget_usd = 5.0")
    assert "model 'ollama" not in user.orch("doctor").words


@pytest.mark.thorough
def test_a_run_is_repeated_from_its_record_without_a_model(user: User) -> None:
    record = user.home / "calls.jsonl"
    with model(user) as url:
        points_to(user, url)
        ended_with(user.orch("run", "plan.toml", "--record", str(record)), 0)
    first = user.git("rev-parse", f"orch/{user.run_id()}/result^{{tree}}")
    assert record.stat().st_mode & 0o777 == 0o600
    again = user.orch("run", "plan.toml", "--replay", str(record))
    ended_with(again, 0, "landed fibonacci")
    assert user.git("rev-parse", f"orch/{user.run_id()}/result^{{tree}}") == first

    user.write({"plan.toml": (user.root / "plan.toml").read_text().replace("linear", "little")})
    other = user.orch("run", "plan.toml", "--replay", str(record))
    assert other.exit_code != 0 and "record" in other.words, "another question is not answered"
    for wrong in (("--replay", "nowhere"), ("--record", "no/where"), ("--replay", str(record),
                  "--record", "x")):  # fmt: skip
        said = user.orch("run", "plan.toml", *wrong)
        ended_with(said, 2, "hint:")


def test_the_example_is_tried_with_a_model_of_ones_own(user: User) -> None:
    mine = user.home / "config" / "orch"
    mine.mkdir(parents=True)
    (mine / "orch.toml").write_text('[run]\nsandbox = "none"\nmin_free_gb = 0\n')
    temporary = user.home / "tmp"
    temporary.mkdir()
    environ = {**user.environ, "XDG_CONFIG_HOME": str(mine.parent), "TMPDIR": str(temporary)}

    def live(**named: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, str(EXAMPLE.parent / "live.py")),
            env={**environ, **named},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    refused = live(ORCH_MODEL="fibonacci")
    assert refused.returncode == 2 and "ORCH_MODEL names no model" in refused.stderr
    with model(user) as url:
        said = live(ORCH_MODEL="mine:fibonacci", ORCH_MODEL_URL=f"{url}/v1")
    everything = said.stdout + said.stderr
    assert said.returncode == 0, everything
    assert "gate 'compiles' failed" in everything and "landed fibonacci" in everything
    assert "+    for _ in range(n):" in said.stdout and "landed task" in said.stdout
    assert "what models are told goes to" not in everything, "nothing goes to the example's own"
    assert not list(temporary.iterdir()), "it worked on a copy, which is gone"
