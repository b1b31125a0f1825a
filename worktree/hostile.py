"""What an agent's change may not contain. Policy, pure.

1. A path is text that people and tools can read: UTF-8, no control characters, and it does not
   begin with a dash, where a careless command would read it as an option.
2. Nothing is named `.git` on any file system: not with other case, trailing dots or spaces, short
   names, streams or characters that some file systems ignore.
3. No submodule is added, moved or taken out: its content is judged by no gate.
4. A symbolic link stays within the tree. It may climb first and descend then, and never climb
   after it has descended: then no chain of links leads out either.
5. No two names in a folder are equal on a file system that ignores case.
6. No file is larger, and no change has more entries, than the limits say.
7. What the base already has is nobody's fault: only what the change brings in is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from worktree.names import quoted
from worktree.values import Change

SUBMODULE = "160000"
SYMLINK = "120000"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NOT_TEXT = re.compile(r"[\ud800-\udfff]")
# HFS+ drops these from names.
_IGNORED = re.compile(r"[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


@dataclass(frozen=True)
class Refused:
    """A path that may not be committed as it is, quoted for a person, and why."""

    path: str
    why: str


def refuse_path(path: str) -> str | None:
    """Why a path may not exist at all (rules 1 and 2); None where it may."""
    if _NOT_TEXT.search(path):
        return "its name is not UTF-8"
    if _CONTROL.search(path):
        return "its name holds control characters"
    if path.startswith("-"):
        return "its name begins with a dash, which commands read as an option"
    if any(_is_git_folder(part) for part in path.split("/")):
        return "its name stands for .git on some file systems"
    return None


def _is_git_folder(part: str) -> bool:
    plain = _IGNORED.sub("", part).split(":", 1)[0].rstrip(". ").casefold()
    return plain in (".git", "git~1")


def refuse_link(path: str, target: str) -> str | None:
    """Why a link may not point there (rule 4); None where it may."""
    if target.startswith("/") or re.match(r"[A-Za-z]:", target) or "\\" in target:
        return f"it points out of the tree: {quoted(target)}"
    depth, descended = path.count("/"), False
    for part in target.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            depth -= 1
            if descended or depth < 0:
                return f"it points out of the tree: {quoted(target)}"
        else:
            descended = True
            if _is_git_folder(part):
                return f"it points into .git: {quoted(target)}"
    return None


def refuse(
    changes: Iterable[Change],
    *,
    sizes: Mapping[str, int],
    targets: Mapping[str, str],
    before: Mapping[str, frozenset[str]],
    after: Mapping[str, frozenset[str]],
    size_limit_bytes: int,
    entry_limit: int,
) -> tuple[Refused, ...]:
    """Everything a change may not contain.

    `sizes`: bytes by object id; `targets`: where links point, by path; `before` and `after`: the
    names in each folder that something was added to, "" for the root, in base and in result.
    """
    changes = tuple(changes)
    if len(changes) > entry_limit:
        what = f"{len(changes)} paths are changed; at most {entry_limit} may be"
        return (Refused(".", what),)
    found: list[Refused] = []
    for change in changes:
        why = _refuse_change(change, sizes, targets, size_limit_bytes)
        if why is not None:
            found.append(Refused(quoted(change.path), why))
    added = [change.path for change in changes if change.status == "A"]
    found += _collisions(added, before, after)
    return tuple(found)


def _refuse_change(
    change: Change, sizes: Mapping[str, int], targets: Mapping[str, str], size_limit_bytes: int
) -> str | None:
    if SUBMODULE in (change.old_mode, change.new_mode):
        return "it is a submodule: a repository within the repository"
    if change.status == "D":
        return None
    if change.status == "A" and (why := refuse_path(change.path)) is not None:
        return why
    if change.new_mode == SYMLINK:
        return refuse_link(change.path, targets.get(change.path, "/"))
    size = sizes.get(change.blob, 0)
    if size > size_limit_bytes:
        return f"it has {size} bytes; at most {size_limit_bytes} may be committed"
    return None


def parents(path: str) -> tuple[str, ...]:
    """Every folder above a path, from the root, which is ""."""
    parts = path.split("/")[:-1]
    return tuple("/".join(parts[:count]) for count in range(len(parts) + 1))


def _collisions(
    added: Iterable[str],
    before: Mapping[str, frozenset[str]],
    after: Mapping[str, frozenset[str]],
) -> list[Refused]:
    found: dict[str, str] = {}
    for folder in sorted({parent for path in added for parent in parents(path)}):
        names = after.get(folder, frozenset())
        old = before.get(folder, frozenset())
        seen: dict[str, str] = {}
        # The base's own names first, so that it is the newcomer who is refused.
        for name in sorted(names, key=lambda name: (name not in old, name)):
            fold = unicodedata.normalize("NFC", name).casefold()
            other = seen.setdefault(fold, name)
            if other != name and name not in old:
                place = f"{folder}/{name}" if folder else name
                found[place] = f"on some file systems it is the same as {quoted(other)}"
    return [Refused(quoted(place), why) for place, why in found.items()]
