"""The run's tip as the repository has it, which somebody else may have moved.

1. A tip that holds what has landed is where the run goes on from, whoever moved it there.
2. A tip that lacks what has landed is nobody's to guess about: a person is needed.
3. What the tip was moved to before and does not hold any more is told with the move: nothing that
   was made on it may bring it back.
"""

from __future__ import annotations

from ledger import events as e
from ledger.model import Sha
from ledger.state import RunState
from orchestrator.policy.measure import measure_of_moved_tip
from orchestrator.policy.orders import JudgeTip
from orchestrator.scene import Scene
from worktree.git import Git
from worktree.landing import open_result
from worktree.names import tip_ref


class TipRewound(Exception):
    """Somebody moved the run's tip to a commit that lacks what has landed."""

    @property
    def facts(self) -> tuple[e.Event, ...]:
        """What is recorded of it: the run ends."""
        hint = f"see `git reflog {self}`; put it back with `git update-ref`, then orch resume"
        what = f"{self} was moved to a commit that lacks what has landed"
        return (
            e.Noticed(what=what, hint=hint),
            e.RunFinished(outcome="person-needed", exit_code=5, why=what),
        )


def find_move(git: Git, state: RunState) -> e.TipMoved | None:
    """The step that somebody else made since the ledger last spoke of the tip. Blocking."""
    tip = open_result(git, state.run, state.result)
    return None if tip == state.tip else _moved(git, state, tip)


def after_a_moved_tip(scene: Scene, candidate: int) -> e.Landed | e.CandidateStale:
    """What became of an intended landing, told from the repository. Blocking."""
    git, state = scene.workplace.git, scene.state
    built = state.candidates[candidate].built
    tip = open_result(git, scene.run, state.result)
    # Equal is not the question: somebody may have built on it since.
    if git.exists(built.commit) and git.is_ancestor(built.commit, tip):
        return e.Landed(candidate=candidate)
    moved = _moved(git, state, tip)
    return e.CandidateStale(candidate=candidate, **moved.model_dump(exclude={"kind"}))


def _moved(git: Git, state: RunState, tip: Sha) -> e.TipMoved:
    if not git.is_ancestor(state.result, tip):
        raise TipRewound(tip_ref(state.run))
    without = tuple(
        commit
        for commit in dict.fromkeys(move.tip for move in state.moves)
        if not (git.exists(commit) and git.is_ancestor(commit, tip))
    )
    return e.TipMoved(tip=tip, tip_tree=git.tree_of(tip), without=without)


async def judge_tip(scene: Scene, order: JudgeTip) -> None:
    """Let one gate judge the tip itself, in a workspace that no worker ever touched."""
    state = scene.state
    gate = state.started.settings.gate(order.gate)
    async with scene.judge.bench(order.tip, state.tip_tree, mark=scene.mark("tip")) as bench:
        verdict = await scene.ask(
            bench,
            gate,
            f"tip/{gate.name}",
            fresh=order.confirms,
            measure=measure_of_moved_tip(state, gate.name),
        )
        scene.append(e.TipGateJudged(tip=order.tip, verdict=verdict))
