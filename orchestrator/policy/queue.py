"""The merge queue: which prefixes of it to judge next. Adaptive prefix search.

1. Keep the queue in order; judge prefixes of it, merged onto the tip.
2. One slot judges the prefix whose chance of passing is nearest one half, by the rate at
   which heads were blamed so far; k slots judge k nested prefixes, at equal steps of chance.
3. What passed lands at once. Its landing shortens a longer prefix that is known to be red
   (`suspects`) without changing its tree, so nothing is judged twice.
4. When that prefix is down to one head, the head alone makes the tip red: it is judged once
   more, and blamed if it is red again. Nobody is blamed for anything else.
5. A head that does not merge with those before it cuts the search there (`cut`).
6. Where every third head fails, judging two at once gains next to nothing and a rate that was
   guessed too low loses: one slot goes one by one, and is never worse than that.
7. What is built is judged in place of a length that is nearly as likely to pass: a queue that
   grows would else be built again and again, and not judged.
"""

from __future__ import annotations

from collections.abc import Collection

PRIOR_WEIGHT = 12.0
"""How many observed heads the history's rate counts for."""
ONE_BY_ONE_FROM = 0.34
"""Two at once cost less than one by one below a rate of 0.38: 3 - q - q * q < 2, q = 1 - rate.
The margin is for what is not known of the rate."""


def failure_rate(prior: float, blamed: int, landed: int) -> float:
    """The share of heads that will be blamed, from history and from what this run saw."""
    seen = blamed + landed
    rate = (prior * PRIOR_WEIGHT + blamed) / (PRIOR_WEIGHT + seen)
    return min(0.95, max(0.005, rate))


def chance(length: int, suspects: int, rate: float) -> float:
    """The chance that a prefix passes, given that the prefix of `suspects` heads is red."""
    clean = (1.0 - rate) ** length
    if not suspects:
        return clean
    all_clean = (1.0 - rate) ** suspects
    return (clean - all_clean) / (1.0 - all_clean)


def longest(queued: int, suspects: int, cut: int) -> int:
    """The longest length that there is something to learn of."""
    limits = (queued, cut or queued, suspects - 1 if suspects else queued)
    return min(limits)


def next_lengths(
    queued: int,
    *,
    suspects: int,
    cut: int,
    rate: float,
    slots: int,
    under_way: Collection[int],
) -> tuple[int, ...]:
    """The lengths to judge next beside those under way, at most one for each free slot."""
    limit = longest(queued, suspects, cut)
    free = slots - len(under_way)
    if limit < 1 or free < 1:
        return ()
    if slots == 1 and rate >= ONE_BY_ONE_FROM:
        return (1,)
    lengths: list[int] = []
    for step in range(1, slots + 1):
        wanted = 1.0 - step / (slots + 1)
        length = nearest_length(wanted, limit, suspects, rate)
        if length not in lengths:
            lengths.append(length)
    return tuple(length for length in lengths if length not in under_way)[:free]


def nearest_built(
    length: int, built: Collection[int], suspects: int, rate: float, slots: int
) -> int | None:
    """The built length to judge in place of a wanted one; None where none is near enough.

    Near enough is what is nearer to its chance than to that of the next slot's. Where every third
    head fails, lengths are so small that each of them counts.
    """
    if length in built:
        return length
    if rate >= ONE_BY_ONE_FROM:
        return None
    wanted, half_step = chance(length, suspects, rate), 0.5 / (slots + 1)
    away = {one: abs(chance(one, suspects, rate) - wanted) for one in built}
    near = [one for one in built if away[one] <= half_step]
    return min(near, key=lambda one: (away[one], -one)) if near else None


def nearest_length(wanted: float, limit: int, suspects: int, rate: float) -> int:
    """The length from 1 to `limit` whose chance of passing is nearest `wanted`.

    The chance falls with the length, so a binary search finds the place where it crosses.
    """
    low, high = 1, limit
    while low < high:
        middle = (low + high) // 2
        if chance(middle, suspects, rate) > wanted:
            low = middle + 1
        else:
            high = middle
    if low > 1:
        shorter = abs(chance(low - 1, suspects, rate) - wanted)
        if shorter <= abs(chance(low, suspects, rate) - wanted):
            return low - 1
    return low
