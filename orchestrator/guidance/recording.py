"""What guides the workers of a run is kept when the run starts: texts as blobs, hashes as a value.

1. Nothing of it is read from a tree or a checkout again: what an agent rewrites guides nobody
   until a person has accepted it and starts another run.
2. Secrets are hidden on the way in; what is kept is what workers get.
3. What is left out is said, once for the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ledger.blobs import Blobs
from ledger.guidance import SKILL_FILE, Guidance, GuideText, Skill, SkillFile
from orchestrator.errors import Problem
from orchestrator.guidance.finding import (
    FILE_BYTES,
    TEXT_BYTES,
    Found,
    FoundSkill,
    find_skills,
    find_texts,
    read_bounded,
)
from orchestrator.hiding import Hiding


def look(checkout: Path, files: Iterable[str]) -> Found:
    """What there is in a checkout whose commit has these files."""
    found = Found()
    find_texts(checkout, files, found)
    find_skills(checkout, found)
    return found


def record(found: Found, blobs: Blobs, hiding: Hiding) -> Guidance:
    """The value for the ledger; every text of it is a blob when this returns."""
    texts = []
    for text in found.texts:
        content = read_bounded(text.place, TEXT_BYTES + 1)
        if len(content) > TEXT_BYTES:
            what = f"it is longer than {TEXT_BYTES:,} bytes: workers are told its beginning"
            found.problems.append(Problem(text.path, None, what, level="warning"))
            content = content[:TEXT_BYTES]
        content = hiding.redactor.redact(content)
        texts.append(
            GuideText(
                folder=text.folder,
                name=text.name,
                blob=blobs.put(content),
                size_bytes=len(content),
            )
        )
    skills = tuple(_skill(skill, blobs, hiding) for skill in found.usable)
    return Guidance(texts=tuple(texts), skills=skills)


def _skill(skill: FoundSkill, blobs: Blobs, hiding: Hiding) -> Skill:
    files = []
    for file in skill.files:
        content = hiding.redactor.redact(read_bounded(file.place, FILE_BYTES))
        files.append(
            SkillFile(
                path=file.path,
                blob=blobs.put(content),
                size_bytes=len(content),
                executable=file.executable,
            )
        )
    front = skill.front
    return Skill(
        name=front.name,
        description=front.description,
        source=skill.folder,
        license=front.license,
        compatibility=front.compatibility,
        metadata=front.metadata,
        allowed_tools=front.allowed_tools,
        body_line=front.body_line,
        files=tuple(files),
    )


def left_out(found: Found) -> Iterator[str]:
    """What a person should know of what workers are not told, one line each."""
    for problem in found.problems:
        yield f"{problem.file}: {problem.what}"
    for skill in found.skills:
        if skill.shadowed_by:
            yield f"the skill {skill.folder} is left out: {skill.shadowed_by} has its name"
        elif not skill.usable:
            first = next(one for one in skill.problems if one.level == "error")
            where = f"{SKILL_FILE}:{first.line}: " if first.line else ""
            yield f"the skill {skill.folder} is left out: {where}{first.what}"
