"""Whole runs whose workers leave hostile trees: neither executed nor landed, and cleaned up."""

from pathlib import Path

import pytest

from ledger.model import SandboxMode
from tests.attacks.runs.attack import Attacked
from tests.attacks.runs.trees import TREES
from tests.faults.scenarios import FULL, spread
from tests.support.sandboxed import needs_sandbox

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("sandbox", ["none", pytest.param("bubblewrap", marks=needs_sandbox)])
def test_what_a_worker_leaves_in_its_tree(tmp_path: Path, sandbox: SandboxMode) -> None:
    quick = [one for one in TREES if FULL or not one.slow]
    chosen = spread(quick, 45 if sandbox == "none" else 15, f"hostile trees, {sandbox}")
    attacked = Attacked(tmp_path, chosen, sandbox)
    state = attacked.run()
    attacked.check_harmless()
    attacked.check_ends(state)
    if sandbox == "none":
        attacked.heal()
    attacked.check_laws(state)
