"""`orch init` on a real folder: it writes what is not there and touches nothing that is."""

import subprocess
import sys
import tomllib

import pytest

from orchestrator.config import load_settings
from orchestrator.errors import OrchError
from orchestrator.init import initialise, look_at


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n[tool.pytest.ini_options]\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("")
    return tmp_path


def test_the_first_call_writes_settings_that_can_be_used_at_once(project):
    result = initialise(project)
    assert result.written == (".agent/orch.toml", ".agent/RULES.md", ".agent/.gitignore")
    settings = load_settings(project)
    assert [gate.name for gate in settings.gates] == ["ruff", "tests"]
    assert (project / ".agent/.gitignore").read_text().split("\n")[1:3] == [
        "state_ledger.json",
        "orch.local.toml",
    ]
    assert [one.reason for one in result.proposal.gates] == [
        "[tool.ruff] in pyproject.toml",
        "[tool.pytest] in pyproject.toml",
    ]


def test_a_second_call_changes_nothing_and_says_what_differs(project):
    initialise(project)
    settings = project / ".agent" / "orch.toml"
    settings.write_text(settings.read_text().replace('"ruff check ."', '"ruff check src"'))
    before = {path: path.read_bytes() for path in (project / ".agent").iterdir()}
    (project / "go.mod").write_text("")
    result = initialise(project)
    assert result.written == ()
    assert result.unchanged == (".agent/RULES.md", ".agent/.gitignore")
    (difference,) = result.differing
    assert difference.path == ".agent/orch.toml"
    assert '-command = "ruff check src"' in difference.diff
    assert '+command = "go test ./..."' in difference.diff
    assert {path: path.read_bytes() for path in (project / ".agent").iterdir()} == before


def test_a_missing_file_is_written_beside_those_that_are_there(project):
    (project / ".agent").mkdir()
    (project / ".agent" / "RULES.md").write_text("mine\n")
    result = initialise(project)
    assert result.written == (".agent/orch.toml", ".agent/.gitignore")
    assert (project / ".agent" / "RULES.md").read_text() == "mine\n"


def test_where_nothing_can_be_written_the_reason_is_told(project):
    (project / ".agent").write_text("a file in the way")
    with pytest.raises(OrchError) as raised:
        initialise(project)
    assert ".agent" in raised.value.message
    assert raised.value.exit_code == 2


def test_dependencies_and_hidden_folders_are_not_looked_into(project):
    for folder in ("node_modules/x", ".venv/lib", "a/b/c/d"):
        (project / folder).mkdir(parents=True)
        (project / folder / "test_x.py").write_text("")
    assert {name for name in look_at(project).names if name.endswith(".py")} == {"tests/test_a.py"}


def test_a_machine_that_has_only_python3_gets_gates_that_can_run(project, tmp_path):
    (project / "pyproject.toml").unlink()
    (project / "tests" / "test_a.py").write_text(
        "import unittest\nclass A(unittest.TestCase):\n    def test_a(self):\n        pass\n"
    )
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    (gate,) = initialise(project, str(programs)).proposal.gates
    assert gate.gate.command == "python3 -m unittest discover -s tests"
    command = ["/bin/sh", "-c", gate.gate.command]
    said = subprocess.run(
        command, cwd=project, env={"PATH": str(programs)}, capture_output=True, check=False
    )
    assert said.returncode == 0 and b"Ran 1 test" in said.stderr, said.stderr
    (programs / "python").symlink_to(sys.executable)
    assert look_at(project, str(programs)).python == "python"


def test_the_worker_that_is_proposed_in_a_comment_is_a_sound_one(project):
    initialise(project)
    text = (project / ".agent" / "orch.toml").read_text()
    example = text[text.index("# [worker.codemod]") :].replace("# ", "")
    (worker,) = tomllib.loads(example)["worker"].values()
    assert worker["command"].startswith("xargs -r -d '\\n' ruff check"), worker
