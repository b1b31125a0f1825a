"""New commits on branches that automations follow.

1. A look at git's files says whether a branch may have moved; only then git is asked, and now and
   then all the same.
2. The commit that a branch was on is remembered: what came while nobody looked is one trigger.
3. What orch landed itself is none. A branch that is gone is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.automations import Automation
from orchestrator.automations.children import Firing
from orchestrator.automations.memory import Memory, Seen
from orchestrator.workplace import Workplace

ASK_EVERY_S = 60.0


@dataclass
class Branches:
    """Looks at the branches of a repository."""

    workplace: Workplace
    _stamps: dict[str, object] = field(default_factory=dict)
    _asked: float | None = None

    def stirred(self, automations: Sequence[Automation], now: float) -> bool:
        """Whether one of their branches may have moved since the last look."""
        from worktree.seen import ref_stamp

        repository = self.workplace.repository
        stamps = {
            one.branch: ref_stamp(repository, _ref(one.branch)) for one in automations if one.branch
        }
        if stamps == self._stamps and self._asked is not None and now - self._asked < ASK_EVERY_S:
            return False
        self._stamps, self._asked = dict(stamps), now
        return True

    def look(
        self, automations: Sequence[Automation], memory: Memory
    ) -> tuple[tuple[Firing, ...], Memory]:
        """What new commits fire, and what is to be remembered of the branches."""
        fired: list[Firing] = []
        changes: dict[str, Seen] = {}
        for one in automations:
            if one.branch is None:
                continue
            seen, tip = memory.of(one.name), self.workplace.git.read_ref(_ref(one.branch))
            known = seen.tip if seen.branch == one.branch else None
            if seen.branch == one.branch and tip == known:
                continue
            changes[one.name] = seen.model_copy(update={"branch": one.branch, "tip": tip})
            if known and tip and not self._by_orch(known, tip):
                because = f"new commits on {one.branch}: {known[:10]}..{tip[:10]}"
                fired.append(Firing(one.name, "branch", because))
        return tuple(fired), memory.with_seen(changes)

    def _by_orch(self, old: str, new: str) -> bool:
        from worktree.seen import only_by_orch

        return only_by_orch(self.workplace.git, old, new)


def _ref(branch: str) -> str:
    return f"refs/heads/{branch}"
