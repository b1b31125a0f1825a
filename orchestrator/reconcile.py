"""What a crash swallowed: bring ledger and repository into step before an engine goes on.

1. What a killed engine left running is ended, by its mark and by nothing else.
2. A landing that was intended has happened if the tip has the candidate among its ancestors.
3. Attempts, judgings and the baseline that were under way are lost: nobody's fault.
4. The workspaces of the run are swept; heads are kept by their refs.
5. The run's refs exist: they are made where the engine died before it could.
"""

from __future__ import annotations

from orchestrator.actions import after_a_moved_tip
from orchestrator.policy.lost import lost_facts
from orchestrator.scene import Scene
from workers.tree import end_marked
from worktree.landing import open_result
from worktree.workspace import sweep


async def reconcile(scene: Scene) -> None:
    """Make good what the last engine of the run could not."""
    state = scene.state
    if state.engines:
        await end_marked(f"{scene.run}/")
        await scene.git(sweep, scene.workplace.git, scene.workers.root, prefix=f"orch-{scene.run}-")
    await scene.git(open_result, scene.workplace.git, scene.run, state.tip)
    for number in list(state.open_candidates):
        if state.candidates[number].status == "landing":
            scene.append(await scene.git(after_a_moved_tip, scene, number))
    scene.append(*lost_facts(state, "the engine ended while it was under way"))
