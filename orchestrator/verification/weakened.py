"""Which tests a change weakens, told from syntax trees. Pure; pytest's and unittest's tests.

1. Tests may be added, and edited in every way: another expected value, another input, another
   structure. Held is what makes a test that was there say less than before.
2. A test that is gone was deleted, unless it was moved, renamed (its body is much the same), or
   taken up: by a test that gained as many cases, or by tests that gained the checks that it had,
   in both cases about the same things with the same values. So tests may be merged, split and
   parametrised. A file with tests that is gone is told as one.
3. A test that no runner collects any more is as good as gone: renamed so, a method of a class
   that is none of tests, taken out by `__test__`, a fixture, in a file or folder where nobody
   looks, bound to something else, under a condition that is never true.
4. A skip or an expected failure that was not there is held, whatever its condition: a decorator,
   a mark of a class or file, a call, a missing import, a fixture or set-up that skips.
5. An assertion that is gone is held unless something takes its place (see `losses`), in the test
   itself, in a helper that it calls, or in another test that gained one. One that holds whatever
   happens, is never reached, or whose failure is swallowed is none.
6. Thresholds: bounds, tolerances, time limits, the number of cases, examples and rounds.
7. A helper or fixture of tests that is still there is held to the same as a test.
8. Hooks of runners (`load_tests`, `pytest_generate_tests` ...) that come or change in a file that
   was there, or in a package's `__init__.py`, are held, and so is a new plugin with hooks.
9. What cannot be told from the text of the change passes: expected values that mean nothing, code
   under test that a test replaces, data files with cases, helpers in files that did not change,
   runners' configuration by other names. Files that judge (conftest.py, pytest.ini ...) are
   protected as a whole: see `protected`.
10. A file whose old or new text is no Python that this version reads is not compared, and said:
    where the new one is none, the gates are red. One that is too large or nested too deep is held.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.verification.python_tests.body import Check, Skip
from orchestrator.verification.python_tests.checks import swallows
from orchestrator.verification.python_tests.claims import MANY
from orchestrator.verification.python_tests.losses import (
    Gained,
    Problem,
    compare_bodies,
    units_of,
)
from orchestrator.verification.python_tests.pairs import (
    PAIRS_AT_MOST,
    Key,
    most_similar,
    pair_tests,
)
from orchestrator.verification.python_tests.scopes import last_name, walk_all
from orchestrator.verification.python_tests.side import Side
from orchestrator.verification.python_tests.suite import (
    FILE,
    Suite,
    Test,
    in_test_folder,
    may_hold_tests,
    read_suite,
    usual,
)
from orchestrator.verification.python_tests.takers import TAKEN_UP, Takers
from orchestrator.verification.python_tests.words import share

SIZE_LIMIT_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Edited:
    """A changed path with its content before and after; None where it is not there."""

    path: str
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class Weakened:
    """A test that says less than before."""

    path: str
    test: str
    what: str
    line: int
    """In the file after the change; before it, where the test is gone."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that is to be said of a change."""

    weakened: tuple[Weakened, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()
    """Files that could not be compared, and why."""


def compare_tests(edits: Iterable[Edited]) -> Comparison:
    """The tests that a change weakens."""
    given = [edit for edit in edits if edit.before != edit.after]
    try:
        return _Compared(given).result()
    except RecursionError:
        # Nobody nests that deep but to hide something.
        held = [edit.path for edit in given if edit.path.endswith(".py") and edit.after is not None]
        what = "it is nested too deep to be compared"
        return Comparison(tuple(Weakened(path, FILE, what, 1) for path in held))


class _Compared:
    def __init__(self, edits: Iterable[Edited]) -> None:
        self.before, self.after = Side(), Side()
        self.unread: list[tuple[str, str]] = []
        self.found: list[Weakened] = []
        self.takers = Takers(self.before, self.after)
        self.lost: list[tuple[Check, Weakened]] = []
        self.removed: set[str] = set()
        self.compared = 0
        for edit in edits:
            self._take_in(edit)

    def _take_in(self, edit: Edited) -> None:
        contents = [c for c in (edit.before, edit.after) if c is not None]
        if not any(may_hold_tests(edit.path, content) for content in contents):
            return
        if edit.after is not None and len(edit.after) > SIZE_LIMIT_BYTES:
            self.found.append(Weakened(edit.path, FILE, "it is too large to be compared", 1))
            return
        suites: list[Suite | None] = []
        for content, when in ((edit.before, "before"), (edit.after, "after")):
            if content is None:
                suites.append(None)
                continue
            tree = parse(content)
            if isinstance(tree, str):
                self.unread.append((edit.path, f"its text {when} the change is not read: {tree}"))
                return
            suites.append(read_suite(edit.path, tree, content))
        old, new = suites
        if old is not None:
            self.before.add(old)
        if new is not None:
            self.after.add(new)
        elif old is not None:
            self.removed.add(edit.path)

    def result(self) -> Comparison:
        if not self.before.suites:
            self._hooks()
            return Comparison(self._told(), tuple(self.unread))
        for key in [key for key, test in self.before.tests.items() if not test.collected]:
            self.before.helpers[key] = self.before.tests.pop(key)
        self._share_helpers()
        not_collected = {
            f"{path} {name}": why
            for (path, name), test in self.after.tests.items()
            if (why := self._why_not_collected(test))
        }
        pairs, left = pair_tests(self.before, self.after, set(not_collected))
        for one, other in pairs.items():
            old, new = self.before.tests[one], self.after.tests[other]
            at = f"{other[0]} {other[1]}"
            if why := not_collected.get(at) or self._why_moved_away(old, new):
                not_collected[at] = why
                left.append(one)
                continue
            self._pair(old, new)
        for key in self.before.helpers.keys() & self.after.helpers.keys():
            self._pair(self.before.helpers[key], self.after.helpers[key], is_test=False)
        taken = {other for one, other in pairs.items() if one not in left}
        for key, test in self.after.tests.items():
            if key not in taken and f"{key[0]} {key[1]}" not in not_collected:
                self._new(test)
        for key in sorted(left):
            self._gone(self.before.tests[key], pairs.get(key), not_collected)
        self._settle_lost()
        self._hooks()
        return Comparison(self._told(), tuple(self.unread))

    # --- 3. collected -----------------------------------------------------------------------

    def _share_helpers(self) -> None:
        """A helper that is there on both sides is told about by itself (rule 7)."""
        checking: list[dict[str, bool]] = []
        for side in (self.before, self.after):
            asks: dict[str, bool] = {}
            for test in side.helpers.values():
                found = any(not check.soft for check in side.body(test).checks)
                asks[test.name] = asks.get(test.name, False) or found
            checking.append(asks)
        before, after = checking
        both = before.keys() & after.keys()
        called = {name for suite in self.after.suites.values() for name in suite.called}
        defined = {name.rpartition(".")[2] for name in after}
        moved = {
            name
            for name in before.keys() - after.keys()
            if before[name] and name.rpartition(".")[2] in called - defined
        }
        self.before.share({name: before[name] for name in (*both, *moved)})
        # A call of one that checks no more is no loss of the test that calls it.
        self.after.share(
            {name: before[name] or after[name] for name in both},
            frozenset(name.rpartition(".")[2] for name in moved),
        )

    def _why_not_collected(self, test: Test) -> str:
        old = self.before.suites.get(test.path)
        if not test.collected:
            return test.why_not or "no runner collects it"
        # A class that may be one of tests is taken for what it was.
        if test.maybe and not any(
            test.maybe in suite.maybe for suite in self.before.suites.values()
        ):
            return test.why_not
        if old is None and self.before.tests:
            least = min(usual(path) for path, _ in self.before.tests)
            if usual(test.path) < least:
                return "runners do not look for tests in a file of that name"
        return ""

    def _why_moved_away(self, old: Test, new: Test) -> str:
        if old.path == new.path:
            return ""
        if in_test_folder(old.path) and not in_test_folder(new.path):
            return f"it was moved out of the folder of the tests, to {new.path}"
        if usual(new.path) < usual(old.path):
            return f"it was moved to {new.path}, where runners do not look for tests"
        return ""

    # --- 4 to 7. a test that is still there ---------------------------------------------------

    def _is_untouched(self, old: Test, new: Test) -> bool:
        """Whether nothing of what it is and stands in has changed."""
        was, now = self.before.suites[old.path], self.after.suites[new.path]
        same = old.path == new.path and old.name == new.name and old.text == new.text != b""
        return same and was.around == now.around

    def _pair(self, old: Test, new: Test, *, is_test: bool = True) -> None:
        if self._is_untouched(old, new):
            self.takers.add(new)
            return
        skips = self._new_skips(old, new)
        for skip in skips:
            self._say_skip(new, skip, is_test)
        if any(not skip.when for skip in skips):
            return
        was, now = self.before.body(old), self.after.body(new)
        if is_test and (why := self._never_runs(old, new)):
            self._say(new, Problem(why))
            return
        if old.node is None or new.node is None:
            return
        for problem in self._fewer(old, new):
            self._say(new, problem)
        if is_test and not now.checks and not now.calls and (was.calls or was.checks):
            counted = [check for check in was.checks if not check.soft]
            if not counted:
                self._say(new, Problem("it does nothing any more"))
                return
        losses = compare_bodies(was, now, self.after.words(new), _grown(old, new))
        for problem in losses.problems:
            self._say(new, problem)
        self.lost += [(check, self._weakened(new, problem)) for check, problem in losses.lost]
        self.takers.add(new, losses.gained, self._surplus(old, new))

    def _new_skips(self, old: Test, new: Test) -> list[Skip]:
        known = self.before.skips(old)
        if any(skip.kind == "skip" and not skip.when for skip in known):
            return []
        said = {(skip.kind, _condition(skip.when)) for skip in known}
        # `a == 1 or a == 2` may be `a in (1, 2)` now.
        said |= {(kind, words - {"or"}) for kind, words in said}
        failing = any(skip.kind == "xfail" and not skip.when for skip in known)
        found: dict[tuple[str, str], Skip] = {}
        for skip in self.after.skips(new):
            is_known = (skip.kind, _condition(skip.when)) in said
            if not is_known and not (failing and skip.kind == "xfail"):
                found.setdefault((skip.kind, skip.when), skip)
        return list(found.values())

    def _say_skip(self, new: Test, skip: Skip, is_test: bool) -> None:
        how = f" ({skip.how})" if skip.how else ""
        when = f", when {skip.when}" if skip.when else ""
        does = "may fail now" if skip.kind == "xfail" else "is skipped now"
        if not is_test:
            does = "skips now whoever uses it"
        name = skip.where or new.name
        what = f"it {does}{when}{how}"
        self.found.append(Weakened(new.path, name, what, skip.line))

    def _never_runs(self, old: Test, new: Test) -> str:
        """Why a runner passes over a test that it collects."""
        if old.node is None or new.node is None:
            return ""
        was, now = self.before.body(old), self.after.body(new)
        if now.yields and not was.yields:
            return "it is a generator now, which no runner goes through"
        known = {ast.unparse(one) for one in old.node.decorator_list}
        for decorator in new.node.decorator_list:
            if ast.unparse(decorator) not in known and self._is_replaced_by(new, decorator):
                return f"@{ast.unparse(decorator)} lets no failure out"
        if not isinstance(new.node, ast.AsyncFunctionDef) or type(old.node) is type(new.node):
            return ""
        if not now.awaits:
            return "it is asynchronous now and awaits nothing: it may never be run"
        bases = self.after.suites[new.path].bases.get(new.owner.rpartition(".")[2], ())
        if new.unittest and "TestCase" in bases:
            return "it is asynchronous now, and its class does not wait for it"
        return ""

    def _is_replaced_by(self, new: Test, decorator: ast.expr) -> bool:
        """Whether a decorator of the project's own runs something else, or hides what fails."""
        if isinstance(decorator, ast.Lambda):
            return not _uses(decorator.args, [decorator.body])
        helper = self.after.suites[new.path].helpers.get(last_name(decorator))
        if helper is None or helper.node is None:
            return False
        is_plain = not isinstance(decorator, ast.Call)
        replaced = is_plain and not _uses(helper.node.args, helper.node.body)
        return replaced or swallows(helper.node)

    def _fewer(self, old: Test, new: Test) -> Iterable[Problem]:
        if new.examples < old.examples:
            yield Problem(f"it has {new.examples} examples instead of {old.examples}")
        if old.most_examples and new.most_examples and new.most_examples < old.most_examples:
            yield Problem(
                f"it tries {new.most_examples:g} examples instead of {old.most_examples:g}"
            )
        if old.timeout_s is not None and (new.timeout_s is None or new.timeout_s > old.timeout_s):
            now = "none" if new.timeout_s is None else f"{new.timeout_s:g} s"
            yield Problem(f"its time limit is {now} instead of {old.timeout_s:g} s")
        if old.cases is not None and new.cases is not None and new.cases < old.cases:
            missing = old.cases - new.cases
            if not self._taken_up_elsewhere(old, new, missing):
                cases = "1 case" if new.cases == 1 else f"{new.cases} cases"
                yield Problem(f"it has {cases} instead of {old.cases}")

    def _taken_up_elsewhere(self, old: Test, new: Test, missing: int) -> bool:
        """Whether new tests have the cases that one of before has no more."""
        words = self.before.words(old)
        kept = self.after.words(new)
        moved = frozenset(word for word in words if word not in kept)
        for key, test in self.after.tests.items():
            if key in self.before.tests or not self.after.body(test).checks:
                continue
            there = self.after.words(test)
            if share(words, there | kept) >= TAKEN_UP and share(moved, there) >= TAKEN_UP:
                missing -= MANY if test.cases is None else test.cases
        return missing <= 0

    def _surplus(self, old: Test, new: Test) -> int:
        if new.cases is None:
            return 0 if old.cases is None else MANY
        return max(0, new.cases - (old.cases or 1)) if old.cases is not None else 0

    # --- 2. a test that is gone ---------------------------------------------------------------

    def _new(self, test: Test) -> None:
        body = self.after.body(test)
        runs = MANY if test.cases is None else test.cases
        if any(not skip.when for skip in self.after.skips(test)):
            return  # it says nothing
        gained = [Gained(check, min(MANY, units_of(check) * runs)) for check in body.checks]
        self.takers.add(test, gained, runs)

    def _gone(self, old: Test, other: Key | None, not_collected: dict[str, str]) -> None:
        if self.takers.takes(old):
            return
        if any(skip.kind == "skip" and not skip.when for skip in self.before.skips(old)):
            return  # it said nothing
        if other is not None:
            why = not_collected[f"{other[0]} {other[1]}"]
            self._say(self.after.tests[other], Problem(f"it is not collected any more: {why}"))
            return
        fresh = [
            test
            for key, test in (*self.after.helpers.items(), *self.after.tests.items())
            if key not in self.before.helpers
            and (key not in self.before.tests or key in self.after.helpers)
        ]
        self.compared += len(fresh)
        if self.compared > PAIRS_AT_MOST:
            fresh = [one for one in fresh if self.after.tokens(one) == self.before.tokens(old)]
        renamed = most_similar(old, self.before, fresh, self.after)
        if renamed is not None:
            why = not_collected.get(f"{renamed.path} {renamed.name}", "")
            named = f"it is named {renamed.name} now"
            why = why or (renamed.why_not if renamed.name == old.name else named)
            self._say(renamed, Problem(f"{old.name} is not collected any more: {why}"))
            return
        what = "it was deleted"
        self.found.append(Weakened(old.path, old.name, what, old.line))

    def _settle_lost(self) -> None:
        """What a test lost may be with another one that gained it."""
        for check, weakened in self.lost:
            if self.takers.take_check(check) is None:
                self.found.append(weakened)

    # --- 8. hooks -----------------------------------------------------------------------------

    def _hooks(self) -> None:
        for path, suite in self.after.suites.items():
            old = self.before.suites.get(path)
            wide = path.endswith("/__init__.py")
            for name, (line, text) in suite.hooks.items():
                was = old.hooks.get(name) if old else None
                if was is not None and was[1] == text:
                    continue
                if old is not None or wide or (name == "pytest_plugins" and self._has_plugin()):
                    what = "a hook that says what runs was " + ("changed" if was else "added")
                    self.found.append(Weakened(path, name, what, line))

    def _has_plugin(self) -> bool:
        """Whether some file of the change could be a plugin that says what runs."""
        return any(
            name.startswith("pytest_") and name != "pytest_plugins"
            for suite in self.after.suites.values()
            for name in suite.hooks
        )

    # --- what is said -------------------------------------------------------------------------

    def _weakened(self, new: Test, problem: Problem) -> Weakened:
        return Weakened(new.path, new.name, problem.what, problem.line or new.line)

    def _say(self, new: Test, problem: Problem) -> None:
        self.found.append(self._weakened(new, problem))

    def _told(self) -> tuple[Weakened, ...]:
        """Each once, in the order of the files; a file that is gone as one."""
        whole: dict[str, list[Weakened]] = defaultdict(list)
        for one in self.found:
            if one.path in self.removed:
                whole[one.path].append(one)
        found = [one for one in self.found if one.path not in whole]
        for path, many in whole.items():
            tests = "1 test" if len(many) == 1 else f"{len(many)} tests"
            found.append(Weakened(path, FILE, f"it was deleted, with {tests}", 1))
        unique = dict.fromkeys(found)
        return tuple(sorted(unique, key=lambda one: (one.path, one.line, one.test, one.what)))


_CONDITION = re.compile(r"""[^\W\d]\w*|[<>]=?|!=|\d[\w.]*|'[^']*'|"[^"]*\"""")
_SAME_ALL_THE_SAME = frozenset(("and", "in", "set", "list", "tuple"))


def _condition(text: str) -> frozenset[str]:
    """What a condition is about, however it is nested; another one where it is turned around."""
    words = {"not" if word == "!=" else word for word in _CONDITION.findall(text)}
    return frozenset(words - _SAME_ALL_THE_SAME)


def _uses(arguments: ast.arguments, body: Sequence[ast.AST]) -> bool:
    """Whether what is given first is used at all."""
    first = next((one.arg for one in (*arguments.posonlyargs, *arguments.args)), "")
    return any(isinstance(one, ast.Name) and one.id == first for one in walk_all(body))


def _grown(old: Test, new: Test) -> int:
    """How many times as many cases it has as before, at least 1."""
    if new.cases is None:
        return 1 if old.cases is None else MANY
    return max(1, new.cases // max(1, old.cases)) if old.cases is not None else 1


def parse(content: bytes) -> ast.Module | str:
    """A file's syntax tree; why there is none."""
    if len(content) > SIZE_LIMIT_BYTES:
        return "it is too large"
    try:
        return ast.parse(content)
    except SyntaxError as error:
        where = f" in line {error.lineno}" if error.lineno else ""
        return f"{error.msg}{where}"
    except (ValueError, MemoryError, LookupError) as error:
        return str(error) or type(error).__name__
