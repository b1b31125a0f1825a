"""What a head changed outside the paths that its task declares. Pure.

1. A task without paths declares no boundary: nothing is outside.
2. Every changed path counts: added, changed, deleted, made a link or executable.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.policy.paths import matches


def outside(paths: Iterable[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """The changed paths that no pattern covers, sorted."""
    declared = tuple(patterns)
    if not declared:
        return ()
    return tuple(sorted(path for path in paths if not matches(declared, path)))
