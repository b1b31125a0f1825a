"""What each tool says, and what it cannot be made to do."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from ledger.guidance import Skill, SkillFile
from tests.integration.maker.support import (
    FILES,
    FINISH,
    call,
    calls,
    results_of,
    room,
    system_of,
    user_words,
)
from tests.support.sandboxed import Cell, needs_sandbox
from workers.model.files import Unusable
from workers.model.searching import Ground, search_files
from workers.skills import Shelf

SECRET = "hunter2-hunter2-hunter2"


async def results(tmp_path, *some, **how) -> list[str]:
    """The results of these calls, made in one turn."""
    async with room(tmp_path, calls(*some), FINISH, **how) as here:
        await here.work()
        return here.results(1)


async def test_reading_says_which_lines_and_how_to_go_on(tmp_path):
    long = "\n".join(f"line {number}" for number in range(1, 1001)) + "\n"
    files = {"long.txt": long, "empty": "", "wide.txt": "x" * 5000 + "\n", "b.bin": "a\0b"}
    whole, some, end, empty, wide, binary, folder, missing = await results(
        tmp_path,
        call("read", path="long.txt"),
        call("read", path="long.txt", first=998, last=2000),
        call("read", path="long.txt", first=1001),
        call("read", path="empty"),
        call("read", path="wide.txt"),
        call("read", path="b.bin"),
        call("read", path="."),
        call("read", path="lon.txt"),
        files=files,
    )
    assert whole.startswith("long.txt, lines 1-400 of 1000; the next are had with first=401\n")
    assert "\n400| line 400" in whole and "line 401" not in whole
    numbered = " 998| line 998\n 999| line 999\n1000| line 1000"
    assert some == f"long.txt, lines 998-1000 of 1000\n{numbered}"
    assert "1000 lines: there is no line 1001" in end
    assert empty == "empty is empty"
    assert len(wide) < 1200
    assert "is no text (3 bytes)" in binary
    assert "not of the workspace's top" in folder
    assert "lon.txt does not exist; beside it there is: long.txt" in missing


@pytest.mark.thorough
async def test_a_large_file_fits_into_the_output(tmp_path):
    files = {"wide.txt": ("y" * 300 + "\n") * 900}
    said = await results(tmp_path, call("read", path="wide.txt"), files=files)
    assert len(said[0]) < 24_000
    head = said[0].partition("\n")[0]
    assert "the next are had with first=" in head
    small = {"window_tokens": 8000}
    said = await results(
        tmp_path / "b", call("run", command="yes | head -100000"), access=small, files=files
    )
    assert len(said[0]) < 3_200 and "characters are not shown here" in said[0]


async def test_the_tree_is_written_only_within_and_secrets_are_not_written(tmp_path):
    said = await results(
        tmp_path,
        call("write", path="../out.txt", text="x"),
        call("write", path=".git/hooks/pre-commit", text="x"),
        call("write", path="src/new/one.py", text="ONE = 1\n"),
        call("write", path="src/sums.py", text="[4,000 characters were left out here]"),
        call("edit", path="src/sums.py", old="def", new="[redacted API_KEY]"),
        call("edit", path="src/gone.py", old="a", new="b"),
    )
    assert "'..' is not allowed" in said[0]
    assert ".git belongs to orch" in said[1]
    assert said[2] == "src/new/one.py: written anew, 8 bytes"
    assert "what was left out" in said[3]
    assert "stands for a secret" in said[4]
    assert "does not exist" in said[5]
    assert (tmp_path / "workspace/tree/src/sums.py").read_text() == FILES["src/sums.py"]
    assert not (tmp_path / "workspace/out.txt").exists()


@pytest.mark.sample(1)
async def test_secrets_reach_neither_the_model_nor_the_log(tmp_path, dialect):
    files = {**FILES, "settings.env": f"API_KEY={SECRET}\n"}
    turns = (
        calls(
            call("read", path="settings.env"),
            call("search", regex="API_KEY"),
            call("run", command="cat settings.env; env; cat /proc/$PPID/environ | tr '\\0' '\\n'"),
            call("write", path="copy.txt", text=f"as {SECRET} is"),
        ),
        FINISH,
    )
    environ = {"ANTHROPIC_API_KEY": "sk-of-a-person-0123456789abcdefghij", "OTHER_TOKEN": "t" * 30}
    async with room(
        tmp_path,
        *turns,
        dialect=dialect,
        files=files,
        environ=environ,
        secrets={"API_KEY": SECRET},
        brief={"rules": f"the key is {SECRET}", "note": f"use {SECRET}"},
    ) as here:
        await here.work(feedback=f"failed with {SECRET}")
        sent = [json.dumps(one.body) for one in here.model.requests]
        # What the model itself said comes back to it; the scripted one knew the secret.
        assert all(text.count(SECRET) == (number > 0) for number, text in enumerate(sent))
        assert "[redacted API_KEY]" in sent[0] and "[redacted API_KEY]" in here.results(1)[0]
        for held in (SECRET, here.access.key, *environ.values()):
            assert held not in here.log
            assert all(held not in text for text in here.results(1))


async def test_commands_have_marks_limits_and_a_clean_environment(tmp_path):
    said = await results(
        tmp_path,
        call("run", command="echo $ORCH_MARK $ORCH_TASK $ORCH_ROUND $PATH_X; pwd; git status -s"),
        call("run", command="echo $ORCH_MARK; sleep 30", timeout_s=1),
        call("run", command="exit 3"),
        call("run", command="no-such-program"),
        call("run", command="  "),
    )
    assert "r1/sums/1/abcd/1 sums 1" in said[0] and "workspace/tree" in said[0]
    assert "r1/sums/1/abcd/2" in said[1] and "its time limit" in said[1]
    assert said[2].startswith("exit 3 after")
    assert "not found" in said[3]
    assert "the command is empty" in said[4]


@pytest.mark.sample(1)
async def test_calls_of_one_turn_run_side_by_side_or_in_order(tmp_path, dialect):
    edits = [
        call("edit", path="src/names.py", old=f"'{word}'", new=f"'{word.upper()}'")
        for word in ("one", "two")
    ]
    turns = (
        calls(
            *[call("read", path="src/names.py") for _ in range(2)],
            *edits,
            call("run", command="cat src/names.py"),
            call("read", path="src/names.py", last=1),
        ),
        FINISH,
    )
    async with room(tmp_path, *turns, dialect=dialect) as here:
        await here.work()
        said = here.results(1)
        assert "['one', 'two']" in said[0] and "['one', 'two']" in said[1]
        assert "NAMES = ['ONE', 'TWO']" in said[4] and "NAMES = ['ONE', 'TWO']" in said[5]


# --- searching --------------------------------------------------------------------------------


TREE = {
    "a.py": "import os\nneedle = 1\n",
    "a/b.py": "x = 'needle'\r\n",
    "a/c.txt": "a needle in a text\n" * 60,
    "a.d/e.py": "needle\n",
    ".hidden/f.py": "needle\n",
    "node_modules/g.py": "needle\n",
    "deep/node_modules/h.py": "needle\n",
    "bin.dat": "\0needle\n",
    "ignored.log": "needle\n",
    ".gitignore": "*.log\n",
    "wide.py": "w" * 3000 + " needle\n",
    "ünïcode.py": "nädel needle\n",
    "large.py": "needle\n" * 200_000,
}


@pytest.fixture
def ground(tmp_path):
    root = tmp_path / "tree"
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())
    (root / "link.py").symlink_to("/etc/passwd")
    (root / "linked").symlink_to(tmp_path)
    (tmp_path / "outside.py").write_text("needle\n")
    return Ground(root, {"PATH": "/usr/bin:/bin"}, "r/t/1/s", tmp_path / "log")


@pytest.mark.parametrize(
    "glob", ["", "*.py", "a/**", "a.d/*.py", "*.{txt,py}", "{a,a.d}/{b,e}.py", "missing/*"]
)
@pytest.mark.parametrize("regex", ["needle", r"^needle$", r"n.edle|import", "not there", "root:"])
@pytest.mark.sample(12)
async def test_with_and_without_ripgrep_a_search_says_the_same(ground, regex, glob):
    with_it = await search_files(regex, glob, ground)
    without = await search_files(regex, glob, ground, ripgrep=None)
    assert with_it == without
    assert "outside" not in with_it and "root:x" not in with_it


async def test_a_search_is_bounded_in_time_and_lines(ground, monkeypatch):
    said = await search_files("needle", "*.txt", ground)
    assert said.startswith("50 lines in 1 files match in files like *.txt:\n")
    monkeypatch.setattr("workers.model.searching.SEARCH_S", 2.0)
    (ground.tree / "bad.txt").write_text("a" * 5000 + "!\n")
    began = time.monotonic()
    with pytest.raises(Unusable, match="over 2 s: use a simpler pattern"):
        await search_files("(a+)+$", "bad.txt", ground, ripgrep=None)
    assert time.monotonic() - began < 15
    for ripgrep in ("", None):
        with pytest.raises(Unusable, match=r"the search failed: .*regex"):
            await search_files("(unclosed", "", ground, ripgrep=ripgrep)


# --- guidance ---------------------------------------------------------------------------------


@pytest.mark.sample(1)
async def test_skills_are_loaded_by_name(tmp_path, dialect):
    blobs = {
        "b1": b"---\nname: sums\n---\nAlways use math.fsum.\n",
        "b2": b"print('hello')\n",
    }
    files = (
        SkillFile(path="SKILL.md", blob="b1", size_bytes=1),
        SkillFile(path="scripts/hello.py", blob="b2", size_bytes=1),
    )
    skill = Skill(
        name="sums",
        description="How to sum.",
        source=".agent/skills/sums",
        body_line=4,
        files=files,
    )
    turns = (
        calls(
            call("load_skill", name="sums"),
            call("load_skill", name="sums", file="scripts/hello.py"),
            call("load_skill", name="sums", file="../../x"),
            call("load_skill", name="other"),
            call("run", command="python3 $ORCH_SKILLS_DIR/sums/scripts/hello.py"),
        ),
        FINISH,
    )
    brief = {"skills": Shelf((skill,), blobs.get), "rules": "Be kind.", "texts": "### AGENTS.md"}
    async with room(tmp_path, *turns, dialect=dialect, brief=brief) as here:
        await here.work(map="src/: 2 files", feedback="tried: nothing")
        first = here.model.requests[0]
        system, words = system_of(first), user_words(first)
        assert "`sums`: How to sum." in system and "math.fsum" not in system
        assert "Be kind." in system and "### AGENTS.md" in system
        assert "src/: 2 files" in words and "tried: nothing" in words and "`src/**`" in words
        body, script, outside, other, ran = here.results(1)
        assert "Always use math.fsum." in body and "- scripts/hello.py" in body
        assert script.strip() == "print('hello')"
        assert "has no file" in outside and "there is no skill 'other'" in other
        assert "hello" in ran


@needs_sandbox
async def test_commands_and_searches_stay_in_the_sandbox(tmp_path):
    cell = Cell(tmp_path / "cell")
    outside = tmp_path / "outside.txt"
    outside.write_text("needle outside\n")
    turns = (
        calls(
            call("run", command=f"cat {outside}; touch made.txt; ls /home/agent"),
            call("search", regex="one"),
            call("write", path="src/b.py", text="b = 2\n"),
            call("run", command="cat src/b.py; git log --oneline | head -1"),
        ),
        FINISH,
    )
    async with room(tmp_path / "room", *turns) as here:
        here.surroundings = replace(
            here.surroundings,
            tree=cell.workspace.path,
            folder=cell.workspace.folder,
            confinement=cell.confinement,
            environ=cell.environ,
        )
        report = await here.work()
        assert report.outcome == "done"
        ran, found, _, again = results_of(here.model.requests[1])
        assert "needle outside" not in ran and "No such file" in ran
        assert "a.txt:1:one" in found
        assert "b = 2" in again
        assert (cell.workspace.path / "made.txt").exists()
