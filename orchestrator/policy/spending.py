"""What a plan's model calls may come to, before any is made. Pure.

1. Where tasks were done here by the same worker, the middle half of what these came to counts:
   of those that its present models did, else of all, whose tokens then have the present price.
   What was paid for another model says nothing of the money.
2. Else the sizes count: an attempt reads its task's files, in a conversation of so many calls,
   each of which sends all that came before, most of it out of the provider's cache. That is an
   assumption, and called so; the truth may be a third of it, or three times as much.
3. A task that may change anything has no size: what it comes to is not known.
4. What is not known is counted as not known, never as nothing. Where a price is not known the
   money is not; where a task is not known, both are more than what is said.
5. A task of a command makes no calls that orch could count: it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ledger.model import ModelWorkerSettings, Plan, Settings, Tokens

CALLS = 15
PREFIX_TOKENS = 6_000
"""Instructions, tools and map, at the beginning of each call."""
STEP_TOKENS = 900
"""What each call adds to the conversation, beside files."""
OUTPUT_TOKENS = 400
FILE_SHARE = 0.5
"""Of the files' bytes, what is read of them in the end."""
LEAST, MOST = 0.35, 3.0
WINDOW_SHARE = 0.4
"""Above it old results give way."""


@dataclass(frozen=True, slots=True)
class Done:
    """What one task that was done came to."""

    tokens: Tokens
    cost_usd: float | None
    models: frozenset[str] = frozenset()
    """Who did it, each a `provider:model`."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What may be spent on a plan."""

    tokens_low: int = 0
    tokens_high: int = 0
    cost_low: float | None = 0.0
    """None: not known, like the high one."""
    cost_high: float | None = 0.0
    from_history: int = 0
    """So many tasks are told by what was done here; the next by sizes, the last not at all."""
    by_others: int = 0
    """Of these, by what other models than the present ones did."""
    from_sizes: int = 0
    unknown: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()
    """Models whose price is not known."""

    @property
    def tasks(self) -> int:
        return self.from_history + self.from_sizes + len(self.unknown)


def spending(
    plan: Plan,
    settings: Settings,
    sizes: Mapping[str, int],
    done: Mapping[str, Sequence[Done]],
    cost_of: Callable[[str, Tokens], float | None],
) -> Spending:
    """What the tasks of models may come to.

    `sizes`: bytes of the files that a task may change, by its id; `done`: by worker.
    """
    low = high = history = others = by_size = 0
    cost_low, cost_high = 0.0, 0.0
    priced = True
    unknown: list[str] = []
    unpriced: dict[str, None] = {}
    for task in plan.tasks:
        name = task.worker or settings.worker or ""
        worker = settings.workers.get(name)
        if not isinstance(worker, ModelWorkerSettings):
            continue
        model = worker.models[0]
        if past := done.get(name):
            history += 1
            own = [one for one in past if one.models and one.models <= set(worker.models)]
            others += not own
            tokens = sorted(one.tokens.total for one in own or past)
            low += tokens[len(tokens) // 4]
            high += tokens[(3 * len(tokens)) // 4]
            costs = _costs(own or past, bool(own), model, cost_of)
            if costs is None:
                unpriced[model] = None
                priced = False
            else:
                cost_low += costs[len(costs) // 4]
                cost_high += costs[(3 * len(costs)) // 4]
        elif task.id in sizes:
            by_size += 1
            expected = of_size(sizes[task.id], worker.window_tokens)
            low += round(expected.total * LEAST)
            high += round(expected.total * MOST)
            cost = cost_of(model, expected)
            if cost is None:
                unpriced[model] = None
                priced = False
            else:
                cost_low += cost * LEAST
                cost_high += cost * MOST
        else:
            unknown.append(task.id)
    known = priced and not (unknown and not history + by_size)
    return Spending(
        tokens_low=low,
        tokens_high=high,
        cost_low=cost_low if known else None,
        cost_high=cost_high if known else None,
        from_history=history,
        by_others=others,
        from_sizes=by_size,
        unknown=tuple(unknown),
        unpriced=tuple(unpriced),
    )


def _costs(
    past: Sequence[Done],
    own: bool,
    model: str,
    cost_of: Callable[[str, Tokens], float | None],
) -> list[float] | None:
    """What tasks that were done would cost now, the least first; None: that is not known."""
    found = []
    for one in past:
        cost = cost_of(model, one.tokens)
        if cost is None:
            return None
        # What was paid holds what a cache saved, and a checker's calls at their own price.
        found.append(one.cost_usd if own and one.cost_usd is not None else cost)
    return sorted(found)


def of_size(size_bytes: int, window_tokens: int) -> Tokens:
    """What an attempt at files of that size is assumed to come to (rule 2)."""
    files = min(size_bytes * FILE_SHARE / 4, window_tokens * WINDOW_SHARE)
    fresh = PREFIX_TOKENS + files + CALLS * STEP_TOKENS
    # The files are read one after the other: each call sends half of them, on average.
    sent = CALLS * PREFIX_TOKENS + CALLS * files / 2 + STEP_TOKENS * CALLS * (CALLS - 1) / 2
    return Tokens(
        input=round(fresh),
        cache_read=round(max(0.0, sent - fresh)),
        output=CALLS * OUTPUT_TOKENS,
    )
