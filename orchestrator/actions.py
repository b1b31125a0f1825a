"""One function for each order that reaches the repository: baseline, build, judge, land."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ledger import events as e
from ledger.events import HeadRef
from ledger.model import Gate, Sha, TaskId, Verdict
from ledger.state import RunState, head_commits
from orchestrator.messages import title_of
from orchestrator.policy.judges import gates_of, order_by_cost
from orchestrator.policy.measure import measure_of_candidate
from orchestrator.policy.orders import BuildCandidate, JudgeCandidate, LandCandidate
from orchestrator.scene import Scene
from orchestrator.tip import after_a_moved_tip
from worktree.candidate import Candidate, Conflict, Head, build_candidate
from worktree.changes import apply_changes
from worktree.git import GitError
from worktree.landing import land
from worktree.names import candidate_ref, quoted

# --- the baseline -----------------------------------------------------------------------------


async def run_baseline(scene: Scene) -> None:
    """Let every gate that may judge in this run judge the base; all of them, red or not."""
    started = scene.state.started
    named = {name for task in started.plan.tasks for name in task.gates}
    gates = [g for g in started.settings.gates if g.when == "always" or g.name in named]
    async with scene.judge.bench(started.base, started.base_tree, mark=scene.mark("base")) as bench:
        for gate in order_by_cost(gates, started.estimates.gate_s):
            verdict = await scene.ask(bench, gate, f"base/{gate.name}", reuse_failed=False)
            scene.append(e.BaselineGateJudged(verdict=verdict))
    scene.append(e.BaselineFinished())


# --- building ---------------------------------------------------------------------------------


async def build(scene: Scene, order: BuildCandidate) -> None:
    """Merge heads onto the tip, or take landed ones out of it, in the object store."""
    if order.removes:
        await _build_removal(scene, order)
        return
    state, git = scene.state, scene.workplace.git
    heads = tuple(Head(commit) for commit in head_commits(state, order.heads))
    built = await scene.git(
        build_candidate,
        git,
        order.base,
        heads,
        landing_message(scene, order.heads),
        scene.author,
        signing=scene.signing,
        attributes=state.started.base,
        ref=candidate_ref(scene.run, str(order.candidate)),
    )
    if not _is_wanted(scene.state, order):
        return
    if isinstance(built, Candidate):
        scene.append(
            e.CandidateBuilt(
                candidate=order.candidate,
                base=order.base,
                heads=order.heads,
                commit=built.commit,
                tree=built.tree,
            )
        )
        return
    head = order.heads[built.index]
    alone: Candidate | Conflict = built
    if built.index:
        alone = await scene.git(
            build_candidate,
            git,
            order.base,
            (heads[built.index],),
            "probe",
            scene.author,
            attributes=state.started.base,
        )
        if not _is_wanted(scene.state, order):
            return
    if isinstance(alone, Candidate):
        scene.append(e.PrefixCut(length=built.index, paths=tuple(map(quoted, built.paths[:50]))))
        return
    names = ", ".join(map(quoted, alone.paths[:3]))
    scene.append(
        e.HeadSentBack(
            task=head.task,
            attempt=head.attempt,
            cause="conflict",
            why=f"it does not merge with what landed meanwhile: {names}",
            paths=tuple(map(quoted, alone.paths[:50])),
            signature="conflict",
            charged=False,
        )
    )


def _is_wanted(state: RunState, order: BuildCandidate) -> bool:
    """Whether nobody has moved the tip meanwhile, or taken a head out of the queue's front."""
    if order.removes:
        return state.tip == order.base and order.removes in state.rejections
    return state.tip == order.base and tuple(state.queue[: len(order.heads)]) == order.heads


async def _build_removal(scene: Scene, order: BuildCandidate) -> None:
    state, git = scene.state, scene.workplace.git
    landed = sorted(order.removes, key=lambda t: state.tasks[t].landed_by or 0, reverse=True)
    steps: list[tuple[Sha, Sha]] = []
    for task_id in landed:
        ref = state.tasks[task_id].landed_head
        assert ref is not None
        attempt = state.attempt(ref)
        assert attempt.head is not None
        steps.append((attempt.head, attempt.started.base))
    titles = "\n".join(f"Orch-Rejected: {task_id}" for task_id in order.removes)
    message = f"Take out {', '.join(order.removes)}\n\nOrch-Run: {scene.run}\n{titles}\n"
    built = await scene.git(
        apply_changes,
        git,
        order.base,
        tuple(steps),
        message,
        scene.author,
        signing=scene.signing,
        attributes=state.started.base,
    )
    if not _is_wanted(scene.state, order):
        return
    if isinstance(built, Conflict):
        paths = ", ".join(map(quoted, built.paths[:3]))
        why = f"what landed later changes the same lines: {paths}"
        scene.append(e.RejectRefused(tasks=order.removes, why=why))
        return
    scene.append(
        e.CandidateBuilt(
            candidate=order.candidate,
            base=order.base,
            removes=order.removes,
            commit=built.commit,
            tree=built.tree,
        )
    )


