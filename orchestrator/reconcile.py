"""What a crash swallowed: bring ledger and repository into step before an engine goes on.

1. What a killed engine left running is ended, by its mark and by nothing else; its sockets and
   control groups go, and what it was writing beside the ledger.
2. A landing that was intended has happened if the tip has the candidate among its ancestors.
3. Attempts, judgings and the baseline that were under way are lost: nobody's fault.
4. A tip that somebody else moved meanwhile is where the run goes on, if it holds what has landed.
5. The workspaces of the run are swept; heads are kept by their refs. So are those of other
   runs whose engine is dead, after all that these left at work was ended: a run that is resumed
   makes its own anew.
6. The run's refs exist: they are made where the engine died before it could.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from functools import partial

import anyio.from_thread

from ledger.lock import EngineLock, EngineRunning
from orchestrator.policy.lost import lost_facts
from orchestrator.runs import engine_alive, mark_of_run, run_of_mark
from orchestrator.scene import Scene
from orchestrator.tip import TipRewound, after_a_moved_tip, find_move
from workers.tree import end_marked, marks
from worktree.ref_locks import clear_locks
from worktree.workspace import sweep


async def reconcile(scene: Scene) -> None:
    """Make good what the last engine of the run could not."""
    state = scene.state
    scene.workplace.blobs.sweep(time.time())
    if state.engines > 1:
        await end_marked(f"{scene.mark_of_run}/")
        await scene.git(partial(scene.sandboxes.sweep, everywhere=True))
        await scene.git(clear_locks, scene.workplace.git, scene.run)
        await scene.sweep_workspaces()
    what = "ending and removing what dead engines left"
    await scene.patiently(what, partial(give_back_of_the_dead, scene))
    scene.append(*lost_facts(state, "the engine ended while it was under way"))
    candidates = state.candidates
    try:
        for number in [n for n in state.open_candidates if candidates[n].status == "landing"]:
            scene.append(await scene.git(after_a_moved_tip, scene, number))
        if moved := await scene.git(find_move, scene.workplace.git, scene.state):
            scene.append(moved)
    except TipRewound as error:
        scene.append(*error.facts)


def give_back_of_the_dead(scene: Scene) -> None:
    """End what engines of other runs that are dead left at work, and remove their pools, which
    may be many gigabytes. Blocking, in a thread of the engine's."""
    place, home = scene.workplace.place, scene.workers.root.parent
    common = scene.workplace.repository.common_dir
    runs = {run for mark in marks() if (run := run_of_mark(common, mark))}
    with suppress(OSError):
        runs |= {folder.name for folder in home.iterdir() if folder.is_dir()}
    for run in sorted(runs - {scene.run}):
        if not place.lock(run).exists() or engine_alive(place, run):
            continue
        with suppress(EngineRunning), EngineLock.take(place.lock(run)):
            mark = mark_of_run(common, run)
            # Before its workspaces go: nothing may write where the next one is made.
            anyio.from_thread.run(end_marked, mark)
            replace(scene.sandboxes, name=mark).sweep(everywhere=True)
            sweep(scene.workplace.git, home / run, prefix=f"orch-{run}-")
            with suppress(OSError):
                (home / run).rmdir()
