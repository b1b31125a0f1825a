"""What a test's body checks, and what of it can still fail. Pure.

1. A check is an assertion, a context that expects an error, a call of a helper that checks, or
   a branch that fails. One that holds whatever the code under test does is none.
2. Dead is a check after the end of its block, under a condition that is never true, in a loop
   through nothing, in a function that nobody calls, and where its failure is swallowed: by an
   `except`, by `suppress`, by a `return` in a `finally`, by an expected AssertionError.
3. Sure is a check that no path around it leaves out without another check: a branch without
   checks beside it, or a quiet `return` before it, makes it unsure. A loop whose length nobody
   knows is taken to go round.
4. A helper's checks count where it is called. A call of a helper that is there before and after
   is one check by itself: what became of the helper is told at the helper.
5. A skip within the body is told as a skip; what comes after it is not counted as dead beside.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from orchestrator.verification.python_tests.assertions import (
    ANY_ERROR,
    MANY,
    RAISING,
    Claim,
    call_claims,
    claims_of,
    make_claim,
)
from orchestrator.verification.python_tests.values import (
    Names,
    bindings,
    children,
    last_name,
    length,
    names_of,
    truth,
    walk_all,
    walk_scope,
)
from orchestrator.verification.python_tests.words import Defs, definitions, words_of

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
End = Literal["on", "returned", "looped", "skipped", "failed"]
DEPTH = 5
SKIP_CALLS = frozenset(("skip", "xfail", "skipTest", "importorskip", "SkipTest", "Skipped"))
_LEAVES = frozenset(("exit", "_exit", "abort", "quit"))
_CHECKS_BY_NAME = ("check", "verify", "validate", "ensure", "must", "compare", "run_test")
_STRONG_WORDS = frozenset(("expect", "assert_that", "assertThat", "should", "that"))


@dataclass(frozen=True, slots=True)
class Check:
    """One claim in its place."""

    claim: Claim
    line: int
    words: frozenset[str]
    sure: bool = True
    times: int | None = 1
    """How often it is asked in one run; None: nobody knows."""
    soft: bool = False
    """Nobody misses it: it may be none."""
    unseen: bool = False
    """It looks like a helper that checks, but what it does is not to be seen."""
    dead: str = ""
    """Why it cannot fail."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Something that keeps a test from counting."""

    kind: Literal["skip", "xfail"]
    when: str
    """Under which condition; empty: always."""
    line: int
    where: str = ""
    """The scope that it is said in; empty: the test itself."""
    how: str = ""


@dataclass(slots=True)
class Body:
    """What was read of a function."""

    checks: list[Check] = field(default_factory=list)
    dead: list[Check] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    calls: int = 0
    """Calls that are reached."""
    yields: bool = False
    awaits: bool = False


