"""What survives in a pool: folders that a set-up made, exactly as it made them.

1. After the set-up, what `keep` names is copied aside into the workspace's own folder, outside
   the tree: the seal. Never by hard links, for a write in place would reach both.
2. When the workspace is cleaned, each kept name is compared with what was sealed, by names,
   kinds, modes, sizes, inodes and times. What differs is put back, what is new is removed. So
   nothing that a worker or a gate wrote there reaches whoever has the workspace next.
3. Not kept is what was never sealed, what holds tracked files, what is or is reached through a
   link, and everything once a sealed copy is not as it was made. Then the set-up runs again.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from worktree.removal import remove, replace_file, unlock

RECORD = "kept.json"
COPIES = "kept"

_FICLONE = 0x40049409
_TICK_S = 0.02
"""Longer than the grain of a file system's change times."""

Stamp = tuple[int, int, int, int, int]
"""Mode, size, time of the last write, inode, change time."""


class DamagedError(Exception):
    """A seal from which nothing may be put back."""


@dataclass
class Seal:
    """What was sealed, by paths from the tree's root, folders before what is in them."""

    names: tuple[str, ...]
    live: dict[str, Stamp]
    copies: dict[str, Stamp]
    links: dict[str, str]


def is_sealed(folder: Path) -> bool:
    """Whether a workspace's own folder holds a seal."""
    return (folder / RECORD).is_file()


