"""The only module that prints: stdout answers, stderr narrates.

1. What goes to a terminal obeys nothing but our own colours: every other control character is
   taken out here once more, whoever forgot to.
2. No colour in a pipe, with NO_COLOR set, or on a terminal that has none.
3. A reader that went away (`| head`) ends nothing: what is left to say is dropped.
4. What a terminal's encoding cannot say is replaced, never an error.
5. A question is asked only of a person who sees it and can type: what was typed before it was
   asked is no answer to it, and neither is the end of the input.
6. In a job of a CI system's, whose runner reads along, no line is a command to the runner: what a
   gate printed could be one (`::stop-commands::x`, `##[add-mask]x`).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

_COLOURS = {
    "good": "32",
    "bad": "31",
    "busy": "36",
    "ask": "33",
    "faint": "2",
    "strong": "1",
}
_OURS = re.compile("\x1b\\[[0-9]{1,2}m")
_JOBS = ("GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")
_COMMAND = re.compile(r"(?m)^([^\S\n]*:)(?=:)|(#)(?=#(?:vso|teamcity)?\[)")
"""Where a runner finds one: GitHub's behind spaces at the start of a line, or anywhere in it."""
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def answer(lines: str | Iterable[str]) -> None:
    """Say what was asked for, on stdout."""
    _write(sys.stdout, lines)


def answer_json(value: Any) -> None:
    """Say it as one line of JSON, on stdout."""
    import json

    # Escaped to ASCII: no encoding, no terminal and no runner of jobs can misread it.
    _write(sys.stdout, json.dumps(value, default=str).replace("##", "#\\u0023"))


def narrate(lines: str | Iterable[str]) -> None:
    """Say what goes on, on stderr."""
    _write(sys.stderr, lines)


def remark(lines: str | Iterable[str]) -> None:
    """Say what goes on, on stderr, where there is room for it; else it is lost.

    For who must not be held up: a pipe that nobody reads takes some lines, and no more.
    """
    import select

    try:
        poll = select.poll()
        poll.register(sys.stderr.fileno(), select.POLLOUT)
        # A full pipe has no event; one whose reader went away has, and `narrate` sees to it.
        if not poll.poll(0):
            return
    except (OSError, ValueError):  # closed, or nothing that can be asked
        return
    narrate(lines)


def colour_answer(text: str, style: str) -> str:
    """Text for stdout in a style, where stdout shows colours."""
    return _coloured(sys.stdout, text, style)


def colour_narration(text: str, style: str) -> str:
    """Text for stderr in a style, where stderr shows colours."""
    return _coloured(sys.stderr, text, style)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person's terminal, one that can move its cursor, is at the other end."""
    try:
        return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    except ValueError:  # closed
        return False


def ring() -> bool:
    """Ring the terminal's bell; whether there is a terminal."""
    if not is_terminal(sys.stderr):
        return False
    try:
        sys.stderr.write("\a")
        sys.stderr.flush()
    except OSError:  # it has just been closed
        return False
    return True


def can_ask() -> bool:
    """Whether a person is there who sees a question on stderr and can type an answer."""
    try:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        descriptor = sys.stdin.fileno()
    except (ValueError, AttributeError):  # closed, or none at all
        return False
    try:
        # A job in the background would be stopped at the first letter that it reads.
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # not the terminal that we were started from, but one all the same
        return True


def ask_text(question: str) -> str:
    """A line that a person types; only where `can_ask` says that one is there."""
    try:
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline().strip()
    except OSError:  # the terminal has just been closed
        return ""


def ask(question: str) -> bool:
    """Whether a person says yes; only where `can_ask` says that one is there."""
    import termios

    try:
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
        sys.stderr.write(question)
        sys.stderr.flush()
        answer = sys.stdin.readline()
    except (OSError, termios.error):  # the terminal has just been closed
        return False
    except KeyboardInterrupt:
        narrate("")
        raise
    if not answer.endswith("\n"):
        narrate("")  # the end of the input leaves the cursor behind the question
    return answer.strip().lower() in ("y", "yes")


def _coloured(stream: TextIO, text: str, style: str) -> str:
    code = _COLOURS.get(style)
    if code is None or not text or os.environ.get("NO_COLOR") or not is_terminal(stream):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def _write(stream: TextIO, lines: str | Iterable[str]) -> None:
    text = lines if isinstance(lines, str) else "\n".join(lines)
    if not text and not isinstance(lines, str):
        return  # no lines; an empty line is asked for as one
    parts = _OURS.split(text)
    colours = [*_OURS.findall(text), ""] if is_terminal(stream) else [""] * len(parts)
    safe = "".join(_UNSAFE.sub("", part) + c for part, c in zip(parts, colours, strict=True))
    safe = safe.encode("utf-8", "replace").decode("utf-8")  # lone surrogates of odd file names
    if any(os.environ.get(name) for name in _JOBS):
        # A character that is seen: runners compare as people read, and pass over invisible ones.
        safe = _COMMAND.sub(lambda found: f"{found[0]} ", safe)
    try:
        stream.write(safe + "\n")
        stream.flush()
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(safe.encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()
    except (BrokenPipeError, ValueError):
        _give_up(stream)


def _give_up(stream: TextIO) -> None:
    """Send what is still to come nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return
