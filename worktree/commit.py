"""The content of a workspace becomes a commit.

1. What counts: tracked files however they are changed, and new files that neither the
   repository, the user nor the short list of junk ignores. What an agent did to the index, to
   HEAD or to branches does not matter: only its files are read, by the private index.
2. What may not be committed is found before it is stored where names and sizes can tell, and in
   the tree itself, before any commit, for all the rest: files may change while they are read.
3. The ref is written, durably, before the commit is returned.
4. No change against the parent makes no commit.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from worktree.git import Git
from worktree.hostile import (
    SUBMODULE,
    SYMLINK,
    Refused,
    is_attributes,
    parents,
    refuse,
    refuse_lines,
    refuse_modules,
    refuse_path,
)
from worktree.loose import MISSING, Loose, Object, split_tree
from worktree.names import quoted
from worktree.removal import remove, replace_file
from worktree.values import Answer, Change, GitError, Person, RefUpdate, check_id
from worktree.workspace import CHECKOUT_TIMEOUT_S, Workspace

JUNK = """\
__pycache__/
*.py[co]
.pytest_cache/
.mypy_cache/
.ruff_cache/
.hypothesis/
.coverage
.coverage.*
.tox/
.nox/
*.egg-info/
node_modules/
.DS_Store
Thumbs.db
*.swp
*~
.#*
"""
"""Never committed where it is new; the repository's own ignore files win over it."""

SIZE_LIMIT_BYTES = 50 << 20
ENTRY_LIMIT = 100_000
IGNORED, UNREAD = "Ignoring path ", "warning: could not open directory '"
"""How git says that it leaves something out, beside which everything else goes well."""


@dataclass(frozen=True)
class Committed:
    """A commit was made, and its ref written."""

    commit: str
    tree: str
    changes: tuple[Change, ...]
    """Against the parent."""


@dataclass(frozen=True)
class Unchanged:
    """The files are as the parent has them."""

    tree: str


@dataclass(frozen=True)
class NotCommitted:
    """The change holds what may not be committed; no ref was written."""

    refused: tuple[Refused, ...]


def commit_workspace(
    git: Git,
    workspace: Workspace,
    *,
    parent: str,
    ref: str,
    message: str,
    author: Person,
    excludes: str = "",
    size_limit_bytes: int = SIZE_LIMIT_BYTES,
    entry_limit: int = ENTRY_LIMIT,
) -> Committed | Unchanged | NotCommitted:
    """Commits what is in a workspace on top of `parent`, kept by `ref`."""
    # Whoever holds the workspace is alone with its index: a lock is a killed git's.
    remove(Path(f"{workspace.index}.lock"))
    listed, unread = _changed_files(git, workspace, excludes)
    refused = _look(workspace.path, listed, size_limit_bytes) + unread
    if len(listed) > entry_limit:
        refused = (Refused(".", f"{len(listed)} paths are changed; at most {entry_limit} may be"),)
    if refused:
        return NotCommitted(refused)
    try:
        ignored = _stage(git, workspace, listed)
    except GitError as error:
        if error.kind != "failed" or (error.exit_code or -1) < 0:
            raise
        # An encoding that is none, a file that went or cannot be read: the agent's to mend.
        return NotCommitted((Refused(".", f"its files cannot be read: {error.what}"),))
    if ignored:
        return NotCommitted(ignored)
    tree = git.index_trees.of(
        workspace.index, lambda: check_id(_index(git, workspace, "write-tree").decode().strip())
    )
    changes = git.changed_paths(parent, tree)
    if not changes:
        return Unchanged(tree)
    refused = _judge(git, parent, tree, changes, size_limit_bytes, entry_limit)
    if refused:
        return NotCommitted(refused)
    commit = git.commit_tree(tree, (parent,), message, author)
    git.update_refs([RefUpdate(ref, commit, "any")])
    return Committed(commit, tree, changes)


def refused_in(git: Git, parent: str, commit: str) -> tuple[Refused, ...]:
    """What somebody else's commit holds beyond another that could not be committed here."""
    tree = git.tree_of(commit)
    changes = git.changed_paths(parent, tree)
    limits = SIZE_LIMIT_BYTES, ENTRY_LIMIT
    return _judge(git, parent, tree, changes, *limits) if changes else ()


