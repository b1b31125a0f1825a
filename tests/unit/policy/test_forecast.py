"""What a plan is expected to take."""

from __future__ import annotations

import time

import pytest

from ledger.events import Estimates
from ledger.model import Gate, Limits
from orchestrator.policy.forecast import Forecast, forecast, search_runs
from orchestrator.review.foreseen import render_forecast
from tests.support.builders import Needs, started


def expected(
    needs: Needs, *, rate: float = 0.0, gate_s: float = 10.0, **limits: object
) -> Forecast:
    start = started(needs, **limits)
    estimates = Estimates(
        failure_rate=rate, attempt_s_by_worker={"coder": 100.0}, gate_s={"unit": gate_s}
    )
    return forecast(start.plan, start.settings, estimates)


def known(seconds: float | None) -> float:
    assert seconds is not None
    return seconds


def test_one_task_takes_an_attempt_and_a_gate_run():
    found = expected({"a": []})
    assert found.critical_path_s == 110.0
    low, middle, high = map(known, (found.low_s, found.makespan_s, found.high_s))
    assert 70.0 <= low <= middle <= high <= 150.0
    # the baseline's is one
    assert (found.full_gate_runs_low, found.full_gate_runs_high) == (2, 2)
    assert found.gate_s == 10.0
    assert found.simulated


def test_a_chain_takes_its_length_and_independent_tasks_share_the_workers():
    chain = expected({"a": [], "b": ["a"], "c": ["b"], "d": ["c"]})
    beside = expected(4, parallel=4)
    assert chain.critical_path_s == 440.0
    assert beside.critical_path_s == 110.0
    assert known(chain.makespan_s) > 2.5 * known(beside.makespan_s)
    assert chain.worker_s == pytest.approx(beside.worker_s, rel=0.3)


def test_more_failures_cost_more_of_everything():
    calm, rough = expected(40, rate=0.02), expected(40, rate=0.4)
    assert rough.full_gate_runs_high > calm.full_gate_runs_high
    assert known(rough.worker_s) > known(calm.worker_s)
    assert known(rough.makespan_s) > known(calm.makespan_s)


def test_a_deadline_in_the_past_does_not_empty_the_forecast():
    assert known(expected(3, deadline=1.0).worker_s) > 200.0


def test_tasks_on_the_same_paths_are_forecast_one_after_the_other():
    estimates = Estimates(
        failure_rate=0.0, attempt_s_by_worker={"coder": 100.0}, gate_s={"unit": 0.0}
    )
    apart = started(4, parallel=4)
    close = started(4, parallel=4, paths={t: ["src/**"] for t in ("t1", "t2", "t3", "t4")})
    one = forecast(apart.plan, apart.settings, estimates)
    other = forecast(close.plan, close.settings, estimates)
    assert known(other.makespan_s) > 2.5 * known(one.makespan_s)


def test_equal_plans_have_equal_forecasts():
    assert expected(20, rate=0.3) == expected(20, rate=0.3)


@pytest.mark.parametrize(("rate", "gate_s"), [(0.02, 1.0), (0.1, 10.0), (0.1, 60.0), (0.3, 300.0)])
def test_the_reckoning_agrees_with_the_simulation_where_both_can_speak(monkeypatch, rate, gate_s):
    simulated = expected(120, rate=rate, gate_s=gate_s)
    monkeypatch.setattr("orchestrator.policy.forecast.SIMULATED_AT_MOST", 0)
    reckoned = expected(120, rate=rate, gate_s=gate_s)
    assert (simulated.simulated, reckoned.simulated) == (True, False)
    assert reckoned.makespan_s == pytest.approx(simulated.makespan_s, rel=0.25)
    for end in ("full_gate_runs_low", "full_gate_runs_high"):
        assert getattr(reckoned, end) == pytest.approx(getattr(simulated, end), rel=0.25), end
    assert reckoned.worker_s == pytest.approx(simulated.worker_s, rel=0.15)


def test_ten_thousand_tasks_are_reckoned_at_once():
    begin = time.perf_counter()
    found = expected(10_000, rate=0.1)
    assert not found.simulated
    assert known(found.low_s) <= known(found.makespan_s) <= known(found.high_s)
    assert time.perf_counter() - begin < 5.0


def test_a_search_needs_few_runs_where_heads_seldom_fail():
    assert search_runs(0.0) == 0.0
    assert search_runs(0.02) < 0.2
    assert search_runs(0.5) == pytest.approx(1.5)
    assert search_runs(1.0) == 2.0


# --- what is not known -------------------------------------------------------------------------

NOTHING = Estimates()
GATES = Estimates(gate_s={"unit": 10.0})
WORKERS = Estimates(attempt_s_by_worker={"coder": 100.0})


def of(needs: Needs, estimates: Estimates, **limits: object) -> Forecast:
    start = started(needs, **limits)
    return forecast(start.plan, start.settings, estimates)


