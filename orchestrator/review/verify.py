"""Check a run against the repository: was every state of the result judged?

1. The ledger's file is whole, and its facts, replayed, are legal. Facts that a newer orch wrote
   cannot be replayed: that is no disagreement, and no answer.
2. The run's tip is where the ledger says, and the result branch is there too, or behind it on
   the same chain (it waits while somebody has it checked out).
3. From the tip along first parents down to the base, each commit is a landing that the ledger
   recorded: the same tree, on the commit before, with exactly its heads as further parents, and
   trailers that name the run, the tasks and the gates as they were defined. Commits with which
   somebody else moved the tip, as recorded, are told as not orch's; any other disagrees.
4. The tree of each landing, and of each commit that an accept moved a branch to, passed every
   gate that judges what it holds, as recorded of that very tree; gates that were red on the base
   by the person's leave are left out. A landing that no gate judges agrees, and is called so.
5. Each head that has not landed is held by its ref.
6. What does not agree is told in full; a lost log is a note, since it proves nothing wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger import events as e
from ledger.blobs import Blobs
from ledger.model import Outcome, Sha, TaskId, Verdict
from ledger.state import IllegalEvent, Landing, RunState, evolve, fold
from ledger.store import Store
from orchestrator.errors import OrchError
from orchestrator.policy.judges import gates_of, held_at, unjudged
from orchestrator.review.judged import said_of_landings, warnings_of
from orchestrator.review.moved import kept_moves
from orchestrator.review.words import count, listed, result_branch, short

if TYPE_CHECKING:
    from worktree.git import Git


@dataclass(frozen=True)
class Disagreement:
    """Something that is not as the ledger says."""

    what: str
    why: str


@dataclass(frozen=True)
class Verification:
    """What came of it."""

    run: str
    landings: int
    verdicts: int
    disagreements: tuple[Disagreement, ...]
    notes: tuple[str, ...] = ()
    unjudged: int = 0
    """Landings that no gate judged: the run had none for them."""
    warnings: tuple[str, ...] = ()
    """What every report of the run repeats."""

    @property
    def agrees(self) -> bool:
        return not self.disagreements

    @property
    def summary(self) -> str:
        if self.disagreements:
            return count(len(self.disagreements), "disagreement")
        if not self.landings:
            return "nothing has landed"
        judged = said_of_landings(self.landings, self.unjudged, "each tree judged")
        return f"{judged}, {count(self.verdicts, 'verdict')} recorded"


@dataclass
class _Recorded:
    """What the ledger holds of a run."""

    state: RunState
    outcomes: dict[Sha, dict[str, set[Outcome]]]
    """What each gate said of each tree."""
    verdicts: list[Verdict]


def verify_run(git: Git, store: Store, blobs: Blobs, run: str) -> Verification:
    """Check a run; values for what disagrees, exceptions only for what cannot be looked at."""
    wrong = [Disagreement("the ledger's file", fault) for fault in store.faults()]
    try:
        recorded = _replay(store, run)
    except e.NewerFact as error:
        raise OrchError(f"run {run}: {error}", hint="upgrade orch, then verify again") from error
    except IllegalEvent as error:
        illegal = Disagreement("the recorded facts", str(error))
        return Verification(run, 0, 0, (*wrong, illegal))
    state = recorded.state
    wrong += _unjudged(recorded)
    notes: list[str] = []
    if state.cleaned:
        notes.append(
            "its refs were cleaned away: commits were not looked at, only what is recorded"
        )
    else:
        wrong += _refs(git, state, notes)
        wrong += _chain(git, state, notes)
    lost = sorted({v.gate for v in recorded.verdicts if v.log and v.log not in blobs})
    if lost:
        notes.append(f"logs of {listed(lost)} are lost")
    return Verification(
        run,
        len(state.landings),
        len(recorded.verdicts),
        tuple(wrong),
        tuple(notes),
        len(unjudged(state)),
        warnings_of(state),
    )


# --- 1. the ledger ----------------------------------------------------------------------------


def _replay(store: Store, run: str) -> _Recorded:
    state: RunState | None = None
    verdicts: list[Verdict] = []
    outcomes: dict[Sha, dict[str, set[Outcome]]] = defaultdict(lambda: defaultdict(set))
    for row in store.read(run):
        try:
            fact = e.parse_event(row.kind, row.version, row.body)
            state = fold([(fact, row.at)]) if state is None else evolve(state, fact, row.at)
        except e.NewerFact:
            raise
        except (IllegalEvent, ValueError) as error:
            raise IllegalEvent(f"event {row.seq}: {error}") from error
        match fact:
            case (
                e.BaselineGateJudged()
                | e.RoundGateJudged()
                | e.CandidateGateJudged()
                | e.TipGateJudged()
                | e.AcceptGateJudged()
            ):
                verdicts.append(fact.verdict)
                outcomes[fact.verdict.tree][fact.verdict.gate].add(fact.verdict.outcome)
            case _:
                pass
    if state is None:
        raise IllegalEvent("a run without facts")
    return _Recorded(state, outcomes, verdicts)


# --- 4. verdicts ------------------------------------------------------------------------------


def _unjudged(recorded: _Recorded) -> Iterator[Disagreement]:
    # That a landing's candidate was judged at all, the replay has seen to.
    state = recorded.state
    held = held_at(state)
    for landing in state.landings:
        what = f"landing {short(landing.commit)} ({_carried(landing)})"
        yield from _lacking(recorded, what, landing.tree, held[landing.commit])
    for fact in state.accepted:
        if fact.before == fact.commit:
            continue  # found so: orch moved nothing
        tasks = [ref.task for ref in fact.heads]
        what = f"accepted {short(fact.commit)} ({listed(tasks)})"
        yield from _lacking(recorded, what, fact.tree, tasks)


def _lacking(
    recorded: _Recorded, what: str, tree: Sha, tasks: list[TaskId]
) -> Iterator[Disagreement]:
    """The gates that never passed that tree."""
    said = recorded.outcomes.get(tree, {})
    for gate in gates_of(recorded.state, tasks):
        if "passed" not in said.get(gate.name, ()):
            outcome = listed(sorted(said.get(gate.name, ()))) or "no verdict"
            yield Disagreement(what, f"gate '{gate.name}' on tree {short(tree)}: {outcome}")


# --- 2, 5. refs -------------------------------------------------------------------------------


def _refs(git: Git, state: RunState, notes: list[str]) -> Iterator[Disagreement]:
    from worktree.names import attempt_ref, run_refs, tip_ref
    from worktree.names import result_branch as result_ref

    refs = dict(git.list_refs(run_refs(state.run)))
    tip = refs.get(tip_ref(state.run))
    known = {state.started.base, *(landing.commit for landing in state.landings)}
    landing_now = {
        state.candidates[n].built.commit
        for n in state.open_candidates
        if state.candidates[n].status == "landing"
    }
    if tip in landing_now:
        notes.append("a landing is just under way")
    elif tip is not None and tip != state.tip:
        yield Disagreement("the tip", f"is at {short(tip)}, recorded is {short(state.tip)}")
    elif tip is None and state.landings:
        yield Disagreement("the tip", f"its ref is gone; recorded is {short(state.tip)}")
    result = git.read_ref(result_ref(state.run))
    if result is not None and result not in known | landing_now:
        name = result_branch(state.run)
        yield Disagreement(name, f"is at {short(result)}, which no landing made")
    elif result is not None and result != state.result and result not in landing_now:
        notes.append(f"{result_branch(state.run)} is behind; is it checked out somewhere?")
    for task_id, task in state.tasks.items():
        for attempt in task.attempts:
            if attempt.taken_out or attempt.number == task.landed_attempt:
                continue  # the result's history has it
            held = refs.get(attempt_ref(state.run, task_id, attempt.number))
            if attempt.head and held != attempt.head:
                where = f"is at {short(held)}" if held else "is gone"
                why = f"its ref {where}; recorded is {short(attempt.head)}"
                yield Disagreement(f"attempt {attempt.number} at {task_id}", why)


# --- 3. the chain -----------------------------------------------------------------------------


def _chain(git: Git, state: RunState, notes: list[str]) -> Iterator[Disagreement]:
    landings = {landing.commit: landing for landing in state.landings}
    moves = [m.tip for m in kept_moves(state) if git.is_ancestor(m.tip, state.tip)]
    strangers = {c for tip in moves for c, _ in git.first_parents(tip, state.started.base)}
    strangers -= landings.keys()
    held = held_at(state)
    found: list[str] = []
    for commit, tree in git.first_parents(state.tip, state.started.base):
        landing = landings.pop(commit, None)
        if landing is None and commit in strangers:
            found.append(short(commit))
            continue
        if landing is None:
            why = "no landing made it, and no gate judged it"
            yield Disagreement(f"commit {short(commit)} on the result", why)
            continue
        what = f"landing {short(commit)} ({_carried(landing)})"
        if tree != landing.tree:
            yield Disagreement(what, f"its tree is {short(tree)}, judged was {short(landing.tree)}")
        yield from _commit(git, state, landing, held[landing.commit], what)
    if found:
        notes.append(f"not made by orch, somebody else moved the tip there: {listed(found)}")
    for landing in landings.values():
        what = f"landing {short(landing.commit)} ({_carried(landing)})"
        if any(git.is_ancestor(landing.commit, tip) for tip in moves):
            notes.append(f"{what}: somebody else merged it into a history of their own")
            yield from _commit(git, state, landing, held[landing.commit], what)
            continue
        yield Disagreement(what, "is not on the result's chain of first parents")


def _commit(
    git: Git, state: RunState, landing: Landing, held: list[TaskId], what: str
) -> Iterator[Disagreement]:
    from orchestrator.actions import definition_hash

    commit = git.read_commit(landing.commit)
    heads = [state.attempt(ref).head for ref in landing.heads]
    if list(commit.parents) != [landing.before, *heads]:
        yield Disagreement(what, "its parents are not the tip before it and the heads it carries")
    trailers = commit.trailers
    if trailers.get("Orch-Run", ()) != (state.run,):
        yield Disagreement(what, f"its trailers do not name run {state.run}")
    key, named = (
        ("Orch-Task", tuple(ref.task for ref in landing.heads))
        if landing.heads
        else ("Orch-Rejected", landing.removes)
    )
    if trailers.get(key, ()) != named:
        yield Disagreement(what, f"its trailers name {listed(trailers.get(key, ())) or 'no task'}")
    if landing.heads:
        gates = gates_of(state, held)
        hashes = " ".join(definition_hash(gate) for gate in gates)
        if " ".join(trailers.get("Orch-Gates", ())) != hashes:
            yield Disagreement(what, "its trailers name other gates than the run recorded")


def _carried(landing: Landing) -> str:
    if landing.heads:
        return listed(ref.task for ref in landing.heads)
    return f"without {listed(landing.removes)}"
