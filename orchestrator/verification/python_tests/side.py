"""The tests of a change, before or after it: what each checks, with its helpers and fixtures. Pure.

1. A call is followed into the functions of its own file, of its class and what that inherits
   from, and into functions of other files of the same side that it imports. What lies in files
   that did not change is not to be seen.
2. A test's skips are its own, those of its classes and file, of the fixtures of its file that it
   names, and of what it calls.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from orchestrator.verification.python_tests.body import Body, Finder, Helper, Skip
from orchestrator.verification.python_tests.checks import read_body
from orchestrator.verification.python_tests.scopes import last_name, walk_all, walk_scope
from orchestrator.verification.python_tests.suite import Suite, Test
from orchestrator.verification.python_tests.words import definitions, words_of

TOKENS_AT_MOST = 600


@dataclass(slots=True)
class Side:
    """All changed files with tests, as they are on one side."""

    suites: dict[str, Suite] = field(default_factory=dict)
    tests: dict[tuple[str, str], Test] = field(default_factory=dict)
    """By path and name."""
    helpers: dict[tuple[str, str], Test] = field(default_factory=dict)
    shared: dict[str, bool] = field(default_factory=dict)
    """Helpers that are there on both sides; whether a call of one is a check."""
    elsewhere: frozenset[str] = frozenset()
    """Names of helpers that checked on the other side, and are not defined on this one."""
    _bodies: dict[int, Body] = field(default_factory=dict)
    _finders: dict[str, Finder] = field(default_factory=dict)
    _words: dict[int, frozenset[str]] = field(default_factory=dict)
    _tokens: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _pieces: dict[int, Counter[str]] = field(default_factory=dict)
    _functions: dict[str, tuple[Suite, Test]] = field(default_factory=dict)

    def add(self, suite: Suite) -> None:
        """Take a file in."""
        self.suites[suite.path] = suite
        self.tests |= {(suite.path, name): test for name, test in suite.tests.items()}
        self.helpers |= {(suite.path, name): test for name, test in suite.helpers.items()}
        for test in suite.helpers.values():
            self._functions.setdefault(test.name, (suite, test))

    def share(self, names: dict[str, bool], elsewhere: frozenset[str] = frozenset()) -> None:
        """Say which helpers the other side has too, and which of them check."""
        self.shared, self.elsewhere = names, elsewhere
        self._bodies.clear()
        self._finders.clear()

    def body(self, test: Test) -> Body:
        """What a test checks."""
        if test.node is None:
            return Body()
        known = self._bodies.get(id(test.node))
        if known is None:
            suite = self.suites[test.path]
            finder = self._finders.get(test.path)
            if finder is None:
                finder = Finder(partial(self._find, suite), checking=self.elsewhere)
                self._finders[test.path] = finder
            known = read_body(test.node, suite.names, finder, test.owner)
            self._bodies[id(test.node)] = known
        return known

    def words(self, test: Test) -> frozenset[str]:
        """What it is about: its body, the values it is given, the helpers that it calls."""
        if test.node is None:
            return frozenset({test.bare})
        known = self._words.get(id(test.node))
        if known is None:
            suite = self.suites[test.path]
            body = [one for one in test.node.body if not _is_text(one)]
            scope = walk_scope(body)
            nodes: list[ast.AST] = [*body, *test.values]
            for call in walk_all(body):
                helper = self._find(suite, call, test.owner) if isinstance(call, ast.Call) else None
                if helper is not None:
                    nodes += [one for one in helper.node.body if not _is_text(one)]
            found = words_of(nodes, suite.names, definitions(scope), test.parameters)
            known = self._words[id(test.node)] = found
        return known

    def tokens(self, test: Test) -> tuple[str, ...]:
        """Its body in small pieces, to be compared."""
        if test.node is None:
            return ()
        known = self._tokens.get(id(test.node))
        if known is None:
            text = "\n".join(ast.unparse(one) for one in test.node.body if not _is_text(one))
            found = text.replace("(", " ( ").replace(")", " ) ").replace(".", " . ").split()
            known = self._tokens[id(test.node)] = tuple(found[:TOKENS_AT_MOST])
        return known

    def pieces(self, test: Test) -> Counter[str]:
        """The same, counted."""
        known = self._pieces.get(id(test.node))
        if known is None:
            known = self._pieces[id(test.node)] = Counter(self.tokens(test))
        return known

    def skips(self, test: Test) -> tuple[Skip, ...]:
        """All that may keep it from counting."""
        found = [*test.skips, *self.body(test).skips]
        for name in _fixtures(test):
            fixture = self._fixture(test, name)
            if fixture is not None and fixture.node is not test.node:
                found += self.body(fixture).skips
        return tuple(found)

    def _fixture(self, test: Test, name: str) -> Test | None:
        helpers = self.suites[test.path].helpers
        return helpers.get(f"{test.owner}.{name}") or helpers.get(name)

    # --- what a call means ------------------------------------------------------------------

    def _find(self, suite: Suite, call: ast.Call, owner: str) -> Helper | None:
        found: tuple[Suite, Test] | None = None
        match call.func:
            case ast.Name(id=name):
                found = self._function(suite, name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                found = self._method(suite, owner, name)
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
                found = self._method(suite, owner, name, own=False)
            case ast.Attribute(value=ast.Name(id=place), attr=name):
                own = suite.helpers.get(f"{place}.{name}")
                if own is not None:
                    found = suite, own
                elif place in suite.imports:
                    found = self._functions.get(name)
        if found is None or found[1].node is None:
            return None
        there, test = found
        assert test.node is not None
        if any(last_name(one) == "fixture" for one in test.node.decorator_list):
            return None
        return Helper(test.node, there.names, test.owner, self.shared.get(test.name))

    def _function(self, suite: Suite, name: str) -> tuple[Suite, Test] | None:
        own = suite.helpers.get(name) or suite.tests.get(name)
        if own is not None:
            return suite, own
        there = self._functions.get(suite.imports.get(name, ""))
        return there if there is not None and there[0] is not suite else None

    def _method(
        self, suite: Suite, owner: str, name: str, own: bool = True, depth: int = 6
    ) -> tuple[Suite, Test] | None:
        if own and (test := suite.helpers.get(f"{owner}.{name}")):
            return suite, test
        for base in suite.bases.get(owner.rpartition(".")[2], ()):
            for there in (suite, *self.suites.values()):
                if base in there.bases and depth and (there is not suite or base != owner):
                    found = self._method(there, base, name, depth=depth - 1)
                    if found is not None:
                        return found
        return None


def _is_text(node: ast.stmt) -> bool:
    """A docstring, or a comment in the form of one."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _fixtures(test: Test) -> list[str]:
    if test.node is None:
        return []
    arguments = test.node.args
    found = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    for mark in test.node.decorator_list:
        if isinstance(mark, ast.Call) and last_name(mark) == "usefixtures":
            found += [str(one.value) for one in mark.args if isinstance(one, ast.Constant)]
    return found
