"""What of the machine a verdict depends on."""

import os
import time

import pytest

from ledger.model import Gate, Preparation, Settings
from orchestrator.verification.protected import words_that_run
from orchestrator.verification.tools import platform_key


class Machine:
    """A PATH of its own, and an environment for Python."""

    def __init__(self, folder):
        self.bin, self.venv = folder / "bin", folder / "venv"
        self.bin.mkdir()
        self.packages = self.venv / "lib/python3.11/site-packages"
        (self.packages / "lint-1.0.dist-info").mkdir(parents=True)
        (self.venv / "bin").mkdir()
        (self.venv / "pyvenv.cfg").write_text("version = 3.11.7\n")
        self.program(self.bin / "lint")
        self.program(self.venv / "bin/python")
        self.environ = {"PATH": f"{self.bin}:{self.venv / 'bin'}", "HOME": str(folder / "home")}
        self.command = "lint . && python -m pytest"
        self.setup = ()

    def program(self, path, text="exit 0\n"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def key(self):
        gates = (Gate(name="g", command=self.command),)
        settings = Settings(gates=gates, preparation=Preparation(setup=self.setup))
        return platform_key(self.environ, settings)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


CHANGES = {
    "another size": lambda m: m.program(m.bin / "lint", "exit 1 # longer\n"),
    "another date": lambda m: os.utime(m.bin / "lint", (1, 1)),
    "gone": lambda m: (m.bin / "lint").unlink(),
    "one that is found first": lambda m: (
        m.program(m.bin / "python"),
        os.utime(m.bin / "python", (1, 1)),
    ),
    "the shell's tools": lambda m: m.program(m.bin / "make"),
    "what is installed": lambda m: (m.packages / "lint-1.0.dist-info").rename(
        m.packages / "lint-1.1.dist-info"
    ),
    "installed once more": lambda m: os.utime(m.packages / "lint-1.0.dist-info", (1, 1)),
    "another python": lambda m: (m.venv / "pyvenv.cfg").write_text("version = 3.12.1\n"),
    "installed by the user": lambda m: (
        m.bin.parent / "home/.local/lib/python3.11/site-packages/x-1.dist-info"
    ).mkdir(parents=True),
    "another path": lambda m: m.environ.update(PATH=m.environ["PATH"] + ":/opt/bin"),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_the_key_differs_with_each_change_of_a_tool(machine, change):
    before = machine.key()
    assert machine.key() == before
    CHANGES[change](machine)
    assert machine.key() != before


def test_the_key_holds_while_only_other_things_change(machine):
    before = machine.key()
    machine.program(machine.bin / "unrelated")
    (machine.packages / "__pycache__").mkdir()
    assert machine.key() == before
    machine.setup = ("unrelated",)
    named = machine.key()
    machine.program(machine.bin / "unrelated", "exit 1 # longer\n")
    assert machine.key() != named


def test_a_tool_behind_a_link_is_the_tool_that_it_leads_to(machine):
    away = machine.bin.parent / "pipx/lint"
    machine.program(away / "bin/lint")
    installed = away / "lib/python3.11/site-packages/plugin-1.dist-info"
    installed.mkdir(parents=True)
    (machine.bin / "lint").unlink()
    (machine.bin / "lint").symlink_to(away / "bin/lint")
    before = machine.key()
    installed.rename(installed.with_name("plugin-2.dist-info"))
    assert machine.key() != before


def test_a_script_outside_the_tree_counts(machine):
    script = machine.bin.parent / "check.sh"
    machine.program(script)
    machine.command = f"CI=1 timeout 60 sh {script} --all"
    before = machine.key()
    machine.program(script, "exit 1 # longer\n")
    assert machine.key() != before


def test_which_words_of_a_command_run():
    assert words_that_run("A=1 uv run pytest -q | tee log; ./mine") == (
        *("uv", "pytest", "tee", "./mine"),
    )
    assert words_that_run("bash '/opt/check it' && (cd x; make)") == (
        *("bash", "/opt/check it", "cd", "make"),
    )
    assert words_that_run('echo "open') == ("echo",)
    assert words_that_run("") == ()


def test_the_key_of_this_very_machine_takes_milliseconds(machine):
    machine.environ |= {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    took = []
    for _ in range(5):
        began = time.perf_counter()
        machine.key()
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05