def new_files(git: Git, workspace: Workspace, excludes: str = "") -> tuple[str, ...]:
    """What a commit of the workspace would take that its base has not."""
    listed, _ = _changed_files(git, workspace, excludes)
    return tuple(os.fsdecode(path) for path, how in listed.items() if how == b"?")


def _index(git: Git, workspace: Workspace, *args: str, stdin: bytes = b"") -> bytes:
    return _answer(git, workspace, *args, stdin=stdin).out


def _answer(git: Git, workspace: Workspace, *args: str, stdin: bytes = b"") -> Answer:
    return git.answer(
        *args,
        stdin=stdin,
        tree=workspace.path,
        index=workspace.index,
        timeout_s=CHECKOUT_TIMEOUT_S,
    )


def _changed_files(
    git: Git, workspace: Workspace, excludes: str
) -> tuple[dict[bytes, bytes], tuple[Refused, ...]]:
    """Paths that differ from the private index and how: `?` new, `C` changed, `R` gone.

    And the folders that could not be looked into: what is in them would be lost without a word.
    """
    ignore = Path(f"{workspace.index}.exclude")
    replace_file(ignore, (JUNK + excludes).encode("utf-8", "surrogateescape"))
    wanted = ("-m", "-d", "-o", "--exclude-per-directory=.gitignore", f"--exclude-from={ignore}")
    said = _answer(git, workspace, "ls-files", "-z", "-t", *wanted)
    listed: dict[bytes, bytes] = {}
    for entry in said.out.split(b"\0"):
        # What is gone is listed twice, as changed too.
        if entry and listed.get(entry[2:]) != b"R":
            listed[entry[2:]] = entry[:1]
    for path, how in listed.items():
        # A file that became a folder: what is in the folder is listed by itself.
        if how == b"C" and _is_folder(workspace.path / os.fsdecode(path)):
            listed[path] = b"R"
    return listed, _passed_over(said, UNREAD, "it cannot be looked into")


def _passed_over(said: Answer, begins: str, why: str) -> tuple[Refused, ...]:
    """What git left out, which it says and does not count as a failure."""
    lines = (line for line in said.err.splitlines() if line.startswith(begins))
    names = (line.removeprefix(begins).partition("': ")[0] for line in lines)
    return tuple(Refused(quoted(name), why) for name in names)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


_REPOSITORY = "it is a repository of its own: remove its .git, or ignore it"


def _look(root: Path, listed: Mapping[bytes, bytes], size_limit_bytes: int) -> tuple[Refused, ...]:
    """What can be refused before anything is stored."""
    new = [os.fsdecode(raw) for raw, how in listed.items() if how == b"?"]
    folders = {folder for path in new for folder in parents(path) if folder}
    # One whose pointer leads nowhere here is a folder like any other to git.
    nested = sorted(one for one in folders if os.path.lexists(root / one / ".git"))
    refused = [Refused(quoted(f"{one}/"), _REPOSITORY) for one in nested]
    for raw, how in listed.items():
        path = os.fsdecode(raw)
        why = refuse_path(path.rstrip("/")) if how == b"?" else None
        # What git's own checks refuse is not stored either: they look at every object there is.
        why = why or refuse_modules(path)
        if path.endswith("/"):
            why = _REPOSITORY
        elif how != b"R":
            try:
                found = (root / path).lstat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode) and found.st_size > size_limit_bytes:
                why = f"it has {found.st_size} bytes; at most {size_limit_bytes} may be committed"
            elif stat.S_ISREG(found.st_mode) and is_attributes(path):
                why = why or refuse_lines(_longest_line(root / path))
        if why is not None:
            refused.append(Refused(quoted(path), why))
    return tuple(refused)


def _longest_line(path: Path) -> int:
    with contextlib.suppress(OSError):
        return max(map(len, path.read_bytes().split(b"\n")))
    return 0


