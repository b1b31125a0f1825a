"""What model calls came to, shared out, and what a landed task cost."""

import time
from collections.abc import Iterable
from typing import get_args

from ledger import events as e
from ledger.model import Tokens
from orchestrator.review.cost import By, Costs, Line, Told, calls_of, fates_of, share_out
from orchestrator.review.cost_table import costs_as_json, render_costs
from tests.support.builders import Story

USED = Tokens(input=500, cache_read=300, cache_write=100, output=100, reasoning=40)


def told(story: Story, run: str = "one", later: float = 0.0) -> list[Told]:
    return [(run, at + later, fact) for fact, at in story.facts]


def costs_by(by: By, facts: Iterable[Told], since: float = 0.0) -> Costs:
    facts = list(facts)
    return share_out(calls_of(facts), fates_of(facts), by, since)


def lines(costs: Costs) -> dict[str, Line]:
    return {line.name: line for line in costs.lines}


def spent(costs: Costs) -> dict[str, float]:
    """Cents by purpose, where there are any."""
    return {
        name: round(bill.amount.nanos / 1e7, 6)
        for name, bill in costs.purposes.items()
        if bill.calls
    }


def eventful() -> Story:
    """One task lands at its second attempt, one fails, one is under way; a checker looks on."""
    story = Story.of({"a": [], "b": [], "c": []}, attempts=1).baseline()
    story.starts("a").calls("a", USED, 0.01, model="small")
    story.ends("a", "failed", cause="check")
    story.starts("a").calls("a", USED, 0.04, model="large")
    story.calls("a", USED, 0.02, worker="reviewer", model="judge").ends("a")
    story.starts("b").calls("b", USED, 0.08).ends("b", "failed", cause="check")
    story.tell(e.TaskGivenUp(task="b", why="given up"))
    number = story.builds(1)
    story.judges(number).lands(number)
    return story.starts("c").calls("c", USED, 0.16)


def test_a_landed_task_costs_what_failed_and_what_checked_too() -> None:
    costs = costs_by("task", told(eventful()))
    assert spent(costs) == {"landed": 4, "failed": 9, "checking": 2, "open": 16}
    assert sum(spent(costs).values()) == 31
    assert costs.whole.landed == 1 and costs.whole.usd_each == 0.31
    assert costs.whole.tokens_each == 5000
    assert costs.whole.bill.tokens == Tokens(
        input=2500, cache_read=1500, cache_write=500, output=500, reasoning=200
    )
    by_task = lines(costs)
    assert by_task["one a"].usd_each == 0.07 and by_task["one b"].usd_each is None
    assert [line.name for line in costs.lines] == ["one c", "one b", "one a"], "dearest first"


def test_however_it_is_shared_out_it_adds_up_to_the_same() -> None:
    facts = [*told(eventful()), *told(eventful(), "two", 90000.0)]
    for by in get_args(By):
        costs = costs_by(by, facts)
        assert sum(line.bill.calls for line in costs.lines) == costs.whole.bill.calls == 10, by
        assert sum(line.bill.amount.nanos for line in costs.lines) == 620_000_000, by
        assert sum(bill.calls for bill in costs.purposes.values()) == 10, by
        assert sum(line.landed for line in costs.lines) == costs.whole.landed == 2, by
    by_model = lines(costs_by("model", facts))
    assert by_model["acme:large"].landed == 2, "what landed was made by it"
    assert by_model["acme:small"].landed == by_model["acme:judge"].landed == 0
    assert lines(costs_by("worker", facts))["coder"].landed == 2
    assert [line.name for line in costs_by("run", facts).lines] == ["one", "two"]
    days = [line.name for line in costs_by("day", facts).lines]
    assert days == sorted(days) and len(days) == 2
    by_try = lines(costs_by("attempt", facts))
    assert by_try["one a/2"].landed == 1 and by_try["one a/1"].bill.calls == 1


def test_a_call_that_nobody_settled_counts_as_its_worst_and_is_said() -> None:
    story = Story.of(1).baseline().starts("t1").calls("t1", USED, 0.01)
    story.calls("t1", settled=False, worst=7000, worst_usd=0.3)
    story.calls("t1", None, None, worst=9000, worst_usd=0.2)
    costs = costs_by("run", told(story))
    bill = costs.whole.bill
    assert (bill.unsettled, bill.worst, bill.amount.tokens) == (2, 16000, 17000)
    assert (
        bill.amount.cost_usd == 0.51
        and bill.amount.tokens == story.state.books.spent_by("").tokens + 7000
    ), "as the budgets count"
    text = "\n".join(render_costs(costs))
    assert "2 calls: nobody knows" in text and "up to 16,000 tokens" in text


