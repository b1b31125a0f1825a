"""Judge the user's checkout by its gates, as a run would, but outside any run.

1. What is judged is what a commit of the checkout would hold now: the commit it is on, changed
   files as they are, new files that nothing ignores. The checkout, its index and its refs stay
   as they are.
2. It is judged in a fresh workspace, as in a run. So a pass means that a run's baseline on that
   very tree passes too: the verdicts are kept, and a run uses them again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ledger.events import RunStarted
from ledger.model import Gate, Identity, Plan, Settings, Sha, Task, Verdict
from ledger.store import Store, VerdictRow
from orchestrator.patience import patiently
from orchestrator.verification.tools import platform_key
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    from orchestrator.verification.gates import Judge

GIT_THREADS = 2


@dataclass(frozen=True)
class Snapshot:
    """What a commit of the checkout would hold now."""

    commit: Sha
    tree: Sha
    changed: int
    """Files that differ from the commit that the checkout is on."""


def snapshot(workplace: Workplace, *, leave_out: str = "") -> Snapshot:
    """The checkout's content as a commit that nothing refers to.

    `leave_out`: a folder that is taken as the commit has it, whatever is there now.
    """
    from worktree.git import Person
    from worktree.user import dirty_paths, in_checkout

    git, user = workplace.git, workplace.user
    head = git.resolve("HEAD")
    new = in_checkout(
        workplace.repository,
        user,
        "ls-files",
        "-z",
        "--others",
        "--exclude-standard",
        "--full-name",
    ).out.decode("utf-8", "surrogateescape")
    paths = (
        *dirty_paths(workplace.repository, user),
        *(path for path in new.split("\0") if path and not path.endswith("/")),
    )
    if leave_out:
        paths = tuple(path for path in paths if not path.startswith(f"{leave_out}/"))
    if not paths:
        return Snapshot(head, git.tree_of(head), 0)
    with tempfile.TemporaryDirectory(prefix="orch-index-") as folder:
        index = Path(folder) / "index"
        git.run("read-tree", head, index=index)
        named = b"".join(p.encode("utf-8", "surrogateescape") + b"\0" for p in paths)
        how = ("--add", "--remove", "--replace", "-z", "--stdin")
        # From the top: below it, in .git for one, the paths would mean something else.
        top = {"tree": workplace.checkout, "folder": workplace.checkout}
        git.run("update-index", *how, **top, index=index, stdin=named)
        tree = git.run("write-tree", index=index).decode().strip()
    who = Person(user.name or "orch", user.email or "orch@localhost")
    return Snapshot(git.commit_tree(tree, (head,), "The checkout", who), tree, len(paths))


async def judge_checkout(
    workplace: Workplace,
    store: Store | None,
    settings: Settings,
    gates: Sequence[Gate],
    content: Snapshot,
    *,
    fresh: bool = False,
    until_red: bool = False,
    on_start: Callable[[Gate], None],
    on_line: Callable[[str], None],
    on_verdict: Callable[[Verdict], None],
    on_wait: Callable[[str], None],
    on_notice: Callable[[str, str], None] | None = None,
) -> tuple[Verdict, ...]:
    """What each gate says, one after the other, all of them; with a store they are kept.

    `until_red`: as a baseline asks, which does not take a red for granted that is only known; and
    no further than to the first that is not green. `on_wait` is told what orch itself does where
    that takes a while.
    """
    from orchestrator.sandboxing import require_sandbox

    require_sandbox(settings.sandbox)
    judge = judge_of(workplace, store, settings, content, on_notice)
    name, pool, sandboxes = judge.started.run, judge.pool, judge.sandboxes
    verdicts: list[Verdict] = []
    try:
        with tempfile.TemporaryDirectory(prefix="orch-gate-") as logs:
            async with judge.bench(content.commit, content.tree, mark=f"{name}/checkout") as bench:
                for gate in gates:
                    on_start(gate)
                    log = Path(logs) / f"{gate.name}.log"
                    verdict = await bench.judge(
                        gate, log=log, fresh=fresh, on_line=on_line, reuse_failed=not until_red
                    )
                    verdicts.append(verdict)
                    on_verdict(verdict)
                    if until_red and verdict.outcome != "passed":
                        break
    finally:
        with anyio.CancelScope(shield=True):
            remove = partial(anyio.to_thread.run_sync, pool.remove_all)
            await patiently(remove, "removing the workspace", on_wait)
            sandboxes.sweep(everywhere=False)
    if store:
        _keep(store, name, verdicts)
    return tuple(verdicts)


def judge_of(
    workplace: Workplace,
    store: Store | None,
    settings: Settings,
    content: Snapshot,
    on_notice: Callable[[str, str], None] | None = None,
) -> Judge:
    """Who judges that content outside any run; nothing is made yet."""
    from orchestrator.sandboxing import Sandboxes, unheard
    from orchestrator.verification.gates import Judge
    from worktree.workspace import Pool

    name = f"checkout-{time.time_ns():x}"
    root = workplace.workspaces(settings.workspaces) / name

    def known(key: str) -> Verdict | None:
        body = store.verdict(key) if store else None
        return Verdict.model_validate_json(body) if body else None

    notice = on_notice or unheard
    return Judge(
        workplace=workplace,
        pool=Pool(workplace.git, root, f"orch-{name}-gate", settings.preparation.keep),
        started=as_if_started(workplace, settings, content, name),
        known=known,
        git_threads=anyio.CapacityLimiter(GIT_THREADS),
        sandboxes=Sandboxes(workplace.git, settings.sandbox, workplace.environ, name, notice),
    )


def as_if_started(
    workplace: Workplace, settings: Settings, content: Snapshot, name: str
) -> RunStarted:
    """What judging needs to know of a run: equal settings make equal keys of verdicts."""
    return RunStarted(
        run=name,
        plan=Plan(goal="the checkout", tasks=(Task(id="checkout", prompt="nothing"),)),
        settings=settings,
        base=content.commit,
        base_tree=content.tree,
        identity=Identity(name="orch", email="orch@localhost"),
        platform=platform_key(workplace.environ, settings),
    )


def _keep(store: Store, name: str, verdicts: Sequence[Verdict]) -> None:
    rows = [
        VerdictRow(v.key, v.tree, v.gate, v.outcome, v.model_dump_json(exclude_defaults=True))
        for v in verdicts
        if v.outcome != "could-not-run" and not v.reused
    ]
    store.append(name, 0, (), time.time(), rows)
