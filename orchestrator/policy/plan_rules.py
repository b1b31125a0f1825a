"""What a plan must be before a run starts from it. Pure.

Errors:
 1. A goal and every prompt say something; no title holds a NUL, which no commit can.
 2. An id is legal (`[a-z0-9][a-z0-9-]{0,62}`) and nobody else's.
 3. What a task needs exists; no task needs itself, by whatever detour: a cycle is named.
 4. Somebody does each task: its worker exists, or the default one does; and it is not the checker,
    nor one of the same mind, which would judge its own work.
 5. The gates that a task names exist.
 6. The base is a revision of the repository.
 7. Patterns of paths stay within the repository.
Warnings:
 8. A pattern that covers no file of the base, where that looks like a slip: a plain name of a file
    that is yet to be made is none, unless its folder is not there either.
 9. Tasks that nothing orders but whose paths overlap run one after the other; said once for
    each group of them, never for each pair.
10. A task without paths may change anything; said once for all of them.
11. Without gates nothing is judged.
12. A task whose paths cover protected files of the base would be held if it changed them; said
    once for each task, naming a few of them, unless its `may_change` covers them. Files that
    guide agents (AGENTS.md) are told of only where its paths name them.

A finding says where by the keys of the plan file, so that a line can be found for it. Every
look is bounded: ten thousand tasks take about a second.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from ledger.model import LAST_GREEN, TASK_ID, Plan, Task, TaskId
from orchestrator.policy.nearest import listed, nearest
from orchestrator.policy.pattern import escape, pattern_problem
from orchestrator.policy.plan_paths import held_files, overlapping_groups, uncovering

Where = tuple[str | int, ...]
"""Keys of the plan file, for example `("task", 3, "needs", 0)`."""

CYCLES_TOLD = 20
PROTECTED_NAMED = 3
GUESSES = 20
"""How many unknown names get a nearest known one; each guess compares with every task."""


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """What the rules need to know of the repository and the settings."""

    files: frozenset[str] = frozenset()
    """The files of the base; empty where the base is not known."""
    base_exists: bool = True
    workers: tuple[str, ...] = ()
    default_worker: str | None = None
    judging: frozenset[str] = frozenset()
    """Workers that are the run's checker, or the same model with the same prompt."""
    gates: tuple[str, ...] = ()
    protected: frozenset[str] = frozenset()
    """Those of the files that no task may change without a person's yes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or odd in a plan."""

    level: Literal["error", "warning"]
    where: Where
    what: str
    hint: str = ""


def check_plan(plan: Plan, facts: RepositoryFacts) -> tuple[Finding, ...]:
    """Everything that the rules say of a plan; errors first, in the plan's order."""
    errors = [
        *_goal_and_base(plan, facts),
        *_ids(plan.tasks),
        *_prompts(plan.tasks),
        *_titles(plan.tasks),
        *_needs(plan.tasks),
        *_cycles(plan.tasks),
        *_workers(plan.tasks, facts),
        *_gates(plan.tasks, facts),
        *_patterns(plan.tasks),
    ]
    sound = [
        task
        for task in plan.tasks
        if not any(map(pattern_problem, (*task.paths, *task.may_change)))
    ]
    warnings = [
        *_judges(facts),
        *_boundless(plan.tasks),
        *_uncovering(plan.tasks, facts),
        *_protected(plan.tasks, sound, facts),
        *_overlapping(plan.tasks, sound),
    ]
    return (*errors, *warnings)


# --- errors ----------------------------------------------------------------------------------


def _goal_and_base(plan: Plan, facts: RepositoryFacts) -> Iterator[Finding]:
    if not plan.goal.strip():
        yield Finding("error", ("goal",), "the goal is empty", "say in a sentence what is wanted")
    if not facts.base_exists:
        base = "HEAD" if plan.base in (None, LAST_GREEN) else plan.base
        hint = "name a branch, a tag or a commit; git branch --all lists what there is"
        if plan.base is None:
            hint = "make a first commit: a run starts from one"
        yield Finding("error", ("base",), f"there is no revision '{base}'", hint)


