"""What a plan's paths mean for its tasks: who waits, what covers nothing, what is held. Pure.

1. Two tasks with overlapping paths never run side by side. Where one needs the other, by
   whatever detour, that changes nothing and is not worth saying.
2. Tasks that overlap, directly or through others, are one group; those that overlap with
   every other one of it are told apart, so that no more is claimed than is so.
3. A plain name of a file that is not there yet is no slip: it is to be made. Odd is only one in
   a folder that is not there (said once for each such folder), or one without an ending that is
   nearly the name of a folder beside it.
4. A protected file that a task covers is worth saying only where it exists: it is what the task
   would be held for if it changed it, and its worker may well do that.
5. All looks are bounded (`LOOKS`, `PAIRS`, `GUESSES`); what is not looked at is not said, and a
   run is safe without.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import islice, pairwise

from ledger.model import Task, TaskId
from orchestrator.policy.nearest import nearest
from orchestrator.policy.paths import PathIndex, matches, patterns_meet
from orchestrator.policy.pattern import escape, parse_pattern

LOOKS = 200_000
"""How many files are held against patterns at most: about a second."""
PAIRS = 30_000
"""How many pairs of patterns are compared at most."""
GUESSES = 20
"""For how many folders that are not there a nearly equal one is looked for."""
SHAPES = 300
"""Of a group with more different lists of paths than this, nobody is told apart."""


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks that cannot all run side by side."""

    tasks: tuple[TaskId, ...]
    alone: frozenset[TaskId]
    """Those of them that run beside none of the others."""
    example: tuple[str, str]
    """Two of their patterns that meet."""


def overlapping_groups(tasks: Sequence[Task]) -> tuple[Group, ...]:
    """The groups of tasks that only their paths keep apart, in the plan's order."""
    index = PathIndex({task.id: task.paths for task in tasks})
    order = _Order(tasks)
    together = _Union()
    for pattern in index.patterns():
        owners = index.owners(pattern)
        if not order.is_chain(owners):
            together.join(owners, (pattern, pattern))
    for pattern, other in islice(_pairs(index), PAIRS):
        both = (*index.owners(pattern), *index.owners(other))
        if together.same(both[0], both[-1]) or not patterns_meet(pattern, other):
            continue
        if not order.is_chain(both):
            together.join(both, (pattern, other))
    return tuple(
        Group(own, _alone(own, index), example)
        for own, example in together.groups(task.id for task in tasks)
    )


def _pairs(index: PathIndex) -> Iterator[tuple[str, str]]:
    """Different patterns that may meet; the more general one comes first."""
    for pattern in index.patterns():
        for other in index.near(pattern):
            if other != pattern:
                yield other, pattern


def _alone(tasks: Sequence[TaskId], index: PathIndex) -> frozenset[TaskId]:
    members = frozenset(tasks)
    by_paths: dict[tuple[str, ...], list[TaskId]] = {}
    for task in tasks:
        by_paths.setdefault(index.declared(task), []).append(task)
    if len(by_paths) > SHAPES:
        return frozenset()
    return frozenset(
        task for same in by_paths.values() if members <= index.fence(same[0]) for task in same
    )


def uncovering(patterns: Iterable[str], files: Iterable[str]) -> dict[str, str]:
    """The patterns that oddly cover none of the files, each with a hint."""
    known = sorted(files)
    folders = _Folders(known)
    nothing: dict[str, str] = {}
    left = LOOKS
    for text in sorted(patterns):
        pattern = parse_pattern(text)
        near = _near(known, text)
        if pattern.literal is not None and len(near) > 1:
            near = _itself_and_below(known, pattern.literal)
        left -= len(near)
        if left < 0:
            break
        if any(matches((text,), path) for path in near):
            continue
        if pattern.literal is not None and not text.endswith("/"):
            if hint := folders.slip(pattern.literal):
                nothing[text] = hint
            continue
        nothing[text], looks = _slip(text, known)
        left -= looks
    return nothing


def _guides(path: str) -> bool:
    """Whether a file guides agents: it lies in many folders, and few tasks are about it."""
    names = path.split("/")
    return names[-1] in ("AGENTS.md", "CLAUDE.md") or names[0] in (".agents", ".claude")


def held_files(tasks: Sequence[Task], protected: Iterable[str]) -> dict[TaskId, tuple[str, ...]]:
    """The protected files that each task's paths cover, but not its leave to change them."""
    known = sorted(protected)
    answers: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[str, ...]] = {}
    left = LOOKS
    found: dict[TaskId, tuple[str, ...]] = {}
    for task in tasks:
        both = (task.paths, task.may_change)
        if both not in answers:
            near = {path for text in task.paths for path in _near(known, text)}
            left -= len(near) * len(task.paths)
            if left < 0:
                break
            answers[both] = tuple(
                path
                for path in sorted(near)
                if matches(task.paths, path)
                and not matches(task.may_change, path)
                and (path in task.paths or not _guides(path))
            )
        if answers[both]:
            found[task.id] = answers[both]
    return found


