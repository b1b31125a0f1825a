"""Control groups: the kernel itself counts what a child and all below it use.

1. A group is made below the one that orch itself is in (version 1), or beside it (version 2, where
   a group that has processes can have no groups with limits below it). So the limits of those who
   started orch go on to hold; where orch's own group has limits that one beside it would escape,
   there is none.
2. A group is orch's own by its name, `orch.RUN.NONCE`. Others are never touched.
3. It is made before the child, the child is in it before it becomes anything, and it is removed
   when the child is gone. What a killed engine left is found by its name, wherever it is.
4. Whether groups can be made is tried once, with a process; half of it (only memory, or only
   processes) is better than nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

Counted = Literal["memory", "pids"]
_OWN = "/proc/thread-self/cgroup"
COUNTED: tuple[Counted, ...] = ("memory", "pids")


@dataclass(frozen=True)
class Home:
    """A folder in which groups can be made, and what is counted there."""

    folder: Path
    version: Literal[1, 2]
    counts: tuple[Counted, ...]


@dataclass(frozen=True)
class Mount:
    """A hierarchy as it is mounted: what part of it, where."""

    place: Path
    root: str
    version: Literal[1, 2]
    counts: tuple[Counted, ...]


@dataclass(frozen=True)
class Groups:
    """The groups of one child; made by `make_groups`."""

    homes: tuple[Home, ...]
    name: str

    @property
    def holds(self) -> frozenset[Counted]:
        """What they limit."""
        return frozenset(count for home in self.homes for count in home.counts)

    @contextlib.contextmanager
    def around(self) -> Iterator[None]:
        """What this thread starts inside the block is born in them, where that can be; a no-op
        elsewhere."""
        # To move another process takes the kernel some ten milliseconds, in which all processors
        # have to take notice; to move the thread that asks takes none.
        own, homes = _where()
        if any(home.version != 1 for home in homes) or _read(_OWN) != own:
            yield
            return
        try:
            for home in self.homes:
                (home.folder / self.name / "tasks").write_text("0")
            yield
        finally:
            for home in self.homes:
                (home.folder / "tasks").write_text("0")

    def enter(self, pid: int) -> None:
        """Put a process, which has no others below it yet, into them where it is not."""
        within = _read(f"/proc/{pid}/cgroup")
        for home in self.homes:
            if f"/{self.name}\n" not in within:
                (home.folder / self.name / "cgroup.procs").write_text(str(pid))

    def over(self) -> frozenset[Counted]:
        """Which limits were run into."""
        found: set[Counted] = set()
        for home in self.homes:
            folder = home.folder / self.name
            if "pids" in home.counts and _number(folder / "pids.events", "max"):
                found.add("pids")
            if "memory" in home.counts and _ran_into_memory(folder, home.version):
                found.add("memory")
        return frozenset(found)

    def remove(self) -> bool:
        """Try to; whether they are gone. Not, while something is in them."""
        gone = [_removed(home.folder / self.name) for home in self.homes]
        return all(gone)


def make_groups(run: str, *, memory_bytes: int | None, processes: int | None) -> Groups | None:
    """Groups with these limits; None where this machine gives none. OSError: it gave one before."""
    homes = group_homes()
    if not homes:
        return None
    groups = Groups(homes, f"{_prefix(run)}{secrets.token_hex(4)}")
    try:
        for home in homes:
            _limit(home, home.folder / groups.name, memory_bytes, processes)
    except OSError:
        groups.remove()
        raise
    return groups


def sweep_groups(run: str, *, everywhere: bool) -> None:
    """Remove what was left of a run's groups, here or wherever engines of it ran; ends nobody."""
    prefix = _prefix(run)
    if not everywhere:
        for home in group_homes():
            for folder in home.folder.glob(f"{prefix}*"):
                _removed(folder)
        return
    for mount in _mounts(_read("/proc/self/mountinfo")):
        for above, names, _ in os.walk(mount.place):
            for name in [name for name in names if name.startswith(prefix)]:
                names.remove(name)
                _removed(Path(above, name))


def group_homes() -> tuple[Home, ...]:
    """Where groups can be made, tried once; some milliseconds."""
    return _where()[1]


@lru_cache(maxsize=1)
def _where() -> tuple[str, tuple[Home, ...]]:
    """The groups that this process is in, and where others can be made."""
    own = _read(_OWN)
    found: list[Home] = []
    for home in homes_of(own, _read("/proc/self/mountinfo")):
        missing = tuple(c for c in home.counts if all(c not in have.counts for have in found))
        if missing and _works(Home(home.folder, home.version, missing)):
            found.append(Home(home.folder, home.version, missing))
    return own, tuple(found)


