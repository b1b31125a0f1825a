"""Which checks of a test are lost with a change of it, and which are looser than before. Pure.

1. A check whose claim is there again is kept. It is looser when its loop goes through less, or
   when it runs only under a condition that was not there.
2. One that is not is compared with the new check that looks at the same thing or has the same
   form. Another expected value is an edit, whatever it is. Looser is a bound that lets more pass,
   a wider tolerance, a tolerance wider than 1e-6 where none was, and a look for truth, type or
   presence where a value was compared.
3. Else any new check of the test stands for one that is gone; one with several parts for several,
   where they are about the same. A look for truth stands for a comparison only where it is about
   the same.
4. What is lost after that may have moved to another test: see `weakened`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from orchestrator.verification.python_tests.body import Body, Check
from orchestrator.verification.python_tests.claims import MANY, Claim
from orchestrator.verification.python_tests.words import share

SHOWN = 80
ALIKE = 0.5
TOLERANCE = 1e-6
_CONVERSION = 2.5
"""So much wider may a tolerance be that another function spells in its own way."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is weaker, and in which line after the change; 0: where the test begins."""

    what: str
    line: int = 0


@dataclass(slots=True)
class Gained:
    """A new check, and for how many others it can still stand."""

    check: Check
    units: int
    used: bool = False


@dataclass(slots=True)
class Losses:
    """What came of comparing two bodies."""

    problems: list[Problem] = field(default_factory=list)
    lost: list[tuple[Check, Problem]] = field(default_factory=list)
    """What is missing, and what to say unless it is found elsewhere."""
    gained: list[Gained] = field(default_factory=list)


def units_of(check: Check) -> int:
    """For how many checks one can stand."""
    return MANY if check.times is None else min(MANY, check.claim.holds * check.times)


def compare_bodies(old: Body, new: Body, new_words: frozenset[str], grown: int = 1) -> Losses:
    """What the new body of a test lacks of the old one.

    `new_words` are what the new test is about, `grown` how many times as many cases it has.
    """
    losses = Losses()
    kept: dict[str, list[Check]] = defaultdict(list)
    # Of equal claims, the one that asks the most stands for the one that asked the most.
    for check in sorted(new.checks, key=_asks, reverse=True):
        kept[check.claim.text].append(check)
    missing: list[Check] = []
    there: dict[str, list[Check]] = defaultdict(list)
    for check in sorted(old.checks, key=_asks, reverse=True):
        text = check.claim.text
        if kept[text]:
            _compare_kept(check, kept[text].pop(0), losses, grown)
            there[text].append(check)
        elif not check.soft and not any(_exclude(check, one) for one in there[text]):
            missing.append(check)
    missing.sort(key=lambda check: check.line)
    losses.gained += [Gained(one, units_of(one)) for many in kept.values() for one in many]
    missing = _compared_alike(missing, losses)
    missing = _stood_for(missing, losses, new_words)
    said = _Said(old, new)
    losses.lost += [(check, said.of(check)) for check in missing]
    return losses


def _exclude(one: Check, other: Check) -> bool:
    """Whether two checks never run both: their branches may be merged."""
    return any(
        f"not ({condition})" in others.when
        for check, others in ((one, other), (other, one))
        for condition in check.when
    )


def _asks(check: Check) -> tuple[bool, int]:
    return check.sure, MANY if check.times is None else check.times


def _compare_kept(old: Check, new: Check, losses: Losses, grown: int) -> None:
    shown = shorten(old.claim.text)
    if old.sure and not new.sure:
        what = f"`{shown}` runs only under a condition now"
        losses.lost.append((old, Problem(what, new.line)))
    if old.times is None:
        return
    times = MANY if new.times is None else new.times * grown
    if times < old.times:
        what = f"the loop around `{shown}` goes through {new.times} instead of {old.times}"
        losses.lost += [(old, Problem(what, new.line))] * min(old.times - times, 1000)
    elif new.times is None or new.times > old.times:
        losses.gained.append(Gained(new, times - old.times, used=True))


# --- 2. the same thing, looked at otherwise ---------------------------------------------------


def _compared_alike(missing: list[Check], losses: Losses) -> list[Check]:
    left: list[Check] = []
    for old in missing:
        alike = [g for g in losses.gained if not g.used and _is_alike(old.claim, g.check.claim)]
        if not alike:
            left.append(old)
            continue
        judged = [(_looser(old, one.check), one) for one in alike]
        good = [pair for pair in judged if pair[0] is None]
        shapes = [p for p in good if p[1].check.claim.shape == old.claim.shape]
        problem, best = (shapes or good or judged)[0]
        if problem is not None and not _is_near(old.claim, best.check.claim):
            left.append(old)  # something else may stand for it
            continue
        best.used = True
        best.units -= 1
        if problem is not None:
            losses.problems.append(problem)
    return left


