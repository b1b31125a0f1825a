"""Plans as files: `.agent/plans/NAME.toml`, which people read and edit.

1. What a file says is a plan, or every problem at once with its line.
2. A plan that orch makes gets a name of its own from its goal; no file is ever overwritten.
3. Where a plan in a file is changed, what stays the same stays as it was written, comments too.
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.model import Plan, Task, Value
from orchestrator.errors import OrchError, Problem, Problems, in_file_order
from orchestrator.planning.plan_text import render_plan
from orchestrator.policy.nearest import nearest
from orchestrator.review.words import headline
from orchestrator.shape import repaired, shape_problems, type_in_words, unknown_key
from orchestrator.toml_lines import Document, load_document

PLANS_FOLDER = ".agent/plans"
KEYS = ("goal", "base", "task")
LONGEST_NAME = 48
MOST_TASKS = 20_000
"""Twice what has been tried; a file of a million would keep a person waiting for minutes."""
_NAMES = frozenset({"string_pattern_mismatch"})
"""Illegal ids: the rules of plans tell them, beside all else that they know."""


class _Head(Value):
    goal: str
    base: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What could be read of a plan, for the rules to look at, and what could not."""

    plan: Plan
    """Its fields have the right types; its ids may be illegal, its list of tasks empty."""
    problems: tuple[Problem, ...]


def read_plan(path: Path, name: str | None = None) -> Plan:
    """The plan in a file; Problems where it is none. Rules between tasks are not looked at."""
    document = load_document(path, name or str(path))
    draft = draft_plan(document, leave_names=False)
    if draft.problems:
        raise Problems(draft.problems)
    return Plan(goal=draft.plan.goal, base=draft.plan.base, tasks=draft.plan.tasks)


def draft_plan(document: Document, *, leave_names: bool = True) -> Draft:
    """As much of a plan as a document holds."""
    leave = _NAMES if leave_names else frozenset[str]()
    data = document.data
    problems = [
        document.problem((key,), *unknown_key(key, KEYS)) for key in data if key not in KEYS
    ]
    head: dict[str, Any] = {key: data[key] for key in ("goal", "base") if key in data}
    problems += shape_problems(_Head, head, document, ())
    tables = data.get("task", [])
    if not isinstance(tables, list):
        what = f"'task' is {type_in_words(tables)}, not a list of tables"
        problems.append(document.problem(("task",), what, "write [[task]], with two brackets"))
        tables = []
    elif len(tables) > MOST_TASKS:
        what = f"the plan has {len(tables)} tasks; at most {MOST_TASKS} are read"
        problems.append(Problem(document.name, None, what, "make it several plans"))
        tables = []
    elif not tables:
        problems.append(Problem(document.name, None, "the plan has no task", "add a [[task]]"))
    tasks: list[Task] = []
    for at, table in enumerate(tables):
        if isinstance(table, dict):
            problems += shape_problems(Task, table, document, ("task", at), leave=leave)
            tasks.append(_draft_task(table, at))
        else:
            what = f"task {at + 1} is {type_in_words(table)}"
            problems.append(document.problem(("task", at), what, "write a table: [[task]]"))
    good = repaired(_Head, head)
    plan = Plan.model_construct(
        goal=good.get("goal", "?"), base=good.get("base"), tasks=tuple(tasks)
    )
    return Draft(plan, in_file_order(problems))


def _draft_task(table: dict[str, Any], at: int) -> Task:
    # what is missing is told already; a stand-in keeps the rules from telling it again
    good = {"id": f"task-{at + 1}", "prompt": "?"} | repaired(Task, table, leave=_NAMES)
    return Task.model_construct(**{key: good[key] for key in Task.model_fields if key in good})


# --- names and places ------------------------------------------------------------------------


def slug(text: str, longest: int = LONGEST_NAME) -> str:
    """Small letters, digits and single hyphens out of any text; `` where none are in it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    short = "-".join(words)
    if len(short) <= longest:
        return short
    return short[: longest + 1].rsplit("-", 1)[0][:longest].strip("-")


def newest_plan(folder: Path) -> Path | None:
    """The plan file that was written last, or None."""
    found = [path for path in folder.glob("*.toml") if path.is_file()]
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def find_plan(checkout: Path, named: str | None) -> Path:
    """The plan file that a person means: a path, a plan's name, or (None) the newest."""
    folder = checkout / PLANS_FOLDER
    if named is None:
        if (path := newest_plan(folder)) is None:
            raise OrchError(f"no plan in {PLANS_FOLDER}", hint='orch plan "GOAL"')
        return path
    for path in (Path(named), folder / named, folder / f"{named}.toml"):
        if path.is_file():
            return path
    names = sorted(path.stem for path in folder.glob("*.toml"))
    close = nearest(Path(named).stem, names)
    hint = f"did you mean '{close}'?" if close else 'orch plan "GOAL" makes one'
    raise OrchError(f"there is no plan '{named}'", hint=hint)


def save_plan(folder: Path, plan: Plan, comments: Sequence[str] = ()) -> Path:
    """Write a plan under a free name made from its goal; returns the file."""
    text = render_plan(plan, comments)
    folder.mkdir(parents=True, exist_ok=True)
    name = slug(headline(plan.goal)) or "plan"
    count = 1
    while True:
        path = folder / (f"{name}.toml" if count == 1 else f"{name}-{count}.toml")
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except FileExistsError:
            count += 1
        else:
            return path


def replace_plan(path: Path, text: str) -> None:
    """Give the file of a plan a new content, whole or not at all."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=".plan-", delete=False
    ) as file:
        file.write(text)
    made = Path(file.name)
    try:
        made.chmod(path.stat().st_mode & 0o777)
        made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
