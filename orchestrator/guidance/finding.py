"""Find what guides workers in a checkout: `AGENTS.md` files by folder, and skills.

1. An `AGENTS.md` counts in every folder of the commit that a run starts from, as the checkout has
   it; where a folder has none, its `CLAUDE.md` does.
2. Skills are the folders with a `SKILL.md` in `.agent/skills`, `.agents/skills` and
   `.claude/skills`. The first that has a name wins, broken or not; the others are said.
3. Nothing is read through a link that leads out of the checkout or into its git folder; a skill's
   files are its own: nothing is read through a link that leads out of its folder.
4. Number and size of everything are bounded; what is left out is said.
5. A skill that the standard refuses is left out and said, with all that is wrong with it.
6. The skill that teaches an agent to drive orch is no worker's (`AUDIENCE`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ledger.guidance import SKILL_FILE
from orchestrator.errors import Problem
from orchestrator.guidance.front_matter import FrontMatter, parse_skill

SKILL_FOLDERS = (".agent/skills", ".agents/skills", ".claude/skills")
TEXT_NAMES = ("AGENTS.md", "CLAUDE.md")
TEXT_BYTES = 64_000
TEXTS_AT_MOST = 500
SKILLS_AT_MOST = 200
FILES_AT_MOST = 200
"""In one skill."""
FILE_BYTES = 1 << 20
SKILL_BYTES = 4 << 20
ALL_BYTES = 16 << 20
"""Of all skills together: every attempt gets copies of its own."""
DEPTH_AT_MOST = 8
AUDIENCE = ("orch-audience", "drivers")
"""What a skill says in its metadata that is for those who drive orch."""


@dataclass(frozen=True)
class FoundFile:
    """A file of a skill, by its path in the skill's folder."""

    path: str
    place: Path
    size_bytes: int
    executable: bool


@dataclass(frozen=True)
class FoundSkill:
    """A folder with a SKILL.md, what that says, and what is wrong."""

    folder: str
    """From the top of the checkout."""
    front: FrontMatter
    files: tuple[FoundFile, ...] = ()
    problems: tuple[Problem, ...] = ()
    shadowed_by: str = ""
    """The folder of the skill of the same name that comes first."""

    @property
    def name(self) -> str:
        """The folder's own name, which is the skill's where it is well formed."""
        return self.folder.rpartition("/")[2]

    @property
    def usable(self) -> bool:
        return not self.shadowed_by and all(one.level != "error" for one in self.problems)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class FoundText:
    """An AGENTS.md or CLAUDE.md."""

    folder: str
    name: str
    place: Path

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}" if self.folder else self.name


@dataclass
class Found:
    """All of it."""

    texts: list[FoundText] = field(default_factory=list)
    skills: list[FoundSkill] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    """What is wrong beside the skills' own problems."""

    @property
    def usable(self) -> list[FoundSkill]:
        return sorted((skill for skill in self.skills if skill.usable), key=lambda one: one.name)


def find_texts(checkout: Path, files: Iterable[str], found: Found) -> None:
    """The AGENTS.md or CLAUDE.md of every folder that these files are in."""
    folders = {""}
    for name in files:
        parent = name.rpartition("/")[0]
        while parent not in folders:
            folders.add(parent)
            parent = parent.rpartition("/")[0]
    for folder in sorted(folders, key=lambda name: (name.count("/") + bool(name), name)):
        for name in TEXT_NAMES:
            place = checkout / folder / name
            if not place.is_file():
                continue
            path = f"{folder}/{name}" if folder else name
            if not _inside(place, checkout):
                what = "it is a link that leads out of the checkout: nobody is told what it says"
                found.problems.append(Problem(path, None, what, "write a file in its place"))
                continue
            if len(found.texts) == TEXTS_AT_MOST:
                what = f"only {TEXTS_AT_MOST} files of that name are read: this one and later not"
                found.problems.append(Problem(path, None, what, level="warning"))
                return
            found.texts.append(FoundText(folder, name, place))
            break


