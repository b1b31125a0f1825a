"""What a child may touch: a sandbox made by bubblewrap, from nothing up.

1. It begins empty. In it are the system's folders, read-only, the places named as readable, the
   places named as writable, and empty temporary folders. Not in it: the user's home, other
   repositories, the user's checkout, sockets, other users' files.
2. The repository's git folder is a shadow (`worktree.shadow`) at the place of the real one, with
   the real objects read-only behind it: whatever is done to it is done to a throw-away.
3. It has process ids, a loopback, users and semaphores of its own; no capabilities and no way to
   any; what is left when the command ends is ended by the kernel, and so is all when the engine
   dies.
4. Bubblewrap itself starts with an empty environment: its own would show in /proc within. What
   the child is to know is handed over in memory, not on a command line that others can read.
5. Whether it stood before the command ran is told by bubblewrap's status, never by its output.
6. Later mounts lie over earlier ones, so places are mounted from the root down.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from workers.limits import ChildLimits
from workers.reach import Reach, proxy_variables

HOME = "/home/agent"
OBJECTS = "/run/orch/objects"
"""Where a shadow finds the repository's own objects."""
DOORS = "/run/orch/doors"
"""Where a relay finds the sockets that its ports lead to."""
RELAY = Path(__file__).with_name("relay.py")
TEMPORARY_BYTES = 2 * 1024**3
TEMPORARY = ("/tmp", "/var/tmp", "/run", "/dev/shm", HOME)
"""Empty folders of the sandbox's own, in memory."""
USER_ID = 1000

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/sys"),
    *("/nix/store", "/gnu/store", "/snap"),
)
"""Folders of programs, the same for every user of the machine."""
SECRET = (
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers"),
    *("/etc/krb5.keytab", "/etc/security/opasswd", "/etc/machine-id"),
)
SECRET_FOLDERS = (
    *("/etc/ssh", "/etc/ssl/private", "/etc/sudoers.d", "/etc/wireguard", "/etc/ppp"),
    *("/etc/NetworkManager", "/etc/docker", "/etc/kubernetes", "/etc/letsencrypt"),
)
"""Root, and so a sandbox that root starts, could read them."""

OF_THE_KERNEL = (
    *("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/asound"),
    *("/proc/mtrr", "/proc/driver", "/proc/pressure"),
)
"""Settings of the whole machine: root's files, so a sandbox that root starts could write them."""
HIDDEN = (
    *("/proc/kcore", "/proc/keys", "/proc/key-users", "/proc/timer_list", "/proc/sched_debug"),
    *("/proc/latency_stats", "/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup"),
)
HIDDEN_FOLDERS = ("/proc/acpi", "/proc/scsi", "/sys/firmware", "/sys/kernel/debug")

