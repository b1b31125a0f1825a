"""What to do next: `decide(state, guide, now)` gives orders. Pure.

Rules, in this order; the first that orders something at once ends the look. Each has a module
that says how:

1. A finished run orders nothing.
2. A stop, a passed deadline or a red base ends the run (`ending`).
3. A task that cannot go on is given up, held or sent back (`settling`).
4. What passed lands, or is built anew on the tip as it is (`landing`).
5. A run that only a person can help on ends (`ending`).
6. A judging whose answer nobody needs any more is ended (`judging`).
7. A tip that somebody else moved is judged when it is in question, before anything else is done
   on it (`tip`).
8. Rejections by a person come before the queue (`rejecting`).
9. The queue goes on; who makes the tip red is confirmed, then sent back (`judging`).
10. The baseline starts at once, ready tasks as there is room (`starting`): a worker does not stand
   idle while a candidate is built.
11. When nothing is left, the run is finished; its exit code says what came of it (`ending`).
"""

from __future__ import annotations

from ledger.state import RunState
from orchestrator.policy.ending import end, end_for_person, finish
from orchestrator.policy.judging import advance_queue, end_useless
from orchestrator.policy.landing import land
from orchestrator.policy.now import Now
from orchestrator.policy.orders import BuildCandidate, Order, Record
from orchestrator.policy.readiness import Guide
from orchestrator.policy.rejecting import reject
from orchestrator.policy.settling import settle_tasks
from orchestrator.policy.starting import start, start_baseline
from orchestrator.policy.tip import in_question, judge_tip, record_flake


def decide(state: RunState, guide: Guide, now: Now) -> tuple[Order, ...]:
    """The orders that follow from where things stand."""
    if state.finished:
        return ()
    orders = end(state, now) or settle_tasks(state) or record_flake(state) or land(state)
    orders = orders or end_for_person(state)
    if orders:
        return orders
    ends = end_useless(state)
    if in_question(state):
        return (*ends, *judge_tip(state), *start_baseline(state))
    if state.rejections:
        rejecting = reject(state)
        if any(isinstance(order, (Record, BuildCandidate)) for order in rejecting):
            return (*ends, *rejecting)
        return (*ends, *rejecting, *start(state, guide, now))
    queue = advance_queue(state)
    if any(isinstance(order, Record) for order in queue):
        return (*ends, *queue)
    return (*ends, *queue, *start(state, guide, now)) or finish(state, now)
