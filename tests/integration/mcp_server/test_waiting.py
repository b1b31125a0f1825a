"""Waiting for a run that somebody drives: what ends it, and that nothing of it stays."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from ledger import events as e
from ledger.lock import EngineLock
from orchestrator.journal import Journal
from orchestrator.mcp_server.office import Office
from orchestrator.waiting import wait_for_run
from tests.support.project import Project, task

WITHIN_S = 30.0
PATIENCE_S = 3000.0
"""No wait of a test may last so long: whatever ends it is something else."""


class Driven:
    """A run whose engine is the test itself."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder)
        self.run = self.project.start(task("a"), task("b"))
        self.base = self.project.git("rev-parse", "HEAD")

    def says(self, *facts: e.Event) -> int:
        """Record facts; the number of the last."""
        with self.project.store() as store:
            journal = Journal.load(store, self.run)
            journal.append(*facts)
            return journal.state.seq

    def asks(self, name: str, attempt: int = 1) -> int:
        """A worker begins, and asks."""
        about: dict[str, Any] = {"task": name, "attempt": attempt}
        return self.says(
            e.AttemptStarted(**about, base=self.base, worker="scripted"),
            e.AttemptFinished(**about, outcome="held", cause="question", why="tabs?"),
        )


@pytest.fixture
def driven(tmp_path: Path) -> Iterator[Driven]:
    made = Driven(tmp_path)
    with EngineLock.take(made.project.workplace().place.lock(made.run)):
        yield made


def client_of(driven: Driven) -> Any:
    from mcp import Client

    from orchestrator.mcp_server.server import make_server

    office = Office(driven.project.root, driven.project.environ)
    return Client(make_server(office, lambda line: None))


def waited(driven: Driven, **arguments: Any) -> dict[str, Any]:
    async def wait() -> Any:
        with anyio.fail_after(WITHIN_S):
            async with client_of(driven) as client:
                return await client.call_tool("wait", arguments)

    said: dict[str, Any] = anyio.run(wait).structured_content
    return said


def test_a_question_that_was_asked_between_two_waits_ends_the_second(driven: Driven) -> None:
    seen = driven.says(e.Noticed(what="something", hint="nothing"))
    seq = driven.asks("a")
    said = waited(driven, after=seen, timeout_s=PATIENCE_S)
    assert said["questions"] == [{"task": "a", "asks": "tabs?"}] and not said["ended"]
    assert waited(driven, timeout_s=PATIENCE_S)["questions"], "who asks anew is told at once"
    again = waited(driven, after=seq, timeout_s=0.3)
    assert again["said"] == [] and again["questions"], "known by then: it is waited on"


def test_a_task_that_asks_a_second_time_is_heard(driven: Driven) -> None:
    seen = driven.asks("a")
    driven.says(e.QuestionAnswered(task="a", answer="tabs"))
    driven.asks("a", attempt=2)
    assert waited(driven, after=seen, timeout_s=PATIENCE_S)["questions"]


def is_waiting() -> bool:
    """Whether a thread of this process waits for a run."""
    for frame in sys._current_frames().values():
        at: Any = frame
        while at is not None:
            if at.f_code is wait_for_run.__code__:
                return True
            at = at.f_back
    return False


def test_a_client_that_cancels_ends_the_waiting_and_goes_on_with_the_server(
    driven: Driven,
) -> None:
    async def cancelled() -> Any:
        with anyio.fail_after(WITHIN_S):
            async with client_of(driven) as client:
                with anyio.CancelScope() as scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(client.call_tool, "wait", {"timeout_s": PATIENCE_S})
                        while not is_waiting():
                            await anyio.sleep(0.01)
                        scope.cancel()
                while is_waiting():
                    await anyio.sleep(0.01)
                return await client.call_tool("status", {})

    assert anyio.run(cancelled).structured_content["phase"] == "going-on"


class Watched(Office):
    """Tells in which threads secrets are hidden."""

    threads: ClassVar[set[int]] = set()

    def redactor(self) -> Any:
        self.threads.add(threading.get_ident())
        return super().redactor()


def test_no_answer_is_made_in_the_event_loop(driven: Driven) -> None:
    from mcp import Client

    from orchestrator.mcp_server.server import make_server

    async def ask() -> None:
        office = Watched(driven.project.root, driven.project.environ)
        async with Client(make_server(office, lambda line: None)) as client:
            for tool in ("status", "report", "diff", "accept"):
                await client.call_tool(tool, {})
            await client.read_resource(f"orch://run/{driven.run}/report")
        assert Watched.threads and threading.get_ident() not in Watched.threads

    anyio.run(ask)
