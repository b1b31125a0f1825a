"""A model is asked for a value, not for a change: it looks at a tree, and answers in a form.

1. It has the tools that look, and one that ends: to give the answer. It changes nothing.
2. What it gives is judged by whoever asks. What is wrong with it goes back in words, so often and
   no more; then the question has failed, with the last that was wrong.
3. No money, and a provider that does not serve, are told apart from an answer that is no use.
4. It is stopped when its time is up; what it waited for a provider's limits does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from pydantic_ai import Agent, ModelRequestNode, ModelRetry, RunContext, ToolOutput, UsageLimits
from pydantic_ai.agent import CallToolsNode
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.exceptions import AgentRunError, ModelAPIError

from ledger.model import Tokens, Value
from workers.base import ModelAccess
from workers.model.conversation import trouble_of
from workers.model.desk import Desk
from workers.model.hearing import TOOLS_BYTES, Ear, ask, one_line
from workers.model.history import History
from workers.model.providers import open_model, settings_of
from workers.model.timing import within
from workers.model.tools import reading_tools

CALLS = 80
"""Of the model, for one answer."""
BACK = 3
"""How often an answer goes back."""

T = TypeVar("T", bound=Value)
Judge = Callable[[T], str]
"""What is wrong with an answer, in words for the model; empty where nothing is."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What came of a question."""

    value: T | None
    why: str = ""
    """Why there is none."""
    cause: Literal["", "budget", "provider"] = ""
    """What stopped it, where that was nobody's fault."""
    tokens: Tokens = field(default_factory=Tokens)
    calls: int = 0
    sent_back: int = 0
    """How often an answer was no good."""
    duration_s: float = 0.0
    """Its own time."""


class _Ends(Exception):
    """There will be no answer."""


async def ask_for(
    shape: type[T],
    access: ModelAccess,
    desk: Desk,
    *,
    name: str,
    describe: str,
    system: str,
    words: str,
    judge: Judge[T],
    timeout_s: float,
) -> Answer[T]:
    """Ask until there is an answer that is good, or none will come.

    `name` and `describe` are the tool's by which the model gives it.
    """
    asking = _Asking(shape, access, desk, judge)
    began = time.monotonic()
    waited_s = access.waited_s()

    def own_s() -> float:
        return max(0.0, time.monotonic() - began - (access.waited_s() - waited_s))

    async def answer() -> tuple[T | None, str, Literal["", "budget", "provider"]]:
        try:
            return await asking.talk(name, describe, system, words), "", ""
        except _Ends as end:
            return None, str(end), ""
        except ModelAPIError as error:
            trouble = trouble_of(error)
            return None, trouble.why, trouble.cause
        except AgentRunError as error:
            return None, f"its answers could not be used: {one_line(str(error))}", ""

    with desk.working():
        desk.transcript.begin(1, access.models[0])
        late = f"it was still looking after {timeout_s:g} seconds"
        value, why, cause = await within(timeout_s, own_s, answer) or (None, late, "")
        desk.transcript.note(why or "answered")
    return Answer(
        value=value,
        why=desk.redactor.redact_text(why),
        cause=cause,
        tokens=asking.ear.tokens,
        calls=asking.calls,
        sent_back=asking.sent_back,
        duration_s=own_s(),
    )


class _Asking(Generic[T]):
    """One question's talk."""

    def __init__(self, shape: type[T], access: ModelAccess, desk: Desk, judge: Judge[T]) -> None:
        self.ear = Ear(desk)
        self.calls = 0
        self.sent_back = 0
        self._shape, self._access, self._desk, self._judge = shape, access, desk, judge

    async def talk(self, name: str, describe: str, system: str, words: str) -> T:
        """The value; raises what ended it."""
        redactor = self._desk.redactor
        system, words = redactor.redact_text(system), redactor.redact_text(words)
        history = History(self._access.window_tokens, len(system.encode()) + TOOLS_BYTES)
        async with open_model(self._access) as model:
            agent: Agent[Desk, T] = Agent(
                model,
                output_type=ToolOutput(self._shape, name=name, description=describe),
                instructions=system,
                deps_type=Desk,
                tools=reading_tools(),
                model_settings=settings_of(self._access),
                retries={"tools": CALLS, "output": 2 * BACK + 2},
                end_strategy="graceful",
                capabilities=[ProcessHistory(history.shorten)],
            )

            @agent.output_validator
            def judged(ctx: RunContext[Desk], value: T) -> T:
                if not (wrong := self._judge(value)):
                    return value
                self.sent_back += 1
                ctx.deps.transcript.note(f"sent back: {wrong}")
                if self.sent_back > BACK:
                    raise _Ends(f"it was sent back {BACK} times and is still wrong:\n{wrong}")
                raise ModelRetry(ctx.deps.clean(wrong))

            async with agent.iter(
                words, deps=self._desk, usage_limits=UsageLimits(request_limit=None)
            ) as talk:
                async for node in talk:
                    if isinstance(node, ModelRequestNode):
                        self.calls += 1
                        if self.calls > CALLS:
                            raise _Ends(f"it made {CALLS} calls of the model without an answer")
                        await ask(node, talk.ctx)
                    elif isinstance(node, CallToolsNode) and (
                        over := self.ear.hear(node.model_response, history)
                    ):
                        raise _Ends(over)
            if talk.result is None:
                raise _Ends("it ended without an answer")
            return talk.result.output
