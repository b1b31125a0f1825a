"""An agent in its sandbox calls models through the gateway, and finds no key worth having."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.integration.gateway.support import REAL_KEY, bench, grant
from tests.support.sandboxed import Cell, needs_sandbox
from workers.command import run_command
from workers.environment import build_environment
from workers.gateway.gateway import Gateway
from workers.gateway.grants import Access

GOOD = {"text": "Forty-two.", "usage": {"input": 10, "output": 5}, "repeat": 0}
PORT = 4711
ASK = """
import json, os, sys, urllib.error, urllib.request
body = {"model": "model-a", "max_tokens": 9, "messages": [{"role": "user", "content": "q"}]}
headers = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "content-type": "application/json"}
url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages"
asked = urllib.request.Request(url, json.dumps(body).encode(), headers)
try:
    answer = urllib.request.urlopen(asked, timeout=20)
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, dict(answer.headers), answer.read().decode())
"""
LOOK = (
    "env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; ls -la /run/orch/doors"
)


@pytest.fixture
def cell(tmp_path: Path) -> Iterator[Cell]:
    made = Cell(tmp_path)
    yield made
    made.close()


async def run(cell: Cell, gateway: Gateway, access: Access, command: str) -> str:
    """All that a command in the sandbox says, which has the attempt's key and a way out."""
    assert gateway.socket is not None
    log = cell.workspace.folder.parent / "log"
    given = {
        "ANTHROPIC_API_KEY": access.key,
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{PORT}",
    }
    env = build_environment(cell.environ, temporary=cell.workspace.folder / "tmp", overrides=given)
    await run_command(
        command,
        tree=cell.workspace.path,
        env=env,
        mark=f"{cell.run_mark}/a/1/x",
        timeout_s=60,
        log=log,
        confinement=replace(cell.confinement, relays=((PORT, gateway.socket),)),
    )
    return log.read_text("utf-8", "replace")


@needs_sandbox
def test_an_agent_in_a_sandbox_calls_models_and_finds_no_key(cell: Cell) -> None:
    (cell.workspace.path / "ask.py").write_text(ASK)
    folder = cell.home.parent / "s"

    async def act() -> None:
        async with bench(GOOD, socket_path=folder / "gateway") as here:
            said = await run(cell, here.gateway, here.access, "python3 ask.py")
            assert "200" in said, said
            assert "Forty-two." in said
            assert REAL_KEY not in said
            found = await run(cell, here.gateway, here.access, LOOK)
            assert "ANTHROPIC_BASE_URL" in found
            assert REAL_KEY not in found
            # What it found is good for nothing once its attempt has ended.
            await here.gateway.close(here.access)
            said = await run(cell, here.gateway, here.access, "python3 ask.py")
            assert said.startswith("401"), said
            assert here.asked == 1

    anyio.run(act)


@needs_sandbox
def test_another_attempts_key_and_models_are_out_of_reach(cell: Cell) -> None:
    (cell.workspace.path / "ask.py").write_text(ASK.replace("model-a", "model-b"))
    folder = cell.home.parent / "s"

    async def act() -> None:
        async with bench(GOOD, socket_path=folder / "gateway") as here:
            other = here.gateway.open(grant(models=("model-b",)))
            said = await run(cell, here.gateway, here.access, "python3 ask.py")
            assert said.startswith("403"), said
            assert other.key not in await run(cell, here.gateway, here.access, LOOK)
            assert here.asked == 0

    anyio.run(act)
