"""A plan as TOML text for people, and a plan's changes within a text that people have edited. Pure.

1. What is rendered reads back as the same plan.
2. A prompt is written over several lines and as plainly as TOML allows.
3. In a text that is changed, tasks are told by their ids: a changed field is replaced, a new
   task goes to the end, a task that is gone takes its lines with it; all else stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ledger.model import Plan, Task

if TYPE_CHECKING:
    from tomlkit.items import Item

WIDTH = 96
EXPLANATION = """\
# A plan of orch, to be read and edited: orch plan --check FILE says what is wrong with it,
# orch run FILE carries it out. What a [[task]] may say beside its id and its prompt:
#   title       one line for lists and commits
#   needs       ids of tasks that must have landed before it starts
#   paths       what it may change: git wildmatch from the root, a folder covers all below it;
#               tasks whose paths overlap never run side by side; without it, anything
#   may_change  protected paths that it may change after all
#   worker      who does it, if not the default worker
#   gates       gates that judge it beside the run's own, by name
#   mcp         the only MCP servers whose tools it is given; without it, all of its worker's
"""


def render_plan(plan: Plan, comments: Sequence[str] = ()) -> str:
    """The whole text of a plan file; `comments` are lines of its own for its head."""
    head = "".join(f"#{' ' if line else ''}{line}\n" for line in _plain_lines(comments))
    lines = [f"{head}\n{EXPLANATION}" if head else EXPLANATION, f"goal = {toml_text(plan.goal)}"]
    if plan.base is not None:
        lines.append(f"base = {toml_text(plan.base)}")
    for task in plan.tasks:
        lines += ["", "[[task]]", *_task_lines(task)]
    return "\n".join(lines) + "\n"


def _plain_lines(comments: Sequence[str]) -> list[str]:
    """Comment lines without what TOML forbids in comments."""
    split = [line for comment in comments for line in comment.splitlines() or [""]]
    return [re.sub(r"[^\t\x20-\x7e\x80-\U0010ffff]", " ", line).rstrip() for line in split]


def _task_lines(task: Task) -> list[str]:
    lines: list[str] = []
    for key, value in _fields(task).items():
        if key == "prompt":
            lines.append(f"prompt = {_prose(value)}")
        else:
            lines.append(
                f"{key} = {toml_list(value) if isinstance(value, list) else toml_text(value)}"
            )
    return lines


def _fields(task: Task) -> dict[str, Any]:
    """What a task says, without what it leaves out."""
    values = task.model_dump()
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in values.items()
        if key == "prompt" or value not in ("", (), None) or (key == "mcp" and value == ())
    }


def toml_text(value: str) -> str:
    # JSON's strings are TOML's basic strings, but for DEL, which TOML wants escaped
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_list(values: Sequence[str]) -> str:
    line = f"[{', '.join(toml_text(value) for value in values)}]"
    if len(line) <= WIDTH:
        return line
    return "[\n" + "".join(f"    {toml_text(value)},\n" for value in values) + "]"


def _prose(value: str) -> str:
    """A text over several lines, escaped only where it must be."""
    odd = re.search(r"[\x00-\x08\x0b-\x1f\x7f]", value)
    if "\\" in value and "'''" not in value and not value.endswith("'") and not odd:
        return f"'''\n{value}'''"
    escaped = "\n".join(toml_text(line)[1:-1].replace('\\"', '"') for line in value.split("\n"))
    if '"""' in escaped or escaped.endswith('"') or "\n" not in value:
        return toml_text(value) if len(value) <= WIDTH else _escaped_prose(value)
    return f'"""\n{escaped}"""'


def _escaped_prose(value: str) -> str:
    return '"""\n' + "\n".join(toml_text(line)[1:-1] for line in value.split("\n")) + '"""'


# --- changing a text -------------------------------------------------------------------------


def change_plan_text(text: str, plan: Plan) -> str:
    """The text of a plan file changed so that it says this plan; comments stay."""
    import tomlkit
    from tomlkit.items import AoT, Table

    document = tomlkit.parse(text)
    for key in ("goal", "base"):
        value = getattr(plan, key)
        if value is None:
            document.pop(key, None)
        elif document.get(key) != value:
            document[key] = value
    listed = document.get("task")
    tables = listed if isinstance(listed, AoT) else tomlkit.aot()
    wanted = {task.id: task for task in plan.tasks}
    for at in range(len(tables) - 1, -1, -1):
        if tables[at].get("id") not in wanted:
            del tables[at]
    present: set[str] = set()
    for table in tables:
        task = wanted[str(table["id"])]
        present.add(task.id)
        fields = _fields(task)
        for key in [key for key in table if key not in fields]:
            del table[key]
        for key, value in fields.items():
            if table.get(key) != value:
                table[key] = _item(key, value)
    for task in plan.tasks:
        if task.id not in present:
            added: Table = tomlkit.table()
            for key, value in _fields(task).items():
                added.add(key, _item(key, value))
            tables.append(added)
    if listed is None:
        document["task"] = tables
    return tomlkit.dumps(document)


def _item(key: str, value: Any) -> Item:
    """A value written as `render_plan` writes it."""
    from tomlkit import value as parsed

    written = toml_list(value) if isinstance(value, list) else toml_text(value)
    return parsed(_prose(value) if key == "prompt" else written)
