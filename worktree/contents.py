"""The contents of many files at once, as commits have them.

1. One call of git says how large they are, others give what is in them: no process for each file.
2. What is larger than the limit is cut there, and no call gives more than some megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from worktree.git import Git
from worktree.values import check_id

CHUNK_BYTES = 16 << 20


def read_files(
    git: Git, commit: str, paths: Iterable[str], limit_bytes: int
) -> Iterator[tuple[str, bytes | None]]:
    """Each path with its content at a commit, cut at the limit; None where it is no file there."""
    check_id(commit)
    wanted = list(paths)
    names = [path for path in wanted if "\n" not in path]
    sizes = _sizes(git, [f"{commit}:{path}" for path in names])
    chunk: list[str] = []
    pending = 0
    for path, size in zip(names, sizes, strict=True):
        if size is None:
            yield path, None
        elif size > limit_bytes:
            yield path, git.show_file(commit, path, limit_bytes)
        else:
            if pending + size > CHUNK_BYTES and chunk:
                yield from _contents(git, commit, chunk)
                chunk, pending = [], 0
            chunk.append(path)
            pending += size
    yield from _contents(git, commit, chunk)
    for path in wanted:
        if "\n" in path:  # a line of its own cannot be asked for
            yield path, git.show_file(commit, path, limit_bytes)


def _sizes(git: Git, names: list[str]) -> list[int | None]:
    """How large each object is; None where it is no file."""
    if not names:
        return []
    found: list[int | None] = []
    asked = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
    out = git.run("cat-file", "--batch-check=%(objecttype) %(objectsize)", stdin=asked)
    for line in out.split(b"\n")[: len(names)]:
        kind, _, size = line.rpartition(b" ")
        found.append(int(size) if kind == b"blob" else None)
    return found


def _contents(git: Git, commit: str, paths: list[str]) -> Iterator[tuple[str, bytes | None]]:
    if not paths:
        return
    asked = "".join(f"{commit}:{path}\n" for path in paths).encode("utf-8", "surrogateescape")
    out = git.run("cat-file", "--batch=%(objectsize)", stdin=asked)
    at = 0
    for path in paths:
        end = out.index(b"\n", at)
        size = int(out[at:end])
        yield path, out[end + 1 : end + 1 + size]
        at = end + size + 2
