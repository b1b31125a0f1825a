"""What the settings make of a sandbox, and what of it a verdict depends on."""

from pathlib import Path
from typing import Any

import pytest

from ledger.model import Gate, SandboxSettings
from orchestrator.sandboxing import NOTICES, Sandboxes
from tests.support.project import Project
from workers.reach import Reach
from workers.sandbox import Confinement


def sandboxes(folder: Path, **settings: Any) -> Sandboxes:
    wanted = SandboxSettings.model_validate({"mode": "bubblewrap", **settings})
    workplace = Project(folder).workplace()
    return Sandboxes(workplace.git, wanted, workplace.environ)


def test_a_verdict_depends_on_all_of_a_sandbox(tmp_path: Path) -> None:
    base = sandboxes(tmp_path)

    def key(**settings: Any) -> str:
        wanted = SandboxSettings.model_validate({"mode": "bubblewrap", **settings})
        return Sandboxes(base.git, wanted, base.environ).key

    others = [
        key(read=["/srv"]),
        key(write=["/srv"]),
        key(setup_network=True),
        key(setup_network=["index.example.org"]),
        key(memory_gb=1),
        key(processes=100),
        key(file_gb=1),
        key(mode="none"),
        key(mode="external"),
    ]
    assert len({base.key, *others}) == len(others) + 1
    assert set(SandboxSettings.model_fields) == {
        *("mode", "read", "write", "setup_network", "memory_gb", "processes", "file_gb")
    }, "what is new belongs in the list above"
    assert base.key == key()
    assert key(mode="none") == key(mode="none", memory_gb=1), "nothing holds it there"


def test_who_may_reach_what(tmp_path: Path) -> None:
    made = sandboxes(tmp_path, setup_network=["index.example.org"])
    plain = Confinement()

    def network(confinement: Confinement | None) -> bool | tuple[str, ...]:
        assert confinement is not None
        reach = confinement.network
        if isinstance(reach, Reach):
            return tuple(host.name for host in reach.allowance.hosts)
        return reach

    def gate(what: Any) -> Gate:
        return Gate(name="unit", command="x", network=what)

    assert network(made.for_worker(plain, "w", False)) is False
    assert network(made.for_worker(plain, "w", ())) is False
    assert network(made.for_worker(plain, "w", True)) is True
    assert network(made.for_worker(plain, "w", ("a.org",))) == ("a.org",)
    assert network(made.for_gate(plain, gate(False))) is False
    assert network(made.for_gate(plain, gate(("b.org",)))) == ("b.org",)
    assert network(made.for_setup(plain)) == ("index.example.org",)
    assert made.for_worker(None, "w", ("a.org",)) is None


@pytest.mark.parametrize(
    ("who", "what", "hint"),
    [
        ("worker", "worker w wanted", 'network = [..., "x.org:22"] below [worker.w]'),
        ("gate", "gate unit wanted", 'network = [..., "x.org:22"] below [[gate]] name = "unit"'),
        ("setup", "the set-up wanted", 'setup_network = [..., "x.org:22"] below [sandbox]'),
    ],
)
def test_what_is_wanted_is_told_once_for_each_host(
    tmp_path: Path, who: str, what: str, hint: str
) -> None:
    told: list[tuple[str, str]] = []
    project = Project(tmp_path)
    workplace = project.workplace()
    settings = SandboxSettings(setup_network=("a.org",))
    made = Sandboxes(workplace.git, settings, workplace.environ, "r", lambda *x: told.append(x))
    confinement = {
        "worker": made.for_worker(Confinement(), "w", ("a.org",)),
        "gate": made.for_gate(Confinement(), Gate(name="unit", command="x", network=("a.org",))),
        "setup": made.for_setup(Confinement()),
    }[who]
    assert confinement is not None and isinstance(confinement.network, Reach)
    for target in ("x.org:22", "x.org:22", "y.org:443"):
        confinement.network.refused(target)
    assert told[0] == (
        f"{what} to reach x.org:22, which its settings do not allow",
        f"to allow it: {hint}",
    )
    assert len(told) == 2 and '"y.org"]' in told[1][1]
    for number in range(100):
        confinement.network.refused(f"h{number}.org:443")
    assert len(told) == NOTICES + 1
    assert told[-1][0] == "more hosts were wanted than are told here"
