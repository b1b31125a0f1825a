"""An agent drives orch by MCP: the installed `orch mcp`, spoken to by the SDK's own client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.integration.maker.support import FINISH, call, calls
from tests.support.cli import ORCH, User, ended_with, refused, wait_for
from tests.support.mcp import asking, asking_inside
from tests.support.served import served

TASKS = [
    {"id": "a", "title": "The first", "prompt": "write it", "paths": ["a.txt"]},
    {"id": "b", "prompt": "write it too", "paths": ["b.txt"], "needs": ["a"]},
]
BEGIN = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "old", "version": "1"},
    },
}
WORKS = 'echo by > "$ORCH_TASK.txt"'


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[User]:
    """A person who has trusted nothing yet; what a failed test left running is ended."""
    here = User(tmp_path)
    yield here
    for pid in here.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def user(newcomer: User) -> User:
    """The same, when they have trusted the settings, as `orch trust` asks them to."""
    ended_with(newcomer.orch("trust", "--yes"), 0)
    return newcomer


def test_an_agent_plans_starts_waits_for_and_reads_a_run(user: User, tmp_path: Path) -> None:
    before = user.things()
    log = tmp_path / "stderr"
    with asking(user.root, user.environ, errlog=log) as agent:
        assert "wait" in agent.client.instructions
        planned = agent.call("plan", goal="Some work", tasks=TASKS, name="work")
        assert planned["ok"] and planned["tasks"] == ["a", "b"]
        assert "an agent, mcp" in (user.root / planned["file"]).read_text()
        assert agent.call("check_plan", plan="work")["version"] == planned["version"]
        step = planned["next"][0]
        started = agent.call(step["tool"], **step["arguments"])
        assert started["going_on"] and "no sandbox" in " ".join(started["warnings"])
        step = started["next"][0]
        assert step["tool"] == "wait"
        waited = agent.call("wait", **step["arguments"])
        assert waited["ended"] and waited["exit_code"] == 0, waited
        assert "landed a" in " ".join(waited["said"])
        assert [one["tool"] for one in waited["next"] if "tool" in one] == ["diff"]
        assert waited["next"][-1]["person"] == f"orch accept {waited['run']}"
        status = agent.call("status")
        assert status["counts"] == {"landed": 2} and status["target"] == "main"
        told = agent.call("show_task", task="a")
        assert told["status"] == "landed" and told["attempts"][0]["outcome"] == "green"
        (server,) = [pid for pid, what in user.processes().items() if " mcp " in what]
        wait_for(lambda: not psutil.Process(server).children(), why=lambda: "its engine is left")
        change = agent.call("diff", run=waited["run"])
        assert "+by a" in change["text"] and change["files"][0] == {
            "path": "a.txt",
            "change": "added",
        }
        assert agent.call("report")["text"].startswith("# Some work")
        assert agent.read(f"orch://run/{waited['run']}/report").startswith("# Some work")
        events = agent.read(f"orch://run/{waited['run']}/ledger").splitlines()
        assert json.loads(events[0])["body"]["started_by"].startswith("mcp ")
        assert 'goal = "Some work"' in agent.read("orch://plan/work")
        assert "orch://plan/work" in agent.read("orch://plans")
        assert waited["run"] in agent.read("orch://runs")
    now = user.things()
    assert {key for key in now if now[key] != before.get(key)} == {"file .agent/plans"} | {
        "file .agent/plans/work.toml"
    }
    assert "start_run: " in log.read_text()
    user.wait_gone()


def test_it_says_nothing_that_a_person_must_say(newcomer: User) -> None:
    user = newcomer
    with asking_inside(user.root, user.environ) as agent:
        agent.call("plan", goal="Some work", tasks=TASKS[:1], name="work")
        said = agent.refused("start_run", plan="work")
        assert "not trusted" in said and "in a terminal of their own: orch trust" in said
        assert not (user.root / ".git/orch/ledger.sqlite").exists(), "nothing was recorded"
        assert not list(user.root.glob(".git/orch/trusted/*")), "an agent trusts nothing"

        ended_with(user.orch("trust", "--yes"), 0)
        plan = user.root / ".agent/plans/work.toml"
        plan.write_text(plan.read_text() + 'may_change = [".agent/**"]\n')
        said = agent.refused("start_run", plan="work")
        assert "task 'a' may change protected paths" in said and "orch run work" in said
        assert agent.call("check_plan", plan="work")["next"][0]["person"] == "orch run work"
        said = agent.refused("plan", goal="More", tasks=[{**TASKS[0], "may_change": ["x"]}])
        assert "may_change" in said and "hint: its arguments are: goal, tasks" in said

        plan.write_text(plan.read_text().replace('may_change = [".agent/**"]\n', ""))
        plan.write_text(plan.read_text().replace("goal = ", 'base = "last-green"\ngoal = '))
        said = agent.refused("start_run", plan="work")
        assert "longer than a call may take" in said and "orch run work" in said

        user.settings(run="budget_usd = 2.0")
        agent.call("plan", goal="Some work", tasks=TASKS[:1], name="small")
        said = agent.refused("start_run", plan="small", budget_usd=5)
        assert "the settings allow 2, not 5" in said and "--budget-usd 5" in said

        settings = user.root / ".agent/orch.toml"
        settings.write_text(settings.read_text().replace("exit 0", "exit 0; curl example.com"))
        assert "changed since they were trusted" in agent.refused("start_run", plan="small")
        assert "there is no run in this repository yet" in agent.refused("status")
    assert user.left() == []


@pytest.mark.thorough
def test_what_is_held_is_left_to_a_person_and_what_is_asked_may_be_answered(
    user: User,
) -> None:
    user.settings(
        worker='case "$ORCH_TASK" in held) echo x >> .agent/RULES.md;; *) echo no; exit 3;; esac'
    )
    user.plan("held", "bad", name="work")
    plan = user.root / ".agent/plans/work.toml"
    plan.write_text(plan.read_text().replace('"held.txt"', '".agent/**"'))
    ended_with(user.orch("run", "--attempts", "1"), 5)
    with asking_inside(user.root, user.environ) as agent:
        status = agent.call("status")
        assert [one["id"] for one in status["tasks"]] == ["held", "bad"]
        typed = [one["person"] for one in status["next"] if "person" in one]
        assert f"orch allow held .agent/RULES.md --run {status['run']}" in typed
        assert not [one for one in status["next"] if one.get("tool") == "retry"]
        told = agent.call("show_task", task="held")
        assert told["next"][-1]["person"].startswith("orch allow held .agent/RULES.md")
        said = agent.refused("retry", task="held", note="leave it")
        assert "a person must decide, and no agent for them" in said
        assert "it has asked nothing" in agent.refused("answer", task="held", text="yes")
        assert "did you mean" in agent.refused("retry", task="bat", note="again")
        names = {tool.name for tool in agent.of("list_tools").tools}
        assert not names & {"allow", "trust", "reject", "submit"}
        # What failed may be tried again: recorded with who said so, and driven on by itself.
        again = agent.call("retry", task="bad", note="try harder")
        assert again["going_on"]
        waited = agent.call("wait", run=again["run"], after=again["next"][0]["arguments"]["after"])
        assert waited["ended"] and waited["exit_code"] == 5
        assert "said mcp 0.1.0, an agent: try harder" in " ".join(waited["said"])
    user.wait_gone()


def test_what_an_agent_answers_is_recorded_as_its_word_and_the_task_lands(tmp_path: Path) -> None:
    user = User(tmp_path, models=True)
    turns = [
        calls(call("ask", question="Tabs or spaces?"), per="script"),
        calls(call("write", path="a.txt", text="spaces\n")),
        FINISH,
    ]
    with served({"turn": turns}) as model:  # type: ignore[arg-type]
        provider = f'[provider.scripted]\ndialect = "anthropic"\nurl = "{model.url}"\n'
        coder = '\n[worker.coder]\nkind = "model"\nmodel = "scripted:any"\n'
        user.settings(more=coder + provider)
        settings = user.root / ".agent/orch.toml"
        settings.write_text(settings.read_text().replace('worker = "sh"', 'worker = "coder"', 1))
        user.plan("a")
        ended_with(user.orch("run", "work"), 5, "a asks: Tabs or spaces?")
        with asking_inside(user.root, user.environ) as agent:
            status = agent.call("status")
            assert status["questions"] == [{"task": "a", "asks": "Tabs or spaces?"}]
            step = next(one for one in status["next"] if one.get("tool") == "answer")
            said = agent.call("answer", **{**step["arguments"], "text": "Spaces, four of them."})
            assert said["going_on"] and said["next"][0]["tool"] == "wait"
            waited = agent.call("wait", **said["next"][0]["arguments"])
            assert waited["ended"] and waited["exit_code"] == 0, waited
            heard = "a  goes on with the answer of mcp 0.1.0, an agent: Spaces, four of them."
            assert heard in waited["said"] and "landed a" in " ".join(waited["said"])
        told = json.dumps(model.requests[1].body)
    assert "Tabs or spaces?" in told and "Spaces, four of them." in told
    events = [json.loads(line) for line in user.orch("ledger", "events", "--json").out.splitlines()]
    (answered,) = [one["body"] for one in events if one["event"] == "QuestionAnswered"]
    assert answered["said_by"] == "mcp 0.1.0" and answered["task"] == "a"
    assert user.result()["a.txt"] == "spaces"
    user.wait_gone()


def test_it_accepts_only_into_a_branch_that_trusted_settings_name(user: User) -> None:
    user.plan("a", "b", name="work")
    ended_with(user.orch("run"), 0)
    before = user.git("rev-parse", "main")
    with asking_inside(user.root, user.environ) as agent:
        said = agent.refused("accept")
        assert "agents may not accept into main" in said and "orch accept" in said
        settings = user.root / ".agent/orch.toml"
        settings.write_text(settings.read_text() + '\n[mcp_server]\naccept = ["main"]\n')
        said = agent.refused("accept")
        assert "changed since they were trusted" in said, "an agent can write files, not trust"
        assert "accept" not in [one.get("tool") for one in agent.call("status")["next"]]
        assert user.git("rev-parse", "main") == before
        user.commit({}, "agents may accept")  # a checkout with changes is left alone
        assert 'mcp_server: accept = "main"' in user.orch("trust").out
        ended_with(user.orch("trust", "--yes"), 0)
        assert "accept" in [one.get("tool") for one in agent.call("status")["next"]]
        part = agent.call("accept", only=["a"])
        assert part["outcome"] == "accepted" and part["tasks"] == ["a"]
        whole = agent.call("accept")
        assert whole["outcome"] == "accepted" and whole["tasks"] == ["b"]
        assert agent.call("accept")["outcome"] == "nothing"
    assert (user.root / "b.txt").exists()
    said_by = [
        json.loads(line)["body"].get("said_by")
        for line in user.orch("ledger", "events", "--json").out.splitlines()
        if json.loads(line)["event"] == "Accepted"
    ]
    assert said_by == ["mcp 0.1.0", "mcp 0.1.0"]


@pytest.mark.thorough
def test_a_client_hears_while_gates_judge_what_it_accepts(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.mcp_server.accepting.TELL_EVERY_S", 0.05)
    user.settings(gates={"suite": "sleep 0.4"}, more='\n[mcp_server]\naccept = ["main"]\n')
    user.commit({}, "agents may accept")
    ended_with(user.orch("trust", "--yes"), 0)
    user.plan("a", "b", name="work")
    ended_with(user.orch("run"), 0)
    with asking_inside(user.root, user.environ) as agent:
        said = agent.refused("accept", only=["nothing"])
        assert "nothing" in said and "unhandled" not in said
        assert agent.call("accept", only=["b"])["outcome"] == "accepted"
        assert agent.progress and agent.progress[-1][1]


@pytest.mark.thorough
def test_a_client_that_dies_leaves_the_run_going_and_others_follow_it(user: User) -> None:
    user.settings(worker=f"while [ ! -e {user.home}/go ]; do sleep 0.05; done; {WORKS}")
    ended_with(user.orch("trust", "--yes"), 0)
    with asking(user.root, user.environ) as second:
        with asking(user.root, user.environ) as first:
            first.call("plan", goal="Some work", tasks=TASKS, name="work")
            run = first.call("start_run", plan="work")["run"]
            servers = [pid for pid, what in user.processes().items() if " mcp " in what]
            os.killpg(max(servers), signal.SIGKILL)
        waited = second.call("wait", run=run, until="change", timeout_s=20)
        assert waited["phase"] == "going-on" and not waited["ended"]
        short = second.call("wait", run=run, after=waited["seq"], timeout_s=0.2)
        assert short["said"] == [] and short["next"][0]["tool"] == "wait"
        assert "goes on already" in second.call("resume")["what"]
        second.call("stop")
        stopped = second.call("wait", run=run)
        assert stopped["outcome"] == "stopped" and "an agent, asked" in stopped["why"]
        assert stopped["next"][0] == {
            "tool": "resume",
            "arguments": {"run": run},
            "why": "go on where it stopped",
        }
        (user.home / "go").touch()
        resumed = second.call("resume", run=run)
        ended = second.call("wait", **resumed["next"][0]["arguments"])
        assert ended["exit_code"] == 0 and ended["counts"] == {"landed": 2}
        assert second.progress and "of 2 tasks done" in second.progress[-1][1]
        times = [at for at, _ in second.progress]
    assert times == sorted(times)
    user.wait_gone()


def test_what_is_wrong_is_said_with_what_to_do_and_the_server_goes_on(user: User) -> None:
    with asking_inside(user.root, user.environ) as agent:
        assert "'timeout': Extra inputs" in agent.refused("wait", timeout=3)
        assert "less than or equal to 3600" in agent.refused("wait", timeout_s=1e9)
        assert "'plan': Field required" in agent.refused("start_run")
        said = agent.refused("plan", goal="g", tasks=[{"id": "Not legal", "prompt": "p"}])
        assert "plan, task 1" in said and "small letters" in said
        said = agent.refused("plan", goal="g", tasks=[{**TASKS[0], "needs": ["nobody"]}])
        assert "nobody" in said and "hint:" in said
        assert "either `tasks`" in agent.refused("plan", goal="g")
        assert "no file of" in agent.refused("plan", goal="g", files=["nowhere/**"])
        for name in ("../../etc/passwd", "/etc/passwd", ".hidden"):
            assert "no name of a plan" in agent.refused("check_plan", plan=name)
        made = agent.call("plan", goal="g", files=["read*"], name="one")
        assert made["tasks"] == ["readme"]
        again = {"goal": "g", "tasks": TASKS[:1], "name": "one"}
        assert "is there already" in agent.refused("plan", **again)
        (user.root / ".agent/plans/one.toml").open("a").write("# a person was here\n")
        assert "was changed" in agent.refused("plan", **again, replaces=made["version"])
        now = agent.call("check_plan", plan="one")["version"]
        assert agent.call("plan", **again, replaces=now)["tasks"] == ["a"]
        (user.root / ".agent/plans/one.toml").write_text("goal = 3\n")
        broken = agent.call("check_plan", plan="one")
        assert not broken["ok"] and "goal" in " ".join(broken["errors"])
        for uri in ("orch://plan/two", "orch://run/nothing/report"):
            with pytest.raises(Exception, match="there is no"):
                agent.read(uri)
        hints = {tool.name: tool.annotations for tool in agent.of("list_tools").tools}
        looks = {name for name, hint in hints.items() if hint.read_only_hint}
        assert looks == {"check_plan", "wait", "status", "show_task", "diff", "report"}
        assert [n for n, hint in hints.items() if hint.destructive_hint] == ["accept"]


def test_it_serves_no_attempt_and_prints_nothing_but_the_protocol(user: User) -> None:
    for name in ("ORCH_MARK", "ORCH_RUN"):
        environ = {**user.environ, name: "20261126-work-a1/a/1/x"}
        refused(user.orch("mcp", environ=environ), 5, "within a run", name)
    done = subprocess.run(
        (str(ORCH), "mcp"),
        cwd=user.root,
        env=user.environ,
        input=json.dumps(BEGIN) + "\nnot json\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["result"]["serverInfo"]["name"] == "orch"
    assert all(line["jsonrpc"] == "2.0" for line in lines)
    assert done.returncode == 0


@pytest.mark.thorough
def test_the_repository_is_where_it_was_started_or_the_one_that_is_named(user: User) -> None:
    refused(user.orch("mcp", "--repo", "nowhere"), 2, "there is no folder")
    outside = user.home / "outside"
    outside.mkdir()
    with asking_inside(outside, user.environ) as agent:
        assert "hint: " in agent.refused("status")
    with asking(outside, user.environ, "--repo", str(user.root)) as agent:
        assert "no run in this repository" in agent.refused("status")


@pytest.mark.thorough
def test_a_client_that_reads_no_stderr_is_answered_all_the_same(user: User) -> None:
    unread, full = os.pipe()
    os.set_blocking(full, False)
    with suppress(BlockingIOError):
        while True:
            os.write(full, b"x" * 4096)
    os.set_blocking(full, True)
    asked = [
        BEGIN,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "status"}},
    ]
    server = subprocess.Popen(
        (str(ORCH), "mcp"),
        cwd=user.root,
        env=user.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=full,
        text=True,
    )
    os.close(full)
    assert server.stdin is not None and server.stdout is not None
    late = threading.Timer(40, server.kill)
    late.start()
    try:
        server.stdin.write("".join(f"{json.dumps(one)}\n" for one in asked))
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline() or "{}") for _ in range(2)]
        server.communicate()
    finally:
        late.cancel()
        server.kill()
        server.wait()
        os.close(unread)
    assert [one.get("id") for one in answers] == [1, 2] and answers[1]["result"]["isError"]
    assert server.returncode == 0
