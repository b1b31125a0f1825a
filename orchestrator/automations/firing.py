"""An automation is fired: a trigger is answered, and what may start goes on to its end.

1. One process at a time fires an automation: a kernel lock, held for the firing's life. Who finds
   it taken answers its trigger by `while_running`, and leaves.
2. A firing that was cut short goes on first, whatever the trigger; that one is answered as if a
   run went on, for one does.
3. A trigger that is to start waits in the ledger before anything else happens, so no crash loses
   it; what starts, takes all that wait. After a firing, what came meanwhile is looked at.
4. What may not start yet is told until when; what cannot, because a person must put something
   right, is dropped with the reason: nothing tries it again by itself, hour after hour.
5. To replace what goes on, it is asked to end in order; whoever fires it then starts what waits.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ledger import heartbeat as h
from ledger.automations import Automation
from ledger.books import Cap
from ledger.heartbeat_fold import Firing, Heartbeat
from ledger.lock import EngineLock, EngineRunning, is_held
from ledger.model import Settings
from ledger.place import Place
from ledger.store import Store
from orchestrator.automations.beats import Beats
from orchestrator.automations.beginning import NothingToDo, begin
from orchestrator.automations.ending import tell_of_no_run
from orchestrator.automations.going import Going, Hands
from orchestrator.automations.rules import commands_in
from orchestrator.automations.scratch import only_if
from orchestrator.automations.times import in_hours, next_clock
from orchestrator.automations.today import cap_of_day, held_now, spent_today
from orchestrator.base import is_branch
from orchestrator.errors import OrchError, face_of
from orchestrator.hiding import hiding_of, refuse_secrets
from orchestrator.policy.firing import Moment, Replace, Skip, Start, Wait, answer, may_start
from orchestrator.policy.unattended import no_branch
from orchestrator.review.words import day
from orchestrator.runs import load_state
from orchestrator.workplace import Workplace
from worktree.values import GitError

ENDS_WITHIN_S = 900.0
"""How long what is to be replaced may take to end in order."""
LOOK_EVERY_S = 0.2


def lock_of(place: Place, name: str) -> Path:
    """The file of the lock that whoever fires an automation holds."""
    return place.lock(f"automation-{name}")


def is_fired(place: Place, name: str) -> bool:
    """Whether a process fires it now."""
    return is_held(lock_of(place, name))


def cut_short(place: Place, state: Heartbeat) -> bool:
    """Whether it has a firing that nobody goes on with."""
    return state.open is not None and not is_fired(place, state.name)


@dataclass
class Fired:
    """One call to fire an automation."""

    workplace: Workplace
    settings: Settings
    automation: Automation
    hands: Hands
    clock: Callable[[], float] = field(default=time.time)

    def fire(self, store: Store, trigger: h.Trigger | None) -> int:
        """Answer a trigger, go on with what was cut short, start what may; the exit code.

        Without a trigger: only what is there already.
        """
        hiding = hiding_of(self.workplace, self.settings)
        refuse_secrets(self.settings, hiding, commands_in(self.automation))
        beats = Beats(store, self.automation.name, hiding)
        with self._locked(beats) as mine:
            if not mine:
                return self._answer_busy(beats, store, trigger)
            return self._fire(beats, store, trigger)

    def _fire(self, beats: Beats, store: Store, trigger: h.Trigger | None) -> int:
        code = 0
        going = Going(self.workplace, store, self.settings, beats, self.hands)
        beats.catch_up()
        if beats.state.open is not None:
            if trigger is not None:
                self._record(beats, store, trigger, going_on=True)
            beats.append(h.FiringResumed(pid=os.getpid(), host=socket.gethostname()))
            self.hands.tell(f"{beats.name}: goes on where it was cut short")
            code = going.go_on()
        elif trigger is not None:
            self._record(beats, store, trigger, going_on=False)
        while beats.catch_up().open is None and self._start(beats, store):
            code = going.go_on()
        return code

    # --- the trigger --------------------------------------------------------------------------

    def _record(
        self, beats: Beats, store: Store, trigger: h.Trigger, *, going_on: bool
    ) -> Start | Skip | Wait | Replace:
        """Answer a trigger, in the ledger and aloud."""
        now = self._moment(store)
        found: Start | Skip | Wait | Replace = Start()

        def made(state: Heartbeat) -> tuple[h.Beat, ...]:
            nonlocal found
            found = answer(self.automation, state, trigger, now, going_on=going_on)
            match found:
                case Skip(reason, why):
                    return (h.TriggerSkipped(trigger=trigger, reason=reason, why=why),)
                case Wait(not_before, why):
                    return (h.Triggered(trigger=trigger, not_before=not_before, why=why),)
                case Replace() if state.open is not None:
                    asked = h.ReplacementRequested(because=trigger.because or trigger.cause)
                    return (h.Triggered(trigger=trigger), asked)
                case _:
                    return (h.Triggered(trigger=trigger),)

        beats.decide(made)
        match found:
            case Skip(_, why):
                self.hands.tell(f"{beats.name}: skipped: {why}")
            case Wait(None, why):
                self.hands.tell(f"{beats.name}: waits its turn: {why}")
        return found

    def _answer_busy(self, beats: Beats, store: Store, trigger: h.Trigger | None) -> int:
        """Another process fires it: skip, wait, or take its place."""
        if trigger is None:
            self.hands.tell(f"{beats.name}: another process fires it already")
            return 0
        found = self._record(beats, store, trigger, going_on=True)
        if isinstance(found, Skip):
            return 0
        if isinstance(found, Replace):
            self.hands.tell(f"{beats.name}: what goes on is asked to end")
            self._end_open(beats, store)
        # Whoever fires it starts what waits; but they may have looked for the last time just now.
        with self._locked(beats) as mine:
            return self._fire(beats, store, None) if mine else 0

    def _end_open(self, beats: Beats, store: Store) -> None:
        """Have the firing that is open end in order, and wait for that."""
        old = beats.state.open
        deadline = time.monotonic() + ENDS_WITHIN_S
        while old is not None and is_fired(self.workplace.place, beats.name):
            firing = beats.catch_up().open
            if firing is None or firing.number != old.number:
                return
            self._end_run(firing, store)
            if time.monotonic() > deadline:
                raise OrchError(
                    f"automation {beats.name}: its last run did not end in {ENDS_WITHIN_S:.0f} s",
                    hint=f"orch schedule status {beats.name}",
                    exit_code=4,
                )
            time.sleep(LOOK_EVERY_S)

    def _end_run(self, firing: Firing, store: Store) -> None:
        from orchestrator.persons import request_stop

        last = firing.last
        if last is None or last.run is None or last.ended:
            return
        state = load_state(store, last.run)
        # Asked again where an engine had only just begun: what was said before is not meant for it.
        if state.finished is None and state.stop is None:
            with suppress(OrchError):  # it has just finished
                request_stop(store, last.run, "a newer trigger takes its place")

    # --- the start ----------------------------------------------------------------------------

    def _start(self, beats: Beats, store: Store) -> bool:
        """Start what waits, where it may; whether a firing is open then."""
        waiting = beats.state.waiting
        if waiting is None:
            return False
        found = may_start(
            self.automation, beats.state, self._moment(store), by_person=waiting.by_person
        )
        if isinstance(found, Wait):
            self._defer(beats, found)
            return False
        try:
            skip = found if isinstance(found, Skip) else self._begun(beats, store)
        except (OrchError, GitError) as error:
            self._drop_failed(beats, error)
            raise
        if skip is None:
            return True
        beats.append(h.TriggersDropped(reason=skip.reason, why=skip.why))
        self.hands.tell(f"{beats.name}: skipped: {skip.why}")
        return False

    def _drop_failed(self, beats: Beats, error: Exception) -> None:
        before, why = beats.state.skipped, face_of(error)
        if before is None or (before.reason, before.why) != ("failed", why):
            # Not once more for each file that changes while a plan is not there.
            said = tell_of_no_run(self.workplace, self.settings, self.automation, error)
            if said:
                self.hands.tell(f"notify: {said}")
        beats.append(h.TriggersDropped(reason="failed", why=why))

    def _defer(self, beats: Beats, wait: Wait) -> None:
        """What waits waits longer: until when is recorded, or nobody would look then."""
        until = ""
        waiting, at = beats.state.waiting, wait.not_before
        if at is not None:
            until = f" until {day(at)}"
            if waiting is not None and waiting.not_before != at:
                beats.append(h.TriggersDeferred(not_before=at, why=wait.why))
        self.hands.tell(f"{beats.name}: waits{until}: {wait.why}")

    def _begun(self, beats: Beats, store: Store) -> Skip | None:
        """Begin a firing where its condition holds and there is something to do; else why not."""
        if self.automation.only_if is not None:
            why = only_if(self.workplace, self.automation)
            if why is not None:
                return Skip("only-if", why)
        try:
            self._begin(beats, store)
        except NothingToDo as nothing:
            return Skip("nothing", f"nothing to do: {nothing}")
        return None

    def _begin(self, beats: Beats, store: Store) -> None:
        automation = self.automation
        waiting = beats.state.waiting
        assert waiting is not None
        paths, tell = waiting.trigger.paths, self.hands.tell
        if automation.accept and not is_branch(self.workplace.git, automation.into or ""):
            lacks = no_branch(automation.into or "")
            raise OrchError(lacks.what, hint=f"{lacks.hint}; then: orch schedule run {beats.name}")
        found = begin(self.workplace, store, self.settings, automation, paths, tell)
        if found.base.said:
            tell(found.base.said)
        deadline = None
        if automation.deadline is not None:
            deadline = next_clock(automation.deadline, automation.time_zone, self.clock())

        def made(state: Heartbeat) -> tuple[h.Beat, ...]:
            # What came since the files were looked at is taken along too.
            late = state.waiting.trigger.paths if state.waiting else ()
            because = state.waiting.trigger.because if state.waiting else ""
            return (
                h.FiringStarted(
                    automation=automation,
                    base=found.base.commit,
                    target=found.base.target,
                    said=found.base.said,
                    paths=tuple(dict.fromkeys((*found.paths, *late))),
                    because=because or waiting.trigger.cause,
                    deadline=deadline,
                ),
            )

        beats.decide(made)

    # --- the moment ---------------------------------------------------------------------------

    def _moment(self, store: Store) -> Moment:
        at, zone = self.clock(), self.automation.time_zone
        ends = [
            next_clock(_end_of(span), zone, at)
            for span in self.automation.quiet
            if in_hours(span, zone, at)
        ]
        cap = cap_of_day(self.settings)
        until = max(ends, default=None)
        if cap == Cap():
            return Moment(at, until)
        spent, held = spent_today(self.workplace, store, zone, at), held_now(self.workplace, store)
        return Moment(at, until, spent, held, cap)

    @contextmanager
    def _locked(self, beats: Beats) -> Iterator[bool]:
        """Hold the automation's lock, where nobody else does."""
        try:
            lock = EngineLock.take(lock_of(self.workplace.place, beats.name))
        except EngineRunning:
            yield False
            return
        with lock:
            yield True


def _end_of(span: str) -> str:
    end = span.strip().rpartition("-")[2]
    return "00:00" if end == "24:00" else end
