"""Models as a person sees them: what they cost, budgets that are reached, questions."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger import events as e
from ledger.model import Shortage, Tokens
from ledger.place import place_of
from ledger.store import Store
from orchestrator.hiding import Hiding
from orchestrator.journal import Journal
from tests.e2e.terminal import Said, Terminal
from tests.support.builders import Story

USED = Tokens(input=500, cache_read=300, cache_write=100, output=100, reasoning=40)
MODEL = ("acme:small",)
DAY_S = 86400.0
SHORT = Shortage(unit="usd", needed=0.2, left=0.05, limit=0.5)


@pytest.fixture
def here(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def record(here: Terminal, story: Story, run: str = "20261122-goal-a1", ago_s: float = 0.0) -> str:
    """Write a story into the ledger of the repository, as an engine would have; the run's id."""
    started, *facts = (fact for fact, _ in story.facts)
    assert started.kind == "RunStarted"
    with Store.open(_ledger(here)) as store:
        journal = Journal.begin(store, started.model_copy(update={"run": run}), Hiding())
        if not ago_s:
            journal.append(*facts)
            return run
        from ledger.events import render_event

        store.append(run, 1, [render_event(fact) for fact in facts], time.time() - ago_s)
    return run


def _ledger(here: Terminal) -> Path:
    place = place_of(here.root / ".git", here.environ)
    place.make()
    return place.ledger


def spending(landed: bool = True) -> Story:
    """A task that failed once, then landed; another that failed; a checker that looked on."""
    story = Story.of({"a": [], "b": []}, attempts=2, models=MODEL, budget_usd=5.0).baseline()
    story.starts("a").calls("a", USED, 0.10, model="small").ends("a", "failed", cause="check")
    story.starts("a").calls("a", USED, 0.20, model="large")
    story.calls("a", USED, 0.05, worker="reviewer", model="judge").ends("a")
    story.starts("b").calls("b", USED, 0.40, model="small").ends("b", "failed", cause="check")
    if landed:
        number = story.builds(1)
        story.judges(number).lands(number)
    return story


def over_budget() -> Story:
    """A run that ended since its next call would not have fitted."""
    story = Story.of({"a": [], "b": []}, models=MODEL, budget_usd=0.5).baseline()
    story.starts("a").calls("a", USED, 0.45)
    why = "$0.4500 spent + $0.2000 that this call may come to: more than $0.5000"
    story.tell(e.BudgetReached(task="a", attempt=1, scope="run", why=why))
    story.ends("a", "lost", cause="budget", why="the run's budget is used up", trouble=False)
    return story.tell(e.RunFinished(outcome="budget", exit_code=4, why="the budget is used up"))


def asking() -> Story:
    story = Story.of({"a": [], "b": []}, models=MODEL).baseline()
    story.starts("a").calls("a", USED, None)
    story.ends("a", "held", cause="question", why="Tabs or spaces?")
    return story


def facts_of(here: Terminal, run: str) -> list[e.Event]:
    from orchestrator.journal import read_facts

    store = Store.open_existing(_ledger(here))
    assert store is not None
    with store:
        return [fact for _, _, fact in read_facts(store, run)]


def ok(said: Said) -> Said:
    assert said.exit_code == 0, said
    return said


