"""A repository whose automation covers files, and somebody who fires it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger import heartbeat as h
from ledger.automations import Automation
from ledger.heartbeat_fold import Firing, Heartbeat
from ledger.model import CommandWorker, Settings
from ledger.store import Store
from orchestrator.automations.beats import load_heartbeat, read_beats
from orchestrator.automations.firing import Fired
from orchestrator.automations.going import Hands
from tests.support.project import Project

ONE_MORE = 'mkdir -p covered; n=$(ls covered | wc -l); echo x > "covered/$n.txt"'
"""A codemod that covers one more file each time."""
COUNT = "ls covered 2>/dev/null | wc -l"
COVER: dict[str, Any] = {
    "name": "cover",
    "goal": "Cover one more file",
    "until": "covered >= 3",
    "measure": {"covered": COUNT},
}


@dataclass
class Automated:
    """A project, an automation, and what was said while it was fired."""

    folder: Path
    worker: str = ONE_MORE
    said: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    """Settings beside those of the project."""
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.project = Project(self.folder)
        self.project.sandbox = "external"

    def settings(self) -> Settings:
        workers = {"sh": CommandWorker(kind="command", command=self.worker)}
        self.project.more_settings = {"worker": "sh", "workers": workers, **self.more}
        return self.project.settings()

    def fire(
        self,
        trigger: h.Trigger | None = h.Trigger(),  # noqa: B008
        *,
        driven: Callable[[Store, str], object] = lambda store, run: None,
        told: Callable[[str], object] = lambda what: None,
        **fields: Any,
    ) -> int:
        """Fire it in this process; `driven` is called after each drive."""
        automation = Automation.model_validate({**COVER, **fields})

        def drive(store: Store, run: str) -> None:
            self.project.drive(run)
            driven(store, run)

        def tell(what: str) -> None:
            self.said.append(what)
            told(what)

        fired = Fired(
            self.project.workplace(), self.settings(), automation, Hands(drive, tell), self.now
        )
        with self.project.store() as store:
            return fired.fire(store, trigger)

    @property
    def state(self) -> Heartbeat:
        with self.project.store() as store:
            return load_heartbeat(store, "cover")

    @property
    def firing(self) -> Firing:
        firing = self.state.firing
        assert firing is not None
        return firing

    @property
    def outcome(self) -> str | None:
        settled = self.firing.settled
        return settled.outcome if settled else None

    @property
    def values(self) -> list[float]:
        return [point.value for point in self.firing.series]

    def kinds(self) -> list[str]:
        with self.project.store() as store:
            return [beat.kind for beat, _ in read_beats(store, "cover")]

    def runs(self) -> list[str]:
        """The runs, the oldest first."""
        with self.project.store() as store:
            return [one.run for one in store.runs()][::-1]

    def heard(self, words: str) -> bool:
        return any(words in line for line in self.said)