def landing_message(scene: Scene, heads: Iterable[HeadRef]) -> str:
    """The message of a landing commit: titles, then trailers that name what landed and by what."""
    state = scene.state
    refs = tuple(heads)
    tasks = [state.tasks[ref.task].task for ref in refs]
    titles = [title_of(task) for task in tasks]
    subject = titles[0] if len(refs) == 1 else f"Land {len(refs)} tasks"
    body = "" if len(refs) == 1 else "\n".join(f"- {title}" for title in titles) + "\n\n"
    trailers = [f"Orch-Run: {state.run}"]
    trailers += [f"Orch-Task: {ref.task}" for ref in refs]
    trailers += [f"Orch-Attempt: {ref.task}/{ref.attempt}" for ref in refs]
    gates = gates_of(state, carried_by(state, refs))
    trailers.append("Orch-Gates: " + " ".join(definition_hash(gate) for gate in gates))
    return f"{subject}\n\n{body}" + "\n".join(trailers) + "\n"


def definition_hash(gate: Gate) -> str:
    """A gate's name and a short hash of its definition."""
    import hashlib

    # What came later is left out where it says nothing: older landings keep their trailers.
    later = {name for name in ("pass_if", "junit") if name not in gate.model_fields_set}
    text = gate.model_dump_json(exclude=later)
    return f"{gate.name}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


# --- judging ----------------------------------------------------------------------------------


def carried_by(
    state: RunState, heads: Iterable[HeadRef], removes: tuple[TaskId, ...] = ()
) -> tuple[TaskId, ...]:
    """The tasks whose work a candidate's tree holds: what landed before, and its own."""
    landed = (task for task in state.with_status("landed") if task not in removes)
    return (*landed, *(ref.task for ref in heads))


async def judge(scene: Scene, order: JudgeCandidate) -> None:
    """Run the gates on a candidate, cheapest first, stopping at the first that did not pass."""
    state = scene.state
    candidate = state.candidates[order.candidate]
    built = candidate.built
    record = state.trees.get(built.tree)
    again = record.red_gate if order.confirms and record else None
    gates = order_by_cost(
        gates_of(state, carried_by(state, built.heads, built.removes)),
        state.started.estimates.gate_s,
    )
    said: tuple[e.Event, ...] = ()
    stopped: Verdict | None = None
    async with scene.judge.bench(
        built.commit, built.tree, mark=scene.mark("candidate", order.candidate)
    ) as bench:
        for gate in gates:
            scene.append(*said)
            verdict = await scene.ask_measured(
                bench,
                gate,
                f"candidate-{order.candidate}/{gate.name}",
                partial(measure_of_candidate, state, gate.name, built),
                fresh=gate.name == again,
            )
            said = (e.CandidateGateJudged(candidate=order.candidate, verdict=verdict),)
            if verdict.outcome != "passed":
                stopped = verdict
                break
        judged = e.CandidateJudged(
            candidate=order.candidate,
            outcome=stopped.outcome if stopped else "passed",
            gate=stopped.gate if stopped else None,
        )
        # Before the workspace is given back: what follows need not wait for that.
        scene.append(*said, judged)


# --- landing ----------------------------------------------------------------------------------


async def land_candidate(scene: Scene, order: LandCandidate) -> None:
    """Move the tip by compare-and-swap; a tip that moved means build again and blame nobody."""
    git, run = scene.workplace.git, scene.run
    built = scene.state.candidates[order.candidate].built
    scene.append(e.LandingIntended(candidate=order.candidate))
    try:
        ref = candidate_ref(run, str(order.candidate)) if built.heads else None
        landed = await scene.git(land, git, run, built.commit, built.base, ref=ref)
    except GitError:
        # Somebody may have removed its ref, and then collected garbage: it is built again.
        if await scene.git(git.exists, built.commit):
            raise
        landed = False
    if landed:
        scene.append(e.Landed(candidate=order.candidate))
        return
    scene.append(await scene.git(after_a_moved_tip, scene, order.candidate))