def test_what_a_landed_task_costs_over_all_runs_and_within_one(here: Terminal) -> None:
    old = record(here, spending(), "20261101-old-a1", ago_s=10 * DAY_S)
    new = record(here, spending(landed=False), "20261122-new-a1")
    text = ok(here.orch("cost")).out
    assert "cost per landed task: $1.50, 8,000 tokens  (1 task landed, 8,000 tokens, $1.50)" in text
    assert text.index(old) < text.index(new), "as time went by"
    parts = [line.split("  ")[1:] for line in text.splitlines() if line.startswith("  ")]
    assert [part[0].strip() for part in parts] == [
        "attempts that landed",
        "attempts that are open yet",
        "attempts that did not land",
        "checkers",
    ]
    one = ok(here.orch("cost", "20261101", "--json")).json
    assert one["by"] == "task" and one["total"]["usd_per_landed_task"] == 0.75
    assert {row["name"].split()[-1]: row["cost_usd"] for row in one["rows"]} == {
        "a": 0.35,
        "b": 0.4,
    }
    assert one["total"]["tokens"] == {
        "input": 2000,
        "cache_read": 1200,
        "cache_write": 400,
        "output": 400,
        "reasoning": 160,
        "unsettled_worst": 0,
        "total": 4000,
    }
    models = ok(here.orch("cost", old, "--by", "model", "--json")).json
    landed = {row["name"]: row["landed_tasks"] for row in models["rows"]}
    assert landed == {"acme:small": 0, "acme:large": 1, "acme:judge": 0}
    for by in ("run", "task", "attempt", "worker", "model", "day"):
        shared = ok(here.orch("cost", "--by", by, "--json")).json
        assert sum(row["known_usd"] for row in shared["rows"]) == pytest.approx(1.5), by
    days = ok(here.orch("cost", "--by", "day", "--json")).json["rows"]
    assert len(days) == 2
    recent = ok(here.orch("cost", "--since", "7d", "--json")).json
    assert [row["name"] for row in recent["rows"]] == [new] and recent["since"] is not None
    assert here.orch("cost", "--since", "yesterdayish").exit_code == 2
    assert "there is no day" in here.orch("cost", "--since", "2026-02-31").err


def test_a_ledger_without_models_says_so(here: Terminal) -> None:
    assert ok(here.orch("cost")).out == "no model was called\n"
    assert here.orch("cost", "2026").exit_code == 2, "there is no such run"
    record(here, Story.of(1).baseline().lands_at_once("t1"))
    assert ok(here.orch("cost")).out == "no model was called\n"
    none = ok(here.orch("cost", "--json")).json
    assert none["rows"] == [] and none["total"]["calls"] == 0


def test_every_view_says_what_was_spent_and_what_is_left(here: Terminal) -> None:
    record(here, spending().tell(e.RunFinished(outcome="complete", exit_code=1)))
    said = "4,000 tokens, $0.75; $4.25 of $5.00 left"
    assert said in ok(here.orch("status")).out
    assert said in ok(here.orch("status")).out, "and so does the view that was kept"
    status = ok(here.orch("status", "--json")).json
    assert status["cost_usd"] == 0.75 and status["budget"]["left_usd"] == 4.25
    assert "spent      3,000 tokens, $0.35" in ok(here.orch("show", "a")).out
    assert "budget     $4.25 of $5.00 left" in ok(here.orch("show")).out
    report = ok(here.orch("report")).out
    assert "- Spent: 4,000 tokens, \\$0.75" in report
    assert "**Per landed task: 4,000 tokens, \\$0.75**" in report


@pytest.mark.thorough
def test_a_run_whose_budget_is_reached_goes_on_only_with_a_larger_one(here: Terminal) -> None:
    run = record(here, over_budget())
    text = ok(here.orch("status")).out
    assert "budget reached: $0.4500 spent" in text and "orch resume --budget-usd 1 " in text
    before = len(facts_of(here, run))
    for typed in ((), ("--parallel", "2"), ("--budget-usd", "0.5")):
        said = here.orch("resume", *typed)
        assert said.exit_code == 4 and f"hint: orch resume {run} --budget-usd 1" in said.err, said
        assert "the run's budget is reached" in said.err
    said = here.orch("resume", "--budget-usd", "0.40")
    assert said.exit_code == 4 and "$0.45 are spent already" in said.err
    for wrong in ("much", "-3", "0", "1e9999"):
        said = here.orch("resume", f"--budget-usd={wrong}")
        assert said.exit_code == 2 and "hint: write for example --budget-usd 5" in said.err, said
    assert here.orch("resume", "--budget-tokens", "5x").exit_code == 2
    assert len(facts_of(here, run)) == before, "nothing was started, nothing recorded"


