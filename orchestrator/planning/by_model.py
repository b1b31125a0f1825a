"""A model plans: it looks at a commit, says what it found, and gives a plan that keeps the rules.

1. What it sees is the commit that the plan starts from, as plain files in a folder of its own:
   never the checkout, whose changes no worker will have either, and nothing that it can change.
2. The rules are those of a plan by hand. What breaks them goes back to it, three times at most.
3. It needs no run: a gateway is open while it plans, with a budget of its own.
4. What it came to is said, whether there is a plan or not, and kept in the plan's file.
5. Nothing of pydantic-ai, starlette or httpx is imported before a model is asked.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from ledger.model import ModelWorkerSettings, Plan, Settings, Task, Value
from orchestrator.base import newest_of
from orchestrator.errors import OrchError, Problems
from orchestrator.guidance.whole import whole_texts
from orchestrator.hiding import known_values
from orchestrator.planning.drafting import (
    ASK_FIRST,
    Discovery,
    Drafted,
    Looked,
    Refinement,
    broken_rules,
    comments_of,
    first_words,
    lines_of,
    plan_of,
    system_words,
)
from orchestrator.planning.planner import Planned, PlanOptions
from orchestrator.policy.models import split_model
from orchestrator.pricing import caps_of_planning, unpaid_planner
from orchestrator.start import read_rules
from orchestrator.survey import survey
from orchestrator.workplace import Workplace
from workers.base import Brief, ModelAccess, Surroundings
from workers.redact import Redactor
from workers.secrets import telling
from worktree.export import export_commit

if TYPE_CHECKING:
    from workers.gateway.grants import Access
    from workers.model.asking import Answer, Judge
    from workers.model.desk import Desk

TIMEOUT_S = 1800.0
MAP_TOKENS = 6_000
COMMITS = 20
BUDGET_USED = 4
PERSON_NEEDED = 5

T = TypeVar("T", bound=Value)
Ask = Callable[[tuple[str, ...], tuple[str, ...]], tuple[str, ...]]
"""Shows a person facts and questions, and gives their answers, one text each."""


@dataclass(frozen=True)
class ModelPlanner:
    """Plans with a model of the settings; a Planner."""

    workplace: Workplace
    settings: Settings
    name: str
    """The worker that plans."""
    told: Callable[[str], None]
    """Is told what goes on, and what it came to."""
    said: tuple[str, ...] = ()
    """What a person says without being asked."""
    ask: Ask | None = None
    """Asks a person before there is a plan; None: nobody is asked."""
    refined: Refinement | None = None

    def __call__(self, goal: str, options: PlanOptions) -> Planned:
        """See Planner."""
        if not goal:
            raise OrchError("the goal is empty", hint='orch plan "GOAL"')
        return anyio.run(self._plan, goal, options)

    async def _plan(self, goal: str, options: PlanOptions) -> Planned:
        worker = self.settings.workers.get(self.name)
        if not isinstance(worker, ModelWorkerSettings):
            raise OrchError(
                f"worker '{self.name}' is no model, so it cannot plan",
                hint='name one with kind = "model": planner = "NAME" below [run]',
            )
        if problems := unpaid_planner(self.settings, self.name):
            raise Problems(problems)
        with tempfile.TemporaryDirectory(prefix="orch-plan-") as folder:
            known = await anyio.to_thread.run_sync(self._discover, options.base, Path(folder))
            self.told(f"asking {worker.models[0]}, who sees commit {known.commit[:10]}")
            async with self._access(worker) as (access, opened):
                try:
                    where = Path(folder)
                    looking = _Looking(self, goal, options, worker, access, opened, where, known)
                    return await looking.planned()
                finally:
                    self.told(f"planning came to {usage_of(opened)}")

    def _discover(self, base: str | None, folder: Path) -> Discovery:
        """What is known before a model is asked; the commit's files are in the folder then."""
        from orchestrator.mapping import make_map

        git = self.workplace.git
        commit = git.resolve(newest_of(base))
        tree = folder / "tree"
        tree.mkdir()
        left_out = export_commit(git, commit, tree)
        log = git.answer(
            "log", f"--max-count={COMMITS}", "--format=%s", commit, limit_bytes=100_000
        )
        return Discovery(
            commit=commit,
            map=make_map(git, commit, budget_tokens=MAP_TOKENS, redactor=self.redactor),
            history=tuple(log.out.decode("utf-8", "replace").splitlines()),
            rules=read_rules(self.workplace.checkout),
            texts=whole_texts(self.workplace.checkout, git.list_files(commit)),
            settings=self.settings,
            protected=tuple(sorted(survey(self.workplace, self.settings)(base).protected)),
            said=self.said,
            left_out=left_out,
        )

    @property
    def secrets(self) -> dict[str, str]:
        """Values that no model may be told."""
        return telling(known_values(self.workplace, self.settings))

    @property
    def redactor(self) -> Redactor:
        return Redactor(self.secrets)

    @asynccontextmanager
    async def _access(
        self, worker: ModelWorkerSettings
    ) -> AsyncIterator[tuple[ModelAccess, Access]]:
        """A gateway for the planning alone."""
        from orchestrator.granting import Caller, given_model, pace_folder, providers_of
        from orchestrator.planning.till import PlanningTill
        from workers.gateway.gateway import open_gateway
        from workers.gateway.pacing import Pacer
        from workers.gateway.prices import Prices
        from workers.gateway.till import MemoryTill

        settings, environ = self.settings, self.workplace.environ
        model = worker.models[0]
        provider, _ = split_model(model)
        caller = Caller("planning", "plan", 1, self.name, "plan")
        with Pacer(pace_folder(environ)) as pacer:
            async with (
                open_gateway(
                    providers_of(settings, (provider,), environ),
                    till=PlanningTill(MemoryTill(caps_of_planning(settings)), self.workplace.place),
                    prices=Prices(settings.prices),
                    pacer=pacer,
                ) as gateway,
                given_model(gateway, settings, model, caller) as given,
            ):
                yield given


