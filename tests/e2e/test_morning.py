"""The morning report: real runs, a branch that has moved, and hostile names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.away import Away
from tests.support.cli import User, refused
from tests.unit.cli.test_html_page import harmless

WORK = (
    'case "$ORCH_TASK" in bad) echo no >&2; exit 1;; guard) echo x >> .agent/RULES.md;;'
    ' *) echo "$ORCH_TASK" > "$ORCH_TASK.txt";; esac'
)


@pytest.fixture
def user(tmp_path: Path) -> User:
    made = User(tmp_path)
    made.settings(worker=WORK, run="attempts = 1")
    return made


def a_run(user: User, *tasks: str, goal: str = "Some work", title: str = "") -> str:
    text = f"goal = '''{goal}'''\n"
    for name in tasks:
        path = ".agent/RULES.md" if name == "guard" else f"{name}.txt"
        text += f"[[task]]\nid = \"{name}\"\nprompt = \"do\"\ntitle = '''{title}'''\n"
        text += f'paths = ["{path}"]\n'
    user.write({".agent/plans/work.toml": text})
    user.orch("run")
    return str(user.orch("status", "--json").json["run"])


def part(report: str, heading: str) -> str:
    return report.partition(f"\n## {heading}\n")[2].partition("\n#")[0]


def test_it_says_first_who_is_needed_then_what_failed_then_what_landed(user: User) -> None:
    first = a_run(user, "a", "bad", goal="First")
    second = a_run(user, "b", "guard", goal="Second")
    user.commit({"elsewhere": "x"}, "main goes on")
    said = user.orch("report", "--since", "yesterday")
    assert said.exit_code == 0
    report = said.out
    assert report.count("No sandbox: workers and gates run as you") == 2
    order = [
        "## Needs you",
        "## Failed",
        "## Landed",
        "## Runs",
        "### Second",
        "### First",
        "## Type next",
    ]
    assert [report.index(heading) for heading in order] == sorted(map(report.index, order))
    assert f"`guard` of `{second}`" in part(report, "Needs you")
    assert f"`bad` of `{first}`" in part(report, "Failed")
    for run, task in ((first, "a"), (second, "b")):
        line = next(x for x in part(report, "Landed").splitlines() if f"`{run}`: `{task}`" in x)
        assert "`main` has gone on by 1 commit; the result merges with it" in line
    commands = re.findall(r"(?m)^(orch .*?)    # ", part(report, "Type next"))
    assert commands[0].startswith("orch diff guard") and f"orch accept {first}" in commands
    assert "2 runs: 1 person needed, 1 complete" in report
    assert "by a person" in report and "4 tasks" in report


@pytest.mark.thorough
def test_an_automation_that_never_came_to_a_run_is_told_too(tmp_path: Path) -> None:
    away = Away(tmp_path)
    away.settings(
        more='[[automation]]\nname = "nightly"\nplan = "gone"\n'
        '[[automation]]\nname = "counts"\ngoal = "x"\nuntil = "x > 1"\nmeasure.x = "true"\n'
    )
    for name, words in (("nightly", "there is no plan 'gone'"), ("counts", "says no number")):
        refused(away.orch("schedule", "run", name, "--because", "it is two"), 2, words)
    failed = part(away.orch("report", "--since", "today").out, "Failed")
    assert "- automation `nightly` did not start, 20" in failed and "no plan 'gone'" in failed
    assert "- automation `counts`, started 20" in failed and ": not measured: " in failed
    told = away.orch("report", "--since", "today", "--json").json
    nightly, counts = sorted(told["automations"], key=lambda one: str(one["settled"]))
    assert "no plan 'gone'" in nightly["not_started"][0]["why"] and told["runs"] == []
    assert counts["settled"][0]["outcome"] == "not-measured"


@pytest.mark.thorough
def test_a_branch_that_conflicts_is_said_so_and_one_that_has_it_all(user: User) -> None:
    run = a_run(user, "a")
    assert "`main` has not moved" in user.orch("report", "--since", "2 hours").out
    user.commit({"a.txt": "mine\n"}, "the same file")
    for typed in (("--since", "1 hour ago"), (run,)):
        report = user.orch("report", *typed).out
        assert "**conflicts** with the result: `a.txt`" in report
    before = user.git("for-each-ref")
    user.git("reset", "-q", "--hard", "HEAD~1")
    assert user.orch("accept").exit_code == 0
    report = user.orch("report", "--since", "today").out
    assert "`main` has all of it" in report and "Not accepted yet" not in report
    assert before.count("\n") == user.git("for-each-ref").count("\n")


def test_what_went_into_another_branch_is_not_said_to_be_in_the_target(tmp_path: Path) -> None:
    away = Away(tmp_path)
    away.settings(
        worker=WORK,
        more='[[automation]]\nname = "nightly"\nplan = "work"\naccept = true\ninto = "nope"\n',
    )
    task = '[[task]]\nid = "a"\nprompt = "do"\npaths = ["a.txt"]\n'
    away.write({".agent/plans/work.toml": f'goal = "Some work"\n{task}'})
    away.commit({}, "the plan")
    away.git("branch", "nope")
    assert away.orch("schedule", "run", "nightly").exit_code == 0
    assert "a.txt" in away.git("ls-tree", "--name-only", "nope")
    assert "a.txt" not in away.git("ls-tree", "--name-only", "main")
    report = away.orch("report", "--since", "today").out
    assert "`main` has all of it" not in report
    assert "`main` has not moved; accepted into `nope`" in part(report, "Landed")
    assert "- Accepted into `nope`, not into `main`: `a`" in report
    run = away.orch("status", "--json").json["run"]
    steps = part(report, "Type next")
    assert f"orch accept {run}" in steps and "bring it into main too: it is in nope" in steps
    assert steps.index("orch accept") < steps.index("orch clean")
    assert away.orch("accept", run).exit_code == 0
    report = away.orch("report", "--since", "today").out
    assert "`main` has all of it" in report and "not into `main`" not in report


def test_of_the_rounds_of_a_firing_only_the_newest_is_offered(tmp_path: Path) -> None:
    away = Away(tmp_path)
    one_more = 'mkdir -p c; echo x > "c/$(ls c | wc -l).txt"'
    away.settings(
        worker=one_more,
        more='[[automation]]\nname = "cover"\ngoal = "One more"\nuntil = "n >= 2"\n'
        'measure.n = "ls c 2>/dev/null | wc -l"\n',
    )
    away.commit({}, "the automation")
    assert away.orch("schedule", "run", "cover").exit_code == 0
    listed = away.orch("schedule", "list", "--json").json["automations"]
    first, second = listed[0]["last"]["runs"]

    def offered() -> list[str]:
        report = away.orch("report", "--since", "today").out
        assert f"`{first}`: `one-more` (run `{second}` has all of it)" in report
        assert f"Run `{second}` began at its result and has all of it" in report
        return re.findall(r"(?m)^(orch .*?) +# ", part(report, "Type next"))

    assert offered() == [f"orch diff --run {second}", f"orch accept {second}"]
    assert away.orch("accept", second, "--squash").exit_code == 0
    assert "c/0.txt" in away.git("ls-tree", "-r", "--name-only", "main")
    assert offered() == [f"orch clean {second}"]


@pytest.mark.thorough
def test_a_time_in_which_nothing_was_run_says_so(user: User) -> None:
    assert "Nothing was run" in user.orch("report", "--since", "7d").out
    a_run(user, "a")
    assert "1 run: 1 complete" in user.orch("report", "--since", "7d").out
    refused(user.orch("report", "--since", "soon"), 2, "'soon' is no date", "yesterday")
    run = user.orch("status", "--json").json["run"]
    refused(user.orch("report", run, "--since", "7d"), 2, "you named one")


GOAL = "Make it <script>alert(1)</script> [better](javascript:alert(2))"
TITLE = "</h1><img src=x onerror=alert(3)> ![](https://evil.example/x) `code`"


@pytest.mark.thorough
def test_the_page_holds_hostile_names_as_text(user: User, tmp_path: Path) -> None:
    a_run(user, "a", "bad", goal=GOAL, title=TITLE)
    for typed in (("--since", "yesterday"), ()):
        file = tmp_path / "morning.html"
        file.write_text("of yesterday")
        said = user.orch("report", *typed, "--html", str(file))
        assert said.exit_code == 0 and said.out.strip() == str(file)
        page = harmless(file.read_text())
        assert GOAL in page.text("h1") + page.text("h3")
        assert TITLE in page.text("li")
        assert set(page.tags) & {"script", "img", "a", "link", "iframe"} == set()
    assert list(tmp_path.glob(".orch-report-*")) == []


@pytest.mark.thorough
def test_a_page_that_cannot_be_written_is_refused_in_words(user: User, tmp_path: Path) -> None:
    a_run(user, "a")
    refused(user.orch("report", "--html", str(tmp_path)), 2, "is a folder")
    said = user.orch("report", "--html", str(tmp_path / "no" / "where.html"))
    assert said.exit_code == 2 and "No such file" in said.err
