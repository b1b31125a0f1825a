"""Four small stories of runs, made once and copied for each case; which cases are looked at.

Each copy is a repository of its own with a run that is recorded and that no engine has driven.
Workers and gates are lines of shell, so that a run costs little beside what orch does.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ledger.model import CommandWorker, SandboxMode
from ledger.state import RunState
from tests.support.invariants import Things, check_run, things
from tests.support.project import Project, task

FULL = os.environ.get("ORCH_FAULTS") == "all"
SEED = int(os.environ.get("ORCH_FIRST_SEED", "0"))
T = TypeVar("T")

Scenario = Callable[[Path], tuple[Project, str]]


def does(project: Project, command: str) -> None:
    """What the workers do: a line of shell."""
    worker = CommandWorker(kind="command", command=command)
    project.more_settings |= {"worker": "sh", "workers": {"sh": worker}}


def all_land(folder: Path, sandbox: SandboxMode = "none") -> tuple[Project, str]:
    project = Project(folder)
    project.sandbox = sandbox
    does(project, 'env; echo "by $ORCH_TASK" > "$ORCH_TASK.txt"')
    return project, project.start(task("a"), task("b"), task("c", needs=("a",)))


def red_gate_and_retry(folder: Path) -> tuple[Project, str]:
    project = Project(folder, {"test.sh": "! grep -q broken *.txt\n", "x.txt": "fine\n"})
    does(project, 'if test -e "$ORCH_FEEDBACK_FILE"; then echo mended; else echo broken; fi >a.txt')
    return project, project.start(task("a"))


def conflict(folder: Path) -> tuple[Project, str]:
    project = Project(folder, {"test.sh": "exit 0\n", "shared.txt": "base\n"})
    does(project, 'test "$ORCH_TASK" = first || sleep 0.2; echo "$ORCH_TASK" > shared.txt')
    tasks = (task("first", paths=()), task("second", paths=(), needs=()))
    return project, project.start(*tasks)


def red_together(folder: Path) -> tuple[Project, str]:
    gate = 'test ! -e caller.txt || test "$(cat caller.txt)" = "$(cat name.txt)"\n'
    project = Project(folder, {"test.sh": gate, "name.txt": "old\n"})
    # Whoever is second is told, and brings the two together.
    does(
        project,
        'told() { test -e "$ORCH_FEEDBACK_FILE"; }; name=old; if told; then name=new; fi;'
        ' if test "$ORCH_TASK" = rename; then echo new > name.txt;'
        " if told; then echo new > caller.txt; fi; else echo $name > caller.txt; fi",
    )
    return project, project.start(task("rename", paths=()), task("caller", paths=()))


SCENARIOS: tuple[Scenario, ...] = (all_land, red_gate_and_retry, conflict, red_together)
DETERMINISTIC = (all_land, red_gate_and_retry)
"""Where the result does not depend on which of two tasks comes first."""
CHARGED = {"red_gate_and_retry": 1, "red_together": 1}
"""How many attempts are used up by their own fault."""


class Template:
    """A scenario, made once; each case is a copy."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.name = scenario.__name__
        self.folder = folder
        self.project, self.run = scenario(folder / "template")
        self.things: Things = things(self.project)
        self.deterministic = scenario in DETERMINISTIC
        self.expected: dict[str, str] | None = None
        """What its run must end in, where that does not depend on who is quicker."""
        self.charged = CHARGED.get(self.name, 0)
        self._copies = 0

    def copy(self) -> Project:
        """The project and its run, in a folder of its own."""
        self._copies += 1
        return self.project.copied(self.folder / f"{self._copies}")

    def ends_well(self, project: Project) -> RunState:
        """Drive the run to its end: everything lands, and every law holds."""
        state = project.drive(self.run)
        check_run(project, state, self.things)
        statuses = {name: one.status for name, one in state.tasks.items()}
        assert set(statuses.values()) == {"landed"}, statuses
        if self.expected is not None:
            assert project.result(self.run) == self.expected
        return state


def spread(cases: Sequence[T], count: int, name: str, always: Sequence[T] = ()) -> list[T]:
    """All cases with ORCH_FAULTS=all, else so many of them by the seed, and those of `always`."""
    chosen = list(cases)
    if not FULL:
        rng = random.Random(f"{SEED} {name}")
        chosen = rng.sample(chosen, min(count, len(chosen)))
        chosen += [one for one in always if one not in chosen]
    print(f"{name}: {len(chosen)} cases (ORCH_FIRST_SEED={SEED})")
    return chosen
