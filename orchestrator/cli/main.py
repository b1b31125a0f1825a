"""The entry point: a thin start, and the one place that turns errors into text and exit codes.

1. `--version` and a finished run's `status` are answered before anything heavy is imported.
2. Variables of git's are taken out of the environment before anything can start a git.
3. Exit codes: 0 done; 1 some work failed; 2 wrong use, settings or plan; 3 a defect of orch;
   4 a budget, deadline or limit; 5 a person is needed; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn


def main() -> None:
    """What the installed `orch` runs."""
    _open_missing()
    _leave(run(sys.argv[1:]))


def _leave(code: int) -> NoReturn:
    """End the process now: to take some 700 modules apart takes longer than many a command."""
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # What could not be written has been said, and what is left of it will not be written now.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _open_missing() -> None:
    """Give what was closed before we started somewhere to go: a file of ours must not be it."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w"))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    arguments = list(arguments) or ["--help"]
    from orchestrator.cli import output

    if arguments[0] in ("--version", "-V"):
        from orchestrator import __version__

        output.answer(f"orch {__version__}")
        return 0
    debug = arguments[0] == "--debug"
    environ = dict(os.environ)
    try:
        # A git inside a hook or an alias would hand them down, and win over where we are.
        for name in environ:
            if name.startswith("GIT_"):
                del os.environ[name]
        # To look for plugins takes longer than to build the models; a plugin would change them.
        os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
        return _run(arguments, environ)
    except BaseException as error:
        with _uninterrupted():
            from orchestrator.cli.failure import answer_error

            return answer_error(error, environ, debug)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Whoever presses Ctrl-C again and again has been heard: what is left takes a moment."""
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _run(arguments: list[str], environ: dict[str, str]) -> int:
    from orchestrator.cli.glance import glance

    if "_ORCH_COMPLETE" not in environ and glance(arguments, environ):
        return 0
    from orchestrator.cli.app import command

    code = command().main(arguments, prog_name="orch", standalone_mode=False, obj=environ)
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
