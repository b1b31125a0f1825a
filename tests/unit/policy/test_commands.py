"""Which commands count, and how they are told: one thing a line, and no text that hides another."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from ledger.connectors import McpServerSettings
from ledger.model import CommandWorker, Gate, Limits, Preparation, SandboxSettings, Settings, Value
from orchestrator.policy.commands import UNCOUNTED, ascii_text, commands_of

TEXTS = st.text(st.characters(codec=None), max_size=40) | st.text('ab\n\r"\\= .', max_size=12)


def settings(**fields: Any) -> Settings:
    return Settings(**fields)


def test_everything_that_runs_and_what_it_is_handed_is_told_a_line_each():
    told = commands_of(
        settings(
            preparation=Preparation(
                setup=("uv sync", "make"), copy_files=(".env.test",), copy_gates=(".env",)
            ),
            fix=("ruff check --fix .",),
            env=("DATABASE_URL",),
            workspaces="/var/spaces",
            gates=(Gate(name="unit", command='pytest -k "a b"'), Gate(name="lint", command="x")),
            workers={"coder": CommandWorker(kind="command", command="set -e\nwork\n", env=("K",))},
        )
    )
    assert told == (
        'run: setup = "uv sync"',
        'run: setup = "make"',
        'run: copy = ".env.test"',
        'run: copy_gates = ".env"',
        'run: fix = "ruff check --fix ."',
        'run: env = "DATABASE_URL"',
        'run: workspaces = "/var/spaces"',
        'gate lint: command = "x"',
        'gate unit: command = "pytest -k "a b""',
        'worker coder: kind = "command"',
        r'worker coder: command = "set -e\n"',
        r'worker coder: command ... "work\n"',
        'worker coder: env = "K"',
    )


def test_how_often_how_long_and_in_which_order_is_no_matter_of_trust():
    one, two = Gate(name="a", command="x"), Gate(name="b", command="y")
    before = settings(gates=(one, two))
    after = settings(
        limits=Limits(parallel=9),
        worker=None,
        protected=("x",),
        preparation=Preparation(setup_inputs=("a",), keep=("b",)),
        gates=(
            two.model_copy(update={"pass_if": "no-new-failures", "junit": "report.xml"}),
            one.model_copy(update={"stage": "check", "timeout_s": 3.0, "when": "named"}),
        ),
    )
    assert commands_of(before) == commands_of(after)


def test_into_which_branches_agents_may_accept_counts():
    named = settings(mcp_server=McpServerSettings(accept=("main", "next")))
    told = set(commands_of(named)) - set(commands_of(settings()))
    assert told == {'mcp_server: accept = "main"', 'mcp_server: accept = "next"'}


class Rules(Value):
    """Settings that a later version might have."""

    read: tuple[str, ...] = ()
    network: bool = False


class LaterGate(Gate):
    devices: bool = False


class LaterSettings(Settings):
    boundary: str = "on"
    rules: Rules = Rules()
    names: dict[str, str] = Field(default_factory=dict)


def test_a_setting_that_nobody_has_thought_about_counts_as_soon_as_it_is_used():
    plain = LaterGate(name="unit", command="x")
    assert commands_of(LaterSettings(gates=(plain,))) == commands_of(settings(gates=(plain,)))
    told = commands_of(
        LaterSettings(
            gates=(plain.model_copy(update={"devices": True}),),
            boundary="none",
            rules=Rules(read=("/opt", "/srv"), network=True),
            names={"b": "2", "a\n": "1"},
        )
    )
    assert told == (
        'run: boundary = "none"',
        'rules: read = "/opt"',
        'rules: read = "/srv"',
        "rules: network = true",
        r'run: names "a\n" = "1"',
        'run: names "b" = "2"',
        'gate unit: command = "x"',
        "gate unit: devices = true",
    )


def test_whatever_opens_the_sandbox_counts():
    shut = settings(gates=(Gate(name="unit", command="x"),))
    opened = settings(
        sandbox=SandboxSettings(
            mode="none", read=("~/data",), write=("/srv",), setup_network=("host:443",), processes=9
        ),
        gates=(Gate(name="unit", command="x", network=True),),
        workers={"w": CommandWorker(kind="command", command="y", network=("a", "b"))},
    )
    assert commands_of(shut) == ('gate unit: command = "x"',)
    assert commands_of(opened) == (
        'sandbox: mode = "none"',
        'sandbox: read = "~/data"',
        'sandbox: write = "/srv"',
        'sandbox: setup_network = "host:443"',
        "sandbox: processes = 9",
        'gate unit: command = "x"',
        "gate unit: network = true",
        'worker w: kind = "command"',
        'worker w: command = "y"',
        'worker w: network = "a"',
        'worker w: network = "b"',
    )


@pytest.mark.parametrize("model", UNCOUNTED)
def test_what_does_not_count_is_named_as_the_models_name_it(model):
    assert UNCOUNTED[model] <= set(model.model_fields)


# --- no text passes for another -----------------------------------------------------------------


@given(TEXTS)
def test_a_line_is_printable_ascii_and_nothing_else(text):
    for line in commands_of(settings(fix=(text,))):
        assert re.fullmatch(r"[ -~]+", line)


@given(st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3))
def test_equal_lines_mean_equal_commands(one, two):
    told = [commands_of(settings(fix=tuple(texts))) for texts in (one, two)]
    assert (told[0] == told[1]) == (one == two)


@given(TEXTS, TEXTS)
def test_no_command_passes_for_two_or_for_another_owner(one, two):
    first = settings(fix=(one,), env=(two,), preparation=Preparation(setup=(two,)))
    second = settings(fix=(two,), env=(one,), preparation=Preparation(setup=(one,)))
    assert (commands_of(first) == commands_of(second)) == (one == two)


def test_what_would_steer_hide_or_deceive_is_shown():
    told = ascii_text("a\x1b[2J\u202eb\u200b\x7f\xa0раураl\r\\n\ud800")
    assert told == (
        r'"a\u001b[2J\u202eb\u200b\u007f\u00a0\u0440\u0430\u0443\u0440\u0430l\r\\n\ud800"'
    )
