"""Whether the commands that came with the repository are those that this person trusts.

1. What counts is what the shared settings name (`policy.commands`), whatever a person's own
   files put in its place. A file of their own counts as shared where git tracks it, or a link or
   folder on the way to it: then a pull can change it.
2. What was trusted is kept beside the ledger, outside every tree that a commit or a worker could
   bring, one file for each person. It holds the commands and their hash, and is replaced whole.
3. The first use trusts. It is the first where nothing was ever trusted and no run was ever
   recorded: a file that is gone from where orch has run is no first use.
4. A file that cannot be read, is not as it was written, or belongs to somebody else says
   nothing: a person is asked about all of it. Nothing that is unclear is ever trusted.
5. Who is no person trusts nothing, at the first use neither.
6. Of two first uses at the same time one writes the file, and the other is held to it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any, Literal

from ledger.connectors import NotifySettings
from ledger.model import Settings
from orchestrator.config import SourcedSettings
from orchestrator.errors import OrchError
from orchestrator.policy.commands import commands_of
from orchestrator.review.words import listed
from orchestrator.settings_rules import SHARED_FILE
from orchestrator.workplace import Workplace

VERSION = 1
SIZE_LIMIT_BYTES = 32 << 20
"""More than the largest settings come to, with everything escaped twice."""
COMPARED_LINES = 20_000
"""Above it a difference is not looked for: all that is new is shown."""
STALE_S = 600.0
_LINKS_FOLLOWED = 40
PERSON_NEEDED = 5

How = Literal["first use", "person"]
Standing = Literal["same", "first", "changed", "unknown"]
"""`unknown`: what was trusted before cannot be told, so everything is asked about."""


@dataclass(frozen=True)
class Trust:
    """How the commands as they are now stand to what was trusted."""

    standing: Standing
    now: tuple[str, ...]
    before: tuple[str, ...] = ()
    why: str = ""
    """Why it is not known what was trusted."""
    counted: tuple[str, ...] = ()
    """The person's own files that count as shared, since git tracks them."""

    @property
    def digest(self) -> str:
        """A hash of the commands as they are now."""
        return _digest(self.now)

    def changes(self) -> tuple[str, ...]:
        """What differs from what was trusted, a line each, beginning with + or -."""
        if len(self.before) + len(self.now) > COMPARED_LINES:
            return tuple(f"+{line}" for line in self.now)
        lines = list(unified_diff(self.before, self.now, n=0, lineterm=""))[2:]
        return tuple(line for line in lines if not line.startswith("@@"))


def look(workplace: Workplace, sourced: SourcedSettings) -> Trust:
    """How these settings' commands stand; nothing is written and nothing is asked."""
    counted = tracked_files(workplace, sourced.own_files)
    now = commands_of(sourced.shared(counted), sourced.shared_automations(counted))
    found = _load(workplace.place.trusted(os.geteuid()))
    match found:
        case tuple():
            return Trust("same" if found == now else "changed", now, found, counted=counted)
        case str():
            return Trust("unknown", now, why=found, counted=counted)
        case None if _has_run(workplace):
            why = "orch has run here before, but not what was trusted then"
            return Trust("unknown", now, why=why, counted=counted)
        case None:
            return Trust("first", now, counted=counted)


def record_first(workplace: Workplace, trust: Trust) -> bool:
    """Trust them on their first use; False where somebody was quicker, who may trust others."""
    return _record(workplace, trust, "first use")


def record(workplace: Workplace, trust: Trust) -> None:
    """Trust them, on a person's word."""
    _record(workplace, trust, "person")


def require_trusted(workplace: Workplace, sourced: SourcedSettings) -> None:
    """Return where a person trusts these commands, or none is named; OrchError else.

    For whoever is no person: nothing is asked, and nothing recorded.
    """
    trust = look(workplace, sourced)
    if trust.standing == "same" or not (trust.now or trust.before):
        return
    raise OrchError(
        f"nothing was run: its commands are not trusted ({reason_of(trust)})",
        hint="only a person can trust them, in a terminal of their own: orch trust",
        exit_code=PERSON_NEEDED,
    )


def reason_of(trust: Trust) -> str:
    """Why a person is asked, in one line."""
    counted = f" (with {listed(trust.counted)}, which git tracks)" if trust.counted else ""
    if trust.standing == "first":
        return f"nothing was trusted here yet: commands of {SHARED_FILE}{counted}"
    if trust.standing == "unknown":
        return f"{trust.why}; all commands of {SHARED_FILE}{counted}"
    return f"changed since they were trusted: commands of {SHARED_FILE}{counted}"


