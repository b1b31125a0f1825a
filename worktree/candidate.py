"""Merging in the object store: no files, no index, the same time at any size.

1. A candidate is ONE commit: first parent the tip, one further parent for each head, in order.
2. Heads are merged one after the other, each onto what the ones before it made. The first that
   does not merge is named by its place; nothing is left out in silence.
3. How a path merges is said by the `.gitattributes` of one fixed commit, never by those that a
   head brings along, and only `union`, `binary` and the like: no merge driver ever runs.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from worktree.git import Git
from worktree.removal import remove
from worktree.values import GitError, Person, RefUpdate, Signing, check_id

_NOBODY = Person("orch", "orch@localhost")
_STEP = "one head of a candidate merged"
_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True)
class Head:
    """A commit that wants to land."""

    commit: str


@dataclass(frozen=True)
class Merged:
    """All heads merged."""

    tree: str
    count: int


@dataclass(frozen=True)
class Conflict:
    """The head at `index` does not merge with the tip and the heads before it."""

    index: int
    paths: tuple[str, ...]
    onto: str
    """The commit that it did not merge onto; the tip itself where `index` is 0."""


@dataclass(frozen=True)
class Candidate:
    """A commit that would land these heads."""

    commit: str
    tree: str


def merge_heads(
    git: Git, tip: str, heads: tuple[Head, ...], *, attributes: str | None = None
) -> Merged | Conflict:
    """The tree of the tip with all heads merged.

    `attributes` is the commit of rule 3; absent, it is the first that this `Git` merged onto.
    """
    onto, tree = tip, ""
    rules = attributes or git.merge_rules(tip)
    for index, head in enumerate(heads):
        step = (onto, head.commit, rules)
        if step not in git.merges:
            git.merges[step] = _merge(git, *step)
        merged = git.merges[step]
        if isinstance(merged, tuple):
            return Conflict(index, merged, onto)
        tree = merged
        if index + 1 < len(heads):
            # Prefixes of one queue begin alike: what was merged once is not merged again.
            if step not in git.steps:
                git.steps[step] = git.commit_tree(tree, step[:2], _STEP, _NOBODY)
            onto = git.steps[step]
    return Merged(tree or git.tree_of(tip), len(heads))


def build_candidate(
    git: Git,
    tip: str,
    heads: tuple[Head, ...],
    message: str,
    author: Person,
    *,
    signing: Signing | None = None,
    attributes: str | None = None,
    ref: str | None = None,
) -> Candidate | Conflict:
    """One commit that lands these heads on the tip.

    With `ref` it is named before it is returned, so that no garbage collection takes it.
    """
    for again in (False, True):
        try:
            merged = merge_heads(git, tip, heads, attributes=attributes)
            if isinstance(merged, Conflict):
                return merged
            parents = (tip, *(head.commit for head in heads))
            commit = git.commit_tree(merged.tree, parents, message, author, signing=signing)
            if ref is not None:
                git.update_refs([RefUpdate(ref, commit, "any")])
            return Candidate(commit, merged.tree)
        except GitError as error:
            if again or error.kind != "missing-object":
                raise
            # Somebody's `git gc --prune=now` took what no ref names: make it again.
            git.merges.clear()
            git.steps.clear()
    raise AssertionError("unreachable")


def three_way(
    git: Git, base_tree: str, ours_tree: str, theirs_tree: str, *, attributes: str | None = None
) -> str | Conflict:
    """The tree that has both what ours and what theirs changed against base."""
    # git learnt to be told the base of a merge later than the oldest git that we work with.
    base = git.commit_tree(base_tree, (), "base", _NOBODY)
    ours = git.commit_tree(ours_tree, (base,), "ours", _NOBODY)
    theirs = git.commit_tree(theirs_tree, (base,), "theirs", _NOBODY)
    merged = _merge(git, ours, theirs, attributes or git.merge_rules(ours))
    return Conflict(0, merged, ours) if isinstance(merged, tuple) else merged


def reapply(
    git: Git, tip: str, base: str, head: str, *, attributes: str | None = None
) -> str | Conflict:
    """The tree of the tip with what changed from base to head."""
    trees = (git.tree_of(base), git.tree_of(tip), git.tree_of(head))
    return three_way(git, *trees, attributes=attributes)


def take_out(
    git: Git, tip: str, base: str, head: str, *, attributes: str | None = None
) -> str | Conflict:
    """The tree of the tip without what changed from base to head."""
    return reapply(git, tip, head, base, attributes=attributes)


def _merge(git: Git, ours: str, theirs: str, attributes: str) -> str | tuple[str, ...]:
    """The merged tree, or the paths in conflict."""
    folder = attributes_folder(git, attributes)
    said = git.answer(
        "merge-tree",
        "--write-tree",
        "-z",
        "--name-only",
        "--no-messages",
        check_id(ours),
        check_id(theirs),
        folder=folder,
        tree=folder,
        ok=(0, 1),
    )
    tree, *paths = said.out.decode("utf-8", "surrogateescape").split("\0")
    if said.exit_code == 0:
        return check_id(tree.strip())
    return tuple(dict.fromkeys(path for path in paths if path)) or (".",)


def attributes_folder(git: Git, commit: str) -> Path | None:
    """A folder with a commit's `.gitattributes` files alone; None where none says how to merge."""
    if commit not in git.attributes:
        texts = _attributes(git, commit)
        wanted = any(b"merge" in text or b"binary" in text for text in texts.values())
        git.attributes[commit] = _written(git, commit, texts) if wanted else None
    return git.attributes[commit]


def _attributes(git: Git, commit: str) -> dict[str, bytes]:
    names = [one for one in git.list_files(commit) if one.rpartition("/")[2] == ".gitattributes"]
    return {name: git.show_file(commit, name, _LIMIT_BYTES) or b"" for name in names}


def _written(git: Git, commit: str, texts: dict[str, bytes]) -> Path:
    folder = git.state_folder / "attributes" / commit
    new = folder.with_name(f"{commit}.new-{secrets.token_hex(4)}")
    new.mkdir(parents=True)
    try:
        for name, text in texts.items():
            place = new / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)
        if not _same(folder, texts):
            remove(folder)
        # Another process may have been quicker; theirs is the same.
        with contextlib.suppress(OSError):
            new.rename(folder)
    finally:
        remove(new)
    return folder


def _same(folder: Path, texts: dict[str, bytes]) -> bool:
    found = {path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}
    return found == {folder / name for name in texts} and all(
        not path.is_symlink() and path.read_bytes() == texts[str(path.relative_to(folder))]
        for path in found
    )