@dataclass(frozen=True, slots=True)
class Helper:
    """A function that a call means."""

    node: FunctionNode
    names: Names
    owner: str
    shared: bool | None = None
    """It is there before and after, so that its own change is told at itself; whether a call of
    it is a check."""


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds what calls mean, and keeps what was read of it."""

    find: Callable[[ast.Call, str], Helper | None]
    """What a call means, within a class of that name."""
    known: dict[int, Body] = field(default_factory=dict)
    checking: frozenset[str] = frozenset()
    """Names of helpers that checked before, and are defined elsewhere now."""


@dataclass(frozen=True, slots=True)
class _Where:
    sure: bool = True
    times: int | None = 1
    dead: str = ""
    when: tuple[str, ...] = ()

    def under(self, *conditions: str) -> _Where:
        return replace(self, when=(*self.when, *conditions)) if conditions else self

    def rounds(self, count: int | None) -> _Where:
        times = None if count is None or self.times is None else self.times * count
        return replace(self, times=times)

    def killed(self, why: str) -> _Where:
        return replace(self, dead=self.dead or why)


@dataclass(slots=True)
class _Branch:
    end: End
    checks: list[Check]
    unsure: bool

    @property
    def asks(self) -> bool:
        return any(check.sure for check in self.checks)


def read_body(
    function: FunctionNode,
    names: Names,
    finder: Finder,
    owner: str = "",
    stack: tuple[int, ...] = (),
    *,
    within: bool = True,
) -> Body:
    """Reads a function; `names` are those around it, `owner` the class that it is in.

    `within`: also what the functions within it do.
    """
    body = function.body
    scope = walk_scope(body)
    everything = walk_all(body) if within else scope
    bound = bindings(scope)
    for one in walk_all([function.args]):
        if isinstance(one, ast.arg):  # a value from elsewhere: what is assigned later is another
            bound.setdefault(one.arg, []).append(None)
    reader = _Reader(
        names.inside(names_of(bound, everything), bound),
        definitions(scope),
        finder,
        owner,
        (*stack, id(function)),
    )
    reader.within = within
    for node in everything if within else ():
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            reader.functions[node.name] = node
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            reader.used.add(node.id)
    reader.block(body, _Where())
    return reader.body


class _Reader:
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
        self.within = True

    # --- statements -------------------------------------------------------------------------

    def block(self, statements: list[ast.stmt], where: _Where) -> End:
        end: End = "on"
        for statement in statements:
            if end == "skipped":
                return end
            if end != "on":
                where = where.killed("it is never reached")
            new = self.statement(statement, where)
            end = new if end == "on" else end
            where = where.under(*self.left_behind)
            self.left_behind = ()
        return end

    def statement(self, node: ast.stmt, where: _Where) -> End:
        match node:
            case ast.Assert():
                return self._assert(node, where)
            case ast.Expr():
                return self._expression_statement(node.value, where)
            case ast.Return():
                if node.value is not None:
                    self.expression(node.value, where)
                return "returned"
            case ast.Raise():
                return self._raise(node, where)
            case ast.Continue() | ast.Break():
                return "looped"
            case ast.If():
                return self._if(node, where)
            case ast.For() | ast.AsyncFor():
                self.expression(node.iter, where)
                return self._loop(node, where, length(node.iter, self.names))
            case ast.While():
                self.expression(node.test, where)
                never = truth(node.test, self.names) is False
                return self._loop(node, where, 0 if never else None)
            case ast.With() | ast.AsyncWith():
                return self._with(node, where)
            case ast.Try() | ast.TryStar():
                return self._try(node, where)
            case ast.Match():
                return self._match(node, where)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if not self.within:
                return "on"
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                is_used = node.decorator_list or node.name in self.used
                inner = where if is_used else where.killed("nobody calls it")
                self._inline(node, self.names, self.owner, inner)
                return "on"
            case ast.ClassDef():
                self.block(
                    [one for one in node.body if isinstance(one, (ast.FunctionDef, ast.Assert))],
                    where,
                )
                return "on"
        for value in _expressions(node):
            self.expression(value, where)
        return "on"

    def _assert(self, node: ast.Assert, where: _Where) -> End:
        self.expression(node.test, where)
        if node.msg is not None:
            if any(_is_skip(call) for call in _calls(node.msg)):
                where = where.killed("it skips where it would fail")
            self.expression(node.msg, where.under(f"not {ast.unparse(node.test)}"))
        if isinstance(node.test, ast.Constant) and not node.test.value:
            return "failed"
        for one in claims_of(node.test, self.names):
            self.claim(one, node.lineno, where)
        return "on"

    def _expression_statement(self, value: ast.expr, where: _Where) -> End:
        self.expression(value, where)
        call = value.value if isinstance(value, ast.Await) else value
        if isinstance(call, ast.Call):
            name = last_name(call.func)
            if _is_skip(call) and name != "importorskip":
                return "skipped"
            if name == "fail":
                return "failed"
            if name in _LEAVES:
                return "returned"
        return "on"

    def _raise(self, node: ast.Raise, where: _Where) -> End:
        if node.exc is not None:
            name = last_name(node.exc)
            if name in ("SkipTest", "Skipped") or ast.unparse(node.exc).startswith("pytest.skip."):
                self._skip("skip", node.lineno, where, f"raise {name}")
                return "skipped"
            self.expression(node.exc, where)
        return "failed"

    def _if(self, node: ast.If, where: _Where) -> End:
        self.expression(node.test, where)
        worth = truth(node.test, self.names)
        text = ast.unparse(node.test)
        if worth is not None:
            lives, dies = (node.body, node.orelse) if worth else (node.orelse, node.body)
            self.block(dies, where.killed(f"`if {text}` never lets it run"))
            return self.block(lives, where)
        yes = self._branch(node.body, where.under(text))
        no = self._branch(node.orelse, where.under(f"not ({text})"))
        if "failed" in (yes.end, no.end) and yes.end != no.end:
            test = node.test if no.end == "failed" else ast.UnaryOp(ast.Not(), node.test)
            soft = not _fails(node.body if yes.end == "failed" else node.orelse)
            for one in claims_of(test, self.names):
                self.claim(one, node.lineno, where, soft=soft)
        end = self._join([yes, no])
        if yes.end != "on" and no.end == "on":
            self.left_behind = (f"not ({text})",)
        elif no.end != "on" and yes.end == "on":
            self.left_behind = (text,)
        return end

    def _loop(
        self, node: ast.For | ast.AsyncFor | ast.While, where: _Where, count: int | None
    ) -> End:
        inner = where.rounds(count)
        self.body.awaits = self.body.awaits or isinstance(node, ast.AsyncFor)
        if count == 0:
            inner = where.killed("its loop goes through nothing")
        before = self.unsure
        end = self.block(node.body, inner)
        if not any(isinstance(one, ast.Return) for one in walk_all(node.body)):
            self.unsure = before
        self.block(node.orelse, where)
        return end if end in ("skipped", "failed", "returned") and count != 0 else "on"

    def _with(self, node: ast.With | ast.AsyncWith, where: _Where) -> End:
        inner, expects = where, False
        self.body.awaits = self.body.awaits or isinstance(node, ast.AsyncWith)
        for item in node.items:
            raising = [c for c in _calls(item.context_expr) if last_name(c.func) in RAISING]
            name = last_name(item.context_expr)
            if raising:
                expects = True
                if any(_expects_any(call) for call in raising) and _has_assert(node.body):
                    inner = inner.killed("the error that it would raise is expected")
                    continue
                for call in raising:
                    self._raises(call, node.lineno, where)
                for call in raising:
                    for argument in call.args:
                        self.expression(argument, where)
            elif name == "suppress" and isinstance(item.context_expr, ast.Call):
                errors = [last_name(one) for one in item.context_expr.args]
                if ANY_ERROR & set(errors):
                    inner = inner.killed("suppress() swallows its failure")
                else:
                    inner = replace(inner, sure=False)
            elif isinstance(item.context_expr, ast.Name):
                # One that was made elsewhere may expect an error.
                self.claim(item.context_expr, node.lineno, where, unseen=True)
            else:
                self.expression(item.context_expr, where)
        end = self.block(node.body, inner)
        return "on" if expects and end in ("failed", "on") else end

    def _try(self, node: ast.Try | ast.TryStar, where: _Where) -> End:
        swallows = _leaves_in_finally(node)
        why = "a `return` in its `finally` swallows its failure"
        handlers: list[_Branch] = []
        for handler in node.handlers:
            kinds = _caught(handler)
            text = f"except {', '.join(kinds)}" if kinds else "except"
            branch = self._branch(handler.body, where.under(text))
            if branch.end not in ("failed", "skipped") and (not kinds or ANY_ERROR & set(kinds)):
                swallows, why = True, f"`{text}` swallows its failure"
            if branch.end == "skipped" and not (kinds and not ANY_ERROR & set(kinds)):
                swallows, why = True, f"`{text}` skips where it would fail"
            handlers.append(branch)
        inner = where.killed(why) if swallows else where
        # What an `else` does, no handler sees.
        main = self._branch(node.body, inner)
        if node.orelse:
            rest = self._branch(node.orelse, where)
            if main.end == "on":
                main.end = rest.end
            main.checks += rest.checks
            main.unsure = main.unsure or rest.unsure
        if main.end == "failed" and not swallows:
            for handler, branch in zip(node.handlers, handlers, strict=True):
                if branch.end in ("on", "returned", "looped"):
                    kinds = _caught(handler)
                    error = handler.type or ast.Name("Exception")
                    call = ast.Call(ast.Name("raises"), [error], [])
                    self._raises(call, node.lineno, where, weak=bool(ANY_ERROR & set(kinds)))
        end = self._join([main, *(b for b in handlers if b.end != "failed")])
        self.block(node.finalbody, where)
        return end

    def _match(self, node: ast.Match, where: _Where) -> End:
        self.expression(node.subject, where)
        subject = ast.unparse(node.subject)
        branches = [
            self._branch(case.body, where.under(f"{subject} is {ast.unparse(case.pattern)}"))
            for case in node.cases
        ]
        last = node.cases[-1]
        if not (isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None):
            branches.append(_Branch("on", [], False))
        if any(branch.end == "failed" for branch in branches):
            self.claim(node.subject, node.lineno, where)
        return self._join(branches)

    def _branch(self, statements: list[ast.stmt], where: _Where) -> _Branch:
        checks, self.body.checks = self.body.checks, []
        unsure, self.unsure = self.unsure, False
        end = self.block(statements, where)
        branch = _Branch(end, self.body.checks, self.unsure)
        self.body.checks, self.unsure = checks, unsure
        return branch

    def _join(self, branches: list[_Branch]) -> End:
        """Go on after branches of which one is taken (rule 3)."""
        taken = [b for b in branches if b.end not in ("failed", "skipped")]
        sure = not self.unsure and (len(taken) < 2 or all(branch.asks for branch in taken))
        for branch in branches:
            for check in branch.checks:
                self.body.checks.append(replace(check, sure=check.sure and sure))
        quiet = any(b.end in ("returned", "looped") and not b.asks for b in taken)
        some_go_on = any(branch.end == "on" for branch in taken)
        self.unsure = self.unsure or any(b.unsure for b in taken) or (quiet and some_go_on)
        if some_go_on:
            return "on"
        if taken:
            return "returned" if any(b.end == "returned" for b in taken) else "looped"
        return "skipped" if any(b.end == "skipped" for b in branches) else "failed"

    # --- expressions ------------------------------------------------------------------------

    def expression(self, node: ast.expr, where: _Where) -> None:
        """Checks, skips and helpers that are called within an expression."""
        pending: list[tuple[ast.AST, _Where]] = [(node, where)]
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

    def _call(self, call: ast.Call, where: _Where, *, is_all: bool) -> bool:
        """Takes account of a call; whether its function's own parts are done with."""
        name = last_name(call.func)
        if not where.dead:
            self.body.calls += 1
        if _is_skip(call):
            kind: Literal["skip", "xfail"] = "xfail" if name == "xfail" else "skip"
            self._skip(kind, call.lineno, where, f"{name}()", call)
            return True
        if name == "fail" and _first(call.func) in ("pytest", "self", "fail"):
            if not is_all:
                self.claim(call, call.lineno, where)
            return True
        if name in RAISING:
            if len(call.args) > 1 and name not in ("RaisesGroup",):
                self._raises(call, call.lineno, where)
            return True
        fluent = next((c for c in _chain_calls(call) if last_name(c.func) in _STRONG_WORDS), None)
        if fluent is not None:
            self.claim(call, call.lineno, where)
            return True
        helper = self._helper(call)
        if helper is not None:
            self._inline(helper.node, helper.names, helper.owner, where, call, helper.shared)
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
        if isinstance(call.func, ast.Name) and call.func.id in self.functions:
            return None  # read where it is defined
        helper = self.finder.find(call, self.owner)
        if helper is None or id(helper.node) in self.stack or len(self.stack) > DEPTH:
            return None
        return helper

    def _inline(
        self,
        node: FunctionNode,
        names: Names,
        owner: str,
        where: _Where,
        called: ast.Call | None = None,
        shared: bool | None = None,
    ) -> None:
        """A helper's checks, where it is called; as one where it is told about by itself."""
        if id(node) in self.stack:
            return
        known = self.finder.known.get(id(node)) if called is not None else None
        inner = known or read_body(node, names, self.finder, owner, self.stack)
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
            )
            (self.body.dead if here.dead else self.body.checks).append(here)

    # --- what is found ----------------------------------------------------------------------

    def claim(
        self,
        node: ast.expr,
        line: int,
        where: _Where,
        *,
        soft: bool = False,
        unseen: bool = False,
        holds: int | None = None,
    ) -> None:
        worth = None if unseen else truth(node, self.names)
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
        )
        (self.body.dead if dead else self.body.checks).append(check)

    def words(self, node: ast.expr) -> frozenset[str]:
        return words_of([node], self.names, self.defs)

    def _raises(self, call: ast.Call, line: int, where: _Where, weak: bool = False) -> None:
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
        )
        target = self.body.dead if where.dead else self.body.checks
        target.append(check)
        if match is not None:
            said = make_claim(ast.Call(ast.Name("matches"), [match], []), self.names)
            said = replace(said, subjects=("matches",), strength=2)
            target.append(replace(check, claim=said))

    def _skip(
        self,
        kind: Literal["skip", "xfail"],
        line: int,
        where: _Where,
        how: str,
        call: ast.Call | None = None,
    ) -> None:
        if where.dead:
            return
        when = list(where.when)
        if call is not None and last_name(call.func) == "importorskip" and call.args:
            when.append(f"{ast.unparse(call.args[0])} is not there")
        self.body.skips.append(Skip(kind, " and ".join(when), line, how=how))


