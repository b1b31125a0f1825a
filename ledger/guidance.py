"""What guides the workers of a run beside its rules, by hash, as it stood when the run started.

The event holds names, descriptions and the blobs of everything else: an agent that rewrites a
file in its tree rewrites nothing that the next attempt is told. Pure values.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ledger.model import Value

SKILL_NAME = r"^[a-z0-9]+(?:-[a-z0-9]+)*$"
"""The Agent Skills standard: no hyphen at an end, none beside another."""
SKILL_NAME_CHARS = 64
SKILL_FILE = "SKILL.md"


class GuideText(Value):
    """An `AGENTS.md`, or the `CLAUDE.md` of a folder that has none."""

    folder: str = ""
    """From the top of the repository; empty: the top itself."""
    name: str
    blob: str
    size_bytes: int

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}" if self.folder else self.name


class SkillFile(Value):
    """A file of a skill, by its path within the skill's folder."""

    path: str
    blob: str
    size_bytes: int
    executable: bool = False


class Skill(Value):
    """A skill by the Agent Skills standard: a name, when to use it, and a folder of files."""

    name: Annotated[str, Field(pattern=SKILL_NAME, max_length=SKILL_NAME_CHARS)]
    description: str
    source: str
    """Its folder, from the top of the repository."""
    license: str = ""
    compatibility: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)
    allowed_tools: tuple[str, ...] = ()
    """What it asks for; nothing is allowed by it."""
    body_line: int = 1
    """The line of SKILL.md on which its instructions begin, behind the front matter."""
    files: tuple[SkillFile, ...]
    """SKILL.md first, then the others by path."""


class Guidance(Value):
    """What workers are told beside `rules`."""

    texts: tuple[GuideText, ...] = ()
    """By folder, the top first."""
    skills: tuple[Skill, ...] = ()
    """By name."""
