"""Skills as a worker meets them: a catalogue, a body on demand, files on demand.

1. The catalogue has a name and a description each, no more: it is read each time.
2. A body or a file is had by the name that was recorded. What was not recorded is not there, so
   no path leads out of a skill's folder.
3. What is handed out is bounded. What a skill says is for the worker; it gives no rights.
4. Workers that are commands get copies outside the tree, made anew for each round: whoever
   writes into them changes nothing that another reads.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.guidance import SKILL_FILE, Skill
from workers.text import clean_line, printable

CATALOGUE_CHARS = 16_000
BODY_CHARS = 64_000
FILE_BYTES = 256_000

ReadBlob = Callable[[str], bytes | None]
"""What was kept under a name; None where it is lost."""


class NoSuchSkill(LookupError):
    """A name or a path that was not recorded; the message says what there is."""


@dataclass(frozen=True)
class Shelf:
    """The skills of a run."""

    skills: tuple[Skill, ...] = ()
    read: ReadBlob = lambda blob: None

    def catalogue(self, folder: Path | None = None) -> str:
        """Names and descriptions as a list; with the files' places where there are copies."""
        lines: list[str] = []
        left = CATALOGUE_CHARS
        for skill in self.skills:
            where = f" (`{folder / skill.name / SKILL_FILE}`)" if folder else ""
            description = clean_line(" ".join(skill.description.split()), 1024)
            line = f"- `{skill.name}`{where}: {description}"
            if len(line) > left:
                lines.append(f"- and {len(self.skills) - len(lines)} more, left out here")
                break
            left -= len(line)
            lines.append(line)
        return "\n".join(lines)

    def body(self, name: str) -> str:
        """A skill's instructions, and the names of its other files; NoSuchSkill."""
        skill = self._skill(name)
        text = self._read(skill, SKILL_FILE).decode("utf-8", "replace")
        lines = text.removeprefix("\ufeff").splitlines()[skill.body_line - 1 :]
        body = printable("\n".join(lines)).strip("\n")
        if len(body) > BODY_CHARS:
            body = f"{body[:BODY_CHARS]}\n[{len(body) - BODY_CHARS:,} characters left out here]"
        others = [file.path for file in skill.files if file.path != SKILL_FILE]
        if others:
            body += "\n\nFiles of this skill:\n" + "\n".join(f"- {path}" for path in others)
        return body + "\n"

    def file(self, name: str, path: str) -> bytes:
        """A file of a skill, its first bytes where it is long; NoSuchSkill."""
        return self._read(self._skill(name), path)[:FILE_BYTES]

    def _skill(self, name: str) -> Skill:
        for skill in self.skills:
            if skill.name == name:
                return skill
        there = ", ".join(skill.name for skill in self.skills) or "none"
        raise NoSuchSkill(f"there is no skill '{clean_line(name, 80)}'; there are: {there}")

    def _read(self, skill: Skill, path: str) -> bytes:
        wanted = path.removeprefix("./")
        for file in skill.files:
            if file.path == wanted:
                content = self.read(file.blob)
                if content is None:
                    raise NoSuchSkill(f"{skill.name}/{file.path} is lost: it cannot be read")
                return content
        there = ", ".join(file.path for file in skill.files[:50])
        what = clean_line(path, 200)
        raise NoSuchSkill(f"the skill '{skill.name}' has no file '{what}'; it has: {there}")


def write_skills(shelf: Shelf, folder: Path) -> Sequence[str]:
    """Make copies of all skills below a folder, in place of what is there; the files lost."""
    # An earlier worker could write here: what it planted is put aside, never followed.
    if folder.is_symlink() or folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:  # no folder, or one that it closed to everybody
            folder.rename(Path(tempfile.mkdtemp(dir=folder.parent)) / "in-the-way")
    lost = []
    for skill in shelf.skills:
        for file in skill.files:
            content = shelf.read(file.blob)
            if content is None:
                lost.append(f"{skill.name}/{file.path}")
                continue
            place = folder / skill.name / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            if file.executable:
                place.chmod(0o755)
    return lost
