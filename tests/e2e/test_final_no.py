"""`orch reject` on a held task: a final no, which a person may take back."""

from __future__ import annotations

from pathlib import Path

from tests.support.cli import User, ended_with, refused

PLAN = """goal = "Some work"
[[task]]
id = "good"
prompt = "do it"
[[task]]
id = "bad"
prompt = "do it"
[[task]]
id = "after"
prompt = "do it"
needs = ["bad"]
"""
PROTECTED = 'case $ORCH_TASK in bad) echo > conftest.py;; *) echo > "$ORCH_TASK.txt";; esac'


def statuses(user: User) -> dict[str, str]:
    return {task["id"]: task["status"] for task in user.orch("status", "--json").json["tasks"]}


def test_a_held_task_that_is_rejected_asks_nobody_any_more(tmp_path: Path) -> None:
    user = User(tmp_path / "home")
    user.settings(worker=PROTECTED)
    user.write({".agent/plans/work.toml": PLAN})
    said = user.orch("run")
    ended_with(said, 5, "waiting for a person: bad", "orch reject bad", "a final no")
    run = user.orch("status", "--json").json["run"]
    ref = f"refs/orch/{run}/attempt/bad/1"
    head = user.git("rev-parse", ref)
    refused(user.orch("reject", "after"), 2, "only what has landed or is held can be rejected")

    said = user.orch("reject", "bad", "--later")
    ended_with(said, 0, "not tried again: bad; skipped, for they need that: after")
    said = user.orch("resume")
    ended_with(said, 1, "some work failed")
    assert statuses(user) == {"good": "landed", "bad": "rejected", "after": "skipped"}
    assert user.git("rev-parse", ref) == head, "what was made stays"
    ended_with(user.orch("ledger", "verify"), 0, "agrees")
    report = user.orch("report").out
    assert "## Rejected" in report and "Taken out" not in report and "Waiting" not in report
    refused(user.orch("allow", "bad", "conftest.py"), 2, "it waits for no path")

    ended_with(user.orch("retry", "bad", "--note", "leave it alone"), 5)
    assert statuses(user) == {"good": "landed", "bad": "held", "after": "waiting"}
