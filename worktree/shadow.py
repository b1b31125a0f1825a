"""A shadow of the repository's git folder: for whoever works in a workspace, never for orch.

1. It stands at the place of the real one in a sandbox, so the git of whoever works there does all
   it is used to (status, log, commit, branch, stash, rebase, gc), into a throw-away.
2. It holds the refs but orch's own, the workspace's HEAD and index, what is ignored, and no
   configuration of the user's: remotes and their credentials, hooks and drivers stay outside.
3. The objects are the repository's own, read-only, as alternates at a fixed place.
4. Orch never runs git in it and never reads from it: what an attempt made is its files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from worktree.git import Git
from worktree.metadata import entry_of
from worktree.packed import PackedRefs
from worktree.removal import remove
from worktree.workspace import Workspace

FOLDER = "git"
"""Its name in the workspace's own folder."""
_ALTERNATES_DEEPEST = 5


@dataclass(frozen=True)
class Shadow:
    """A shadow, the place that it takes, and the object folders that it needs."""

    folder: Path
    place: Path
    objects: tuple[Path, ...]


def make_shadow(
    git: Git, workspace: Workspace, objects_at: str, refs: PackedRefs | None = None
) -> Shadow:
    """Makes the shadow of a workspace anew; inside, object folder N is to be at `objects_at`/N."""
    common = git.repository.common_dir
    folder = workspace.folder / FOLDER
    remove(folder)
    objects = object_folders(common / "objects")
    for part in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        (folder / part).mkdir(parents=True)
    alternates = "".join(f"{objects_at}/{number}\n" for number in range(len(objects)))
    (folder / "objects/info/alternates").write_text(alternates)
    (folder / "config").write_text(_config(git.repository.object_format))
    (folder / "packed-refs").write_bytes((refs or PackedRefs()).read(git))
    (folder / "HEAD").write_bytes(_head(common))
    for name in ("info/exclude", "shallow"):
        with contextlib.suppress(OSError):
            shutil.copyfile(common / name, folder / name)
    entry, real = folder / "worktrees" / workspace.name, entry_of(git, workspace.name)
    entry.mkdir(parents=True)
    (entry / "HEAD").write_text(f"{workspace.commit}\n")
    (entry / "commondir").write_text("../..\n")
    (entry / "gitdir").write_bytes(os.fsencode(workspace.path / ".git") + b"\n")
    # The private index knows the files' times, so that the first status need not read them all.
    shutil.copyfile(workspace.index, entry / "index")
    return Shadow(folder, real.parent.parent, objects)


def object_folders(objects: Path, deepest: int = _ALTERNATES_DEEPEST) -> tuple[Path, ...]:
    """An object folder and its alternates, and theirs."""
    found = [objects]
    if deepest:
        with contextlib.suppress(OSError):
            for line in (objects / "info/alternates").read_bytes().splitlines():
                if line and not line.startswith(b"#"):
                    other = Path(os.path.normpath(objects / os.fsdecode(line)))
                    found += object_folders(other, deepest - 1) if other.is_dir() else ()
    return tuple(dict.fromkeys(found))


def _config(object_format: str) -> str:
    version = 0 if object_format == "sha1" else 1
    extra = "" if object_format == "sha1" else f"[extensions]\n\tobjectformat = {object_format}\n"
    return f"[core]\n\trepositoryformatversion = {version}\n\tbare = false\n{extra}"


def _head(common: Path) -> bytes:
    """Where the user's checkout is, as git wrote it; another place where that cannot be read."""
    with contextlib.suppress(OSError):
        head = (common / "HEAD").read_bytes()
        if head.startswith(b"ref: refs/heads/") and len(head) < 4096:
            return head
    return b"ref: refs/heads/main\n"