def test_a_word_to_a_run_whose_budget_is_reached_starts_nothing(
    here: Terminal,
) -> None:
    story = Story.of({"a": [], "b": []}, models=MODEL, budget_usd=0.5, attempts=1).baseline()
    story.starts("a").ends("a", "held", cause="question", why="Tabs or spaces?")
    story.starts("b").calls("b", USED, 0.45).ends("b", "failed", cause="check", why="red")
    why = "$0.4500 spent + $0.2000 that this call may come to: more than $0.5000"
    story.tell(e.TaskGivenUp(task="b", why="given up"))
    story.tell(e.BudgetReached(task="b", attempt=1, scope="run", why=why, short=(SHORT,)))
    run = record(here, story.tell(e.RunFinished(outcome="person-needed", exit_code=5)))
    before = len(facts_of(here, run))
    for number, typed in enumerate((("answer", "a", "Tabs"), ("retry", "b")), 1):
        said = here.orch(*typed)
        assert said.exit_code == 4, said
        assert said.out.startswith(typed[1]), "what was said is recorded all the same"
        assert "the run's budget is reached: $0.4500 spent" in said.err
        assert f"hint: orch resume {run} --budget-usd 1" in said.err
        assert len(facts_of(here, run)) == before + number, "no engine was started"
    later = here.orch("retry", "b", "--later")
    assert later.exit_code == 2, "it is ready already"


def test_a_word_for_later_names_the_budget_too(here: Terminal) -> None:
    story = asking()
    story.tell(e.BudgetReached(task="a", attempt=1, scope="run", why="more", short=(SHORT,)))
    run = record(here, story)
    here_said = ok(here.orch("answer", "a", "Tabs", "--later"))
    assert f"to go on: orch resume {run} --budget-usd 1" in here_said.err


GREETS = """
[[turn]]
task = "Ada"
call = [{ name = "write", input = { path = "greeting.txt", text = "Hello, Ada" } }]

[[turn]]
task = "Ada"
when = "greeting.txt"
call = [{ name = "finish", input = { summary = "It greets Ada." } }]

[[turn]]
call = [{ name = "ask", input = { question = "Whom do I greet?" } }]
"""
MODELS = """
[run]
worker = "coder"
sandbox = "none"
min_free_gb = 0

[[gate]]
name = "greets"
command = "test ! -e greeting.txt || grep -q Hello greeting.txt"

[worker.coder]
kind = "model"
model = "scripted:small"

[provider.scripted]
dialect = "openai"
url = "{url}/v1"

[[price]]
model = "scripted:small"
input = 1.0
output = 4.0
"""


@contextmanager
def greeting(here: Terminal) -> Iterator[None]:
    """A scripted model is served, and the settings name it as the worker."""
    (here.home / "greets.toml").write_text(GREETS)
    model = here.start("scripted-model", str(here.home / "greets.toml"))
    try:
        assert model.stdout is not None
        url = model.stdout.readline().strip()
        here.write({".agent/orch.toml": MODELS.format(url=url)})
        here.plan(("greeting", ()))
        yield
    finally:
        model.terminate()
        model.communicate(timeout=20)


