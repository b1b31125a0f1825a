"""The refs of a repository but orch's own, as one packed file: listed by git, and once for a state.

1. A state of the refs is told by what git touches whenever a ref changes: the packed file, and the
   folders of loose refs, in which a changed ref is a new file.
2. Orch's own refs are left out, and so are the folders that only they lie in: a run that lands
   lists nothing anew.
3. A state that is younger than a file system can tell apart, or of a kind of refs that is not
   known here, is not relied on.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from worktree.git import Git
from worktree.names import BRANCHES, DISCARDED, REFS

SETTLED_S = 2.0
_HEAD = b"# pack-refs with: sorted \n"
_OURS = tuple(prefix.rstrip("/") for prefix in (REFS, DISCARDED, BRANCHES))
_LINE_OF_OURS = re.compile(
    rb"^[0-9a-f]+ (?:" + b"|".join(re.escape(name.encode()) for name in _OURS) + rb")/[^\n]*\n",
    re.MULTILINE,
)

State = tuple[tuple[str, int, int, int], ...]


class PackedRefs:
    """What one engine knows of a repository's refs. From any thread: the worst is a second look."""

    def __init__(self) -> None:
        self._known: tuple[State, bytes] | None = None

    def read(self, git: Git) -> bytes:
        """The content of a packed-refs file."""
        state, known = refs_state(git.repository.common_dir), self._known
        if known is not None and known[0] == state:
            return known[1]
        said = git.run_refs("for-each-ref", "--format=%(objectname) %(refname)").out
        text = _HEAD + _LINE_OF_OURS.sub(b"", said)
        # Looked at before they were listed: what changed since makes the next state another one.
        self._known = (state, text) if state is not None else None
        return text


def refs_state(common: Path) -> State | None:
    """The state of the refs in a git folder; None where it cannot be told."""
    if (common / "reftable").exists():
        return None
    found: list[tuple[str, int, int, int]] = []
    ahead = [""]
    try:
        if (common / "packed-refs").exists():
            found.append(_entry(common, "packed-refs"))
        while ahead:
            name = ahead.pop()
            found.append(_entry(common, f"refs/{name}"))
            with os.scandir(common / "refs" / name) as entries:
                below = [f"{name}{e.name}" for e in entries if e.is_dir(follow_symlinks=False)]
            ahead += [f"{one}/" for one in below if f"refs/{one}" not in _OURS]
    except OSError:
        return None
    newest_s = max(changed for _, changed, _, _ in found) / 1e9
    return tuple(sorted(found)) if newest_s < time.time() - SETTLED_S else None


def _entry(common: Path, name: str) -> tuple[str, int, int, int]:
    state = (common / name).stat()
    return name, state.st_mtime_ns, state.st_ino, state.st_size
