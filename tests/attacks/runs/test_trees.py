"""Whole runs whose workers leave hostile trees: neither executed nor landed, and cleaned up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.model import SandboxMode
from tests.attacks.runs.attack import Attacked, cases
from tests.attacks.runs.trees import TREES
from tests.faults.scenarios import FULL, spread
from worktree.removal import remove

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that goes, whatever is in it: nobody else could remove one so deep."""
    yield tmp_path / "x"
    remove(tmp_path / "x")


IN_A_SANDBOX = ("links",)
"""Looked at in a sandbox too."""


@pytest.mark.parametrize(("group", "sandbox"), cases(TREES, IN_A_SANDBOX))
@pytest.mark.sample(3)
def test_what_a_worker_leaves_in_its_tree(folder: Path, group: str, sandbox: SandboxMode) -> None:
    quick = [one for one in TREES[group] if FULL or not one.slow]
    chosen = spread(quick, 6, f"hostile trees, {group}, {sandbox}")
    attacked = Attacked(folder, chosen, sandbox)
    state = attacked.run()
    attacked.check_harmless()
    attacked.check_ends(state)
    if sandbox == "none":
        attacked.heal()
    attacked.check_laws(state)
