"""Where the ledger lives, and where workspaces live unless the settings say so.

1. The ledger lives in the repository's common git folder: safe from `git clean`, shared by
   worktrees, gone with the repository.
2. Not on a network file system, whose locks and shared memory SQLite cannot rely on: then in
   the user's state folder, under a name made from the repository's path.
3. A file system that is not known to be local, but lives in user space, counts as one of the
   network: the worse mistake is the other one.
4. Nothing is made until `Place.make` is called.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NETWORK = re.compile(
    r"9p|acfs|afs|beegfs|ceph|cifs|coda|davfs|gfs2?|glusterfs|gpfs|lustre|ncpfs|nfs4?"
    r"|ocfs2|orangefs|pvfs2|prl_fs|smb[23]?|smbfs|vboxsf|vmhgfs"
)
LOCAL_FUSE = re.compile(
    r"fuse\.(bindfs|encfs|ext2|fuse-overlayfs|gocryptfs|lxcfs|mergerfs|ntfs|ntfs-3g|unionfs"
    r"|unionfs-fuse|zfs)"
)
"""File systems in user space that keep their files on this machine."""


@dataclass(frozen=True)
class Place:
    """The folder of a repository's ledger and what is in it."""

    folder: Path
    ledger: Path
    """The database."""
    locks: Path
    blobs: Path
    runs: Path
    """A folder for each run: what its workers are given to read."""
    reason: str
    """Why it is here, for a person."""
    network: bool = False
    """It is on a network file system after all: no better place was found."""

    def lock(self, run: str) -> Path:
        """The file of the lock that a run's engine holds."""
        return self.locks / f"{run}.lock"

    def trusted(self, user: int) -> Path:
        """The file of the commands that a user, by their number, has trusted here."""
        return self.folder / "trusted" / f"{user}.json"

    def make(self) -> None:
        """Make the folders that are missing, for this user's eyes only."""
        try:
            self._make()
        except OSError as error:
            from ledger.schema import LedgerUnwritable  # it brings SQLite, which views may spare

            raise LedgerUnwritable(
                f"the ledger's folder {self.folder} cannot be made ({error.strerror})",
                f"see who owns it and whether the disk is full: `ls -la {self.folder.parent}`",
            ) from error

    def _make(self) -> None:
        if all(folder.is_dir() for folder in (self.locks, self.blobs, self.runs)):
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # Logs may hold more than the repository's files do.
        for folder in (self.folder, self.locks, self.blobs, self.runs):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)  # somebody else of ours may have made it first
        for folder in (self.folder, self.folder.parent):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)  # what the ledger syncs is lost with a folder that is not
            finally:
                os.close(descriptor)


def place_of(common_folder: Path, environ: Mapping[str, str], mounts: str | None = None) -> Place:
    """Where the ledger of the repository with that common git folder lives.

    `mounts` is the text of /proc/self/mountinfo, read when absent.
    """
    mounts = load_mounts() if mounts is None else mounts
    common = common_folder.resolve()
    kind = file_system(common, mounts)
    if not is_network(kind):
        return _place(common / "orch", "in the repository's git folder")
    state = state_folder(environ)
    state_kind = file_system(state.resolve(), mounts)
    why = f"the repository is on a network file system ({kind})"
    if is_network(state_kind):
        why += f", and so is this folder ({state_kind}): set ORCH_STATE_DIR to a local one"
    folder = state / f"ledger-{_digest(common)[:16]}"
    return _place(folder, why, is_network(state_kind))


def workspaces_folder(common_folder: Path, environ: Mapping[str, str]) -> Path:
    """Where the repository's workspaces live unless the settings say so."""
    common = common_folder.resolve()
    named = common.parent if common.name == ".git" else common
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", named.name.removesuffix(".git")).strip("-.")[:40]
    return state_folder(environ) / f"{name or 'repository'}-{_digest(common)[:8]}"


def state_folder(environ: Mapping[str, str]) -> Path:
    """Orch's own folder for state: ORCH_STATE_DIR, or the one in the user's state folder."""
    if own := environ.get("ORCH_STATE_DIR"):
        return Path(own).expanduser().absolute()
    xdg = environ.get("XDG_STATE_HOME", "")
    if Path(xdg).is_absolute():  # the standard has a relative one ignored
        return Path(xdg) / "orch"
    home = environ.get("HOME", "")
    if sys.platform != "darwin" and Path(home).is_absolute():
        return Path(home) / ".local" / "state" / "orch"
    import platformdirs

    return platformdirs.user_state_path("orch", appauthor=False)


def is_network(kind: str) -> bool:
    """Whether a kind of file system is, or may be, one of the network."""
    in_user_space = kind.startswith("fuse.") and not LOCAL_FUSE.fullmatch(kind)
    return in_user_space or bool(NETWORK.fullmatch(kind))


def file_system(path: Path, mounts: str) -> str:
    """The kind of file system that a resolved path is on, empty where that is not known."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]))
        # Of two mounted at one place the later one is seen.
        if len(point.parts) >= best and path.is_relative_to(point):
            best, kind = len(point.parts), after.split(" ")[0]
    return kind


def load_mounts() -> str:
    """What the kernel says is mounted where; empty where it does not say."""
    try:
        return Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


def _place(folder: Path, reason: str, network: bool = False) -> Place:
    return Place(
        folder=folder,
        ledger=folder / "ledger.sqlite",
        locks=folder / "locks",
        blobs=folder / "blobs",
        runs=folder / "runs",
        reason=reason,
        network=network,
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()
