"""What `orch doctor` says of the forge: asked in this process, and nothing is sent anywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.connectors import ForgeSettings
from ledger.model import Settings
from orchestrator.doctor.delivery import delivery
from orchestrator.doctor.findings import Finding, Visit
from tests.integration.forges.conftest import Away

HUB = ForgeSettings(kind="github", repository="ada/tea")
LAB = ForgeSettings(kind="gitlab", repository="ada/tea")


def looked(away: Away, forge: ForgeSettings | None, address: str, **environ: str) -> list[Finding]:
    """What is found of that forge; no CLI of a forge's is there to give a token."""
    away.project.git("remote", "set-url", "origin", address)
    workplace = away.project.workplace()
    said = {"HOME": workplace.environ["HOME"], "PATH": "/nowhere", **environ}
    workplace = replace(workplace, environ=said)
    nowhere = away.project.root / "nowhere"
    return list(delivery(Visit(workplace, nowhere, Settings(forge=forge))))


@pytest.mark.parametrize(
    ("forge", "address", "hint"),
    [
        (HUB, "https://github.com/ada/tea", "export GITHUB_TOKEN=...; in a job of GitHub's:"),
        (LAB, "https://gitlab.com/ada/tea", "export GITLAB_TOKEN=..."),
        (
            HUB.model_copy(update={"token": "TEA_TOKEN"}),
            "https://github.com/ada/tea",
            "export TEA_TOKEN=...; in a job of GitHub's: env: TEA_TOKEN: ${{ github.token }}",
        ),
    ],
)
def test_a_token_that_is_not_there_is_odd_and_its_variable_is_named(
    away: Away, forge: ForgeSettings, address: str, hint: str
) -> None:
    (found,) = looked(away, forge, address)
    assert (found.subject, found.level) == ("forge", "odd")
    assert "there is no token, so no pull request can be opened" in found.what
    assert address.removeprefix("https://") in found.what
    assert found.hint.startswith(hint)


def test_with_a_token_it_says_where_it_goes_and_never_what_it_is(away: Away) -> None:
    token = "correct-horse-battery"
    (found,) = looked(away, HUB, "https://github.com/ada/tea", GITHUB_TOKEN=token)
    assert found.level == "good" and found.what.endswith("with the token of GITHUB_TOKEN")
    assert token not in found.what + found.hint


def test_who_never_pushes_is_told_nothing_but_in_a_job_it_counts(away: Away) -> None:
    assert looked(away, None, "https://github.com/ada/tea") == []
    (found,) = looked(away, None, "https://github.com/ada/tea", CI="true")
    assert found.level == "odd" and "there is no token" in found.what