def homes_of(own: str, mountinfo: str) -> Iterator[Home]:
    """Where groups may be made, by /proc/self/cgroup and mountinfo. Looks at the folders."""
    for mount in _mounts(mountinfo):
        folder = _own_folder(own, mount)
        if folder is None:
            continue
        if mount.version == 1:
            yield Home(folder, 1, mount.counts)
        elif home := _beside(folder, mount.place):
            yield home


def _beside(own: Path, top: Path) -> Home | None:
    """The nearest folder of version 2, from one's own up, whose groups are counted."""
    for folder in (own, *own.parents):
        counted = _read(folder / "cgroup.subtree_control").split()
        counts = tuple(count for count in COUNTED if count in counted)
        if counts:
            return Home(folder, 2, counts) if os.access(folder, os.W_OK) else None
        limits = (_read(folder / f"{count}.max").strip() for count in COUNTED)
        if folder == top or any(limit not in ("", "max") for limit in limits):
            return None
    return None


def _own_folder(own: str, mount: Mount) -> Path | None:
    """The folder of the group that this process is in."""
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        names = controllers.split(",")
        mine = controllers == "" if mount.version == 2 else set(mount.counts) <= set(names)
        if mine and "/.." not in path and (path + "/").startswith(mount.root.rstrip("/") + "/"):
            return Path(os.path.normpath(f"{mount.place}/{path[len(mount.root.rstrip('/')) :]}"))
    return None


def _mounts(mountinfo: str) -> Iterator[Mount]:
    """The hierarchies that count what we want counted."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        columns, kind = before.split(" "), after.split(" ")
        if len(columns) < 5 or len(kind) < 3:
            continue
        root, place = (_unescaped(column) for column in columns[3:5])
        if kind[0] == "cgroup2":
            yield Mount(Path(place), root, 2, COUNTED)
        elif kind[0] == "cgroup":
            counts = tuple(count for count in COUNTED if count in kind[2].split(","))
            if counts:
                yield Mount(Path(place), root, 1, counts)


def _limit(home: Home, folder: Path, memory_bytes: int | None, processes: int | None) -> None:
    """Make one group with its limits."""
    folder.mkdir()
    if "pids" in home.counts and processes is not None:
        (folder / "pids.max").write_text(str(processes))
    if "memory" not in home.counts or memory_bytes is None:
        return
    limit = str(memory_bytes)
    if home.version == 2:
        (folder / "memory.max").write_text(limit)
    else:
        (folder / "memory.limit_in_bytes").write_text(limit)
    # What goes to the disk instead would take the machine with it; not every kernel counts it.
    swap, none = ("memory.swap.max", "0") if home.version == 2 else (_SWAP, limit)
    with contextlib.suppress(OSError):
        (folder / swap).write_text(none)


_SWAP = "memory.memsw.limit_in_bytes"


def _ran_into_memory(folder: Path, version: int) -> bool:
    """Whether something was ended for want of memory, and that by this limit."""
    if version == 2:
        events = folder / "memory.events"
        return bool(_number(events, "oom") and _number(events, "oom_kill"))
    if not _number(folder / "memory.oom_control", "oom_kill"):
        return False
    # Its own limit, not one above it or the machine's end: newer kernels count no failures here.
    most, limit = (_read(folder / f"memory.{name}_in_bytes") for name in ("max_usage", "limit"))
    return float(most or 0) >= 0.98 * float(limit or "inf")


def _works(home: Home) -> bool:
    """Whether a process can be put into a group there."""
    folder = home.folder / f"{_prefix('try')}{os.getpid()}.{secrets.token_hex(4)}"
    try:
        _limit(home, folder, 1024**3, 100)
        words = ("/bin/sh", "-c", 'echo $$ > "$1/cgroup.procs"', "sh", str(folder))
        done = subprocess.run(words, env={}, capture_output=True, timeout=10, check=False)
        return done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        until = time.monotonic() + 0.5
        while not _removed(folder) and time.monotonic() < until:
            time.sleep(0.002)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _prefix(run: str) -> str:
    return f"orch.{re.sub('[^A-Za-z0-9@_-]', '-', run)}."


def _number(file: Path, key: str) -> int:
    for line in _read(file).splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.isdigit():
            return int(value)
    return 0


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _read(file: Path | str) -> str:
    try:
        return Path(file).read_text("utf-8", "replace")
    except OSError:
        return ""
