"""One answer of a model is heard: counted, written down, and looked at before its calls are made.

1. Whatever is asked of a model, an answer costs what it costs, and a refusal is an end.
2. The same call again and again is one too: its calls are looked at before any of them is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger.model import Tokens
from workers.model.repeats import ENDED, Repeats
from workers.text import clean_line

if TYPE_CHECKING:
    from pydantic_ai import ModelRequestNode
    from pydantic_ai.messages import ModelResponse

    from workers.model.desk import Desk
    from workers.model.history import History

TOOLS_BYTES = 6_000
"""What the tools' descriptions come to; the provider's count corrects it."""
WHY_CHARS = 400


async def ask(node: ModelRequestNode[Any, Any], ctx: Any) -> None:
    """Make a call: streamed, so that a long answer is not taken for silence on its way."""
    async with node.stream(ctx) as stream:
        async for _ in stream:
            pass


class Ear:
    """Hears the answers of one conversation."""

    def __init__(self, desk: Desk) -> None:
        self.tokens = Tokens()
        self._desk = desk
        self._repeats = Repeats()

    def hear(self, response: ModelResponse, history: History) -> str:
        """Take an answer; why the conversation is over, empty where it is not."""
        desk, usage = self._desk, response.usage
        history.book.counted(usage.input_tokens)
        self.tokens += Tokens(
            input=max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens),
            cache_read=usage.cache_read_tokens,
            cache_write=usage.cache_write_tokens,
            output=usage.output_tokens,
        )
        desk.transcript.said(response.text or "")
        desk.failed.clear()
        desk.times.clear()
        if response.finish_reason == "content_filter":
            said = one_line(desk.clean(response.text or "it gave no reason"))
            return f"the model refused: {said}"
        for call in response.tool_calls:
            times = self._repeats.count(call.tool_name, call.args)
            desk.times[call.tool_call_id] = times
            desk.transcript.called(call.tool_name, call.args or {})
            if times >= ENDED:
                what = f"`{call.tool_name}` with the same arguments {times} times in a row"
                return f"the model went in circles: it called {what}"
        return ""


def one_line(text: str) -> str:
    """Somebody's words on one line, bounded, without our own name before them."""
    return clean_line(" ".join(text.split()).removeprefix("orch: "), WHY_CHARS)
