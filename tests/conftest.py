"""What `make test` runs, and what only `make thorough` does.

1. `@pytest.mark.thorough`: a test that costs much and guards what a cheaper one guards nearly.
2. `@pytest.mark.sample(n)`: of a parametrised test's cases, n that are spread evenly, the first
   and the last among them.
3. ORCH_FAULTS=all runs everything; naming one test runs it, with all its cases.
4. Of hypothesis's examples a quarter (tests/support/examples.py).
5. How many cases a test of many looked at is said at the end.
6. Signals that whoever started the tests ignores (nohup, a shell's `&`) reach what is tested.
"""

from __future__ import annotations

import re
import signal
from collections import defaultdict

import pytest
from hypothesis import settings

from tests.support.examples import THOROUGH, examples

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None, max_examples=examples(100))
settings.load_profile("untimed")

COUNTED = re.compile(r".+: \d+ cases\b.*")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "thorough: only where ORCH_FAULTS=all")
    config.addinivalue_line("markers", "sample(n): n spread cases, all where ORCH_FAULTS=all")
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        hear_signals()


def hear_signals() -> None:
    """What is ignored here would be ignored by every child; what is caught here is not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.stats.get("passed", []):
        for _, text in report.sections:
            for line in text.splitlines():
                if COUNTED.fullmatch(line):
                    terminalreporter.write_line(line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    named = any("::" in argument for argument in config.args)
    if THOROUGH or named:
        return
    cases: dict[object, list[pytest.Item]] = defaultdict(list)
    left_out: set[pytest.Item] = set()
    for item in items:
        if item.get_closest_marker("thorough"):
            left_out.add(item)
        elif item.get_closest_marker("sample"):
            cases[item.nodeid.split("[", 1)[0]].append(item)
    for group in cases.values():
        mark = group[0].get_closest_marker("sample")
        assert mark is not None
        left_out.update(set(group) - set(spread(group, mark.args[0])))
    if left_out:
        config.hook.pytest_deselected(items=sorted(left_out, key=lambda item: item.nodeid))
        items[:] = [item for item in items if item not in left_out]


def spread(cases: list[pytest.Item], count: int) -> list[pytest.Item]:
    """So many of them, evenly spread."""
    if count >= len(cases):
        return cases
    last = len(cases) - 1
    return [cases[round(turn * last / max(1, count - 1))] for turn in range(count)]
