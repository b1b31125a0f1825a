"""The live view on a terminal, drawn with rich from the board.

1. It never speaks to the repository or the ledger: it is told facts and lines.
2. It is drawn from the event loop, a few times a second, however much happens.
3. What matters later too (a failure, a landing) scrolls past above it and stays.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ledger.events import EngineStarted, Event, RunStarted
from ledger.state import RunState
from orchestrator.driven import Driven
from orchestrator.review.board import Board, Layout, Row, board, lay_out
from orchestrator.review.narrate import narrate
from orchestrator.review.told import Told
from orchestrator.review.words import STATUS_STYLE, clock, foreign

FRAMES_PER_S = 6
RESERVED_LINES = 7
"""Lines of the view beside the tasks: title, queue, totals, money, waits, what is left out, the
cursor's."""
STYLES = {
    "good": "green",
    "bad": "red",
    "busy": "cyan",
    "ask": "yellow",
    "faint": "dim",
    "strong": "bold",
    "plain": "",
}
SIGNS = {
    "waiting": "·",
    "ready": "o",
    "working": ">",
    "queued": "~",
    "landed": "+",
    "unchanged": "=",
    "held": "?",
    "failed": "x",
    "skipped": "-",
    "rejected": "<",
}


class LiveView:
    """An observer that draws; use it as a context."""

    def __init__(
        self, state: RunState, console: Console | None = None, driven: Driven | None = None
    ) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._state = state
        self._driven = driven or Driven(0.0, time.time())
        self._layout: Layout = lay_out(state)
        self._said: dict[str, str] = {}
        self._told = Told()
        self._drawn_at = 0.0
        # Drawn by us alone: a thread of rich's would read the state while it is being changed.
        self._live = Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        """Facts were recorded."""
        self._state = state
        for fact, at in facts:
            if isinstance(fact, (RunStarted, EngineStarted)):
                continue
            line = narrate(fact, state, self._told)
            if line and line[1] in ("good", "bad", "ask"):
                text = Text(f"{clock(at)}  {line[0]}", style=STYLES[line[1]], overflow="fold")
                self._live.console.print(text)
        self.draw()

    def on_line(self, where: str, text: str) -> None:
        """Something printed a line, or orch does something that takes its time."""
        if not where:
            self._live.console.print(Text(f"{clock(time.time())}  {text}", style=STYLES["faint"]))
            return
        self._said[where.split("/", 1)[0]] = foreign(text)
        self.draw()

    def draw(self, at_once: bool = False) -> None:
        """Bring the screen up to date, unless that was done a moment ago."""
        since = time.monotonic() - self._drawn_at
        if not at_once and since < 1 / FRAMES_PER_S:
            return
        self._drawn_at = time.monotonic()
        height = max(3, self._console.height - RESERVED_LINES)
        now = time.time()
        took_s = self._driven.until(now)
        shown = board(self._state, self._layout, self._said, now, height, took_s)
        self._live.update(_drawn(shown), refresh=True)


def _drawn(shown: Board) -> Group:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=1)
    table.add_column(no_wrap=True, max_width=40)
    table.add_column(width=9)
    table.add_column(width=5, justify="right")
    table.add_column(width=11, justify="right")
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for row in shown.rows:
        table.add_row(*_cells(row))
    parts: list[Text | Table] = [Text(shown.title, style="bold", no_wrap=True, overflow="ellipsis")]
    parts.append(table)
    if shown.hidden:
        parts.append(Text(f"  ... {shown.hidden} more", style="dim"))
    if shown.queue:
        parts.append(Text(f"queue: {shown.queue}", no_wrap=True, overflow="ellipsis"))
    totals = Text(no_wrap=True, overflow="ellipsis")
    for words, status in shown.totals:
        totals.append(words + "  ", style=STYLES[STATUS_STYLE[status]] if status else "")
    parts.append(totals)
    for said, style in ((shown.money, ""), (shown.waits, STYLES["ask"])):
        if said:
            parts.append(Text(said, style=style, no_wrap=True, overflow="ellipsis"))
    return Group(*parts)


def _cells(row: Row) -> tuple[Text, ...]:
    style = STYLES[STATUS_STYLE[row.status]]
    return (
        Text(SIGNS[row.status], style=style),
        Text("  " * row.depth + row.task, style=style),
        Text(row.status, style=style),
        Text(row.tries),
        Text(row.took),
        Text(row.said, style="dim"),
    )
