"""What whoever fires automations must remember from one look to the next, in one small file.

1. Of a schedule: since when it is looked at. Nothing that was due before is caught up, and what
   was asked for once is not asked for again, also where the clock was set back meanwhile.
2. A schedule that has been changed is a new one: it is looked at from now on.
3. A moment that lies days ahead was told by a clock that was wrong then; it counts as now.
4. Of a branch: the commit that it was on. A branch that is seen for the first time starts nothing.
5. It is a memory, not the truth: whether a due time was answered is in the automation's ledger.
   Where the file is gone or makes no sense, all is seen for the first time.
6. Several may write it: each change is made under a lock, and the file is replaced whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from ledger.automations import Automation
from ledger.heartbeat_fold import AHEAD_S
from ledger.model import Value
from orchestrator.automations.turns import turn
from worktree.removal import replace_file


class Seen(Value):
    """What was seen of one automation."""

    schedule: str = ""
    """The line and its zone, as they were."""
    since: float = 0.0
    branch: str = ""
    tip: str | None = None


class Memory(Value):
    """What was seen of each automation, by its name."""

    version: int = 1
    seen: dict[str, Seen] = Field(default_factory=dict)

    def of(self, name: str) -> Seen:
        """What was seen of one."""
        return self.seen.get(name, Seen())

    def with_seen(self, changes: Mapping[str, Seen]) -> Memory:
        """The same with what was seen of some of them now."""
        return self.model_copy(update={"seen": {**self.seen, **changes}})


def look_at_schedule(automation: Automation, seen: Seen, now: float) -> Seen:
    """What is remembered of its schedule when it is looked at now (rules 1 to 3)."""
    said = f"{automation.schedule} {automation.time_zone or ''}".strip()
    if automation.schedule is None:
        return seen.model_copy(update={"schedule": "", "since": 0.0})
    if seen.schedule != said or seen.since > now + AHEAD_S:
        return seen.model_copy(update={"schedule": said, "since": now})
    return seen


def forget_due(memory: Memory, name: str, due: float) -> Memory:
    """Without that this time of a schedule was seen, where none after it was: it is due again."""
    seen = memory.of(name)
    if seen.since != due:
        return memory
    return memory.with_seen({name: seen.model_copy(update={"since": due - 1.0})})


def load_memory(path: Path) -> Memory:
    """What the file remembers; nothing where it makes no sense."""
    try:
        memory = Memory.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, ValueError):
        return Memory()
    return memory if memory.version == 1 else Memory()


def change_memory(path: Path, change: Callable[[Memory], Memory]) -> Memory:
    """Change what the file remembers, from what it says now; the file only where it differs."""
    with turn(path.with_name(f"{path.name}.lock")):
        before = load_memory(path)
        after = change(before)
        if after != before or not path.exists():
            replace_file(path, json.dumps(after.model_dump(mode="json"), indent=1).encode())
        return after
