"""The scripted model: a server on loopback that answers from a script, in each dialect.

1. The path tells the dialect. One script, one cache of prompts and one count of what is used up
   serve all of them.
2. Every request is noted before it is answered, also one that no turn answers.
3. What no turn answers is an error that clients do not try again.
4. No key is asked for, and none is written down.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ledger.model import Tokens
from workers.loopback import HOST, bind, serving
from workers.scripted_model.caching import PromptCache
from workers.scripted_model.choosing import Chooser, Chosen
from workers.scripted_model.received import Received
from workers.scripted_model.script import Script, Turn, script_of
from workers.scripted_model.trouble import Connection, chunks
from workers.wire.dialect import (
    Answer,
    Asked,
    Call,
    Dialect,
    NoRequest,
    Stop,
    packed,
    parse_request,
)
from workers.wire.dialects import dialect_named, dialect_of
from workers.wire.estimate import usual_tokens

LARGEST_REQUEST_BYTES = 64 * 1024 * 1024


class ScriptedModel:
    """A server that is up: where it is, and what it was sent."""

    def __init__(
        self, script: Script, name: str, port: int, on_request: Callable[[Received], None] | None
    ) -> None:
        self.url = f"http://{HOST}:{port}"
        """The base URL for Anthropic's clients; OpenAI's want `/v1` behind it."""
        self.requests: list[Received] = []
        self._script = script
        self._name = name
        self._chooser = Chooser(script)
        self._cache = PromptCache(script.cache_min_tokens)
        self._on_request = on_request
        self.app = Starlette(
            routes=[
                Route("/{path:path}", self._models, methods=["GET"]),
                Route("/{path:path}", self._answer, methods=["POST"]),
            ]
        )

    async def _models(self, request: Request) -> Response:
        vendor = "anthropic" if "anthropic-version" in request.headers else "openai"
        dialect = dialect_named(vendor)
        if request.url.path.rstrip("/").endswith("/models"):
            return JSONResponse(dialect.models(self._script.models))
        return _refusal(dialect, 404, f"there is nothing at {request.url.path}")

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        dialect = dialect_of(path.removesuffix("/count_tokens"))
        if dialect is None:
            what = f"{path} belongs to no dialect; this server speaks /v1/messages"
            return _refusal(dialect_named("openai"), 404, f"{what} and /v1/chat/completions")
        try:
            raw = await _read(request)
            body = parse_request(raw)
            asked = dialect.asked(body)
        except NoRequest as error:
            return _refusal(dialect, 400, str(error))
        except ClientDisconnect:
            return Response(status_code=499)
        if path.endswith("/count_tokens"):
            size = sum(usual_tokens(one.content) for one in dialect.segments(body))
            return JSONResponse({"input_tokens": size})
        chosen = self._chooser.choose(dialect.name, asked.model, dialect.conversation(body))
        self._note(dialect, request, body, chosen)
        if chosen.turn is None:
            return _refusal(dialect, 400, f"{self._name}: {chosen.why}")
        turn = chosen.turn
        tokens = self._tokens(dialect, asked, body, turn)
        await anyio.sleep(turn.first_byte_s)
        if turn.status is not None:
            message = turn.message or f"the script says {turn.status}"
            fault = dialect.fault(turn.status, message, kind=turn.kind, code=turn.code)
            return JSONResponse(fault, status_code=turn.status, headers=turn.headers)
        ids = hashlib.sha256(b"%d %b" % (chosen.number or 0, raw)).hexdigest()[:24]
        answer = _answer_of(turn, asked.model, ids, tokens)
        ends = request.scope["client"], request.scope["server"]
        return StreamingResponse(
            chunks(dialect, asked, answer, turn, ends),
            media_type="text/event-stream" if asked.stream else "application/json",
            headers={"request-id": f"req_{ids}", "x-request-id": f"req_{ids}", **turn.headers},
        )

    def _note(
        self, dialect: Dialect, request: Request, body: Mapping[str, Any], chosen: Chosen
    ) -> None:
        received = Received(
            number=len(self.requests) + 1,
            dialect=dialect.name,
            path=request.url.path,
            headers=dict(request.headers),
            body=body,
            conversation=chosen.conversation,
            turn=chosen.number,
            why=chosen.why,
        )
        self.requests.append(received)
        if self._on_request is not None:
            self._on_request(received)

    def _tokens(
        self, dialect: Dialect, asked: Asked, body: Mapping[str, Any], turn: Turn
    ) -> Tokens:
        if turn.usage is not None:
            return turn.usage
        if turn.status is not None:
            return Tokens()
        segments = dialect.segments(body)
        prompt = self._cache.read(asked.model, segments, writes_cost=dialect.name == "anthropic")
        thought = usual_tokens(turn.reasoning.encode("utf-8", "surrogatepass"))
        calls = "".join(call.name + packed(call.input) for call in turn.call)
        said = usual_tokens((turn.text + calls).encode("utf-8", "surrogatepass"))
        return prompt + Tokens(output=said + thought, reasoning=thought)


@asynccontextmanager
async def scripted_model(
    script: Script | Mapping[str, Any] | str | Path,
    *,
    name: str = "the script",
    port: int = 0,
    on_request: Callable[[Received], None] | None = None,
) -> AsyncIterator[ScriptedModel]:
    """A scripted model, from a script, its values, its TOML text, or the path of its file."""
    if isinstance(script, Path):
        name, script = str(script), await anyio.Path(script).read_text("utf-8")
    if isinstance(script, str):
        script = tomllib.loads(script)
    if not isinstance(script, Script):
        script = script_of(script)
    socket = bind(port)
    model = ScriptedModel(script, name, socket.getsockname()[1], on_request)
    async with serving(model.app, socket, protocol=Connection):
        yield model


def _answer_of(turn: Turn, model: str, ids: str, tokens: Tokens) -> Answer:
    calls = tuple(
        Call(f"{ids[:20]}{number}", call.name, call.input) for number, call in enumerate(turn.call)
    )
    usual: Stop = "tool-calls" if calls else "end"
    text = turn.text
    if turn.trouble == "huge":
        text += "x" * int(turn.huge_mb * 1024 * 1024)
    return Answer(ids, model, text, turn.reasoning, calls, turn.stop or usual, tokens)


async def _read(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_REQUEST_BYTES:
            raise NoRequest(f"the request is larger than {LARGEST_REQUEST_BYTES} bytes")
    return bytes(raw)


def _refusal(dialect: Dialect, status: int, why: str) -> Response:
    return JSONResponse(dialect.fault(status, why), status_code=status)
