"""The files of a pace: what all runs of this user know of a credential.

1. `DIGEST.json` holds the pace. It is replaced whole; reading it needs no lock.
2. The other files hold nothing. They are kernel locks, which end with the process that holds them,
   however it ends.
3. Who uses a pace has a share in `DIGEST.used`. Who gets that lock alone may take the files away:
   nobody uses them. A pause that goes on stays told until it is over, for the run that comes next.
4. Where files cannot be used, nothing of this is an error: a run then knows only itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import math
import os
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from workers.gateway.pace import Pace

Release = Callable[[], None]
DIGEST = re.compile(r"[0-9a-f]{24}")
_FILE_BYTES = 4096
_SHARE_S = 0.2
"""How long a share is waited for, while somebody looks whether the files can go."""
_TRIES = 100


class PaceFiles:
    """The files of one credential, by their path without an ending."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._share: Release | None = None

    def use(self) -> None:
        """Keep others from taking the files away, until `let_go`."""
        if self._share is None:
            with contextlib.suppress(OSError):
                self._share = flock(self._at("used"), fcntl.LOCK_SH, wait_s=_SHARE_S)

    def let_go(self) -> None:
        """Use them no more."""
        if self._share is not None:
            self._share()
            self._share = None

    def load(self) -> Pace | None:
        """What is known; None where that is nothing, or of nobody's making."""
        try:
            with self._at("json").open("rb") as file:
                said = json.loads(file.read(_FILE_BYTES))
            pace = Pace(
                until=float(said["until"]),
                wrote=float(said["wrote"]),
                times=int(said["times"]),
                window=None if said["window"] is None else max(1, int(said["window"])),
            )
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None
        return pace if math.isfinite(pace.until) and math.isfinite(pace.wrote) else None

    def save(self, pace: Pace) -> None:
        """Say what is known now."""
        new = self._at(f"{os.getpid()}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new.write_text(json.dumps(dataclasses.asdict(pace)))
            new.replace(self._at("json"))
        except OSError:
            # What the file says is older than what is known here: better none than that.
            for left in (new, self._at("json")):
                with contextlib.suppress(OSError):
                    left.unlink()

    def lock(self, what: str) -> Release | None:
        """Take the lock of that name: how to let go of it, None where somebody has it. OSError."""
        return flock(self._at(what), fcntl.LOCK_EX)

    def clear(self) -> None:
        """Take the files away, unless somebody uses them or a pause goes on. OSError."""
        alone = flock(self._at("used"), fcntl.LOCK_EX)
        if alone is None:
            return
        try:
            pace = self.load()
            for one in self._path.parent.glob(f"{self._path.name}.*"):
                if not (one.suffix == ".json" and pace and pace.left_s(time.time()) > 0):
                    one.unlink(missing_ok=True)
        finally:
            alone()

    def _at(self, ending: str) -> Path:
        return self._path.with_suffix(f".{ending}")


def sweep(folder: Path) -> None:
    """Take away what nobody uses of all paces in a folder, and the folder where it is empty."""
    with contextlib.suppress(OSError):
        names = {one.name.partition(".")[0] for one in folder.iterdir()}
        for name in filter(DIGEST.fullmatch, names):
            with contextlib.suppress(OSError):
                PaceFiles(folder / name).clear()
        folder.rmdir()


def flock(path: Path, how: int, wait_s: float = 0.0) -> Release | None:
    """Lock a file that is there when this returns; None where somebody else has it. OSError."""
    until = time.monotonic() + wait_s
    for _ in range(_TRIES):
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # its folder has just been taken away
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            if _is_at(descriptor, path):
                return partial(os.close, descriptor)
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(descriptor)
                return None
            time.sleep(0.001)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    return None


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still has its name: one that was taken away locks nothing."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
