"""The one door to git. Nothing else starts it, and nothing else imports GitPython.

1. Git never looks for a repository: every call says which one it means.
2. Content (trees, files, an index, merges) is worked on in the sealed folder (`sealed.py`), where
   the repository's configuration, hooks, drivers and attributes do not exist. Only what moves or
   reads refs runs in the repository itself, and hooks and every program that git could start from
   there are switched off by overrides that no file can win over.
3. The environment is closed. GitPython hands down `os.environ`, so a `GIT_*` variable that is
   not ours is taken away by `env -u`, at the cost of a process, and only where there is one.
4. Argument lists are fixed; object ids and refs are checked before they become arguments; paths
   come after `--` or through stdin.
5. Every call has a deadline. A call that misses it is ended with all that it started.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from pathlib import Path
from typing import IO

from worktree.names import quoted
from worktree.values import Answer, GitError, Kind, RefMoved

TIMEOUT_S = 120.0
_CHUNK_BYTES = 1 << 16
_STDERR_BYTES = 1 << 16

CLOSED = {
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "SSH_ASKPASS": "false",
    "GIT_EDITOR": "false",
    "GIT_PAGER": "cat",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/nonexistent",
}

SAFE = (
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.untrackedCache", "false"),
    ("core.sshCommand", "false"),
    ("diff.external", ""),
    ("submodule.recurse", "false"),
    ("protocol.allow", "never"),
    ("commit.gpgSign", "false"),
    ("gpg.program", "false"),
    ("credential.helper", ""),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("core.alternateRefsCommand", ""),
    ("log.showSignature", "false"),
    ("rerere.enabled", "false"),
)
"""Overrides that hold in the user's own checkout too: nothing there may start a program."""

OVERRIDES = (
    *SAFE,
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("fetch.fsckObjects", "true"),
    ("core.sparseCheckout", "false"),
    ("core.splitIndex", "false"),
    ("core.fileMode", "true"),
    ("core.symlinks", "true"),
    ("core.autocrlf", "false"),
    ("core.safecrlf", "false"),
    ("core.trustctime", "true"),
    ("core.checkStat", "default"),
    ("core.logAllRefUpdates", "false"),
    ("core.filesRefLockTimeout", "2000"),
    ("core.packedRefsTimeout", "10000"),
)


FSYNC = ("core.fsync", "committed,reference")
"""Objects and refs. Indexes are private here: after a crash they are made anew."""


