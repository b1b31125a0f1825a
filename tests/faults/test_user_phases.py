"""A person who works on in the repository, in each phase of a run.

What is theirs is as they left it; the run ends, by itself or when they have put right what they
did; and it can be accepted, at once or elsewhere.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path

import anyio
import pytest

from ledger.model import Gate
from orchestrator.accept import AcceptResult, accept
from tests.faults.habits import HABITS, Habit
from tests.faults.scenarios import FULL, SEED, does, spread
from tests.faults.test_git_calls import IN_WORDS, try_what_is_held_again
from tests.support.faults import Boundary, Passages, Watched, workplace_with
from tests.support.invariants import Things, check_run, things
from tests.support.killed import killed_at
from tests.support.project import Project, task

pytestmark = pytest.mark.timeout(3600 if FULL else 300)
PHASES = ("baseline", "worker", "judging", "landing", "ended", "accepting", "resuming")
WAITS = 'if mkdir "{at}" 2>/dev/null; then n=0; until test -e "{at}/go" || test $((n += 1)) -gt 400; do sleep 0.05; done; fi'  # noqa: E501
AT: dict[str, Boundary] = {
    "baseline": Boundary("ledger", 1, "after", "BaselineStarted"),
    "landing": Boundary("ledger", 1, "after", "LandingIntended"),
    "accepting": Boundary("ledger", 1, "after", "AcceptIntended"),
    "resuming": Boundary("ledger", 1, "after", "EngineStarted"),
}
"""Where the engine itself is stopped for the moment in which the person acts."""


@dataclass
class Story:
    """One habit in one phase."""

    folder: Path
    habit: Habit
    phase: str
    mine: Things = field(default_factory=dict)
    acted: bool = False

    def __post_init__(self) -> None:
        self.project = Project(self.folder, {"test.sh": "exit 0\n", "readme": "hello\n"})
        self.here = self.folder / "here"
        waits = WAITS.format(at=self.here)
        first = 'echo "by $ORCH_TASK" > "$ORCH_TASK.txt"'
        does(self.project, f"{first}; {waits}" if self.phase == "worker" else first)
        judges = f"test ! -e a.txt || {{ {waits}; }}" if self.phase == "judging" else "exit 0"
        self.project.gates = (Gate(name="tests", command=judges),)
        self.run = self.project.start(task("a"), task("b", needs=("a",)))

    # --- the person ---------------------------------------------------------------------------

    def act(self) -> None:
        """What the person does, once; from now on all that is theirs stays as it is."""
        if not self.acted:
            self.acted = True
            self.habit.does(self.project, self.run)
            self.mine = self.look()

    def look(self) -> Things:
        away = self.project.root.with_name("renamed")
        if not away.exists():
            return things(self.project)
        here, self.project.root = self.project.root, away
        try:
            return things(self.project)
        finally:
            self.project.root = here

    def is_untouched(self) -> None:
        now = self.look()
        changed = [name for name in now | self.mine if now.get(name) != self.mine.get(name)]
        assert not changed, f"L3: {changed}"

    # --- the engine ---------------------------------------------------------------------------

    def drives(self, boundary: Boundary | None) -> bool:
        """Drive the run as far as it gets; whether it is complete."""
        try:
            state = self.passages(boundary).drive(self.project.workplace(), self.run)
        except IN_WORDS as error:
            print(f"  {self.habit.name}, {self.phase}: {error}")
            return False
        return bool(state.finished and state.finished.exit_code == 0)

    def passages(self, boundary: Boundary | None) -> Passages:
        return Passages(boundary, self.act)

    def accepts(self, to: str | None = None, boundary: Boundary | None = None) -> AcceptResult:
        passages = self.passages(boundary)
        workplace = self.project.workplace()
        store = Watched.open(workplace.place.ledger)
        assert isinstance(store, Watched)
        store.at = passages.at
        with store:
            at = workplace_with(workplace, passages)
            return anyio.run(partial(accept, at, store, self.run, to=to))

    # --- the story ----------------------------------------------------------------------------

    def goes(self) -> None:
        complete = self.until_the_end()
        if self.phase != "accepting":
            self.act()
            self.is_untouched()
            assert complete or self.habit.hinders, "the run did not end by itself"
        undone = False
        if not complete:
            self.habit.undoes(self.project, self.run)
            undone = True
            try_what_is_held_again(self.project, self.run)
            assert self.drives(None), "the run does not end, though all is put right"
        undone = self.is_accepted(undone)
        if not undone:
            self.habit.undoes(self.project, self.run)
        self.holds()

    def until_the_end(self) -> bool:
        """From the start to where the run ends, the person in between."""
        if self.phase == "resuming":
            died = Boundary("ledger", 1, "after", "AttemptFinished")
            assert killed_at(self.folder, self.run, died)
        if self.phase in ("worker", "judging"):
            person = threading.Thread(target=self._meanwhile)
            person.start()
            complete = self.drives(None)
            person.join(30)
            assert self.acted, "nobody was ever there"
            return complete
        here = AT.get(self.phase) if self.phase != "accepting" else None
        complete = self.drives(here)
        assert self.acted or self.phase in ("ended", "accepting"), "it never came to that"
        return complete

    def _meanwhile(self) -> None:
        until = time.monotonic() + 30
        while not self.here.exists() and time.monotonic() < until:
            time.sleep(0.01)
        self.act()
        (self.here / "go").touch()

    def is_accepted(self, undone: bool) -> bool:
        """As the person left it, else when it is put right, else elsewhere; whether it is."""
        during = AT["accepting"] if self.phase == "accepting" else None
        tried: list[Callable[[], AcceptResult]] = [
            lambda: self.accepts(boundary=during),
            self.accepts,
            lambda: self.accepts(to="salvaged"),
        ]
        for attempt in tried:
            before = self.mine
            try:
                result = attempt()
            except IN_WORDS as error:
                print(f"  {self.habit.name}, {self.phase}: {error}")
                result = None
            if result and result.outcome in ("accepted", "nothing"):
                self.project.git("cat-file", "-e", f"{result.target}:b.txt")
                return undone
            if not undone and (self.mine or before):
                self.is_untouched()
                self.habit.undoes(self.project, self.run)
                undone = True
        raise AssertionError(f"it cannot be accepted: {result}")

    def holds(self) -> None:
        if self.habit.keeps:
            self.project.git("-c", f"alias.keeps=!{self.habit.keeps}", "keeps")
        result = f"refs/heads/orch/{self.run}/result"
        state = self.project.state(self.run)
        # The branch follows when it can: here a person had it, or removed it.
        self.project.git("update-ref", result, state.result)
        check_run(self.project, state)


CASES = tuple(product(HABITS, PHASES))


@pytest.mark.parametrize("part", range(4))
def test_a_person_meanwhile(tmp_path: Path, part: int) -> None:
    mine = CASES[part::4]
    for habit, phase in spread(mine, 1, f"a person meanwhile, part {part + 1}"):
        folder = tmp_path / f"{habit.name}-{phase}"
        try:
            Story(folder, habit, phase).goes()
        except BaseException as error:
            error.add_note(f"{habit.name}, {phase} (ORCH_FIRST_SEED={SEED})")
            raise
        shutil.rmtree(folder)
