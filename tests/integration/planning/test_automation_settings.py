"""Automations are read from real files; whatever is wrong is told at once, with its line."""

from pathlib import Path
from typing import get_args

import pytest

from ledger.automations import OnEnd
from orchestrator.automations.ending import ACTIONS
from orchestrator.config import load_sourced
from orchestrator.errors import OrchError, Problems
from orchestrator.policy.commands import commands_of

GOOD = """
[worker.coder]
kind = "command"
command = "true"

[[automation]]
name = "nightly-types"
schedule = "0 2 * * *"
time_zone = "Europe/Berlin"
plan = "modernise"
deadline = "07:00"
budget_usd = 3.0

[[automation]]
name = "cover-new-files"
watch = ["src/**/*.py"]
when = "added"
goal = "Write tests for {paths}"
until = "coverage >= 90"
measure.coverage = "coverage report --format=total"
max_rounds = 5
quiet = ["22:00-06:00"]
pause_s = 600
while_running = "queue"
only_if = "test -f .venv/ready"
worker = "coder"
accept = true
into = "main"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".agent").mkdir(parents=True)
    return folder


def say(checkout: Path, text: str, name: str = "orch.toml") -> None:
    (checkout / ".agent" / name).write_text(text)


def told(checkout: Path, text: str, name: str = "orch.toml") -> list[str]:
    """What is said of the settings: file, line, what and hint, in order."""
    say(checkout, text, name)
    with pytest.raises(Problems) as raised:
        load_sourced(checkout)
    return [f"{one.line}: {one.what} | {one.hint}" for one in raised.value.problems]


def one(checkout: Path, *lines: str) -> list[str]:
    """The same of one automation that is right but for these lines, which begin at line 3."""
    head = ["[[automation]]", 'name = "a"']
    rest = [] if any(line.startswith(("plan", "goal")) for line in lines) else ['plan = "p"']
    return told(checkout, "\n".join([*head, *lines, *rest]) + "\n")


def test_every_key_reaches_the_automation(checkout: Path) -> None:
    say(checkout, GOOD)
    nightly, cover = load_sourced(checkout).automations
    assert (nightly.schedule, nightly.time_zone) == ("0 2 * * *", "Europe/Berlin")
    assert (nightly.plan, nightly.deadline, nightly.budget_usd) == ("modernise", "07:00", 3.0)
    assert cover.watch == ("src/**/*.py",) and cover.when == "added"
    assert cover.measure == {"coverage": "coverage report --format=total"}
    assert cover.quiet == ("22:00-06:00",) and cover.pause_s == 600.0
    assert cover.accept and cover.into == "main"


def test_a_list_of_items_is_enough_to_say_what_is_run(checkout: Path) -> None:
    items = '[[automation]]\nname = "a"\nfor_each = "ls"\nbatch = 2\nprompt = "Mend {items}"\n'
    say(checkout, GOOD[: GOOD.index("[[automation]]")] + items)
    (only,) = load_sourced(checkout).automations
    assert (only.for_each, only.goal, only.plan) == ("ls", None, None)


def test_they_are_no_part_of_what_a_run_records(checkout: Path) -> None:
    say(checkout, GOOD)
    with_them = load_sourced(checkout).settings
    say(checkout, GOOD[: GOOD.index("[[automation]]")])
    assert load_sourced(checkout).settings == with_them


def test_everything_is_told_at_once_with_its_line(checkout: Path) -> None:
    found = told(
        checkout,
        """[[automation]]
name = "Nightly"
shedule = "0 2 * * *"

