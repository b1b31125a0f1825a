"""What decorators and marks say of tests: skips, cases, examples, time limits. Pure.

1. A skip is told by the names of pytest and unittest, also where it has a name of its own; and by
   the words of a decorator that comes from elsewhere (`skip_slow`, `requires_network`).
2. A condition that is never true skips nothing; one that is always true is none.
3. How many cases a test has is the product of the lists that it is parametrised with, each
   counted without repetitions and without cases that are marked to be skipped.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.verification.python_tests.body import Skip
from orchestrator.verification.python_tests.scopes import Names, last_name
from orchestrator.verification.python_tests.values import length, number_of, truth

_SKIPPING_WORDS = frozenset(
    """
    skip skipif skipunless xfail expectedfailure disable disabled nottest
    quarantine quarantined flaky broken requires require needs unless
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Told:
    """What the marks of one scope say."""

    skips: tuple[Skip, ...] = ()
    cases: int | None = 1
    values: tuple[ast.expr, ...] = ()
    parameters: frozenset[str] = frozenset()
    examples: int = 0
    most_examples: float | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """Reads marks among the names of a file."""

    names: Names

    def told(self, marks: Iterable[ast.expr], where: str = "") -> Told:
        """What these say, at the class or file of that name."""
        found = Told()
        for mark in marks:
            for one in listed(self._resolved(mark)):
                found = self._mark(self._resolved(one), found, where, mark.lineno)
        return found

    def _resolved(self, mark: ast.expr) -> ast.expr:
        for _ in range(4):
            stands = self.names.known.get(mark.id) if isinstance(mark, ast.Name) else None
            if stands is None:
                return mark
            mark = stands
        return mark

    def _mark(self, mark: ast.expr, told: Told, where: str, line: int) -> Told:
        name = last_name(mark)
        call = mark if isinstance(mark, ast.Call) else None
        skip = skip_of(mark, name, self.names)
        if skip is not None:
            here = replace(skip, line=line, where=where, how=name)
            return replace(told, skips=(*told.skips, here))
        if call is None:
            return told
        if name in ("parametrize", "parameterize") and len(call.args) + len(call.keywords) > 1:
            given = {one.arg: one.value for one in call.keywords}
            values = call.args[1] if len(call.args) > 1 else given.get("argvalues")
            argnames = call.args[0] if call.args else given.get("argnames")
            if values is None:
                return told
            return replace(
                told,
                cases=product(told.cases, self.count_cases(values)),
                values=(*told.values, values),
                parameters=told.parameters | _parameter_names(argnames),
            )
        if name in ("expand", "parameterized", "params", "data") and call.args:
            many = ast.List(call.args) if name == "data" or len(call.args) > 1 else call.args[0]
            return replace(
                told,
                cases=product(told.cases, self.count_cases(many)),
                values=(*told.values, many),
            )
        if name == "fixture":
            params = next((one.value for one in call.keywords if one.arg == "params"), None)
            if params is not None:
                return replace(told, cases=self.count_cases(params), values=(params,))
        if name == "example":
            return replace(told, examples=told.examples + 1)
        if name == "timeout":
            seconds = [*call.args, *(one.value for one in call.keywords if one.arg == "timeout")]
            if seconds and (limit := number_of(seconds[0], self.names)) is not None:
                return replace(told, timeout_s=limit)
        if name == "settings":
            for keyword in call.keywords:
                if keyword.arg == "max_examples":
                    most = number_of(keyword.value, self.names)
                    return replace(told, most_examples=most)
        return told

    def count_cases(self, values: ast.expr) -> int | None:
        """How many different cases a list has that are not marked to be skipped."""
        values = self._resolved(values)
        if not isinstance(values, (ast.List, ast.Tuple, ast.Set)):
            return length(values, self.names)
        if any(isinstance(one, ast.Starred) for one in values.elts):
            return length(values, self.names)
        kept = [one for one in values.elts if not self._skipped_case(one)]
        return len({ast.dump(one) for one in kept})

    def _skipped_case(self, case: ast.expr) -> bool:
        if not isinstance(case, ast.Call) or last_name(case) != "param":
            return False
        marks = next((one.value for one in case.keywords if one.arg == "marks"), None)
        if marks is None:
            return False
        return bool(self.told(listed(marks)).skips)


def skip_of(mark: ast.expr, name: str, names: Names) -> Skip | None:
    """What a decorator or mark says about skipping."""
    call = mark if isinstance(mark, ast.Call) else None
    given = {one.arg: one.value for one in call.keywords} if call else {}
    condition = given.get("condition") or (call.args[0] if call and call.args else None)
    match name:
        case "skip" | "SkipTest" | "expectedFailure":
            return Skip("xfail" if name == "expectedFailure" else "skip", "", mark.lineno)
        case "skipif" | "skipIf" | "skip_if":
            return _conditioned("skip", condition, False, mark, names)
        case "skipUnless" | "skip_unless":
            return _conditioned("skip", condition, True, mark, names)
        case "xfail":
            if condition is None or (isinstance(condition, ast.Constant) and condition.value == ""):
                return Skip("xfail", "", mark.lineno)
            return _conditioned("xfail", condition, False, mark, names)
        case _:
            words = set(re.split(r"_+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
            if name and words & _SKIPPING_WORDS:
                return Skip("skip", ast.unparse(mark), mark.lineno)
    return None


def _conditioned(
    kind: Literal["skip", "xfail"],
    condition: ast.expr | None,
    turned: bool,
    mark: ast.expr,
    names: Names,
) -> Skip | None:
    if condition is None:
        return Skip(kind, "", mark.lineno)
    if turned:
        condition = ast.UnaryOp(ast.Not(), condition)
    worth = truth(condition, names)
    if worth is False:
        return None
    text = ast.unparse(condition)
    if isinstance(condition, ast.Constant) and isinstance(condition.value, str):
        text = condition.value  # evaluated by pytest
        worth = None if text not in ("True", "1") else True
    return Skip(kind, "" if worth else text, mark.lineno)


def listed(value: ast.expr) -> list[ast.expr]:
    """The parts of a list, or the one thing."""
    return [*value.elts] if isinstance(value, (ast.List, ast.Tuple, ast.Set)) else [value]


def product(one: int | None, two: int | None) -> int | None:
    """Of two counts; None where one is not known."""
    return None if one is None or two is None else one * two


def _parameter_names(node: ast.expr | None) -> frozenset[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return frozenset(part.strip() for part in node.value.split(","))
    if isinstance(node, (ast.List, ast.Tuple)):
        return frozenset(
            one.value
            for one in node.elts
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        )
    return frozenset()
