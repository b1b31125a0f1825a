"""How many examples of what can be are tried."""

from __future__ import annotations

import os

THOROUGH = os.environ.get("ORCH_FAULTS") == "all"


def examples(many: int) -> int:
    """So many where ORCH_FAULTS=all, else a quarter of them."""
    return many if THOROUGH else max(8, many // 4)