[[automation]]
name = "b"
schedule = "0 2 30 2 *"
time_zone = "Europe/Berln"
plan = "p"
goal = "g"
watch = [".agent/**"]
until = "x"
pause_s = "1h"
""",
    )
    heads = [line.split(" | ")[0] for line in found]
    assert heads[0].startswith("1: it says nothing to run")
    assert heads[1] == "2: 'name' is no legal name: 'Nightly'"
    assert heads[2] == "3: unknown key 'shedule'" and "'schedule'" in found[2]
    assert heads[3].startswith("7: 'schedule': '0 2 30 2 *': it never fires")
    assert heads[4] == "8: 'time_zone': there is no time zone 'Europe/Berln'"
    assert "Europe/Berlin" in found[4]
    assert heads[5] == "10: 'plan' and 'goal' are two answers to what is run"
    assert heads[6].startswith("11: 'watch': '.agent/**' lies in .agent")
    assert heads[7].startswith("12: 'until': 'x' is no comparison")
    assert heads[8] == "13: 'pause_s' must be a number, not text"
    assert len(found) == 9


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (['schedule = "0 2 30 2 *"'], "it never fires"),
        (['schedule = "@daily"'], "write the five fields"),
        (['schedule = "99 * * * *"'], "'schedule'"),
        (['schedule = "0 2 * * *"', 'time_zone = "Mars/Olympus"'], "there is no time zone"),
        (['quiet = ["22-6"]'], "no span of hours"),
        (['schedule = "0 2 * * *"', 'deadline = "25:00"'], "no time of day"),
        (['watch = [".agent/plans/*.toml"]'], "where orch itself writes"),
        (['watch = [".git/**"]'], "lies in .git, where git and orch write all the time | a branch"),
        (['watch = ["src/.GIT/x"]'], "lies in .git"),
        (['watch = ["**"]'], ".agent/state_ledger.json, which orch itself writes"),
        (['watch = ["**/*.json"]'], "which orch itself writes"),
        (['watch = ["**/*.toml"]'], "which orch itself writes"),
        (['watch = ["/home/me/.local/state/orch/**"]'], "nothing outside the checkout"),
        (['watch = ["../other/**"]'], "is refused"),
        (['watch = ["~/state/**"]'], "is refused"),
        (["watch = []"], "'watch' is empty"),
        (['when = "added"'], "'when' does nothing without 'watch'"),
        (['time_zone = "UTC"'], "does nothing without 'schedule' or 'quiet' or 'deadline'"),
        (["max_rounds = 3"], "'max_rounds' does nothing without 'until'"),
        (['until = "covrage >= 9"', 'measure.coverage = "c"'], "did you mean 'coverage'?"),
        (['until = "coverage >= 9"'], "nothing says how it is measured"),
        (['measure.coverage = "c"'], "is never measured"),
        (['until = "a > 1"', 'measure.a = "c"', 'measure.b = "c"'], "'measure.b' is never"),
        (['until = "a > 1"', 'measure.a = " "'], "'a' is empty"),
        (['only_if = ""'], "'only_if' is empty"),
        (["accept = true"], "does not say into which branch"),
        (['into = "main"'], "'into' does nothing without 'accept'"),
        (["accept = true", 'into = "orch/x/result"'], "is none of your branches"),
        (["accept = true", 'into = "orch"'], "is none of your branches"),
        (["accept = true", 'into = "HEAD"'], "is no legal name of a branch"),
        (["accept = true", 'into = "a b"'], "is no legal name of a branch"),
        (["accept = true", 'into = "a$b"'], "is no name of a branch"),
        (['branch = "main"', "accept = true", 'into = "main"'], "would start the next run"),
        (['branch = "refs/heads/main"'], "without refs/heads/"),
        (['webhook = "s3cr3t-value"'], "is no name of a variable"),
        (['plan = "p"', 'for_each = "ls"'], "'plan' and 'for_each' are two answers"),
        (['plan = "p"', 'worker = "sh"'], "'worker' does nothing without 'goal' or 'for_each'"),
        (['goal = "g"', 'prompt = "p"'], "'prompt' does nothing without 'for_each'"),
        (['goal = "Test {paths}"'], "nothing is watched"),
        (['goal = "Test {path}"', 'watch = ["a"]'], "did you mean '{paths}'?"),
        (['goal = " "'], "'goal' is empty"),
        (['while_running = "wait"'], "must be one of skip, queue, replace"),
        (['on_end = ["psh"]'], "must be one of push, pr, notify, not 'psh' | did you mean"),
        (["max_rounds = 0"], "'max_rounds' must be at least 1"),
        (['goal = "g"', 'worker = "codr"', "[worker.coder]", 'kind = "command"', 'command = "c"'],
         "there is no worker 'codr'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(checkout: Path, lines: list[str], words: str) -> None:
    found = one(checkout, *lines)
    assert any(words in said for said in found), found
    assert all(" | " in said for said in found)


def test_each_word_of_on_end_does_something() -> None:
    assert set(ACTIONS) == set(get_args(OnEnd))


def test_names_are_used_once_over_all_files(checkout: Path) -> None:
    table = '[[automation]]\nname = "a"\nplan = "p"\n'
    assert told(checkout, table + table) == [
        "5: a second automation is called 'a'; the first is in line 1 | give it a name of its own"
    ]
    say(checkout, table)
    found = told(checkout, table, "orch.local.toml")
    assert found == [
        "2: an automation of .agent/orch.toml is called 'a' too | give it a name of its own"
    ]


def test_a_person_has_automations_of_their_own_in_the_repositorys_own_file(checkout: Path) -> None:
    say(checkout, "")
    say(checkout, '[[automation]]\nname = "mine"\nplan = "p"\n', "orch.local.toml")
    assert [one.name for one in load_sourced(checkout).automations] == ["mine"]
    user = checkout.parent / "config"
    user.mkdir()
    (user / "orch.toml").write_text('[[automation]]\nname = "all"\nplan = "p"\n')
    with pytest.raises(Problems, match="belongs to one repository"):
        load_sourced(checkout, user)


def test_a_wrong_shape_says_how_to_write_it(checkout: Path) -> None:
    assert told(checkout, '[automation]\nname = "a"\n') == [
        "1: 'automation' is a table | write: [[automation]] with name = \"...\""
    ]


def test_a_name_that_nobody_has_says_the_nearest(checkout: Path) -> None:
    say(checkout, GOOD)
    with pytest.raises(OrchError) as raised:
        load_sourced(checkout).automation("nightly-type")
    assert raised.value.hint == "did you mean 'nightly-types'?"


def test_what_an_automation_runs_counts_for_trust_and_when_it_runs_does_not(
    checkout: Path,
) -> None:
    say(checkout, GOOD)
    sourced = load_sourced(checkout)
    lines = commands_of(sourced.shared(), sourced.shared_automations())
    mine = [line for line in lines if line.startswith("automation cover-new-files: ")]
    assert [line.removeprefix("automation cover-new-files: ") for line in mine] == [
        'goal = "Write tests for {paths}"',
        'worker = "coder"',
        'only_if = "test -f .venv/ready"',
        'measure "coverage" = "coverage report --format=total"',
        "accept = true",
        'into = "main"',
    ]
    assert not [line for line in lines if line.startswith("automation nightly-types")]
    say(checkout, "")
    say(checkout, GOOD, "orch.local.toml")
    sourced = load_sourced(checkout)
    assert not [
        line
        for line in commands_of(sourced.shared(), sourced.shared_automations())
        if line.startswith("automation")
    ], "their own"


def test_a_daily_budget_is_a_persons_or_the_teams(checkout: Path) -> None:
    say(checkout, "[run]\ndaily_usd = 5.0\n")
    say(checkout, "[run]\ndaily_tokens = 1000\n", "orch.local.toml")
    settings = load_sourced(checkout).settings
    assert (settings.daily_usd, settings.daily_tokens) == (5.0, 1000)
