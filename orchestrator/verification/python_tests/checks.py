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
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.verification.python_tests.assertions import ANY_ERROR, RAISING, claims_of
from orchestrator.verification.python_tests.body import Body, Check, Finder, FunctionNode, Where
from orchestrator.verification.python_tests.gathering import Gatherer, calls_in, is_skip
from orchestrator.verification.python_tests.scopes import (
    Names,
    bindings,
    children,
    last_name,
    names_of,
    walk_all,
    walk_scope,
)
from orchestrator.verification.python_tests.values import length, truth
from orchestrator.verification.python_tests.words import definitions

End = Literal["on", "returned", "looped", "skipped", "failed"]
SKIP_CALLS = frozenset(("skip", "xfail", "skipTest", "importorskip", "SkipTest", "Skipped"))
_LEAVES = frozenset(("exit", "_exit", "abort", "quit"))
_CHECKS_BY_NAME = ("check", "verify", "validate", "ensure", "must", "compare", "run_test")
_STRONG_WORDS = frozenset(("expect", "assert_that", "assertThat", "should", "that"))


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
    reader.block(body, Where())
    return reader.body


class _Reader(Gatherer):
    def read(self, node: FunctionNode, names: Names, owner: str) -> Body:
        return read_body(node, names, self.finder, owner, self.stack)

    def block(self, statements: list[ast.stmt], where: Where) -> End:
        end: End = "on"
        assigned, self.assigned = self.assigned, {}
        for statement in statements:
            if end == "skipped":
                break
            if end != "on":
                where = where.killed("it is never reached")
            new = self.statement(statement, where)
            end = new if end == "on" else end
            where = where.under(*self.left_behind)
            self.left_behind = ()
            self._assign(statement)
        self.assigned = assigned
        return end

    def _assign(self, statement: ast.stmt) -> None:
        """Remembers what constants a statement gives to names, and forgets what it changes."""
        for name, values in bindings(walk_scope([statement])).items():
            self.assigned.pop(name, None)
            value = values[-1]
            plain = isinstance(statement, ast.Assign) and isinstance(value, ast.Constant)
            if plain and value is not None and name not in self.names.shared:
                self.assigned[name] = value

    def statement(self, node: ast.stmt, where: Where) -> End:
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
                self.inline(node, self.names, self.owner, inner)
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

    def _assert(self, node: ast.Assert, where: Where) -> End:
        self.expression(node.test, where)
        if node.msg is not None:
            if any(is_skip(call) for call in calls_in(node.msg)):
                where = where.killed("it skips where it would fail")
            self.expression(node.msg, where.under(f"not {ast.unparse(node.test)}"))
        if isinstance(node.test, ast.Constant) and not node.test.value:
            return "failed"
        for one in claims_of(node.test, self.names):
            self.claim(one, node.lineno, where)
        return "on"

    def _expression_statement(self, value: ast.expr, where: Where) -> End:
        self.expression(value, where)
        call = value.value if isinstance(value, ast.Await) else value
        if isinstance(call, ast.Call):
            name = last_name(call.func)
            if is_skip(call) and name != "importorskip":
                return "skipped"
            if name == "fail":
                return "failed"
            if name in _LEAVES:
                return "returned"
        return "on"

    def _raise(self, node: ast.Raise, where: Where) -> End:
        if node.exc is not None:
            name = last_name(node.exc)
            if name in ("SkipTest", "Skipped") or ast.unparse(node.exc).startswith("pytest.skip."):
                self.skip("skip", node.lineno, where, f"raise {name}")
                return "skipped"
            self.expression(node.exc, where)
        return "failed"

    def _if(self, node: ast.If, where: Where) -> End:
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
        self, node: ast.For | ast.AsyncFor | ast.While, where: Where, count: int | None
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

    def _with(self, node: ast.With | ast.AsyncWith, where: Where) -> End:
        inner, expects = where, False
        self.body.awaits = self.body.awaits or isinstance(node, ast.AsyncWith)
        for item in node.items:
            raising = [c for c in calls_in(item.context_expr) if last_name(c.func) in RAISING]
            name = last_name(item.context_expr)
            if raising:
                expects = True
                if any(_expects_any(call) for call in raising) and _has_assert(node.body):
                    inner = inner.killed("the error that it would raise is expected")
                    continue
                for call in raising:
                    self.raises(call, node.lineno, where)
                for call in raising:
                    for argument in call.args:
                        self.expression(argument, where)
            elif name == "suppress" and isinstance(item.context_expr, ast.Call):
                errors = [last_name(one) for one in item.context_expr.args]
                if ANY_ERROR & set(errors):
                    inner = inner.killed("suppress() swallows its failure")
                else:
                    inner = replace(inner, sure=False)
            elif self._swallows(item.context_expr):
                inner = inner.killed(f"{name}() swallows its failure")
            elif isinstance(item.context_expr, ast.Name):
                # One that was made elsewhere may expect an error.
                self.claim(item.context_expr, node.lineno, where, unseen=True)
            else:
                self.expression(item.context_expr, where)
        end = self.block(node.body, inner)
        return "on" if expects and end in ("failed", "on") else end

    def _swallows(self, context: ast.expr) -> bool:
        """Whether a context of the project's own lets no failure out."""
        if not isinstance(context, ast.Call):
            return False
        helper = self.finder.find(context, self.owner)
        node = helper.node if helper else self.functions.get(last_name(context))
        return node is not None and swallows(node)

    def _try(self, node: ast.Try | ast.TryStar, where: Where) -> End:
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
                    self.raises(call, node.lineno, where, weak=bool(ANY_ERROR & set(kinds)))
        end = self._join([main, *(b for b in handlers if b.end != "failed")])
        self.block(node.finalbody, where)
        return end

    def _match(self, node: ast.Match, where: Where) -> End:
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

    def _branch(self, statements: list[ast.stmt], where: Where) -> _Branch:
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


# --- what statements are made of --------------------------------------------------------------


def _expressions(node: ast.stmt) -> Iterator[ast.expr]:
    for child in children(node):
        if isinstance(child, ast.expr):
            yield child


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


def swallows(function: FunctionNode) -> bool:
    """Whether a function lets no failure out of what it goes round: a decorator, a context."""
    return any(
        isinstance(node, (ast.Try, ast.TryStar))
        and any(
            (not _caught(handler) or ANY_ERROR & set(_caught(handler)))
            and not any(isinstance(one, ast.Raise) for one in walk_all(handler.body))
            for handler in node.handlers
        )
        for node in walk_all(function.body)
    )


def _leaves_in_finally(node: ast.Try | ast.TryStar) -> bool:
    return any(
        isinstance(one, (ast.Return, ast.Break, ast.Continue)) for one in walk_all(node.finalbody)
    )
