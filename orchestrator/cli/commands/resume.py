"""`orch resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.budgets import (
    AttemptUsdOption,
    BudgetTokensOption,
    BudgetUsdOption,
    CallUsdOption,
    TaskUsdOption,
)
from orchestrator.cli.limits import (
    AttemptsOption,
    CiOption,
    DeadlineOption,
    DetachOption,
    GatesParallelOption,
    ParallelOption,
)
from orchestrator.cli.options import JsonOption, RunArgument
from orchestrator.cli.traffic import RecordOption, ReplayOption
from orchestrator.cli.waking import KeepAwakeOption, awake, words_of_awake

app = command_app()


@app.command()
def resume(
    ctx: typer.Context,
    run: RunArgument = None,
    parallel: ParallelOption = None,
    gates_parallel: GatesParallelOption = None,
    attempts: AttemptsOption = None,
    deadline: DeadlineOption = None,
    budget_usd: BudgetUsdOption = None,
    budget_tokens: BudgetTokensOption = None,
    task_usd: TaskUsdOption = None,
    attempt_usd: AttemptUsdOption = None,
    call_usd: CallUsdOption = None,
    record: RecordOption = None,
    replay: ReplayOption = None,
    detach: DetachOption = False,
    keep_awake: KeepAwakeOption = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle", metavar="FILE", help="Take the run out of this file first, then go on."
        ),
    ] = None,
    trust_bundle: Annotated[
        bool,
        typer.Option("--trust-bundle", help="Run the bundle's commands, also where yours differ."),
    ] = False,
    ci: CiOption = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Plain lines, also on a terminal.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Go on with a run that stopped, however it stopped.

    With the plan and the settings that it started with; its limits may be changed here. A run
    whose budget is reached goes on with a larger one; without, it says so and ends with exit
    code 4.

    With --bundle a run goes on that another machine began, as orch ledger export --bundle wrote
    it. The commit that it started from must be in this clone.
    """
    from ledger.lock import EngineLock
    from orchestrator.cli import output
    from orchestrator.cli.budgets import refuse_reached_budget
    from orchestrator.cli.ci import end_in_ci, refuse_in_ci, warn_in_ci
    from orchestrator.cli.desk import sit_down
    from orchestrator.cli.driving import answer_detached, drive_shown, show_end
    from orchestrator.cli.limits import changed_limits, refuse_past_deadline, said_of_changes
    from orchestrator.cli.traffic import traffic_typed, words_of
    from orchestrator.config import refuse_missing_copies, refuse_missing_keys
    from orchestrator.detaching import detach as start_detached
    from orchestrator.errors import OrchError
    from orchestrator.persons import change_limits, refuse_cleaned
    from orchestrator.policy.left import is_anything_left
    from orchestrator.policy.models import workers_of_run
    from orchestrator.runs import engine_alive, load_state

    traffic = traffic_typed(record, replay)
    if ci:
        plain = True
        refuse_in_ci(detach=detach)
        warn_in_ci(deadline)
    if trust_bundle and bundle is None:
        raise OrchError("--trust-bundle is for a bundle", hint="orch resume --bundle FILE")
    if bundle is not None:
        from orchestrator.cli.bundling import take_in

        run = take_in(ctx, bundle, run, trusted=trust_bundle, attended=not ci, ci=ci)
    desk = sit_down(ctx, run)
    state = load_state(desk.store, desk.run)
    refuse_cleaned(state)
    limits = changed_limits(
        state.limits,
        parallel=parallel,
        gates_parallel=gates_parallel,
        attempts=attempts,
        deadline=deadline,
        budget_usd=budget_usd,
        budget_tokens=budget_tokens,
        task_usd=task_usd,
        attempt_usd=attempt_usd,
        call_usd=call_usd,
    )
    refuse_past_deadline(limits)
    if not engine_alive(desk.workplace.place, desk.run):
        refuse_reached_budget(state, limits)
    for line in said_of_changes(desk.workplace, state):
        output.narrate(line)
    if state.finished and limits == state.limits and not is_anything_left(state):
        failed = end_in_ci(desk.workplace, desk.store, desk.run) if ci else 0
        show_end(desk.workplace, desk.store, state, as_json=as_json)
        return state.finished.exit_code or failed
    settings = state.started.settings
    refuse_missing_copies(desk.workplace.checkout, settings)
    asked = workers_of_run(settings, state.started.plan)
    if traffic.replay is None:
        refuse_missing_keys(settings, desk.workplace.environ, asked)
    if limits != state.limits:
        # Under the lock: an engine that drives the run keeps the limits that it was given.
        with EngineLock.take(desk.workplace.place.lock(desk.run)):
            change_limits(desk.store, desk.run, limits)
    if detach:
        words = (*words_of(traffic), *words_of_awake(wanted=keep_awake))
        start_detached(desk.workplace, desk.run, words)
        answer_detached(desk.workplace, desk.run, as_json)
        return 0
    with awake(desk.workplace, wanted=keep_awake):
        return drive_shown(
            desk.workplace,
            desk.store,
            desk.run,
            as_json=as_json,
            plain=plain,
            traffic=traffic,
            ci=ci,
        )
