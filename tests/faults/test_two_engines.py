"""Two engines of one run, an engine that is stopped for long, and one that is killed meanwhile.

The kernel's lock decides: one drives, the others are told, and nothing that they do is recorded.
"""

import os
import random
import signal
import time
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from ledger.events import EngineStarted
from tests.faults.scenarios import FULL, SEED, Template, all_land, red_together, spread
from tests.faults.test_kill import boundaries
from tests.support.faults import Boundary
from tests.support.killed import REFUSED, ended, start_engine
from tests.support.project import Project, kinds

pytestmark = pytest.mark.timeout(3600 if FULL else 300)


def went_well(template: Template, project: Project, what: object) -> None:
    """The run has ended, or the next engine ends it."""
    try:
        template.ends_well(project)
        told = [one for one in kinds(project.facts(template.run)) if one in BEGINS_OR_ENDS]
        overlaps = [both for both in pairwise(told) if both == ("EngineStarted", "EngineStarted")]
        killed = what == "killed"
        assert len(overlaps) <= killed, f"L8: engines overlapped: {told}"
    except BaseException as error:
        error.add_note(f"{what} (ORCH_FIRST_SEED={SEED})")
        raise


BEGINS_OR_ENDS = ("EngineStarted", "RunFinished")


@pytest.mark.parametrize("scenario", [all_land, red_together], ids=lambda s: s.__name__)
@pytest.mark.sample(1)
def test_engines_that_start_at_once_are_one(scenario, tmp_path: Path) -> None:
    template = Template(scenario, tmp_path)
    rng = random.Random(f"{SEED} at once")
    races = [(count, rng.uniform(0, 0.1)) for count in (2, 3, 2, 4, 2, 3, 2)]
    for count, apart_s in spread(races, 2, f"races, {template.name}"):
        project = template.copy()
        engines = []
        for _ in range(count):
            engines.append(start_engine(project.root.parent, template.run))
            time.sleep(apart_s)
        codes = [ended(engine) for engine in engines]
        assert 0 in codes and set(codes) <= {0, REFUSED}, (codes, apart_s)
        went_well(template, project, f"{count} engines {apart_s} s apart: {codes}")


def stopped_at(project: Project, run: str, boundary: Boundary) -> BaseProcess | None:
    """An engine that has stopped itself there; None where the run ended before."""
    engine = start_engine(project.root.parent, run, boundary, signal.SIGSTOP)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{engine.pid}/stat").read_text().rpartition(") ")[2][0]
        except FileNotFoundError:
            state = "Z"
        if state == "T":
            return engine
        if state == "Z":
            engine.join()
            return None
        time.sleep(0.02)
    raise AssertionError(f"the engine neither stops at {boundary} nor ends")


@pytest.mark.parametrize("then", ["goes on", "is killed"])
@pytest.mark.sample(1)
def test_an_engine_stopped_for_long_is_still_the_only_one(then: str, tmp_path: Path) -> None:
    """No lease runs out: another one is refused, and records nothing."""
    template = Template(all_land, tmp_path)
    every = boundaries(template)
    chosen = random.Random(f"{SEED} {then}").sample(every, 12)
    for boundary in spread(chosen, 1, f"stopped, {then}"):
        project = template.copy()
        engine = stopped_at(project, template.run, boundary)
        if engine is None:
            continue
        assert engine.pid is not None
        try:
            before = project.facts(template.run)
            assert before[-1:] == project.facts(template.run)[-1:]
            # Not while it holds the ledger's own lock: then another one only waits for that.
            code = ended(start_engine(project.root.parent, template.run))
            assert code == REFUSED, (code, boundary)
            assert project.facts(template.run) == before, boundary
        finally:
            os.kill(engine.pid, signal.SIGKILL if then == "is killed" else signal.SIGCONT)
        code = ended(engine)
        assert code == (-signal.SIGKILL if then == "is killed" else 0), (code, boundary)
        went_well(template, project, "killed" if then == "is killed" else boundary)
        engines = [f for f in project.facts(template.run) if isinstance(f, EngineStarted)]
        assert len(engines) >= 1
