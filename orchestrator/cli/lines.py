"""Observers for where there is no terminal: plain lines with a clock, or one event a line."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ledger.events import Event
from ledger.export import event_as_json
from ledger.state import RunState
from orchestrator.cli import output
from orchestrator.review.narrate import narrate_all
from orchestrator.review.told import Told
from orchestrator.review.words import clock


class PlainLines:
    """Says each fact that matters, on stderr."""

    def __init__(self) -> None:
        self._told = Told()

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        """Facts were recorded."""
        for at, (text, style) in narrate_all(facts, state, self._told):
            output.narrate(f"{clock(at)}  {output.colour_narration(text, style)}")

    def on_line(self, where: str, text: str) -> None:
        """What orch does is said; what something else printed is kept in its log."""
        if not where:
            output.narrate(f"{clock(time.time())}  {output.colour_narration(text, 'faint')}")


class JsonLines:
    """Gives every event as one line of JSON, on stdout."""

    def on_facts(self, state: RunState, facts: Sequence[tuple[Event, float]]) -> None:
        """Facts were recorded."""
        for seq, (fact, at) in enumerate(facts, start=state.seq - len(facts) + 1):
            output.answer_json(event_as_json(state.run, seq, at, fact))

    def on_line(self, where: str, text: str) -> None:
        """What orch does is said, on stderr; what something else printed is kept in its log."""
        if not where:
            output.narrate(text)
