"""The items that `--for-each COMMAND` gives: paths, each with an optional text.

1. The command is the user's own: `sh -c` in the checkout, with the user's environment, bounded
   in time and output. When it fails, nothing is planned from the half that it printed.
2. An item a line: a path, or a path, a TAB and a text. Output that holds a NUL is separated by
   NUL instead, so that any name can be said (`git ls-files -z`). Names that git has put in
   quotes are taken out of them. Empty lines are nothing.
3. A path is relative to the checkout and stays in it; `./` in front is dropped.
4. All that is wrong is told at once, by item.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from orchestrator.errors import OrchError, Problem, Problems
from orchestrator.policy.pattern import escape, pattern_problem

TIMEOUT_S = 300.0
OUTPUT_LIMIT_BYTES = 32 * 1024 * 1024
ERROR_LIMIT_BYTES = 64 * 1024
ERRORS_TOLD = 20
OUTPUT = "--for-each output"
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Item:
    """A path of the checkout, and what the command said of it."""

    path: str
    text: str = ""


def fetch_items(
    command: str,
    checkout: Path,
    *,
    timeout_s: float = TIMEOUT_S,
    output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
) -> tuple[Item, ...]:
    """Run the command and read its items; OrchError where it fails or names none."""
    output = _run_lister(command, checkout, timeout_s, output_limit_bytes)
    items = parse_items(output)
    if not items:
        hint = f"see what it prints: {command}"
        raise OrchError("--for-each: the command named no item", hint=hint)
    return items


def parse_items(output: bytes) -> tuple[Item, ...]:
    """The items in a command's output; Problems where some are not usable."""
    separated_by_nul = b"\0" in output
    rows = output.split(b"\0") if separated_by_nul else output.split(b"\n")
    items: list[Item] = []
    problems: list[Problem] = []
    for number, raw in enumerate(rows, 1):
        row = raw if separated_by_nul else raw.removesuffix(b"\r")
        if not row.strip():
            continue
        name, _, text = row.partition(b"\t")
        if not separated_by_nul:
            name = _unquoted(name)
        try:
            path, said = name.decode(), text.decode()
        except UnicodeDecodeError:
            shown = row.decode(errors="backslashreplace")
            what = f"{shown!r} is not UTF-8, which plans are written in"
            problems.append(Problem(OUTPUT, number, what))
            continue
        path = path.strip() if not separated_by_nul else path
        while path.startswith("./"):
            path = path[2:].lstrip("/")
        if (problem := _path_problem(path, number)) is not None:
            problems.append(problem)
        else:
            items.append(Item(path.rstrip("/"), said.strip()))
    if problems:
        raise Problems(problems[:ERRORS_TOLD])
    return tuple(items)


def _path_problem(path: str, number: int) -> Problem | None:
    place = OUTPUT
    if path.startswith("/"):
        hint = "print paths relative to the checkout"
        return Problem(place, number, f"{path!r} is an absolute path", hint)
    if (why := pattern_problem(escape(path))) is not None:
        hint = "an item is a path, or a path, a TAB and a text"
        return Problem(place, number, f"{path!r} is refused: {why}", hint)
    return None


_QUOTED = re.compile(rb'"((?:[^"\\]|\\[abfnrtv"\\]|\\[0-7]{3})*)"')
_ESCAPES = {
    b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v",
    b'"': b'"', b"\\": b"\\",
}  # fmt: skip


def _unquoted(name: bytes) -> bytes:
    """A name as it is: git quotes names with unusual characters unless asked for `-z`."""
    quoted = _QUOTED.fullmatch(name)
    if quoted is None:
        return name
    return re.sub(
        rb"\\([abfnrtv\"\\]|[0-7]{3})",
        lambda found: _ESCAPES.get(found[1]) or bytes([int(found[1], 8) & 255]),
        quoted[1],
    )


# --- the command -----------------------------------------------------------------------------


def _run_lister(command: str, checkout: Path, timeout_s: float, limit_bytes: int) -> bytes:
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=checkout,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise OrchError(f"--for-each: the command cannot be run: {error}") from None
    try:
        ended, output, errors = _read_bounded(child, timeout_s, limit_bytes)
    finally:
        # whatever it left running in its session goes with it
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for stream in (child.stdout, child.stderr):
            if stream is not None:
                stream.close()
    if ended == "timeout":
        what = f"--for-each: the command was still running after {timeout_s:g} s"
        raise OrchError(what, hint=f"try it by itself: {command}")
    if ended == "flooded":
        what = f"--for-each: the command printed more than {limit_bytes} bytes"
        raise OrchError(what, hint="let it name files, not print them")
    if child.returncode != 0:
        what = f"--for-each: the command failed (exit {child.returncode})"
        last = [line for line in errors.decode(errors="replace").splitlines() if line.strip()]
        said = re.sub(r"[^ -~\u00a0-\uffff]", " ", last[-1])[:200] if last else ""
        raise OrchError(f"{what}: {said}" if said else what, hint=f"try it by itself: {command}")
    return output


def _read_bounded(
    child: subprocess.Popen[bytes], timeout_s: float, limit_bytes: int
) -> tuple[Literal["exited", "timeout", "flooded"], bytes, bytes]:
    """All that the child prints until it has ended, it is too late or it is too much.

    The end of the child is the end, not that of its pipes: a daemon may hold them open, and a
    child may close them and go on.
    """
    deadline = time.monotonic() + timeout_s
    output, errors = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream, kept in ((child.stdout, output), (child.stderr, errors)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, kept)
        while True:
            over = child.poll() is not None
            ready = selector.select(0 if over else POLL_S)
            if over and not ready:
                return "exited", bytes(output), bytes(errors)
            if time.monotonic() > deadline:
                return "timeout", b"", b""
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                key.data.extend(chunk)
            del errors[:-ERROR_LIMIT_BYTES]
            if len(output) > limit_bytes:
                return "flooded", b"", b""
