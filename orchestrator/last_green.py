"""`base = "last-green"`: the newest commit of a branch that its gates are known to pass.

1. The newest commit comes first. What is not known of it is judged, as `orch gate` would, before
   the run is recorded; the run's baseline then uses those verdicts. A red that is only known is
   asked about once more: a gate that changed its mind must not keep runs on old commits.
2. Is it red, what is known of the commits before it decides, along first parents, the newest
   first: one on which every gate that judges the base passed, by the full key of its verdict. So
   a verdict of other commands, another sandbox or other tools says nothing.
3. Nothing but the newest is judged: how long the search takes depends on no suite. It ends after
   `LOOKED_AT` commits.
4. A gate that cannot run says nothing of a commit: that is for a person to mend, not to pass over.
5. Whoever starts from an older commit says so, in the ledger too: what the branch has since is
   not in the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import anyio

from ledger.model import LAST_GREEN, Gate, Plan, Settings, Sha, Verdict
from ledger.store import Store
from orchestrator.base import Base, newest_base
from orchestrator.errors import OrchError
from orchestrator.history import gate_seconds
from orchestrator.workplace import Workplace

LOOKED_AT = 500
"""So many commits are looked at, at most."""
PERSON_NEEDED = 5

Told = Callable[[str], None]


def find_base(
    workplace: Workplace,
    store: Store,
    settings: Settings,
    plan: Plan,
    typed: str | None,
    told: Told,
) -> Base:
    """Where a run of the plan begins; blocking, and it may judge the newest commit.

    `typed` wins over what the plan says; `told` hears what goes on. OrchError where nothing green
    is known.
    """
    if LAST_GREEN not in (typed, plan.base):
        return newest_base(workplace, typed or plan.base)
    if typed not in (None, LAST_GREEN):
        return newest_base(workplace, typed)
    refuse_branch_of_that_name(workplace)
    newest = newest_base(workplace, None if plan.base == LAST_GREEN else plan.base)
    gates = base_gates(settings, plan)
    if not gates:
        raise OrchError(
            f"no gate judges anything, so no commit is known to be green for {LAST_GREEN}",
            hint="orch init finds gates; or begin at a commit: orch run --base REVISION",
        )
    verdicts = judge_newest(workplace, store, settings, gates, newest.commit, told)
    red = next((verdict for verdict in verdicts if verdict.outcome != "passed"), None)
    if red is None:
        return newest
    where = newest.target or "the checkout's commit"
    said = f"gate '{red.gate}' is red on {where} at {newest.commit[:10]} ({red.why or 'no reason'})"
    if red.outcome == "could-not-run":
        raise OrchError(
            f"gate '{red.gate}' cannot run on {newest.commit[:10]}: {red.why}",
            hint=f"orch gate {red.gate} --log shows what it prints",
            exit_code=PERSON_NEEDED,
        )
    found = newest_green(workplace, store, settings, gates, newest.commit)
    if found is None:
        raise OrchError(
            f"{said}, and no commit before it is known to be green",
            hint=f"mend it: orch gate {red.gate} --log; or judge an older one: "
            "git switch --detach COMMIT && orch gate",
            exit_code=PERSON_NEEDED,
        )
    commit, steps = found
    before = f"{steps} commit{'s' * (steps > 1)} before it"
    return Base(
        commit,
        newest.target,
        f"{said}; the run starts {before}, at {commit[:10]}, the newest that is known to be green",
        f"git log --first-parent {commit[:10]}..{newest.commit[:10]} shows what it is without",
    )


def refuse_branch_of_that_name(workplace: Workplace) -> None:
    """OrchError where something of the user's is called like that: it would mean two things."""
    for place in ("heads", "tags"):
        if workplace.git.read_ref(f"refs/{place}/{LAST_GREEN}") is not None:
            raise OrchError(
                f"'{LAST_GREEN}' may mean refs/{place}/{LAST_GREEN} here",
                hint=f"for that one write: refs/{place}/{LAST_GREEN}",
            )


def base_gates(settings: Settings, plan: Plan) -> tuple[Gate, ...]:
    """The gates that judge the base of a run of the plan."""
    named = {name for task in plan.tasks for name in task.gates}
    return tuple(g for g in settings.gates if g.when == "always" or g.name in named)


def judge_newest(
    workplace: Workplace,
    store: Store,
    settings: Settings,
    gates: tuple[Gate, ...],
    commit: Sha,
    told: Told,
) -> tuple[Verdict, ...]:
    """What the gates say of a commit, up to the first that is not green (rule 1)."""
    from orchestrator.checkout import Snapshot, judge_checkout
    from orchestrator.policy.judges import order_by_cost
    from orchestrator.review.narrate import said_of

    ordered = order_by_cost(gates, gate_seconds(store, settings))
    content = Snapshot(commit, workplace.git.tree_of(commit), 0)
    told(f"looking whether {commit[:10]} is green, for {LAST_GREEN}")
    judge = partial(
        judge_checkout,
        workplace,
        store,
        settings,
        ordered,
        content,
        until_red=True,
        on_start=lambda gate: None,
        on_line=lambda line: None,
        on_verdict=lambda verdict: told(said_of(verdict)),
        on_wait=told,
    )
    return anyio.run(judge)


def newest_green(
    workplace: Workplace,
    store: Store,
    settings: Settings,
    gates: tuple[Gate, ...],
    tip: Sha,
) -> tuple[Sha, int] | None:
    """The newest commit before a tip that is known to be green, and how many steps back it is."""
    from orchestrator.checkout import Snapshot, judge_of

    chain = workplace.git.first_parents(tip, limit=LOOKED_AT + 1)
    judge = judge_of(workplace, store, settings, Snapshot(*chain[0], 0))

    def outcomes(tree: Sha) -> Iterable[str]:
        if not store.verdicts(tree):  # a key reads files and tools: most trees need none
            yield "unknown"
            return
        for gate in gates:
            known = judge.known(judge.key(gate, tree, began=tree))
            yield known.outcome if known else "unknown"

    for steps, (commit, tree) in enumerate(chain[1:], start=1):
        if all(outcome == "passed" for outcome in outcomes(tree)):
            return commit, steps
    return None