def test_a_run_ends_at_its_budget_asks_and_goes_on_with_what_it_is_told(here: Terminal) -> None:
    with greeting(here):
        said = here.orch("run", "--budget-usd", "0.01")
        assert said.exit_code == 4, said
        offered = re.search(r"\(to go on: orch resume --budget-usd ([0-9.]+)\)", said.err)
        assert offered, said
        before = len(facts_of(here, ok(here.orch("status", "--json")).json["run"]))
        assert here.orch("resume").exit_code == 4
        run = ok(here.orch("status", "--json")).json["run"]
        assert len(facts_of(here, run)) == before, "nothing was started"

        said = here.orch("resume", "--budget-usd", offered[1])
        assert said.exit_code == 5, "what is offered is enough"
        assert "greeting  asks you (" in said.err and ": Whom do I greet?" in said.err
        status = ok(here.orch("status", "--json")).json
        assert status["questions"] == [["greeting", "Whom do I greet?"]]
        assert status["next"][0][0] == 'orch answer greeting "..."'

        said = ok(here.orch("answer", "greeting", "Ada, please"))
        assert "result landed greeting (1 of 1)" in said.err
    assert here.git("show", f"orch/{run}/result:greeting.txt") == "Hello, Ada"
    costs = ok(here.orch("cost", run, "--json")).json
    assert costs["total"]["landed_tasks"] == 1 and costs["total"]["unsettled_calls"] == 0
    known = {name: bill["calls"] for name, bill in costs["purposes"].items() if bill["calls"]}
    assert known == {"landed": 2, "failed": 1}, "the attempt that asked did not land"
    assert costs["total"]["usd_per_landed_task"] == costs["total"]["cost_usd"] > 0
    status = ok(here.orch("status", "--json")).json
    assert status["cost_usd"] == pytest.approx(costs["total"]["cost_usd"])
    assert "by coder (scripted:small)" in ok(here.orch("show", "greeting")).out
    ok(here.orch("ledger", "verify"))


def test_a_budget_is_set_and_taken_away_where_a_run_starts(here: Terminal) -> None:
    here.plan(("one", ()))
    more = ("--budget-usd", "$3", "--budget-tokens", "500k", "--task-usd", "1")
    ok(here.orch("run", *more, "--attempt-usd", "none"))
    run = ok(here.orch("status", "--json")).json["run"]
    started = facts_of(here, run)[0]
    assert started.kind == "RunStarted"
    limits = started.settings.limits
    assert (limits.budget_usd, limits.budget_tokens) == (3.0, 500_000)
    assert (limits.task_usd, limits.attempt_usd) == (1.0, None)


def test_a_question_is_answered(here: Terminal) -> None:
    run = record(here, asking())
    assert 'orch answer a "..."' in ok(here.orch("show", "a")).out
    for task, text, words in (
        ("b", "yes", "it has asked nothing (hint: asked: a)"),
        ("a", "  ", "an empty answer says nothing (hint: it asked: Tabs or spaces?)"),
        ("aa", "yes", "has no task 'aa' (hint: did you mean a?)"),
    ):
        said = here.orch("answer", task, text, "--later")
        assert said.exit_code == 2, said
        assert words in " ".join(said.err.replace("hint: ", "(hint: ", 1).split()) + ")", said
    said = ok(here.orch("answer", "a", "Spaces, four", "--later"))
    assert said.out == "a goes on with the answer\n" and f"orch resume {run}" in said.err
    fact = facts_of(here, run)[-1]
    assert fact == e.QuestionAnswered(task="a", answer="Spaces, four")
    shown = ok(here.orch("show", "a")).out
    assert "asked     Tabs or spaces?" in shown and "answered  Spaces, four" in shown
    assert here.statuses()["a"] == "ready"
    assert here.orch("answer", "a", "again", "--later").exit_code == 2
    said = here.orch("answer", "a")
    assert said.exit_code == 2


def test_a_secret_in_an_answer_is_hidden(here: Terminal) -> None:
    story = asking()
    settings = story.state.started.settings.model_copy(update={"env": ("API_TOKEN",)})
    started = story.state.started.model_copy(update={"settings": settings})
    run = record(here, Story(story.state, [(started, 0.0), *story.facts[1:]]))
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"
    known = "blue-horse-staple-71"
    ok(here.orch("answer", "a", f"use {token} and {known}", "--later", API_TOKEN=known))
    fact = facts_of(here, run)[-1]
    assert fact == e.QuestionAnswered(
        task="a", answer="use [redacted key] and [redacted API_TOKEN]"
    )


def test_a_shell_completes_the_tasks_that_ask(here: Terminal) -> None:
    record(here, asking())
    completed = here.installed(
        _ORCH_COMPLETE="complete_bash", COMP_WORDS="orch answer ", COMP_CWORD="2"
    ).out
    assert completed.split() == ["a"]
