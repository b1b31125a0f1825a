"""What the expressions of a body check, skip and call. Pure; the statements: see `checks`."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from orchestrator.verification.python_tests.assertions import RAISING, call_claims
from orchestrator.verification.python_tests.body import (
    Body,
    Check,
    Finder,
    FunctionNode,
    Helper,
    Skip,
    Where,
)
from orchestrator.verification.python_tests.claims import MANY, make_claim
from orchestrator.verification.python_tests.scopes import Names, children, last_name, walk_all
from orchestrator.verification.python_tests.values import length, truth
from orchestrator.verification.python_tests.words import Defs, words_of

DEPTH = 5
SKIP_CALLS = frozenset(("skip", "xfail", "skipTest", "importorskip", "SkipTest", "Skipped"))
_CHECKS_BY_NAME = ("check", "verify", "validate", "ensure", "must", "compare", "run_test")
_STRONG_WORDS = frozenset(("expect", "assert_that", "assertThat", "should", "that"))


class Gatherer(ABC):
    """Collects what is found in a body."""

    def __init__(
        self, names: Names, defs: Defs, finder: Finder, owner: str, stack: tuple[int, ...]
    ) -> None:
        self.names, self.defs, self.finder, self.owner = names, defs, finder, owner
        self.stack = stack
        self.body = Body()
        self.functions: dict[str, FunctionNode] = {}
        self.used: set[str] = set()
        self.unsure = False
        self.left_behind: tuple[str, ...] = ()
        """Under which condition what comes next is reached, after a branch that left."""
        self.assigned: dict[str, ast.expr] = {}
        """Constants that names were given in this block, whatever they were before."""
        self.within = True

    @abstractmethod
    def read(self, node: FunctionNode, names: Names, owner: str) -> Body:
        """Reads another function, from within this one."""

    # --- expressions ------------------------------------------------------------------------

    def expression(self, node: ast.expr, where: Where) -> None:
        """Checks, skips and helpers that are called within an expression."""
        pending: list[tuple[ast.AST, Where]] = [(node, where)]
        while pending:
            one, here = pending.pop()
            if isinstance(one, (ast.Yield, ast.YieldFrom)):
                self.body.yields = True
            if isinstance(one, ast.Await):
                self.body.awaits = True
            if isinstance(one, ast.Lambda):
                continue
            if isinstance(one, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
                here = here.rounds(length(one, self.names))
            if isinstance(one, ast.BoolOp) and len(one.values) > 1:
                pending.append((one.values[0], here))
                later = here.under(ast.unparse(one.values[0]))
                pending.extend((value, later) for value in one.values[1:])
                continue
            if isinstance(one, ast.IfExp):
                here = here.under(ast.unparse(one.test))
            if isinstance(one, ast.Call) and self._call(one, here, is_all=one is node):
                pending.extend((argument, here) for argument in one.args)
                pending.extend((keyword.value, here) for keyword in one.keywords)
                continue
            pending.extend((child, here) for child in children(one))

    def _call(self, call: ast.Call, where: Where, *, is_all: bool) -> bool:
        """Takes account of a call; whether its function's own parts are done with."""
        name = last_name(call.func)
        if not where.dead:
            self.body.calls += 1
        if is_skip(call):
            kind: Literal["skip", "xfail"] = "xfail" if name == "xfail" else "skip"
            self.skip(kind, call.lineno, where, f"{name}()", call)
            return True
        if name == "fail" and _first(call.func) in ("pytest", "self", "fail"):
            if not is_all:
                self.claim(call, call.lineno, where)
            return True
        if name in RAISING:
            if len(call.args) > 1 and name not in ("RaisesGroup",):
                self.raises(call, call.lineno, where)
            return True
        fluent = next((c for c in _chain_calls(call) if last_name(c.func) in _STRONG_WORDS), None)
        if fluent is not None:
            self.claim(call, call.lineno, where)
            return True
        if isinstance(call.func, ast.Name) and call.func.id in self.functions:
            return True  # read where it is defined
        helper = self._helper(call)
        if helper is not None:
            self.inline(helper.node, helper.names, helper.owner, where, call, helper.shared)
            return True
        claims = call_claims(call, self.names)
        if claims is not None:
            if len(claims) == 1 and claims[0] is not call and self._is_never(claims[0]):
                return True
            for one in claims:
                self.claim(one, call.lineno, where)
            return True
        if name in self.finder.checking or (is_all and _looks_like_a_check(call)):
            self.claim(call, call.lineno, where, unseen=True)
        return False

    def _is_never(self, test: ast.expr) -> bool:
        return truth(test, self.names) is False

    def _helper(self, call: ast.Call) -> Helper | None:
        helper = self.finder.find(call, self.owner)
        if helper is None or id(helper.node) in self.stack or len(self.stack) > DEPTH:
            return None
        return helper

    def inline(
        self,
        node: FunctionNode,
        names: Names,
        owner: str,
        where: Where,
        called: ast.Call | None = None,
        shared: bool | None = None,
    ) -> None:
        """A helper's checks, where it is called; as one where it is told about by itself."""
        if id(node) in self.stack:
            return
        known = self.finder.known.get(id(node)) if called is not None else None
        inner = known or self.read(node, names, owner)
        if called is not None:
            self.finder.known[id(node)] = inner
        if called is not None and shared is not None:
            if shared:
                self.claim(called, called.lineno, where, holds=len(inner.checks))
            return
        for skip in inner.skips:
            when = " and ".join((*where.when, *([skip.when] if skip.when else [])))
            self.body.skips.append(replace(skip, when=when, how=f"{node.name}() {skip.how}"))
        words = self.words(called) if called else frozenset[str]()
        for check in (*inner.checks, *inner.dead):
            times = None if where.times is None or check.times is None else where.times
            here = replace(
                check,
                line=called.lineno if called else check.line,
                words=check.words | words,
                sure=check.sure and where.sure and not self.unsure,
                times=times * check.times if times is not None and check.times else None,
                dead=where.dead or check.dead,
                when=(*where.when, *check.when),
            )
            (self.body.dead if here.dead else self.body.checks).append(here)

    # --- what is found ----------------------------------------------------------------------

    def claim(
        self,
        node: ast.expr,
        line: int,
        where: Where,
        *,
        soft: bool = False,
        unseen: bool = False,
        holds: int | None = None,
    ) -> None:
        worth = None if unseen else truth(node, self.latest(node))
        made = make_claim(node, self.names)
        if holds is not None:
            made = replace(made, holds=max(1, holds), strength=3)
        if unseen:
            made = replace(made, holds=MANY)
        dead = where.dead or ("it holds whatever happens" if worth is True else "")
        check = Check(
            claim=made,
            line=line,
            words=self.words(node),
            sure=where.sure and not self.unsure,
            times=where.times,
            soft=soft or unseen,
            unseen=unseen,
            dead=dead,
            when=where.when,
        )
        (self.body.dead if dead else self.body.checks).append(check)

    def latest(self, node: ast.expr) -> Names:
        """The names, with what was assigned to them last in this block."""
        if not self.assigned:
            return self.names
        mine = {one.id for one in walk_all([node]) if isinstance(one, ast.Name)}
        last = {name: self.assigned[name] for name in mine if name in self.assigned}
        return replace(self.names, known={**self.names.known, **last}) if last else self.names

    def words(self, node: ast.expr) -> frozenset[str]:
        return words_of([node], self.names, self.defs)

    def raises(self, call: ast.Call, line: int, where: Where, weak: bool = False) -> None:
        """The claim that an error comes, and what must be said of it."""
        name = last_name(call.func)
        error = call.args[0] if call.args else ast.Name("Exception")
        kind = "warns" if "arn" in name else "logs" if "Logs" in name else "raises"
        if name in ("assertNumQueries", "assertTemplateUsed", "RaisesGroup"):
            kind = name
        claim = make_claim(ast.Call(ast.Name(kind), [error], []), self.names)
        broad = weak or last_name(error) in ("Exception", "BaseException")
        claim = replace(claim, subjects=(kind,), strength=1 if broad else 3)
        match = next((one.value for one in call.keywords if one.arg == "match"), None)
        if "Regex" in name and len(call.args) > 1:
            match = call.args[1]
        check = Check(
            claim=claim,
            line=line,
            words=self.words(call),
            sure=where.sure and not self.unsure,
            times=where.times,
            dead=where.dead,
            when=where.when,
        )
        target = self.body.dead if where.dead else self.body.checks
        target.append(check)
        if match is not None:
            said = make_claim(ast.Call(ast.Name("matches"), [match], []), self.names)
            said = replace(said, subjects=("matches",), strength=2)
            target.append(replace(check, claim=said))

    def skip(
        self,
        kind: Literal["skip", "xfail"],
        line: int,
        where: Where,
        how: str,
        call: ast.Call | None = None,
    ) -> None:
        if where.dead:
            return
        when = list(where.when)
        if call is not None and last_name(call.func) == "importorskip" and call.args:
            when.append(f"{ast.unparse(call.args[0])} is not there")
        self.body.skips.append(Skip(kind, " and ".join(when), line, how=how))


