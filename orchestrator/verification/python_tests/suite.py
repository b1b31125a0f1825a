"""A file of tests, read: which tests a runner would collect of it, and when. Pure.

1. A file holds tests when its name says so (`test*.py`, `*_test.py`), when it has a class of
   unittest's, or functions named `test...` in a folder of tests. Names that a project configures
   for itself are not known here.
2. Collected are functions `test...` of a file, and methods `test...` of its classes named
   `Test...`, of its subclasses of something with `Test` in its name, and of the classes that
   these inherit from. A class that may be one by its users elsewhere is taken for what it was.
3. Not collected is what a fixture is made of, what `__test__` takes out, what is bound to
   something else afterwards, what is deleted, a class with `__init__` or `__new__` that is not
   unittest's, and what stands under a condition that is never true.
4. A test is skipped by what is said at itself, its classes, its file, its fixtures and set-up.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from orchestrator.verification.python_tests.body import Finder, FunctionNode, Skip
from orchestrator.verification.python_tests.checks import read_body
from orchestrator.verification.python_tests.marks import Marks, listed, product
from orchestrator.verification.python_tests.scopes import (
    Names,
    bindings,
    call_by_own_names,
    last_name,
    names_of,
    walk_all,
    walk_scope,
)
from orchestrator.verification.python_tests.values import truth

FILE = "(the whole file)"
_USUAL = re.compile(r"test_.*\.py|.+_test\.py|tests?\.py")
_UNUSUAL = re.compile(r"test.*\.py|.+_tests\.py")
_TEST_FOLDERS = frozenset(("test", "tests", "testing"))
_NOT_ENTERED = frozenset(("build", "dist", "node_modules", "venv", "CVS", "_darcs", "{arch}"))
HOOKS = re.compile(
    r"load_tests|pytest_(?:collection_modifyitems|collect\w*|ignore_collect|pycollect\w*|itemcollected"
    r"|deselected|runtest\w*|pyfunc_call|generate_tests|make_parametrize_id|report_teststatus"
    r"|sessionfinish|collection_finish|plugins|exception_interact|fixture_setup)"
)
_RUNS_ITSELF = frozenset(("run", "__call__", "countTestCases", "__getattribute__"))
_SET_UPS = frozenset(
    """
    setUp asyncSetUp setUpClass setUpTestData setup_method setup_class setup setUpModule
    setup_module setup_function tearDown tearDownClass
    """.split()  # noqa: SIM905
)

Collected = Literal["yes", "maybe", "no"]


@dataclass(frozen=True, slots=True)
class Test:
    """One test, or a function that helps them."""

    path: str
    name: str
    """`TestX.test_a`, for a method."""
    node: FunctionNode | None
    """None: something else that is bound to the name of a test."""
    owner: str = ""
    collected: bool = True
    why_not: str = ""
    skips: tuple[Skip, ...] = ()
    """What is said outside of its body, by itself, its classes and its file."""
    cases: int | None = 1
    """None: nobody knows."""
    values: tuple[ast.expr, ...] = ()
    """What it is parametrised with."""
    parameters: frozenset[str] = frozenset()
    examples: int = 0
    most_examples: float | None = None
    timeout_s: float | None = None
    unittest: bool = False
    maybe: str = ""
    """The class that it is in, where that may be collected or not."""
    text: bytes = b""
    """Its lines, as they are written."""
    line: int = 1

    @property
    def bare(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(slots=True)
class Suite:
    """What one file holds."""

    path: str
    names: Names = field(default_factory=Names)
    tests: dict[str, Test] = field(default_factory=dict)
    helpers: dict[str, Test] = field(default_factory=dict)
    """All other functions and methods, by their qualified names."""
    hooks: dict[str, tuple[int, str]] = field(default_factory=dict)
    bases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The classes and what they inherit from."""
    maybe: set[str] = field(default_factory=set)
    """Classes that are collected if something elsewhere makes it so."""
    imports: dict[str, str] = field(default_factory=dict)
    """Names that come from elsewhere, as they are called there."""
    called: set[str] = field(default_factory=set)
    """The names of all that is called."""
    around: tuple[bytes, ...] = ()
    """The lines that are of no test, without imports, comments and empty ones."""


def in_test_folder(path: str) -> bool:
    """Whether a folder above it is one of tests."""
    return any(part in _TEST_FOLDERS for part in PurePosixPath(path).parts[:-1])


