"""What sandbox this machine gives: tried once, told with what to do for a better one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from workers.groups import COUNTED, group_homes
from workers.sandbox import Confinement, bubblewrap, bubblewrap_options, isolation, mounts

INSTALL = "apt install bubblewrap, dnf install bubblewrap, or pacman -S bubblewrap"
ELSEWHERE = 'run orch in a container or a virtual machine, and say so: sandbox = "external"'
_ALLOW = (
    "printf '%s\\n' 'abi <abi/4.0>,' 'include <tunables/global>'"
    " 'profile bwrap /usr/bin/bwrap flags=(unconfined) {' '  userns,' '}'"
    " | sudo tee /etc/apparmor.d/bwrap && sudo apparmor_parser -r /etc/apparmor.d/bwrap"
)
"""What the owner of an Ubuntu types; whoever installed orch alone has no docs at hand."""
_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")


@dataclass(frozen=True)
class Offer:
    """What this machine's sandbox is like."""

    works: bool
    what: str
    """For a person."""
    hint: str = ""
    complete: bool = True
    """It closes all that is known; else `what` says what stays open."""


@lru_cache(maxsize=1)
def sandbox_offer() -> Offer:
    """Try a sandbox once and say what came of it; some 20 ms."""
    if not hasattr(os, "memfd_create"):
        return Offer(False, "there is no sandbox for this system yet", ELSEWHERE)
    program = bubblewrap()
    if program is None:
        return Offer(False, "bubblewrap is not installed", INSTALL)
    args = [*isolation(False), *mounts(Confinement(), Path("/nonexistent"))]
    try:
        said = subprocess.run(
            (program, *args, "--", "/bin/sh", "-c", "exit 0"),
            capture_output=True,
            text=True,
            env={},
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Offer(False, f"bubblewrap does not start: {error}", INSTALL)
    if said.returncode:
        why = next(iter(said.stderr.strip().splitlines()), f"exit {said.returncode}")
        return Offer(False, f"bubblewrap does not work here: {why[:200]}", _hint_for(why))
    if "--disable-userns" not in bubblewrap_options():
        what = "bubblewrap is older than 0.7: namespaces can be nested in the sandbox"
        return Offer(True, what, "install bubblewrap 0.7 or newer", complete=False)
    return Offer(True, "bubblewrap: a file system, processes and a network of their own")


def limits_offer() -> Offer:
    """What holds memory and processes to their limits here; tried once, some milliseconds."""
    homes = group_homes()
    held = {count: home for home in homes for count in home.counts}
    if len(held) == len(COUNTED):
        where = ", ".join(dict.fromkeys(str(home.folder) for home in homes))
        return Offer(True, f"the kernel counts memory and processes: control groups in {where}")
    words = {"memory": "memory", "pids": "processes"}
    missing = " and ".join(words[count] for count in COUNTED if count not in held)
    what = f"orch itself counts {missing}, ten times a second: no control groups can be made"
    if os.geteuid() == 0:
        hint = "a container: mount /sys/fs/cgroup writable; or run orch as an ordinary user"
        return Offer(True, what, hint, complete=False)
    return Offer(True, what, "systemd-run --user --scope orch run ...", complete=False)


def _hint_for(why: str) -> str:
    with contextlib.suppress(OSError):
        if _APPARMOR.read_text().strip() == "1":
            return f"AppArmor forbids it; allow bubblewrap: {_ALLOW}"
    if "setting up uid map" in why or "ermission denied" in why or "not permitted" in why:
        return f"user namespaces are switched off here; {ELSEWHERE}"
    return ELSEWHERE
