"""The contents of many files at once, as commits have them.

1. Few files are asked for in one call of git. Where that is too much, one call says how large
   they are, and others give what is in them: there is no process for each file.
2. What is larger than the limit is cut there, and no call gives more than some megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from worktree.git import Git
from worktree.loose import Loose
from worktree.values import check_id

CHUNK_BYTES = 16 << 20
AT_ONCE = 1000
"""So many files are asked for without a look at their sizes."""


def read_files(
    git: Git, commit: str, paths: Iterable[str], limit_bytes: int
) -> Iterator[tuple[str, bytes | None]]:
    """Each path with its content at a commit, cut at the limit; None where it is no file there."""
    check_id(commit)
    wanted = list(paths)
    names = [path for path in wanted if "\n" not in path]
    at_once = _contents(git, commit, names, CHUNK_BYTES) if len(names) <= AT_ONCE else None
    if at_once is not None:
        for path, content in at_once:
            yield path, content if content is None else content[:limit_bytes]
    else:
        yield from _in_chunks(git, commit, names, limit_bytes)
    for path in wanted:
        if "\n" in path:  # a line of its own cannot be asked for
            yield path, git.show_file(commit, path, limit_bytes)


def _in_chunks(
    git: Git, commit: str, names: list[str], limit_bytes: int
) -> Iterator[tuple[str, bytes | None]]:
    """The same for what is too much for one answer."""
    chunk: list[str] = []
    pending = 0
    for path, size in zip(names, _sizes(git, commit, names), strict=True):
        if size is None:
            yield path, None
        elif size > limit_bytes:
            yield path, git.show_file(commit, path, limit_bytes)
        else:
            if pending + size > CHUNK_BYTES and chunk:
                yield from _contents(git, commit, chunk) or ()
                chunk, pending = [], 0
            chunk.append(path)
            pending += size
    yield from _contents(git, commit, chunk) or ()


def _sizes(git: Git, commit: str, names: list[str]) -> list[int | None]:
    """How large each file is; None where it is none."""
    if not names:
        return []
    found: list[int | None] = []
    out = git.run("cat-file", f"--batch-check={_HEAD}", stdin=_asked(commit, names))
    for line in out.split(b"\n")[: len(names)]:
        kind, _, size = line.rpartition(b" ")
        found.append(int(size) if kind == b"blob" else None)
    return found


def _contents(
    git: Git, commit: str, names: list[str], limit_bytes: int | None = None
) -> list[tuple[str, bytes | None]] | None:
    """What is in each file; nothing where all of it together is more than the limit."""
    if not names:
        return []
    if (loose := _loose(git, commit, names, limit_bytes)) is not None:
        return loose
    said = git.answer(
        "cat-file", f"--batch={_HEAD}", stdin=_asked(commit, names), limit_bytes=limit_bytes
    )
    if said.truncated:
        return None
    found: list[tuple[str, bytes | None]] = []
    at = 0
    for path in names:
        end = said.out.index(b"\n", at)
        kind, _, size = said.out[at:end].rpartition(b" ")
        at = end + 1
        if not size.isdigit():  # `... missing`
            found.append((path, None))
            continue
        content = said.out[at : at + int(size)]
        at += int(size) + 1
        found.append((path, content if kind == b"blob" else None))
    return found


def _loose(
    git: Git, commit: str, names: list[str], limit_bytes: int | None
) -> list[tuple[str, bytes | None]] | None:
    """The same where all of it can be read without git."""
    loose = Loose(git.repository)
    found: list[tuple[str, bytes | None]] = []
    left_bytes = limit_bytes
    for path in names:
        one = loose.read(f"{commit}:{path}")
        if one is None:
            return None
        if left_bytes is not None:
            left_bytes -= one.size_bytes
            if left_bytes < 0:
                return None
        found.append((path, one.content if one.kind == "blob" else None))
    return found


_HEAD = "%(objecttype) %(objectsize)"


def _asked(commit: str, names: list[str]) -> bytes:
    return "".join(f"{commit}:{name}\n" for name in names).encode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class File:
    """A regular file of a commit."""

    path: str
    blob: str
    size_bytes: int


def list_sizes(git: Git, commit: str) -> tuple[File, ...]:
    """All regular files of a commit; links and submodules are left out."""
    out = git.run("ls-tree", "-r", "-l", "-z", check_id(commit))
    found = []
    for line in out.decode("utf-8", "surrogateescape").split("\0"):
        about, tab, path = line.partition("\t")
        mode, _, rest = about.partition(" ")
        if tab and mode in ("100644", "100755"):
            _, blob, size = rest.split()
            found.append(File(path, blob, int(size)))
    return tuple(found)


def read_blobs(git: Git, files: Iterable[File]) -> Iterator[tuple[File, bytes]]:
    """Each file with what is in it, in their order; some megabytes at once."""
    chunk: list[File] = []
    pending = 0
    for file in files:
        if chunk and pending + file.size_bytes > CHUNK_BYTES:
            yield from _blobs(git, chunk)
            chunk, pending = [], 0
        chunk.append(file)
        pending += file.size_bytes
    if chunk:
        yield from _blobs(git, chunk)


def _blobs(git: Git, files: list[File]) -> Iterator[tuple[File, bytes]]:
    asked = "".join(f"{file.blob}\n" for file in files).encode()
    out = git.run("cat-file", "--batch=%(objectsize)", stdin=asked)
    at = 0
    for file in files:
        end = out.index(b"\n", at)
        size = int(out[at:end])
        yield file, out[end + 1 : end + 1 + size]
        at = end + size + 2
