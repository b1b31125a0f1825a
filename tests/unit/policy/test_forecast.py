"""What a plan is expected to take."""

from __future__ import annotations

import time

import pytest

from ledger.events import Estimates
from orchestrator.policy.forecast import Forecast, forecast, search_runs
from tests.support.builders import Needs, started


def expected(
    needs: Needs, *, rate: float = 0.0, gate_s: float = 10.0, **limits: object
) -> Forecast:
    start = started(needs, **limits)
    estimates = Estimates(failure_rate=rate, attempt_s=100.0, gate_s={"unit": gate_s})
    return forecast(start.plan, start.settings, estimates)


def test_one_task_takes_an_attempt_and_a_gate_run():
    found = expected({"a": []})
    assert found.critical_path_s == 110.0
    assert 70.0 <= found.low_s <= found.makespan_s <= found.high_s <= 150.0
    assert found.full_gate_runs == 2  # the baseline's is one
    assert found.gate_s == 10.0
    assert found.simulated


def test_a_chain_takes_its_length_and_independent_tasks_share_the_workers():
    chain = expected({"a": [], "b": ["a"], "c": ["b"], "d": ["c"]})
    beside = expected(4, parallel=4)
    assert chain.critical_path_s == 440.0
    assert beside.critical_path_s == 110.0
    assert chain.makespan_s > 2.5 * beside.makespan_s
    assert chain.worker_s == pytest.approx(beside.worker_s, rel=0.3)


def test_more_failures_cost_more_of_everything():
    calm, rough = expected(40, rate=0.02), expected(40, rate=0.4)
    assert rough.full_gate_runs > calm.full_gate_runs
    assert rough.worker_s > calm.worker_s
    assert rough.makespan_s > calm.makespan_s


def test_a_deadline_in_the_past_does_not_empty_the_forecast():
    assert expected(3, deadline=1.0).worker_s > 200.0


def test_tasks_on_the_same_paths_are_forecast_one_after_the_other():
    estimates = Estimates(failure_rate=0.0, attempt_s=100.0)
    apart = started(4, parallel=4)
    close = started(4, parallel=4, paths={t: ["src/**"] for t in ("t1", "t2", "t3", "t4")})
    one = forecast(apart.plan, apart.settings, estimates)
    other = forecast(close.plan, close.settings, estimates)
    assert other.makespan_s > 2.5 * one.makespan_s


def test_equal_plans_have_equal_forecasts():
    assert expected(20, rate=0.3) == expected(20, rate=0.3)


@pytest.mark.parametrize(("rate", "gate_s"), [(0.02, 1.0), (0.1, 10.0), (0.1, 60.0), (0.3, 300.0)])
def test_the_reckoning_agrees_with_the_simulation_where_both_can_speak(monkeypatch, rate, gate_s):
    simulated = expected(120, rate=rate, gate_s=gate_s)
    monkeypatch.setattr("orchestrator.policy.forecast.SIMULATED_AT_MOST", 0)
    reckoned = expected(120, rate=rate, gate_s=gate_s)
    assert (simulated.simulated, reckoned.simulated) == (True, False)
    assert reckoned.makespan_s == pytest.approx(simulated.makespan_s, rel=0.25)
    assert reckoned.full_gate_runs == pytest.approx(simulated.full_gate_runs, rel=0.25)
    assert reckoned.worker_s == pytest.approx(simulated.worker_s, rel=0.15)


def test_ten_thousand_tasks_are_reckoned_at_once():
    begin = time.perf_counter()
    found = expected(10_000, rate=0.1)
    assert not found.simulated
    assert found.low_s <= found.makespan_s <= found.high_s
    assert time.perf_counter() - begin < 5.0


def test_a_search_needs_few_runs_where_heads_seldom_fail():
    assert search_runs(0.0) == 0.0
    assert search_runs(0.02) < 0.2
    assert search_runs(0.5) == pytest.approx(1.5)
    assert search_runs(1.0) == 2.0