def usual(path: str) -> int:
    """How usual it is that runners look for tests in a file of that name: 0 to 2."""
    parts = PurePosixPath(path).parts
    if any(part in _NOT_ENTERED or part.startswith(".") for part in parts[:-1]):
        return 0
    return 2 if _USUAL.fullmatch(parts[-1]) else 1 if _UNUSUAL.fullmatch(parts[-1]) else 0


def may_hold_tests(path: str, content: bytes) -> bool:
    """Whether it is worth reading."""
    if not path.endswith(".py") or PurePosixPath(path).name == "conftest.py":
        return False
    return usual(path) > 0 or in_test_folder(path) or b"TestCase" in content


def read_suite(path: str, tree: ast.Module, content: bytes) -> Suite:
    """The tests of a file."""
    everything = walk_all(tree.body)
    call_by_own_names(everything)
    suite = Suite(path, names_of(bindings(walk_scope(tree.body)), everything))
    for node in everything:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                suite.imports[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.Call):
            suite.called.add(last_name(node.func))
    _Reader(suite, tree, [node for node in everything if isinstance(node, ast.ClassDef)]).read()
    _keep_lines(suite, tree, content.splitlines())
    return suite


def _keep_lines(suite: Suite, tree: ast.Module, lines: list[bytes]) -> None:
    around: list[bytes | None] = [line.strip() for line in lines]
    for name, test in suite.tests.items():
        if test.node is not None:
            first = min([test.node.lineno, *(one.lineno for one in test.node.decorator_list)]) - 1
            last = test.node.end_lineno or first
            own = [line.strip() for line in lines[first:last]]
            suite.tests[name] = replace(test, text=b"\n".join(own))
            around[first:last] = [None] * len(own)
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            last = node.end_lineno or node.lineno
            around[node.lineno - 1 : last] = [None] * (last - node.lineno + 1)
    suite.around = tuple(line for line in around if line and not line.startswith(b"#"))


@dataclass(frozen=True, slots=True)
class _Scope:
    """A file or a class on the way to a test."""

    name: str = ""
    skips: tuple[Skip, ...] = ()
    cases: int | None = 1
    values: tuple[ast.expr, ...] = ()
    parameters: frozenset[str] = frozenset()
    timeout_s: float | None = None
    collected: Collected = "yes"
    why_not: str = ""
    unittest: bool = False


