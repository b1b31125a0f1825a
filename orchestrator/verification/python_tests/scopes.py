"""The nodes of a scope, and what its names stand for. Pure.

1. A name stands for what it is assigned, where one assignment says it: not where it is bound again,
   by whatever statement, nor where a function within may change it.
2. What something in the scope changes (a list that is appended to) is told as growing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_MUTATING = frozenset(
    """
    append extend insert add update remove pop clear setdefault discard popitem appendleft
    """.split()  # noqa: SIM905
)


RUNNERS = frozenset(("pytest", "unittest", "unittest.case", "hypothesis", "contextlib"))


@dataclass(frozen=True)
class Names:
    """What the names of a scope stand for, where one assignment says it."""

    known: Mapping[str, ast.expr] = field(default_factory=dict)
    growing: frozenset[str] = frozenset()
    """Names of things that something in the scope changes."""
    changing: frozenset[str] = frozenset()
    """Names that are bound more than once."""
    shared: frozenset[str] = frozenset()
    """Names that a function within may bind."""

    def inside(self, inner: Names, bound: Iterable[str]) -> Names:
        """The names of a scope within this one, which binds these names itself."""
        hidden = frozenset(bound)
        kept = {name: value for name, value in self.known.items() if name not in hidden}
        return Names(
            {**kept, **inner.known},
            self.growing | inner.growing,
            (self.changing - hidden) | inner.changing,
            (self.shared - hidden) | inner.shared,
        )


def last_name(node: ast.expr) -> str:
    """`c` of `a.b.c` and of `getattr(a.b, "c")`, also where that is called; else nothing."""
    while isinstance(node, ast.Call):
        match node:
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
                return name
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def walk_scope(body: Iterable[ast.AST]) -> list[ast.AST]:
    """All nodes of a scope; of functions and classes within it only the nodes themselves."""
    found: list[ast.AST] = []
    pending = list(body)[::-1]
    while pending:
        node = pending.pop()
        found.append(node)
        if not isinstance(node, _SCOPES):
            pending.extend(children(node)[::-1])
    return found


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one; as `ast.iter_child_nodes`, in half the time."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            if not isinstance(value, ast.expr_context):
                found.append(value)
        elif isinstance(value, list):
            found.extend(one for one in value if isinstance(one, ast.AST))
    return found


def walk_all(nodes: Iterable[ast.AST]) -> list[ast.AST]:
    """These nodes and all below them."""
    found = list(nodes)
    at = 0
    while at < len(found):
        found.extend(children(found[at]))
        at += 1
    return found


Bindings = dict[str, list[ast.expr | None]]
"""Every binding of each name in a scope: the value, or None where there is no plain one."""


def bindings(scope: Iterable[ast.AST]) -> Bindings:
    """The bindings in the nodes of a scope."""
    found: Bindings = {}

    def bind(target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            found.setdefault(target.id, []).append(value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            values: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(values):
                values = list(value.elts)
            for one, its in zip(target.elts, values, strict=True):
                bind(one, its)
        elif isinstance(target, ast.Starred):
            bind(target.value, None)

    for node in scope:
        match node:
            case ast.Assign():
                for target in node.targets:
                    bind(target, node.value)
            case ast.AnnAssign() if node.value is not None:
                bind(node.target, node.value)
            case ast.NamedExpr():
                bind(node.target, node.value)
            case ast.AugAssign():
                bind(node.target, None)
                bind(node.target, None)
            case ast.For() | ast.AsyncFor():
                bind(node.target, None)
            case ast.withitem() if node.optional_vars is not None:
                bind(node.optional_vars, None)
            case ast.Global() | ast.Nonlocal():
                for name in node.names:
                    found.setdefault(name, []).extend((None, None))
            case ast.Delete():
                for target in node.targets:
                    bind(target, None)
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    found.setdefault(name, []).append(None)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.setdefault(node.name, []).append(None)
            case ast.ExceptHandler() if node.name:
                found.setdefault(node.name, []).append(None)
            case ast.MatchAs() | ast.MatchStar() if node.name:
                found.setdefault(node.name, []).append(None)
    return found


def names_of(bound: Bindings, everything: Iterable[ast.AST]) -> Names:
    """The names of one scope, without those around it, from all nodes in it."""
    growing: set[str] = set()
    elsewhere: set[str] = set()
    for node in everything:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)):
                if attr in _MUTATING:
                    growing.add(name)
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
                growing.add(name)
            case ast.Global() | ast.Nonlocal():  # a function within it may change them
                elsewhere.update(node.names)
    known = {
        name: values[0]
        for name, values in bound.items()
        if len(values) == 1 and values[0] is not None and name not in elsewhere
    }
    return Names(
        {name: value for name, value in known.items() if value},
        frozenset(growing),
        frozenset(name for name, values in bound.items() if len(values) > 1),
        frozenset(elsewhere),
    )


def call_by_own_names(everything: Iterable[ast.AST]) -> None:
    """Puts the runners' own names in the place of those that a file gives them."""
    own: dict[str, str] = {}
    nodes = list(everything)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module in RUNNERS:
            own |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.Import):
            aliases = [alias for alias in node.names if alias.name in RUNNERS and alias.asname]
            own |= {alias.asname: alias.name for alias in aliases if alias.asname}
    for node in nodes if own else ():
        if isinstance(node, ast.Name) and node.id in own:
            node.id = own[node.id]
