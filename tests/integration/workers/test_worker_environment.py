"""What a child sees of the user's environment."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from ledger.model import Identity
from workers.environment import build_environment, free_port, is_passable, orch_variables

SNAPSHOT = {
    "PATH": "/home/me/.venv/bin:.:bin::/usr/bin",
    "HOME": "/home/me",
    "VIRTUAL_ENV": "/home/me/.venv",
    "LANG": "de_DE.UTF-8",
    "LC_TIME": "C",
    "API_KEY": "secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "SSH_AUTH_SOCK": "/run/agent",
    "PYTHONPATH": "/home/me/project",
    "GIT_DIR": "/home/me/project/.git",
    "GIT_CONFIG_COUNT": "1",
    "ORCH_MARK": "outer/run/1/x",
    "ORCH_TASK": "outer",
    "DATABASE_URL": "postgres://",
    "BASH_ENV": "/home/me/.bashrc",
}


def test_a_child_sees_the_users_tools_and_none_of_their_secrets():
    built = build_environment(SNAPSHOT, temporary=Path("/tmp/own"))

    assert built["PATH"] == "/home/me/.venv/bin:/usr/bin"
    assert built["VIRTUAL_ENV"] == "/home/me/.venv" and built["HOME"] == "/home/me"
    assert (built["LANG"], built["LC_TIME"]) == ("de_DE.UTF-8", "C")
    assert built["TMPDIR"] == "/tmp/own" and built["TERM"] == "dumb"
    assert "secret" not in built.values()
    outside = ("SSH_AUTH_SOCK", "PYTHONPATH", "GIT_DIR", "ORCH_TASK", "BASH_ENV", "DATABASE_URL")
    assert not built.keys() & {*outside, "PYTHONDONTWRITEBYTECODE"}


def test_the_settings_allow_by_name_and_cannot_turn_git_around():
    allowed = ("DATABASE_URL", "GIT_DIR", "GIT_CONFIG_COUNT", "ORCH_TASK", "PATH", "NOT_SET")
    built = build_environment(SNAPSHOT, temporary=Path("/t"), allowed=allowed)

    assert built["DATABASE_URL"] == "postgres://"
    assert not built.keys() & {"GIT_DIR", "GIT_CONFIG_COUNT", "ORCH_TASK", "NOT_SET"}
    assert ":.:" not in built["PATH"]
    assert is_passable("GIT_SSH_COMMAND") and not is_passable("GIT_DIR") and not is_passable("A=B")


def test_an_empty_environment_still_works():
    built = build_environment({}, temporary=Path("/t"))
    found = subprocess.run(["sh", "-c", "git --version && locale"], env=built, capture_output=True)

    assert built["LANG"] == "C.UTF-8"
    assert found.returncode == 0 and found.stdout.startswith(b"git version")


def test_overrides_win_and_orchs_variables_are_absent_where_unknown():
    orch = orch_variables(run="r-1", task="a", attempt=2, round=1, port=20001)
    built = build_environment(
        SNAPSHOT, temporary=Path("/t"), orch=orch, overrides={"PATH": "/only", "NO_COLOR": ""}
    )

    assert (built["ORCH_RUN"], built["ORCH_ATTEMPT"], built["ORCH_PORT"]) == ("r-1", "2", "20001")
    assert "ORCH_FEEDBACK_FILE" not in built and built["PATH"] == "/only"
    assert orch_variables(run="r-1") == {"ORCH_RUN": "r-1"}


def test_a_workers_own_commit_works_and_asks_nobody(tmp_path):
    person = Identity(name="Ada Lovelace", email="ada@example.org")
    built = build_environment(
        {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, temporary=tmp_path, person=person
    )

    def git(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *args], cwd=tmp_path, env=built, capture_output=True, text=True, timeout=20
        )

    git("init", "-q")
    (tmp_path / "file").write_text("x")
    git("add", "file")
    assert git("commit", "-q").returncode != 0  # no editor comes up
    assert git("commit", "-qm", "work").returncode == 0
    assert (
        git("log", "--format=%an %ae %cn").stdout == "Ada Lovelace ada@example.org Ada Lovelace\n"
    )


def test_two_workers_never_get_one_port():
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(free_port()) for _ in range(200)]
        with socket.socket() as server:
            server.bind(("127.0.0.1", ports[0]))  # it is free for the worker
            server.listen()

    assert len(set(ports)) == 200


def test_nor_do_workers_of_two_engines():
    script = (
        "import contextlib, sys\nimport workers.environment as e\n"
        "e._PORTS = range(20500, 20600)\nwith contextlib.ExitStack() as s:\n"
        "  print(*[s.enter_context(e.free_port()) for _ in range(40)], flush=True)\n"
        "  sys.stdin.read()\n"
    )
    engines = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    lines = [engine.stdout.readline() for engine in engines]
    for engine in engines:
        engine.communicate(timeout=20)
    ports = re.findall(r"\d+", " ".join(lines))

    assert len(ports) == len(set(ports)) == 80


def test_a_port_that_somebody_uses_is_not_handed_out(monkeypatch):
    with free_port() as port, socket.socket() as server:
        server.bind(("0.0.0.0", port))
        server.listen()
        monkeypatch.setattr("workers.environment._PORTS", range(port, port + 1))
        try:
            with free_port() as other:
                raise AssertionError(f"handed out {other}")
        except OSError as error:
            assert str(port) in str(error)
