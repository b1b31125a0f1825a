"""Where a model works: the one place that every call of a tool passes.

1. What a tool says is made printable, redacted and bounded before the model or the log has it.
2. A call that was made too often in a row is answered by a note (see `repeats`).
3. What cannot be done is a failed result in words that say what to do next, never an exception.
4. Time in which others work, gates for one, is not the model's.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import anyio.to_thread

from workers.base import Brief, Surroundings
from workers.command import run_command, write_brief_files
from workers.environment import beyond_usual, build_environment, orch_variables
from workers.model.cleaning import LARGE, cleaned
from workers.model.editing import NotReplaced, numbered, replace_exactly
from workers.model.files import Tree, Unusable
from workers.model.repeats import NOTED, note_of
from workers.model.searching import Ground, search_files
from workers.model.transcript import Transcript
from workers.process import Ended
from workers.redact import Redactor
from workers.skills import NoSuchSkill
from workers.text import clean_line

OUTPUT_CHARS = 24_000
LEAST_OUTPUT_CHARS = 3_000
OUTPUT_SHARE = 0.03
"""Of the window, for one result."""
LINE_CHARS = 1_000
READ_LINES = 400
ENTRIES = 300
COMMAND_S = 120.0
LONGEST_COMMAND_S = 1800.0
COMMAND_LOG_BYTES = 256 * 1024
LEFT_OUT = "characters were left out here]"
"""What stands for a text that gave way: a model may take it for the content."""
_PLACEHOLDER = re.compile(r"\[redacted [^\]\n]{1,80}\]")


class Failed(Exception):
    """A call that did not do what it was asked for; the message is for the model."""


class Desk:
    """One attempt's tools, over one workspace."""

    def __init__(
        self,
        brief: Brief,
        surroundings: Surroundings,
        *,
        window_tokens: int,
        allowed: tuple[str, ...] = (),
        reading_only: bool = False,
    ) -> None:
        self.brief = brief
        self.tree = Tree(surroundings.tree)
        self.surroundings = surroundings
        self.reading_only = reading_only
        self.limit = int(
            min(OUTPUT_CHARS, max(LEAST_OUTPUT_CHARS, window_tokens * 4 * OUTPUT_SHARE))
        )
        self.times: dict[str, int] = {}
        """By a call's id: how often in a row it was made."""
        self.failed: list[str] = []
        """The tools that failed in this turn."""
        self.excused_s = 0.0
        """Time in which others worked."""
        self.left_s: Callable[[], float] = lambda: COMMAND_S
        self._allowed = allowed
        self._commands = 0
        self._excused_since: float | None = None
        self._folder: Path | None = None
        self.transcript: Transcript
        self.begin_round(brief, surroundings)

    def begin_round(self, brief: Brief, surroundings: Surroundings) -> None:
        """The next round's brief and surroundings."""
        self.brief, self.surroundings = brief, surroundings
        self.env, self.env_of_servers = self._environments()
        self._secrets = dict(surroundings.secrets)
        for server in surroundings.servers:
            self._secrets |= server.secrets
        secrets = {**beyond_usual(self.env), **self._secrets}
        if surroundings.model is not None:
            secrets["the model's key"] = surroundings.model.key
        self.redactor = Redactor(secrets)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """A round: its log is open, and there is a folder for the output of commands."""
        log = self.surroundings.log
        self.transcript = Transcript(log, self.redactor, self.surroundings.on_line)
        try:
            with tempfile.TemporaryDirectory(prefix=".commands-", dir=log.parent) as folder:
                self._folder = Path(folder)
                yield
        finally:
            self._folder = None
            self.transcript.close()

    @property
    def spared_s(self) -> float:
        """Time so far in which others worked."""
        since = self._excused_since
        return self.excused_s + (time.monotonic() - since if since is not None else 0.0)

    async def perform(self, tool: str, call: str | None, work: Callable[[], Awaitable[str]]) -> str:
        """A call of a tool: what the model is to read. Failed where it did not work."""
        times = self.times.get(call or "", 1)
        try:
            if times >= NOTED:
                raise Unusable(note_of(tool, times))
            said = await work()
        except (Unusable, NotReplaced, NoSuchSkill) as error:
            why = await self._cleaned(str(error))
            self.failed.append(tool)
            self.transcript.answered(tool, why, failed=True)
            raise Failed(why) from None
        said = await self._cleaned(said)
        self.transcript.answered(tool, said, failed=False)
        return said

    def clean(self, text: str) -> str:
        """A text as the model may have it."""
        return cleaned(text, self.limit, self.redactor)

    async def _cleaned(self, text: str) -> str:
        """The same; what is large is cleaned beside the loop that all attempts share."""
        if len(text) <= LARGE:
            return self.clean(text)
        return await anyio.to_thread.run_sync(self.clean, text)

    # --- looking ------------------------------------------------------------------------------

    async def read(self, path: str, first: int, last: int | None) -> str:
        """Lines of a file, with their numbers."""
        lines = (await self._text(path)).split("\n")
        if lines and not lines[-1]:
            lines.pop()
        name, count = self.tree.relative(path), len(lines)
        if not count:
            return f"{name} is empty"
        first = max(1, first)
        if first > count:
            raise Unusable(f"{name} has {count} lines: there is no line {first}")
        end = min(count, last if last is not None else first + READ_LINES - 1)
        if end < first:
            raise Unusable(f"'last' ({last}) is before 'first' ({first})")
        shown: list[str] = []
        room = self.limit - 200
        for line in lines[first - 1 : end]:
            line = clean_line(line, LINE_CHARS) if len(line) > LINE_CHARS else line.rstrip("\r")
            room -= len(line) + 8
            if room < 0 and shown:
                break
            shown.append(line)
        end = first + len(shown) - 1
        more = f"; the next are had with first={end + 1}" if end < count else ""
        return f"{name}, lines {first}-{end} of {count}{more}\n{numbered(shown, first)}"

    async def list(self, folder: str) -> str:
        """What is in a folder."""
        entries = await anyio.to_thread.run_sync(self.tree.entries, folder)
        lines = []
        for entry in entries[:ENTRIES]:
            name = clean_line(entry.name, 200)
            match entry.kind:
                case "folder":
                    lines.append(f"{name}/")
                case "link":
                    lines.append(f"{name} -> {clean_line(entry.target, 200)}")
                case "file":
                    lines.append(f"{name}  {entry.size_bytes:,} bytes")
                case _:
                    lines.append(f"{name}  (no file)")
        head = f"{self.tree.relative(folder)}: {len(entries)} entries"
        if len(entries) > ENTRIES:
            head += f"; the first {ENTRIES} are shown, `search` finds the others"
        return "\n".join([head, *lines])

    async def search(self, regex: str, glob: str) -> str:
        """Lines that match."""
        return await search_files(regex, glob, self.ground("search"))

    async def load_skill(self, name: str, file: str) -> str:
        """A skill's instructions, or a file of it."""
        if not file:
            return self.brief.skills.body(name)
        content = self.brief.skills.file(name, file)
        if b"\0" in content:
            raise Unusable(f"{file} is no text: a copy is below $ORCH_SKILLS_DIR for `run`")
        return content.decode("utf-8", "replace")

    # --- changing -----------------------------------------------------------------------------

    async def edit(self, path: str, old: str, new: str, count: int) -> str:
        """Replace a text exactly."""
        self._refuse_placeholders(new)
        text = await self._text(path)
        try:
            replaced = await anyio.to_thread.run_sync(replace_exactly, text, old, new, count)
        except NotReplaced as error:
            hint = ""
            if _PLACEHOLDER.search(old):
                hint = " ([redacted ...] is not what stands there: leave that part out of 'old')"
            raise Unusable(f"{self.tree.relative(path)}: {error}{hint}") from None
        content = replaced.text.encode("utf-8", "surrogateescape")
        await anyio.to_thread.run_sync(self.tree.write, path, content)
        at = ", ".join(map(str, replaced.lines[:10]))
        lines = replaced.text.count("\n")
        return f"{self.tree.relative(path)}: replaced at line {at}; it has {lines} lines now"

    async def write(self, path: str, text: str) -> str:
        """Give a file a new content."""
        self._refuse_placeholders(text)
        content = text.encode("utf-8", "surrogateescape")
        new = await anyio.to_thread.run_sync(self.tree.write, path, content)
        what = "written anew" if new else "replaced as a whole"
        return f"{self.tree.relative(path)}: {what}, {len(content):,} bytes"

    async def run(self, command: str, timeout_s: float) -> str:
        """Run a command in the workspace."""
        if not command.strip():
            raise Unusable("the command is empty")
        if "\0" in command:
            raise Unusable("a command cannot hold a NUL character")
        ground = self.ground("command")
        most_s = max(1.0, min(timeout_s, LONGEST_COMMAND_S, self.left_s()))
        ended = await run_command(
            command,
            tree=ground.tree,
            env=ground.env,
            mark=ground.mark,
            timeout_s=most_s,
            log=ground.log,
            log_limit_bytes=COMMAND_LOG_BYTES,
            on_line=self.surroundings.on_line,
            secrets=self._secrets,
            confinement=ground.confinement,
        )
        output = await anyio.to_thread.run_sync(_take, ground.log)
        said = f"{_how(ended)}\n{output.rstrip()}" if output.strip() else _how(ended)
        if ended.reason == "not-started" and not output.strip():
            raise Unusable(said)
        return said

    async def check(self) -> str:
        """Let the quick gates judge what is there."""
        judge = self.surroundings.check
        if judge is None:
            return "There are no quick gates here: test with `run` what you can, then `finish`."
        self._excused_since = time.monotonic()
        try:
            return await judge()
        finally:
            self.excused_s += time.monotonic() - self._excused_since
            self._excused_since = None

    # --- their means --------------------------------------------------------------------------

    async def _text(self, path: str) -> str:
        content = await anyio.to_thread.run_sync(self.tree.read, path)
        if b"\0" in content:
            name = self.tree.relative(path)
            raise Unusable(f"{name} is no text ({len(content):,} bytes): look at it with `run`")
        return content.decode("utf-8", "surrogateescape")

    def _refuse_placeholders(self, text: str) -> None:
        if LEFT_OUT in text:
            raise Unusable("the text holds a line that stands for what was left out: write it all")
        if found := _PLACEHOLDER.search(text):
            raise Unusable(
                f"the text holds {found[0]}, which stands for a secret: use `edit` on the lines"
                " around it, and leave the secret as it is"
            )

    def ground(self, what: str) -> Ground:
        """A mark and a log of its own for each child: children of one turn live side by side."""
        self._commands += 1
        folder = self._folder
        if folder is None:
            raise RuntimeError("a tool was called outside of a round")
        return Ground(
            tree=self.surroundings.tree,
            env=self.env,
            mark=f"{self.surroundings.mark}/{self._commands}",
            log=folder / f"{what}-{self._commands}",
            confinement=self.surroundings.confinement,
        )

    def _environments(self) -> tuple[dict[str, str], dict[str, str]]:
        """What commands see; and the same for a server, whose own settings say what it is given."""
        brief, surroundings = self.brief, self.surroundings
        temporary = surroundings.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        files = write_brief_files(brief, surroundings.folder / "brief")
        build = partial(
            build_environment,
            surroundings.environ,
            temporary=temporary,
            person=surroundings.person,
            orch=orch_variables(
                run=brief.run,
                task=brief.task.id,
                attempt=brief.attempt,
                round=brief.round,
                port=surroundings.port,
                **files,
            ),
        )
        return build(allowed=self._allowed), build()


def _take(log: Path) -> str:
    try:
        content = log.read_bytes()
    except OSError:
        return ""
    with contextlib.suppress(OSError):
        log.unlink()
    return content.decode("utf-8", "replace")


def _how(ended: Ended) -> str:
    """How a command ended, in a line."""
    if ended.reason == "exited":
        return f"exit {ended.exit_code} after {ended.duration_s:.1f} s"
    if ended.reason == "timeout":
        hint = "give it more with 'timeout_s', or run less"
        return f"it was ended after {ended.duration_s:.0f} s, its time limit: {hint}"
    return f"{ended.reason}: {ended.why}"
