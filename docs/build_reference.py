"""The reference page of the events, made from the facts themselves.

    python docs/build_reference.py [--write]

prints it, or writes it to docs/reference/events.md. A test holds the page to the code.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "events.md"
VALUES = (
    *("Verdict", "TestCount", "HeadRef", "Refusal", "Finding", "Tokens"),
    *("Shortage", "CheckerFinding"),
    *("Limits", "Identity", "Estimates", "Guidance", "GuideText", "Skill", "SkillFile"),
    "Trigger",
)
"""What several facts hold, told once at the end of the page."""
ELSEWHERE = {
    "Plan": "files.md#plans",
    "Settings": "files.md#settings",
    "Automation": "files.md#automation",
}
WORDS = {
    "str": "text",
    "RunId": "text",
    "TaskId": "text",
    "Sha": "object id",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
}

HEAD = """\
# Events

This page is made from the code (`python docs/build_reference.py --write`).

The ledger of a run is a list of events, each with a number (`seq`) and a time (`at`, seconds since
the epoch). They are never changed or taken back. `orch ledger events` lists them; with `--json`,
and from `orch run --json`, each is one line, here folded:

```json
{"run": "20261122-types-a1", "seq": 7, "at": 1795330822.8, "event": "Landed",
 "body": {"candidate": 1}}
```

Below *Automations* are the facts of automations: each has a list of its own, beside those of the
runs that it starts. `orch schedule status` tells what they come to.

A field that has its default is left out of `body`. What is marked *person* may be recorded by a
command of yours while an engine runs.
"""


@dataclass
class Shape:
    """A class as its source tells it."""

    name: str
    doc: str
    fields: list[tuple[str, ast.expr, str, str]] = field(default_factory=list)
    """Name, type, default as written, meaning."""


@dataclass
class Sources:
    """All classes and named types of the modules, and the sections that facts are in."""

    shapes: dict[str, Shape] = field(default_factory=dict)
    types: dict[str, ast.expr] = field(default_factory=dict)
    notes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Comments on the members of a named type."""
    sections: list[tuple[str, list[str]]] = field(default_factory=list)
    people: tuple[str, ...] = ()


def read_sources() -> Sources:
    """What the nouns, the facts and their union say."""
    found = Sources()
    kinds = ("run", "attempts", "models", "servers", "queue", "persons", "forges")
    facts = [f"facts/{name}.py" for name in kinds]
    nouns = ("value.py", "connectors.py", "model.py", "guidance.py")
    for name in (*nouns, "facts/base.py", *facts, "heartbeat.py", "events.py"):
        text = (ROOT / "ledger" / name).read_text("utf-8")
        _read_module(text, found)
    return found