def test_a_price_that_is_not_known_is_never_zero() -> None:
    story = Story.of(2).baseline().starts("t1").calls("t1", USED, None, model="odd")
    story.calls("t1", USED, 0.5).ends("t1")
    number = story.builds(1)
    story.judges(number).lands(number).starts("t2").calls("t2", USED, None)
    costs = costs_by("task", told(story))
    assert costs.whole.bill.amount.cost_usd is None and costs.whole.usd_each is None
    text = "\n".join(render_costs(costs, within="one"))
    assert "cost per landed task: unknown, 3,000 tokens" in text
    assert "$0.50 + ?" in text and "the price of 2 calls is not known" in text
    rows = [line.split() for line in text.splitlines()]
    assert next(row for row in rows if row[:1] == ["t2"])[-1] == "unknown"
    assert "attempts that landed" in text and "$0.50 and 1 call of unknown cost" in text
    body = costs_as_json(costs, "one", None)
    assert body["total"]["cost_usd"] is None and body["total"]["known_usd"] == 0.5
    assert body["total"]["usd_per_landed_task"] is None and body["total"]["unpriced_calls"] == 2
    assert body["purposes"]["landed"]["cost_usd"] is None


def test_what_landed_and_was_taken_out_again_did_not_land() -> None:
    story = Story.of({"a": [], "b": []}).baseline()
    for task in ("a", "b"):
        story.starts(task).calls(task, USED, 0.01).ends(task)
        number = story.builds(1, f"{story.state.tip_tree}+{task}")
        story.judges(number).lands(number)
    before = costs_by("run", told(story))
    assert before.whole.landed == 2 and spent(before) == {"landed": 2}
    story.tell(e.RejectRequested(tasks=("a",)))
    number = story.builds_without("a")
    story.judges(number).lands(number)
    after = costs_by("run", told(story))
    assert after.whole.landed == 1 and spent(after) == {"landed": 1, "failed": 1}
    assert after.whole.usd_each == 0.02


def test_an_attempt_that_waits_is_open_and_one_that_another_followed_is_not() -> None:
    story = Story.of({"a": [], "b": []}).baseline()
    story.starts("a").calls("a", USED, 0.01).ends("a", "held", cause="question", why="Tabs?")
    assert spent(costs_by("run", told(story))) == {"open": 1}
    story.tell(e.QuestionAnswered(task="a", answer="no"))
    story.starts("a").calls("a", USED, 0.02).ends("a", "unchanged")
    assert spent(costs_by("run", told(story))) == {"failed": 1, "unchanged": 2}


def test_tasks_without_models_and_what_came_before_do_not_count() -> None:
    story = Story.of({"a": [], "b": []}).baseline().lands_at_once("b")
    assert costs_by("run", told(story)).whole == Line("all")
    story.starts("a").calls("a", USED, 0.01).ends("a")
    number = story.builds(1)
    story.judges(number).lands(number)
    facts = [*told(story), *told(story, "two", 1e6)]
    assert costs_by("run", facts).whole.landed == 2
    since = costs_by("run", facts, since=1e6)
    assert [line.name for line in since.lines] == ["two"] and since.whole.landed == 1
    assert since.whole.usd_each == 0.01


def test_the_table_is_aligned_and_foreign_names_are_data() -> None:
    story = Story.of(1).baseline().starts("t1")
    story.calls("t1", USED, 0.01, model="\x1b[31mred" + "x" * 200)
    costs = costs_by("model", told(story))
    table = render_costs(costs)[:3]
    assert len({len(line) for line in table[:1]}) == 1 and "\x1b" not in "".join(table)
    assert all(len(line) < 150 for line in table)
    ends = [line.index("$0.0100") + 7 for line in table[1:]]
    assert set(ends) == {table[0].index("cost") + 4}
    assert "no task of these has landed" in "\n".join(render_costs(costs))


def test_ten_thousand_calls_are_shared_out_in_a_moment() -> None:
    left = e.CallReserved(
        call=1, task="t", attempt=1, worker="w", provider="p", model="m", tokens=9, cost_usd=1.0
    )
    facts: list[Told] = []
    for number in range(1, 10_001):
        facts.append(("one", 0.0, left.model_copy(update={"call": number})))
        facts.append(("one", 0.0, e.CallSettled(call=number, tokens=USED, cost_usd=0.01)))
    began = time.process_time()
    costs = costs_by("day", facts)
    assert costs.whole.bill.calls == 10_000 and time.process_time() - began < 3.0
