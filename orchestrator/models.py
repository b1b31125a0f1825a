"""The models of a run: one gateway for all of them, open while the engine is.

1. It is opened where a task of the plan, or the checker, is a model's; nothing of it is imported
   else.
2. Each attempt has a key of its own, for the models of its worker, until it has ended.
3. A replay asks no provider, and spends nothing: no limit of a provider's and no budget stands in
   its way. What these did to the run then is in its record.
4. Time that a call waits for a provider's limit, or for others, is not the worker's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ledger import events as e
from ledger.model import CallPurpose, TaskId
from orchestrator.granting import Caller, given_model, pace_folder, providers_of
from orchestrator.policy.models import model_workers, providers_asked, workers_of_run
from orchestrator.replaying import Replaying, load_record_of, recorded
from workers.base import ModelAccess

if TYPE_CHECKING:
    from orchestrator.scene import Scene
    from workers.gateway.gateway import Gateway
    from workers.gateway.pacing import Paused
    from workers.gateway.record import Recorder


class Models:
    """What an attempt may call."""

    def __init__(self, scene: Scene, gateway: Gateway, replaying: Replaying | None = None) -> None:
        from orchestrator.mapping import Known

        self._scene, self._gateway = scene, gateway
        self.replaying = replaying
        self.known = Known()
        """What maps of the repository found so far."""

    @asynccontextmanager
    async def access(
        self,
        worker: str,
        model: str,
        task: TaskId,
        attempt: int,
        *,
        purpose: CallPurpose,
        workspace: Path,
        others_s: Callable[[], float] = lambda: 0.0,
    ) -> AsyncIterator[ModelAccess]:
        """Access to one model (`provider:model`) for an attempt, or for who checks it.

        `others_s` is further time that is not the worker's own. A record of the calls holds a word
        in the place of the workspace's path.
        """
        caller = Caller(
            run=self._scene.run,
            task=task,
            attempt=attempt,
            worker=worker,
            purpose=purpose,
            varying=((str(workspace), "WORKSPACE"),),
        )
        settings = self._scene.settings
        given = given_model(self._gateway, settings, model, caller, others_s, self._missed)
        async with given as (access, _):
            yield access

    def _missed(self, why: str) -> None:
        if self.replaying is not None:
            self.replaying.missed = self.replaying.missed or why
            self._scene.wake()


@dataclass(frozen=True)
class Traffic:
    """What becomes of the calls of one engine, beside that they are made."""

    record: Path | None = None
    """They are kept in this file, redacted; it may be there already."""
    replay: Path | None = None
    """They are answered from this record, and no provider is asked."""


@asynccontextmanager
async def open_models(scene: Scene, traffic: Traffic) -> AsyncIterator[Models | None]:
    """The models of a run; None where nothing of it is a model's."""
    settings, environ = scene.settings, scene.workplace.environ
    names = workers_of_run(settings, scene.state.plan)
    if not model_workers(settings).keys() & set(names):
        yield None
        return
    from orchestrator.config import refuse_missing_keys
    from orchestrator.till import LedgerTill
    from workers.gateway.gateway import open_gateway, redactor_of
    from workers.gateway.pacing import Pacer
    from workers.gateway.prices import Prices
    from workers.gateway.record import Replay

    providers = providers_of(settings, providers_asked(settings, names), environ)
    replaying: Replaying | None = None
    if traffic.replay is None:
        refuse_missing_keys(settings, environ, names)
    else:
        replaying = Replaying(load_record_of(traffic.replay))
    redactor = redactor_of(providers)
    with ExitStack() as held:
        recorder: Recorder | None = None
        if traffic.record is not None:
            recorder = held.enter_context(recorded(scene, traffic.record, redactor))
        pace = None if replaying else pace_folder(environ)
        pacer = held.enter_context(Pacer(pace, lambda paused: _paused(scene, paused)))
        upstream: Replay | None = None
        if replaying is not None:
            upstream = Replay(replaying.record.calls, redactor, replaying.ended)
        async with open_gateway(
            providers,
            till=LedgerTill(scene, capped=replaying is None),
            prices=Prices(settings.prices),
            pacer=pacer,
            upstream=upstream,
            recorder=recorder,
        ) as gateway:
            yield Models(scene, gateway, replaying)


def _paused(scene: Scene, paused: Paused) -> None:
    scene.append(e.ProviderPaused(provider=paused.provider, until=paused.until))
