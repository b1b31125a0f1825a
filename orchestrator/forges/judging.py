"""What is pushed was judged here, or is judged first.

A run that came in from another machine brings verdicts that only its file tells of. Whoever pushes
gives other machines, and other people, this one's word for them: so the gates run once more, on
the result as it is, where none of this machine has passed its tree.
"""

from __future__ import annotations

from functools import partial

import anyio

from ledger.events import HeadRef
from ledger.model import Sha, Verdict
from orchestrator.errors import OrchError
from orchestrator.journal import Journal
from orchestrator.offer import judge, judged_here
from orchestrator.policy.selection import Difference
from orchestrator.review.words import foreign, short
from orchestrator.scene import open_scene
from orchestrator.workplace import Workplace
from worktree.candidate import Candidate


def require_judged(
    workplace: Workplace, journal: Journal, made: Candidate, holds: tuple[HeadRef, ...]
) -> None:
    """Return where gates of this machine passed the tree; OrchError where one does not.

    Blocking, and in no event loop; whoever calls holds the run's lock.
    """
    if judged_here(journal, holds, made.tree):
        return
    red = anyio.run(partial(_judged, workplace, journal, made, holds))
    if red is not None:
        raise OrchError(
            f"{short(made.commit)} is not pushed: gate '{red.gate}' is not green on it here, "
            f"whatever another machine said of it: {foreign(red.why)}",
            hint=f"orch show {journal.run} tells what landed; orch reject takes a task out of it",
            exit_code=1,
        )


async def _judged(
    workplace: Workplace, journal: Journal, made: Candidate, holds: tuple[HeadRef, ...]
) -> Verdict | None:
    base: Sha = journal.state.started.base
    scene = open_scene(workplace, journal, lambda: None)
    try:
        red, _ = await judge(scene, base, Difference((), (), holds), made)
        return red
    finally:
        with anyio.CancelScope(shield=True):
            await scene.close()
