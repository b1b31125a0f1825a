"""The map as text, within its budget. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from orchestrator.mapping.choosing import Chosen
from orchestrator.mapping.languages import language_of, vendored_part
from worktree.names import quoted

BYTES_A_TOKEN = 4
FOLDER_SHARE = 0.3
"""Of the budget, at most, for the folders."""
LINE_CHARS = 600
"""Of a file of the task's own; others have half of it."""
DEPTH_AT_MOST = 6
_WHY = {"task": "the task's own", "imported": "imported by it", "imports": "imports it", "": ""}

HEAD = (
    "Made from commit {commit}, {count} files. Names are those at the top level of a file; Python"
    " was parsed, other languages were searched by patterns, so names may be missing."
)


class Sheet:
    """Lines with no more bytes than there is room for."""

    def __init__(self, limit_bytes: int, clean: Callable[[str], str]) -> None:
        self.left = limit_bytes
        self.clean = clean
        self.lines: list[str] = []

    def write(self, line: str, keep_bytes: int = 0) -> bool:
        """Whether there was room for the line, and as many bytes are left after it."""
        # Hidden before it is measured: a mark may be longer than the secret.
        line = self.clean(line)
        size = len(line.encode("utf-8", "replace")) + 1
        if size > self.left - keep_bytes:
            return False
        self.left -= size
        self.lines.append(line)
        return True

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self.lines)


def draw(
    commit: str,
    files: Sequence[str],
    chosen: Iterable[Chosen],
    names_of: Callable[[str], Sequence[str]],
    budget_tokens: int,
    clean: Callable[[str], str] = str,
) -> str:
    """The map of a commit's files; no more tokens than the budget, perhaps nothing."""
    sheet = Sheet(budget_tokens * BYTES_A_TOKEN, clean)
    if not sheet.write(HEAD.format(commit=commit[:10], count=f"{len(files):,}")):
        return ""
    _folders(sheet, files, int(sheet.left * (1 - FOLDER_SHARE)))
    begun = False
    left_out = 0
    for one in chosen:
        if left_out:
            left_out += 1
            continue
        if not (names := names_of(one.path)) and one.why != "task":
            continue
        if not begun and not sheet.write("\nFiles that matter here, first the nearest:", 160):
            return sheet.text()
        begun = True
        if not sheet.write(_file(one, names), 80):
            left_out = 1
    if left_out:
        sheet.write(f"({left_out:,} more files are not told of here)")
    return sheet.text()


def _file(one: Chosen, names: Sequence[str]) -> str:
    why = f" ({_WHY[one.why]})" if one.why else ""
    line = f"{quoted(one.path)}{why}:"
    if one.why != "task":
        # What other files cannot use is worth less room.
        names = [name for name in names if not name.rpartition(" ")[2].startswith("_")]
    for at, name in enumerate(names):
        if len(line) + len(name) > (LINE_CHARS if one.why == "task" else LINE_CHARS // 2):
            return f"{line} and {len(names) - at} more"
        line += f" {name}" if at == 0 else f"; {name}"
    return line


def _folders(sheet: Sheet, files: Sequence[str], keep_bytes: int) -> None:
    """As many levels of folders as there is room for, the same depth everywhere."""
    counts = _counted(files)
    for depth in range(DEPTH_AT_MOST, 0, -1):
        lines = _levels(counts, depth)
        size = sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)
        if size <= sheet.left - keep_bytes:
            for line in lines:
                sheet.write(line, keep_bytes)
            return
    # Not even the top's folders fit: the largest of them.
    lines = _levels(counts, 1, largest_first=True)
    for at, line in enumerate(lines):
        if not sheet.write(line, keep_bytes + 60):
            sheet.write(f"({len(lines) - at:,} more folders)", keep_bytes)
            return


def _counted(files: Sequence[str]) -> dict[str, Counter[str]]:
    """By folder, how many files of which language are in it; what others made is one folder."""
    counts: dict[str, Counter[str]] = {}
    vendored: dict[str, str | None] = {}
    for path in files:
        folder = path.rpartition("/")[0]
        if folder not in vendored:
            vendored[folder] = vendored_part(folder)
        part = vendored[folder]
        name = language_of(path).name if part is None else "vendored or built"
        counts.setdefault(folder if part is None else part, Counter())[name] += 1
    return counts


def _levels(counts: dict[str, Counter[str]], depth: int, largest_first: bool = False) -> list[str]:
    merged: dict[str, Counter[str]] = {}
    deeper: set[str] = set()
    for folder, count in counts.items():
        kept = "/".join(folder.split("/")[:depth])
        if kept != folder:
            deeper.add(kept)
        merged.setdefault(kept, Counter()).update(count)
    lines = []
    order = sorted(merged, key=lambda name: (-merged[name].total() if largest_first else 0, name))
    for folder in order:
        by_language = sorted(merged[folder].items(), key=lambda item: (-item[1], item[0]))
        said = ", ".join(f"{count:,} {name}" for name, count in by_language[:3])
        more = sum(count for _, count in by_language[3:])
        said += f", {more:,} more" if more else ""
        below = " and below" if folder in deeper else ""
        lines.append(f"{quoted(folder) or '.'}/{below}: {said}")
    return lines
