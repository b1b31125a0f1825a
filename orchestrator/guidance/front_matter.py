"""A SKILL.md by the Agent Skills standard (agentskills.io): its front matter, and what is wrong.

1. It begins with YAML between two lines of `---`; what follows is the body, for the agent.
2. `name` (1-64 of a-z, 0-9 and single hyphens inside) is the name of its folder; `description`
   has 1-1024 characters; `compatibility` at most 500; `license` is a text; `metadata` maps texts
   to texts; `allowed-tools` lists tools, separated by spaces.
3. Values are texts as they are written: `no` is no truth value and `1.10` no number.
4. Everything that is wrong is told at once, with its line. What the standard does not know is
   told, and kept out of nothing: other programs have fields of their own.
5. YAML is read by PyYAML's composer, which makes nodes with lines and never an object. What it
   reads is bounded first, since it copies nothing but recurses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ledger.guidance import SKILL_FILE, SKILL_NAME, SKILL_NAME_CHARS
from orchestrator.errors import Problem

FRONT_CHARS = 16_000
DESCRIPTION_CHARS = 1024
COMPATIBILITY_CHARS = 500
METADATA_AT_MOST = 50
KNOWN = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
REQUIRED = ("name", "description")


@dataclass(frozen=True)
class FrontMatter:
    """What a SKILL.md says of itself."""

    name: str = ""
    description: str = ""
    license: str = ""
    compatibility: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    allowed_tools: tuple[str, ...] = ()
    body_line: int = 1


@dataclass(frozen=True)
class _Entry:
    """One field: its line, and a text, a map of texts, or what else it is."""

    line: int
    text: str | None
    pairs: tuple[tuple[str, str | None, int], ...] | None = None
    items: tuple[str, ...] | None = None


def parse_skill(text: str, file: str, folder: str) -> tuple[FrontMatter, tuple[Problem, ...]]:
    """What a SKILL.md in a folder of that name says, and all that is wrong with it."""
    lines = text.removeprefix("\ufeff").splitlines()
    end = _end_of_front(lines)
    if end is None:
        what = "it does not begin with front matter between two lines of ---"
        hint = f"begin {SKILL_FILE} with: ---, name: {folder}, description: ..., ---"
        return FrontMatter(), (Problem(file, 1, what, hint),)
    front = "\n".join(lines[1:end])
    if len(front) > FRONT_CHARS:
        what = f"its front matter has {len(front)} characters; at most {FRONT_CHARS} are read"
        return FrontMatter(), (Problem(file, 1, what, "move the text below the second ---"),)
    problems: list[Problem] = []
    entries: dict[str, _Entry] = {}
    for name, entry in _fields(front, file, problems):
        if name in entries:
            problems.append(Problem(file, entry.line, f"'{name}' is there twice"))
        entries.setdefault(name, entry)
    found = _Reading(file, folder, entries, problems).read(end + 2)
    if not any(line.strip() for line in lines[end + 1 :]):
        what = "it has no instructions below its front matter"
        problems.append(Problem(file, end + 1, what, level="warning"))
    return found, tuple(sorted(problems, key=lambda one: one.line or 0))


def body_of(text: str, body_line: int) -> str:
    """The instructions of a SKILL.md, without its front matter."""
    return "\n".join(text.removeprefix("\ufeff").splitlines()[body_line - 1 :]).strip("\n") + "\n"


def _end_of_front(lines: list[str]) -> int | None:
    if not lines or lines[0].rstrip() != "---":
        return None
    return next((at for at, line in enumerate(lines) if at and line.rstrip() == "---"), None)


def _fields(front: str, file: str, problems: list[Problem]) -> Iterator[tuple[str, _Entry]]:
    import yaml  # late: most runs have no skill

    try:
        root: Any = yaml.compose(front, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 2
        why = str(getattr(error, "problem", "") or "it cannot be read")
        hint = "put quotes around a text that holds ': ' or begins with a special character"
        problems.append(Problem(file, line, f"its front matter is no YAML: {why}", hint))
        return
    except RecursionError:
        problems.append(Problem(file, 2, "its front matter is nested too deeply"))
        return
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        problems.append(Problem(file, 2, "its front matter is no list of `field: value`"))
        return
    for key, value in root.value:
        line = key.start_mark.line + 2
        if not isinstance(key, yaml.ScalarNode):
            problems.append(Problem(file, line, "a field's name is no text"))
            continue
        yield key.value, _entry(value, line)


def _entry(value: Any, line: int) -> _Entry:
    import yaml

    if isinstance(value, yaml.ScalarNode):
        return _Entry(line, value.value)
    if isinstance(value, yaml.MappingNode):
        pairs = tuple(
            (
                key.value if isinstance(key, yaml.ScalarNode) else "",
                one.value if isinstance(one, yaml.ScalarNode) else None,
                key.start_mark.line + 2,
            )
            for key, one in value.value
        )
        return _Entry(line, None, pairs=pairs)
    items = tuple(one.value for one in value.value if isinstance(one, yaml.ScalarNode))
    return _Entry(line, None, items=items)


@dataclass
class _Reading:
    """One front matter, read field by field."""

    file: str
    folder: str
    entries: dict[str, _Entry]
    problems: list[Problem]

    def read(self, body_line: int) -> FrontMatter:
        for name in self.entries:
            if name not in KNOWN:
                self.say(name, f"'{name}' is no field of the standard", level="warning")
        if not self.problems or self.entries:
            for name in REQUIRED:
                if name not in self.entries:
                    self.problems.append(Problem(self.file, 1, f"'{name}' is missing"))
        return FrontMatter(
            name=self.name(),
            description=self.text("description", DESCRIPTION_CHARS),
            license=self.text("license", COMPATIBILITY_CHARS),
            compatibility=self.text("compatibility", COMPATIBILITY_CHARS),
            metadata=self.metadata(),
            allowed_tools=self.tools(),
            body_line=body_line,
        )

    def say(self, name: str, what: str, hint: str = "", **more: Any) -> None:
        self.problems.append(Problem(self.file, self.entries[name].line, what, hint, **more))

    def text(self, name: str, limit: int) -> str:
        entry = self.entries.get(name)
        if entry is None:
            return ""
        if entry.text is None:
            self.say(name, f"'{name}' is no text")
            return ""
        text = entry.text.strip()
        if not text:
            self.say(name, f"'{name}' is empty")
        elif len(text) > limit:
            self.say(name, f"'{name}' has {len(text)} characters; at most {limit} are allowed")
        return text

    def name(self) -> str:
        if "name" not in self.entries:
            return ""
        name = self.text("name", SKILL_NAME_CHARS)
        if name and not re.fullmatch(SKILL_NAME, name):
            hint = "a-z, 0-9 and single hyphens inside"
            self.say("name", f"'{name}' is no name for a skill", hint)
        elif name and name != self.folder:
            hint = f"rename the folder to {name}, or write: name: {self.folder}"
            self.say("name", f"its name is '{name}', its folder's is '{self.folder}'", hint)
        return name

    def metadata(self) -> dict[str, str]:
        entry = self.entries.get("metadata")
        if entry is None:
            return {}
        if entry.pairs is None:
            if entry.text != "":
                self.say("metadata", "'metadata' is no map of texts")
            return {}
        found: dict[str, str] = {}
        for key, value, line in entry.pairs[:METADATA_AT_MOST]:
            if not key or value is None:
                what = f"'metadata.{key}' is no text"
                self.problems.append(Problem(self.file, line, what, level="warning"))
            else:
                found[key] = value
        return found

    def tools(self) -> tuple[str, ...]:
        entry = self.entries.get("allowed-tools")
        if entry is None:
            return ()
        if entry.items is not None:
            hint = f"write them in one line: allowed-tools: {' '.join(entry.items)}"
            self.say("allowed-tools", "'allowed-tools' is a list", hint, level="warning")
            return entry.items
        return tuple(self.text("allowed-tools", FRONT_CHARS).split())