def find_skills(checkout: Path, found: Found) -> None:
    """The skills of a checkout, in the order in which a name is looked up."""
    by_name: dict[str, FoundSkill] = {}
    places: set[Path] = set()
    left = ALL_BYTES
    for source in SKILL_FOLDERS:
        folder = checkout / source
        if not folder.is_dir():
            continue
        if not _inside(folder, checkout):
            what = "it is a link that leads out of the checkout: no skill is read from there"
            found.problems.append(Problem(source, None, what))
            continue
        for place in _subfolders(folder):
            name = f"{source}/{place.name}"
            if place.resolve() in places:
                continue  # the same folder by another way: a link beside the original
            if len(found.skills) == SKILLS_AT_MOST:
                what = f"only {SKILLS_AT_MOST} skills are read: this one and later ones are not"
                found.problems.append(Problem(name, None, what, level="warning"))
                return
            skill = read_skill(place, name, checkout)
            places.add(place.resolve())
            if skill.front.metadata.get(AUDIENCE[0]) == AUDIENCE[1]:
                continue
            first = by_name.get(skill.name)
            if first:
                skill = replace(skill, shadowed_by=first.folder)
            elif skill.usable and skill.size_bytes > left:
                what = f"all skills together have more than {ALL_BYTES >> 20} MB: it is left out"
                skill = replace(skill, problems=(*skill.problems, Problem(name, None, what)))
            if skill.usable:
                left -= skill.size_bytes
            if skill.files:  # also a broken one: what another folder says is not meant by it
                by_name.setdefault(skill.name, skill)
            found.skills.append(skill)


def read_skill(place: Path, name: str, top: Path) -> FoundSkill:
    """One folder as a skill, with all that is wrong with it."""
    file = f"{name}/{SKILL_FILE}"
    if not _inside(place, top):
        what = "it is a link that leads out of the checkout: it is not read"
        return FoundSkill(name, FrontMatter(), problems=(Problem(name, None, what),))
    manual = place / SKILL_FILE
    if not manual.is_file() or not _inside(manual, place):
        what = f"it has no {SKILL_FILE}" if not manual.exists() else f"its {SKILL_FILE} is no file"
        hint = f"write {file}, or move the folder elsewhere"
        return FoundSkill(name, FrontMatter(), problems=(Problem(name, None, what, hint),))
    problems: list[Problem] = []
    try:
        text = read_bounded(manual, FILE_BYTES).decode("utf-8")
        front, said = parse_skill(text, file, place.name)
        problems += said
    except UnicodeDecodeError as error:
        front = FrontMatter()
        problems.append(Problem(file, None, f"it is no UTF-8, from byte {error.start} on"))
    except OSError as error:
        front = FrontMatter()
        problems.append(Problem(file, None, f"it cannot be read ({error.strerror})"))
    files = tuple(_files_of(place, name, problems))
    return FoundSkill(name, front, files, tuple(problems))


def read_bounded(place: Path, limit_bytes: int) -> bytes:
    """A regular file's first bytes; OSError for what is none."""
    # A pipe in its place would never end.
    descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no regular file")
        return file.read(limit_bytes)


def _files_of(place: Path, name: str, problems: list[Problem]) -> Iterator[FoundFile]:
    """The skill's files, SKILL.md first."""
    total = count = 0
    for path, one in _walk(place):
        shown = f"{name}/{path}"
        if not _inside(one, place):
            what = "it is a link that leads out of the skill's folder: it is left out"
            problems.append(Problem(shown, None, what, level="warning"))
            continue
        if any(not char.isprintable() for char in path):
            what = "a control character is in its name: it is left out"
            problems.append(Problem(shown, None, what, level="warning"))
            continue
        status = one.stat()
        if not stat.S_ISREG(status.st_mode):
            continue
        count, total = count + 1, total + status.st_size
        if count > FILES_AT_MOST or total > SKILL_BYTES or status.st_size > FILE_BYTES:
            over = (
                f"{FILES_AT_MOST} files"
                if count > FILES_AT_MOST
                else f"{FILE_BYTES >> 20} MB a file, {SKILL_BYTES >> 20} MB a skill"
            )
            problems.append(Problem(shown, None, f"it is over the limit of {over}"))
            return
        yield FoundFile(path, one, status.st_size, bool(status.st_mode & 0o100))


def _walk(place: Path) -> Iterator[tuple[str, Path]]:
    """Files below a folder by their paths in it: SKILL.md first, then sorted, folders last."""
    pending: list[tuple[str, Path, int]] = [("", place, 0)]
    while pending:
        prefix, folder, depth = pending.pop(0)
        inner = {path.name: path for path in folder.iterdir()}
        for one in sorted(inner, key=lambda name: (bool(prefix) or name != SKILL_FILE, name)):
            path = inner[one]
            # A linked folder is one file that leads elsewhere: its files are not the skill's.
            if path.is_dir() and not path.is_symlink():
                if depth < DEPTH_AT_MOST and one not in (".git", "__pycache__", "node_modules"):
                    pending.append((f"{prefix}{one}/", path, depth + 1))
            elif path.exists():
                yield f"{prefix}{one}", path


def _subfolders(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _inside(place: Path, top: Path) -> bool:
    """Whether a place, links followed, is in a folder and not in its git folder."""
    real, base = place.resolve(), top.resolve()
    if not real.is_relative_to(base):
        return False
    parts = real.relative_to(base).parts
    return not parts or parts[0].lower() != ".git"