def _stage(git: Git, workspace: Workspace, listed: Mapping[bytes, bytes]) -> tuple[Refused, ...]:
    """Stores what changed; what git would not take of it."""
    gone = b"".join(path + b"\0" for path, how in listed.items() if how == b"R")
    here = b"".join(path + b"\0" for path, how in listed.items() if how != b"R")
    if gone:
        # By force: without it a file below a folder that became a link cannot be taken out.
        _index(git, workspace, "update-index", "--force-remove", "-z", "--stdin", stdin=gone)
    if here:
        how = ("--add", "--remove", "--replace", "-z", "--stdin")
        said = _answer(git, workspace, "update-index", *how, stdin=here)
        return _passed_over(said, IGNORED, "git takes no file of that name")
    return ()


def _judge(
    git: Git,
    parent: str,
    tree: str,
    changes: tuple[Change, ...],
    size_limit_bytes: int,
    entry_limit: int,
) -> tuple[Refused, ...]:
    """Judges the tree as it is stored."""
    there = [c for c in changes if c.status != "D" and c.new_mode != SUBMODULE]
    links = [c for c in there if c.new_mode == SYMLINK]
    rules = [c for c in there if c.new_mode != SYMLINK and is_attributes(c.path)]
    added = [c.path for c in there if c.status == "A" and not refuse_path(c.path)]
    folders = sorted({folder for path in added for folder in parents(path)})
    # All at once: sizes, where links point, attributes, what else is in the folders.
    sizes = [f"info {change.blob}" for change in there]
    wanted = [change.blob for change in (*links, *rules)]
    wanted += [f"{parent}:{folder}" for folder in folders]
    wanted += [f"{tree}:{folder}" for folder in folders]
    answers = _objects(git, [*sizes, *(f"contents {name}" for name in wanted)])
    texts = [answer.content for answer in answers[len(there) :][: len(links) + len(rules)]]
    # What was a file in the base is no folder there.
    listings = [_names(answer, len(tree) // 2) for answer in answers[len(there) + len(texts) :]]
    return refuse(
        changes,
        sizes={c.blob: answer.size_bytes for c, answer in zip(there, answers, strict=False)},
        targets={
            c.path: text.decode("utf-8", "surrogateescape")
            for c, text in zip(links, texts, strict=False)
        },
        lines={
            c.path: max(map(len, text.split(b"\n")))
            for c, text in zip(rules, texts[len(links) :], strict=True)
        },
        before=dict(zip(folders, listings[: len(folders)], strict=True)),
        after=dict(zip(folders, listings[len(folders) :], strict=True)),
        size_limit_bytes=size_limit_bytes,
        entry_limit=entry_limit,
    )


def _objects(git: Git, commands: list[str]) -> list[Object]:
    """Objects in order, `info` without their content; those that are not loose by one call."""
    loose = Loose(git.repository)
    found = [
        loose.size(name) if how == "info" else loose.read(name)
        for how, _, name in (command.partition(" ") for command in commands)
    ]
    left = [command for command, one in zip(commands, found, strict=True) if one is None]
    asked = iter(_ask(git, left) if left else ())
    return [next(asked) if one is None else one for one in found]


def _ask(git: Git, commands: list[str]) -> list[Object]:
    stdin = "".join(f"{command}\n" for command in commands).encode("utf-8", "surrogateescape")
    out = git.run("cat-file", "--batch-command", stdin=stdin)
    found = []
    at = 0
    for command in commands:
        line_end = out.index(b"\n", at)
        # `ID TYPE SIZE`, or what was asked for and `missing`.
        *_, kind, last = (b"", *out[at:line_end].split(b" "))
        at = line_end + 1
        if not last.isdigit():
            found.append(MISSING)
            continue
        size, text = int(last), b""
        if command.startswith("contents "):
            text = out[at : at + size]
            at += size + 1
        found.append(Object(kind.decode("ascii", "replace"), size, text))
    return found


def _names(folder: Object, width: int) -> frozenset[str]:
    """What is in a folder; nothing is in what is none."""
    entries = split_tree(folder.content, width) if folder.kind == "tree" else ()
    return frozenset(entry.name.decode("utf-8", "surrogateescape") for entry in entries)