def _is_alike(old: Claim, new: Claim) -> bool:
    """Whether it has the same form, or looks at the same thing or at what that is a part of."""
    return (
        old.shape == new.shape
        or old.text in new.others
        or bool(old.subjects and new.subjects and new.subjects[0] in old.subjects)
    )


def _is_near(old: Claim, new: Claim) -> bool:
    same = old.shape == new.shape or old.subjects[:1] == new.subjects[:1]
    return same or old.text in new.others or new.strength <= 1


def _looser(old: Check, new: Check) -> Problem | None:
    was, now = old.claim, new.claim
    shown = f"`{shorten(now.text)}` where `{shorten(was.text)}` was"
    if old.sure and not new.sure:
        return Problem(f"{shown}, and only under a condition", new.line)
    if was.strength == 3 and now.strength == 3 and (wider := _wider(was, now)):
        return Problem(f"{wider}: {shown}", new.line)
    if was.bound and now.bound and was.bound[0] == now.bound[0]:
        sign = 1 if was.bound[0] == "<" else -1
        before, after = sign * was.bound[1], sign * now.bound[1]
        if after > before or (after == before and now.bound[2] and not was.bound[2]):
            return Problem(f"a looser bound: {shown}", new.line)
        return None
    if was.strength == 3 and now.bound and was.subjects[:1] == now.subjects[:1]:
        return Problem(f"only bounded: {shown}", new.line)
    same_thing = was.subjects[:1] == now.subjects[:1]
    if was.text in now.others:
        return Problem(f"something else will do, too: {shown}", new.line)
    if was.strength == 3 and now.strength == 2 and " in " in now.text and same_thing:
        return Problem(f"one of several will do: {shown}", new.line)
    if was.strength == 3 and now.text in was.subjects:
        return Problem(f"compared no more: {shown}", new.line)
    if now.strength <= 1 and (was.strength == 3 or (was.strength == 2 and same_thing)):
        return Problem(f"compared no more: {shown}", new.line)
    return None


def _wider(was: Claim, now: Claim) -> str | None:
    if now.tolerance is None:
        return None
    name, *widths = now.tolerance
    if was.tolerance is None:
        wide = max(widths) > TOLERANCE
        return f"a tolerance of {max(widths):g} where none was" if wide else None
    before, *old_widths = was.tolerance
    if name == before:
        pairs = zip(old_widths, widths, strict=True)
        wide = any(new > old * (1 + 1e-9) for old, new in pairs)
    else:
        wide = max(widths) > max(_CONVERSION * max(old_widths), TOLERANCE)
    return "a wider tolerance" if wide else None


# --- 3. one that stands for others ------------------------------------------------------------


def _stood_for(missing: list[Check], losses: Losses, new_words: frozenset[str]) -> list[Check]:
    left: list[Check] = []
    for old in missing:
        fresh = [g for g in losses.gained if not g.used and _may_stand(old, g.check)]
        again = [
            g
            for g in losses.gained
            if g.used
            and g.units > 0
            and _may_stand(old, g.check)
            and (g.check.unseen or share(old.words, new_words) >= ALIKE)
        ]
        found = max(fresh, key=lambda g: share(old.words, g.check.words), default=None)
        found = found or next(iter(again), None)
        if found is None:
            left.append(old)
            continue
        found.used = True
        found.units -= 1
    return left


def _may_stand(old: Check, new: Check) -> bool:
    if old.sure and not new.sure:
        return False
    if new.claim.strength == 0:
        return False
    if old.claim.strength == 3 and new.claim.strength == 1 and not new.unseen:
        return share(old.words, new.words) > ALIKE
    return True


# --- what to say ------------------------------------------------------------------------------


class _Said:
    """Says of a missing check what became of it."""

    def __init__(self, old: Body, new: Body) -> None:
        self._dead: dict[str, list[Check]] = defaultdict(list)
        for check in new.dead:
            self._dead[check.claim.text].append(check)
        before = Counter(check.claim.text for check in old.dead)
        self._empty = []
        for check in new.dead:
            if check.dead == "it holds whatever happens" and not before[check.claim.text]:
                self._empty.append(check)

    def of(self, check: Check) -> Problem:
        shown = shorten(check.claim.text)
        dead = self._dead.get(check.claim.text)
        if dead:
            found = dead.pop(0)
            return Problem(f"`{shown}` cannot fail any more: {found.dead}", found.line)
        if self._empty:
            found = self._empty.pop(0)
            empty = shorten(found.claim.text)
            return Problem(f"`assert {empty}`, which always holds, where `{shown}` was", found.line)
        return Problem(f"`{shown}` is asserted no more")


def shorten(text: str) -> str:
    """A claim for a line."""
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= SHOWN else one_line[: SHOWN - 3] + "..."
