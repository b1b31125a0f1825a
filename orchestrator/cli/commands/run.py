"""`orch run`."""

from __future__ import annotations

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
    SandboxOption,
)
from orchestrator.cli.options import JsonOption
from orchestrator.cli.traffic import RecordOption, ReplayOption
from orchestrator.cli.waking import KeepAwakeOption, awake, words_of_awake

app = command_app()


@app.command()
def run(
    ctx: typer.Context,
    plan: Annotated[
        str | None,
        typer.Argument(metavar="PLAN", help="A plan's file or name; absent: the newest."),
    ] = None,
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check, and show what would happen.")
    ] = False,
    detach: DetachOption = False,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="REVISION",
            help="Begin there; last-green: at the newest commit that the gates pass.",
        ),
    ] = None,
    keep_awake: KeepAwakeOption = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept the result when all of it landed.")
    ] = False,
    into: Annotated[
        str | None,
        typer.Option("--into", metavar="BRANCH", help="With --accept: into that branch."),
    ] = None,
    unattended: Annotated[
        bool,
        typer.Option("--unattended", help="Nobody will answer: ask nothing, end when unsure."),
    ] = False,
    notify: Annotated[
        bool, typer.Option("--notify", help="Tell you how it ended, as [notify] says.")
    ] = False,
    pull_request: Annotated[
        bool, typer.Option("--pr", help="Push the result at the end, and open a pull request.")
    ] = False,
    ci: CiOption = False,
    allow_red_base: Annotated[
        bool,
        typer.Option("--allow-red-base", help="Go on without the gates that fail on the base."),
    ] = False,
    sandbox: SandboxOption = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Plain lines, also on a terminal.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Run a plan: work, judge, land.

    Each task is done in a worktree of its own; what the gates pass lands on the run's own result
    branch. Your checkout and your branches stay as they are until: orch accept. With --json one
    event a line. Commands in the settings that have changed since you trusted them are shown
    first, and run only with your yes: orch trust.

    With --unattended nobody is ever asked: what would need an answer is refused at
    the start, or ends the run with exit code 5. It wants a sandbox, a budget where a model may be
    asked, and trusted commands; it accepts only --into a branch; it ends with a notification,
    where [notify] says how. --detach alone does not mean that.

    With --ci it is unattended, in plain lines; whatever has landed is pushed at the end, and the
    report is added to the job's summary.
    """
    from orchestrator.cli import output
    from orchestrator.cli.budgets import budgets_typed
    from orchestrator.cli.ci import refuse_in_ci, warn_in_ci
    from orchestrator.cli.desk import open_here
    from orchestrator.cli.driving import answer_detached, drive_shown
    from orchestrator.cli.limits import deadline_at, sandbox_mode
    from orchestrator.cli.options import environ_of
    from orchestrator.cli.planned import answer_plan, warn_before_run
    from orchestrator.cli.traffic import traffic_typed, words_of
    from orchestrator.cli.trusting import require_trust
    from orchestrator.cli.unattended import require_unattended
    from orchestrator.config import refuse_missing_copies, refuse_missing_keys
    from orchestrator.detaching import detach as start_detached
    from orchestrator.errors import OrchError
    from orchestrator.last_green import find_base
    from orchestrator.planned import load_checked
    from orchestrator.policy.models import workers_of_run
    from orchestrator.start import RunOptions, start_run
    from orchestrator.target import refuse_target

    environ = environ_of(ctx)
    if into is not None and not accept:
        raise OrchError("--into says where --accept goes", hint=f"--accept --into {into}")
    if into:
        refuse_target("--into", into)
    if ci:
        unattended = plain = True
        refuse_in_ci(detach=detach)
        warn_in_ci(deadline)
    traffic = traffic_typed(record, replay, anew=True)
    options = RunOptions(
        parallel=parallel,
        gates_parallel=gates_parallel,
        attempts=attempts,
        deadline=deadline_at(deadline),
        budgets=budgets_typed(
            budget_usd=budget_usd,
            budget_tokens=budget_tokens,
            task_usd=task_usd,
            attempt_usd=attempt_usd,
            call_usd=call_usd,
        ),
        allow_red_base=allow_red_base,
        base=base,
        accept=accept,
        into=into or "",
        unattended=unattended,
        notify=notify or unattended,
        sandbox=sandbox_mode(sandbox),
        deliver="pr" if pull_request else "push" if ci else "",
    )
    workplace = open_here(environ)
    workplace.refuse_nested()
    checked = load_checked(workplace, plan).under(options)
    refuse_missing_copies(workplace.checkout, checked.settings)
    if dry_run:
        answer_plan(workplace, checked, as_json=as_json)
        return 0
    if unattended:
        require_unattended(workplace, checked, options, keys=traffic.replay is None)
    else:
        asked = workers_of_run(checked.settings, checked.plan)
        if traffic.replay is None:
            refuse_missing_keys(checked.settings, workplace.environ, asked)
        require_trust(workplace, checked.sourced, attended=output.can_ask())
    workplace.make_workspaces(checked.settings.workspaces)
    warn_before_run(workplace, checked)
    store = workplace.store()
    begin = find_base(workplace, store, checked.settings, checked.plan, base, output.narrate)
    if begin.said:
        output.narrate([output.colour_narration(begin.said, "ask"), f"  hint: {begin.hint}"])
    started = start_run(
        workplace, store, checked.plan, checked.path.stem, checked.settings, options, begin
    )
    if detach:
        words = (*words_of(traffic), *words_of_awake(wanted=keep_awake))
        start_detached(workplace, started, words)
        answer_detached(workplace, started, as_json)
        return 0
    with awake(workplace, wanted=keep_awake):
        return drive_shown(
            workplace,
            store,
            started,
            as_json=as_json,
            plain=plain,
            from_start=True,
            traffic=traffic,
            ci=ci,
        )
