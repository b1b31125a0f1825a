"""Automations as a person meets them: typed, killed, looked at, refused."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.e2e.test_cli_planning import FILES, drafts
from tests.support.cli import User, declined, ended_with, refused, wait_for
from tests.support.served import served

ONE_MORE = 'mkdir -p covered; n=$(ls covered | wc -l); echo x > "covered/$n.txt"'
COVER = """
[[automation]]
name = "cover"
goal = "Cover one more file"
schedule = "0 2 * * *"
time_zone = "Europe/Berlin"
until = "covered >= 2"
measure.covered = "ls covered 2>/dev/null | wc -l"
"""


@pytest.fixture
def user(tmp_path: Path) -> User:
    one = User(tmp_path / "home")
    settle(one)
    return one


def settle(user: User, worker: str = ONE_MORE, automations: str = COVER, run: str = "") -> None:
    """Write settings with these automations, under a sandbox of somebody else's."""
    text = f"""
[run]
worker = "sh"
min_free_gb = 0
sandbox = "external"
{run}

[[gate]]
name = "suite"
command = "exit 0"

[worker.sh]
kind = "command"
command = {json.dumps(worker)}
{automations}"""
    user.write({".agent/orch.toml": text})


def test_a_person_starts_one_looks_at_it_and_sees_the_error_shrink(user: User) -> None:
    said = user.orch("schedule", "list")
    ended_with(said, 0, "cover schedule 0 2 * * * Europe/Berlin next 20", "never started")
    said = user.orch("schedule", "run", "cover")
    ended_with(
        said, 0, "covered is 0 before the first round, 2 to go", "cover: holds: covered is 2"
    )
    said = user.orch("schedule", "status", "cover")
    for words in (
        "(a person asked): holds: covered is 2",
        "before 0 2 to go ####",
        "round 2 2 there",
    ):
        assert words in said.words
    (one,) = user.orch("schedule", "list", "--json").json["automations"]
    assert [point["error"] for point in one["last"]["series"]] == [2.0, 1.0, 0.0]
    assert one["last"]["outcome"] == "holds" and one["phase"] == "idle" and one["next_due"]
    run = one["last"]["runs"][0]
    assert "round 1 1 1 to go ####" in user.orch("status", run).words
    newest = user.orch("status", "--json").json
    assert newest["automation"] == "cover" and newest["until"] == "covered >= 2"
    assert newest["series"] == [[0, 0.0, 2.0], [1, 1.0, 1.0], [2, 2.0, 0.0]]
    ended_with(user.orch("ledger", "verify"), 0)
    user.wait_gone()


@pytest.mark.thorough
def test_killed_in_the_middle_of_a_round_it_goes_on_by_itself_the_next_time(user: User) -> None:
    go = user.home / "go"
    settle(user, f"if [ -d covered ] && [ ! -e {go} ]; then sleep 600; fi; {ONE_MORE}")
    with user.typing("schedule", "run", "cover") as typed:
        typed.hears("round 2 is run")
        typed.hears("started, by sh")
        said = user.orch("schedule", "run", "cover")
        ended_with(said, 0, "cover: skipped: its last run goes on")
        assert "going on" in user.orch("schedule", "list").words
        os.kill(typed.process.pid, signal.SIGKILL)
        typed.said()
    assert "to go on: orch schedule run cover" in user.orch("schedule", "status").words
    go.touch()
    said = user.orch("schedule", "run", "cover", "--waiting")
    ended_with(said, 0, "cover: goes on where it was cut short", "cover: holds: covered is 2")
    (one,) = user.orch("schedule", "list", "--json").json["automations"]
    assert len(one["last"]["runs"]) == 2 and one["skipped"]["reason"] == "going-on"
    user.wait_gone()


@pytest.mark.thorough
def test_two_typed_at_once_are_one_firing(user: User) -> None:
    go = user.home / "go"
    settle(user, f"while [ ! -e {go} ]; do sleep 0.1; done; {ONE_MORE}")
    with (
        user.typing("schedule", "run", "cover") as one,
        user.typing("schedule", "run", "cover") as two,
    ):
        wait_for(lambda: None in (one.process.poll(), two.process.poll()), 1)
        wait_for(lambda: {one.process.poll(), two.process.poll()} == {None, 0}, 60)
        go.touch()
        said = [one.said(), two.said()]
    assert [each.exit_code for each in said] == [0, 0]
    assert sum("skipped: its last run goes on" in each.words for each in said) == 1
    assert sum("cover: holds" in each.words for each in said) == 1


def test_what_an_automation_runs_is_trusted_like_all_else(user: User) -> None:
    ended_with(user.orch("schedule", "run", "cover", "--because", "a test"), 0)
    settle(user, automations=COVER.replace("ls covered", "curl example.com; ls covered"))
    said = user.orch("schedule", "run", "cover", "--because", "a test")
    declined(said, "not trusted", "curl example.com")
    (one,) = user.orch("schedule", "list", "--json").json["automations"]
    assert one["skipped"]["reason"] == "failed" and "trust" in one["skipped"]["why"]
    assert "did not start 20" in (listed := user.orch("schedule", "list")).words, listed
    settle(user, automations=COVER.replace("0 2 * * *", "0 3 * * *"))
    ended_with(user.orch("schedule", "run", "cover", "--because", "a test"), 0)
    assert "did not start" not in user.orch("schedule", "list").words


