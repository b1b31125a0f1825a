"""What a person, or an agent, is told when something could not be done, and how grave that is.

1. What a person can put right has a one-line face and a hint: no traceback.
2. So has a folder or file that is not as it should be, and a disk without room.
3. What nobody expected is a defect of orch: a short face, the traceback in a file whose path
   is said, exit code 3. No secret of the environment is in it.
4. Several errors of one run are told one after the other; the gravest decides the exit code.
"""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.redact import Redactor

DEFECT = 3
INTERRUPTED = 130
_USERS_OWN = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP)
"""How the system says that a place is not what it should be: a person's to mend."""


@dataclass(frozen=True)
class Face:
    """What to say of an error."""

    what: str
    hint: str
    exit_code: int


def faces_of(
    error: BaseException, environ: Mapping[str, str], debug: bool = False
) -> tuple[Face, ...]:
    """What to say of an error, or of each of a group of them.

    `debug`: the details of a defect are shown anyway, and need not be kept.
    """
    return tuple(_face(leaf, environ, debug) for leaf in _leaves(error))


def gravest(faces: Iterable[Face]) -> int:
    """The exit code of all of them together."""
    codes = [face.exit_code for face in faces]
    return next((c for c in (DEFECT, INTERRUPTED, 4, 5, 2) if c in codes), 1)


def _leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group of them; what only says that something was ended is left out."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    found = [leaf for part in error.exceptions for leaf in _leaves(part)]
    unique = {(type(leaf), str(leaf)): leaf for leaf in found}
    return list(unique.values())


def _face(error: BaseException, environ: Mapping[str, str], debug: bool) -> Face:
    from ledger.schema import LedgerError, LedgerFull
    from orchestrator.errors import OrchError
    from workers.text import clean_line
    from worktree.values import GitError

    match error:
        case KeyboardInterrupt():
            return Face("interrupted", "orch status says where things stand", INTERRUPTED)
        case OrchError():
            return Face(error.message, error.hint, error.exit_code)
        case LedgerFull():
            return Face(str(error), error.hint, 4)
        case LedgerError():
            return Face(str(error), error.hint, 2)
        case GitError() if error.kind == "no-space":
            return Face(error.what, error.hint, 4)
        case GitError() if error.kind != "failed":
            return Face(error.what, error.hint, 2)
        case OSError() if not _folder_is_there():
            what = "the folder that you are in is not there any more"
            return Face(what, "go to your project's folder: cd ...", 2)
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = f"no room is left to write {error.filename or 'what there is to say'}"
            return Face(what, "free some disk space; orch status says where things stand", 4)
        case OSError() if error.filename and error.errno in _USERS_OWN:
            place = clean_line(str(error.filename))
            hint = f"see what is there and who owns it: ls -ld '{Path(place).parent}'"
            return Face(f"{place} cannot be used: {error.strerror}", hint, 2)
    format_message = getattr(error, "format_message", None)
    if format_message is not None:  # the command line's parser
        context = getattr(error, "ctx", None)
        asked = context.command_path if context is not None else "orch"
        return Face(_lowered(format_message()), f"{asked} --help", 2)
    if type(error).__name__ == "Abort":
        return Face("interrupted", "", INTERRUPTED)
    return _defect(error, environ, debug)


def _folder_is_there() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _lowered(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")


def _defect(error: BaseException, environ: Mapping[str, str], debug: bool) -> Face:
    from workers.text import clean_line

    hiding = _hiding(environ)
    said = hiding.redact_text(clean_line(str(error))) or "no more is known"
    what = f"this is a defect of orch: {type(error).__name__}: {said}"
    if debug:
        return Face(what, "", DEFECT)
    kept = _keep(hiding.redact_text("".join(traceback.format_exception(error))), environ)
    hint = f"the details are in {kept}; " if kept else "--debug shows the details; "
    return Face(what, hint + "nothing that the ledger knows is lost: orch resume", DEFECT)


def _hiding(environ: Mapping[str, str]) -> Redactor:
    """Hides what looks like a secret in the environment: which of it is one, no settings say."""
    from workers.redact import Redactor
    from workers.secrets import telling

    return Redactor(telling(environ))


def _keep(text: str, environ: Mapping[str, str]) -> Path | None:
    """Write the details where they can be found; None where that cannot be done."""
    from ledger.place import place_of, state_folder
    from orchestrator.lookup import find_common_folder

    try:
        common = find_common_folder(Path.cwd())
        home = place_of(common, environ).folder if common else state_folder(environ)
        folder = home / "failures"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / time.strftime("%Y%m%d-%H%M%S.txt")
        path.write_text(text, "utf-8", "backslashreplace")
    except OSError:
        return None
    return path