class _Reader:
    def __init__(self, suite: Suite, tree: ast.Module, classes: list[ast.ClassDef]) -> None:
        self.suite, self.tree = suite, tree
        self.names = suite.names
        self.marks = Marks(suite.names)
        self.classes = {node.name: node for node in classes}
        for name, node in self.classes.items():
            suite.bases[name] = tuple(last_name(base) for base in node.bases)
        self.inherited = self._inherited_by_tests()
        has_case = any(self._is_unittest(node) for node in self.classes.values())
        self.in_file = usual(suite.path) > 0 or has_case or in_test_folder(suite.path)

    def read(self) -> None:
        top = self._marked(_Scope(), self.tree.body, [], FILE)
        if not self.in_file:
            top = replace(top, collected="no", why_not="its file is none of tests by its name")
        self._body(self.tree.body, top, "")
        for test in (*self.suite.tests.values(), *self.suite.helpers.values()):
            if HOOKS.fullmatch(test.name) and test.node is not None:
                self.suite.hooks[test.name] = (test.line, ast.dump(test.node))
        plugins = bindings(walk_scope(self.tree.body)).get("pytest_plugins")
        if plugins and plugins[-1] is not None:
            self.suite.hooks["pytest_plugins"] = (plugins[-1].lineno, ast.dump(plugins[-1]))

    # --- classes ----------------------------------------------------------------------------

    def _is_unittest(self, node: ast.ClassDef, depth: int = 8) -> bool:
        for base in node.bases:
            name = last_name(base)
            own = self.classes.get(name)
            if own is not None and own is not node:
                if depth and self._is_unittest(own, depth - 1):
                    return True
            elif "TestCase" in name or name.endswith(("Test", "Tests", "Case")):
                return True
        return False

    def _inherited_by_tests(self) -> set[str]:
        """Classes that a collected class of this file inherits from."""
        found: set[str] = set()
        pending = [
            name
            for name, node in self.classes.items()
            if name.startswith("Test") or self._is_unittest(node)
        ]
        while pending:
            for base in self.suite.bases.get(pending.pop(), ()):
                if base in self.classes and base not in found:
                    found.add(base)
                    pending.append(base)
        return found

    def _class(self, node: ast.ClassDef, scope: _Scope, prefix: str) -> None:
        name = f"{prefix}{node.name}"
        inner = self._marked(scope, node.body, node.decorator_list, name)
        is_unittest = self._is_unittest(node)
        methods = {one.name for one in node.body if isinstance(one, FunctionNode)}
        own: Collected = "yes"
        why = ""
        if not is_unittest:
            built = sorted({"__init__", "__new__"} & methods)
            if not node.name.startswith("Test") and node.name not in self.inherited:
                own, why = "maybe", f"a class named {node.name} is none of tests"
                self.suite.maybe.add(node.name)
            elif built and node.name not in self.inherited:
                own, why = "no", f"pytest collects no class with {built[0]}"
        elif changed := sorted(_RUNS_ITSELF & methods):
            own, why = "no", f"its class says itself what runs ({changed[0]})"
        if inner.collected == "no" and inner.why_not:
            own, why = "no", inner.why_not
        elif scope.collected == "maybe" and own == "yes":
            own, why = scope.collected, scope.why_not
        inner = replace(inner, name=name, collected=own, why_not=why, unittest=is_unittest)
        self._body(node.body, inner, f"{name}.")

    def _marked(
        self, scope: _Scope, body: list[ast.stmt], decorators: list[ast.expr], name: str
    ) -> _Scope:
        """The scope with what is said at a class or a file."""
        bound = bindings(walk_scope(body))
        marks = list(decorators)
        for value in bound.get("pytestmark", ()):
            if value is not None:
                marks += listed(value)
        told = self.marks.told(marks, name)
        skips = (*scope.skips, *told.skips, *self._set_up_skips(body, name))
        if name == FILE:
            skips = (*skips, *self._module_skips())
        said = [value for value in bound.get("__test__", ()) if value is not None]
        out = any(truth(value, self.names) is False for value in said)
        return replace(
            scope,
            skips=skips,
            cases=product(scope.cases, told.cases),
            values=(*scope.values, *told.values),
            parameters=scope.parameters | told.parameters,
            timeout_s=told.timeout_s if told.timeout_s is not None else scope.timeout_s,
            collected="no" if out else scope.collected,
            why_not="__test__ is false" if out else scope.why_not,
        )

    def _set_up_skips(self, body: list[ast.stmt], name: str) -> Iterator[Skip]:
        """Skips in what runs before each test of a scope."""
        for node in body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            if node.name in _SET_UPS or _is_autouse(node):
                for skip in self.skips_in(node):
                    yield replace(skip, where=name, how=f"{node.name}() {skip.how}")

    def skips_in(self, node: FunctionNode) -> list[Skip]:
        """The skips in a function's body."""
        nobody = Finder(lambda call, owner: None)
        return read_body(node, self.names, nobody, within=False).skips

    def _module_skips(self) -> list[Skip]:
        """Skips that happen when the file is imported."""
        plain = [
            one
            for one in self.tree.body
            if not isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        ]
        arguments = ast.arguments([], [], None, [], [], None, [])
        whole = ast.FunctionDef("module", arguments, plain, [], lineno=1, col_offset=0)
        return [replace(skip, where=FILE) for skip in self.skips_in(whole)]

    # --- functions --------------------------------------------------------------------------

    def _body(self, body: list[ast.stmt], scope: _Scope, prefix: str) -> None:
        for node in body:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._function(node, scope, prefix)
                case ast.ClassDef():
                    self._class(node, scope, prefix)
                case ast.If():
                    self._conditional(node, scope, prefix)
                case ast.Try() | ast.TryStar():
                    for part in (node.body, node.orelse, node.finalbody):
                        self._body(part, scope, prefix)
                    for handler in node.handlers:
                        self._body(handler.body, scope, prefix)
                case ast.With() | ast.For() | ast.While():
                    self._body(node.body, scope, prefix)
                case ast.Assign():
                    for target in node.targets:
                        self._bound(target, node.value, scope, prefix)
                case ast.AnnAssign() if node.value is not None:
                    self._bound(node.target, node.value, scope, prefix)
                case ast.Delete():
                    for target in node.targets:
                        if isinstance(target, ast.Name):
                            self._lose(f"{prefix}{target.id}", "it is deleted again")

    def _conditional(self, node: ast.If, scope: _Scope, prefix: str) -> None:
        text = ast.unparse(node.test)
        worth = truth(node.test, self.names)
        if text in ("TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"):
            worth = False
        never = f"`if {text}` never lets it be"
        for part, lives, when in (
            (node.body, worth, text),
            (node.orelse, None if worth is None else not worth, f"not ({text})"),
        ):
            inner = scope
            if lives is False:
                inner = replace(scope, collected="no", why_not=never)
            elif lives is None:
                here = Skip("skip", f"not ({when})", node.lineno, scope.name or FILE, f"if {when}")
                inner = replace(scope, skips=(*scope.skips, here))
            self._body(part, inner, prefix)

    def _function(self, node: FunctionNode, scope: _Scope, prefix: str) -> None:
        name = f"{prefix}{node.name}"
        told = self.marks.told(node.decorator_list, "")
        kinds = {last_name(one) for one in node.decorator_list}
        is_test = node.name.startswith("test") or (scope.unittest and node.name == "runTest")
        is_fixture = bool(kinds & {"fixture", "yield_fixture"})
        collected, why = scope.collected == "yes", scope.why_not
        if is_test and is_fixture:
            collected, why = False, "a fixture is no test"
        if is_test and kinds & {"property", "cached_property", "nottest"}:
            collected, why = False, f"a {sorted(kinds)[0]} is no test"
        test = Test(
            path=self.suite.path,
            name=name,
            node=node,
            owner=scope.name,
            collected=collected or scope.collected == "maybe",
            why_not=why,
            skips=(*scope.skips, *told.skips) if is_test else told.skips,
            cases=product(scope.cases, told.cases) if is_test else told.cases,
            values=(*scope.values, *told.values),
            parameters=scope.parameters | told.parameters,
            examples=told.examples,
            most_examples=told.most_examples,
            timeout_s=told.timeout_s if told.timeout_s is not None else scope.timeout_s,
            unittest=scope.unittest,
            maybe=scope.name.rpartition(".")[2] if scope.collected == "maybe" else "",
            line=node.lineno,
        )
        # What is defined later takes the place of what was there.
        self.suite.tests.pop(name, None)
        self.suite.helpers.pop(name, None)
        if is_test and not (is_fixture and not scope.name):
            self.suite.tests[name] = test
        else:
            self.suite.helpers[name] = test

    def _bound(self, target: ast.expr, value: ast.expr, scope: _Scope, prefix: str) -> None:
        match target:
            case ast.Subscript(
                value=ast.Call(func=ast.Name(id="globals" | "locals" | "vars")),
                slice=ast.Constant(value=str(name)),
            ) if name in self.suite.tests:
                self._lose(name, "its name is bound to something else")
                return
        if isinstance(target, ast.Attribute) and target.attr == "__test__":
            if truth(value, self.names) is False:
                taken_out = ast.unparse(target.value)
                for name in [*self.suite.tests]:
                    if name == taken_out or name.startswith(f"{taken_out}."):
                        self._lose(name, "__test__ is false")
            return
        if not isinstance(target, ast.Name):
            return
        name = f"{prefix}{target.id}"
        if name in self.suite.tests:
            self._lose(name, "its name is bound to something else")
        if target.id.startswith("test_") and isinstance(value, (ast.Call, ast.Name, ast.Attribute)):
            made = Test(
                self.suite.path,
                name,
                None,
                owner=scope.name,
                collected=scope.collected != "no",
                why_not=scope.why_not,
                skips=scope.skips,
                line=value.lineno,
            )
            if name not in self.suite.tests:
                self.suite.tests[name] = made

    def _lose(self, name: str, why: str) -> None:
        for one in [*self.suite.tests]:
            if one == name or one.startswith(f"{name}."):
                lost = self.suite.tests[one]
                self.suite.tests[one] = replace(lost, collected=False, why_not=why)


def _is_autouse(node: FunctionNode) -> bool:
    return any(
        isinstance(one, ast.Call)
        and last_name(one) == "fixture"
        and any(key.arg == "autouse" and key.value for key in one.keywords)
        for one in node.decorator_list
    )
