"""No sandbox, no gate, a red base by leave: whoever reads of such a run is told, and wherever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import User, ended_with

UNCONFINED = "no sandbox: workers and gates run as you, with your rights"
UNJUDGED = "no gate judged what landed"
SET_ASIDE = "the base was not green: suite did not judge this run (--allow-red-base)"
NOTIFY = '\n[notify]\ncommand = "cat > told"\n'


def without_a_gate(user: User) -> tuple[str, ...]:
    user.write(
        {
            ".agent/orch.toml": '[run]\nworker = "sh"\nmin_free_gb = 0\nsandbox = "none"\n'
            '[worker.sh]\nkind = "command"\ncommand = "echo > $ORCH_TASK.txt"\n'
        }
    )
    return UNCONFINED, UNJUDGED


def with_its_only_gate_red(user: User) -> tuple[str, ...]:
    user.settings(gates={"suite": "exit 1"})
    return UNCONFINED, UNJUDGED, SET_ASIDE


@pytest.mark.parametrize(
    "settings", [pytest.param(without_a_gate, marks=pytest.mark.thorough), with_its_only_gate_red]
)
def test_what_judged_or_confined_nothing_is_said_by_every_command(
    tmp_path: Path, settings: object
) -> None:
    assert callable(settings)
    user = User(tmp_path / "home")
    words: tuple[str, ...] = settings(user)
    user.write({".agent/orch.local.toml": NOTIFY})
    user.plan("a")
    ended_with(user.orch("run", "--allow-red-base", "--notify"), 0, *words)
    for typed in (("status",), ("show",), ("show", "a"), ("wait",), ("ledger", "verify")):
        said = user.orch(*typed)
        ended_with(said, 0, *words)
        missing = [word for word in words if word not in " ".join(said.out.split())]
        assert not missing, (typed, said)
    report = user.orch("report")
    first, rest = report.out.split("## Read this first")
    assert "1 landing, no gate judged it" in first, report.out
    assert all(word[1:] in rest.split("\n## ")[0] for word in words), report.out
    assert all(word[1:] in user.orch("report", "--since", "1d").out for word in words)
    verified = user.orch("ledger", "verify")
    assert "agrees: 1 landing, no gate judged it, " in verified.out
    told = (user.root / "told").read_text()
    assert all(word in told for word in words), told

    for typed in (("status",), ("show",), ("wait",), ("ledger", "verify")):
        body = user.orch(*typed, "--json").json
        assert set(words) == set(body["warnings"]), (typed, body)
    assert user.orch("ledger", "verify", "--json").json["unjudged"] == 1
    kept = json.loads((user.root / ".agent/state_ledger.json").read_text())
    assert set(words) == set(kept["warnings"]) and kept == user.orch("ledger", "export").json
    (*_, last) = kept["tasks"]["a"]["execution_log"]
    assert (last["action"], last["gate_status"]) == ("landed", "not-judged")

    said = user.orch("accept", "--to", "first")
    ended_with(said, 0, "(no gate judged it)", *words)
    assert "passed" not in said.out
    said = user.orch("accept", "--to", "second", "--json")
    assert said.json["gates"] == [] and set(words) == set(said.json["warnings"])


def test_a_gate_that_judges_is_not_spoken_of_as_if_it_did_not(tmp_path: Path) -> None:
    user = User(tmp_path / "home")
    user.settings(gates={"suite": "true", "other": "test ! -e readme"})
    user.plan("a")
    ended_with(user.orch("run", "--allow-red-base"), 0, "other did not judge this run")
    said = user.orch("ledger", "verify")
    ended_with(said, 0, "1 landing, each tree judged", "other did not judge this run")
    assert "no gate" not in said.words
    said = user.orch("accept", "--to", "other")
    ended_with(said, 0, "(its tree had passed already)", "other did not judge this run")
    assert "no gate" not in user.orch("report").out
