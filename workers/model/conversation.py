"""The conversation of an attempt: a pydantic-ai agent, asked on until a round ends.

1. A round ends by `finish` or `ask`; by words alone, after having been asked once to go on or
   finish; when the gateway lets no call pass; when the model refuses, says nothing that can be
   used, makes the same call too often, or makes too many calls.
2. No money and a provider that does not serve are nobody's fault; a request that is refused for
   what it holds is the attempt's.
3. The next round goes on in the same conversation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_ai import Agent, ModelRequestNode, UsageLimits
from pydantic_ai.agent import CallToolsNode
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelHTTPError,
    OutputTokenLimitExceeded,
)
from pydantic_ai.messages import ModelMessage, ModelResponse, RetryFeedbackPart, ToolReturnPart
from pydantic_ai.models import Model

from ledger.model import Tokens
from workers.base import ModelAccess
from workers.model.desk import Desk
from workers.model.hearing import TOOLS_BYTES, Ear, ask, one_line
from workers.model.history import History
from workers.model.prompt import CUT_OFF, FINISH_OR_GO_ON
from workers.model.providers import open_model, settings_of
from workers.model.tools import Asked, Finished, endings, making_tools
from workers.text import clean_line

CALLS = 300
"""Of the model, in one round."""
UNUSABLE = 8
"""Answers in one go that cannot be used."""
CUTS = 3
SUMMARY_CHARS = 600
PAID_OUT = 402
REFUSED = (400, 413, 422)


@dataclass(frozen=True)
class Outcome:
    """How a round ended."""

    outcome: Literal["done", "failed", "stopped"]
    why: str = ""
    cause: Literal["", "budget", "provider"] = ""
    summary: str = ""
    question: str | None = None


class Conversation:
    """One attempt's talk with its model."""

    def __init__(self, access: ModelAccess, desk: Desk, system: str) -> None:
        self.messages: list[ModelMessage] = []
        self._access, self._desk, self._system = access, desk, system
        self._ear = Ear(desk)
        self._calls = 0
        self.history = History(access.window_tokens, len(system.encode()) + TOOLS_BYTES)

    @property
    def tokens(self) -> Tokens:
        """What its answers came to."""
        return self._ear.tokens

    async def round(self, words: str) -> Outcome:
        """Ask on until the round ends."""
        self._calls = 0
        async with open_model(self._access) as model:
            agent = self._agent(model)
            nudged, cuts = False, 0
            while True:
                try:
                    output = await self._talk(agent, words)
                except _Ends as end:
                    return end.outcome
                except ModelAPIError as error:
                    return trouble_of(error)
                except ContentFilterError as error:
                    return Outcome("failed", f"the model refused: {one_line(error.message)}")
                except OutputTokenLimitExceeded:
                    most = self._access.max_output_tokens
                    why = f"an answer of the model's was cut off at {most:,} tokens"
                    return Outcome("failed", f"{why}; give it more with 'max_output_tokens'")
                except AgentRunError as error:
                    why = f"the model's answers could not be used: {one_line(str(error))}"
                    return Outcome("failed", why)
                if isinstance(output, Asked):
                    return Outcome("done", question=self._desk.clean(output.question))
                if isinstance(output, Finished):
                    return Outcome("done", summary=self._summary(output.summary))
                if self._was_cut():
                    cuts += 1
                    if cuts > CUTS:
                        return Outcome("failed", f"{cuts} answers in a row were cut off")
                    words = CUT_OFF
                elif nudged:
                    return Outcome("done", summary=self._summary(output))
                else:
                    nudged, words = True, FINISH_OR_GO_ON
                self._desk.transcript.note(words)

    def _agent(self, model: Model) -> Agent[Desk, Any]:
        return Agent(
            model,
            output_type=endings(),
            instructions=self._system,
            deps_type=Desk,
            tools=making_tools(),
            model_settings=settings_of(self._access),
            retries={"tools": CALLS, "output": UNUSABLE},
            end_strategy="graceful",
            capabilities=[ProcessHistory(self.history.shorten)],
        )

    async def _talk(self, agent: Agent[Desk, Any], words: str) -> Any:
        """Until the model ends its turn."""
        async with agent.iter(
            words,
            deps=self._desk,
            message_history=self.messages,
            usage_limits=UsageLimits(request_limit=None),
        ) as talk:
            try:
                async for node in talk:
                    if isinstance(node, ModelRequestNode):
                        self._log_unusable(node.request.parts)
                        self._calls += 1
                        if self._calls > CALLS:
                            why = f"it made {CALLS} calls of the model without an end"
                            raise _Ends(Outcome("failed", why))
                        await ask(node, talk.ctx)
                    elif isinstance(node, CallToolsNode) and (
                        over := self._ear.hear(node.model_response, self.history)
                    ):
                        raise _Ends(Outcome("failed", over))
            finally:
                self.messages = talk.all_messages()
        result = talk.result
        return result.output if result is not None else ""

    def _log_unusable(self, parts: Any) -> None:
        """What pydantic-ai answered by itself: unknown tools, broken arguments."""
        for part in parts:
            if isinstance(part, RetryFeedbackPart):
                self._desk.transcript.note(part.model_response())
            elif isinstance(part, ToolReturnPart) and part.outcome == "retried":
                said = self._desk.clean(part.model_response_str())
                self._desk.transcript.answered(part.tool_name, said, failed=True)

    def _was_cut(self) -> bool:
        answers = [one for one in self.messages if isinstance(one, ModelResponse)]
        return bool(answers) and answers[-1].finish_reason == "length"

    def _summary(self, text: str) -> str:
        """Two sentences of it."""
        line = " ".join(self._desk.clean(text).split())
        sentences = re.split(r"(?<=[.!?])\s+(?=\S)", line)
        return clean_line(" ".join(sentences[:2]), SUMMARY_CHARS)


class _Ends(Exception):
    """The round is over, whatever the model wants."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.why)
        self.outcome = outcome


def trouble_of(error: ModelAPIError) -> Outcome:
    """What an answer that is none means for the attempt."""
    why = one_line(_message_of(error))
    status = error.status_code if isinstance(error, ModelHTTPError) else None
    if status == PAID_OUT:
        return Outcome("stopped", why, "budget")
    if status in REFUSED:
        return Outcome("failed", f"the provider refused the request: {why}")
    return Outcome("stopped", why, "provider")


def _message_of(error: ModelAPIError) -> str:
    """The words of the gateway or the provider, out of whatever they came in."""
    body: Any = getattr(error, "body", None)
    for key in ("error", "message"):
        if isinstance(body, dict):
            body = body.get(key, body)
    if isinstance(body, str) and body:
        return body
    return f"the model's answer could not be read: {error.__cause__ or error}"
