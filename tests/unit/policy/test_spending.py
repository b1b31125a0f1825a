"""What a plan may come to: by history, by size, or not known; what is not known is never zero."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledger.model import CommandWorker, ModelWorkerSettings, Plan, Settings, Task, Tokens
from orchestrator.policy.spending import Done, Spending, of_size, spending
from orchestrator.review.foreseen import render_spending

SETTINGS = Settings(
    worker="coder",
    workers={
        "coder": ModelWorkerSettings(kind="model", models=("p:m",)),
        "sh": CommandWorker(kind="command", command="x"),
    },
)


def plan(*tasks: str, worker: str | None = None) -> Plan:
    return Plan(goal="g", tasks=tuple(Task(id=one, prompt="p", worker=worker) for one in tasks))


def price(model: str, tokens: Tokens) -> float | None:
    return tokens.total / 1e6


def free(model: str, tokens: Tokens) -> float | None:
    return None


def did(tokens: int, cost_usd: float | None, model: str = "p:m") -> Done:
    return Done(Tokens(input=tokens), cost_usd, frozenset({model}))


def test_what_was_done_here_counts_before_sizes():
    done = {"coder": [did(n * 1000, n / 10) for n in (1, 2, 3, 4)]}
    said = spending(plan("a", "b"), SETTINGS, {"a": 10}, done, price)
    assert (said.tokens_low, said.tokens_high) == (4000, 8000)
    assert (said.cost_low, said.cost_high) == (0.4, 0.8)
    assert (said.from_history, said.from_sizes) == (2, 0)


def test_sizes_are_an_assumption_and_a_task_without_paths_is_not_known():
    said = spending(plan("a", "b"), SETTINGS, {"a": 40_000}, {}, price)
    expected = of_size(40_000, 128_000).total
    assert said.tokens_low < expected < said.tokens_high
    assert said.unknown == ("b",)
    lines = "\n".join(render_spending(said))
    assert "or more, 1 task assumed by size" in lines
    assert "not known: what b comes to" in lines


def test_a_price_that_is_not_known_makes_the_money_unknown_and_never_zero():
    said = spending(plan("a"), SETTINGS, {"a": 10}, {}, free)
    assert said.cost_low is None and said.tokens_low > 0
    assert said.unpriced == ("p:m",)
    text = "\n".join(render_spending(said))
    assert "$" not in text and "not known: what p:m costs" in text
    past = spending(plan("a"), SETTINGS, {}, {"coder": [did(10, None), did(20, 1.0)]}, free)
    assert past.cost_low is None and past.unpriced == ("p:m",) and past.tokens_low == 10


def test_what_another_model_did_tells_the_tokens_and_the_present_price_the_money():
    other = [did(1_000_000 * n, 50.0, "q:old") for n in (1, 2, 3, 4)]
    said = spending(plan("a"), SETTINGS, {}, {"coder": other}, price)
    assert (said.tokens_low, said.tokens_high) == (2_000_000, 4_000_000)
    assert (said.cost_low, said.cost_high) == (2.0, 4.0)
    assert "1 task by what other models did here" in "\n".join(render_spending(said))
    said = spending(plan("a"), SETTINGS, {}, {"coder": other}, free)
    text = "\n".join(render_spending(said))
    assert said.cost_low is None and "$" not in text and "not known: what p:m costs" in text
    said = spending(plan("a"), SETTINGS, {}, {"coder": [*other, did(1000, 0.5)]}, price)
    assert (said.tokens_low, said.cost_high, said.by_others) == (1000, 0.5, 0)
    assert "1 task by what was done here" in "\n".join(render_spending(said))


def test_what_was_done_before_there_was_a_price_has_the_present_one():
    said = spending(plan("a"), SETTINGS, {}, {"coder": [did(1_000_000, None)]}, price)
    assert (said.cost_low, said.by_others) == (1.0, 0)


def test_where_nothing_is_known_nothing_is_said_to_be_zero():
    said = spending(plan("a"), SETTINGS, {}, {}, price)
    assert said.cost_low is None
    assert list(render_spending(said)) == [
        "not known: what a comes to: without paths a task has no size"
    ]


def test_commands_come_to_nothing_of_models():
    said = spending(plan("a", worker="sh"), SETTINGS, {"a": 10}, {}, price)
    assert said == Spending() and list(render_spending(said)) == []


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from([8_000, 128_000, 10**6]))
def test_more_to_read_never_comes_to_less_and_the_window_bounds_it(one, other, window):
    small, large = sorted((one, other))
    assert of_size(small, window).total <= of_size(large, window).total
    assert of_size(large, window).total <= 15 * (6_000 + window + 15 * 900) + 20_000
