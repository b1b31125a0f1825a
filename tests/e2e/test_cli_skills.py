"""`orch skills`, as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import User, ended_with, refused

GOOD = "---\nname: notes\ndescription: How notes are written\nversion: 1\n---\nWrite them so.\n"
BAD = "---\nname: Other\ncompatibility: []\n---\n"


@pytest.fixture
def user(tmp_path: Path) -> User:
    here = User(tmp_path)
    here.write(
        {
            ".agent/skills/notes/SKILL.md": GOOD,
            ".agent/skills/notes/scripts/check.sh": "exit 0\n",
            ".claude/skills/notes/SKILL.md": GOOD,
            ".agents/skills/broken/SKILL.md": BAD,
            "AGENTS.md": "Be brief.\n",
        }
    )
    return here


def test_the_list_says_what_is_offered_and_what_is_left_out_and_why(user: User) -> None:
    said = user.orch("skills", "list")
    ended_with(said, 0)
    assert "notes" in said.out and "How notes are written" in said.out
    assert ".agent/skills/notes" in said.out and "broken" not in said.out
    assert "the skill .claude/skills/notes is left out: .agent/skills/notes has its" in said.words
    assert "the skill .agents/skills/broken is left out" in said.words
    assert "workers are also told: AGENTS.md" in said.words
    listed = user.orch("skills", "list", "--json").json
    by_folder = {one["folder"]: one for one in listed["skills"]}
    assert by_folder[".agent/skills/notes"]["files"] == ["SKILL.md", "scripts/check.sh"]
    assert by_folder[".agent/skills/notes"]["size_bytes"] == len(GOOD) + 7
    assert not by_folder[".claude/skills/notes"]["usable"]
    assert listed["texts"] == [{"path": "AGENTS.md", "folder": ""}]


@pytest.mark.thorough
def test_a_skill_is_shown_as_a_worker_gets_it(user: User) -> None:
    said = user.orch("skills", "show", "notes")
    ended_with(said, 0, "Write them so.", "scripts/check.sh")
    assert user.orch("skills", "show", "notes", "--json").json["body"] == "Write them so.\n"
    refused(user.orch("skills", "show", "broken"), 2, "left out", "orch skills check")
    refused(user.orch("skills", "show", "nothing"), 2, "there is no skill 'nothing'", "notes")


@pytest.mark.thorough
def test_the_check_says_all_that_is_wrong_with_file_and_line(user: User) -> None:
    said = user.orch("skills", "check")
    file = ".agents/skills/broken/SKILL.md"
    refused(said, 2, f"{file}:1: 'description' is missing", f"{file}:2: 'Other' is no name")
    assert f"{file}:3: 'compatibility' is no text" in said.err
    checked = user.orch("skills", "check", "--json")
    assert checked.exit_code == 2 and not checked.json["ok"]
    assert {(one["file"], one["line"]) for one in checked.json["problems"]} >= {
        *((file, 1), (file, 2), (file, 3))
    }
    for path in (".agent/skills/notes", ".agent/skills/notes/SKILL.md", ".agent/skills"):
        fine = user.orch("skills", "check", path)
        ended_with(fine, 0, "1 skill: nothing is wrong", "'version' is no field")
    refused(user.orch("skills", "check", "nowhere"), 2, "nowhere is no folder")


@pytest.mark.thorough
def test_an_agent_is_given_the_skill_that_teaches_it_to_drive_orch(user: User) -> None:
    said = user.orch("skills", "install")
    ended_with(said, 0, ".claude/skills/orch/SKILL.md: written", ".agents/skills/orch/SKILL.md")
    text = user.orch("skills", "install", "--print").out
    file = user.root / ".claude/skills/orch/SKILL.md"
    assert file.read_text() == text and "orch trust" in text
    assert not list(file.parent.glob(".skill-*"))
    ended_with(user.orch("skills", "check", str(file)), 0, "1 skill: nothing is wrong")
    listed = user.orch("skills", "list", "--json").json["skills"]
    assert "orch" not in [one["name"] for one in listed], "it is no worker's"
    ended_with(user.orch("skills", "install"), 0, "is there already")

    file.write_text("mine")
    said = user.orch("skills", "install", "--to", "claude")
    refused(said, 2, ".claude/skills/orch/SKILL.md says something else", "--replace")
    assert file.read_text() == "mine"
    said = user.orch("skills", "install", "--replace", "--json")
    assert [one["outcome"] for one in said.json] == ["replaced", "same"]
    assert file.read_text() == text
    assert file.with_name("SKILL.md.before").read_text() == "mine"

    ended_with(user.orch("skills", "install", "--user", "--to", "agents"), 0, "written")
    assert (user.home / ".agents/skills/orch/SKILL.md").read_text() == text
    outside = user.home / "outside"
    outside.mkdir()
    (user.root / ".claude/skills").rename(user.home / "away")
    (user.root / ".claude/skills").symlink_to(outside)
    refused(user.orch("skills", "install", "--to", "claude"), 2, "a link that leads out of")
    assert not list(outside.iterdir())
