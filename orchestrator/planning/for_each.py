"""A plan without any model: the items of a command, grouped into tasks.

1. Items of one path belong together, and so do those of a folder and what lies below it: each
   such bundle is in one task, so that no two tasks have a path in common.
2. `batch` is how many bundles a task takes at most; `by_folder` keeps the files of a folder
   in tasks of their own. `most_tasks` is a ceiling over both: where there would be more,
   neighbours are put together, evenly.
3. A task's paths are its items' paths and nothing beside them, as literal names.
4. Ids are made from the folder or file, legal and each used once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ledger.model import Plan, Task
from orchestrator.errors import OrchError
from orchestrator.planning.items import Item
from orchestrator.planning.plan_file import slug
from orchestrator.policy.nearest import nearest
from orchestrator.policy.pattern import escape

PLACEHOLDERS = ("items", "paths", "goal")
DEFAULT_PROMPT = "{goal}\n\nOnly in these:\n{items}"
LONGEST_ID = 56


@dataclass(frozen=True, slots=True)
class Grouping:
    """How items become tasks."""

    batch: int | None = None
    """Items a task; absent: one, or with `by_folder` all of a folder."""
    by_folder: bool = False
    most_tasks: int | None = None


@dataclass(frozen=True, slots=True)
class _Bundle:
    """Items that cannot be in different tasks; `path` covers all of theirs."""

    path: str
    items: tuple[Item, ...]


def plan_for_each(
    goal: str,
    items: Sequence[Item],
    grouping: Grouping,
    *,
    prompt: str | None = None,
    worker: str | None = None,
    base: str | None = None,
) -> Plan:
    """The plan that gives each group of items to a task."""
    template = DEFAULT_PROMPT if prompt is None else prompt
    _refuse_unusable(goal, items, grouping, template)
    ids = _Ids()
    tasks = []
    for group in _groups(_bundles(items), grouping):
        own = [item for bundle in group for item in bundle.items]
        label = _label(group, grouping.by_folder)
        tasks.append(
            Task(
                id=ids.free(label),
                title=_title(label, group),
                prompt=fill_prompt(template, goal, own),
                paths=tuple(escape(bundle.path) for bundle in group),
                worker=worker,
            )
        )
    return Plan(goal=goal, base=base, tasks=tuple(tasks))


def fill_prompt(template: str, goal: str, items: Sequence[Item]) -> str:
    """The prompt with `{items}`, `{paths}` and `{goal}` filled in; other braces stay."""
    values = {
        "goal": goal,
        "paths": "\n".join(dict.fromkeys(item.path for item in items)),
        "items": "\n".join(f"{i.path}\t{i.text}" if i.text else i.path for i in items),
    }
    # in one pass, so that braces in an item's text are not filled in turn
    return re.sub(r"\{(items|paths|goal)\}", lambda found: values[found[1]], template)


def _refuse_unusable(goal: str, items: Sequence[Item], grouping: Grouping, template: str) -> None:
    if not goal.strip():
        raise OrchError("the goal is empty", hint='orch plan "GOAL" --for-each COMMAND')
    if not items:
        raise OrchError("--for-each: no items", hint="let the command print a path a line")
    for name, value in (("--batch", grouping.batch), ("--max-tasks", grouping.most_tasks)):
        if value is not None and value < 1:
            raise OrchError(f"{name} must be at least 1, not {value}", hint=f"{name} 10")
    if not template.strip():
        raise OrchError("the prompt is empty", hint=f'--prompt "{DEFAULT_PROMPT.splitlines()[0]}"')
    for found in re.finditer(r"\{([a-z_]+)\}", template):
        close = nearest(found[1], PLACEHOLDERS)
        if close is not None and found[1] not in PLACEHOLDERS:
            what = f"the prompt has '{{{found[1]}}}', which is nothing to fill in"
            raise OrchError(what, hint=f"did you mean '{{{close}}}'?")


# --- grouping --------------------------------------------------------------------------------


def _bundles(items: Iterable[Item]) -> list[_Bundle]:
    """In the order of paths, folder by folder, what lies below an item's path with it."""
    by_path: dict[str, list[Item]] = {}
    for item in items:
        by_path.setdefault(item.path, []).append(item)
    found: list[tuple[tuple[str, ...], list[Item]]] = []
    for path in sorted(by_path, key=lambda path: path.split("/")):
        names = tuple(path.split("/"))
        if found and names[: len(found[-1][0])] == found[-1][0]:
            found[-1][1].extend(by_path[path])
        else:
            found.append((names, list(by_path[path])))
    return [_Bundle("/".join(names), tuple(own)) for names, own in found]


def _groups(bundles: list[_Bundle], grouping: Grouping) -> list[list[_Bundle]]:
    folders: list[list[_Bundle]]
    if grouping.by_folder:
        by_folder: dict[str, list[_Bundle]] = {}
        for bundle in bundles:
            by_folder.setdefault(_folder(bundle.path), []).append(bundle)
        folders = list(by_folder.values())
        size = grouping.batch or len(bundles)
    else:
        folders = [bundles]
        size = grouping.batch or 1
    groups = [own[at : at + size] for own in folders for at in range(0, len(own), size)]
    if grouping.most_tasks is None or len(groups) <= grouping.most_tasks:
        return groups
    return list(_together(groups, grouping.most_tasks))


def _together(groups: list[list[_Bundle]], most: int) -> Iterator[list[_Bundle]]:
    """Neighbouring groups put together, at most `most` and about equally large."""
    total = sum(len(group) for group in groups)
    before = 0
    share = -1
    together: list[_Bundle] = []
    for group in groups:
        # the middle of a group says whose share it falls into
        mine = (2 * before + len(group)) * most // (2 * total)
        if together and mine != share:
            yield together
            together = []
        share = mine
        together = [*together, *group]
        before += len(group)
    yield together


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


# --- names -----------------------------------------------------------------------------------


def _label(group: Sequence[_Bundle], by_folder: bool) -> str:
    """The file of a single item, else the folder that holds them all; `` for the root."""
    if len(group) == 1 and not by_folder:
        return group[0].path
    parents = [PurePosixPath(bundle.path).parent.parts for bundle in group]
    first, last = min(parents), max(parents)
    common = 0
    while common < min(len(first), len(last)) and first[common] == last[common]:
        common += 1
    return "/".join(first[:common])


def _title(label: str, group: Sequence[_Bundle]) -> str:
    where = label or "the root"
    return where if len(group) == 1 else f"{where} ({len(group)} items)"


class _Ids:
    """Ids that are legal, and each given once."""

    def __init__(self) -> None:
        self.given: set[str] = set()
        self.next: dict[str, int] = {}

    def free(self, label: str) -> str:
        """An id that says what `label` says; its end says most, so its beginning is cut."""
        stem = re.sub(r"(?<=[^/])\.[^./]+$", "", label)
        words = slug(stem, 10_000) or "items"
        while len(words) > LONGEST_ID:
            _, hyphen, rest = words.partition("-")
            words = rest if hyphen else words[:LONGEST_ID]
        count = self.next.get(words, 1)
        name = words
        while count > 1 or name in self.given:
            name = words if count == 1 else f"{words}-{count}"
            if name not in self.given:
                break
            count += 1
        self.next[words] = count + 1
        self.given.add(name)
        return name
