"""A clumsy user of the installed `orch`: real repositories, real commands, and what must be left.

1. Every command is the installed one, in an environment that holds nothing of the tester's, or,
   where nothing depends on how it starts, the same from an interpreter that is warm.
2. A person's things are their files, their index, their configuration, hooks and refs: one hash
   each, taken before and after.
3. Nothing of orch's is left when no process of orch's file lock, worktree, process or temporary
   file is; its ledger and the refs that the ledger names are its own and stay.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.lock import is_held
from ledger.store import Store
from tests.support.warm import MODELS, warm

ORCH = Path(sys.executable).parent / "orch"
WITHIN_S = 60.0
USUAL = {"PATH", "HOME", "ORCH_STATE_DIR", "GIT_CONFIG_NOSYSTEM", "LANG"}
"""The variables of a person who set none of their own."""
READ_LATER = {"TELL_ME", "TEA_TOKEN", "GITHUB_STEP_SUMMARY", "CI"}
"""Variables that mean nothing to an interpreter that starts."""

WORKS = 'printf "by %s\\n" "$ORCH_TASK" > "$ORCH_TASK.txt"'
"""A worker that writes the one file that its task may change."""
OK = "exit 0"


def copied_code() -> dict[str, str]:
    """Where the code that is tested is a copy, what lets the installed programs import it too."""
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


@dataclass(frozen=True)
class Said:
    """How a command ended, what it said, and how long it took."""

    exit_code: int
    out: str
    err: str
    duration_s: float = 0.0

    @property
    def json(self) -> Any:
        """The answer of a command that was asked for JSON."""
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """All that was said, on one line, for looking whether something was."""
        return " ".join(f"{self.out}\n{self.err}".split())


def refused(said: Said, exit_code: int, *words: str) -> None:
    """Assert that a command was refused as a person would want it: what, where, what to type.

    The words are looked for on stderr; stdout holds answers only, and there is none.
    """
    everything = f"exit {said.exit_code}\n--- stdout\n{said.out}\n--- stderr\n{said.err}"
    assert said.exit_code == exit_code, everything
    assert said.out == "", everything
    no_defect(said)
    assert "error:" in said.err or re.search(r":\d+: ", said.err), everything
    assert "hint:" in said.err, everything
    heard = " ".join(said.err.split())
    for word in words:
        assert word in heard, f"'{word}' was not said\n{everything}"


def declined(said: Said, *words: str) -> None:
    """Assert that orch did not do it, and that a person has to do something first: exit 5."""
    ended_with(said, 5, *words)
    assert "hint:" in said.err, said


def no_defect(said: Said) -> None:
    """Assert that a person saw neither a traceback nor a defect of orch's."""
    text = said.out + said.err
    for bad in ("Traceback", "defect of orch", 'File "'):
        assert bad not in text, f"exit {said.exit_code}\n{text}"


def ended_with(said: Said, exit_code: int, *words: str) -> None:
    """Assert how a command ended, without a defect, and what it said on either channel."""
    no_defect(said)
    everything = f"exit {said.exit_code}\n--- stdout\n{said.out}\n--- stderr\n{said.err}"
    assert said.exit_code == exit_code, everything
    for word in words:
        assert word in said.words, f"'{word}' was not said\n{everything}"


