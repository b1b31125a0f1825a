"""A model as a worker: each attempt a fresh conversation, each round a part of it.

1. It works until it ends the round, its time is up or it is stopped. Its time is its own: what it
   waited for limits, and what gates took that it asked for, does not count.
2. Whatever ends it, no process of its commands is left.
3. A red check comes as the next round's feedback, into the same conversation.
4. Nothing of pydantic-ai is imported before the first round: that takes seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ledger.model import Usage
from workers.base import Brief, ModelAccess, Report, Surroundings
from workers.model.prompt import first_words, next_words, system_words
from workers.model.timing import within

if TYPE_CHECKING:
    from workers.model.conversation import Conversation
    from workers.model.desk import Desk
    from workers.model.servers import Servers


@dataclass
class ModelWorker:
    """A worker whose settings name a model. One for each attempt."""

    prompt: str = ""
    """How the team works, beside the rules."""
    env: tuple[str, ...] = ()
    """Variables of the user's that its commands may see."""
    _desk: Desk | None = field(default=None, repr=False)
    _servers: Servers | None = field(default=None, repr=False)
    _conversation: Conversation | None = field(default=None, repr=False)

    async def run(self, brief: Brief, surroundings: Surroundings, timeout_s: float) -> Report:
        """See Worker."""
        access = surroundings.model
        if access is None:
            return Report(outcome="not-started", why="no model was given to this worker")
        await anyio.to_thread.run_sync(_import)
        talk, words = self._begin(access, brief, surroundings)
        desk = self._desk
        assert desk is not None
        began, waited_s, spared_s = time.monotonic(), access.waited_s(), desk.spared_s
        before = talk.tokens

        def own_s() -> float:
            others = access.waited_s() - waited_s + desk.spared_s - spared_s
            return max(0.0, time.monotonic() - began - others)

        desk.left_s = lambda: timeout_s - own_s()
        servers = self._servers
        assert servers is not None
        with desk.working():
            desk.transcript.begin(brief.round, access.models[0])
            async with servers.working():
                outcome = await within(timeout_s, own_s, lambda: talk.round(words))
            why = outcome.why if outcome else f"it was still working after {timeout_s:g} seconds"
            why = desk.redactor.redact_text(why)
            how = outcome.outcome if outcome else "timeout"
            desk.transcript.note(f"{how}{': ' if why else ''}{why}")
        return Report(
            outcome=how,
            why=why,
            cause=outcome.cause if outcome else "",
            summary=outcome.summary if outcome else "",
            question=outcome.question if outcome else None,
            duration_s=own_s(),
            usage=Usage(duration_s=own_s(), tokens=talk.tokens.total - before.total, cost_usd=None),
            note=desk.transcript.lost,
            tail=tuple(desk.transcript.tail),
        )

    def _begin(
        self, access: ModelAccess, brief: Brief, surroundings: Surroundings
    ) -> tuple[Conversation, str]:
        """The conversation, and what is to be said in it now."""
        from workers.model.conversation import Conversation
        from workers.model.desk import Desk
        from workers.model.servers import Servers

        if self._desk is None or self._conversation is None:
            self._desk = Desk(
                brief, surroundings, window_tokens=access.window_tokens, allowed=self.env
            )
            names = tuple(server.name for server in surroundings.servers)
            system = self._desk.redactor.redact_text(system_words(brief, self.prompt, names))
            self._servers = Servers(self._desk)
            self._conversation = Conversation(access, self._desk, system, self._servers)
            words = first_words(brief)
        else:
            self._desk.begin_round(brief, surroundings)
            words = next_words(brief)
        return self._conversation, self._desk.redactor.redact_text(words)


def _import() -> None:
    """Bring in what takes long, beside the event loop."""
    import workers.model.conversation  # noqa: F401
