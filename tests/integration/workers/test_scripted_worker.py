"""The worker that does what a file says."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest


@pytest.fixture
def scripted(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()

    def run(script: str, task="types-core", attempt=1, round=1, feedback=None):
        (tmp_path / "script.toml").write_text(script)
        env = {"ORCH_TASK": task, "ORCH_ATTEMPT": str(attempt), "ORCH_ROUND": str(round)}
        if feedback is not None:
            (tmp_path / "feedback").write_text(feedback)
            env["ORCH_FEEDBACK_FILE"] = str(tmp_path / "feedback")
        return subprocess.run(
            [sys.executable, "-m", "workers.scripted", str(tmp_path / "script.toml")],
            cwd=tree, env=env, capture_output=True, text=True, timeout=20,
        )  # fmt: skip

    run.tree = tree
    return run


def test_it_does_every_step_that_applies_in_order(scripted):
    (scripted.tree / "old").write_text("x")
    (scripted.tree / "a.py").write_text("one\r\ntwo")
    found = scripted(
        """
        [[step]]
        task = "types-*"
        print = "on {task} {attempt}.{round}"
        write = { "src/{task}.py" = "x = 1\\n", "run.sh" = "#!/bin/sh\\n" }
        append = { "src/{task}.py" = "y = {attempt}\\n" }
        replace = { "a.py" = ["one", "1"] }
        delete = ["old"]
        chmod = { "run.sh" = "755" }
        [[step]]
        task = "docs-*"
        write = { "never" = "" }
        [[step]]
        exit = 3
        [[step]]
        write = { "never" = "" }
        """
    )

    assert (found.returncode, found.stdout, found.stderr) == (3, "on types-core 1.1\n", "")
    assert (scripted.tree / "src/types-core.py").read_text() == "x = 1\ny = 1\n"
    assert (scripted.tree / "a.py").read_bytes() == b"1\r\ntwo"
    assert (scripted.tree / "run.sh").stat().st_mode & stat.S_IXUSR
    assert sorted(p.name for p in scripted.tree.iterdir()) == ["a.py", "run.sh", "src"]


def test_a_step_asks_for_attempt_round_and_feedback(scripted):
    script = """
    [[step]]
    attempt = [1, 2]
    round = 1
    print = "early"
    [[step]]
    if_feedback = "mypy"
    print = "types"
    [[step]]
    unless_feedback = ""
    print = "fresh"
    """

    assert scripted(script).stdout == "early\nfresh\n"
    assert scripted(script, attempt=2, feedback="mypy says no").stdout == "early\ntypes\n"
    assert scripted(script, attempt=3, feedback="other").stdout == ""
    assert scripted(script, round=2).stdout == "fresh\n"


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("[[step]]\nwrte = {}", "step 1: unknown key 'wrte'; did you mean 'write'?"),
        ("[[step]]\n[[step]]\nexit = '1'", "step 2: 'exit' must be a whole number"),
        ("[[step]]\nwrite = { a = 1 }", "step 1: 'write' must map paths to texts"),
        ("[[step]]\nchmod = { a = '9' }", "octal"),
        ("[[step]]\nreplace = { a = ['x'] }", "[old, new]"),
        ("[step]\nexit = 1", "[[step]]"),
        ("[[steps]]\nexit = 1", "unknown 'steps'"),
        ("nonsense", "script.toml"),
        ("[[step]]\nwrite = { '../out' = '' }", "'../out' leaves the workspace"),
        ("[[step]]\nwrite = { '/tmp/out' = '' }", "leaves the workspace"),
        ("[[step]]\ndelete = ['absent']", "step 1: [Errno 2]"),
    ],
)
def test_a_wrong_script_says_what_and_where(scripted, script, complaint):
    found = scripted(script)

    assert found.returncode == 2 and "Traceback" not in found.stderr
    assert complaint in found.stderr and "script.toml" in found.stderr


def test_without_a_script_it_says_how_it_is_used():
    found = subprocess.run(
        [sys.executable, "-m", "workers.scripted"], capture_output=True, text=True, timeout=20
    )

    assert found.returncode == 2 and "SCRIPT.toml" in found.stderr
