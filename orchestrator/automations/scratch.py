"""Commands of automations that ask something and judge nobody: measures, listers, `only_if`.

1. A measure and a lister run where gates run: in a fresh workspace at the commit, made ready, in
   the gates' sandbox. What they say of errors is told apart from what they answer.
2. A measure that says no number, or that fails, is its own fault: no task is blamed, no verdict is
   kept, and what is said is what the command printed.
3. `only_if` runs in the checkout, as you: it may ask what no sandbox shows.
4. All of it is bounded in time, and gone afterwards; what a crash left is taken away first.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ledger.automations import Automation
from ledger.model import Settings, Sha
from orchestrator.errors import OrchError
from orchestrator.policy.until import number_in
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.planning.items import Item
    from orchestrator.verification.copies import Trouble
    from orchestrator.verification.gates import Answer, Bench

TIMEOUT_S = 1800.0
ONLY_IF_TIMEOUT_S = 300.0
LINES_SAID = 5


def measure(
    workplace: Workplace, settings: Settings, automation: Automation, name: str, commit: Sha
) -> float:
    """What a measure says of a commit; OrchError where that is no number."""
    command = automation.measure[name]
    answer = _asked(workplace, settings, automation, command, commit)
    what = f"measure '{name}' of automation '{automation.name}'"
    _refuse_failed(answer, what, command)
    lines = answer.out.decode("utf-8", "replace").splitlines()
    value = number_in(lines)
    if value is None:
        last = next((line for line in reversed(lines) if line.strip()), "")
        said = f"the last line that it printed is {last[:200]!r}" if last else "it printed nothing"
        raise OrchError(
            f"{what} says no number: {said}",
            hint=f"its last line must hold one; try it by itself: {command}",
        )
    return value


def listed(
    workplace: Workplace, settings: Settings, automation: Automation, commit: Sha
) -> tuple[Item, ...]:
    """The items that its command lists of a commit; none is an answer too."""
    from orchestrator.planning.items import parse_items

    command = automation.for_each or ""
    answer = _asked(workplace, settings, automation, command, commit)
    _refuse_failed(answer, f"for_each of automation '{automation.name}'", command)
    return parse_items(answer.out)


def only_if(workplace: Workplace, automation: Automation) -> str | None:
    """Why its condition does not hold; None where it does."""
    from workers.command import run_command

    command = automation.only_if or ""
    with tempfile.TemporaryDirectory(prefix="orch-only-if-") as folder:
        run = partial(
            run_command,
            command,
            tree=workplace.checkout,
            env=workplace.environ,
            mark=_mark(automation),
            timeout_s=ONLY_IF_TIMEOUT_S,
            log=Path(folder) / "log",
        )
        ended = anyio.run(run)
    if ended.reason == "exited" and ended.exit_code == 0:
        return None
    if ended.reason == "exited":
        return f"only_if exits with {ended.exit_code}: {command}"
    raise OrchError(
        f"only_if of automation '{automation.name}' cannot be asked: {ended.why}",
        hint=f"try it by itself: {command}",
    )


def _refuse_failed(answer: Answer, what: str, command: str) -> None:
    ended = answer.ended
    if ended.reason == "exited" and ended.exit_code == 0:
        return
    lines = [line for line in ended.tail if line.strip()][-LINES_SAID:]
    said = f": {' / '.join(lines)}" if lines else ""
    hint = f"try it by itself: {command}"
    printed = number_in(answer.out.decode("utf-8", "replace").splitlines())
    if ended.reason == "exited" and printed is not None:
        hint = f"what it printed counts only where it exits with 0: {command} || true"
    how = f"exits with {ended.exit_code}" if ended.reason == "exited" else f"failed ({ended.why})"
    raise OrchError(f"{what} {how}{said}", hint=hint)


def _asked(
    workplace: Workplace, settings: Settings, automation: Automation, command: str, commit: Sha
) -> Answer:
    async def ask() -> Answer | Trouble:
        async with _bench(workplace, settings, automation, commit) as bench:
            return await bench.answer(command, log=Path(folder) / "log", timeout_s=TIMEOUT_S)

    from orchestrator.verification.gates import Answer as Answered

    with tempfile.TemporaryDirectory(prefix="orch-answer-") as folder:
        answer = anyio.run(ask)
    if not isinstance(answer, Answered):
        raise OrchError(
            f"automation '{automation.name}': its workspace could not be made ready: {answer}",
            hint=f"what it wanted to run there: {command}",
        )
    return answer


@asynccontextmanager
async def _bench(
    workplace: Workplace, settings: Settings, automation: Automation, commit: Sha
) -> AsyncIterator[Bench]:
    """A place to ask at, as a gate has it."""
    from orchestrator.checkout import Snapshot, as_if_started
    from orchestrator.sandboxing import Sandboxes, require_sandbox
    from orchestrator.verification.gates import Judge
    from workers.alive import become_subreaper
    from workers.tree import end_marked
    from worktree.workspace import Pool, sweep

    require_sandbox(settings.sandbox)
    workplace.make_workspaces(settings.workspaces)
    become_subreaper()
    name = f"automation-{automation.name}"
    root = workplace.workspaces(settings.workspaces) / name
    # One firing goes on at a time, under its lock: what is there, a killed one left.
    await end_marked(f"{name}/")
    await anyio.to_thread.run_sync(partial(sweep, workplace.git, root, prefix=f"orch-{name}-"))
    pool = Pool(workplace.git, root, f"orch-{name}-gate", settings.preparation.keep)
    sandboxes = Sandboxes(workplace.git, settings.sandbox, workplace.environ, name)
    tree = workplace.git.tree_of(commit)
    judge = Judge(
        workplace=workplace,
        pool=pool,
        started=as_if_started(workplace, settings, Snapshot(commit, tree, 0), name),
        known=lambda key: None,
        git_threads=anyio.CapacityLimiter(1),
        sandboxes=sandboxes,
    )
    try:
        async with judge.bench(commit, tree, mark=_mark(automation)) as bench:
            yield bench
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(pool.remove_all)
            sandboxes.sweep(everywhere=False)


def _mark(automation: Automation) -> str:
    return f"automation-{automation.name}/{secrets.token_hex(4)}"
