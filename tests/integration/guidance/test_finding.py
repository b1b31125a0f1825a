"""Skills and AGENTS.md files in a real checkout: which are found, which are left out and why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.guidance import finding
from orchestrator.guidance.finding import Found
from orchestrator.guidance.recording import left_out, look
from orchestrator.guidance.whole import whole_texts


def skill(top: Path, folder: str, description: str = "What it is for") -> Path:
    place = top / folder
    place.mkdir(parents=True)
    name = place.name
    (place / "SKILL.md").write_text(f"---\nname: {name}\ndescription: {description}\n---\nBody\n")
    return place


def seen(top: Path, *files: str) -> Found:
    return look(top, files)


def test_the_first_folder_wins_a_name_and_the_shadowed_one_is_said(tmp_path):
    for folder in (".claude/skills/a", ".agents/skills/a", ".agents/skills/b", ".agent/skills/c"):
        skill(tmp_path, folder)
    found = seen(tmp_path)
    assert [one.folder for one in found.usable] == [
        *(".agents/skills/a", ".agents/skills/b", ".agent/skills/c")
    ]
    assert list(left_out(found)) == [
        "the skill .claude/skills/a is left out: .agents/skills/a has its name"
    ]


def test_a_broken_skill_keeps_its_name_and_is_left_out_with_the_reason(tmp_path):
    (skill(tmp_path, ".agent/skills/a") / "SKILL.md").write_text("---\nname: a\n---\n")
    skill(tmp_path, ".agents/skills/a")
    (tmp_path / ".agents/skills/empty").mkdir()
    found = seen(tmp_path)
    assert found.usable == []
    assert list(left_out(found)) == [
        "the skill .agent/skills/a is left out: SKILL.md:1: 'description' is missing",
        "the skill .agents/skills/a is left out: .agent/skills/a has its name",
        "the skill .agents/skills/empty is left out: it has no SKILL.md",
    ]


def test_nothing_is_read_through_a_link_that_leads_out(tmp_path):
    top, outside = tmp_path / "top", tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("a person's own")
    skill(tmp_path, "outside/stranger")
    place = skill(top, ".agent/skills/a")
    (place / "leaks").symlink_to(outside / "secret")
    (place / "near").symlink_to(top / "notes")
    (place / "own").symlink_to(place / "SKILL.md")
    (place / "folder").symlink_to(outside)
    (top / "notes").write_text("beside the skill")
    (top / ".git").mkdir()
    (top / ".git/config").write_text("password")
    (top / "AGENTS.md").symlink_to(top / ".git/config")
    (top / "src").mkdir()
    (top / "src/AGENTS.md").symlink_to(outside / "secret")
    (top / ".agent/skills/stranger").symlink_to(outside / "stranger")
    (top / ".claude").mkdir()
    (top / ".claude/skills").symlink_to(outside)
    found = seen(top, "src/a.py")
    assert found.texts == []
    assert [one.path for one in found.usable[0].files] == ["SKILL.md", "own"]
    assert [one.name for one in found.usable] == ["a"]
    said = " ".join(left_out(found)) + " ".join(one.what for one in found.usable[0].problems)
    for path in ("AGENTS.md", "src/AGENTS.md", ".claude/skills", ".agent/skills/stranger"):
        assert path in said
    assert said.count("leads out of the skill's folder") == 3


def test_a_link_beside_the_original_is_the_same_skill(tmp_path):
    skill(tmp_path, ".agents/skills/a")
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude/skills").symlink_to("../.agents/skills")
    found = seen(tmp_path)
    assert [one.folder for one in found.skills] == [".agents/skills/a"]
    assert list(left_out(found)) == []


def test_number_and_size_are_bounded_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(finding, "FILES_AT_MOST", 3)
    monkeypatch.setattr(finding, "FILE_BYTES", 1000)
    monkeypatch.setattr(finding, "SKILLS_AT_MOST", 4)
    monkeypatch.setattr(finding, "ALL_BYTES", 1500)
    many = skill(tmp_path, ".agent/skills/many")
    for number in range(3):
        (many / f"f{number}").write_text("x")
    (skill(tmp_path, ".agent/skills/large") / "blob").write_bytes(bytes(1001))
    for name in ("one", "two", "three"):
        (skill(tmp_path, f".agents/skills/{name}") / "data").write_bytes(bytes(900))
    found = seen(tmp_path)
    assert [one.name for one in found.usable] == ["one"]
    said = list(left_out(found))
    assert any("many is left out: it is over the limit of 3 files" in one for one in said)
    assert any("large is left out: it is over the limit of" in one for one in said)
    assert any("three is left out: all skills together" in one for one in said)
    assert any("only 4 skills are read" in one for one in said)


def test_what_is_no_text_or_no_file_is_refused_in_words(tmp_path):
    place = skill(tmp_path, ".agent/skills/a")
    (place / "SKILL.md").write_bytes(b"---\nname: a\ndescription: \xff\n---\n")
    pipe = skill(tmp_path, ".agent/skills/b")
    (pipe / "SKILL.md").unlink()
    os.mkfifo(pipe / "SKILL.md")
    os.mkfifo(skill(tmp_path, ".agent/skills/c") / "pipe")
    found = seen(tmp_path)
    assert [one.name for one in found.usable] == ["c"]
    said = " ".join(left_out(found))
    assert "it is no UTF-8" in said and "its SKILL.md is no file" in said


@pytest.mark.parametrize("names", [("AGENTS.md",), ("CLAUDE.md",), ("AGENTS.md", "CLAUDE.md")])
def test_claude_md_counts_where_a_folder_has_no_agents_md(tmp_path, names):
    (tmp_path / "src/deep").mkdir(parents=True)
    (tmp_path / "unknown").mkdir()
    for name in names:
        (tmp_path / "src" / name).write_text(name)
    (tmp_path / "CLAUDE.md").write_text("top")
    (tmp_path / "unknown/AGENTS.md").write_text("no file of the commit is here")
    found = seen(tmp_path, "src/deep/a.py")
    assert [one.path for one in found.texts] == ["CLAUDE.md", f"src/{names[0]}"]


def test_a_checkout_without_skills_costs_no_parser(tmp_path):
    code = (
        "import sys, pathlib; from orchestrator.guidance.recording import look;"
        "look(pathlib.Path('.'), ['src/a.py']); sys.exit('yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == 0


def test_who_plans_is_told_all_texts_the_tops_first_and_what_has_no_room_is_named(tmp_path):
    for name, said in {
        "AGENTS.md": "of the top", "CLAUDE.md": "unread", "src/AGENTS.md": "x" * 90,
        "src/core/CLAUDE.md": "of core", "docs/AGENTS.md": "of docs",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{said}\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "AGENTS.md").symlink_to("/etc/hostname")
    files = ("src/core/a.py", "docs/b.md", "out/c")
    whole = whole_texts(tmp_path, files)
    assert [line for line in whole.splitlines() if line.startswith("## ")] == [
        *("## AGENTS.md", "## docs/AGENTS.md", "## src/AGENTS.md", "## src/core/CLAUDE.md")
    ]
    short = whole_texts(tmp_path, files, limit=60)
    assert "of the top" in short and "of docs" in short and "of core" in short
    assert short.endswith("(No room for src/AGENTS.md: read those where work is.)")
    assert whole_texts(tmp_path, files, limit=4).startswith("## AGENTS.md\n\nof t\n(the rest was")
    assert whole_texts(tmp_path / "docs", ()).endswith("of docs")
    assert whole_texts(tmp_path / "src" / "nothing", ()) == ""
