"""What model calls came to, shared out by run, task, attempt, worker, model or day. Pure.

1. A call is its reservation and what settled it, joined by the run and the call's number. One that
   nobody settled, or of which nobody knows what it came to, counts as its worst, and is counted.
2. A sum that holds a price which is not known is no number; what of it is known is told beside.
3. Each call was for one thing: planning; checking, as it was recorded, or, before that was, where
   who called is not who made the attempt; else for its attempt, by what became of that: it landed,
   had nothing to do, is open yet (under way, queued, held) or failed. One that landed and was
   taken out again has failed.
4. What a landed task cost is all that was spent, whatever it was for, by the number of tasks that
   landed: of those that models were called for. Where none landed there is no such figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from ledger import events as e
from ledger.books import Sum, sum_of
from ledger.model import CallPurpose, Tokens
from orchestrator.review.words import day

By = Literal["run", "task", "attempt", "worker", "model", "day"]
Purpose = Literal["landed", "unchanged", "open", "failed", "checking", "planning"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
NEEDED = (e.AttemptStarted, e.AttemptFinished, e.HeadSentBack, e.CandidateBuilt, e.Landed)
"""The facts that say what became of attempts."""

Told = tuple[str, float, e.Event]
"""A run, when, and what."""
Try = tuple[str, str, int]
"""A run, a task and an attempt at it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One model call, and what it came to."""

    run: str
    """Empty: it belongs to no run."""
    at: float
    task: str
    attempt: int
    worker: str
    model: str
    """`provider:model`."""
    amount: Sum
    tokens: Tokens | None
    """None: nobody knows, and the worst counts."""
    purpose: CallPurpose = "work"
    """As it was recorded."""
    planning: bool = False

    @property
    def made_in(self) -> Try:
        return (self.run, self.task, self.attempt)


@dataclass
class Bill:
    """Calls, added up."""

    calls: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    worst: int = 0
    """Tokens that calls may have used of which nobody knows what they came to."""
    amount: Sum = field(default_factory=Sum)
    unsettled: int = 0

    def add(self, call: Call) -> None:
        self.calls += 1
        self.amount += call.amount
        if call.tokens is None:
            self.unsettled += 1
            self.worst += call.amount.tokens
        else:
            self.tokens += call.tokens


@dataclass
class Line:
    """A bill, for whom it is, and how many tasks landed for it."""

    name: str
    bill: Bill = field(default_factory=Bill)
    landed: int = 0

    @property
    def usd_each(self) -> float | None:
        """Dollars for each landed task; None where none landed, or a price is not known."""
        usd = self.bill.amount.cost_usd
        return usd / self.landed if self.landed and usd is not None else None

    @property
    def tokens_each(self) -> int | None:
        """Tokens for each landed task; None where none landed."""
        return self.bill.amount.tokens // self.landed if self.landed else None


@dataclass(frozen=True)
class Costs:
    """All calls, shared out in one way and by what they were for."""

    by: By
    lines: tuple[Line, ...]
    whole: Line
    purposes: Mapping[Purpose, Bill]


# --- 1. calls ---------------------------------------------------------------------------------


def calls_of(facts: Iterable[Told]) -> list[Call]:
    """The calls that were reserved, in order; the facts of each run are in theirs."""
    reserved: dict[tuple[str, int], tuple[float, e.CallReserved]] = {}
    settled: dict[tuple[str, int], e.CallSettled] = {}
    for run, at, fact in facts:
        if fact.kind == "CallReserved":
            reserved[run, fact.call] = at, fact
        elif fact.kind == "CallSettled":
            settled[run, fact.call] = fact
    return [
        _call(run, at, left, settled.get((run, number)))
        for (run, number), (at, left) in reserved.items()
    ]


def _call(run: str, at: float, left: e.CallReserved, back: e.CallSettled | None) -> Call:
    tokens = back.tokens if back else None
    if back is None or tokens is None:
        amount = sum_of(left.tokens, left.cost_usd)
    else:
        amount = sum_of(tokens.total, back.cost_usd)
    model = f"{left.provider}:{left.model}"
    return Call(run, at, left.task, left.attempt, left.worker, model, amount, tokens, left.purpose)


# --- 3. what they were for --------------------------------------------------------------------


@dataclass
class Fates:
    """What became of attempts, as far as the facts tell."""

    worker: dict[Try, str] = field(default_factory=dict)
    became: dict[Try, Purpose] = field(default_factory=dict)
    newest: dict[tuple[str, str], int] = field(default_factory=dict)
    landed: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)
    """By run and task: the attempt that stands in the result, and when it landed."""

    def purpose(self, call: Call) -> Purpose:
        if call.planning or call.purpose == "plan":
            return "planning"
        tried = call.made_in
        if call.purpose == "check" or call.worker != self.worker.get(tried, call.worker):
            return "checking"
        if self.landed.get(tried[:2], (0, 0.0))[0] == call.attempt:
            return "landed"
        became = self.became.get(tried, "open")
        over = became == "open" and self.newest.get(tried[:2], 0) > call.attempt
        return "failed" if over else became


def fates_of(facts: Iterable[Told]) -> Fates:
    """What became of all attempts; the facts of each run are in order."""
    fates = Fates()
    built: dict[tuple[str, int], e.CandidateBuilt] = {}
    for run, at, fact in facts:
        match fact:
            case e.AttemptStarted():
                fates.worker[run, fact.task, fact.attempt] = fact.worker
                fates.newest[run, fact.task] = fact.attempt
            case e.AttemptFinished(outcome="failed" | "lost"):
                fates.became[run, fact.task, fact.attempt] = "failed"
            case e.AttemptFinished(outcome="unchanged"):
                fates.became[run, fact.task, fact.attempt] = "unchanged"
            case e.HeadSentBack():
                fates.became[run, fact.task, fact.attempt] = "failed"
            case e.CandidateBuilt():
                built[run, fact.candidate] = fact
            case e.Landed():
                for ref in built[run, fact.candidate].heads:
                    fates.landed[run, ref.task] = ref.attempt, at
                for task in built[run, fact.candidate].removes:
                    attempt, _ = fates.landed.pop((run, task), (0, 0.0))
                    fates.became[run, task, attempt] = "failed"
            case _:
                pass
    return fates


# --- 2, 4. shared out -------------------------------------------------------------------------


def share_out(calls: Iterable[Call], fates: Fates, by: By, since: float = 0.0) -> Costs:
    """The bills of the calls that left, and of the tasks that landed, since then."""
    whole, lines = Line("all"), dict[str, Line]()
    purposes: dict[Purpose, Bill] = {purpose: Bill() for purpose in PURPOSES}
    makers: dict[Try, set[str]] = {}
    tasks: set[tuple[str, str]] = set()
    name = _NAMES[by]
    for call in calls:
        if call.at < since:
            continue
        purpose = fates.purpose(call)
        named = name(call)
        for bill in (whole.bill, lines.setdefault(named, Line(named)).bill, purposes[purpose]):
            bill.add(call)
        if purpose != "planning":
            tasks.add((call.run, call.task))
        if purpose not in ("checking", "planning"):
            makers.setdefault(call.made_in, set()).add(named)
    for (run, task), (attempt, at) in fates.landed.items():
        if at < since or (run, task) not in tasks:
            continue
        whole.landed += 1
        for named in _landed_for(by, (run, task, attempt), at, makers):
            lines.setdefault(named, Line(named)).landed += 1
    return Costs(by, _in_order(by, lines), whole, purposes)


_NAMES: Mapping[By, Callable[[Call], str]] = {
    "run": lambda call: call.run or "(planning)",
    "task": lambda call: f"{call.run} {call.task}".strip() or "(planning)",
    "attempt": lambda call: f"{call.run} {call.task}/{call.attempt}" if call.task else "(planning)",
    "worker": lambda call: call.worker,
    "model": lambda call: call.model,
    "day": lambda call: day(call.at)[:10],
}


def _landed_for(by: By, landed: Try, at: float, makers: Mapping[Try, set[str]]) -> Iterable[str]:
    """The lines that a landed task counts in; a worker's or a model's where it made what landed."""
    run, task, attempt = landed
    match by:
        case "run":
            return (run,)
        case "task":
            return (f"{run} {task}",)
        case "attempt":
            return (f"{run} {task}/{attempt}",) if landed in makers else ()
        case "day":
            return (day(at)[:10],)
        case "worker" | "model":
            return makers.get(landed, ())


def _in_order(by: By, lines: Mapping[str, Line]) -> tuple[Line, ...]:
    """Runs and days as time went by, all else the dearest first."""
    if by == "run":
        return tuple(lines.values())
    if by == "day":
        return tuple(sorted(lines.values(), key=lambda line: line.name))
    dear = sorted(lines.values(), key=lambda line: line.name)
    return tuple(sorted(dear, key=lambda x: (-x.bill.amount.nanos, -x.bill.amount.tokens)))