@dataclass
class User:
    """A person with a repository, settings and plans, who types orch commands in it."""

    home: Path
    name: str = "project"
    files: Mapping[str, str] = field(default_factory=lambda: {"readme": "hello\n"})
    environ: dict[str, str] = field(default_factory=dict)
    commits: bool = True
    models: bool = False
    """Its commands call models."""

    def __post_init__(self) -> None:
        self.root = self.home / self.name
        self.state = self.home / "state"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "ORCH_STATE_DIR": str(self.state),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LANG": "C.UTF-8",
            **copied_code(),
            **self.environ,
        }
        self.home.mkdir(parents=True, exist_ok=True)
        if not self.root.exists():
            self.begin()

    def begin(self) -> None:
        """Make the repository, with settings and a first commit."""
        self.root.mkdir(parents=True)
        self.git("init", "-q", "--initial-branch=main")
        self.identify()
        self.settings()
        if self.commits:
            self.commit(dict(self.files), "first")

    def identify(self) -> None:
        self.git("config", "user.name", "A Person")
        self.git("config", "user.email", "person@example.invalid")

    # --- files --------------------------------------------------------------------------------

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, files: Mapping[str, str], message: str = "more") -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def settings(
        self,
        worker: str = WORKS,
        gates: Mapping[str, str] | None = None,
        checks: Mapping[str, str] | None = None,
        run: str = "",
        more: str = "",
    ) -> None:
        """Write the settings: one shell worker, land and check gates by name."""
        text = f'[run]\nworker = "sh"\nmin_free_gb = 0\nsandbox = "none"\n{run}\n'
        for stage, some in (("check", checks or {}), ("land", gates or {"suite": OK})):
            for name, command in some.items():
                text += f'\n[[gate]]\nname = "{name}"\nstage = "{stage}"\n'
                text += f"command = {json.dumps(command)}\n"
        text += f'\n[worker.sh]\nkind = "command"\ncommand = {json.dumps(worker)}\n{more}'
        ignored = "state_ledger.json\norch.local.toml\nplans/\n"
        self.write({".agent/orch.toml": text, ".agent/.gitignore": ignored})
        self.trust()

    def trust(self) -> None:
        """Trust the settings as they are, where orch has run: a person who edits them would."""
        if list(self.root.glob(".git/orch/trusted/*")):
            ended_with(self.orch("trust", "--yes"), 0)

    def plan(self, *tasks: str | tuple[str, list[str]], name: str = "work", **more: str) -> None:
        """Write a plan of these tasks; each may change the file of its name."""
        lines = ['goal = "Some work"', *(f"{key} = {json.dumps(v)}" for key, v in more.items())]
        for one in tasks:
            task_id, needs = one if isinstance(one, tuple) else (one, [])
            lines += ["", "[[task]]", f'id = "{task_id}"', 'prompt = "do it"']
            lines += [f'paths = ["{task_id}.txt"]', f"needs = {json.dumps(needs)}"]
        self.write({f".agent/plans/{name}.toml": "\n".join(lines) + "\n"})

    # --- commands -----------------------------------------------------------------------------

    def git(self, *args: str, folder: Path | None = None) -> str:
        return self.git_bytes(*args, folder=folder).decode("utf-8", "surrogateescape").strip()

    def git_bytes(self, *args: str, folder: Path | None = None) -> bytes:
        done = subprocess.run(
            ("git", *args),
            cwd=folder or self.root,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WITHIN_S,
            check=False,
        )
        assert done.returncode == 0, f"git {shlex.join(args)}: {done.stderr!r}"
        return done.stdout

    def orch(
        self,
        *args: str,
        folder: Path | None = None,
        environ: Mapping[str, str] | None = None,
        within_s: float = WITHIN_S,
        before: Callable[[], None] | None = None,
    ) -> Said:
        """Type an orch command and wait for its end; `before` runs in the child, before it."""
        began = time.monotonic()
        if environ is None and before is None and set(self.environ) - READ_LATER == USUAL:
            always = frozenset((k, v) for k, v in self.environ.items() if k in ("PATH", "LANG"))
            code, *said = warm(always).run(
                args, folder or self.root, self.environ, within_s, MODELS if self.models else ()
            )
            out, err = (
                text.decode("utf-8", "surrogateescape").replace("\r\n", "\n") for text in said
            )
            return Said(code, out, err, time.monotonic() - began)
        done = subprocess.run(
            (str(ORCH), *args),
            cwd=folder or self.root,
            env=self.environ if environ is None else dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=within_s,
            check=False,
            preexec_fn=before,
        )
        return Said(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    @contextmanager
    def typing(self, *args: str, **how: Any) -> Iterator[Typed]:
        """Type an orch command and go on typing; it is gone when the block is left."""
        typed = Typed(
            subprocess.Popen(
                (str(ORCH), *args),
                cwd=self.root,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                **how,
            )
        )
        try:
            yield typed
        finally:
            if typed.end():
                # The test failed in the middle: what the command started is ours to end.
                for pid in self.processes():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    # --- what is there ------------------------------------------------------------------------

    def status(self, *args: str) -> Any:
        """What `orch status --json` says."""
        said = self.orch("status", "--json", *args)
        ended_with(said, 0)
        return said.json

    def run_id(self) -> str:
        """The newest run's id; read from the ledger, since a command costs much more."""
        common = Path(self.git("rev-parse", "--path-format=absolute", "--git-common-dir"))
        store = Store.open_existing(common / "orch" / "ledger.sqlite")
        assert store is not None, "nothing was ever run here"
        with store:
            return store.runs()[0].run

    def result(self, run: str | None = None) -> dict[str, str]:
        """The files of the result, without the user's own settings."""
        tip = f"refs/orch/{run or self.run_id()}/tip"
        names = self.git("ls-tree", "-r", "-z", "--name-only", tip).split("\0")
        mine = [name for name in names if name and not name.startswith(".agent/")]
        return {name: self.git("show", f"{tip}:{name}") for name in mine}

    def things(self) -> dict[str, str]:
        """A hash of each thing of the user's: files, index, configuration, hooks, refs, stash."""
        common = Path(self.git("rev-parse", "--path-format=absolute", "--git-common-dir"))
        found: dict[str, str] = {}
        for path in sorted(self.root.rglob("*")):
            inside = path.relative_to(self.root)
            if inside.parts[0] == ".git" or inside == Path(".agent/state_ledger.json"):
                continue
            found[f"file {inside}"] = _hash(path)
        for name in ("index", "config", "HEAD", "shallow", "info/exclude", "logs/HEAD"):
            found[f"git {name}"] = _hash(common / name)
        for path in sorted((common / "hooks").glob("*")):
            found[f"hook {path.name}"] = _hash(path)
        refs = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        theirs = ("refs/orch/", "refs/heads/orch/")
        found["refs"] = "\n".join(ref for ref in refs if not ref.startswith(theirs))
        return found

    def left(self) -> list[str]:
        """What is left of orch's that should not be: worktrees, processes, locks, files."""
        common = Path(self.git("rev-parse", "--path-format=absolute", "--git-common-dir"))
        found = [f"worktree {one.name}" for one in common.glob("worktrees/orch-*")]
        locks = [one for one in common.rglob("*.lock") if not one.is_relative_to(common / "orch")]
        found += [f"lock {one}" for one in locks]
        found += [f"held {one}" for one in common.glob("orch/locks/*.lock") if is_held(one)]
        found += [f"object {one}" for one in common.rglob("tmp_obj_*")]
        found += [f"objects {one}" for one in common.glob("objects/orch-*")]
        found += [f"file {one}" for one in self.state.rglob("*") if one.is_file()]
        found += [f"of a run: {one}" for one in common.glob("orch/runs/*/*")]
        found += [f"process {pid}: {what}" for pid, what in self.processes().items()]
        return found

    def processes(self) -> dict[int, str]:
        """The processes that this user started, directly or not, and that are not gone."""
        mine, found = os.fsencode(self.home), {}
        for entry in Path("/proc").glob("[0-9]*"):
            if int(entry.name) == os.getpid():
                continue
            try:
                environ = (entry / "environ").read_bytes()
                if mine not in environ and mine not in os.readlink(os.fsencode(entry / "cwd")):
                    continue
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words != [b""]:  # a zombie is gone
                found[int(entry.name)] = b" ".join(words).decode("utf-8", "replace")
        return found

    def wait_gone(self, within_s: float = 10.0) -> None:
        """Wait until nothing of orch's is left, and say what is where something stays."""
        wait_for(lambda: not self.left(), within_s, lambda: f"left: {self.left()}")


@dataclass
class Typed:
    """A command that goes on."""

    process: subprocess.Popen[str]
    heard: list[str] = field(default_factory=list)

    def hears(self, words: str, within_s: float = 30.0) -> str:
        """Wait for a line of its narration that holds these words; the line."""
        assert self.process.stderr is not None
        os.set_blocking(self.process.stderr.fileno(), False)
        found: list[str] = []

        def looked() -> bool:
            assert self.process.stderr is not None
            ended = self.process.poll() is not None
            while line := self.process.stderr.readline():
                self.heard.append(line)
                if words in " ".join(line.split()):
                    found.append(line)
                    return True
            assert not ended, f"it ended without '{words}': {''.join(self.heard)}"
            return False

        wait_for(looked, within_s, lambda: f"'{words}' was not said: {''.join(self.heard)}")
        os.set_blocking(self.process.stderr.fileno(), True)
        return found[0]

    def press(self, number: signal.Signals) -> None:
        """Send it a signal, as a terminal would."""
        self.process.send_signal(number)

    def said(self, within_s: float = WITHIN_S) -> Said:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=within_s)
        return Said(self.process.returncode, out, "".join(self.heard) + err)

    def end(self) -> bool:
        """End it, whatever it does; whether it was still there."""
        there = self.process.poll() is None
        if there:
            self.process.kill()
            self.process.wait(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return there


def wait_for(
    holds: Callable[[], object], within_s: float = 20.0, why: Callable[[], str] = lambda: ""
) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, why() or "it did not come about in time"
        time.sleep(0.02)


def _hash(path: Path) -> str:
    if path.is_symlink():
        return f"-> {os.readlink(path)}"
    if not path.is_file():
        return "folder" if path.is_dir() else "nothing"
    mode = path.stat().st_mode & 0o777
    return f"{mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
