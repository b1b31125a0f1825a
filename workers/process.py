"""One child process: its output bounded, its time bounded, and nothing of it left afterwards.

1. It runs in a session of its own, reads nothing unless it is given something, and its output and
   errors go into one log. Where somebody speaks with it, only its errors do.
2. Its time is monotonic time, which stands still while a laptop sleeps.
3. When `run_process` returns, is cancelled or fails, the whole tree of the child is gone: also
   after a success, for a daemon that a gate left behind would judge the next tree too.
4. What it prints is redacted of what it was given beyond the usual, before it goes anywhere.
5. With a confinement the child is started in a sandbox, within its limits, or not at all. What
   goes over its limits is ended at once.
6. Failed work is a value. Only what the engine itself cannot do (write a log) is an exception.
"""

from __future__ import annotations

import contextlib
import os
import signal as signals
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import anyio
import anyio.to_thread
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from workers.alive import MARK_VARIABLE, open_pidfd
from workers.capture import Capture
from workers.environment import beyond_usual
from workers.redact import Redactor
from workers.sandbox import Confinement, entered
from workers.text import clean_line, tail_lines
from workers.threshold import Threshold
from workers.tree import Tree, start
from workers.warden import Warden, open_warden

LOG_LIMIT_BYTES = 8 * 1024 * 1024
GRACE_S = 3.0

_CHUNK_BYTES = 256 * 1024
_F_SETPIPE_SZ = 1031
_DRAIN_S = 1.0
_TAIL_LINES = 40
_QUICK_BYTES = 256 * 1024
"""A log of that size is finished without a thread for it."""


@dataclass(frozen=True)
class Ended:
    """How a child came to its end."""

    reason: Literal["exited", "timeout", "limit", "not-started"]
    """`limit`: it used more than it may; `why` says of what."""
    exit_code: int | None = None
    """None: it did not end by itself. A signal of somebody else's counts as 128 plus its number."""
    signal: str = ""
    """The name of the signal that ended it, whoever sent it."""
    why: str = ""
    """For a person; empty where it exited with 0."""
    duration_s: float = 0.0
    output_bytes: int = 0
    truncated: bool = False
    """The log has a gap, and a line that says so."""
    tail: tuple[str, ...] = ()
    """The last lines of its output, cleaned."""
    lost: str = ""
    """Why the log is incomplete (a full disk); empty where it is not."""
    survivors: tuple[int, ...] = ()
    """Pids that could not be ended; to be said loudly."""


@dataclass(frozen=True)
class Speech:
    """A child's ends of two pipes, by which somebody speaks with it; closed once it has them."""

    given: IO[bytes]
    """What it reads."""
    printed: IO[bytes]
    """Where its output goes, instead of the log."""

    def close(self) -> None:
        """Close both; who holds the other ends hears of it."""
        self.given.close()
        self.printed.close()


async def run_process(
    argv: tuple[str, ...],
    *,
    cwd: Path,
    env: Mapping[str, str],
    mark: str,
    timeout_s: float,
    log: Path,
    log_limit_bytes: int = LOG_LIMIT_BYTES,
    on_line: Callable[[str], None] | None = None,
    grace_s: float = GRACE_S,
    stdin: bytes | None = None,
    secrets: Mapping[str, str] | None = None,
    confinement: Confinement | None = None,
    speech: Speech | None = None,
) -> Ended:
    """Run one child to its end, or end it with all that came from it.

    With a confinement it runs in a sandbox, whose tree is `cwd`; where that cannot be made the
    child is not started at all.

    `secrets` are values, by names, that it can read beside those in its environment.
    With `speech` somebody else speaks with it by pipes, and bounds what it says.
    `on_line` is offered the newest line, cleaned, some ten times a second; it must not raise.
    OSError where the log cannot be made. Cancelled, it takes at most `grace_s` and some seconds.
    """
    await checkpoint_if_cancelled()
    redactor = Redactor({**beyond_usual(env), **(secrets or {})})
    capture = Capture(log, log_limit_bytes, on_line, redactor)
    began = time.monotonic()
    warden: Warden | None = None
    try:
        if confinement is not None:
            warden = open_warden(confinement, mark)
        tree, output = _start(argv, cwd, env, mark, stdin, warden, speech)
    except BaseException as error:
        capture.finish()
        if warden is not None:
            await warden.close()
        if not isinstance(error, OSError | ValueError):
            raise
        return Ended("not-started", why=_why_not_started(error, argv, cwd))
    # Output is read until the tree is gone, whoever cancels: else a child that says goodbye blocks.
    reading, drained = anyio.CancelScope(shield=True), anyio.Event()
    survivors: tuple[int, ...] = ()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_drain, output, capture, reading, drained)
            tasks.start_soon(tree.watch)
            try:
                with anyio.move_on_after(timeout_s) as deadline:
                    if warden is not None:
                        tasks.start_soon(warden.serve)
                        tasks.start_soon(warden.watch, tree, deadline.cancel)
                    if warden is None or await warden.admit():
                        await _exit_of(tree)
            finally:
                duration_s = time.monotonic() - began
                with anyio.CancelScope(shield=True):
                    at_once = warden is not None and warden.at_once
                    ending = await tree.end(0.0 if at_once else grace_s)
                    survivors = tuple(left.pid for left in ending)
                    # Somebody whom nothing gives away may hold the pipe open: do not wait for him.
                    with anyio.move_on_after(_DRAIN_S):
                        await drained.wait()
                reading.cancel()
                tasks.cancel_scope.cancel()
    finally:
        os.close(output)
        returned = tree.reap()
        if warden is not None:
            warden.look_back()
            await warden.close()
        if capture.total_bytes > _QUICK_BYTES:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(capture.finish)
        else:
            capture.finish()
    tail = tail_lines(log, _TAIL_LINES)
    name = signals.Signals(-returned).name if returned is not None and returned < 0 else ""
    reason: Literal["exited", "timeout", "limit"] = "exited"
    exit_code: int | None = None
    if warden is not None and warden.over:
        reason, why = "limit", warden.over
    elif deadline.cancelled_caught:
        reason, why = "timeout", f"it was still running after {timeout_s:g} seconds"
    elif warden is not None and not warden.begun:
        why = warden.why_not_begun(tail)
        return Ended("not-started", why=why, duration_s=duration_s, tail=tail)
    else:
        exit_code = returned if returned is None or returned >= 0 else 128 - returned
        why = _why_failed(exit_code, name, tail)
    return Ended(
        reason=reason,
        exit_code=exit_code,
        signal=name,
        why=why,
        duration_s=duration_s,
        output_bytes=capture.total_bytes,
        truncated=capture.truncated,
        tail=tail,
        lost=capture.lost,
        survivors=survivors,
    )


