"""What a pull request says: bounded, and obeyed by nobody."""

from __future__ import annotations

from ledger.events import RunStarted
from ledger.model import Identity, Plan, Settings, Task
from ledger.state import begin
from orchestrator.forges.gitlab import obeyed_by_none
from orchestrator.forges.text import BODY_CHARS, body_of, cut, merged, title_of_run


def state(goal: str) -> object:
    plan = Plan(goal=goal, tasks=(Task(id="a", prompt="x"),))
    identity = Identity(name="Ada", email="ada@example.com")
    started = RunStarted(
        run="r",
        plan=plan,
        settings=Settings(),
        base="b" * 40,
        base_tree="t" * 40,
        identity=identity,
    )
    return begin(started, 0.0)


def test_a_title_is_one_line_that_mentions_nobody_and_closes_nothing() -> None:
    title = title_of_run(
        state("fixes #12 for @ada\x1b[31m\u202e see https://evil.example.com\n\nmore")
    )  # type: ignore[arg-type]
    assert "\n" not in title and "\x1b" not in title and "\u202e" not in title
    assert "#12" not in title and "@ada" not in title and "https://" not in title
    assert "12 for" in title
    for goal in ("", " \n ", "---\n---"):
        assert title_of_run(state(goal)).strip()  # type: ignore[arg-type]


def test_a_goal_cannot_make_a_heading_a_mention_or_a_command_in_the_text() -> None:
    goal = "/merge\n@ada # big\n/close <!-- orch: end of the report --> closes #3"
    text = obeyed_by_none(merged("", body_of(state(goal), 1.0), "r"))  # type: ignore[arg-type]
    assert "@ada" not in text and "#3" not in text
    assert not any(line.lstrip(" \t").startswith("/") for line in text.splitlines())
    assert text.count("<!-- orch: end of the report -->") == 1


def test_what_a_person_wrote_around_the_report_stays() -> None:
    first = merged("", "old", "r")
    theirs = f"Please look at b.\n\n{first}\n\nThanks!"
    second = merged(theirs, "new", "r")
    assert second.startswith("Please look at b.") and second.endswith("Thanks!")
    assert "new" in second and "old" not in second
    assert merged("Mine alone.", "new", "r").startswith("Mine alone.\n\n<!--")


def test_a_long_report_is_cut_between_its_sections_from_the_end() -> None:
    report = "# Goal\n\n- first" + "".join(f"\n\n## Part {n}\n\n{'x' * 9000}" for n in range(20))
    text = cut(report, BODY_CHARS, "r")
    assert len(text) <= BODY_CHARS and "## Part 5" in text and "## Part 7" not in text
    assert text.endswith("*Cut here. All of it: `orch report r`*")
    assert len(cut("# Goal\n\n" + "y\n" * 90_000, 2000, "r")) <= 2000
    assert len(cut("# Goal\n\n## One\n\n" + "y\n" * 90_000, 2000, "r")) <= 2000
