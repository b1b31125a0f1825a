"""The words of a piece of code: what it works on, not what its local names are. Pure.

1. A word is the name of something from outside (a function, an attribute, a fixture), a call of
   it, or a constant. A local name stands for the words of what it is assigned, a module's name
   also for the constants that it holds.
2. So code keeps its words when variables are renamed, inlined or drawn out, when a method
   becomes a function, and when values move into the list of a parametrised test.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.verification.python_tests.scopes import (
    Names,
    children,
    last_name,
    walk_all,
)

Defs = Mapping[str, list[ast.expr]]
WORDS_AT_MOST = 5000
_WORD_CHARS = 120
_NOISE = frozenset(dir(builtins)) | {"self", "cls", "pytest", "unittest", "mock", "np", "numpy"}
_PLAIN_VALUES = (None, True, False, Ellipsis, "")


@dataclass(slots=True)
class _Collector:
    names: Names
    defs: Defs
    parameters: frozenset[str]
    found: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def visit(self, node: ast.AST) -> None:
        pending = [node]
        while pending and len(self.found) < WORDS_AT_MOST:
            one = pending.pop()
            match one:
                case ast.Constant():
                    if not any(one.value is plain for plain in _PLAIN_VALUES):
                        self.found.add(repr(one.value)[:_WORD_CHARS])
                    continue
                case ast.Name():
                    pending.extend(self._named(one.id))
                case ast.Attribute():
                    if not one.attr.startswith("assert"):
                        self.found.add(one.attr)
                case ast.Call() if name := last_name(one.func):
                    if name not in _NOISE and not name.startswith("assert"):
                        self.found.add(f"{name}()")
            pending.extend(children(one))

    def _named(self, name: str) -> list[ast.expr]:
        if name in self.seen or name in _NOISE or name in self.parameters:
            return []
        self.seen.add(name)
        if name in self.defs:
            return self.defs[name]
        self.found.add(name)
        value = self.names.known.get(name)
        return [value] if isinstance(value, (ast.List, ast.Dict, ast.Tuple, ast.Constant)) else []


def words_of(
    nodes: Iterable[ast.AST],
    names: Names,
    defs: Defs | None = None,
    parameters: frozenset[str] = frozenset(),
) -> frozenset[str]:
    """The words of these nodes; `parameters` are names that values are filled in for."""
    collector = _Collector(names, defs or {}, parameters)
    for node in nodes:
        collector.visit(node)
    return frozenset(collector.found)


def definitions(scope: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """For each local name all expressions that it gets its value from, in a scope's nodes."""
    found: dict[str, list[ast.expr]] = {}

    def bind(target: ast.AST | None, value: ast.expr) -> None:
        for one in walk_all([target]) if target is not None else ():
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                found.setdefault(one.id, []).append(value)

    for node in scope:
        match node:
            case ast.Assign():
                for target in node.targets:
                    bind(target, node.value)
            case ast.AnnAssign() | ast.AugAssign() if node.value is not None:
                bind(node.target, node.value)
            case ast.NamedExpr():
                bind(node.target, node.value)
            case ast.For() | ast.AsyncFor() | ast.comprehension():
                bind(node.target, node.iter)
            case ast.withitem():
                bind(node.optional_vars, node.context_expr)
    return found


def share(wanted: frozenset[str], there: frozenset[str]) -> float:
    """How much of what is wanted is there; all of it where nothing is wanted."""
    return len(wanted & there) / len(wanted) if wanted else 1.0
