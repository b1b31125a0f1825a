"""What a child may see of the user's environment: little, and the same on every machine.

1. Who the user is, which language they read, and where their tools lie: by name, from a list.
   Everything else (keys, tokens, PYTHONPATH, GIT_DIR, an outer orch) stays outside.
2. What the settings allow by name, except names that would turn git or orch itself around.
3. What makes a program behave where nobody watches: no colour, no pager, no editor, no prompt.
4. The user's PATH and virtual environment as they are, since gates need the user's tools; but no
   relative entries, which would mean programs of the tree that is being judged.
5. Later layers win: what makes it behave, what is allowed, orch's own variables, overrides.
"""

from __future__ import annotations

import contextlib
import errno
import random
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ledger.model import Identity

USUAL = frozenset(
    """
    HOME USER LOGNAME SHELL LANG LANGUAGE TZ TZDIR
    VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_EXE PYENV_ROOT UV_PYTHON UV_CACHE_DIR
    CARGO_HOME RUSTUP_HOME GOPATH GOROOT GOCACHE GOMODCACHE JAVA_HOME GRADLE_USER_HOME
    NVM_DIR NVM_BIN VOLTA_HOME FNM_DIR RBENV_ROOT GEM_HOME DOTNET_ROOT
    XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME SSL_CERT_FILE SSL_CERT_DIR
    NIX_PROFILES NIX_SSL_CERT_FILE LOCALE_ARCHIVE
    """.split()  # noqa: SIM905  (forty lines as a list)
)
"""Passed on without being asked for: places and languages, never anything secret."""

_LOCALE = re.compile(r"LC_[A-Z]+")
_NEVER = re.compile(
    r"ORCH_.*|GIT_(DIR|COMMON_DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|NAMESPACE|PREFIX"
    r"|ALTERNATE_OBJECT_DIRECTORIES|CEILING_DIRECTORIES|CONFIG.*|EXEC_PATH|TEMPLATE_DIR)"
)
_OURS = re.compile(
    r"PATH|TMPDIR|TMP|TEMP|LC_[A-Z]+|ORCH_.*|GIT_(?:AUTHOR|COMMITTER)_(?:NAME|EMAIL|DATE)"
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_QUIET = {
    "TERM": "dumb",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
}


def is_passable(name: str) -> bool:
    """Whether settings may allow a variable of that name at all."""
    return bool(name) and "=" not in name and "\0" not in name and not _NEVER.fullmatch(name)


def build_environment(
    snapshot: Mapping[str, str],
    *,
    temporary: Path,
    allowed: Iterable[str] = (),
    person: Identity | None = None,
    orch: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The whole environment of a child, from a snapshot of the user's; `orch` is orch_variables().

    `temporary` becomes TMPDIR. With a person, the child's own `git commit` works.
    """
    built = {
        name: value
        for name, value in snapshot.items()
        if name in USUAL or _LOCALE.fullmatch(name) is not None
    }
    if not any(name in built for name in ("LANG", "LC_ALL", "LC_CTYPE")):
        built["LANG"] = "C.UTF-8"
    built["PATH"] = _absolute_entries(snapshot.get("PATH", "")) or _PATH
    built.update(_QUIET)
    if person is not None:
        for role in ("AUTHOR", "COMMITTER"):
            built[f"GIT_{role}_NAME"] = person.name
            built[f"GIT_{role}_EMAIL"] = person.email
    built |= {n: snapshot[n] for n in allowed if n != "PATH" and n in snapshot and is_passable(n)}
    built |= dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(temporary))
    return built | dict(orch or {}) | dict(overrides or {})


def beyond_usual(built: Mapping[str, str]) -> dict[str, str]:
    """What a built environment holds that not every child sees: what somebody allowed by name."""
    return {
        name: value
        for name, value in built.items()
        if name not in USUAL and name not in _QUIET and not _OURS.fullmatch(name)
    }


def orch_variables(
    *,
    run: str,
    task: str | None = None,
    attempt: int | None = None,
    round: int | None = None,
    port: int | None = None,
    prompt_file: Path | None = None,
    brief_file: Path | None = None,
    skills_folder: Path | None = None,
    feedback_file: Path | None = None,
    ledger_file: Path | None = None,
    paths_file: Path | None = None,
) -> dict[str, str]:
    """The ORCH_ variables that a child reads; what is not known is absent, never empty."""
    known = {
        "ORCH_RUN": run,
        "ORCH_TASK": task,
        "ORCH_ATTEMPT": attempt,
        "ORCH_ROUND": round,
        "ORCH_PORT": port,
        "ORCH_PROMPT_FILE": prompt_file,
        "ORCH_BRIEF_FILE": brief_file,
        "ORCH_SKILLS_DIR": skills_folder,
        "ORCH_FEEDBACK_FILE": feedback_file,
        "ORCH_LEDGER_FILE": ledger_file,
        "ORCH_PATHS_FILE": paths_file,
    }
    return {name: str(value) for name, value in known.items() if value is not None}


# Below what systems hand out by themselves to outgoing connections.
_PORTS = range(20_000, 32_000)


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """A TCP port on loopback that is free, and that no other orch hands out inside the block.

    The UDP port of the same number is held meanwhile: a reservation that every engine of the
    machine sees, that leaves the TCP port to the worker, and that a crash cannot leave behind.
    """
    first = random.randrange(len(_PORTS))
    for step in range(len(_PORTS)):
        port = _PORTS[(first + step) % len(_PORTS)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reservation:
            try:
                reservation.bind(("127.0.0.1", port))
            except OSError:
                continue
            if _is_free(port):
                yield port
                return
    raise OSError(f"no free port from {_PORTS.start} to {_PORTS.stop - 1} on 127.0.0.1")


def _is_free(port: int) -> bool:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            probe = socket.socket(family, socket.SOCK_STREAM)
        except OSError:  # no IPv6 here
            continue
        with probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                if family == socket.AF_INET or error.errno == errno.EADDRINUSE:
                    return False
    return True


def _absolute_entries(path: str) -> str:
    return ":".join(entry for entry in path.split(":") if entry.startswith("/"))
