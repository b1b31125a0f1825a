"""Workspaces: pooled worktrees, handed out clean at a commit, taken back dirty.

1. A workspace is handed out at exactly the commit asked for: every tracked file as the commit has
   it, nothing else but what `keep` names, as it was sealed (see `kept`). It is cleaned when it
   comes back, off anybody's way, so handing it out again costs what differs between two commits,
   not the size of the tree.
2. What is exact is known from a private index that lies outside the tree, never from a file that
   whoever works there can write. A file that differs, or whose inode was so much as touched in a
   later second than it was written, is written anew: a change time cannot be set back, so neither
   skip-worktree bits nor restored dates hide anything.
3. Whatever was done to the tree (pointers rewritten, folders locked, repositories within, pipes,
   links in place of folders) is undone; where that fails, the workspace is made anew.
4. Names are `<prefix>-<number>`. A pool adopts those that an ended process left behind.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worktree.counting import count_entries, count_files
from worktree.git import Git
from worktree.kept import DamagedError, Seal, drop_seal, is_sealed, load_seal, make_seal, restore
from worktree.leftovers import leftovers, remove_named
from worktree.leftovers import sweep as sweep
from worktree.metadata import add_entry, detach, repair_entry
from worktree.names import check_workspace
from worktree.removal import free_bytes as free_bytes
from worktree.removal import remove, unlock
from worktree.values import GitError, check_id

CHECKOUT_TIMEOUT_S = 3600.0
_DIFFERENT = ("diff-files", "-z", "--name-only", "--ignore-submodules=all")
"""Tracked files that are not as the index says."""


@dataclass(frozen=True)
class Workspace:
    """A worktree, handed out."""

    path: Path
    """The tree."""
    name: str
    index: Path
    """The private index, out of reach of who works in the tree."""
    folder: Path
    """Its own folder outside the tree, with `tmp/` and `brief/`."""
    commit: str


@dataclass
class _Slot:
    """One worktree of a pool. `tree`: what its files and private index hold; None: not known."""

    name: str
    made: bool
    tree: str | None = None
    commit: str | None = None
    linked: bool = False
    """It holds submodules, whose folders git itself leaves alone."""


class Pool:
    """The workspaces of one kind. Safe to use from many threads at once."""

    def __init__(self, git: Git, root: Path, name_prefix: str, keep: tuple[str, ...] = ()) -> None:
        check_workspace(f"{name_prefix}-0")
        self.git = git
        self.root = Path(os.path.abspath(root))  # noqa: PTH100, resolve() would follow links
        self.prefix = name_prefix
        self.keep = tuple(sorted(path.strip("/") for path in keep))
        self.closing = False
        """Nothing will be handed out any more: what comes back is not cleaned, only removed."""
        self.wanted: int | None = None
        """At most so many will be needed from now on: more are removed as they come back."""
        self._lock = threading.Lock()
        self._free: list[_Slot] = []
        self._used: dict[str, _Slot] = {}
        self._next = 0
        self._trees: dict[str, str] = {}
        self._linked: dict[str, bool] = {}
        """Whether a commit holds submodules: workspaces are mostly made at the same one."""
        self._looking = threading.Lock()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._indexes.mkdir(exist_ok=True, mode=0o700)
        for name in leftovers(self.root, name_prefix):
            self._free.append(_Slot(name, made=True))
            self._next = max(self._next, int(name.rpartition("-")[2]) + 1)

    @property
    def size(self) -> int:
        """How many workspaces there are, handed out or not."""
        with self._lock:
            return len(self._free) + len(self._used)

    @property
    def idle(self) -> bool:
        """Whether one is there that is not handed out."""
        with self._lock:
            return bool(self._free)

    def take(self, commit: str) -> Workspace:
        """A workspace at this commit, clean; a new one where none is free."""
        check_id(commit)
        slot = self._pick(commit)
        try:
            self._bring(slot, commit)
        except BaseException:
            slot.tree = slot.commit = None
            with self._lock:
                del self._used[slot.name]
                self._free.insert(0, slot)
            raise
        return self._workspace(slot, commit)

    def give_back(self, workspace: Workspace) -> None:
        """Takes a workspace back and cleans it, so that the next hand-out is quick."""
        with self._lock:
            slot = self._used.get(workspace.name)
        if slot is None:
            raise ValueError(f"{workspace.name} is not handed out")
        slot.tree = slot.commit = None
        if self.closing:
            with self._lock:
                del self._used[workspace.name]
                self._free.append(slot)
            return
        if self.wanted is not None and self.size > self.wanted:
            with self._lock:
                del self._used[workspace.name]
                self._free.insert(0, slot)
            with contextlib.suppress(GitError, OSError):
                self.trim(self.wanted)
            return
        # What cannot be cleaned now is made anew when it is next handed out.
        with contextlib.suppress(GitError, OSError):
            repair_entry(self.git, self.root / slot.name)
            self._clear_folder(slot)
            slot.tree = self._restore(slot)
            if slot.tree == self._tree_of(workspace.commit):
                slot.commit = workspace.commit
        with self._lock:
            del self._used[workspace.name]
            self._free.append(slot)

    def trim(self, count: int) -> None:
        """Removes workspaces that are not handed out until at most `count` are left."""
        with self._lock:
            more = len(self._free) + len(self._used) - count
            slots = self._free[: max(0, more)]
            del self._free[: len(slots)]
        try:
            self._remove(slots)
        except BaseException:
            # What is left of them is made anew, or removed at the end.
            with self._lock:
                for slot in slots:
                    slot.tree = slot.commit = None
                self._free[:0] = slots
            raise

    def remove_all(self) -> None:
        """Removes every workspace, handed out or not."""
        with self._lock:
            slots = [*self._free, *self._used.values()]
            self._free.clear()
            self._used.clear()
        self._remove(slots)
        for folder in (self._indexes, self.root):
            with contextlib.suppress(OSError):
                folder.rmdir()

    # --- within -----------------------------------------------------------------------------

    @property
    def _indexes(self) -> Path:
        return self.root / ".index"

    def _tree_of(self, commit: str) -> str:
        if commit not in self._trees:
            self._trees[commit] = self.git.tree_of(commit)
        return self._trees[commit]

    def _workspace(self, slot: _Slot, commit: str) -> Workspace:
        name = slot.name
        return Workspace(
            self.root / name, name, self._indexes / name, self.root / f".{name}", commit
        )

    def _pick(self, commit: str) -> _Slot:
        with self._lock:
            # Best one that is there already, then any clean one, the warmest first.
            ready = [slot for slot in self._free if slot.commit == commit]
            ready = ready or [slot for slot in self._free if slot.tree] or self._free
            if ready:
                slot = ready[-1]
                self._free.remove(slot)
            else:
                slot = _Slot(check_workspace(f"{self.prefix}-{self._next}"), made=False)
                self._next += 1
            self._used[slot.name] = slot
            return slot

    def _bring(self, slot: _Slot, commit: str) -> None:
        path, index = self.root / slot.name, self._indexes / slot.name
        if not slot.made:
            self._make(slot, commit)
        else:
            try:
                repair_entry(self.git, path)
                tree = slot.tree or self._restore(slot)
                if slot.commit != commit:
                    self._content(slot, "read-tree", "-m", "-u", tree, commit)
                    self.git.index_trees.note(index, self._tree_of(commit))
            except (GitError, OSError) as error:
                if isinstance(error, GitError) and error.kind in ("no-space", "timeout"):
                    raise
                self._make(slot, commit)
        self._clear_folder(slot)
        self._empty_submodules(slot)
        detach(self.git, path, commit, index)

    def _make(self, slot: _Slot, commit: str) -> None:
        index = self._indexes / slot.name
        self._indexes.mkdir(parents=True, exist_ok=True, mode=0o700)
        for stale in (index, Path(f"{index}.lock")):
            remove(stale)
        drop_seal(self.root / f".{slot.name}")
        add_entry(self.git, self.root / slot.name, commit)
        slot.made = True
        self._content(slot, "read-tree", "--reset", "-u", commit)
        self.git.index_trees.note(index, self._tree_of(commit))
        with self._looking:
            if commit not in self._linked:
                self._linked[commit] = bool(self._submodules(slot))
            slot.linked = self._linked[commit]

    def _content(self, slot: _Slot, *args: str, stdin: bytes = b"") -> bytes:
        return self.git.run(
            *args,
            stdin=stdin,
            tree=self.root / slot.name,
            index=self._indexes / slot.name,
            durable=False,
            timeout_s=CHECKOUT_TIMEOUT_S,
        )

    def _restore(self, slot: _Slot) -> str:
        """Brings the files back to what the private index says; the tree that this is."""
        path, folder = self.root / slot.name, self.root / f".{slot.name}"
        if not (self._indexes / slot.name).is_file():
            raise GitError(f"workspace {slot.name} has lost its index")
        index = self._indexes / slot.name
        remove(Path(f"{index}.lock"))
        trees = self.git.index_trees
        tree = trees.of(index, lambda: self._content(slot, "write-tree").decode().strip())
        seal = self._seal(slot)
        keep = seal.names if seal else ()
        if not self._is_clean(slot, keep):
            self._clean(slot, tree, keep)
        if seal is not None:
            try:
                restore(path, folder, seal)
            except DamagedError:
                drop_seal(folder)
                raise GitError(f"workspace {slot.name} has lost what it keeps") from None
        self._empty_submodules(slot)
        return tree

    def _clean(self, slot: _Slot, tree: str, keep: tuple[str, ...]) -> None:
        """Removes what is neither tracked nor kept; writes again what is not as it should be."""
        path, index = self.root / slot.name, self._indexes / slot.name
        for _ in range(4):
            listed = self._content(slot, "ls-files", "-z", "-o", "--directory")
            others = [os.fsdecode(name) for name in listed.split(b"\0") if name]
            for other in others:
                self._remove_other(path, other.rstrip("/"), keep)
            swept = self._sweep_folders(path, keep)
            raw = self._content(slot, *_DIFFERENT)
            if raw:
                # Of the index it writes how the files look now, not what they hold.
                self._content(slot, "checkout-index", "-f", "-u", "-z", "--stdin", stdin=raw)
                self.git.index_trees.note(index, tree)
            if not swept:
                return
        raise GitError(f"workspace {slot.name} does not come clean")

    def _is_clean(self, slot: _Slot, keep: tuple[str, ...]) -> bool:
        """Whether nothing but the tracked files is there, each as it should be.

        Where all of them are there, and no more files than they are, there is no other.
        """
        path = self.root / slot.name
        if slot.linked or (path / ".gitmodules").exists():
            return False
        there = count_files(path, keep)
        if there is None or there != count_entries(self._indexes / slot.name):
            return False
        return not self._content(slot, *_DIFFERENT)

    def _seal(self, slot: _Slot) -> Seal | None:
        """What is kept in a workspace; nothing is of which its commit tracks a part."""
        folder = self.root / f".{slot.name}"
        if not is_sealed(folder):
            return None
        seal = load_seal(folder)
        if seal and set(seal.names) <= set(self.keep):
            tracked = self._content(slot, "ls-files", "-z", "--", *seal.names)
            if not tracked:
                return seal
        drop_seal(folder)
        return None

    def _remove_other(self, path: Path, other: str, keep: tuple[str, ...]) -> None:
        if other in keep and not (path / other).is_symlink():
            return
        within = tuple(kept for kept in keep if kept.startswith(f"{other}/"))
        if not within or (path / other).is_symlink():
            remove(path / other)
            return
        for child in sorted(os.listdir(path / other)):  # noqa: PTH208, names are wanted
            self._remove_other(path, f"{other}/{child}", keep)

    def _sweep_folders(self, root: Path, keep: tuple[str, ...]) -> bool:
        """Undoes what git does not see (locked folders, `.git` within, pipes); whether it did."""
        found = False
        folders = [root]
        kept = {str(root / path) for path in keep}
        while folders:
            folder = folders.pop()
            found |= unlock(folder)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.lower() == ".git":
                        if folder != root or entry.name != ".git":
                            remove(Path(entry.path))
                            found = True
                    elif entry.is_dir(follow_symlinks=False):
                        if entry.path not in kept:
                            folders.append(Path(entry.path))
                    elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                        remove(Path(entry.path))
                        found = True
        return found

    def _submodules(self, slot: _Slot) -> list[str]:
        listed = self._content(slot, "ls-files", "-s", "-z").split(b"\0")
        return [
            os.fsdecode(line.partition(b"\t")[2]) for line in listed if line.startswith(b"160000 ")
        ]

    def _empty_submodules(self, slot: _Slot) -> None:
        path = self.root / slot.name
        if not slot.linked and not (path / ".gitmodules").exists():
            return
        for name in self._submodules(slot):
            folder = path / name
            if folder.is_symlink() or not folder.is_dir() or any(folder.iterdir()):
                remove(folder)
                folder.mkdir(parents=True)

    def _clear_folder(self, slot: _Slot) -> None:
        folder = self.root / f".{slot.name}"
        for name in ("tmp", "brief"):
            part = folder / name
            if part.is_symlink() or not part.is_dir() or any(part.iterdir()):
                remove(part)
                part.mkdir(parents=True, mode=0o700)

    def _remove(self, slots: Sequence[_Slot]) -> None:
        remove_named(self.git, self.root, [slot.name for slot in slots])


def seal_kept(git: Git, workspace: Workspace, keep: tuple[str, ...]) -> tuple[str, ...]:
    """Seals what a set-up made of these names, and only that survives in the pool; which it made.

    A name under which the commit tracks files is not kept."""
    names = tuple(name.strip("/") for name in keep)
    where = {"tree": workspace.path, "index": workspace.index}
    untracked = [name for name in names if not git.run("ls-files", "-z", "--", name, **where)]
    return make_seal(workspace.path, workspace.folder, untracked)
