"""A person at a terminal: a real repository, and `orch` typed in it.

Most of a command's time is spent on starting Python and importing. So `orch` is a process of its
own, with its own folder, environment and output, forked from this one, which has imported all of
it already; `installed` and `start` are the installed program from its first instruction.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
import termios
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NoReturn

import orchestrator.engine  # noqa: F401  (imported once, here, for every command)
from ledger.store import Store
from orchestrator.cli.app import COMMANDS, load
from orchestrator.cli.main import run
from orchestrator.journal import load_state
from tests.support.cli import copied_code

ORCH = Path(sys.executable).parent / "orch"
WITHIN_S = 90.0
CRASHED = 99

SETTINGS = """\
[run]
worker = "scripted"
parallel = 4
min_free_gb = 0
sandbox = "none"
{more}

[[gate]]
name = "quick"
command = "! grep -rq WRONG --include=*.txt ."
stage = "check"

[[gate]]
name = "suite"
command = "sh suite.sh"

[worker.scripted]
kind = "command"
command = "{command}"
"""

SCRIPT = """
[[step]]
task = "stubborn"
print = "\\u001b[31mI cannot\\u001b[0m do it"
exit = 3
[[step]]
task = "twice"
unless_feedback = ""
write = { "twice.txt" = "WRONG" }
exit = 0
[[step]]
task = "slow"
sleep_s = 30
[[step]]
write = { "{task}.txt" = "by {task}\\n" }
print = "worked on {task}"
"""


for _name in COMMANDS:
    load(_name)


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal:
    """A folder with a repository, and the commands typed in it."""

    def __init__(self, folder: Path, script: str = SCRIPT, settings: str = "") -> None:
        self.home = folder
        self.root = folder / "project"
        self.root.mkdir(parents=True)
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ORCH_STATE_DIR": str(folder / "state"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LANG": "C.UTF-8",
            **copied_code(),
        }
        (folder / "script.toml").write_text(script)
        self.git("init", "-q", "--initial-branch=main")
        self.git("config", "user.name", "A Person")
        self.git("config", "user.email", "person@example.invalid")
        command = f"{shlex.quote(sys.executable)} -P -m workers.scripted {folder}/script.toml"
        self.write(
            {
                "suite.sh": "! { test -e left.txt && test -e right.txt; }\n",
                "readme": "hello\n",
                ".agent/orch.toml": SETTINGS.format(command=command, more=settings),
                ".agent/.gitignore": "state_ledger.json\norch.local.toml\n",
            }
        )
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "first")

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def plan(self, *tasks: tuple[str, tuple[str, ...]], name: str = "work") -> None:
        """Write a plan of these tasks and what they need."""
        text = 'goal = "Some work"\n'
        for task_id, needs in tasks:
            text += f'\n[[task]]\nid = "{task_id}"\nprompt = "do it"\n'
            text += f'paths = ["{task_id}.txt"]\nneeds = {json.dumps(needs)}\n'
        self.write({f".agent/plans/{name}.toml": text})

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ("git", *args),
            cwd=self.root,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"git {shlex.join(args)}: {done.stderr}"
        return done.stdout.strip()

    def orch(self, *args: str, folder: Path | None = None, **environ: str) -> Said:
        """Type an orch command and wait for its end."""
        with TemporaryFile() as out, TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                streams = (out.fileno(), err.fileno())
                _become_orch(args, folder or self.root, {**self.environ, **environ}, streams)
            exit_code = _wait(child)
            out.seek(0)
            err.seek(0)
            return Said(exit_code, out.read().decode(), err.read().decode())

    def installed(self, *args: str, folder: Path | None = None, **environ: str) -> Said:
        """Type a command of the installed program and wait for its end."""
        done = subprocess.run(
            (str(ORCH), *args),
            cwd=folder or self.root,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Type an orch command and go on typing."""
        return subprocess.Popen(
            (str(ORCH), *args),
            cwd=self.root,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def at_screen(self, *args: str, answers: Mapping[str, str] | None = None) -> Said:
        """Type a command of the installed program at a terminal, and keys when it has said so.

        What it wrote to the screen is `out`; carriage returns are left out.
        """
        with Screen(self, args) as screen:
            for words, keys in (answers or {}).items():
                screen.shows(words)
                screen.press(keys)
            exit_code = screen.end()
        return Said(exit_code, screen.text, "")

    def statuses(self) -> dict[str, str]:
        """Where the tasks of the newest run stand; nothing while there is none."""
        store = Store.open_existing(self.root / ".git" / "orch" / "ledger.sqlite")
        if store is None:
            return {}
        with store:
            runs = store.runs()
            state = load_state(store, runs[0].run) if runs else None
        return {task_id: task.status for task_id, task in state.tasks.items()} if state else {}


class Screen:
    """The installed program at a pseudo-terminal of its own, with a person in front of it."""

    def __init__(self, at: Terminal, args: Sequence[str], command: str = str(ORCH)) -> None:
        self._primary, secondary = pty.openpty()
        self._raw = b""
        self.process = subprocess.Popen(
            (command, *args),
            cwd=at.root,
            env={**at.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "100"},
            stdin=secondary,
            stdout=secondary,
            stderr=secondary,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(secondary)

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self._primary)

    @property
    def text(self) -> str:
        """What was written to it so far."""
        return self._raw.decode("utf-8", "replace").replace("\r", "")

    def press(self, keys: str) -> None:
        """Type these keys."""
        os.write(self._primary, keys.encode())

    def shows(self, words: str, within_s: float = WITHIN_S) -> None:
        """Wait until these words are on it."""
        deadline = time.monotonic() + within_s
        while words not in self.text:
            assert time.monotonic() < deadline and self._reads(), f"no {words!r} in: {self.text}"

    def end(self) -> int:
        """Wait for the program's end; its exit code."""
        deadline = time.monotonic() + WITHIN_S
        while self._reads():
            assert time.monotonic() < deadline, f"it had not ended: {self.text}"
        return self.process.wait(10)

    def _reads(self) -> bool:
        """Read what there is, for a moment; False when nobody has it open any more."""
        ready, _, _ = select.select([self._primary], [], [], 0.1)
        if not ready:
            return True
        try:
            found = os.read(self._primary, 65536)
        except OSError:  # the other end is closed
            return False
        self._raw += found
        return bool(found)


def _become_orch(
    args: Sequence[str], folder: Path, environ: Mapping[str, str], streams: tuple[int, int]
) -> NoReturn:
    """Be what the installed program would be, in a forked child, and never come back."""
    exit_code = CRASHED
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
        for number, stream in enumerate(streams, start=1):
            os.dup2(stream, number)
        # They live as long as the process.
        sys.stdin = os.fdopen(0)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")
        sys.argv = [str(ORCH), *args]
        exit_code = run(args)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        # Whatever happens, two pytests must not go on from here.
        os._exit(exit_code)


def _wait(child: int) -> int:
    deadline = time.monotonic() + WITHIN_S
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError(f"it had not ended after {WITHIN_S} s")
        time.sleep(0.005)