def _near(known: Sequence[str], pattern: str) -> Sequence[str]:
    """Those of the sorted files that begin as the pattern does: it covers no other."""
    start = "/".join(parse_pattern(pattern).prefix)
    first = bisect_left(known, start)
    return known[first : bisect_left(known, start + "\U0010ffff", lo=first)]


class _Folders:
    """Where a file that is not there yet would lie, against the folders that there are."""

    def __init__(self, files: Sequence[str]) -> None:
        self.files = files
        self.missing: set[str] = set()
        self.guesses = GUESSES

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """Each folder, with the names of the folders in it; the root is empty."""
        found: dict[str, list[str]] = {"": []}
        for file in self.files:
            folder = file.rpartition("/")[0]
            while folder not in found:
                found[folder] = []
                folder = folder.rpartition("/")[0]
        for folder in found:
            if folder:
                parent, _, name = folder.rpartition("/")
                found[parent].append(name)
        return found

    def slip(self, path: str) -> str:
        """What is odd about a file that is to be made; empty where nothing is."""
        folder, _, name = path.rpartition("/")
        if folder in self.names:
            close = "" if "." in name else self._close(name, self.names[folder])
            return f"did you mean {_joined(folder, close)!r}?" if close else ""
        if folder in self.missing:
            return ""
        self.missing.add(folder)
        there, rest = "", folder.split("/")
        while _joined(there, rest[0]) in self.names:
            there = _joined(there, rest.pop(0))
        close = self._close(rest[0], self.names[there])
        meant = f"; did you mean {_joined(there, close)!r}?" if close else " yet"
        return f"there is no folder {_joined(there, rest[0])!r}{meant}"

    def _close(self, name: str, known: Sequence[str]) -> str:
        self.guesses -= 1
        return nearest(name, known[:1000]) or "" if self.guesses >= 0 else ""


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _itself_and_below(known: Sequence[str], path: str) -> list[str]:
    """At most two files, which suffice: the file of that name and one in the folder."""
    found = []
    for wanted in (path, f"{path}/"):
        at = bisect_left(known, wanted)
        if at < len(known) and known[at].startswith(wanted):
            found.append(known[at])
    return found


def _slip(text: str, known: Sequence[str]) -> tuple[str, int]:
    """What was probably meant by a pattern that covers nothing, and how many looks it took."""
    bare = text.removeprefix("/")
    some = known[:1000]
    meant: list[tuple[str, str]] = []
    if "/" not in bare.rstrip("/") and "*" in bare:
        meant.append((f"**/{bare}", "patterns start at the root"))
    if bare.endswith("/*"):
        meant.append((f"{bare}*", "'*' stays within one folder"))
    if "[" in bare:
        meant.append((escape(bare), "brackets are a class of characters"))
    for pattern, why in meant:
        if any(matches((pattern,), path) for path in some):
            return f"{why}; did you mean {pattern!r}?", len(some)
    return "", len(meant) * len(some)


class _Order:
    """Which tasks come after which, by needs."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        graph = {task.id: [need for need in task.needs if need != task.id] for task in tasks}
        try:
            sorted_ids = list(TopologicalSorter(graph).static_order())
        except CycleError:
            sorted_ids = list(graph)
        self.rank = {task: at for at, task in enumerate(sorted_ids)}
        # a set of bits for each task: all that it comes after
        self.after: dict[TaskId, int] = {}
        for task in sorted_ids:
            bits = 0
            for need in graph.get(task, ()):
                bits |= self.after.get(need, 0) | 1 << self.rank[need]
            self.after[task] = bits

    def is_chain(self, tasks: Iterable[TaskId]) -> bool:
        """Whether needs alone put all of them into one order."""
        row = sorted(set(tasks), key=self.rank.__getitem__)
        return all(self.after[later] >> self.rank[earlier] & 1 for earlier, later in pairwise(row))


class _Union:
    """Which tasks are together, and by which two patterns they first were."""

    def __init__(self) -> None:
        self.parent: dict[TaskId, TaskId] = {}
        self.example: dict[TaskId, tuple[str, str]] = {}

    def root(self, task: TaskId) -> TaskId:
        while (above := self.parent.get(task, task)) != task:
            self.parent[task] = self.parent.get(above, above)
            task = above
        return task

    def same(self, one: TaskId, other: TaskId) -> bool:
        return one in self.parent and other in self.parent and self.root(one) == self.root(other)

    def join(self, tasks: Sequence[TaskId], example: tuple[str, str]) -> None:
        first = self.root(tasks[0])
        for task in tasks:
            self.parent.setdefault(task, task)
            self.parent[self.root(task)] = first
            self.example.setdefault(task, example)

    def groups(
        self, order: Iterable[TaskId]
    ) -> Iterator[tuple[tuple[TaskId, ...], tuple[str, str]]]:
        found: dict[TaskId, list[TaskId]] = {}
        for task in order:
            if task in self.parent:
                found.setdefault(self.root(task), []).append(task)
        yield from ((tuple(own), self.example[own[0]]) for own in found.values())
