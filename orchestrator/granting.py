"""A model is given to somebody who works, checks or plans: a key of the gateway's, for a while.

1. Who calls gets one model, by a key that ends when they do; calls under way end in order then.
2. A provider's own key is read out of the environment here, and goes to the gateway only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.model import CallPurpose, ModelWorkerSettings, Settings, TaskId
from ledger.place import state_folder
from orchestrator.policy.models import split_model
from workers.base import ModelAccess

if TYPE_CHECKING:
    from workers.gateway.gateway import Gateway
    from workers.gateway.grants import Access
    from workers.gateway.upstream import Provider


@dataclass(frozen=True)
class Caller:
    """Who calls, and for what."""

    run: str
    task: TaskId
    attempt: int
    worker: str
    purpose: CallPurpose
    varying: tuple[tuple[str, str], ...] = ()
    """Texts that differ when it is repeated, and a word for each that a record holds instead."""


def pace_folder(environ: Mapping[str, str]) -> Path:
    """Where runs of this user tell each other how fast calls may leave."""
    return state_folder(environ) / "pace"


def providers_of(
    settings: Settings, names: Iterable[str], environ: Mapping[str, str]
) -> tuple[Provider, ...]:
    """Providers of the settings by their names, with their keys."""
    from workers.gateway.upstream import Provider

    found = []
    for name in names:
        one = settings.providers[name]
        key = environ.get(one.key, "").strip() if one.key else ""
        found.append(Provider(name, one.dialect, one.url, key, parallel=one.parallel))
    return tuple(found)


@asynccontextmanager
async def given_model(
    gateway: Gateway,
    settings: Settings,
    model: str,
    caller: Caller,
    others_s: Callable[[], float] = lambda: 0.0,
    missed: Callable[[str], None] = lambda why: None,
) -> AsyncIterator[tuple[ModelAccess, Access]]:
    """Access to one model (`provider:model`), and what becomes of it.

    `others_s` is time beside waiting for providers that is not the caller's own; `missed` is told
    what a record that is replayed has no answer to.
    """
    from workers.gateway.grants import CallLimits, Ended, Grant, Told

    def ended(how: Ended) -> None:
        if how.reason == "record":
            missed(how.why)

    worker = settings.workers[caller.worker]
    assert isinstance(worker, ModelWorkerSettings)
    provider, name = split_model(model)
    opened = gateway.open(
        Grant(
            run=caller.run,
            task=caller.task,
            attempt=caller.attempt,
            worker=caller.worker,
            provider=provider,
            models=(name,),
            limits=CallLimits(max_output=worker.max_output_tokens),
            purpose=caller.purpose,
            varying=caller.varying,
        ),
        Told(ended=ended),
    )
    access = ModelAccess(
        url=gateway.url,
        key=opened.key,
        dialect=settings.providers[provider].dialect,
        models=(name,),
        window_tokens=worker.window_tokens,
        max_output_tokens=worker.max_output_tokens,
        waited_s=lambda: opened.waited_s + others_s(),
    )
    try:
        yield access, opened
    finally:
        await gateway.close(opened)
