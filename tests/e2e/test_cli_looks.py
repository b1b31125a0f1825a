"""The command line before anything has run: help, mistakes, wrong places, start-up."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import __version__
from orchestrator.cli.app import COMMANDS
from orchestrator.cli.main import run
from tests.e2e.terminal import ORCH, Terminal


@pytest.fixture
def here(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def test_the_version_is_said_before_anything_is_imported(here: Terminal) -> None:
    said = here.installed("--version")
    assert (said.exit_code, said.out) == (0, f"orch {__version__}\n")
    probe = (
        "import sys; from orchestrator.cli.main import run; run(['--version']);"
        "heavy = {'typer', 'pydantic', 'git', 'rich', 'anyio', 'sqlite3', 'asyncio'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_what_serves_and_calls_models_is_imported_by_nobody_who_does_not() -> None:
    probe = (
        "import sys, orchestrator.engine, orchestrator.scripts, orchestrator.cli.rehearsing;"
        "from orchestrator.cli.app import COMMANDS, load; [load(name) for name in COMMANDS];"
        "heavy = {'starlette', 'uvicorn', 'httpx', 'pydantic_ai', 'anthropic', 'openai'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", probe], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_status_of_a_finished_run_is_kept_and_told_without_the_models(here: Terminal) -> None:
    here.plan(("a", ()))
    assert here.orch("run").exit_code == 0
    probe = (
        "import sys; from orchestrator.cli.main import run; code = run(['status']);"
        "heavy = {'typer', 'pydantic', 'git', 'rich', 'anyio', 'ledger.events'};"
        "sys.exit(code or ', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=here.root,
        env=here.environ,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 landed" in done.stdout


def test_help_groups_every_command_and_imports_none_of_them(here: Terminal) -> None:
    said = here.installed("--help")
    assert said.exit_code == 0 and all(f"  {name} " in said.out for name in COMMANDS)
    order = ["Begin:", "Plan and run:", "Look:", "Decide:", "Care:"]
    places = [said.out.index(title) for title in order]
    assert places == sorted(places)
    probe = (
        "import sys; from orchestrator.cli.main import run; run(['--help']);"
        "heavy = {'pydantic', 'git', 'rich', 'anyio', 'sqlite3'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", probe], check=False, stdout=subprocess.DEVNULL
        ).returncode
        == 0
    )
    assert here.orch().out == said.out


def test_every_command_has_help_with_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        assert run([name, "-h"]) == 0
        assert f"Usage: orch {name}" in capsys.readouterr().out


def test_a_mistyped_command_option_or_argument_is_answered_with_what_to_type(
    here: Terminal,
) -> None:
    said = here.orch("stauts")
    assert said.exit_code == 2 and "did you mean: orch status" in said.err
    said = here.orch("run", "--paralel", "4")
    assert said.exit_code == 2 and "--parallel" in said.err and "orch run --help" in said.err
    said = here.orch("retry")
    assert said.exit_code == 2 and "missing argument" in said.err
    said = here.orch("run", "--parallel", "0")
    assert said.exit_code == 2 and "Traceback" not in said.err


def test_looking_where_nothing_ever_ran_says_how_to_begin(
    here: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here.root)
    for command in ("status", "show", "report", "wait", "resume", "accept", "diff"):
        assert run([command]) == 2, command
        said = capsys.readouterr()
        assert "no run in this repository yet" in said.err and "orch plan" in said.err
        assert said.out == ""
    assert not (here.root / ".git" / "orch" / "ledger.sqlite").exists()
    assert here.orch("clean").exit_code == 0


def test_wrong_places_are_named_with_what_to_do(here: Terminal, tmp_path: Path) -> None:
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    for command in ("status", "run", "doctor"):
        said = here.orch(command, folder=empty)
        text = said.out + said.err
        assert said.exit_code == 2 and "not in a git repository" in text, text
        assert "git init" in text
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    subprocess.run(["git", "init", "-q", str(fresh)], check=True, env=here.environ)
    said = here.orch("doctor", folder=fresh)
    assert said.exit_code == 2 and "no commit yet" in said.out and "git commit" in said.out
    here.plan(("a", ()))
    shutil.copytree(here.root / ".agent", fresh / ".agent")
    said = here.orch("run", folder=fresh)
    assert said.exit_code == 2 and "make a first commit" in said.err
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "init", "-q", "--bare", str(bare)], check=True, env=here.environ)
    said = here.orch("status", folder=bare)
    assert said.exit_code == 2 and "bare" in said.err


def test_variables_of_git_that_a_hook_hands_down_do_not_count(
    here: Terminal, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["git", "init", "-q", str(other)], check=True, env=here.environ)
    said = here.orch("doctor", "--json", GIT_DIR=str(other / ".git"), GIT_WORK_TREE=str(other))
    found = {one["subject"]: one for one in said.json}
    assert found["repository"]["what"] == str(here.root)
    lister = ("plan", "Look", "--for-each", "git ls-files", "--json")
    made = here.orch(*lister, GIT_DIR=str(other / ".git"), GIT_WORK_TREE=str(other))
    assert "readme" in [path for task in made.json["plan"]["tasks"] for path in task["paths"]]


@pytest.mark.thorough
def test_a_subfolder_and_a_linked_worktree_see_the_same_ledger(here: Terminal) -> None:
    here.plan(("a", ()))
    assert here.orch("run").exit_code == 0
    below = here.root / ".agent" / "plans"
    linked = here.home / "linked"
    here.git("worktree", "add", "-q", "--detach", str(linked))
    ids = {here.orch("status", "--json", folder=f).json["run"] for f in (here.root, below, linked)}
    assert len(ids) == 1


def test_the_doctor_finds_what_is_odd_and_says_what_to_type(here: Terminal) -> None:
    said = here.orch("doctor", "--json")
    assert said.exit_code == 0, said.out
    levels = {one["subject"]: one["level"] for one in said.json}
    assert levels["git"] == levels["identity"] == levels["gates"] == levels["disk"] == "good"
    here.git("branch", "orch")
    here.git("checkout", "-q", "--detach")
    here.write({"readme": "changed"})
    settings = here.root / ".agent" / "orch.toml"
    settings.write_text(settings.read_text().replace("sh suite.sh", "no-such-program --all"))
    said = here.orch("doctor")
    assert said.exit_code == 2
    assert "git branch -m orch orch-work" in said.out and "HEAD is detached" in said.out
    assert "there is no program 'no-such-program'" in said.out and "not committed" in said.out


def test_settings_that_are_wrong_are_told_all_at_once_with_lines(here: Terminal) -> None:
    here.write({".agent/orch.toml": '[run]\nparalel = 4\n[[gate]]\nname = "A B"\ncommand = 3\n'})
    said = here.orch("run")
    assert said.exit_code == 2
    assert "orch.toml:2:" in said.err and "parallel" in said.err and "orch.toml:5:" in said.err


def test_the_reference_page_is_what_the_commands_say() -> None:
    from orchestrator.cli.reference import PAGE, render_reference

    assert PAGE.read_text("utf-8") == render_reference(), (
        "python -m orchestrator.cli.reference --write"
    )


@pytest.mark.thorough
def test_a_shell_can_complete_commands_runs_and_tasks(here: Terminal) -> None:
    here.plan(("alpha", ()), ("beta", ("alpha",)))
    assert here.orch("run").exit_code == 0

    def completed(words: str) -> str:
        return here.installed(
            _ORCH_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" "))
        ).out

    assert "status" in completed("orch sta")
    assert "alpha" in completed("orch show al") and "beta" not in completed("orch show al")


def test_the_entry_point_is_installed() -> None:
    assert os.access(ORCH, os.X_OK)