def _ids(tasks: Iterable[Task]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for at, task in enumerate(tasks):
        if not re.match(TASK_ID, task.id) or task.id.endswith("\n"):
            slug = re.sub(r"[^a-z0-9]+", "-", task.id.lower()).strip("-")[:63].rstrip("-")
            hint = f'write: id = "{slug or "task-1"}"'
            what = f"{task.id!r} is no legal id: small letters, digits and -, at most 63"
            yield Finding("error", ("task", at, "id"), what, hint)
        if first.setdefault(task.id, at) != at:
            what = f"a second task is called '{task.id}'; the first is task {first[task.id] + 1}"
            yield Finding("error", ("task", at, "id"), what, "give it an id of its own")


def _prompts(tasks: Iterable[Task]) -> Iterator[Finding]:
    for at, task in enumerate(tasks):
        if not task.prompt.strip():
            what = f"the prompt of '{task.id}' is empty"
            yield Finding("error", ("task", at, "prompt"), what, "say what its worker shall do")


def _titles(tasks: Iterable[Task]) -> Iterator[Finding]:
    for at, task in enumerate(tasks):
        if "\0" in task.title:
            what = f"the title of '{task.id}' holds a NUL character, which git takes in no commit"
            yield Finding("error", ("task", at, "title"), what, 'take it out: title = "..."')


def _needs(tasks: tuple[Task, ...]) -> Iterator[Finding]:
    known = {task.id: None for task in tasks}
    guesses = _Guesses(known)
    for at, task in enumerate(tasks):
        for position, need in enumerate(task.needs):
            if need not in known:
                what = f"'{task.id}' needs '{need}', which is no task of this plan"
                yield Finding("error", ("task", at, "needs", position), what, guesses.hint(need))


def _cycles(tasks: tuple[Task, ...]) -> Iterator[Finding]:
    places = {task.id: at for at, task in reversed(tuple(enumerate(tasks)))}
    graph = {task.id: [need for need in task.needs if need in places] for task in tasks}
    for _ in range(CYCLES_TOLD):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            # graphlib names each before what needs it; a person reads "a needs b"
            cycle: list[TaskId] = list(reversed(error.args[1]))[:-1]
            start = min(range(len(cycle)), key=lambda at: places[cycle[at]])
            named = [*cycle[start:], *cycle[: start + 1]]
            at = places[named[0]]
            what = f"tasks that need each other: {_chain(named)}"
            position = tasks[at].needs.index(named[1])
            hint = f"take one of these needs away, for example '{named[1]}' here"
            yield Finding("error", ("task", at, "needs", position), what, hint)
            gone = set(cycle)
            graph = {
                task: [need for need in needs if need not in gone]
                for task, needs in graph.items()
                if task not in gone
            }
        else:
            return


def _chain(names: list[str]) -> str:
    if len(names) > 12:
        names = [*names[:6], f"... {len(names) - 11} more ...", *names[-5:]]
    return " -> ".join(names)


def _workers(tasks: tuple[Task, ...], facts: RepositoryFacts) -> Iterator[Finding]:
    guesses = _Guesses(facts.workers)
    idle = [at for at, task in enumerate(tasks) if task.worker is None]
    if idle and facts.default_worker is None:
        names = [tasks[at].id for at in idle]
        what = f"nobody does {listed(names)}: no worker is named and there is no default"
        hint = 'add worker = "NAME" to the task, or to [run] in .agent/orch.toml'
        if facts.workers:
            hint += f"; known: {listed(facts.workers)}"
        yield Finding("error", ("task", idle[0]), what, hint)
    for at, task in enumerate(tasks):
        if task.worker is not None and task.worker not in facts.workers:
            what = f"there is no worker '{task.worker}'"
            hint = guesses.hint(task.worker, f"add a table [worker.{task.worker}]")
            yield Finding("error", ("task", at, "worker"), what, hint)
        elif task.worker in facts.judging:
            what = f"worker '{task.worker}' is the run's checker, or the same model and prompt: "
            what += f"it would judge its own work on '{task.id}'"
            others = listed(name for name in facts.workers if name not in facts.judging)
            hint = f"name another worker ({others}), or give the checker a prompt of its own"
            yield Finding("error", ("task", at, "worker"), what, hint)


def _gates(tasks: Iterable[Task], facts: RepositoryFacts) -> Iterator[Finding]:
    guesses = _Guesses(facts.gates)
    for at, task in enumerate(tasks):
        for position, gate in enumerate(task.gates):
            if gate not in facts.gates:
                what = f"there is no gate '{gate}'"
                where = ("task", at, "gates", position)
                yield Finding("error", where, what, guesses.hint(gate))


def _patterns(tasks: Iterable[Task]) -> Iterator[Finding]:
    for at, task in enumerate(tasks):
        for key, patterns in (("paths", task.paths), ("may_change", task.may_change)):
            for position, pattern in enumerate(patterns):
                if (why := pattern_problem(pattern)) is not None:
                    what = f"{pattern!r} is refused: {why}"
                    hint = 'paths start at the repository\'s root: "src/core/**"'
                    yield Finding("error", ("task", at, key, position), what, hint)


class _Guesses:
    """Hints for unknown names, the first few with the nearest known one."""

    def __init__(self, known: Iterable[str]) -> None:
        self.known = tuple(known)
        self.left = GUESSES

    def hint(self, name: str, otherwise: str = "") -> str:
        """What to write instead of an unknown name."""
        self.left -= 1
        if self.left >= 0 and (close := nearest(name, self.known)) is not None:
            return f"did you mean '{close}'?"
        return otherwise or f"known: {listed(self.known)}"


# --- warnings --------------------------------------------------------------------------------


def _judges(facts: RepositoryFacts) -> Iterator[Finding]:
    if not facts.gates:
        what = "no gate judges this plan's work: whatever the workers make would land"
        yield Finding("warning", (), what, "add a [[gate]] to .agent/orch.toml")


def _boundless(tasks: Iterable[Task]) -> Iterator[Finding]:
    found = [(at, task.id) for at, task in enumerate(tasks) if not task.paths]
    if found:
        names = listed(name for _, name in found)
        what = f"without paths a task may change anything, and may collide with others: {names}"
        hint = 'add, for example: paths = ["src/core/**"]'
        yield Finding("warning", ("task", found[0][0]), what, hint)


def _uncovering(tasks: tuple[Task, ...], facts: RepositoryFacts) -> Iterator[Finding]:
    if not facts.files:
        return
    asked = [
        (at, position, pattern)
        for at, task in enumerate(tasks)
        for position, pattern in enumerate(task.paths)
        if pattern_problem(pattern) is None
    ]
    nothing = uncovering({pattern for _, _, pattern in asked}, facts.files)
    for at, position, pattern in asked:
        if pattern in nothing:
            what = f"{pattern!r} covers no file yet: right where '{tasks[at].id}' shall make it"
            yield Finding("warning", ("task", at, "paths", position), what, nothing[pattern])


def _protected(
    tasks: tuple[Task, ...], sound: Sequence[Task], facts: RepositoryFacts
) -> Iterator[Finding]:
    places = {task.id: at for at, task in enumerate(tasks)}
    for task, files in held_files(sound, facts.protected).items():
        named = listed(files, PROTECTED_NAMED)
        what = f"'{task}' would be held if it changed what is protected: {named}"
        leave = ", ".join(json.dumps(escape(path)) for path in files[:PROTECTED_NAMED])
        more = ", ..." if len(files) > PROTECTED_NAMED else ""
        hint = f"where it shall: may_change = [{leave}{more}]; else narrower paths"
        yield Finding("warning", ("task", places[task], "paths"), what, hint)


def _overlapping(tasks: tuple[Task, ...], sound: list[Task]) -> Iterator[Finding]:
    places = {task.id: at for at, task in enumerate(tasks)}
    for group in overlapping_groups(sound):
        mine, theirs = group.example
        shared = f"{mine!r}" if mine == theirs else f"{mine!r} and {theirs!r}"
        rest = [task for task in group.tasks if task not in group.alone]
        if not rest:
            what = f"one after the other, never side by side, run {listed(group.tasks)}"
        elif group.alone:
            alone = listed(task for task in group.tasks if task in group.alone)
            what = f"{alone} cannot run beside any of {listed(rest)}"
        else:
            what = f"some of these cannot run side by side: {listed(group.tasks)}"
        hint = "give them paths of their own to let them run side by side"
        where = ("task", places[group.tasks[0]], "paths")
        yield Finding("warning", where, f"{what}: their paths overlap ({shared})", hint)
