"""Serve a scripted model until it is ended, and tell what it is asked: `orch scripted-model`."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from orchestrator.cli import output
from orchestrator.errors import OrchError
from orchestrator.review.words import foreign

if TYPE_CHECKING:
    from workers.scripted_model.received import Received
    from workers.scripted_model.script import Script

SPEAKS = "it speaks /v1/messages and /v1/chat/completions; any key will do; Ctrl-C ends it"


def serve_script(
    script: Script, name: str, port: int, record: Path | None, *, as_json: bool
) -> int:
    """Serve until SIGINT or SIGTERM; that is its end in order."""
    # Only a server needs the libraries that serve.
    from workers.loopback import PortTaken
    from workers.scripted_model.server import scripted_model

    async def serve(on_request: Callable[[Received], None]) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with scripted_model(script, name=name, port=port, on_request=on_request) as model:
                if as_json:
                    output.answer_json({"url": model.url, "models": list(script.models)})
                else:
                    output.answer(model.url)
                output.narrate(SPEAKS)
                async for _ in signals:
                    break

    with ExitStack() as stack:
        write = _writer(stack, record)
        try:
            anyio.run(serve, lambda received: _tell(received, write))
        except PortTaken as error:
            hint = "leave --port out, and any free port is taken"
            raise OrchError(f"cannot listen: {error.strerror}", hint=hint) from None
    return 0


def _writer(stack: ExitStack, record: Path | None) -> Callable[[str], None] | None:
    if record is None:
        return None
    try:
        # What agents send may hold what is nobody else's to read.
        opened = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OrchError(f"cannot write {record}: {error.strerror}") from None
    stack.callback(os.close, opened)

    def write(line: str) -> None:
        os.write(opened, line.encode() + b"\n")

    return write


def _tell(received: Received, write: Callable[[str], None] | None) -> None:
    if write is not None:
        write(received.render())
    turn = f"turn {received.turn}" if received.turn else foreign(received.why, 400)
    who = foreign(received.conversation, 60)
    output.narrate(f"{received.number} {received.dialect}, {who}: {turn}")
