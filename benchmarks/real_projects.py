"""The projects, their suites, the codemods and the versions of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Codemod = Literal["pyupgrade", "isort", "ruff"]

TOOLS = (
    *("pytest==9.2.0", "pytest-xdist==3.8.0"),
    *("ruff==0.17.6", "isort==9.0.2", "pyupgrade==3.22.0"),
)
"""What gates and workers call, beside what the projects' suites need."""

WORKERS: Mapping[Codemod, str] = {
    "pyupgrade": "{bin}/pyupgrade --py310-plus --exit-zero-even-if-changed",
    "isort": "{bin}/isort --quiet --profile black",
    "ruff": "{bin}/ruff check --isolated --no-cache --quiet --target-version py310"
    " --preview --select UP,I,F,B,C4,SIM,RET,PIE,PERF,FLY,FURB,RUF"
    " --fix --unsafe-fixes --exit-zero",
}
"""Programs that rewrite the files that they are called with; ruff with all that it dares."""


@dataclass(frozen=True)
class Project:
    """Public sources, what judges them, and what is to be done to them."""

    name: str
    version: str
    needs: tuple[str, ...]
    """What its suite needs beside pytest, with versions."""
    compiled: str
    """Folders that the quick check compiles."""
    suite: str
    """Its own test suite, behind `python -m pytest`."""
    goal: str
    worker: Codemod
    source: str = "."
    """The folder that its package is imported from."""
    left_out: str = ""
    """Which of its own tests do not judge here, and why."""
    allows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the person allows when a task is held: its protected paths."""


STANDARD = (
    Project(
        name="jinja2",
        version="3.1.6",
        needs=("markupsafe==3.0.4", "trio==0.35.0"),
        compiled="src tests",
        suite="tests",
        goal="Write modern Python",
        worker="ruff",
        source="src",
    ),
    Project(
        name="werkzeug",
        version="3.1.3",
        needs=(
            *("markupsafe==3.0.4", "cryptography==50.0.2", "watchdog==7.1.0"),
            *("ephemeral-port-reserve==1.1.4", "pytest-timeout==2.4.0"),
        ),
        compiled="src tests",
        suite="tests -m 'not dev_server'",
        goal="Sort the imports",
        worker="isort",
        source="src",
        left_out="25 tests that start the development server, with which a plain run of it did"
        " not end in the container where this was written",
        allows={"tests": ("tests/conftest.py",)},
    ),
    Project(
        name="docutils",
        version="0.21.2",
        needs=("pygments==2.18.0",),
        compiled="docutils test tools",
        suite="test",
        goal="Modernise the syntax, sort the imports",
        worker="ruff",
    ),
)

LARGE = Project(
    name="networkx",
    version="3.4.2",
    needs=(),
    compiled="networkx",
    suite="networkx -n 2",
    goal="Modernise every package",
    worker="ruff",
    allows={"networkx": ("networkx/conftest.py",)},
)
"""Its suite takes minutes on a busy machine, and some of its tasks fail: only when asked for."""
