"""The tools that say something to runs: `start_run`, `resume`, `stop`, `answer` and `retry`.

1. A run that is started, or goes on, has a detached engine of its own.
2. An agent may spend less than the settings allow, for a run and a day (`purse`), never more; it
   chooses no sandbox and passes over no red base. All that is left to `orch run`.
3. What it says is recorded with its name.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from ledger.model import LAST_GREEN, Limits, Settings
from orchestrator import persons
from orchestrator.config import refuse_missing_copies, refuse_missing_keys
from orchestrator.detaching import detach
from orchestrator.errors import OrchError
from orchestrator.mcp_server.answers import RunAnswer, Step
from orchestrator.mcp_server.office import Office, Sight, branches_of
from orchestrator.mcp_server.planning import fenced_by_a_person, plan_path
from orchestrator.mcp_server.purse import left_today, within
from orchestrator.mcp_server.speaker import speaker_of
from orchestrator.mcp_server.steps import steps_of, wait_on
from orchestrator.persons import Said
from orchestrator.planned import Checked, load_checked, said_before_run, sourced_of
from orchestrator.policy.left import is_anything_left
from orchestrator.policy.models import workers_of_run
from orchestrator.runs import engine_alive, load_state
from orchestrator.start import RunOptions
from orchestrator.start import start_run as record_run
from orchestrator.times import parse_deadline
from orchestrator.trust import require_trusted
from orchestrator.workplace import Workplace

Run = Annotated[
    str | None, Field(description="A run's id, or its beginning; absent: the newest run.")
]
Task = Annotated[str, Field(description="The id of a task of the run.")]
PERSON_NEEDED = 5
GONE_WITHIN_S = 20.0


class RunTools:
    """Runs, started and spoken to."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def start_run(
        self,
        ctx: Context[Any, Any],
        plan: Annotated[str, Field(description="The plan's name, as `plan` gave it.")],
        budget_usd: Annotated[
            float | None, Field(gt=0, description="Spend less than the settings allow.")
        ] = None,
        budget_tokens: Annotated[
            int | None, Field(ge=1, description="The same, in tokens.")
        ] = None,
        deadline: Annotated[
            str | None, Field(description="End in order then: 07:00, or 2h from now.")
        ] = None,
    ) -> RunAnswer:
        """Start a run of a plan. It goes on by itself, whatever becomes of you: wait for it.

        Workers do the tasks in worktrees of their own, gates judge, what passes lands on the run's
        own result branch. The person's checkout and branches stay as they are.
        """
        workplace = self.office.workplace()
        path = plan_path(workplace, plan)
        options = RunOptions(
            deadline=parse_deadline(deadline, time.time()) if deadline else None,
            budgets={
                name: value
                for name, value in (("budget_usd", budget_usd), ("budget_tokens", budget_tokens))
                if value is not None
            },
            started_by=speaker_of(ctx),
        )
        before = load_checked(workplace, str(path))
        _refuse_a_persons(before, budget_usd, budget_tokens)
        rest = left_today(workplace, before.settings, f"orch run {path.stem}")
        limits = options.limits(before.settings.limits)
        options = replace(options, budgets=within(limits, rest))
        one = before.under(options)
        refuse_missing_copies(workplace.checkout, one.settings)
        require_trusted(workplace, one.sourced)
        _refuse_missing_keys(workplace, one.settings, one)
        workplace.make_workspaces(one.settings.workspaces)
        warnings = [said for said, _ in said_before_run(workplace, one)]
        with workplace.store() as store:
            run = record_run(workplace, store, one.plan, path.stem, one.settings, options)
        _begin(workplace, run)
        return RunAnswer(
            run=run,
            what=f"run {run} of {len(one.plan.tasks)} tasks goes on by itself",
            going_on=True,
            warnings=warnings or None,
            next=[wait_on(run, 0)],
        )

    def resume(self, run: Run = None) -> RunAnswer:
        """Go on with a run that stopped, or that was cut short, as it was started."""
        with self.office.acting(run) as sight:
            persons.refuse_cleaned(sight.state)
            if _is_driven(sight):
                return _answer(sight, Said(f"run {sight.run} goes on already"), going_on=True)
            if sight.state.finished and not is_anything_left(sight.state):
                what = f"run {sight.run} has finished: nothing is left to do"
                return _answer(sight, Said(what), going_on=False)
            _drive(sight)
            return _answer(sight, Said(f"run {sight.run} goes on"), going_on=True)

    def stop(self, ctx: Context[Any, Any], run: Run = None) -> RunAnswer:
        """Ask a run to end in order. Nothing that was made is lost, and it can be resumed."""
        with self.office.acting(run) as sight:
            persons.refuse_cleaned(sight.state)
            if not sight.alive:
                what = f"no engine drives {sight.run}: there is nothing to stop"
                return _answer(sight, Said(what), going_on=False)
            said = persons.request_stop(
                sight.store, sight.run, f"{speaker_of(ctx)}, an agent, asked"
            )
            return _answer(sight, said, going_on=True)

    def answer(
        self,
        ctx: Context[Any, Any],
        task: Task,
        text: Annotated[str, Field(description="What its worker should know.")],
        run: Run = None,
    ) -> RunAnswer:
        """Answer what a worker asks, where you know it from the person; else ask the person first.

        It is recorded as said by you, and the worker is told so. It allows nothing: what is held
        for a person stays held.
        """
        with self.office.acting(run) as sight:
            by = speaker_of(ctx)
            said = persons.answer(sight.store, sight.run, task, text, sight.workplace, by)
            return _gone_on(sight, said)

    def retry(
        self,
        ctx: Context[Any, Any],
        task: Task,
        note: Annotated[str, Field(description="What to do differently; its worker is told.")],
        run: Run = None,
    ) -> RunAnswer:
        """Let a failed task be tried again, with your advice. Read show_task first.

        Not for a task that is held or was rejected: a person decides about that.
        """
        with self.office.acting(run) as sight:
            by = speaker_of(ctx)
            said = persons.retry(sight.store, sight.run, task, note, sight.workplace, by)
            return _gone_on(sight, said)