_PASSWD = f"root:x:0:0:root:/root:/bin/sh\nagent:x:{USER_ID}:{USER_ID}::{HOME}:/bin/sh\n"
_PASSWD += "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
_GROUP = f"root:x:0:\nagent:x:{USER_ID}:\nnogroup:x:65534:\n"
_HOME_VARIABLES = frozenset(
    {"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "UV_CACHE_DIR", "GOCACHE", "CARGO_HOME"}
    | {"GRADLE_USER_HOME", "GEM_HOME", "DOTNET_ROOT", "GOPATH"}
)
"""Folders that programs write to: left out where they are not writable, so that a default is."""


@dataclass(frozen=True)
class GitFolder:
    """A shadow of a repository's git folder, and where it takes the place of the real one."""

    place: Path
    shadow: Path
    objects: tuple[Path, ...]
    """The repository's own object folder, then its alternates."""
    writable: bool = False


@dataclass(frozen=True)
class Confinement:
    """What one child may touch. Values only: `entered` makes a command of it."""

    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    in_home: tuple[tuple[Path, str, bool], ...] = ()
    """Places of the user's home that the child finds in its own too: where they are, their names
    below the home, and whether they may be written."""
    git: GitFolder | None = None
    network: bool | Reach = False
    """Whether it has the machine's network; else a loopback of its own, with a way to some hosts
    where it may reach some."""
    relays: tuple[tuple[int, Path], ...] = ()
    """Ports of its loopback, and the sockets on this side that they lead to."""
    variables: tuple[tuple[str, str], ...] = ()
    """Beside the child's own: where tools lie that are usually found below the home."""
    limits: ChildLimits = field(default_factory=ChildLimits)


@dataclass(frozen=True)
class Entered:
    """A command in its sandbox: how to start it, and how to hear whether it did."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    descriptors: tuple[int, ...]
    """To be passed on to the child, and closed in this process then."""
    status: int
    """Bubblewrap's status is read from it."""
    release: int
    """A byte in it lets the command begin."""


def mounts(confinement: Confinement, tree: Path) -> list[str]:
    """Bubblewrap's arguments for the file system. Looks at the machine, changes nothing."""
    args = list(_system_mounts())
    if confinement.network is True:
        args += _resolver()
    places: dict[Path, list[str]] = {}
    for path in confinement.readable:
        places[path] = ["--ro-bind-try", str(path), str(path)]
    git = confinement.git
    if git is not None:
        bind = "--bind" if git.writable else "--ro-bind"
        places[git.place] = [bind, str(git.shadow), str(git.place)]
        for number, objects in enumerate(git.objects):
            at = f"{OBJECTS}/{number}"
            places[Path(at)] = ["--ro-bind", str(objects), at]
    for port, door in confinement.relays:
        places[Path(f"{DOORS}/{port}")] = ["--bind", str(door), f"{DOORS}/{port}"]
    for path in confinement.writable:
        places[path] = ["--bind", str(path), str(path)]
    for path, name, may_write in confinement.in_home:
        bind = "--bind-try" if may_write else "--ro-bind-try"
        places[Path(HOME, name)] = [bind, str(path), f"{HOME}/{name}"]
    pointer = tree / ".git"
    if tree in confinement.writable and pointer.is_file() and not pointer.is_symlink():
        places[pointer] = ["--ro-bind", str(pointer), str(pointer)]
    for path in sorted(places, key=lambda path: len(path.parts)):
        args += places[path]
    return args


@lru_cache(maxsize=1)
def _system_mounts() -> tuple[str, ...]:
    """What is the same in every sandbox of this machine."""
    args: list[str] = []
    for folder in SYSTEM:
        place = Path(folder)
        if place.is_symlink():
            args += ["--symlink", os.readlink(place), folder]  # noqa: PTH115, text is wanted
        elif place.is_dir():
            args += ["--ro-bind", folder, folder]
    for folder in SECRET_FOLDERS:
        if Path(folder).is_dir():
            args += ["--tmpfs", folder]
    for file in SECRET:
        if Path(file).is_file():
            args += ["--ro-bind", "/dev/null", file]
    args += ["--dev", "/dev", "--proc", "/proc"]
    args += _without_the_kernels()
    for folder in TEMPORARY:
        args += ["--size", str(TEMPORARY_BYTES), "--tmpfs", folder]
    return tuple(args)


def _without_the_kernels() -> list[str]:
    args: list[str] = []
    for place in OF_THE_KERNEL:
        if Path(place).exists():
            args += ["--ro-bind", place, place]
    for place in HIDDEN:
        if Path(place).exists():
            args += ["--ro-bind", "/dev/null", place]
    for place in HIDDEN_FOLDERS:
        if Path(place).is_dir():
            args += ["--tmpfs", place]
    return args


def _resolver() -> list[str]:
    """Where names are looked up, when that file is a link to a folder that is not there."""
    file = Path("/etc/resolv.conf")
    real = Path(os.path.realpath(file))
    if file.is_symlink() and real.is_file() and str(real).startswith("/run/"):
        return ["--ro-bind", str(real), str(real)]
    return []


def isolation(network: bool) -> list[str]:
    """Bubblewrap's arguments for everything but the file system."""
    args = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    args.append("--unshare-cgroup-try")
    if not network:
        args.append("--unshare-net")
    if "--disable-userns" in bubblewrap_options():
        args.append("--disable-userns")
    args += ["--die-with-parent", "--cap-drop", "ALL", "--hostname", "orch"]
    return [*args, "--uid", str(USER_ID), "--gid", str(USER_ID)]


def environment_within(confinement: Confinement, env: Mapping[str, str]) -> dict[str, str]:
    """A child's environment as it makes sense in there: no folder of the user's home is."""
    places = (*confinement.readable, *confinement.writable)

    def is_there(value: str) -> bool:
        return any(Path(value).is_relative_to(place) for place in places)

    kept = {n: v for n, v in env.items() if n not in _HOME_VARIABLES or is_there(v)}
    kept = {**dict(confinement.variables), **kept}
    kept |= {"HOME": HOME, "USER": "agent", "LOGNAME": "agent", "SHELL": "/bin/sh"}
    return kept | (proxy_variables() if isinstance(confinement.network, Reach) else {})


def entered(
    confinement: Confinement,
    argv: tuple[str, ...],
    tree: Path,
    env: Mapping[str, str],
) -> Entered:
    """The command that runs `argv` in the sandbox. OSError where that cannot be prepared.

    It waits at its threshold to be let go. The caller passes the descriptors on, closes them, and
    makes a Threshold of the rest.
    """
    program = bubblewrap()
    if program is None:
        raise FileNotFoundError(2, "bubblewrap is not installed", "bwrap")
    if confinement.relays:
        doors = (f"{port}={DOORS}/{port}" for port, _ in confinement.relays)
        argv = (sys.executable, "-I", "-S", str(RELAY), *doors, "--", *argv)
    parts = [*isolation(confinement.network is True), *mounts(confinement, tree)]
    parts += ["--remount-ro", "/", "--chdir", str(tree), "--clearenv"]
    for name, value in environment_within(confinement, env).items():
        parts += ["--setenv", name, value]
    with contextlib.ExitStack() as stack:
        opened = [_in_memory(text) for text in (_PASSWD, _GROUP, "\0".join(parts))]
        for descriptor in opened:
            stack.callback(os.close, descriptor)
        status, theirs = os.pipe()
        for descriptor in (status, theirs):
            stack.callback(os.close, descriptor)
        waits, release = os.pipe()
        stack.pop_all()
    os.set_blocking(status, False)
    passwd, group, arguments = opened
    command = (
        *(program, "--args", str(arguments), "--json-status-fd", str(theirs)),
        *("--block-fd", str(waits)),
        *("--ro-bind-data", str(passwd), "/etc/passwd"),
        *("--ro-bind-data", str(group), "/etc/group"),
        *("--", *argv),
    )
    env = {"PATH": "/usr/bin:/bin"}
    return Entered(command, env, (*opened, theirs, waits), status, release)


def _in_memory(text: str) -> int:
    descriptor = os.memfd_create("orch", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(os.fsencode(text))
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


# --- the program ------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def bubblewrap() -> str | None:
    """The program, from the system's own folders; None where there is none."""
    return shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin:/run/current-system/sw/bin")


@lru_cache(maxsize=1)
def bubblewrap_options() -> str:
    """What it says of its options; they differ from version to version."""
    program = bubblewrap()
    if program is None:
        return ""
    said = subprocess.run(
        (program, "--help"), capture_output=True, text=True, env={}, timeout=10, check=False
    )
    return said.stdout + said.stderr
