"""A plan that was checked, and how it is shown: for `orch plan` and before `orch run`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ledger.model import Settings
from orchestrator.cli import output
from orchestrator.planned import (
    Checked,
    check_command,
    durations_of,
    estimates_of,
    expected_of,
    said_before_run,
    shown_path,
)
from orchestrator.planning.graph import levels, longest_path, render_graph
from orchestrator.review.foreseen import render_forecast, render_spending
from orchestrator.review.words import count, foreign, headline
from orchestrator.spending import spending_of
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.planning.planner import Planned

PLAN_WARNINGS = 20
TEXT = 500
"""Characters of what a planner found or asks."""


def with_overlaps(workplace: Workplace, one: Checked) -> Checked:
    """The same with warnings of open pull requests of orch's that touch the same files."""
    from orchestrator.forges.meant import forge_meant

    meant = forge_meant(workplace, one.settings)
    if meant is None:
        return one
    from orchestrator.forges.overlap import find_overlaps
    from orchestrator.trust import look

    trust = look(workplace, one.sourced)
    shared = one.sourced.shared(trust.counted).forge
    if trust.standing != "same" and shared is not None and (shared.url or shared.token):
        # Looking at a plan is no first use: a fresh clone gets no variable sent anywhere by it.
        why = "where [forge] sends a token was not trusted yet; orch trust shows it and asks"
        output.narrate(f"open pull requests were not looked at: {why}")
        return one
    found = find_overlaps(workplace, meant, one.plan, shown_path(workplace, one.path))
    if found.passed_over:
        output.narrate(f"open pull requests were not looked at: {found.passed_over}")
    return replace(one, problems=(*one.problems, *found.problems))


def answer_plan(
    workplace: Workplace, one: Checked, *, as_json: bool, made: Planned | None = None
) -> None:
    """Print what a run of the plan would be; `made`: it was made just now."""
    facts, questions = (made.facts, made.questions) if made else ((), ())
    estimates = estimates_of(workplace, one.settings)
    expected = expected_of(workplace, one, estimates)
    durations = durations_of(one, estimates)
    spent = spending_of(workplace, one.plan, one.settings)
    tasks = one.plan.tasks
    if as_json:
        path = longest_path(tasks, durations)
        body = {
            "file": shown_path(workplace, one.path),
            "plan": one.plan.model_dump(mode="json"),
            "facts": facts,
            "questions": questions,
            "levels": levels(tasks),
            "longest_path": path.tasks,
            "gates": [gate.model_dump(mode="json") for gate in one.settings.gates],
            "forecast": asdict(expected),
            "spending": asdict(spent) if spent else None,
            "warnings": [asdict(problem) for problem in one.problems],
        }
        output.answer_json(body)
        return
    output.answer(output.colour_answer(foreign(headline(one.plan.goal)), "strong"))
    output.answer(f"{shown_path(workplace, one.path)}, {count(len(tasks), 'task')}\n")
    # No line of it may be more than a line: titles are people's and models' words.
    output.answer([foreign_line(line) for line in render_graph(tasks, durations).splitlines()])
    output.answer("")
    output.answer(list(said_of_look(facts, questions, "it could not know, and guessed:")))
    output.answer(list(_judged_by(one.settings)))
    output.answer(list(render_forecast(expected, one.settings.limits)))
    if spent:
        output.answer(list(render_spending(spent)))
    _narrate_warnings(one, check_command(workplace, one))


def said_of_look(facts: tuple[str, ...], questions: tuple[str, ...], head: str) -> Iterator[str]:
    """What a planner found and asks, which are a model's words; nothing where there is neither."""
    for title, lines in (("it found:", facts), (head, questions)):
        if lines:
            yield title
            yield from (f"  - {foreign(line, TEXT)}" for line in lines)
            yield ""


def _narrate_warnings(one: Checked, check: str) -> None:
    """Say what is odd about a plan, on stderr."""
    for warning in one.warnings[:PLAN_WARNINGS]:
        output.narrate(f"{output.colour_narration('warning:', 'ask')} {warning}")
    left = len(one.warnings) - PLAN_WARNINGS
    if left > 0:
        output.narrate(f"... and {count(left, 'more warning')}; all of them: {check} --json")


def foreign_line(line: str) -> str:
    """One line as it is, its indentation too, without what a terminal obeys."""
    from workers.text import clean_line

    return clean_line(line, 200)


def _judged_by(settings: Settings) -> Iterator[str]:
    for stage, when in (("check", "each round"), ("land", "what would land")):
        named = [
            gate.name + (" (where a task names it)" if gate.when == "named" else "")
            for gate in settings.gates
            if gate.stage == stage
        ]
        if named:
            yield f"{when} is judged by: {', '.join(named)}"


def warn_before_run(workplace: Workplace, one: Checked) -> None:
    """Say what a person should know before workers start."""
    for said, style in said_before_run(workplace, one):
        output.narrate(output.colour_narration(said, style))
