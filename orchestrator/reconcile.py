"""What a crash swallowed: bring ledger and repository into step before an engine goes on.

1. What a killed engine left running is ended, by its mark and by nothing else.
2. A landing that was intended has happened if the tip has the candidate among its ancestors.
3. Attempts, judgings and the baseline that were under way are lost: nobody's fault.
4. The workspaces of the run are swept; heads are kept by their refs.
5. The run's refs exist: they are made where the engine died before it could.
"""

from __future__ import annotations

from ledger.state import RunState
from orchestrator.actions import after_a_moved_tip
from orchestrator.policy.lost import lost_facts
from orchestrator.scene import Scene
from workers.process import end_marked
from worktree.git import Git, RefUpdate
from worktree.names import result_branch, tip_ref
from worktree.workspace import sweep


async def reconcile(scene: Scene) -> None:
    """Make good what the last engine of the run could not."""
    state = scene.state
    if state.engines:
        await end_marked(f"{scene.run}/")
        await scene.git(sweep, scene.workplace.git, scene.workers.root, prefix=f"orch-{scene.run}-")
    await scene.git(ensure_refs, scene.workplace.git, state)
    for number in list(state.open_candidates):
        if state.candidates[number].status == "landing":
            scene.append(await scene.git(after_a_moved_tip, scene, number))
    scene.append(*lost_facts(state, "the engine ended while it was under way"))


def ensure_refs(git: Git, state: RunState) -> None:
    """Make the run's tip and its result branch where they are missing. Blocking."""
    tip, branch = tip_ref(state.run), result_branch(state.run)
    git.update_refs(
        RefUpdate(ref, state.tip, None) for ref in (tip, branch) if git.read_ref(ref) is None
    )
