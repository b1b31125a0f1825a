"""Searches the files below its folder where there is no ripgrep; a program of its own.

    python -I search_program.py REGEX GLOBS FILE_BYTES SKIPPED...

What a pattern can cost is not known before it is tried, so this is a process that can be ended. It
goes down by descriptors and follows no link, prints what `rg --null --line-number` would print, in
the same order, and exits as that does: 0 found, 1 not found, 2 the pattern is wrong.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator

from pathspec import GitIgnoreSpec

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
LINES_PER_FILE = 50
LINE_CHARS = 2000


def main(argv: list[str]) -> int:
    """Print what was found."""
    try:
        pattern = re.compile(argv[0])
    except (re.error, RecursionError, OverflowError) as error:
        sys.stderr.write(f"regex: {error}\n")
        return 2
    wanted = GitIgnoreSpec.from_lines(argv[1].split("\n")) if argv[1] else None
    at = os.open(".", _FOLDER)
    found = False
    for path, content in _files(at, "", int(argv[2]), frozenset(argv[3:])):
        if wanted is not None and not wanted.match_file(path):
            continue
        lines = content.decode("utf-8", "replace").split("\n")
        hits = [(n, line) for n, line in enumerate(lines, 1) if pattern.search(line)]
        for number, line in hits[:LINES_PER_FILE]:
            found = True
            raw = f"{path}\0{number}:{line.rstrip(chr(13))[:LINE_CHARS]}\n"
            sys.stdout.buffer.write(raw.encode("utf-8", "surrogateescape"))
    sys.stdout.flush()
    return 0 if found else 1


def _files(
    folder: int, below: str, most_bytes: int, skipped: frozenset[str]
) -> Iterator[tuple[str, bytes]]:
    """Texts by their paths, in order. Closes the descriptor."""
    try:
        for name in sorted(os.listdir(folder)):
            path = below + name
            try:
                mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode) and name not in skipped:
                    inner = os.open(name, _FOLDER, dir_fd=folder)
                    yield from _files(inner, f"{path}/", most_bytes, skipped)
                elif stat.S_ISREG(mode):
                    with open(os.open(name, _FILE, dir_fd=folder), "rb") as file:
                        content = file.read(most_bytes + 1)
                    if len(content) <= most_bytes and b"\0" not in content:
                        yield path, content
            except OSError:
                continue
    finally:
        os.close(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