@dataclass
class _Looking:
    """One planning, with everything that it needs."""

    planner: ModelPlanner
    goal: str
    options: PlanOptions
    worker: ModelWorkerSettings
    access: ModelAccess
    opened: Access
    """What becomes of it."""
    folder: Path
    known: Discovery
    asked: list[str] = field(default_factory=list)

    async def planned(self) -> Planned:
        """The plan; OrchError where none came of it."""
        planner = self.planner
        if planner.ask is not None:
            await self._ask_first(planner.ask)
        facts = await anyio.to_thread.run_sync(
            survey(planner.workplace, planner.settings), self.options.base
        )
        refined = planner.refined

        def plan(drafted: Drafted) -> Plan:
            before = refined.plan if refined else None
            worker = self.options.worker
            return plan_of(drafted, self.goal, self.options.base, worker=worker, before=before)

        drafted = await self._ask_for(
            Drafted,
            "plan",
            "Give the plan. This ends your work.",
            system_words(self.worker.prompt),
            lambda drafted: "\n".join(broken_rules(drafted, plan(drafted), facts)),
        )
        made = Plan.model_validate(plan(drafted).model_dump())
        # It may find again what it found before it asked.
        found = tuple(dict.fromkeys((*self.known.found, *self._told(drafted.facts))))
        open_still = self._told(drafted.questions)
        comments = comments_of(
            self.worker.models[0],
            self.known.commit,
            usage_of(self.opened),
            found,
            open_still,
            (*self.known.said, *([refined.words] if refined else [])),
        )
        hide = planner.redactor.redact_text
        return Planned(made, tuple(hide(line) for line in comments), found, open_still)

    def _told(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """What it says to a person: lines, without secrets."""
        return lines_of(map(self.planner.redactor.redact_text, texts))

    async def _ask_first(self, ask: Ask) -> None:
        """Look, and let a person answer what is open."""
        system = f"{system_words(self.worker.prompt)}\n{ASK_FIRST}\n"
        describe = "Say what you found, and ask what is open. This ends your look."
        looked = await self._ask_for(Looked, "ask", describe, system, lambda looked: "")
        answers: tuple[str, ...] = ()
        found, questions = self._told(looked.facts), self._told(looked.questions)
        if questions:
            answers = await anyio.to_thread.run_sync(ask, found, questions)
        self.known = replace(self.known, found=found, said=(*self.known.said, *answers))

    async def _ask_for(
        self, shape: type[T], name: str, describe: str, system: str, judge: Judge[T]
    ) -> T:
        from workers.model.asking import ask_for

        desk = await anyio.to_thread.run_sync(self._desk, name)
        answer = await ask_for(
            shape,
            self.access,
            desk,
            name=name,
            describe=describe,
            system=system,
            words=first_words(self.goal, self.known, self.planner.refined),
            judge=judge,
            timeout_s=self.worker.timeout_s or TIMEOUT_S,
        )
        if answer.value is None:
            raise self._failure(answer)
        return answer.value

    def _failure(self, answer: Answer[T]) -> OrchError:
        model = self.worker.models[0]
        if answer.cause == "budget":
            hint = f"give it more, below [run] in the settings: {self._more()}"
            return OrchError(
                f"the budget for planning is used up: {answer.why}",
                hint=hint,
                exit_code=BUDGET_USED,
            )
        if answer.cause == "provider":
            hint = "try again later, or plan with another model: --planner NAME"
            return OrchError(f"{model} cannot be asked: {answer.why}", hint=hint, exit_code=1)
        hint = "say more in the goal, or plan by hand: orch plan GOAL --by-hand"
        return OrchError(f"{model} gave no plan: {answer.why}", hint=hint, exit_code=1)

    def _more(self) -> str:
        """A budget that would hold the call that did not fit."""
        from orchestrator.review.spent import enough

        opened, offered = self.opened, []
        for one in opened.ended.short if opened.ended else ():
            is_money = one.unit == "usd"
            so_far = (opened.cost_usd or 0.0) if is_money else opened.tokens.total
            name = "plan_budget_usd" if is_money else "budget_tokens"
            offered.append(f"{name} = {enough(one.limit, so_far, one.needed):.10g}")
        return ", ".join(offered) or "plan_budget_usd, budget_usd or call_usd"

    def _desk(self, name: str) -> Desk:
        from workers.model.desk import Desk

        task = Task(id="plan", title="Plan", prompt=self.goal)
        brief = Brief(
            run="planning",
            task=task,
            attempt=1,
            round=1,
            base=self.known.commit,
            prompt=self.goal,
        )
        room = self.folder / name
        room.mkdir()
        surroundings = Surroundings(
            tree=self.folder / "tree",
            folder=room,
            environ=self.planner.workplace.environ,
            mark=f"planning/plan/1/{self.folder.name[-8:]}",
            log=room / "log",
            secrets=self.planner.secrets,
            model=self.access,
        )
        return Desk(brief, surroundings, window_tokens=self.access.window_tokens, reading_only=True)


def usage_of(opened: Access) -> str:
    """What its calls came to, in words; what is not known is said to be."""
    if not opened.calls:
        return "nothing: no call was made"
    tokens = opened.tokens
    cached = f", {tokens.cache_read:,} of them from a cache" if tokens.cache_read else ""
    cost = "cost not known" if opened.cost_usd is None else f"${opened.cost_usd:.4f}"
    calls = "1 call" if opened.calls == 1 else f"{opened.calls} calls"
    said = f"{calls}, {tokens.prompt:,} tokens read{cached}, {tokens.output:,} written, {cost}"
    if opened.unsettled:
        said += f"; of {opened.unsettled} nobody knows what they came to"
    return said
