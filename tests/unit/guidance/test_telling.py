"""Which AGENTS.md files a task is told, and what a worker finds on the shelf."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.guidance import GuideText, Skill, SkillFile
from ledger.model import Task
from orchestrator.guidance.telling import render_texts, texts_for
from workers.base import Brief
from workers.brief import render_brief
from workers.skills import NoSuchSkill, Shelf

FOLDERS = ("", "src", "src/core", "src/core/deep", "docs")
TEXTS = tuple(GuideText(folder=f, name="AGENTS.md", blob=f or "top", size_bytes=1) for f in FOLDERS)
BLOBS = {
    "m": b"---\nname: forms\ndescription: d\n---\n\nDo \x1b[31mit.\n",
    "s": b"#!/bin/sh\n",
}
SHELF = Shelf(
    (
        Skill(
            name="forms",
            description="Fill in\nforms",
            source=".agent/skills/forms",
            body_line=5,
            files=(
                SkillFile(path="SKILL.md", blob="m", size_bytes=1),
                SkillFile(path="scripts/fill.sh", blob="s", size_bytes=1, executable=True),
                SkillFile(path="gone", blob="gone", size_bytes=1),
            ),
        ),
    ),
    BLOBS.get,
)


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        ((), [""]),
        (("**/*.py",), [""]),
        (("src/core/**",), ["", "src", "src/core"]),
        (("src/core",), ["", "src", "src/core"]),
        (("/src/core/a.py",), ["", "src", "src/core"]),
        (("src/c*/deep/**",), ["", "src"]),
        (("docs/*.md", "src/a.py"), ["", "docs", "src"]),
        (("other/**",), [""]),
    ],
)
def test_a_task_is_told_what_holds_from_the_top_down_to_its_paths(paths, told):
    assert [text.folder for text in texts_for(TEXTS, paths)] == told


def test_the_nearest_comes_last_and_is_the_last_to_be_left_out():
    said = {text.blob: text.blob.encode() * 10 for text in TEXTS}
    texts = texts_for(TEXTS, ("src/core/**",))
    whole = render_texts(texts, said.get)
    assert whole.index("### AGENTS.md") < whole.index("### src/AGENTS.md")
    assert whole.index("### src/AGENTS.md") < whole.index("### src/core/AGENTS.md")
    short = render_texts(texts, said.get, limit=85)
    assert "src/core" * 10 in short
    assert "(the rest of src/AGENTS.md was left out here)" in short
    assert "(`AGENTS.md` was left out here" in short
    assert "it is lost" in render_texts(texts, lambda blob: None)
    assert render_texts((), said.get) == ""


def test_a_body_and_files_are_had_by_recorded_names_only():
    body = SHELF.body("forms")
    assert body.startswith("Do it.\n") and "- scripts/fill.sh" in body
    assert SHELF.file("forms", "./scripts/fill.sh") == b"#!/bin/sh\n"
    for path in ("../forms/SKILL.md", "/etc/passwd", "scripts/../../x", "scripts", ""):
        with pytest.raises(NoSuchSkill, match="has no file"):
            SHELF.file("forms", path)
    with pytest.raises(NoSuchSkill, match="is lost"):
        SHELF.file("forms", "gone")
    with pytest.raises(NoSuchSkill, match="there are: forms"):
        SHELF.body("other")


def test_the_catalogue_is_one_line_each_and_bounded():
    assert SHELF.catalogue() == "- `forms`: Fill in forms"
    many = Shelf(
        tuple(SHELF.skills[0].model_copy(update={"description": "x" * 1024}) for _ in range(200))
    )
    lines = many.catalogue().splitlines()
    assert sum(map(len, lines)) < 17_000
    assert lines[-1] == f"- and {200 - len(lines) + 1} more, left out here"


def test_the_brief_tells_rules_first_then_texts_then_skills():
    bare = Brief("r", Task(id="a", prompt="p"), 1, 1, "base", "p")
    text = render_brief(replace(bare, rules="R", texts="T", skills=SHELF))
    heads = ("## Rules", "## What the repository says", "## Skills")
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    said = render_brief(bare)
    assert "Skills" not in said and "repository says" not in said