def is_trusted(workplace: Workplace, notify: NotifySettings) -> bool:
    """Whether this of `[notify]` is what was trusted last, also where all else cannot be told."""
    now = commands_of(Settings(notify=notify))
    found = _load(workplace.place.trusted(os.geteuid()))
    before = found if isinstance(found, tuple) else ()
    return not now or tuple(line for line in before if line.startswith("notify: ")) == now


# --- what counts ------------------------------------------------------------------------------


def tracked_files(workplace: Workplace, files: Mapping[str, Path]) -> tuple[str, ...]:
    """The names of those files that git tracks, or reaches over something that it tracks."""
    top = Path(os.path.realpath(workplace.checkout))
    ways = {
        name: {_folded(one.relative_to(top)) for one in _way_to(path) if one.is_relative_to(top)}
        for name, path in files.items()
    }
    if not any(ways.values()):
        return ()
    from worktree.user import tracked_paths

    paths = tracked_paths(workplace.repository, workplace.user)
    tracked = {_folded(Path(path)) for path in paths}
    return tuple(name for name, way in ways.items() if way & tracked)


def _way_to(path: Path) -> Iterator[Path]:
    """Every file, folder and link that is gone through to reach a file, itself too."""
    at = Path("/")
    left = list(reversed(path.absolute().parts[1:]))
    links = 0
    while left and links <= _LINKS_FOLLOWED:
        name = left.pop()
        at = at.parent if name == ".." else at / name
        yield at
        if at.is_symlink():
            links += 1
            target = at.readlink()
            at = Path("/") if target.is_absolute() else at.parent
            left += reversed(target.parts[1:] if target.is_absolute() else target.parts)


def _folded(path: Path) -> str:
    """The name under which file systems that ignore case would find it."""
    return unicodedata.normalize("NFC", path.as_posix()).casefold()


def _has_run(workplace: Workplace) -> bool:
    store = workplace.existing_store()
    if store is None:
        return False
    with store:
        return bool(store.runs())


# --- the file ---------------------------------------------------------------------------------


def _load(path: Path) -> tuple[str, ...] | str | None:
    """The commands that were trusted; why they cannot be told; None where nothing was."""
    try:
        # A pipe must not keep us waiting, nor a link lead us elsewhere.
        flags = os.O_NOFOLLOW | os.O_NONBLOCK
        with open(path, "rb", opener=lambda name, how: os.open(name, how | flags)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return f"{path} is not a file"
            if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                return f"{path} belongs to somebody else, or somebody else may write to it"
            if status.st_size > SIZE_LIMIT_BYTES:
                return f"{path} is larger than orch would write it"
            raw = file.read(SIZE_LIMIT_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        return f"{path} is damaged"
    lines = _understood(said)
    if lines is None:
        return f"{path} is damaged, or was written by another version of orch"
    return lines


def _understood(said: Any) -> tuple[str, ...] | None:
    """The commands of a file's content; None where it is not as it was written."""
    if not isinstance(said, dict) or said.get("version") != VERSION:
        return None
    lines = said.get("commands")
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        return None
    return tuple(lines) if said.get("sha256") == _digest(lines) else None


def _record(workplace: Workplace, trust: Trust, how: How) -> bool:
    workplace.place.make()
    path = workplace.place.trusted(os.geteuid())
    body = {
        "version": VERSION,
        "sha256": trust.digest,
        "at": time.time(),
        "how": how,
        "commands": trust.now,
    }
    try:
        return _write(path, json.dumps(body, indent=1) + "\n", new=how == "first use")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OrchError(
            f"what is trusted here cannot be kept: {path}: {error.strerror}",
            hint=f"see what is there and who owns it: ls -la '{path.parent}'",
        ) from error


def _write(path: Path, text: str, *, new: bool) -> bool:
    """Put the file there whole, or leave what is there; `new`: only where nothing is."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _sweep(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if new:
            os.link(temporary, path)  # unlike a rename, it takes nobody's place
        else:
            temporary.replace(path)
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _sweep(folder: Path) -> None:
    """Take away what a killed orch left half written."""
    with suppress(OSError):
        for left in folder.glob(".*"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > STALE_S:
                    left.unlink()


def _digest(lines: tuple[str, ...] | list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
