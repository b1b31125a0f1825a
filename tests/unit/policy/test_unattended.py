"""What a run may do that nobody attends."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.model import (
    CommandWorker,
    Limits,
    ModelWorkerSettings,
    SandboxSettings,
    Settings,
)
from orchestrator.policy.unattended import may_accept, missing
from tests.support.builders import started

MODEL = ModelWorkerSettings(kind="model", models=("acme:small",))
COMMAND = CommandWorker(kind="command", command="true")
WORKERS = {"coder": MODEL, "reviewer": MODEL, "architect": MODEL, "codemod": COMMAND}


def settings(**fields: Any) -> Settings:
    fields.setdefault("workers", WORKERS)
    return Settings(**fields)


def of_mode(mode: Any) -> Settings:
    return settings(sandbox=SandboxSettings(mode=mode))


def whats(*args: Any, **how: Any) -> list[str]:
    found = missing(*args, **how)
    assert all(one.hint for one in found)
    return [one.what for one in found]


def test_it_wants_a_sandbox_or_one_around_it() -> None:
    assert "no sandbox" in whats(of_mode("none"), ())[0]
    assert whats(of_mode("external"), ()) == whats(of_mode("bubblewrap"), ()) == []


@pytest.mark.parametrize(
    ("asked", "plans", "limits", "lacks"),
    [
        (("codemod",), False, {}, ""),
        (("coder",), False, {}, "coder"),
        (("codemod", "reviewer"), False, {}, "reviewer"),
        (("codemod",), True, {}, "architect"),
        (("coder",), True, {}, "coder, architect"),
        (("coder",), True, {"budget_usd": 1.0}, ""),
        (("coder",), True, {"budget_tokens": 1}, ""),
        (("coder",), False, {"attempt_usd": 1.0, "task_usd": 1.0}, "coder"),
    ],
)
def test_it_wants_a_budget_wherever_a_model_may_be_asked(
    asked: tuple[str, ...], plans: bool, limits: dict[str, Any], lacks: str
) -> None:
    these = settings(planner="architect", limits=Limits(**limits))
    found = whats(these, asked, plans=plans)
    assert [what.rpartition(" on ")[2] for what in found] == ([lacks] if lacks else [])


def test_what_only_planning_may_cost_limits_planning_only() -> None:
    these = settings(planner="architect", plan_budget_usd=1.0)
    assert whats(these, ("codemod",), plans=True) == []
    assert whats(these, ("coder",), plans=True)[0].endswith(" on coder")


def test_all_that_is_missing_is_told_at_once() -> None:
    these = settings(sandbox=SandboxSettings(mode="none"))
    assert len(whats(these, ("coder",), accept=True)) == 3


@pytest.mark.parametrize(
    ("accept", "into", "unattended", "may"),
    [
        (False, "", False, False),
        (False, "main", True, False),
        (True, "", False, True),
        (True, "", True, False),
        (True, "main", True, True),
        (True, "main", False, True),
    ],
)
def test_it_accepts_only_into_a_branch_by_name(
    accept: bool, into: str, unattended: bool, may: bool
) -> None:
    start = started(1).model_copy(update={"accept": accept, "into": into, "unattended": unattended})
    assert may_accept(start) is may
    said = whats(settings(), (), accept=accept, into=into)
    assert bool(said) is (accept and not into)