def _start(
    argv: tuple[str, ...],
    cwd: Path,
    env: Mapping[str, str],
    mark: str,
    stdin: bytes | None,
    warden: Warden | None,
    speech: Speech | None,
) -> tuple[Tree, int]:
    """The child, and our end of its output."""
    ours, theirs = os.pipe()
    with contextlib.ExitStack() as failing:
        failing.callback(os.close, ours)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, theirs)
            if speech is not None:
                stack.callback(speech.close)
            os.set_blocking(ours, False)
            if sys.platform == "linux":
                import fcntl

                with contextlib.suppress(OSError):  # over the user's allowance: the default will do
                    fcntl.fcntl(ours, _F_SETPIPE_SZ, 4 * _CHUNK_BYTES)
            given: IO[bytes] | int = subprocess.DEVNULL
            if stdin is not None:
                # A file rather than a pipe: a child that does not read it cannot block us.
                given = stack.enter_context(tempfile.TemporaryFile())
                given.write(stdin)
                given.seek(0)
            elif speech is not None:
                given = speech.given
            passed: tuple[int, ...] = ()
            if warden is not None:
                env = {**env, MARK_VARIABLE: mark}
                within = entered(warden.confinement, argv, cwd, env)
                for descriptor in within.descriptors:
                    stack.callback(os.close, descriptor)
                warden.threshold = Threshold(within.status, within.release)
                argv, env, passed = within.argv, within.env, within.descriptors
            stack.enter_context(warden.around() if warden else contextlib.nullcontext())
            tree = start(
                argv,
                cwd=cwd,
                env=env,
                mark=mark,
                stdin=given,
                output=theirs,
                printed=speech.printed if speech is not None else None,
                passed=passed,
                fronted=warden is not None,
            )
        failing.pop_all()
    return tree, ours


async def _exit_of(tree: Tree) -> None:
    """Return once the child has exited, without reaping it."""
    descriptor = open_pidfd(tree.pid)
    if descriptor is None:
        pause_s = 0.002
        while not tree.exited:
            await anyio.sleep(pause_s)
            pause_s = min(pause_s * 2, 0.05)
        return
    try:
        await anyio.wait_readable(descriptor)
    finally:
        os.close(descriptor)


async def _drain(
    output: int, capture: Capture, reading: anyio.CancelScope, drained: anyio.Event
) -> None:
    """Read until nobody can write any more."""
    with reading:
        while True:
            try:
                chunk = os.read(output, _CHUNK_BYTES)
            except BlockingIOError:
                with anyio.move_on_after(capture.due_s):
                    await anyio.wait_readable(output)
                capture.offer()
                continue
            if not chunk:
                break
            capture.feed(chunk)
            capture.offer()
            await checkpoint()  # others want the loop, too
    capture.offer(now=True)
    drained.set()


def _why_failed(exit_code: int | None, signal: str, tail: tuple[str, ...]) -> str:
    if exit_code == 0:
        return ""
    last = f": {tail[-1]}" if tail else ""
    if exit_code is None:
        return "it could not be ended"
    return f"ended by {signal}{last}" if signal else f"exit {exit_code}{last}"


def _why_not_started(error: OSError | ValueError, argv: tuple[str, ...], cwd: Path) -> str:
    if not cwd.is_dir():
        return f"its folder {cwd} is gone"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return clean_line(f"'{argv[0] if argv else ''}' could not be started: {reason}")