def strip_environment(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Takes every `GIT_*` variable out of the environment; returns it as it was before."""
    before = dict(environ)
    for name in before:
        if name.startswith("GIT_"):
            del environ[name]
    return before


def overrides(pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Configuration as environment variables; git lets it win over every file."""
    found = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (key, value) in enumerate(pairs):
        found[f"GIT_CONFIG_KEY_{number}"] = key
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    return found


def checked(args: tuple[str, ...], said: Answer, ok: tuple[int, ...]) -> Answer:
    """The answer, where git ended as it may; else a GitError that says why."""
    if said.exit_code in ok:
        return said
    # A limit on the size of files ends the writer by a signal, without a word.
    too_large = said.exit_code == -signal.SIGXFSZ
    kind: Kind = "no-space" if too_large else _kind(said.err)
    lines = [line for line in said.err.splitlines() if line.strip()]
    why = next((line for line in lines if line.startswith(("fatal:", "error:"))), "")
    silent = "a limit on the size of files was reached (ulimit -f)" if too_large else ""
    why = why or (lines[-1] if lines else silent or "it said nothing")
    why = why.removeprefix("fatal: ")
    what = f"git {args[0]} failed (exit {said.exit_code}): {why.removeprefix('error: ')[:300]}"
    error = RefMoved if kind == "moved" else GitError
    raise error(what, kind=kind, argv=args, exit_code=said.exit_code, stderr=said.err)


_KINDS: tuple[tuple[Kind, str], ...] = (
    ("no-space", r"No space left on device|Disk quota exceeded|File too large"),
    ("moved", r"but expected [0-9a-f]{40}|reference already exists|reference is missing"),
    ("moved", r"cannot lock ref .*unable to resolve reference"),
    (
        "name-conflict",
        r"exists; cannot create|there are still refs under|cannot lock ref .*exists;",
    ),
    ("locked", r"Unable to create '.*\.lock': File exists|could not lock"),
    ("unsafe-ownership", r"dubious ownership|unsafe repository"),
    ("not-a-repository", r"not a git repository"),
    ("missing-object", r"unable to read |missing blob|missing tree|could not fetch .*promisor"),
    ("missing-object", r"is not a valid object|nonexistent object"),
)


def _kind(stderr: str) -> Kind:
    return next((kind for kind, pattern in _KINDS if re.search(pattern, stderr)), "failed")


def call(
    args: tuple[str, ...],
    *,
    folder: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    timeout_s: float = TIMEOUT_S,
    limit_bytes: int | None = None,
) -> Answer:
    """Runs git once and waits for it; past `limit_bytes` of output it is ended."""
    # GitPython would quietly use the process's own folder instead.
    if not folder.is_dir():
        raise GitError(f"there is no folder {quoted(str(folder))}", argv=args)
    # GitPython costs 75 ms to import, and finds out at its import whether there is a git.
    try:
        from git.cmd import Git as GitPython
    except ImportError as error:
        raise GitError("git is not installed, or not on PATH", kind="no-git") from error
    foreign = [name for name in os.environ if name.startswith("GIT_") and name not in env]
    command: list[str] = [_program("git", os.environ.get("PATH", os.defpath)), *args]
    if foreign:
        unset = [part for name in foreign for part in ("-u", name)]
        command = [_program("env", os.environ.get("PATH", os.defpath)), *unset, *command]
    try:
        started = GitPython(str(folder)).execute(
            command,
            istream=subprocess.PIPE if stdin else None,
            env=env,
            as_process=True,
            # A group of its own: Ctrl-C at the terminal is for the engine to answer.
            process_group=0,
        )
    except OSError as error:
        raise GitError(f"git could not be started: {error}", argv=args) from error
    process = started.proc
    assert process is not None
    deadline = time.monotonic() + timeout_s
    try:
        out, err, truncated = _exchange(process, stdin, deadline, limit_bytes)
        if truncated:
            _end(process)
            return Answer(0, out, "", truncated=True)
        exit_code = _await_exit(process, deadline)
    except TimeoutError as error:
        raise GitError(
            f"git {args[0]} did not end within {timeout_s:g} s", kind="timeout", argv=args
        ) from error
    finally:
        _end(process)
    text = err.decode("utf-8", "replace")
    return Answer(exit_code, out, "".join(c for c in text if c == "\n" or c.isprintable()))


@lru_cache(maxsize=8)
def _program(name: str, path: str) -> str:
    # Looked up once; a relative entry of PATH must not find a program in a folder of an agent's.
    safe = os.pathsep.join(part for part in path.split(os.pathsep) if Path(part).is_absolute())
    found = shutil.which(name, path=safe)
    if found is None:
        raise GitError(f"{name} is not installed, or not on PATH", kind="no-git")
    return found


def _exchange(
    process: subprocess.Popen[bytes], stdin: bytes, deadline: float, limit_bytes: int | None
) -> tuple[bytes, bytes, bool]:
    """Feeds the child and reads both of its outputs until they end, or one is too long."""
    assert process.stdout is not None and process.stderr is not None
    chunks: dict[IO[bytes], list[bytes]] = {process.stdout: [], process.stderr: []}
    sizes: dict[IO[bytes], int] = {process.stdout: 0, process.stderr: 0}
    rest = memoryview(stdin)
    with selectors.PollSelector() as selector:
        for pipe in chunks:
            selector.register(pipe, selectors.EVENT_READ)
        if process.stdin is not None:
            selector.register(process.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            for key, _ in selector.select(left_s):
                if key.fileobj is process.stdin:
                    try:
                        rest = rest[os.write(key.fd, rest[:_PIPE_BYTES]) :]
                    except BrokenPipeError:
                        rest = rest[:0]
                    if not rest:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                pipe = process.stdout if key.fileobj is process.stdout else process.stderr
                data = os.read(key.fd, _CHUNK_BYTES)
                if not data:
                    selector.unregister(pipe)
                    continue
                sizes[pipe] += len(data)
                if pipe is process.stdout or sizes[pipe] <= _STDERR_BYTES:
                    chunks[pipe].append(data)
                if limit_bytes is not None and sizes[process.stdout] > limit_bytes:
                    return b"".join(chunks[process.stdout])[:limit_bytes], b"", True
    return b"".join(chunks[process.stdout]), b"".join(chunks[process.stderr]), False


# Writing no more than this never blocks on a pipe that is ready (POSIX, PIPE_BUF).
_PIPE_BYTES = 512 if not hasattr(os, "pipe2") else 4096


def _await_exit(process: subprocess.Popen[bytes], deadline: float) -> int:
    """The exit code, without the polling delays of `Popen.wait(timeout)` where there are pidfds."""
    code = process.poll()
    if code is not None:
        return code
    try:
        watched = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        try:
            return process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error
    try:
        with selectors.PollSelector() as selector:
            selector.register(watched, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
    finally:
        os.close(watched)
    return process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5.0)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
