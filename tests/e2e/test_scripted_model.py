"""`orch scripted-model` as a person types it, and a worker that calls it."""

import json
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.cli import User, ended_with

SCRIPT = """
[[turn]]
task = "first"
text = "hello from the script"

[[turn]]
status = 429
"""
REQUEST = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "first"}]}

ASKS = f"""\
{sys.executable} - <<'END'
import json, os, urllib.request
prompt = open(os.environ["ORCH_PROMPT_FILE"]).read()
body = {{"model": "m", "messages": [{{"role": "user", "content": prompt}}]}}
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
request = urllib.request.Request(url, json.dumps(body).encode())
answer = json.load(urllib.request.urlopen(request, timeout=30))
(call,) = answer["choices"][0]["message"]["tool_calls"]
wanted = json.loads(call["function"]["arguments"])
open(wanted["path"], "w").write(wanted["text"])
END
"""
WRITES = """
[[turn]]
task = "{task}"
call = [{{ name = "write", input = {{ path = "{task}.txt", text = "by the model" }} }}]
"""


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "home")


def post(url: str, body: object, key: str = "sk-none") -> dict:
    request = urllib.request.Request(
        f"{url}/v1/messages", json.dumps(body).encode(), {"x-api-key": key}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_a_script_is_served_until_ctrl_c_and_requests_are_recorded(
    user: User, tmp_path: Path
) -> None:
    script, record = tmp_path / "s.toml", tmp_path / "sent.jsonl"
    script.write_text(SCRIPT)
    key = "sk-ant-api03-" + "aB3dE5gH7j" * 9 + "AA"
    more = {"role": "user", "content": f"the key is {key}"}
    with user.typing("scripted-model", str(script), "--record", str(record), "--json") as typed:
        typed.hears("Ctrl-C ends it")
        assert typed.process.stdout is not None
        told = json.loads(typed.process.stdout.readline())
        answer = post(told["url"], {**REQUEST, "messages": [*REQUEST["messages"], more]}, key)
        assert answer["content"] == [{"type": "text", "text": "hello from the script"}]
        typed.hears("1 anthropic,")
        typed.press(signal.SIGINT)
        ended_with(typed.said(10), 0)
    (line,) = record.read_text().splitlines()
    sent = json.loads(line)
    assert sent["body"]["messages"][0] == REQUEST["messages"][0]
    assert sent["headers"]["x-api-key"] == "(hidden)"
    assert key not in line
    assert record.stat().st_mode & 0o777 == 0o600


def test_what_is_wrong_is_said_with_what_to_type(user: User, tmp_path: Path) -> None:
    script = tmp_path / "s.toml"
    script.write_text("[[turn]]\ntxt = 'x'\n")
    said = user.orch("scripted-model", str(script))
    ended_with(said, 2)
    assert f"{script}:2: unknown key 'txt'\n  hint: did you mean 'text'?" in said.err
    script.write_text(SCRIPT)
    said = user.orch("scripted-model", str(script), "--check")
    ended_with(said, 0)
    assert said.out == f"{script}: 2 turns, no errors\n"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = user.orch("scripted-model", str(script), "--port", str(taken.getsockname()[1]))
    ended_with(said, 2)
    assert "Address already in use" in said.err and "hint: leave --port out" in said.err


@pytest.mark.thorough
def test_workers_of_a_run_call_the_scripted_model(user: User, tmp_path: Path) -> None:
    script = tmp_path / "s.toml"
    script.write_text("".join(WRITES.format(task=task) for task in ("one", "two")))
    user.settings(worker=ASKS, more='env = ["OPENAI_BASE_URL"]\n')
    text = 'goal = "Some work"\n'
    for task in ("one", "two"):
        text += f'[[task]]\nid = "{task}"\nprompt = "write {task}"\npaths = ["{task}.txt"]\n'
    user.write({".agent/plans/work.toml": text})
    with user.typing("scripted-model", str(script)) as typed:
        assert typed.process.stdout is not None
        url = typed.process.stdout.readline().strip()
        environ = {**user.environ, "OPENAI_BASE_URL": f"{url}/v1"}
        ended_with(user.orch("run", environ=environ), 0)
        typed.press(signal.SIGTERM)
        ended_with(typed.said(10), 0)
    result = user.result()
    assert (result["one.txt"], result["two.txt"]) == ("by the model", "by the model")
