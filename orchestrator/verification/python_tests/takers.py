"""Tests that have more than before, and what they may take up of tests that have less. Pure.

1. A new test can take up as many cases as it has, one that was there as many as it gained; a
   check that came can stand for as many as it has parts (`losses`). Each is used once.
2. It must be about the same: most of the words of what is taken up, values among them, are in
   the test that takes it up. What compared a value is not taken up by a look for truth.
3. A test with the very same body, anywhere, takes a test up as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.verification.python_tests.body import Check
from orchestrator.verification.python_tests.losses import Gained
from orchestrator.verification.python_tests.side import Side
from orchestrator.verification.python_tests.suite import Test
from orchestrator.verification.python_tests.words import share

TAKEN_UP = 0.6
"""So many of its words must be in what takes a test or a check up."""


@dataclass(slots=True)
class _Taker:
    """A test after the change, and what it has more than before."""

    test: Test
    gained: list[Gained] = field(default_factory=list)
    runs: int = 0


@dataclass(slots=True)
class Takers:
    """All tests after a change, as far as they were looked at."""

    before: Side
    after: Side
    all: list[_Taker] = field(default_factory=list)

    def add(self, test: Test, gained: list[Gained] | None = None, runs: int = 0) -> None:
        """A test, the checks that it gained, and how many cases."""
        self.all.append(_Taker(test, gained or [], runs))

    def takes(self, old: Test) -> bool:
        """Whether a test that is gone is in what others have more than before."""
        return self._has_twin(old) or self._by_cases(old) or self._by_checks(old)

    def take_check(self, check: Check) -> Gained | None:
        """Uses up what stands for a check; None where nothing does."""
        found = self._find(check)
        if found is not None:
            found.units -= 1
        return found

    def _has_twin(self, old: Test) -> bool:
        tokens = self.before.tokens(old)
        return bool(tokens) and any(
            self.after.tokens(taker.test) == tokens
            and taker.test.name in self.after.suites[taker.test.path].tests
            for taker in self.all
        )

    def _by_cases(self, old: Test) -> bool:
        words = self.before.words(old)
        needed = old.cases or 1
        asked = any(not check.soft for check in self.before.body(old).checks)
        for taker in self.all:
            if taker.runs < needed or share(words, self.after.words(taker.test)) < TAKEN_UP:
                continue
            if self.after.body(taker.test).checks or not asked:
                taker.runs -= needed
                return True
        return False

    def _by_checks(self, old: Test) -> bool:
        checks = [check for check in self.before.body(old).checks if not check.soft]
        used: list[Gained] = []
        for check in checks:
            gained = self.take_check(check)
            if gained is None:
                for one in used:
                    one.units += 1
                return False
            used.append(gained)
        return bool(checks)

    def _find(self, check: Check) -> Gained | None:
        for taker in self.all:
            if share(check.words, self.after.words(taker.test)) < TAKEN_UP:
                continue
            for gained in taker.gained:
                strong = check.claim.strength < 3 or gained.check.claim.strength > 1
                sure = gained.check.sure or not check.sure
                if gained.units > 0 and strong and sure:
                    return gained
        return None