# --- what statements are made of --------------------------------------------------------------


def _expressions(node: ast.stmt) -> Iterator[ast.expr]:
    for child in children(node):
        if isinstance(child, ast.expr):
            yield child


def _calls(node: ast.AST) -> list[ast.Call]:
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
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_skip(call: ast.Call) -> bool:
    name = last_name(call.func)
    if name in ("skipTest", "importorskip", "SkipTest", "Skipped"):
        return True
    return name in SKIP_CALLS and _first(call.func) in ("pytest", "skip", "xfail", "unittest", "py")


def _looks_like_a_check(call: ast.Call) -> bool:
    """Whether a function that is not to be seen checks, by its name."""
    name = last_name(call.func).lstrip("_")
    near = isinstance(call.func, ast.Name) or _first(call.func) in ("self", "cls")
    return near and name.startswith(_CHECKS_BY_NAME)


def _has_assert(body: list[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Assert) for node in walk_all(body))


def _expects_any(call: ast.Call) -> bool:
    return any(last_name(one) in ANY_ERROR for one in call.args[:1])


def _caught(handler: ast.ExceptHandler) -> list[str]:
    if handler.type is None:
        return []
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [last_name(one) or ast.unparse(one) for one in kinds]


def _fails(body: list[ast.stmt]) -> bool:
    """Whether a block that does not go on fails a test, rather than raise an error of its own."""
    for node in walk_all(body):
        if isinstance(node, ast.Raise) and (
            node.exc is None or last_name(node.exc) not in ("AssertionError", "Exception")
        ):
            return False
    return True


def _leaves_in_finally(node: ast.Try | ast.TryStar) -> bool:
    return any(
        isinstance(one, (ast.Return, ast.Break, ast.Continue)) for one in walk_all(node.finalbody)
    )