def calls_in(node: ast.AST) -> list[ast.Call]:
    """All calls at or below a node."""
    return [one for one in walk_all([node]) if isinstance(one, ast.Call)]


def _chain_calls(call: ast.Call) -> Iterator[ast.Call]:
    """A call, and those that its function is an attribute of: `a(x).b().c()`."""
    node: ast.expr = call
    while isinstance(node, (ast.Call, ast.Attribute)):
        if isinstance(node, ast.Call):
            yield node
            node = node.func
        else:
            node = node.value


def _first(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Call)):
        match node:
            case ast.Call(func=ast.Name(id="getattr"), args=[of, _, *_]):
                node = of
                continue
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_skip(call: ast.Call) -> bool:
    """Whether a call keeps the test from counting."""
    name = last_name(call.func)
    if name in ("skipTest", "importorskip", "SkipTest", "Skipped"):
        return True
    return name in SKIP_CALLS and _first(call.func) in ("pytest", "skip", "xfail", "unittest", "py")


def _looks_like_a_check(call: ast.Call) -> bool:
    """Whether a function that is not to be seen checks, by its name."""
    name = last_name(call.func).lstrip("_")
    near = isinstance(call.func, ast.Name) or _first(call.func) in ("self", "cls")
    return near and name.startswith(_CHECKS_BY_NAME)