def _refuse_a_persons(one: Checked, usd: float | None, tokens: int | None) -> None:
    """OrchError for what a person must say of a run."""
    name = one.path.stem
    task = fenced_by_a_person(one.plan)
    if task is not None:
        raise OrchError(
            f"task '{task.id}' may change protected paths (may_change): a person starts that",
            hint=f"a person types: orch run {name}",
            exit_code=PERSON_NEEDED,
        )
    if one.plan.base == LAST_GREEN:
        raise OrchError(
            f"the plan begins at {LAST_GREEN}: its gates judge first, longer than a call may take",
            hint=f"a person types: orch run {name}; or plan from a branch: base",
            exit_code=PERSON_NEEDED,
        )
    limits: Limits = one.settings.limits
    for option, asked, most in (
        ("--budget-usd", usd, limits.budget_usd),
        ("--budget-tokens", tokens, limits.budget_tokens),
    ):
        if asked is not None and most is not None and asked > most:
            raise OrchError(
                f"the settings allow {most:g}, not {asked:g}: more is a person's to spend",
                hint=f"leave it out, or a person types: orch run {name} {option} {asked:g}",
                exit_code=PERSON_NEEDED,
            )


def _refuse_missing_keys(workplace: Workplace, settings: Settings, one: Checked) -> None:
    refuse_missing_keys(settings, workplace.environ, workers_of_run(settings, one.plan))


def _begin(workplace: Workplace, run: str) -> None:
    """Give a run an engine of its own, and wait for its end on the side."""
    engine = detach(workplace, run)
    threading.Thread(target=engine.wait, name=f"engine of {run}", daemon=True).start()


def _drive(sight: Sight) -> None:
    """Give the run an engine; OrchError where it would end at once, or cannot begin."""
    state, workplace = sight.state, sight.workplace
    finished = state.finished
    if finished and finished.outcome == "budget" and state.budget_reached is not None:
        raise OrchError(
            f"the run's budget is reached: {state.budget_reached.why}",
            hint="a larger one is a person's to give: see `next` of status",
            exit_code=4,
        )
    if state.limits.deadline is not None and state.limits.deadline <= time.time():
        raise OrchError(
            "the run's deadline has passed",
            hint=f"a person types: orch resume {sight.run} --deadline 2h",
            exit_code=4,
        )
    left_today(workplace, sourced_of(workplace).settings, f"orch resume {sight.run}")
    settings = state.started.settings
    refuse_missing_copies(workplace.checkout, settings)
    asked = workers_of_run(settings, state.started.plan)
    refuse_missing_keys(settings, workplace.environ, asked)
    _begin(workplace, sight.run)


def _is_driven(sight: Sight) -> bool:
    """Whether an engine drives the run, and will see what is said to it.

    One that has finished it is about to go: agents are quick enough to speak before it has.
    """
    deadline = time.monotonic() + GONE_WITHIN_S
    while alive := engine_alive(sight.workplace.place, sight.run):
        if not sight.state.finished or time.monotonic() >= deadline:
            break
        time.sleep(0.02)
    return alive


def _gone_on(sight: Sight, said: Said) -> RunAnswer:
    """What was recorded; a run that no engine drives goes on."""
    if not _is_driven(sight):
        state = load_state(sight.store, sight.run)
        _drive(Sight(sight.workplace, sight.store, sight.run, state, False, sight.branches))
    return _answer(sight, said, going_on=True)


def _answer(sight: Sight, said: Said, *, going_on: bool) -> RunAnswer:
    steps: list[Step] = [wait_on(sight.run, sight.state.seq)]
    if not going_on:
        steps = steps_of(sight.state, False, branches_of(sight.workplace))
    hint = f" ({said.hint})" if said.hint and not said.hint.startswith("orch ") else ""
    return RunAnswer(run=sight.run, what=f"{said.what}{hint}", going_on=going_on, next=steps)
