"""Make the map of a commit: its files, what the task's ones lead to, and their names, from git."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.mapping.choosing import Ways, choose, words_of
from orchestrator.mapping.drawing import draw
from orchestrator.mapping.languages import (
    is_generated,
    language_of,
    says_generated,
    vendored_part,
)
from orchestrator.mapping.names import imports_in, names_in
from orchestrator.policy.paths import covered
from workers.redact import Redactor
from worktree.contents import File, list_sizes, read_blobs
from worktree.git import Git

FILE_BYTES = 256 * 1024
"""What is larger is not looked into."""
READ_AHEAD = 64
COMMITS = 300
"""So many are looked at for what was changed lately."""
LOG_BYTES = 2 << 20
KNOWN_AT_MOST = 50_000


@dataclass
class Known:
    """What was found in files, by blob: what a blob holds never changes. In memory only."""

    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    imports: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def room(self) -> None:
        """Forget everything where it would grow without end."""
        for kept in (self.names, self.imports):
            if len(kept) > KNOWN_AT_MOST:
                kept.clear()


def make_map(
    git: Git,
    commit: str,
    *,
    budget_tokens: int,
    paths: Sequence[str] = (),
    redactor: Redactor | None = None,
    known: Known | None = None,
) -> str:
    """The map of a commit for a task that may change these paths (git wildmatch)."""
    known = known or Known()
    known.room()
    entries = list_sizes(git, commit)
    of_interest = {one.path: one for one in entries if _is_of_interest(one)}
    own = tuple(covered(paths, of_interest)) if paths else ()
    imports = _imports(git, of_interest, own, known) if own else {}
    sizes = {path: one.size_bytes for path, one in of_interest.items()}
    chosen = choose(sizes, own, imports, _recent(git, commit))
    names = _Names(git, of_interest, known, [one.path for one in chosen])
    hide: Callable[[str], str] = redactor.redact_text if redactor else str
    return draw(commit, [one.path for one in entries], chosen, names.of, budget_tokens, hide)


def _is_of_interest(one: File) -> bool:
    """Whether there may be names in it that are worth a look."""
    return (
        one.size_bytes <= FILE_BYTES
        and language_of(one.path).names is not None
        and vendored_part(one.path.rpartition("/")[0]) is None
        and not is_generated(one.path)
    )


class _Names:
    """Names of files, read some at a time in the order in which they will be asked for."""

    def __init__(
        self,
        git: Git,
        files: Mapping[str, File],
        known: Known,
        order: Sequence[str],
    ) -> None:
        self.git, self.files, self.known = git, files, known
        self.order = order
        self.place = {path: at for at, path in enumerate(order)}

    def of(self, path: str) -> tuple[str, ...]:
        blob = self.files[path].blob
        if blob not in self.known.names:
            at = self.place[path]
            self._read(self.order[at : at + READ_AHEAD])
        return self.known.names.get(blob, ())

    def _read(self, paths: Iterable[str]) -> None:
        wanted = [self.files[path] for path in paths]
        wanted = [file for file in wanted if file.blob not in self.known.names]
        for file, text in _texts(self.git, wanted):
            found = () if says_generated(text) else names_in(text, language_of(file.path))
            self.known.names[file.blob] = found


def _texts(git: Git, files: Iterable[File]) -> Iterable[tuple[File, str]]:
    for file, content in read_blobs(git, files):
        # A NUL is in no text of a program.
        whole = b"" if b"\0" in content else content
        yield file, whole.decode("utf-8", "replace")


def _imports(
    git: Git, files: Mapping[str, File], own: Sequence[str], known: Known
) -> dict[str, tuple[str, ...]]:
    """The files that the task's own import, and which of the others import those."""
    importing = [file for file in files.values() if language_of(file.path).imports is not None]
    unknown = [file for file in importing if file.blob not in known.imports]
    for file, text in _texts(git, unknown):
        known.imports[file.blob] = imports_in(text, language_of(file.path))
    ways, mine = Ways(files), frozenset(own)
    words = frozenset(word for path in own for word in words_of(path))
    found: dict[str, tuple[str, ...]] = {}
    for file in importing:
        path, language = file.path, language_of(file.path)
        led: dict[str, None] = {}
        for name in known.imports.get(file.blob, ()):
            # Most imports are of something else altogether: their way need not be looked for.
            if path in mine or not words.isdisjoint(words_of(name)):
                led |= dict.fromkeys(ways.files(path, name, language))
        led.pop(path, None)
        if led:
            found[path] = tuple(led)
    return found


def _recent(git: Git, commit: str) -> tuple[str, ...]:
    """What the last commits changed, the newest first."""
    said = git.answer(
        *("log", f"--max-count={COMMITS}", "--format=", "--name-only", "--no-renames", "-z"),
        commit,
        limit_bytes=LOG_BYTES,
    )
    names = said.out.decode("utf-8", "surrogateescape").split("\0")
    return tuple(dict.fromkeys(name for name in names if name))
