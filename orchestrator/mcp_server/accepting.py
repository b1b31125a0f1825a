"""The tool that changes a branch of the person's: `accept`, where the settings allow that.

1. The branch is the one that the run started from, and no other.
2. The shared settings name it (`[mcp_server] accept`), as they are now, and a person trusts them:
   a change of that list is shown and asked about like a change of a command.
3. All else is as after `orch accept`: one commit, judged; a fast-forward in a clean checkout or a
   compare-and-swap; refused, with nothing lost, in every other case.
4. While gates judge, the client hears of it: one that is told nothing gives up after a minute.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context
from pydantic import Field

from orchestrator.accept import AcceptResult
from orchestrator.accept import accept as bring
from orchestrator.errors import OrchError
from orchestrator.mcp_server.answers import AcceptAnswer, Step
from orchestrator.mcp_server.office import Office, Sight
from orchestrator.mcp_server.running import PERSON_NEEDED, Run
from orchestrator.mcp_server.speaker import speaker_of
from orchestrator.mcp_server.steps import steps_of
from orchestrator.planned import sourced_of
from orchestrator.policy.selection import Selection
from orchestrator.runs import load_state
from orchestrator.settings_rules import SHARED_FILE
from orchestrator.trust import require_trusted
from orchestrator.waiting import Heard

TELL_EVERY_S = 5.0
Tasks = Annotated[list[str] | None, Field(description="Ids of landed tasks.")]


class AcceptTools:
    """Results, brought into a branch."""

    def __init__(self, office: Office) -> None:
        self.office = office

    async def accept(
        self, ctx: Context[Any, Any], run: Run = None, only: Tasks = None, without: Tasks = None
    ) -> AcceptAnswer:
        """Bring a run's result, or a part of it, into the branch that the run started from.

        Only where the repository's settings name that branch for agents; else a person types it.
        `only` these tasks and what they need, or all `without` these and what needs them.
        """
        with self.office.acting(run) as sight:
            target = _allowed_target(sight)
            heard = Heard()
            async with _telling(ctx, heard):
                result = await bring(
                    sight.workplace,
                    sight.store,
                    sight.run,
                    selection=Selection(only=tuple(only or ()), without=tuple(without or ())),
                    to=target,
                    observers=(heard,),
                    said_by=speaker_of(ctx),
                )
            return _answer(sight, result)


@asynccontextmanager
async def _telling(ctx: Context[Any, Any], heard: Heard) -> AsyncIterator[None]:
    """Tell the client from time to time that it goes on (rule 4)."""
    began = anyio.current_time()

    async def tell() -> None:
        while True:
            await anyio.sleep(TELL_EVERY_S)
            said = heard.said[-1][1] if heard.said else "the gates judge it"
            await ctx.report_progress(anyio.current_time() - began, None, said[:300])

    failed: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell)
        try:
            yield
        except Exception as error:  # out of here it would come as one of a group
            failed = error
        tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed


def _allowed_target(sight: Sight) -> str:
    """The branch; OrchError where only a person accepts into it."""
    typed = f"a person types: orch accept {sight.run}"
    target = sight.state.started.target
    if target is None:
        raise OrchError(
            f"run {sight.run} started from no branch",
            hint=f"{typed} --to BRANCH",
            exit_code=PERSON_NEEDED,
        )
    sourced = sourced_of(sight.workplace)
    if target not in sourced.settings.mcp_server.accept:
        raise OrchError(
            f"agents may not accept into {target}: {SHARED_FILE} does not name it",
            hint=f'{typed} (or writes below [mcp_server]: accept = ["{target}"])',
            exit_code=PERSON_NEEDED,
        )
    require_trusted(sight.workplace, sourced)
    return target


def _answer(sight: Sight, result: AcceptResult) -> AcceptAnswer:
    state = load_state(sight.store, sight.run)
    verdict = result.verdict
    steps = steps_of(state, False, ())
    if result.outcome == "red":
        without = {"run": sight.run, "without": ["TASK"]}
        steps = [Step(tool="accept", arguments=without, why="all but what fails there")]
    return AcceptAnswer(
        run=sight.run,
        outcome=result.outcome,
        target=result.target,
        commit=result.commit,
        tasks=list(result.tasks) or None,
        left_out_tasks=list(result.left_out) or None,
        warnings=list(result.warnings) or None,
        why=result.why or None,
        hint=result.hint or None,
        lines=list(verdict.lines) if verdict else None,
        next=steps,
    )
