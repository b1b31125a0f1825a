"""What settings a new repository would get: the values that detection passes around. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.model import Gate, Stage

READ = (
    "pyproject.toml", "setup.cfg", "tox.ini", "tox.toml", "pytest.ini", "noxfile.py", "setup.py",
    "ruff.toml", ".ruff.toml", "mypy.ini", ".mypy.ini", ".flake8", "pyrightconfig.json",
    "requirements.txt", "requirements-dev.txt", "requirements_dev.txt", "dev-requirements.txt",
    "uv.lock", "poetry.lock", "pdm.lock", "package.json", "package-lock.json", "pnpm-lock.yaml",
    "yarn.lock", "bun.lock", "bun.lockb", "tsconfig.json", "Cargo.toml", "rustfmt.toml",
    ".rustfmt.toml", "go.mod", "Makefile", "makefile", "GNUmakefile", ".pre-commit-config.yaml",
    "conftest.py",
)  # fmt: skip
"""The files of the root that are looked at."""

PRESENT_ONLY = frozenset({"uv.lock", "poetry.lock", "pdm.lock", "package-lock.json", "bun.lockb"})
"""Of these only the presence counts; they may be large."""


@dataclass(frozen=True, slots=True)
class Look:
    """What there is in a repository: the files of READ, and names of all others."""

    files: Mapping[str, str]
    names: frozenset[str] = frozenset()
    """Paths of files near the root."""
    python: str = "python"
    """The name by which this machine starts Python; many have only `python3`."""


@dataclass(frozen=True, slots=True)
class ProposedGate:
    """A gate and the file that speaks for it."""

    gate: Gate
    reason: str


@dataclass(frozen=True, slots=True)
class InitProposal:
    """What settings would say."""

    gates: tuple[ProposedGate, ...] = ()
    fix: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    setup_inputs: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()


@dataclass
class Draft:
    """A proposal while it grows; the first gate of a name stays."""

    gates: dict[str, ProposedGate] = field(default_factory=dict)
    covered: set[str] = field(default_factory=set)
    """`suite`, `lint`, `types`: what some gate looks after already."""
    fix: list[str] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)
    setup_inputs: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)

    def add(self, name: str, command: str, reason: str, what: str, stage: Stage = "check") -> None:
        self.covered.add(what)
        gate = Gate(name=name, command=command, stage=stage)
        self.gates.setdefault(name, ProposedGate(gate, reason))


def hooks_of(files: Mapping[str, str]) -> dict[str, str]:
    """The hooks that pre-commit runs."""
    name = ".pre-commit-config.yaml"
    return dict.fromkeys(
        re.findall(r"(?m)^\s*-?\s*id:\s*['\"]?([\w.-]+)", files.get(name, "")), name
    )
