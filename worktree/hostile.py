"""What an agent's change may not contain. Policy, pure.

1. A path is text that people and tools can read: UTF-8, no control characters, and it does not
   begin with a dash, where a careless command would read it as an option. It is short enough for
   every system that the tree may be checked out on. Where a link points is text of that kind too.
2. Nothing is named `.git` on any file system: not with other case, trailing dots or spaces, short
   names, streams or characters that some file systems ignore.
3. No submodule is added, moved or taken out, nor the file changed that says where submodules
   come from: their content is judged by no gate. No folder becomes a repository by itself (HEAD
   beside objects and refs, or beside commondir), whose configuration git would obey.
4. A symbolic link stays within the tree. It may climb first and descend then, and never climb
   after it has descended: then no chain of links leads out either.
5. No two names in a folder are equal on a file system that ignores case, forms of a letter,
   invisible characters, or dots and spaces at the end.
6. No file is larger, no change has more entries, and no line of `.gitattributes` is longer than
   the limits say; git's own checks refuse a repository with a longer one.
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

PATH_LIMIT_BYTES = 1000
"""Less than the 1,024 that macOS allows, folders above the tree included."""
ATTRIBUTES_LINE_BYTES = 2048
"""As git has it, ATTR_MAX_LINE_LENGTH."""

_MODULES = re.compile(r"\.gitmodules|gitmod~[1-4]|gi7eba~[1-9]")
"""The file's name, and what NTFS may call it for short."""
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
    if len(path.encode()) > PATH_LIMIT_BYTES:
        return f"its name has {len(path.encode())} bytes; at most {PATH_LIMIT_BYTES} may be"
    return None


def _is_git_folder(part: str) -> bool:
    return _plain(part).split(":", 1)[0].rstrip(". ") in (".git", "git~1")


def _plain(name: str) -> str:
    """A name as the file system that tells least apart has it."""
    visible = _IGNORED.sub("", name)
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", visible).casefold())
    return folded.rstrip(". ") or folded


def refuse_modules(path: str) -> str | None:
    """Why that path may not change, where it is what git reads submodules from (rule 3)."""
    if _MODULES.fullmatch(_plain(path)):
        return "it says where submodules come from, which only a person may change"
    return None


def refuse_lines(longest_bytes: int) -> str | None:
    """Why attributes with such a line may not be committed (rule 6); None where they may."""
    if longest_bytes > ATTRIBUTES_LINE_BYTES:
        return f"a line of it has more than {ATTRIBUTES_LINE_BYTES} bytes, which git refuses"
    return None


def is_attributes(path: str) -> bool:
    """Whether git reads attributes from it."""
    return path.rpartition("/")[2] == ".gitattributes"


def refuse_link(path: str, target: str) -> str | None:
    """Why a link may not point there (rules 1 and 4); None where it may."""
    if _NOT_TEXT.search(target):
        return "where it points is not UTF-8"
    if _CONTROL.search(target):
        return f"where it points holds control characters: {quoted(target)}"
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
    lines: Mapping[str, int],
    before: Mapping[str, frozenset[str]],
    after: Mapping[str, frozenset[str]],
    size_limit_bytes: int,
    entry_limit: int,
) -> tuple[Refused, ...]:
    """Everything a change may not contain.

    `sizes`: bytes by object id; `targets`: where links point, by path; `lines`: the bytes of the
    longest line of attributes, by path; `before` and `after`: the names in each folder that
    something was added to, "" for the root, in base and in result.
    """
    changes = tuple(changes)
    if len(changes) > entry_limit:
        what = f"{len(changes)} paths are changed; at most {entry_limit} may be"
        return (Refused(".", what),)
    found: list[Refused] = []
    for change in changes:
        why = _refuse_change(change, sizes, targets, size_limit_bytes)
        why = refuse_lines(lines.get(change.path, 0)) or why
        if why is not None:
            found.append(Refused(quoted(change.path), why))
    added = [change.path for change in changes if change.status == "A"]
    folders = sorted({parent for path in added for parent in parents(path)})
    found += _collisions(folders, before, after)
    found += _repositories(folders, before, after)
    return tuple(found)


def _refuse_change(
    change: Change, sizes: Mapping[str, int], targets: Mapping[str, str], size_limit_bytes: int
) -> str | None:
    if SUBMODULE in (change.old_mode, change.new_mode):
        return "it is a submodule: a repository within the repository"
    if (why := refuse_modules(change.path)) is not None:
        return why
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
    folders: Iterable[str],
    before: Mapping[str, frozenset[str]],
    after: Mapping[str, frozenset[str]],
) -> list[Refused]:
    found: dict[str, str] = {}
    for folder in folders:
        names = after.get(folder, frozenset())
        old = before.get(folder, frozenset())
        seen: dict[str, str] = {}
        # The base's own names first, so that it is the newcomer who is refused.
        for name in sorted(names, key=lambda name: (name not in old, name)):
            other = seen.setdefault(_plain(name), name)
            if other != name and name not in old:
                place = f"{folder}/{name}" if folder else name
                found[place] = f"on some file systems it is the same as {quoted(other)}"
    return [Refused(quoted(place), why) for place, why in found.items()]


def _repositories(
    folders: Iterable[str],
    before: Mapping[str, frozenset[str]],
    after: Mapping[str, frozenset[str]],
) -> list[Refused]:
    why = "it is a repository of its own: git would obey its configuration"
    return [
        Refused(quoted(folder or "."), why)
        for folder in folders
        if _is_repository(after.get(folder, frozenset()))
        and not _is_repository(before.get(folder, frozenset()))
    ]


def _is_repository(names: frozenset[str]) -> bool:
    plain = {_plain(name) for name in names}
    return "head" in plain and (plain >= {"objects", "refs"} or "commondir" in plain)
