"""What one `[[automation]]` may say, and how a person hears what is wrong in it.

1. It says what is run: a `plan`, a `goal`, or for each item of what (`for_each`), whose goal is
   the automation's name where it says none.
2. A key that would do nothing is refused: `when` without `watch`, a measure that no `until` speaks
   of, a time zone that nothing is told in.
3. It makes no loops of its own: no pattern watches what orch writes, no branch starts what is
   accepted into it.
4. It accepts only where it says so twice: `accept = true`, and the branch by its name.
5. Names are used once, over all files. Your own file may hold automations of your own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ledger.automations import Automation
from ledger.model import Settings
from orchestrator.errors import Problem
from orchestrator.policy.nearest import listed, nearest
from orchestrator.policy.paths import matches
from orchestrator.policy.pattern import parse_pattern, pattern_problem
from orchestrator.policy.until import parse_until
from orchestrator.shape import frozen, repaired, shape_problems
from orchestrator.toml_lines import Document, KeyPath
from worktree.names import target_problem

OWN_FOLDER = ".agent"
WRITTEN = (".agent/state_ledger.json", ".agent/plans/a-plan.toml")
"""What orch itself writes in a checkout, again and again."""

_NEEDS = {
    "prompt": ("for_each",),
    "batch": ("for_each",),
    "by_folder": ("for_each",),
    "max_tasks": ("for_each",),
    "worker": ("goal", "for_each"),
    "when": ("watch",),
    "debounce_s": ("watch",),
    "time_zone": ("schedule", "quiet", "deadline"),
    "max_rounds": ("until",),
    "into": ("accept",),
}
"""Keys that do nothing without one of others."""
_COMMANDS = ("for_each", "only_if")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRANCH = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_./-]*[A-Za-z0-9_-])?")


def automation_problems(
    document: Document, tables: Sequence[Mapping[str, Any]]
) -> Iterator[Problem]:
    """Everything that is wrong in the automations of one file."""
    seen: dict[str, int] = {}
    for position, table in enumerate(tables):
        at: KeyPath = ("automation", position)
        yield from shape_problems(Automation, table, document, at)
        good = repaired(Automation, table)
        for check in (_what, _alone, _when, _until, _then):
            yield from check(document, at, table, good)
        name = table.get("name")
        if isinstance(name, str) and seen.setdefault(name, position) != position:
            first = document.line(("automation", seen[name]))
            what = f"a second automation is called '{name}'; the first is in line {first}"
            yield document.problem((*at, "name"), what, "give it a name of its own")


def commands_in(automation: Automation) -> Iterator[tuple[str, str]]:
    """Its commands, and where each stands, for a person."""
    named = {"for_each": automation.for_each, "only_if": automation.only_if}
    named |= {f"measure.{name}": command for name, command in automation.measure.items()}
    for key, command in named.items():
        if command is not None:
            yield f"{key} of automation '{automation.name}'", command


def automations_of(documents: Iterable[Document]) -> tuple[Automation, ...]:
    """The automations of files that are right on their own."""
    return tuple(
        Automation(**frozen(table))
        for document in documents
        for table in document.data.get("automation", ())
    )


def problems_between_files(documents: Sequence[Document], settings: Settings) -> Iterator[Problem]:
    """What is wrong in automations only beside the rest of the settings."""
    seen: dict[str, Document] = {}
    for document in documents:
        for position, table in enumerate(document.data.get("automation", ())):
            at: KeyPath = ("automation", position)
            name, worker = table["name"], table.get("worker")
            if seen.setdefault(name, document) is not document:
                what = f"an automation of {seen[name].name} is called '{name}' too"
                yield document.problem((*at, "name"), what, "give it a name of its own")
            if worker is not None and worker not in settings.workers:
                close = nearest(worker, settings.workers)
                hint = f"did you mean '{close}'?" if close else f"add a table [worker.{worker}]"
                what = f"there is no worker '{worker}'; known: {listed(settings.workers)}"
                yield document.problem((*at, "worker"), what, hint)


# --- 1. what is run ---------------------------------------------------------------------------


def _what(
    document: Document, at: KeyPath, table: Mapping[str, Any], good: Mapping[str, Any]
) -> Iterator[Problem]:
    if "plan" in table and "goal" in table:
        what = "'plan' and 'goal' are two answers to what is run"
        yield document.problem((*at, "goal"), what, "keep one of the two")
    elif "plan" in table and "for_each" in table:
        what = "'plan' and 'for_each' are two answers to what is run"
        yield document.problem((*at, "for_each"), what, "keep one of the two")
    elif "plan" not in table and "goal" not in table and "for_each" not in table:
        hint = 'add: plan = "NAME", goal = "...", or for_each = "COMMAND"'
        yield document.problem(at, "it says nothing to run", hint)
    for key in ("plan", "goal", "prompt", "base"):
        if isinstance(text := good.get(key), str) and not text.strip():
            yield document.problem((*at, key), f"'{key}' is empty", f'write: {key} = "..."')
    for key in _COMMANDS:
        yield from _command(document, (*at, key), good.get(key))
    goal = good.get("goal")
    if not isinstance(goal, str):
        return
    for word in dict.fromkeys(re.findall(r"\{([a-z_]+)\}", goal)):
        if word == "paths" and not table.get("watch"):
            what = "the goal speaks of {paths}, and nothing is watched"
            yield document.problem((*at, "goal"), what, 'add: watch = ["src/**/*.py"]')
        elif word != "paths" and nearest(word, ("paths",)):
            what = f"the goal has '{{{word}}}', which is nothing to fill in"
            yield document.problem((*at, "goal"), what, "did you mean '{paths}'?")


def _command(document: Document, at: KeyPath, command: Any) -> Iterator[Problem]:
    if not isinstance(command, str):
        return
    if not command.strip():
        yield document.problem(at, f"'{at[-1]}' is empty", "write what sh -c shall run")
    elif "\0" in command:
        yield document.problem(at, f"'{at[-1]}' holds a NUL character")


# --- 2. what would do nothing -----------------------------------------------------------------


def _alone(
    document: Document, at: KeyPath, table: Mapping[str, Any], good: Mapping[str, Any]
) -> Iterator[Problem]:
    for key, needed in _NEEDS.items():
        if key in table and not any(table.get(one) for one in needed):
            words = " or ".join(f"'{one}'" for one in needed)
            hint = f"add {words}, or take '{key}' out"
            yield document.problem((*at, key), f"'{key}' does nothing without {words}", hint)


# --- 3. when ----------------------------------------------------------------------------------


def _when(
    document: Document, at: KeyPath, table: Mapping[str, Any], good: Mapping[str, Any]
) -> Iterator[Problem]:
    from orchestrator.automations.times import cron_problem, hours_problem, zone_problem

    if (line := good.get("schedule")) is not None and (why := cron_problem(line)) is not None:
        hint = 'minute, hour, day, month, weekday: schedule = "0 2 * * *" is each night at two'
        yield document.problem((*at, "schedule"), f"'schedule': {line!r}: {why}", hint)
    if (zone := good.get("time_zone")) is not None and (why := zone_problem(zone)) is not None:
        what, _, hint = why.partition("; ")
        yield document.problem((*at, "time_zone"), f"'time_zone': {what}", hint)
    for position, span in enumerate(good.get("quiet", ())):
        if (why := hours_problem(span)) is not None:
            where, (what, _, hint) = (*at, "quiet", position), why.partition("; ")
            yield document.problem(where, f"'quiet': {what}", hint)
    for position, pattern in enumerate(good.get("watch", ())):
        if problem := _watched(pattern):
            yield document.problem((*at, "watch", position), *problem)
    if "watch" in table and good.get("watch") == ():
        yield document.problem((*at, "watch"), "'watch' is empty", 'write: watch = ["src/**/*.py"]')
    branch = good.get("branch")
    if branch is not None:
        yield from _branch(document, (*at, "branch"), branch)
        if good.get("accept") and good.get("into") == branch:
            what = f"each result that is accepted into '{branch}' would start the next run"
            yield document.problem((*at, "branch"), what, "accept into another branch")
    variable = good.get("webhook")
    if variable is not None and not _VARIABLE.fullmatch(variable):
        what = f"'webhook': {variable!r} is no name of a variable"
        hint = "the secret itself belongs into no file: export ORCH_HOOK_SECRET=..., and write"
        yield document.problem((*at, "webhook"), what, f'{hint} webhook = "ORCH_HOOK_SECRET"')


def _watched(pattern: str) -> tuple[str, str] | None:
    """What is wrong with a pattern to watch, and what to write; None: nothing."""
    if pattern.startswith("/"):
        what = f"'watch': {pattern!r} begins with a slash; nothing outside the checkout is watched"
        return what, f'from the top of the checkout: "{pattern.lstrip("/")}"'
    if any(part.lower() == ".git" for part in pattern.split("/")):
        # What is wrong with it for a task, whose pattern says what it may change, is another thing.
        what = f"'watch': {pattern!r} lies in .git, where git and orch write all the time"
        return what, 'a branch\'s new commits start it by: branch = "main"'
    if (why := pattern_problem(pattern)) is not None:
        return f"'watch': {pattern!r} is refused: {why}", ""
    parsed = parse_pattern(pattern)
    hint = 'name the folders that matter: watch = ["src/**/*.py"]'
    if parsed.prefix[:1] == (OWN_FOLDER,):
        what = f"'watch': {pattern!r} lies in {OWN_FOLDER}, where orch itself writes"
        return f"{what}: each run would start the next", hint
    if found := next((one for one in WRITTEN if matches((pattern,), one)), None):
        what = f"'watch': {pattern!r} matches {found}, which orch itself writes"
        return f"{what}: each run would start the next", hint
    return None


def _branch(document: Document, at: KeyPath, name: str) -> Iterator[Problem]:
    key = at[-1]
    if why := target_problem(name):
        what = f"'{key}': {name!r} {why}"
        yield document.problem(at, what, f'a branch of your own, by its name: {key} = "main"')
    elif not _BRANCH.fullmatch(name):
        yield document.problem(
            at, f"'{key}': {name!r} is no name of a branch", f'write: {key} = "main"'
        )


# --- 4. until when, and what then -------------------------------------------------------------


def _until(
    document: Document, at: KeyPath, table: Mapping[str, Any], good: Mapping[str, Any]
) -> Iterator[Problem]:
    measures: Mapping[str, str] = good.get("measure", {})
    for name, command in measures.items():
        yield from _command(document, (*at, "measure", name), command)
    text = good.get("until")
    until = parse_until(text) if isinstance(text, str) else None
    if isinstance(text, str) and until is None:
        what = f"'until': {text!r} is no comparison of a measure with a number"
        hint = 'a measure, one of >= <= > < ==, a number: until = "coverage >= 90"'
        yield document.problem((*at, "until"), what, hint)
    elif until is not None and until.measure not in measures and "measure" in good:
        close = nearest(until.measure, measures)
        hint = f"did you mean '{close}'?" if close else f'add: measure.{until.measure} = "COMMAND"'
        what = f"'until': there is no measure '{until.measure}'; known: {listed(measures)}"
        yield document.problem((*at, "until"), what, hint)
    elif until is not None and "measure" not in table:
        what = f"'until' speaks of '{until.measure}', and nothing says how it is measured"
        hint = f'add: measure.{until.measure} = "COMMAND"'
        yield document.problem((*at, "until"), what, hint)
    elif until is not None or (text is None and measures):
        for name in measures:
            if until is None or name != until.measure:
                what = f"'measure.{name}' is never measured: no 'until' speaks of it"
                hint = f'add until = "{name} >= 90", or take it out'
                yield document.problem((*at, "measure", name), what, hint)


def _then(
    document: Document, at: KeyPath, table: Mapping[str, Any], good: Mapping[str, Any]
) -> Iterator[Problem]:
    from orchestrator.automations.times import clock_problem

    deadline = good.get("deadline")
    if deadline is not None and (why := clock_problem(deadline)) is not None:
        what, _, hint = why.partition("; ")
        yield document.problem((*at, "deadline"), f"'deadline': {what}", hint)
    if good.get("accept") and "into" not in table:
        what = "'accept' does not say into which branch"
        yield document.problem((*at, "accept"), what, 'name it: into = "main"')
    if (into := good.get("into")) is not None:
        yield from _branch(document, (*at, "into"), into)
