"""Which branches agents may accept into: said by the team alone, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.model import Settings
from orchestrator.config import load_settings, settings_differences
from orchestrator.errors import Problems


def written(folder: Path, shared: str, local: str = "") -> Path:
    (folder / ".agent").mkdir(exist_ok=True)
    (folder / ".agent/orch.toml").write_text(shared)
    (folder / ".agent/orch.local.toml").write_text(local)
    return folder


def test_branches_are_named_in_the_shared_file(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, "")).mcp_server.accept == ()
    found = load_settings(written(tmp_path, '[mcp_server]\naccept = ["main", "team/next"]\n'))
    assert found.mcp_server.accept == ("main", "team/next")
    assert settings_differences(Settings(), found) == ("mcp_server.accept",)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('accept = ["release/*"]', "is a pattern"),
        ('accept = ["a..b"]', "no legal name of a branch"),
        ('accept = ["refs/heads/main"]', "no legal name of a branch"),
        ('accept = ["orch/x/result"]', "none of your branches"),
        ('accept = "main"', "accept"),
        ("accept = true", "accept"),
        ('acept = ["main"]', "did you mean 'accept'"),
    ],
)
def test_what_names_no_branch_is_refused_with_its_line(
    tmp_path: Path, line: str, what: str
) -> None:
    with pytest.raises(Problems) as told:
        load_settings(written(tmp_path, f"[mcp_server]\n{line}\n"))
    assert ".agent/orch.toml:2" in told.value.message and what in told.value.message


def test_a_file_of_ones_own_which_nobody_is_asked_about_may_not_say_it(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="is the team's to say"):
        load_settings(written(tmp_path, "", '[mcp_server]\naccept = ["main"]\n'))
