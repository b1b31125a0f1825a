"""The sealed git folder: a repository's objects without its configuration.

1. Whatever reads or writes trees, files or an index runs with this folder as GIT_DIR and with
   the repository's own objects. It holds no hooks, filters, drivers, attributes, excludes,
   sparse patterns, grafts or refs, so none that somebody plants in the repository can act,
   whether planted before a call or in the middle of one.
2. It is written by us, byte for byte, and looked at before every call: two stats. A folder that
   is not exactly as written is replaced.
3. It is shared by every process that works on the repository, so it appears in one rename.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
import threading
from pathlib import Path

_HEAD = b"ref: refs/heads/sealed\n"


def _config(object_format: str) -> bytes:
    version = "0" if object_format == "sha1" else "1"
    extra = "" if object_format == "sha1" else f"[extensions]\n\tobjectformat = {object_format}\n"
    # What git itself would have found out on this system's own file system.
    fold = "\tignorecase = true\n\tprecomposeunicode = true\n" if sys.platform == "darwin" else ""
    return f"[core]\n\trepositoryformatversion = {version}\n\tbare = true\n{fold}{extra}".encode()


class Sealed:
    """The sealed git folder of one repository."""

    def __init__(self, folder: Path, object_format: str) -> None:
        self.folder = folder
        self._config = _config(object_format)
        self._seen: tuple[int, ...] | None = None
        self._lock = threading.Lock()

    def ready(self) -> Path:
        """The folder, exactly as written; it is made again where anything about it differs."""
        if self._seen is None or self._stamp() != self._seen:
            with self._lock:
                for _ in range(100):
                    # The stamp first: what changes after it shows at the next look.
                    stamp = self._stamp()
                    if stamp is not None and self._is_exact():
                        self._seen = stamp
                        break
                    self._write()
                else:
                    raise OSError(f"something keeps changing {self.folder}")
        return self.folder

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            folder, config = self.folder.lstat(), (self.folder / "config").lstat()
        except OSError:
            return None
        return (
            folder.st_ino,
            folder.st_mtime_ns,
            config.st_ino,
            config.st_mtime_ns,
            config.st_ctime_ns,
            config.st_size,
        )

    def _is_exact(self) -> bool:
        try:
            if (
                self.folder.is_symlink()
                or {entry.name for entry in self.folder.iterdir()} != _ENTRIES
            ):
                return False
            files = {"HEAD": _HEAD, "config": self._config}
            return all(
                not (self.folder / name).is_symlink() and (self.folder / name).read_bytes() == text
                for name, text in files.items()
            )
        except OSError:
            return False

    def _write(self) -> None:
        token = f"{os.getpid()}-{secrets.token_hex(4)}"
        new = self.folder.with_name(f"{self.folder.name}.new-{token}")
        new.mkdir(parents=True)
        try:
            (new / "refs").mkdir()
            (new / "objects").mkdir()
            (new / "HEAD").write_bytes(_HEAD)
            (new / "config").write_bytes(self._config)
            if os.path.lexists(self.folder) and not self._is_exact():
                aside = self.folder.with_name(f"{self.folder.name}.old-{token}")
                with contextlib.suppress(FileNotFoundError):
                    self.folder.rename(aside)
                shutil.rmtree(aside, ignore_errors=True)
                with contextlib.suppress(OSError):
                    aside.unlink()
            # Somebody else may have been quicker; theirs is as good.
            with contextlib.suppress(OSError):
                new.rename(self.folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)


_ENTRIES = {"HEAD", "config", "objects", "refs"}