@pytest.mark.parametrize("estimates", [NOTHING, GATES, WORKERS])
@pytest.mark.parametrize("tasks", [3, 300])
def test_a_time_that_nobody_measured_is_not_made_up(estimates: Estimates, tasks: int):
    found = of(tasks, estimates)
    assert {found.makespan_s, found.low_s, found.high_s, found.worker_s} == {None}
    assert found.critical_path_s is None
    assert found.unknown_gates == (() if estimates is GATES else ("unit",))
    assert found.unknown_workers == (() if estimates is WORKERS else ("coder",))
    assert found.gate_s == (10.0 if estimates is GATES else None)


def test_a_worker_that_the_plan_does_not_ask_for_need_not_be_known():
    found = of(3, Estimates(attempt_s_by_worker={"other": 5.0}, gate_s={"unit": 10.0}))
    assert found.unknown_workers == ("coder",) and found.makespan_s is None
    both = {"other": 5.0, "coder": 7.0}
    found = of(3, Estimates(attempt_s_by_worker=both, gate_s={"unit": 10.0}))
    assert found.unknown_workers == () and found.makespan_s is not None


def test_without_times_gate_runs_go_from_all_together_to_each_alone():
    calm = of(8, Estimates(failure_rate=0.0))
    assert (calm.full_gate_runs_low, calm.full_gate_runs_high) == (2, 9)
    rough = of(8, Estimates(failure_rate=0.3))
    assert rough.full_gate_runs_low == 2 and rough.full_gate_runs_high > 9
    chain = of({"a": [], "b": ["a"], "c": ["b"]}, Estimates(failure_rate=0.0))
    assert (chain.full_gate_runs_low, chain.full_gate_runs_high) == (4, 4)


def test_with_times_the_range_is_within_the_one_without():
    for rate in (0.02, 0.1, 0.3):
        without = of(20, Estimates(failure_rate=rate))
        found = expected(20, rate=rate)
        assert without.full_gate_runs_low <= found.full_gate_runs_low, rate
        assert found.full_gate_runs_low <= found.full_gate_runs_high, rate
        assert found.full_gate_runs_high <= without.full_gate_runs_high + 1, rate


def test_long_plans_have_a_range_too(monkeypatch):
    simulated = of(120, Estimates(failure_rate=0.1))
    monkeypatch.setattr("orchestrator.policy.forecast.SIMULATED_AT_MOST", 0)
    reckoned = of(120, Estimates(failure_rate=0.1))
    assert reckoned.full_gate_runs_low == simulated.full_gate_runs_low == 2
    high = pytest.approx(simulated.full_gate_runs_high, rel=0.15)
    assert reckoned.full_gate_runs_high == high


def test_a_gate_that_only_some_tasks_name_need_not_be_known():
    start = started(2)
    slow = Gate(name="slow", command="true", when="named")
    settings = start.settings.model_copy(update={"gates": (*start.settings.gates, slow)})
    assert forecast(start.plan, settings, GATES).unknown_gates == ()


def test_without_gates_there_are_no_gate_runs():
    start = started(2)
    settings = start.settings.model_copy(update={"gates": ()})
    found = forecast(start.plan, settings, WORKERS)
    assert (found.full_gate_runs_low, found.full_gate_runs_high) == (0, 0)
    assert found.makespan_s is not None


# --- what a person is told ---------------------------------------------------------------------


def told(found: Forecast, **limits: int) -> list[str]:
    return list(render_forecast(found, Limits(**limits)))


def test_nothing_known_is_said_without_a_time():
    assert told(of(8, NOTHING)) == [
        "forecast: 4 workers side by side, 2 to 11 full gate runs",
        "assumed: 0 to 10% of the changes fail at first; none judged here yet",
        "not known yet: how long worker 'coder' takes: after the first run",
        "not known yet: how long gate 'unit' takes: after the first run, or orch gate",
    ]


def test_gates_that_were_tried_are_told_with_their_time():
    head, *_ = told(of(8, GATES), gates_parallel=2)
    assert head == (
        "forecast: 4 workers side by side, 2 to 11 full gate runs of 10 s, 10 s to 55 s of judging"
    )


def test_all_known_is_one_line_once_enough_was_judged():
    estimates = Estimates(
        failure_rate=0.2,
        heads_judged=30,
        attempt_s_by_worker={"coder": 100.0},
        gate_s={"unit": 10.0},
    )
    (line,) = told(of(3, estimates))
    assert line.startswith("forecast: about 3 min ") and " with 4 workers, " in line
    assert line.endswith(" full gate runs of 10 s")
    few = estimates.model_copy(update={"heads_judged": 1})
    assert told(of(3, few))[1:] == [
        "assumed: 0 to 20% of the changes fail at first; 1 change judged here so far"
    ]


def test_what_is_short_is_not_told_to_the_tenth_of_a_second():
    estimates = Estimates(
        heads_judged=30, attempt_s_by_worker={"coder": 0.1}, gate_s={"unit": 0.01}
    )
    (line,) = told(of(1, estimates))
    assert line.startswith("forecast: a few seconds with 4 workers, 2")
    assert line.endswith(" full gate runs")
