"""Whole runs whose workers plant in the repository what a person's git would have obeyed."""

from pathlib import Path

import pytest

from ledger.model import SandboxMode
from tests.attacks.runs.attack import Attacked, cases
from tests.attacks.runs.planted import GROUPS
from tests.faults.scenarios import spread
from tests.support.project import task

IN_A_SANDBOX = ("hooks",)
"""Of which a sample is looked at in a sandbox too."""
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(("group", "sandbox"), cases(GROUPS, IN_A_SANDBOX))
@pytest.mark.sample(3)
def test_what_a_worker_plants_in_the_repository(
    tmp_path: Path, group: str, sandbox: SandboxMode
) -> None:
    attacks = GROUPS[group]
    chosen = spread(attacks, 6, f"planted, {group}, {sandbox}", attacks[:1])
    attacked = Attacked(tmp_path, chosen, sandbox, looks=False)
    # Once everything is planted a whole attempt follows, from its workspace to its landing.
    last = task("last", paths=(), needs=tuple(one.name for one in chosen))
    scripts = {"attacks/last.sh": "echo x > last\necho >> readme\n"}
    attacked.project.commit(scripts, "another worker")
    attacked.begin()
    state = attacked.run(last)
    attacked.check_harmless()
    attacked.check_ends(state, "last")
    if sandbox == "none":
        assert attacked.check_traps() or group == "pointers"
        attacked.put_back()
    attacked.check_laws(state)
