"""What a stream has said so far, whichever dialect it speaks: kept by the dialects' readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.model import Tokens
from workers.wire.dialect import Fault, Reading


@dataclass
class Heard:
    """The state of one stream; what is said last holds."""

    usage: dict[str, Any] = field(default_factory=dict)
    ended: bool = False
    stop: str = ""
    model: str = ""
    fault: Fault | None = None
    broken: bool = False

    def use(self, usage: Mapping[str, Any]) -> None:
        """Usage as the vendor words it, field by field; null says nothing."""
        self.usage |= {key: value for key, value in usage.items() if value is not None}

    def reading(self, read_usage: Callable[[Mapping[str, Any]], Tokens], final: bool) -> Reading:
        """What is known now; `final`: the usage is the whole answer's."""
        return Reading(
            tokens=read_usage(self.usage) if self.usage else None,
            final=final,
            ended=self.ended,
            stop=self.stop,
            model=self.model,
            fault=self.fault,
            broken=self.broken,
        )
