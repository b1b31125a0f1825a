"""What a person sees of models: spending, budgets, pauses, questions; and what to type."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import events as e
from ledger.books import Books, Held, TooMuch, sum_of
from ledger.model import Limits, Tokens
from orchestrator.cli.budgets import budgets_typed
from orchestrator.feedback import render_feedback
from orchestrator.review.advice import next_steps
from orchestrator.review.board import board, lay_out
from orchestrator.review.narrate import narrate, narrate_all
from orchestrator.review.report import render_report
from orchestrator.review.show import render_run, render_task
from orchestrator.review.spent import Spent, budget_of, said_of_cost, spent, to_raise
from orchestrator.review.status import (
    StatusView,
    render_status,
    status_as_json,
    status_from_json,
    status_of,
)
from orchestrator.review.words import clock, money
from orchestrator.till import caps_of
from tests.support.builders import Story

USED = Tokens(input=700, cache_read=200, output=100)
OVER = e.RunFinished(outcome="budget", exit_code=4, why="the budget is used up")


def lines_of(view: StatusView, now: float = 100.0) -> str:
    return "\n".join(render_status(view, now))


def commands(story: Story, alive: bool = False, named: bool = False) -> list[str]:
    return [step.command for step in next_steps(story.state, alive, named)]


def told(story: Story) -> list[str]:
    return [text for _, (text, _) in narrate_all(story.facts, story.state)]


def reached(
    story: Story, tokens: int = 10**9, usd: float | None = 1000.0, numbers: bool = True
) -> Story:
    """A call that no budget holds is refused, as the till would refuse it."""
    task = next(iter(story.state.with_status("working")))
    wanted = Held(task, 1, sum_of(tokens, usd))
    books: Books = story.state.books.under(caps_of(story.state.limits))
    found = books.reserve("new", wanted)
    assert isinstance(found, TooMuch)
    fact = e.BudgetReached(
        task=task, attempt=1, scope=found.scope, why=found.why, short=found.short if numbers else ()
    )
    return story.tell(fact)


def test_a_price_that_is_not_known_is_said_and_is_never_nothing() -> None:
    assert said_of_cost(0.0, 2) == "cost unknown"
    assert said_of_cost(0.5, 2) == "$0.50 and 2 calls of unknown cost"
    assert Spent(10, 0.5, 1).cost_usd is None and Spent(10, 0.5).cost_usd == 0.5
    assert Spent().said == "" and Spent(10).said == "10 tokens, $0.00"
    assert [money(usd) for usd in (0, 0.00001, 0.0123, 1.2, 1234.5)] == [
        *("$0.00", "under $0.0001", "$0.0123", "$1.20", "$1,234.50")
    ]


def test_what_is_in_flight_counts_as_spent_in_every_view() -> None:
    story = Story.of({"a": [], "b": []}, budget_usd=5.0, budget_tokens=9000).baseline()
    story.starts("a").calls("a", USED, 0.25).calls("a", settled=False, worst_usd=0.5)
    assert spent(story.state) == spent(story.state, "a", 1) == Spent(2000, 0.75)
    assert budget_of(story.state).left_usd == 4.25 and budget_of(story.state).left_tokens == 7000
    text = lines_of(status_of(story.state, alive=True))
    assert "spent 2,000 tokens, $0.75; $4.25 of $5.00 and 7,000 of 9,000 tokens left" in text
    shown = board(story.state, lay_out(story.state), {}, 10.0, 20)
    assert shown.money == "2,000 tokens, $0.75; $4.25 of $5.00 and 7,000 of 9,000 tokens left"
    assert "budget     $4.25 of $5.00" in "\n".join(render_run(story.state, 10.0))
    # what a dead engine left unsettled is spent
    story.tell(e.EngineStarted(pid=1, host="h"))
    assert spent(story.state) == Spent(2000, 0.75)


def test_a_run_without_models_says_nothing_of_money() -> None:
    story = Story.of(1).baseline().lands_at_once("t1")
    story.tell(e.RunFinished(outcome="complete", exit_code=0))
    everything = [
        lines_of(status_of(story.state, alive=False)),
        render_report(story.state, False, 10.0),
        *render_task(story.state, "t1", 10.0),
        *render_run(story.state, 10.0),
        *told(story),
    ]
    text = "\n".join(everything)
    assert not any(word in text for word in ("$", "token", "spent", "Cost", "cost"))


def test_each_attempt_says_which_model_worked_and_what_it_came_to() -> None:
    story = Story.of({"a": []}).baseline()
    story.tell(
        e.AttemptStarted(task="a", attempt=1, base="base", worker="coder", model="acme:small")
    )
    assert "by acme:small" in lines_of(status_of(story.state, alive=True))
    story.calls("a", USED, 0.02).ends("a", "failed", cause="check", why="gate red", duration_s=3.0)
    story.tell(
        e.AttemptStarted(task="a", attempt=2, base="base", worker="coder", model="acme:large")
    )
    story.calls("a", USED, None).ends("a", duration_s=3.0)
    said = told(story)
    assert "a  started, by coder (acme:small)" in said
    assert "a  attempt 1 failed (1,000 tokens, $0.0200): gate red" in said
    assert "a  ready to land (3.0 s, 1,000 tokens, cost unknown)" in said
    number = story.builds(1)
    story.judges(number).lands(number).tell(e.RunFinished(outcome="complete", exit_code=0))
    total = "2,000 tokens, $0.0200 and 1 call of unknown cost"
    assert told(story)[-1] == f"run   complete; {total}"
    shown = "\n".join(render_task(story.state, "a", 50.0))
    assert "by coder (acme:large)" in shown and "1,000 tokens, cost unknown" in shown
    assert f"spent      {total}" in shown
    view = status_of(story.state, alive=False)
    assert view.cost_usd is None and view.tasks[0].cost_usd is None
    assert view.tasks[0].model == "acme:large" and view.tasks[0].tokens == 2000
    report = render_report(story.state, False, 50.0)
    assert "| attempts that landed | 1,000 | cost unknown |" in report
    assert "| all else | 1,000 | \\$0.0200 |" in report
    assert "**Per landed task: 2,000 tokens, cost unknown** (1 task" in report


@pytest.mark.parametrize(
    ("limits", "call", "option"),
    [
        ({"budget_usd": 5.0}, {"usd": 5.1}, "--budget-usd 11"),
        ({"budget_usd": 0.25, "budget_tokens": 10**12}, {"usd": 0.2501}, "--budget-usd 0.51"),
        ({"budget_usd": 5.0}, {}, "--budget-usd 2000"),
        ({"budget_tokens": 5000}, {"usd": None, "tokens": 5001}, "--budget-tokens 11000"),
        ({"budget_tokens": 5000}, {"usd": None}, "--budget-tokens 2000000000"),
        (
            {"budget_usd": 0.9, "budget_tokens": 5000},
            {"usd": 1.0, "tokens": 7000},
            "--budget-tokens 14000 --budget-usd 2",
        ),
        ({"budget_usd": 5.0}, {"usd": None}, "--budget-tokens 1000000"),
        # as it was recorded before there were numbers
        ({"budget_usd": 5.0}, {"numbers": False}, "--budget-usd 10"),
        ({"budget_tokens": 5000}, {"usd": None, "numbers": False}, "--budget-tokens 10000"),
    ],
)
def test_a_budget_that_is_reached_says_what_to_type(
    limits: dict[str, float], call: dict[str, float | None], option: str
) -> None:
    story = Story.of({"a": [], "b": []}, **limits).baseline().starts("a")
    reached(story, **call)  # type: ignore[arg-type]
    assert to_raise(story.state) == option
    assert f"(to go on: orch resume {option})" in told(story)[-1]
    story.ends("a", "lost", cause="budget", why="the run's budget").tell(OVER)
    assert f"orch resume {option}" in commands(story)
    assert f"orch resume {story.state.run} {option}" in commands(story, named=True)
    assert "budget reached: " in lines_of(status_of(story.state, alive=False))


@given(
    st.floats(0.01, 1e6), st.integers(1, 10**8), st.floats(0.0, 1e4), st.integers(0, 10**8),
    st.floats(1e-9, 1e5), st.integers(1, 10**8),
)  # fmt: skip
def test_what_is_offered_is_enough_for_the_call_that_did_not_fit(
    cap_usd: float, cap_tokens: int, gone_usd: float, gone: int, usd: float, tokens: int
) -> None:
    limits = Limits(budget_usd=cap_usd, budget_tokens=cap_tokens)
    story = Story.of({"a": []}).baseline().starts("a")
    story.calls("a", Tokens(input=gone), gone_usd)
    story.tell(e.LimitsChanged(limits=limits))
    found = story.state.books.under(caps_of(limits)).reserve(
        "new", Held("a", 1, sum_of(tokens, usd))
    )
    if not isinstance(found, TooMuch):
        return
    reached(story, tokens, usd)
    words = to_raise(story.state).split()
    typed = dict(zip(words[::2], words[1::2], strict=True))
    more = budgets_typed(
        budget_usd=typed.get("--budget-usd"),
        budget_tokens=typed.get("--budget-tokens"),
        task_usd=None,
        attempt_usd=None,
    )
    larger = caps_of(limits.model_copy(update=more))
    books = story.state.books.under(larger)
    assert isinstance(books.reserve("new", Held("a", 1, sum_of(tokens, usd))), Books), typed


def test_a_task_whose_own_budget_is_used_up_is_offered_a_larger_one() -> None:
    story = Story.of({"a": []}, task_usd=0.5).baseline().starts("a").calls("a", USED, 0.45)
    reached(story, tokens=10, usd=0.2)
    assert told(story)[-1].startswith("a  the task's budget is reached: $0.4500 spent")
    story.ends("a", "failed", cause="budget", why="its budget")
    story.tell(e.TaskGivenUp(task="a", why="its budget is used up: too much"))
    story.tell(e.RunFinished(outcome="complete", exit_code=1))
    assert "orch retry a --later" in commands(story)
    assert "orch resume --task-usd 1" in commands(story)
    story.tell(e.RetryRequested(task="a")).starts("a")
    reached(story, tokens=10, usd=0.7)
    story.ends("a", "failed", cause="budget", why="its budget")
    story.tell(e.TaskGivenUp(task="a", why="its budget is used up: too much"))
    story.tell(e.RunFinished(outcome="complete", exit_code=1))
    assert "orch resume --task-usd 1.9" in commands(story), "0.45 and two such calls"
    assert f"orch resume {story.state.run} --task-usd 1.9" in commands(story, named=True)


def test_a_pause_is_said_with_its_end_and_not_after_it() -> None:
    story = Story.of(1).baseline().starts("t1")
    until = time.time()
    story.tell(e.ProviderPaused(provider="acme", until=until))
    said = f"waits for acme until {clock(until)}, goes on by itself"
    assert told(story)[-1] == f"run   {said}"
    view = status_of(story.state, alive=True)
    assert said in lines_of(view, until - 60) and "waits for" not in lines_of(view, until + 1)
    layout = lay_out(story.state)
    assert board(story.state, layout, {}, until - 60, 20).waits == said
    assert board(story.state, layout, {}, until + 1, 20).waits == ""
    assert status_of(story.state, alive=False).pauses == (), "nobody waits who is not there"
    story.tell(e.ProviderPaused(provider="acme"))
    assert told(story)[-1] == "run   goes on: acme answers again"


def test_a_question_is_told_everywhere_with_what_to_type() -> None:
    story = Story.of({"a": [], "b": [], "c": []}).baseline()
    story.starts("a", "b").ends("b", "held", held_paths=("conftest.py",), why="it is protected")
    story.calls("a", USED, 0.02).ends("a", "held", cause="question", why="Tabs or\nspaces?")
    line = 'a  asks you (1,000 tokens, $0.0200): Tabs or spaces? (orch answer a "...")'
    assert told(story)[-1] == line
    assert commands(story, alive=True)[0] == 'orch answer a "..."', "also while the run goes on"
    view = status_of(story.state, alive=True)
    assert view.questions == (("a", "Tabs or spaces?"),)
    assert 'a asks: Tabs or spaces? (orch answer a "...")' in lines_of(view)
    assert "asks: Tabs or spaces?" in next(task.note for task in view.tasks if task.id == "a")
    story.starts("c").ends("c", "failed", cause="check", why="red")
    story.tell(e.RunFinished(outcome="person-needed", exit_code=5))
    wanted = commands(story)
    assert wanted[0] == 'orch answer a "..."' and "orch allow b conftest.py" in wanted
    assert 'orch retry a --note "..."' not in wanted
    assert 'orch answer a "..."' in "\n".join(render_task(story.state, "a", 50.0))
    assert 'orch answer a "..."' in render_report(story.state, False, 50.0)


def test_every_later_attempt_is_told_all_answers_of_its_task() -> None:
    story = Story.of({"a": [], "b": []}).baseline()
    for asked, answer in (("Tabs?", "No.\nSpaces"), ("Two `or` four?", "four")):
        story.starts("a").ends("a", "held", cause="question", why=asked)
        story.tell(e.QuestionAnswered(task="a", answer=answer))
    assert narrate(story.facts[-1][0], story.state) == (
        *("a  goes on with your answer: four", "plain"),
    )
    story.starts("a").ends("a", "failed", cause="check", why="gate red").starts("a", "b")
    text = render_feedback(story.state, "a")
    assert text is not None
    head, said = "## What was asked, and what the person in charge answered", text.splitlines()
    at = said.index(head)
    assert said[at + 1 : at + 9] == [
        *("", "- Tabs?", "", "  No.", "  Spaces", "- Two `or` four?", "", "  four")
    ]
    assert head not in (render_feedback(story.state, "b") or "")
    shown = "\n".join(render_task(story.state, "a", 50.0))
    assert "asked     Tabs?" in shown and "answered  four" in shown


def test_a_kept_view_holds_what_was_spent_and_asked() -> None:
    story = Story.of({"a": [], "b": []}, budget_usd=5.0).baseline()
    story.starts("a").calls("a", USED, 0.02).ends("a", "held", cause="question", why="Tabs?")
    story.tell(e.RunFinished(outcome="person-needed", exit_code=5))
    view = status_of(story.state, alive=False)
    again = status_from_json(json.loads(json.dumps(status_as_json(view))))
    assert again is not None and (again.spent, again.budget) == (view.spent, view.budget)
    assert again.questions == view.questions and lines_of(again) == lines_of(view)
    body = json.loads(json.dumps(status_as_json(view)))
    assert status_from_json({**body, "spent": {"tokens": 1, "more": 2}}) is None


def test_foreign_names_and_questions_are_data() -> None:
    story = Story.of({"a": []}).baseline()
    start = e.AttemptStarted(task="a", attempt=1, base="b", worker="w", model="acme:\x1b[31mred")
    story.tell(start).ends("a", "held", cause="question", why="\x1b]0;x\x07 # <b>what</b>?")
    story.tell(e.ProviderPaused(provider="acme\x1b[2J", until=5e9))
    views = [
        lines_of(status_of(story.state, alive=True)),
        "\n".join(render_task(story.state, "a", 9.0)),
        "\n".join(told(story)),
        render_report(story.state, True, 9.0),
    ]
    assert all("\x1b" not in text and "\x07" not in text for text in views)
    assert "<b>" not in views[-1].replace("\\<b\\>", "")
