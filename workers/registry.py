"""From a worker's settings to the worker, by kind."""

from __future__ import annotations

from ledger.model import CommandWorker, ModelWorkerSettings, WorkerSettings
from workers.base import Worker
from workers.command import ShellWorker
from workers.model.worker import ModelWorker


def make_worker(settings: WorkerSettings) -> Worker:
    """The worker that these settings describe."""
    match settings:
        case CommandWorker():
            return ShellWorker(settings)
        case ModelWorkerSettings():
            return ModelWorker(prompt=settings.prompt)
