"""Holding off sleep while something goes on, where the system allows that.

1. A child of ours holds it off: systemd-inhibit on Linux, caffeinate on macOS. It lives as long as
   a pipe to us is open, so it dies with us, however we die.
2. Where it is not possible, that is said once, and what goes on goes on.
3. A screen may go dark and a person may close the lid: what is held off is the sleep of a machine
   that nobody uses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

WITHIN_S = 5.0
_HOLD = "echo held; cat > /dev/null"
"""Says that it is held, then waits for the end of the pipe."""


class Awake:
    """Holds off sleep, or does not; may be asked to many times."""

    def __init__(self, environ: Mapping[str, str], why: str, said: Callable[[str], None]) -> None:
        self._environ, self._why, self._said = environ, why, said
        self._child: subprocess.Popen[bytes] | None = None
        self._given_up = False

    @property
    def holds(self) -> bool:
        """Whether sleep is held off now."""
        return self._child is not None and self._child.poll() is None

    def hold(self) -> None:
        """Hold off sleep from now on."""
        if self.holds or self._given_up:
            return
        self.let_go()
        words = held_by(self._environ, self._why)
        trouble = "" if words else "this system has neither systemd-inhibit nor caffeinate"
        if words:
            trouble = self._start(words)
        if trouble:
            self._given_up = True
            self._said(f"sleep is not held off: {trouble}")

    def let_go(self) -> None:
        """Let the machine sleep again."""
        child, self._child = self._child, None
        if child is None:
            return
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        try:
            child.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _start(self, words: tuple[str, ...]) -> str:
        """Why it could not be held off; empty when it is."""
        try:
            self._child = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(self._environ),
                start_new_session=True,  # Ctrl-C is for us: the child ends when we have
            )
        except OSError as error:
            return f"{words[0]} could not be started ({error.strerror})"
        said = _first_line(self._child)
        if said == "held":
            return ""
        self.let_go()
        return f"{Path(words[0]).name} said: {said or 'nothing'}"


def held_by(environ: Mapping[str, str], why: str, system: str = sys.platform) -> tuple[str, ...]:
    """The command that holds off sleep here; empty where there is none."""
    path = environ.get("PATH")
    if system == "darwin":
        found = shutil.which("caffeinate", path=path)
        return (found, "-i", "-s", "/bin/sh", "-c", _HOLD) if found else ()
    found = shutil.which("systemd-inhibit", path=path)
    if not found:
        return ()
    how = ("--what=sleep:idle", "--who=orch", f"--why={why}", "--mode=block")
    return (found, *how, "/bin/sh", "-c", _HOLD)


@contextmanager
def kept_awake(
    environ: Mapping[str, str], why: str, said: Callable[[str], None], *, wanted: bool = True
) -> Iterator[None]:
    """Hold off sleep within the block, where that is wanted and possible."""
    awake = Awake(environ, why, said)
    if wanted:
        awake.hold()
    try:
        yield
    finally:
        awake.let_go()


def _first_line(child: subprocess.Popen[bytes]) -> str:
    import select

    assert child.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([child.stdout], [], [], WITHIN_S)
        if not ready:
            return "nothing, within some seconds"
        piece = os.read(child.stdout.fileno(), 4096)
        if not piece:
            break
        line += piece
    return line.decode("utf-8", "replace").strip().split("\n")[0][:200]
