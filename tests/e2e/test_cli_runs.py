"""A run from the command line: plan, run, look, decide; interrupted in every way."""

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.terminal import ORCH, Terminal


@pytest.fixture
def here(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def eventually(true: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def working(here: Terminal, task: str) -> Callable[[], bool]:
    """Whether a worker is at the task, looked up without typing a command each time."""
    return lambda: here.statuses().get(task) == "working"


def tells_the_same_as_json(here: Terminal, run: str) -> None:
    """What `show`, `log` and `report` say in words, their documents say too."""
    told = here.orch("show", "--json").json
    assert told["session_id"] == run and told["target_goal"] == "Some work"
    assert told["baseline"]["status"] == "green" and told["gates"] and told["limits"]["attempts"]
    landed = {name for landing in told["landings"] for name in landing["tasks"]}
    assert landed == {"a", "twice", "b"}
    assert told["tasks"]["stubborn"]["status"] == "failed"
    assert told["tasks"]["stubborn"]["attempts_count"] == 2
    assert told["tasks"]["a"]["duration_s"] > 0 and told["tasks"]["a"]["execution_log"]

    task = here.orch("show", "twice", "--json").json
    red, green = (one["verdicts"][0] for one in task["attempts"][0]["rounds"])
    assert (red["outcome"], green["outcome"]) == ("failed", "passed") and green["duration_s"] > 0
    judged = [one for one in task["candidates"] if one["outcome"] == "passed"][-1]
    assert "twice" in judged["tasks"] and judged["verdicts"] and task["landed"]["commit"]
    assert task["max_allowed_attempts"] == 2 and task["execution_log"] and "log_text" not in red
    stubborn = here.orch("show", "stubborn", "--log", "--json").json
    assert "I cannot do it" in stubborn["attempts"][1]["rounds"][0]["log_text"]

    log = here.orch("log", "stubborn", "--json").json
    assert log["text"] == "I cannot do it\n" and "attempt 2" in log["where"] and not log["live"]

    one = here.orch("report", "--json").json
    assert (one["run"], one["outcome"], one["exit_code"]) == (run, "complete", 1)
    tasks = {part: [line["task"] for line in one[part]] for part in ("failed", "not_tried")}
    assert tasks == {"failed": ["stubborn"], "not_tried": ["after"]}
    assert {line["task"] for line in one["landed"]} == landed == set(one["unaccepted"])
    assert one["target_now"]["how"] == "merges" and one["result"]["unjudged"] == 0
    assert any("no sandbox" in said.lower() for said in one["read_first"]["warnings"])
    assert len(one["failed"][0]["attempts"]) == 2
    assert {gate["gate"] for gate in one["time"]["gates"]} == {"quick", "suite"}
    assert any(step["command"].startswith("orch accept") for step in one["next"])
    since = here.orch("report", "--since", "today", "--json").json
    assert [told["run"] for told in since["runs"]] == [run] and since["costs"]["rows"] == []


def test_a_whole_piece_of_work_from_plan_to_clean(here: Terminal) -> None:
    here.plan(("a", ()), ("twice", ()), ("b", ("a",)), ("stubborn", ()), ("after", ("stubborn",)))
    before = here.git("rev-parse", "main"), here.git("status", "--porcelain")
    said = here.installed("run", "--attempts", "2")
    assert said.exit_code == 1
    assert (
        "result landed" in said.err and "no sandbox" in said.err and "landed" not in said.err[:20]
    )
    reasons = [line for line in said.err.splitlines() if "exit 3" in line]
    assert len(reasons) == 1, "a reason is said in full once"
    assert "warning" not in said.err, "files that are yet to be made are nothing to warn of"
    assert "1 failed" in said.out and 'orch retry stubborn --note "..."' in said.out
    assert (here.git("rev-parse", "main"), here.git("status", "--porcelain")) == before

    quick = here.installed("status")
    assert quick.exit_code == 0 and "3 landed" in quick.out and "needs stubborn" in quick.out
    run = here.orch("status", "--json").json["run"]
    # The long way (a run is named, so it is folded anew) says the same as the kept view.
    assert here.orch("status", run).out == quick.out
    told = here.orch("show", "twice").out
    assert "round 2" in told and "gate 'quick' failed" in told
    assert "I cannot do it" in here.orch("show", "stubborn", "--log").out
    shown = here.orch("log", "stubborn")
    assert shown.out == "I cannot do it\n" and "attempt 2" in shown.err
    change = here.orch("diff", "a", "--json").json
    assert change["files"] == [{"path": "a.txt", "change": "added"}] and change["cut"] is False
    assert "+by a" in change["patch"] and len(change["head"]) == 40
    assert "patch" not in here.orch("diff", "--stat", "--json").json
    assert "+by a" in here.orch("diff", "a").out and "b.txt" in here.orch("diff", "--stat").out
    report = here.orch("report", run[:12]).out
    assert report.startswith("# Some work") and "## Failed" in report and "orch accept" in report
    assert here.orch("ledger", "verify").exit_code == 0
    tells_the_same_as_json(here, run)

    said = here.installed("accept")
    assert said.exit_code == 0 and (here.root / "b.txt").read_text() == "by b\n"
    assert here.orch("accept").out.startswith("nothing to accept")
    assert here.orch("ledger", "verify", "--json").json["agrees"] is True
    assert here.orch("clean").exit_code == 0
    left = here.git("for-each-ref", "--format=%(refname)").splitlines()
    assert left == ["refs/heads/main"]
    assert here.orch("status").exit_code == 0 and here.orch("resume").exit_code == 2


def test_events_come_one_a_line_from_the_first_to_the_last(here: Terminal) -> None:
    here.plan(("a", ()))
    said = here.orch("run", "--json")
    events = [json.loads(line) for line in said.out.splitlines()]
    assert [one["seq"] for one in events] == list(range(1, len(events) + 1))
    assert events[0]["event"] == "RunStarted" and events[-1]["event"] == "RunFinished"
    again = here.orch("ledger", "events", "--json").out
    assert [json.loads(line)["event"] for line in again.splitlines()] == [
        one["event"] for one in events
    ]
    late = here.orch("ledger", "events", "--after", str(len(events) - 1)).out
    assert late.count("\n") == 1 and "RunFinished" in late
    ledger = here.orch("ledger", "export", "--task", "a").json
    assert ledger["current_attempt"] == 1 and ledger["execution_log"]


def test_a_dry_run_shows_everything_and_starts_nothing(here: Terminal) -> None:
    here.plan(("a", ()), ("b", ("a",)))
    said = here.orch("run", "--dry-run", "--parallel", "7")
    assert said.exit_code == 0 and "a -> b" in said.out and "7 workers" in said.out
    assert "judged by: suite" in said.out and "forecast:" in said.out
    assert not (here.root / ".git" / "orch" / "ledger.sqlite").exists()


def test_a_base_that_is_red_stops_the_run_unless_that_is_allowed(here: Terminal) -> None:
    here.write({"suite.sh": "echo broken; exit 1\n"})
    here.git("commit", "-qam", "break it")
    here.plan(("a", ()))
    said = here.orch("run")
    assert said.exit_code == 5 and "red base" in said.out and "orch log --gate suite" in said.out
    assert here.orch("log", "--gate", "suite").out == "broken\n"
    said = here.orch("run", "--allow-red-base", "--accept")
    assert said.exit_code == 0 and "suite did not judge this run" in said.out
    assert (here.root / "a.txt").exists(), "--accept brings a whole result into the target"
    assert "suite did not judge this run" in here.orch("report").out


@pytest.mark.thorough
def test_a_detached_run_is_waited_for_followed_and_stopped_from_elsewhere(here: Terminal) -> None:
    here.plan(("a", ()), ("slow", ()))
    here.write({"ledger/__init__.py": "raise SystemExit('a module of the checkout ran')\n"})
    said = here.orch("run", "--detach")
    assert said.exit_code == 0 and "orch status" in said.err
    run = said.out.strip()
    change = here.orch("wait", "--for", "change", "--after", "1", "--timeout", "20", "--json").json
    assert change["run"] == run and change["said"] and change["phase"] == "going-on"
    eventually(lambda: here.statuses().get("a") == "landed")
    watch = here.start("status", "--watch")
    late = here.orch("wait", "--for", "end", "--timeout", "1", "--json")
    assert late.exit_code == 4 and late.json["phase"] == "going-on"
    second = here.orch("resume")
    assert second.exit_code == 2 and "an engine already drives run" in second.err
    assert "going on" in here.orch("status").out
    stopped = here.orch("stop")
    assert stopped.exit_code == 0 and "asked to end" in stopped.out
    assert here.orch("wait", "--for", "end", "--timeout", "30").exit_code == 130
    out, err = watch.communicate(timeout=30)
    assert watch.returncode == 0 and "stopped" in out and "is ending" in err
    assert "orch resume" in here.orch("status").out
    assert "nothing to stop" in here.orch("stop").out


@pytest.mark.thorough
def test_ctrl_c_once_ends_in_order_and_the_run_can_be_resumed(here: Terminal) -> None:
    here.plan(("a", ()), ("slow", ()))
    engine = here.start("run", "--parallel", "2")
    eventually(working(here, "slow"))
    engine.send_signal(signal.SIGINT)
    out, err = engine.communicate(timeout=30)
    assert engine.returncode == 130 and "ending in order" in err
    assert "stopped" in out and "orch resume" in out
    (here.home / "script.toml").write_text('[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n')
    said = here.orch("resume")
    assert said.exit_code == 0 and "2 landed" in said.out


@pytest.mark.thorough
def test_ctrl_c_twice_ends_at_once_and_leaves_no_process(here: Terminal) -> None:
    # A worker that will not go quietly keeps an end in order waiting.
    stubborn, at_work = f"sleep 31.{os.getpid()}", here.home / "at-work"
    command = f"trap '' TERM INT; touch {at_work}; {stubborn} & wait; {stubborn}"
    path = here.root / ".agent" / "orch.toml"
    text = path.read_text()
    path.write_text(text[: text.rindex("command =")] + f'command = "{command}"\n')
    here.plan(("a", ()))
    engine = here.start("run")
    eventually(at_work.exists)
    engine.send_signal(signal.SIGINT)
    time.sleep(0.2)
    engine.send_signal(signal.SIGINT)
    _, err = engine.communicate(timeout=30)
    assert engine.returncode == 130 and "ending at once" in err
    left = subprocess.run(["pgrep", "-f", stubborn], capture_output=True, text=True, check=False)
    assert left.stdout == ""


def test_an_engine_that_is_killed_is_said_to_be_gone_and_resumed(here: Terminal) -> None:
    here.plan(("a", ()), ("slow", ()))
    engine = here.start("run")
    eventually(working(here, "slow"))
    # It is made a moment later; git's own list fails while an entry comes or goes.
    entries = here.root / ".git" / "worktrees"
    eventually(lambda: list(entries.glob("orch-*")))
    engine.kill()
    engine.communicate(timeout=30)
    assert "interrupted" in here.orch("status").out
    assert here.orch("wait", "--for", "end", "--timeout", "20").exit_code == 5
    doctor = here.orch("doctor").out
    assert "no engine drives it" in doctor and " of dead engines" in doctor
    (here.home / "script.toml").write_text('[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n')
    run = here.orch("status", "--json").json["run"]
    here.plan(("other", ()), name="other")
    assert f"run {run} is not finished: orch resume {run}" in here.orch("run").err
    assert here.orch("resume", run).exit_code == 0
    assert here.orch("ledger", "verify", run).exit_code == 0
    assert " of dead engines" not in here.orch("doctor").out


@pytest.mark.thorough
def test_a_deadline_ends_the_run_in_order(here: Terminal) -> None:
    here.plan(("slow", ()))
    said = here.orch("run", "--deadline", "1s")
    assert said.exit_code == 4 and "orch resume --deadline 2h" in said.out
    said = here.orch("resume")
    assert said.exit_code == 2 and "the run's deadline has passed" in said.err
    (here.home / "script.toml").write_text('[[step]]\nwrite = { "slow.txt" = "done" }\n')
    assert here.orch("resume", "--deadline", "never").exit_code == 0
    for wrong in ("soon", "0", ""):
        assert here.orch("run", f"--deadline={wrong}").exit_code == 2


def test_a_person_takes_a_failed_task_over_and_rejects_what_landed(here: Terminal) -> None:
    (here.home / "script.toml").write_text(
        """
        [[step]]
        task = "half"
        unless_feedback = "use the other way"
        write = { "half.txt" = "WRONG" }
        exit = 0
        [[step]]
        write = { "{task}.txt" = "by {task}\\n" }
        """
    )
    here.plan(("a", ()), ("half", ()), ("b", ("a",)))
    assert here.orch("run", "--attempts", "1").exit_code == 1
    taken = here.orch("take", "half")
    assert taken.exit_code == 0 and "git switch" in taken.err
    branch = taken.out.split()[0]
    work = here.home / "by-hand"
    here.git("worktree", "add", "-q", str(work), branch)
    (work / "half.txt").write_text("right\n")
    here.git("-C", str(work), "commit", "-qam", "by hand")
    said = here.orch("submit", "half")
    assert said.exit_code == 0 and "3 landed" in said.out
    said = here.orch("reject", "a")
    assert said.exit_code == 0 and "needs them: b" in said.out and "2 rejected" in said.out
    said = here.orch("retry", "a", "--note", "use the other way", "--later")
    assert said.exit_code == 0 and "orch resume" in said.err
    assert "interrupted" in here.orch("status").out, "a kept view is outdated by a person's word"
    assert here.orch("retry", "b", "--later", "--json").json["tasks"] == ["b"]
    said = here.orch("resume")
    assert said.exit_code == 0 and "3 landed" in said.out
    said = here.orch("accept", "--only", "b", "--to", "part")
    assert said.exit_code == 0 and "taken along, since they are needed: a" in said.err
    assert "half.txt" not in here.git("ls-tree", "--name-only", "part").split()
    assert here.orch("ledger", "verify").exit_code == 0


@pytest.mark.thorough
def test_a_protected_change_waits_for_a_person_who_allows_it(here: Terminal) -> None:
    (here.home / "script.toml").write_text(
        '[[step]]\nwrite = { "conftest.py" = "pass\\n", "a.txt" = "x" }\n'
    )
    here.plan(("a", ()))
    plan = here.root / ".agent" / "plans" / "work.toml"
    plan.write_text(plan.read_text().replace('"a.txt"', '"a.txt", "conftest.py"'))
    said = here.orch("run")
    assert said.exit_code == 5 and "orch allow a conftest.py" in said.out
    assert "+pass" in here.orch("diff", "a").out
    before = here.orch("status", "--json").json["seq"]
    wrong = here.orch("allow", "a", "conftest.py", "other.py")
    assert wrong.exit_code == 2 and "'other.py'" in wrong.err and "conftest.py" in wrong.err
    assert here.orch("status", "--json").json["seq"] == before, "nothing of it was recorded"
    time.sleep(1.5)
    began = time.monotonic()
    said = here.orch("allow", "a", "conftest.py")
    assert said.exit_code == 0 and "1 landed" in said.out
    took = time.monotonic() - began
    status = here.orch("status", "--json").json
    pause_s = status["ended_at"] - status["started_at"] - status["driven_s"]
    assert pause_s > 1.4, f"the wait for a person counted: {status['driven_s']} s, {took} s"


@pytest.mark.thorough
def test_what_landed_may_be_left_out_altogether_and_that_is_said(here: Terminal) -> None:
    here.plan(("a", ()))
    assert here.orch("run").exit_code == 0
    said = here.orch("accept", "--without", "a")
    assert said.exit_code == 0 and "nothing to accept: --without leaves out all" in said.out
    assert "has landed: a" in said.out and "orch accept" in said.err
    why = here.orch("accept", "--without", "a", "--json").json["why"]
    assert why == "--without leaves out all that has landed: a"
    here.orch("accept")
    doctor = here.orch("doctor").out
    assert "2 gates, 1 worker\n" in doctor and "1 run\n" in doctor and "0 engines" in doctor


def test_work_that_nobody_accepted_is_not_cleaned_away(here: Terminal) -> None:
    here.plan(("a", ()))
    assert here.orch("run").exit_code == 0
    run = here.orch("status", "--json").json["run"]
    said = here.orch("clean", run)
    assert said.exit_code == 5 and "landed, not accepted: a" in said.err and "--discard" in said.err
    assert here.git("rev-parse", f"orch/{run}/result")
    assert here.orch("clean", "--older-than", "7d").out == "cleaned 0 runs\n"
    said = here.orch("clean", run, "--discard")
    assert said.exit_code == 0 and "kept aside for 30 days" in said.out


@pytest.mark.thorough
def test_commands_name_a_run_that_is_not_the_newest(here: Terminal) -> None:
    here.plan(("slow", ()))
    first = here.orch("run", "--detach").out.strip()
    here.orch("stop")
    here.orch("wait", "--timeout", "30")
    here.plan(("a", ()), name="other")
    assert "is not finished" not in here.orch("run").err, "a stopped run is finished"
    second = here.orch("status", "--json").json["run"]
    assert second != first
    named = here.orch("status", first).out
    assert f"orch resume {first}" in named, "commands name a run that is not the newest"


def test_a_terminal_shows_a_live_view_and_then_where_things_stand(here: Terminal) -> None:
    here.plan(("a", ()), ("twice", ()), ("b", ("a",)))
    primary, secondary = pty.openpty()
    engine = subprocess.Popen(
        [str(ORCH), "run"],
        cwd=here.root,
        env={**here.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        stdin=secondary,
        stdout=secondary,
        stderr=secondary,
        start_new_session=True,
    )
    os.close(secondary)
    screen = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([primary], [], [], 1.0)
        if not ready:
            continue
        try:
            data = os.read(primary, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        screen += data
    assert engine.wait(timeout=10) == 0
    os.close(primary)
    text = screen.decode()
    assert "\x1b[?25l" in text and "\x1b[?25h" in text, "the cursor is hidden, and given back"
    assert "working" in text and "result landed" in text and "orch accept" in text
    assert "\x1b[32m" in text


def test_a_terminal_that_closes_ends_an_attached_run_in_order(here: Terminal) -> None:
    here.plan(("slow", ()))
    engine = here.start("run")
    eventually(working(here, "slow"))
    engine.send_signal(signal.SIGHUP)
    engine.communicate(timeout=30)
    status = here.orch("status", "--json").json
    assert status["outcome"] == "stopped" and engine.returncode == 130
