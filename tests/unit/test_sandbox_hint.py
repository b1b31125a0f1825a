"""What the owner of a machine is told to type, where orch came without its docs."""

import re
import subprocess
from pathlib import Path

import pytest

from workers import sandbox_offer

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "sandbox.md"


def test_where_apparmor_forbids_it_the_hint_itself_makes_the_profile_of_the_docs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = tmp_path / "apparmor_restrict_unprivileged_userns"
    switch.write_text("1\n")
    monkeypatch.setattr(sandbox_offer, "_APPARMOR", switch)
    hint = sandbox_offer._hint_for("setting up uid map: Permission denied")
    assert "docs/" not in hint and hint.endswith("sudo apparmor_parser -r /etc/apparmor.d/bwrap")
    makes = hint[hint.index("printf") : hint.index(" | sudo tee /etc/apparmor.d/bwrap")]
    made = subprocess.run(("sh", "-c", makes), capture_output=True, text=True, check=True).stdout
    block = re.search(r"# /etc/apparmor.d/bwrap\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block is not None and made == block[1]
