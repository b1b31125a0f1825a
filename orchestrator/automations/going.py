"""A firing goes on, step by step, until it is settled: see `policy.thermostat`.

1. Each step is recorded before the next is decided, so a firing that a crash cut short goes on from
   its facts: the same loop, on a stream that already has some.
2. A run that was started and not told of yet is found by the name of its automation: none is
   started twice.
3. What a person must put right (a plan with errors, a measure without a number) settles it, with
   the reason; the error is told as any other. What `on_end` says is done first, with what there is.
4. A run that was ended at once stays open, and so does its firing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ledger import heartbeat as h
from ledger.books import Cap, Sum
from ledger.heartbeat_fold import Firing, Round
from ledger.lock import EngineRunning
from ledger.model import Limits, RunId, Settings
from ledger.store import Store
from orchestrator.automations.beats import Beats, read_beats
from orchestrator.automations.beginning import NothingToDo, plan_of
from orchestrator.automations.ending import Ending, act, tell_of_break, tell_of_no_run
from orchestrator.automations.scratch import measure
from orchestrator.automations.today import cap_of_day, held_now, spent_today
from orchestrator.automations.turns import turn
from orchestrator.base import Base
from orchestrator.errors import WRONG_USE, OrchError, Problem, Problems, face_of
from orchestrator.journal import parse_row
from orchestrator.policy.firing import is_empty, left, tighter
from orchestrator.policy.thermostat import (
    Act,
    BeginRound,
    Drive,
    Measure,
    Settle,
    StartRun,
    next_step,
)
from orchestrator.policy.unattended import missing
from orchestrator.policy.until import parse_until, said_of_number
from orchestrator.runs import load_state
from orchestrator.workplace import Workplace
from worktree.values import GitError

RUNS_LOOKED_AT = 50
INTERRUPTED = 130


class NothingLeft(Exception):
    """Between two looks somebody else has taken what was left of the day."""


@dataclass(frozen=True)
class Hands:
    """What a firing needs of whoever fires it."""

    drive: Callable[[Store, RunId], None]
    """Drives a run to its end, shown in some way; it may come back early."""
    tell: Callable[[str], None]
    """Says in a line what goes on."""


@dataclass(frozen=True)
class Going:
    """One firing, and all that it goes on with."""

    workplace: Workplace
    store: Store
    settings: Settings
    beats: Beats
    hands: Hands

    def go_on(self) -> int:
        """Go on with the open firing until it is settled, or its run was ended at once."""
        try:
            while True:
                firing = self._firing()
                broke = is_empty(self._left(firing))
                step = next_step(firing, broke=broke, now=time.time())
                if isinstance(step, Settle):
                    return self._settle(step)
                if not self._take(firing, step):
                    return INTERRUPTED
        except NothingToDo as nothing:
            return self._settle(Settle("done", 0, f"nothing to do: {nothing}"))
        except NothingLeft:
            return self._settle(Settle("budget", 4, "nothing is left of what it may spend"))
        except (OrchError, GitError) as error:
            if isinstance(step, Drive):
                raise  # once that is put right, the run can go on
            outcome: h.FiringOutcome = "not-measured" if isinstance(step, Measure) else "failed"
            code = error.exit_code if isinstance(error, OrchError) else WRONG_USE
            self._act_at_end(error)
            self._settle(Settle(outcome, code, face_of(error)), told=False)
            raise

    def _act_at_end(self, error: Exception) -> None:
        """What `on_end` says, with the newest result, where that is the last there will be."""
        firing = self._firing()
        ended = [one.run for one in firing.rounds if one.ended and one.run]
        automation = firing.started.automation
        if not ended and (said := tell_of_no_run(self.workplace, self.settings, automation, error)):
            self.hands.tell(f"notify: {said}")
        for action in firing.started.automation.on_end:
            if ended and not firing.acted(action, ended[-1]):
                self._act(firing, action, ended[-1])

    def _firing(self) -> Firing:
        firing = self.beats.catch_up().open
        assert firing is not None  # only its own lock's holder settles it
        return firing

    def _take(self, firing: Firing, step: object) -> bool:
        """Take one step; whether the next may follow."""
        match step:
            case Measure():
                self._measure(firing, step)
            case BeginRound(number, base):
                self.beats.append(h.RoundStarted(round=number, base=base))
            case StartRun(number, base):
                run = self._found(firing) or self._start(firing, base)
                self.beats.append(h.RoundRunStarted(round=number, run=run))
            case Drive(number, run):
                return self._drive(firing, number, run)
            case Act(action, run):
                self._act(firing, action, run)
        return True

    def _act(self, firing: Firing, action: h.EndAction, run: RunId) -> None:
        ending = Ending(self.workplace, self.store, run, firing.started.automation)
        taken = act(ending, action)
        self.beats.append(taken)
        self.hands.tell(f"{action}: {taken.said}")

    def _settle(self, settle: Settle, *, told: bool = True) -> int:
        fact = h.FiringSettled(outcome=settle.outcome, exit_code=settle.exit_code, why=settle.why)
        self.beats.append(fact)
        if told:
            why = f": {settle.why}" if settle.why else ""
            self.hands.tell(f"{self.beats.name}: {settle.outcome.replace('-', ' ')}{why}")
        return settle.exit_code

    # --- measure ------------------------------------------------------------------------------

    def _measure(self, firing: Firing, step: Measure) -> None:
        automation = firing.started.automation
        where = f"after round {step.round}" if step.round else "before the first round"
        value = measure(self.workplace, self.settings, automation, step.name, step.commit)
        self.beats.append(
            h.Measured(round=step.round, measure=step.name, value=value, commit=step.commit)
        )
        until = parse_until(automation.until or "")
        error = until.error(value) if until else 0.0
        to_go = f", {said_of_number(error)} to go" if error else ""
        self.hands.tell(f"{step.name} is {said_of_number(value)} {where}{to_go}")

    # --- run ----------------------------------------------------------------------------------

    def _found(self, firing: Firing) -> RunId | None:
        """The run that was started for the newest round, where nothing told of it any more."""
        last = firing.last
        assert last is not None
        told = (beat for beat, _ in read_beats(self.store, self.beats.name))
        known = {beat.run for beat in told if beat.kind == "RoundRunStarted"}
        for row in self.store.recent("RunStarted", RUNS_LOOKED_AT):
            if row.run not in known:
                started = parse_row(row)
                assert started.kind == "RunStarted"
                if started.automation == self.beats.name and started.base == last.base:
                    return row.run
        return None

    def _start(self, firing: Firing, base: str) -> RunId:
        from orchestrator.config import refuse_missing_copies, refuse_missing_keys
        from orchestrator.policy.models import workers_of_run
        from orchestrator.start import RunOptions, start_run

        automation = firing.started.automation
        options = RunOptions(
            deadline=firing.started.deadline,
            budgets=self._budgets(firing),
            unattended=True,
            automation=automation.name,
        )
        told, paths = self.hands.tell, firing.started.paths
        within = options.settings(self.settings)
        planned = automation.plan is None and automation.for_each is None
        if lacks := missing(within, (), plans=planned and within.planner is not None):
            raise Problems(Problem("", None, one.what, one.hint) for one in lacks)
        plan = plan_of(self.workplace, within, automation, base, paths, told)
        refuse_missing_copies(self.workplace.checkout, self.settings)
        asked = workers_of_run(self.settings, plan)
        refuse_missing_keys(self.settings, self.workplace.environ, asked)
        self.workplace.make_workspaces(self.settings.workspaces)
        said = firing.started.said if base == firing.started.base else ""
        begin = Base(base, firing.started.target, said)
        # Two that start at once must not both take what is left of the day.
        with turn(self.workplace.place.folder / "budget.lock"):
            options = replace(options, budgets=self._budgets(firing))
            run = start_run(
                self.workplace, self.store, plan, automation.name, self.settings, options, begin
            )
        number = len(firing.rounds)
        self.hands.tell(f"{automation.name}: round {number} is run {run}")
        return run

    def _drive(self, firing: Firing, number: int, run: RunId) -> bool:
        """Drive the round's run; whether it came to its end."""
        from orchestrator.persons import change_limits

        state = load_state(self.store, run)
        if state.cleaned is None and state.finished is None:
            if firing.replaced is not None:
                # Cut short, and no longer wanted: an engine ends it in order at once.
                changed = {**state.limits.model_dump(), "deadline": time.time()}
                change_limits(self.store, run, Limits.model_validate(changed))
            try:
                self.hands.drive(self.store, run)
            except EngineRunning:
                raise
            except Exception as error:
                ending = Ending(self.workplace, self.store, run, firing.started.automation)
                if said := tell_of_break(ending, error):
                    self.hands.tell(f"notify: {said}")
                raise
            state = load_state(self.store, run)
        if state.finished is None and state.cleaned is None:
            return False
        finished = state.finished
        self.beats.append(
            h.RoundEnded(
                round=number,
                run=run,
                outcome=finished.outcome if finished else "stopped",
                exit_code=finished.exit_code if finished else INTERRUPTED,
                landed=len(state.landings),
                result=state.result,
            )
        )
        return True

    # --- what it may spend --------------------------------------------------------------------

    def _left(self, firing: Firing) -> Cap:
        """What is left of its own budget, and of the day's."""
        automation = firing.started.automation
        own = Cap(tokens=automation.budget_tokens, usd=automation.budget_usd)
        of_day = cap_of_day(self.settings)
        found = left(own, self._spent(firing.rounds)) if own != Cap() else own
        if of_day == Cap():
            return found
        spent = spent_today(self.workplace, self.store, automation.time_zone, time.time())
        held = held_now(self.workplace, self.store, firing.runs)
        return tighter(found, left(of_day, spent + held))

    def _budgets(self, firing: Firing) -> dict[str, float | None]:
        """What its next run may spend; NothingLeft where that is nothing."""
        limit = self._left(firing)
        if is_empty(limit):
            raise NothingLeft
        budgets = {"budget_usd": limit.usd, "budget_tokens": limit.tokens}
        return {name: value for name, value in budgets.items() if value is not None}

    def _spent(self, rounds: tuple[Round, ...]) -> Sum:
        runs = (one.run for one in rounds if one.run)
        books = (load_state(self.store, run).books.abandoned() for run in runs)
        return sum((one.spent_by() for one in books), Sum())