@pytest.mark.thorough
def test_what_is_wrong_is_said_with_its_line_before_anything_is_run(user: User) -> None:
    wrong = COVER.replace("0 2 * * *", "0 2 30 2 *").replace("covered >= 2", "cover >= 2")
    settle(user, automations=wrong)
    said = user.orch("schedule", "run", "cover")
    words = (
        "orch.toml:19: 'schedule'",
        "it never fires",
        "there is no measure 'cover'",
        "'covered'",
    )
    refused(said, 2, *words)
    settle(user)
    refused(user.orch("schedule", "run", "cove"), 2, "there is no automation 'cove'", "'cover'")
    refused(user.orch("schedule", "status", "cove"), 2, "there is no automation", "'cover'")
    for due in ("soon", "nan", "inf"):
        said = user.orch("schedule", "run", "cover", "--due", due)
        refused(said, 2, f"'{due}' is no time in seconds since the epoch")
    said = user.orch("schedule", "run", "cover", "--due", "99999999999")
    refused(said, 2, "it has not come yet", "--due last")
    settle(user, automations=COVER.replace("wc -l", "cat"))
    user.trust()
    refused(user.orch("schedule", "run", "cover"), 2, "says no number: it printed nothing")
    assert "last 20" in (listed := user.orch("schedule", "list")).words
    assert "not measured: measure 'covered' of automation 'cover' says no number" in listed.words
    settle(user, automations="")
    ended_with(user.orch("schedule", "list"), 0, "cover not in settings")


@pytest.mark.thorough
def test_a_goal_is_planned_by_the_planner_within_the_budget_of_the_automation(
    tmp_path: Path,
) -> None:
    user = User(tmp_path / "home", files=FILES, models=True)
    with served({"turn": [drafts()]}) as model:
        planning = f"""
[worker.thinker]
kind = "model"
model = "script:large"

[provider.script]
dialect = "anthropic"
url = "{model.url}"

[[price]]
model = "script:large"
input = 3
output = 15

[[automation]]
name = "mend"
goal = "Mend the sums"
"""
        works = 'for f in $(cat "$ORCH_PATHS_FILE"); do echo "# $ORCH_TASK" >> "$f"; done'
        settle(user, works, planning, run='planner = "thinker"')
        said = user.orch("schedule", "run", "mend")
        refused(said, 2, "nothing limits what it spends on thinker")
        assert not model.requests, "nobody is asked without a budget"
        settle(user, works, planning + "budget_usd = 1.0\n", run='planner = "thinker"')
        said = user.orch("schedule", "run", "mend")
        ended_with(said, 0, "asking script:large", "planning came to", "mend: done")
    status = user.orch("status", "--json").json
    assert {task["id"]: task["status"] for task in status["tasks"]} == {
        "fix-sum": "landed",
        "name": "landed",
    }
    assert not list((user.root / ".agent/plans").glob("*")), "the checkout is the user's"


def test_wrong_settings_under_a_timer_are_heard_of_once(user: User, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    own = f"[notify]\ncommand = 'cat >> {heard}'\n"
    user.write({".agent/.gitignore": "state_ledger.json\norch.local.toml\nplans/\n"})
    user.write({".agent/orch.local.toml": own})
    ended_with(user.orch("trust", "--yes"), 0)
    right = (user.root / ".agent/orch.toml").read_text()
    user.write({".agent/orch.toml": right + "parallell = 3\n"})
    said = user.orch("watch", "--once")
    refused(said, 2, "parallell")
    assert "you were told (command)" in said.err
    assert heard.read_text().startswith("project: failed: no automation starts: .agent/orch.toml:")
    refused(user.orch("schedule", "run", "cover", "--due", "last"), 2, "parallell")
    assert heard.read_text().count("no automation starts") == 1, "not once a minute"
    said = user.orch("schedule", "status")
    refused(said, 2, "2 starts came to nothing from", "parallell", "you were told (command)")
    # A person who looks afterwards sees it too; and the next trouble is told again.
    user.write({".agent/orch.toml": right})
    ended_with(user.orch("watch", "--once"), 0)
    said = user.orch("schedule", "list")
    ended_with(said, 0, "2 starts came to nothing", "since then it went well")
    user.write({".agent/orch.toml": right + "parallell = 3\n"})
    refused(user.orch("watch", "--once"), 2)
    assert heard.read_text().count("no automation starts") == 2


def test_what_tells_of_wrong_settings_was_trusted(user: User, tmp_path: Path) -> None:
    heard, evil = tmp_path / "heard", tmp_path / "evil"
    right = (user.root / ".agent/orch.toml").read_text()
    shared = right + f"[notify]\ncommand = 'cat >> {heard}'\n"
    user.write({".agent/orch.toml": shared})
    ended_with(user.orch("trust", "--yes"), 0)
    user.write({".agent/orch.toml": shared.replace('worker = "sh"', 'worker = "gone"')})
    refused(user.orch("watch", "--once"), 2, "there is no worker 'gone'")
    assert "gone" in heard.read_text()
    # Another command in its place, by a pull, tells nobody; nor does one of a file that git tracks.
    user.write({".agent/orch.toml": "odd = 1\n" + shared.replace(str(heard), str(evil))})
    refused(user.orch("watch", "--once"), 2, "nobody was told: no [notify]", "odd")
    user.commit({".agent/orch.local.toml": f"odder = 2\n[notify]\ncommand = 'cat >> {evil}'\n"})
    refused(user.orch("watch", "--once"), 2, "nobody was told", "odd")
    assert not evil.exists()
    # Commands that nobody has trusted yet are told of as well, by what was trusted.
    (user.root / ".agent/orch.local.toml").unlink()
    user.write({".agent/orch.toml": shared.replace('"exit 0"', '"exit 0 # new"')})
    said = user.orch("schedule", "run", "cover", "--due", "last")
    assert said.exit_code == 5 and "needs you: no automation starts" in heard.read_text()
    assert "orch trust" in heard.read_text()
