"""A model plans for `orch plan`: who it is, what it is told, whom it asks, what becomes of it.

1. The planner is the one that the command line names, else the settings'. Without one, nobody is
   asked, and what only a planner could do is refused.
2. Nothing is sent anywhere before the settings are trusted and its key is there.
3. Questions are answered at the terminal. Where there is none they are the answer of the command,
   after what was found, with exit 5 and what to type.
4. A plan that is changed stays in its file, with what a person wrote into it. It is written only
   where the file still says what the model was shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli import output
from orchestrator.cli.planned import TEXT, said_of_look
from orchestrator.cli.trusting import require_trust
from orchestrator.config import SourcedSettings, refuse_missing_keys
from orchestrator.errors import OrchError
from orchestrator.planned import load_checked, shown_path, sourced_of
from orchestrator.planning.plan_file import replace_plan
from orchestrator.policy.models import model_workers
from orchestrator.policy.nearest import listed
from orchestrator.review.advice import quoted
from orchestrator.review.words import count, foreign, short
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.planning.by_model import ModelPlanner
    from orchestrator.planning.drafting import Refinement
    from orchestrator.planning.planner import Planned

PERSON_NEEDED = 5


@dataclass(frozen=True)
class Asking:
    """What the command line says of planning with a model."""

    planner: str | None = None
    answers: tuple[str, ...] = ()
    questions: bool = False
    as_json: bool = False


def planner_of(
    workplace: Workplace,
    sourced: SourcedSettings,
    asking: Asking,
    base: str | None,
    refined: Refinement | None = None,
) -> ModelPlanner | None:
    """The planner of the command line or the settings; None where there is none."""
    settings = sourced.settings
    name = asking.planner or settings.planner
    models = model_workers(settings)
    if name is None:
        if refined or asking.questions or asking.answers:
            hint = "name a worker of kind model: --planner NAME, or planner = NAME below [run]"
            raise OrchError(f"no model plans here; models: {listed(models)}", hint=hint)
        return None
    if name not in models:
        hint = "add: planner = NAME below [run] in .agent/orch.toml"
        raise OrchError(f"'{name}' is no model; models: {listed(models)}", hint=hint)
    from orchestrator.planning.by_model import ModelPlanner

    refuse_missing_keys(settings, workplace.environ, (name,))
    require_trust(workplace, sourced, attended=output.can_ask())
    _say_what_it_sees(workplace, base)
    return ModelPlanner(
        workplace=workplace,
        settings=settings,
        name=name,
        told=output.narrate,
        said=asking.answers,
        ask=partial(_ask, as_json=asking.as_json) if asking.questions else None,
        refined=refined,
    )


def refine_plan(
    workplace: Workplace, named: str | None, words: str, asking: Asking
) -> tuple[Path, Planned]:
    """Let a model change a plan in its file."""
    from orchestrator.planning.check import check_made_plan
    from orchestrator.planning.drafting import Refinement
    from orchestrator.planning.plan_text import change_plan_text
    from orchestrator.planning.planner import PlanOptions
    from orchestrator.planning.planner import plan as make_plan
    from orchestrator.survey import survey

    if not words.strip():
        raise OrchError("--refine says nothing", hint='orch plan --refine "split the first task"')
    before = load_checked(workplace, named)
    text = before.path.read_text("utf-8")
    sourced = sourced_of(workplace)
    refined = Refinement(before.plan, words)
    planner = planner_of(workplace, sourced, asking, before.plan.base, refined)
    options = PlanOptions(checkout=workplace.checkout, base=before.plan.base, planner=planner)
    made = make_plan(before.plan.goal, options)
    check_made_plan(made.plan, survey(workplace, sourced.settings)(made.plan.base)).sound()
    head = "".join(f"#{' ' if line else ''}{line}\n" for line in made.comments)
    changed = f"{head}\n{change_plan_text(text, made.plan)}"
    if before.path.read_text("utf-8") != text:
        raise OrchError(
            f"{shown_path(workplace, before.path)} was changed meanwhile, so it was left alone",
            hint="try again",
        )
    replace_plan(before.path, changed)
    output.narrate(f"changed: {shown_path(workplace, before.path)}")
    return before.path, made


def _say_what_it_sees(workplace: Workplace, base: str | None) -> None:
    """Changes of the checkout are in no commit: no planner sees them, and no worker."""
    from worktree.user import checkout_state

    state = checkout_state(workplace.repository, workplace.user)
    if base is None and state.dirty_count and state.head:
        files = count(state.dirty_count, "changed file")
        output.narrate(
            f"your checkout has {files}: it is planned from the commit {short(state.head)}"
        )


def _ask(
    facts: tuple[str, ...], questions: tuple[str, ...], *, as_json: bool = False
) -> tuple[str, ...]:
    """A person's answers; OrchError where nobody is there to give any."""
    if not output.can_ask():
        if as_json:
            output.answer_json({"facts": facts, "questions": questions})
        else:
            output.answer(list(said_of_look(facts, questions, "it asks:")))
        first = quoted(f"{' '.join(questions[0].split())[:60]} ...")
        raise OrchError(
            f"{count(len(questions), 'question')} to be answered before there is a plan",
            hint=f"the same command with an answer for each: --answer {first}",
            exit_code=PERSON_NEEDED,
        )
    for one in facts:
        output.narrate(f"found: {foreign(one, TEXT)}")
    said = [(question, output.ask_text(f"{foreign(question, TEXT)}\n> ")) for question in questions]
    return tuple(f"{question}\nAnswer: {answer}" for question, answer in said if answer)