def load_seal(folder: Path) -> Seal | None:
    """The seal of a workspace, by its own folder."""
    try:
        said = json.loads((folder / RECORD).read_bytes())
        live = {path: _stamp_of(stamp) for path, stamp in said["live"].items()}
        copies = {path: _stamp_of(stamp) for path, stamp in said["copies"].items()}
        return Seal(tuple(said["names"]), live, copies, dict(said["links"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def drop_seal(folder: Path) -> None:
    """Forgets what was sealed: the record first, for nothing counts without it."""
    remove(folder / RECORD)
    remove(folder / COPIES)


def make_seal(tree: Path, folder: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Copies what these names mean aside; those that there were to keep. OSError where it fails."""
    drop_seal(folder)
    seal = Seal((), {}, {}, {})
    store = folder / COPIES
    for name in sorted({name.strip("/") for name in names}):
        if any(name.startswith(f"{other}/") for other in seal.names):
            continue
        if not _is_reached_plainly(tree, name) or not os.path.lexists(tree / name):
            continue
        if (tree / name).is_symlink():
            continue
        (store / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, found in _walk(tree, name):
            place, copy = tree / path, store / path
            if stat.S_ISDIR(found.st_mode):
                copy.mkdir(mode=0o700)
            elif stat.S_ISLNK(found.st_mode):
                seal.links[path] = os.readlink(place)  # noqa: PTH115, the text is wanted
            elif stat.S_ISREG(found.st_mode):
                _copy_file(place, copy, found)
                seal.copies[path] = _stamp(copy.lstat())
            else:
                continue  # pipes and sockets are nobody's work
            seal.live[path] = _stamp(found)
        seal.names += (name,)
    if seal.names:
        _save(folder, seal)
        time.sleep(_TICK_S)
    return seal.names


def restore(tree: Path, folder: Path, seal: Seal) -> None:
    """Brings what is kept back to what was sealed; DamagedError where that cannot be."""
    found: dict[str, os.stat_result] = {}
    for name in seal.names:
        if not _is_reached_plainly(tree, name):
            raise DamagedError(name)
        if os.path.lexists(tree / name):
            found |= _walk(tree, name)
    changed = False
    for path, status in found.items():
        sealed = seal.live.get(path)
        if sealed is None or stat.S_IFMT(sealed[0]) != stat.S_IFMT(status.st_mode):
            changed = True
            _open_parent(tree, path)
            remove(tree / path)
    for path, sealed in seal.live.items():
        now = found.get(path)
        if now is not None and _is_same(sealed, _stamp(now)):
            continue
        changed = True
        seal.live[path] = _put_back(tree, folder / COPIES, seal, path, now)
    if not changed:
        return
    # Last and from the deepest, for a folder may be one that nobody may write to.
    for path, sealed in reversed(seal.live.items()):
        if stat.S_ISDIR(sealed[0]):
            (tree / path).chmod(stat.S_IMODE(sealed[0]))
    _save(folder, seal)
    time.sleep(_TICK_S)


def _put_back(tree: Path, store: Path, seal: Seal, path: str, now: os.stat_result | None) -> Stamp:
    """Makes one path as it was sealed; its stamp then."""
    place, sealed = tree / path, seal.live[path]
    if now is not None and stat.S_IFMT(now.st_mode) != stat.S_IFMT(sealed[0]):
        now = None
    if stat.S_ISDIR(sealed[0]):
        if now is None:
            _open_parent(tree, path)
            place.mkdir(mode=0o700, parents=path in seal.names)
        return sealed
    if stat.S_ISLNK(sealed[0]):
        if now is None or os.readlink(place) != seal.links[path]:  # noqa: PTH115
            _open_parent(tree, path)
            remove(place)
            place.symlink_to(seal.links[path])
        return _stamp(place.lstat())
    copy = store / path
    try:
        if _stamp(copy.lstat()) != seal.copies[path]:
            raise DamagedError(path)
    except FileNotFoundError:
        raise DamagedError(path) from None
    # A change time alone tells little: package managers link to one file from many places.
    untouched = now is not None and _stamp(now)[:4] == sealed[:4]
    if not untouched or not filecmp.cmp(place, copy, shallow=False):
        _open_parent(tree, path)
        remove(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        _copy_file(copy, place, copy.lstat())
    return _stamp(place.lstat())


def _walk(tree: Path, name: str) -> Iterator[tuple[str, os.stat_result]]:
    """A path and all below it, folders before what is in them; links are not followed."""
    top = str(tree)
    pending = [name]
    while pending:
        path = pending.pop()
        place = f"{top}/{path}"
        found = os.lstat(place)
        yield path, found
        if stat.S_ISDIR(found.st_mode):
            try:
                below = os.listdir(place)  # noqa: PTH208, names are wanted
            except PermissionError:
                unlock(Path(place))
                below = os.listdir(place)  # noqa: PTH208
            pending += [f"{path}/{child}" for child in sorted(below, reverse=True)]


def _is_reached_plainly(tree: Path, name: str) -> bool:
    """Whether only real folders, or nothing yet, lie between the tree's root and a name."""
    parts = name.split("/")
    if not name or ".." in parts:
        return False
    for count in range(1, len(parts)):
        try:
            found = tree.joinpath(*parts[:count]).lstat()
        except FileNotFoundError:
            return True
        if not stat.S_ISDIR(found.st_mode):
            return False
    return True


def _open_parent(tree: Path, path: str) -> None:
    parent = (tree / path).parent
    if parent != tree and parent.is_dir():
        unlock(parent)


def _copy_file(source: Path, to: Path, found: os.stat_result) -> None:
    """A copy of its own, sharing blocks where the file system can."""
    try:
        taken = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:  # its owner may always let himself in
        source.chmod(stat.S_IMODE(found.st_mode) | 0o400)
        taken = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(taken, "rb") as given:
        made = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(made, "wb") as copy:
            if not _is_cloned(given.fileno(), copy.fileno()):
                shutil.copyfileobj(given, copy, 1 << 20)
    os.utime(to, ns=(found.st_atime_ns, found.st_mtime_ns))
    to.chmod(stat.S_IMODE(found.st_mode))


def _is_cloned(source: int, to: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.ioctl(to, _FICLONE, source)
        return True
    return False


def _is_same(sealed: Stamp, now: Stamp) -> bool:
    # A folder's size and times follow from what is in it, which is looked at by itself.
    return sealed[0] == now[0] if stat.S_ISDIR(sealed[0]) else sealed == now


def _stamp(found: os.stat_result) -> Stamp:
    return (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)


def _stamp_of(values: list[int]) -> Stamp:
    mode, size, written, inode, changed = values
    return (mode, size, written, inode, changed)


def _save(folder: Path, seal: Seal) -> None:
    said = {"names": seal.names, "live": seal.live, "copies": seal.copies, "links": seal.links}
    replace_file(folder / RECORD, json.dumps(said).encode())