def _read_module(text: str, found: Sources) -> None:
    lines = text.splitlines()
    titles = {
        number: match[1]
        for number, line in enumerate(lines, 1)
        if (match := re.fullmatch(r"# --- (.+?) -+", line))
    }
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            found.shapes[node.name] = shape = _shape(node)
            if any(isinstance(base, ast.Name) and base.id == "Fact" for base in node.bases):
                title = titles[max(number for number in titles if number < node.lineno)]
                if not found.sections or found.sections[-1][0] != title:
                    found.sections.append((title, []))
                found.sections[-1][1].append(shape.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name == "PERSON_FACTS":
                found.people = tuple(ast.unparse(node.value).strip("()").split(", "))
            elif isinstance(node.value, ast.Subscript):
                found.types[name] = node.value
                found.notes[name] = _notes(lines[node.lineno : node.end_lineno])


def _shape(node: ast.ClassDef) -> Shape:
    shape = Shape(node.name, ast.get_docstring(node) or "")
    for at, one in enumerate(node.body):
        if not isinstance(one, ast.AnnAssign) or not isinstance(one.target, ast.Name):
            continue
        if one.target.id in ("kind", "version") or one.target.id.startswith("_"):
            continue
        after = node.body[at + 1] if at + 1 < len(node.body) else None
        said = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            said = " ".join(str(after.value.value).split())
        default = ast.unparse(one.value) if one.value is not None else ""
        shape.fields.append((one.target.id, one.annotation, default, said))
    return shape


def _notes(lines: list[str]) -> dict[str, str]:
    """`"worker",  # it exited with an error`: the member and the comment."""
    found = (re.match(r'\s*"([\w-]+)",\s*(?:# (.*))?$', line) for line in lines)
    return {match[1]: match[2] for match in found if match and match[2]}


# --- the page ---------------------------------------------------------------------------------


def render_page() -> str:
    """The whole page."""
    found = read_sources()
    parts = [HEAD]
    for title, names in found.sections:
        parts.append(f"## {title[0].upper()}{title[1:]}\n")
        for name in names:
            person = " *(person)*" if name in found.people else ""
            parts.append(f"### {name}\n\n{found.shapes[name].doc}{person}\n")
            parts += _table(found.shapes[name], found)
    parts.append("## Values\n")
    for name in VALUES:
        parts.append(f"### {name}\n\n{found.shapes[name].doc}\n")
        parts += _table(found.shapes[name], found)
    parts.append("### Cause\n\nWhy an attempt failed, or a head was sent back.\n")
    rows = [f"| `{cause}` | {why} |" for cause, why in _causes(found)]
    parts.append("\n".join(["| cause | meaning |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _causes(found: Sources) -> Iterator[tuple[str, str]]:
    notes = found.notes["Cause"]
    for member in _members(found.types["Cause"]):
        yield member, notes.get(member, "its working time was used up")


def _table(shape: Shape, found: Sources) -> Iterator[str]:
    if not shape.fields:
        return
    rows = ["| field | type | meaning |", "|---|---|---|"]
    for name, annotation, default, said in shape.fields:
        usual = f" (default {_default(default)})" if _default(default) else ""
        rows.append(f"| `{name}` | {_type(annotation, found)}{usual} | {_cell(said)} |")
    yield "\n".join(rows) + "\n"


def _default(text: str) -> str:
    """Worth telling: a number, a text, yes or no; what is empty goes without saying."""
    if not re.fullmatch(r"-?[\d.]+|True|False|'[^']+'", text) or text in ("0", "0.0", "False"):
        return ""
    return f"`{text.strip(chr(39)).lower() if text in ('True', 'False') else text.strip(chr(39))}`"


def _type(node: ast.expr, found: Sources) -> str:
    match node:
        case ast.BinOp(op=ast.BitOr()):
            return _type(node.left, found)  # `X | None`: absent where it is None
        case ast.Subscript(value=ast.Name(id="Literal")):
            return ", ".join(f"`{member}`" for member in _members(node))
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[first, *_])):
            return f"list of {_type(first, found)}"
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[_, value])):
            return f"table of {_type(value, found)}"
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[first, *_])):
            return _type(first, found)
        case ast.Name(id=name) if name in WORDS:
            return WORDS[name]
        case ast.Name(id="Cause"):
            return "[cause](#cause)"
        case ast.Name(id=name) if name in found.types:
            return _type(found.types[name], found)
        case ast.Name(id=name) if name in ELSEWHERE:
            return f"[{name}]({ELSEWHERE[name]})"
        case ast.Name(id=name) if name in VALUES:
            return f"[{name}](#{name.lower()})"
        case _:
            raise ValueError(f"no words for the type {ast.unparse(node)}")


def _members(node: ast.expr) -> list[str]:
    assert isinstance(node, ast.Subscript)
    elements = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return [str(one.value) for one in elements if isinstance(one, ast.Constant)]


def _cell(text: str) -> str:
    return text.replace("None:", "Absent:").replace("|", "\\|")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(render_page(), "utf-8")
    else:
        sys.stdout.write(render_page())
