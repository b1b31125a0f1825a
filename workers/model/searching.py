"""A search in the files of a workspace: by ripgrep where there is one, else by a program of ours.

1. Both look at the same files: plain texts up to a size, hidden ones too, but not what is never
   written by hand (`.git`, environments, caches). Both tell the same in the same order.
2. It runs as a child with a time limit, and ripgrep within the worker's sandbox: what it could
   read beside the workspace the worker could read as well.
3. At most so many lines are told, each bounded.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.model.files import Unusable
from workers.process import Ended, run_process
from workers.sandbox import Confinement
from workers.text import clean_line

SEARCH_S = 20.0
FILE_BYTES = 1024 * 1024
LINES = 100
LINE_CHARS = 240
OUTPUT_BYTES = 512 * 1024
SKIPPED = (
    *(".git", "node_modules", ".venv", "venv", "__pycache__", ".mypy_cache", ".ruff_cache"),
    *(".pytest_cache", ".tox", ".hypothesis"),
)
GLOBS = 32
PROGRAM = Path(__file__).with_name("search_program.py")
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Ground:
    """Where and as what a search runs."""

    tree: Path
    env: Mapping[str, str]
    mark: str
    log: Path
    confinement: Confinement | None = None


async def search_files(regex: str, glob: str, ground: Ground, *, ripgrep: str | None = "") -> str:
    """The lines that match, as text. `ripgrep`: its path, None for without, empty to look."""
    if not regex:
        raise Unusable("the regular expression is empty: say what to look for")
    if "\0" in regex or "\0" in glob or "\n" in glob:
        raise Unusable("neither the expression nor the glob can hold such characters")
    globs = _expanded(glob)
    program = shutil.which("rg", path=ground.env.get("PATH")) if ripgrep == "" else ripgrep
    ended = None
    if program is not None:
        ended = await _run(_ripgrep(program, regex, globs), ground, ground.confinement)
        if ended.reason == "not-started" or ended.exit_code in (126, 127):
            ended = None
    if ended is None:
        ours = (
            sys.executable,
            "-I",
            str(PROGRAM),
            regex,
            "\n".join(globs),
            str(FILE_BYTES),
            *SKIPPED,
        )
        ended = await _run(ours, ground, None)
    raw = ground.log.read_bytes() if ground.log.exists() else b""
    ground.log.unlink(missing_ok=True)
    if ended.reason == "timeout":
        raise Unusable(f"the search took over {SEARCH_S:g} s: use a simpler pattern, or a glob")
    if ended.exit_code not in (0, 1):
        why = clean_line(raw.decode("utf-8", "replace").replace("\n", " "), 300) or ended.why
        raise Unusable(f"the search failed: {why}")
    return _told(raw, regex, glob)


def _told(raw: bytes, regex: str, glob: str) -> str:
    shown: list[str] = []
    files: set[str] = set()
    count = 0
    for line in raw.split(b"\n"):
        path, nul, rest = line.partition(b"\0")
        if not nul:
            continue
        name = clean_line(path.removeprefix(b"./"), 300)
        count += 1
        files.add(name)
        if len(shown) < LINES:
            shown.append(f"{name}:{clean_line(rest, LINE_CHARS)}")
    where = f" in files like {glob}" if glob else ""
    if not count:
        return f"nothing matches {clean_line(regex, 200)}{where}"
    head = f"{count} lines in {len(files)} files match{where}"
    if count > len(shown):
        head += f"; the first {len(shown)} are shown, narrow it with `glob` or a longer pattern"
    return head + ":\n" + "\n".join(shown)


async def _run(argv: tuple[str, ...], ground: Ground, confinement: Confinement | None) -> Ended:
    return await run_process(
        argv,
        cwd=ground.tree,
        env=ground.env,
        mark=ground.mark,
        timeout_s=SEARCH_S,
        log=ground.log,
        log_limit_bytes=OUTPUT_BYTES,
        grace_s=0.2,
        confinement=confinement,
    )


def _expanded(glob: str) -> list[str]:
    """A glob without braces, or several."""
    done: list[str] = []
    left = [glob] if glob else []
    while left and len(done) < GLOBS:
        one = left.pop(0)
        if braces := _BRACES.search(one):
            left += [one[: braces.start()] + o + one[braces.end() :] for o in braces[1].split(",")]
        else:
            done.append(one)
    return done


def _ripgrep(program: str, regex: str, wanted: Sequence[str]) -> tuple[str, ...]:
    globs = [f"--glob={glob}" for glob in wanted]
    # Of several globs the last counts.
    globs += [f"--glob=!**/{name}/**" for name in SKIPPED]
    return (
        *(program, "--no-config", "--no-ignore", "--hidden", "--no-messages", "--null"),
        *("--line-number", "--no-heading", "--color=never", "--with-filename", "--crlf"),
        *("--max-columns=2000", "--max-columns-preview", "--max-count=50", "--sort=path"),
        *(f"--max-filesize={FILE_BYTES}", *globs, f"--regexp={regex}", "--", "."),
    )
