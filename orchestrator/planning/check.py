"""From a plan file to a plan that may run, or to everything that is wrong with it, by line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ledger.model import Plan
from orchestrator.errors import Problem, Problems, in_file_order
from orchestrator.planning.plan_file import draft_plan
from orchestrator.policy.plan_rules import Finding, RepositoryFacts, check_plan
from orchestrator.toml_lines import Document, load_document

Learn = Callable[[str | None], RepositoryFacts]
"""Looks at the repository for a base: a revision, or None for what the checkout is on."""


@dataclass(frozen=True, slots=True)
class CheckedPlan:
    """What came of looking at a plan; `plan` is None where there are errors."""

    plan: Plan | None
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    def sound(self) -> Plan:
        """The plan; Problems where there are errors, the warnings among them."""
        if self.plan is None:
            raise Problems(in_file_order((*self.errors, *self.warnings)))
        return self.plan


def check_plan_file(path: Path, learn: Learn, name: str | None = None) -> CheckedPlan:
    """Look at a plan file: syntax, shape and rules, all in one go."""
    try:
        document = load_document(path, name or str(path))
    except Problems as error:
        return CheckedPlan(None, error.problems, ())
    draft = draft_plan(document)
    findings = check_plan(draft.plan, learn(draft.plan.base))
    told = [_problem(one, document) for one in findings]
    errors = in_file_order(
        (*draft.problems, *(problem for problem in told if problem.level == "error"))
    )
    plan = None if errors else Plan.model_validate(draft.plan.model_dump())
    return CheckedPlan(plan, errors, in_file_order(p for p in told if p.level == "warning"))


def check_made_plan(plan: Plan, facts: RepositoryFacts, name: str = "plan") -> CheckedPlan:
    """Look at a plan that is in no file yet; places are named by task instead of by line."""
    told = [_unwritten(one, plan, name) for one in check_plan(plan, facts)]
    errors = tuple(problem for problem in told if problem.level == "error")
    warnings = tuple(problem for problem in told if problem.level == "warning")
    return CheckedPlan(None if errors else plan, errors, warnings)


def _problem(finding: Finding, document: Document) -> Problem:
    line = document.line(finding.where)
    return Problem(document.name, line, finding.what, finding.hint, finding.level)


def _unwritten(finding: Finding, plan: Plan, name: str) -> Problem:
    place = name
    if finding.where[:1] == ("task",):
        place = f"{name}, task {plan.tasks[int(finding.where[1])].id}"
    return Problem(place, None, finding.what, finding.hint, finding.level)
