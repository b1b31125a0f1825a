"""What a person may say to a run: stop, retry, take, submit, allow, reject.

1. Each is one fact, appended whether or not an engine runs; a running one sees it at once.
2. Each reopens a finished run, but for `stop` and `take`: driving it on is the caller's part.
3. What cannot be done is refused before anything is written, with what to type instead; so is
   what somebody else's word, a moment earlier, has made impossible.
4. Nothing is said to a run that was cleaned: what it would be done with is gone.
5. What a person takes or gives is whole: where the result has a head among its ancestors but not
   its change any more, the change is made anew on the result as it is.
(`accept` has a file of its own.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger import events as e
from ledger.model import Limits, TaskId
from ledger.state import IllegalEvent, RunState, TaskState
from ledger.store import Store
from orchestrator.errors import OrchError
from orchestrator.journal import TRIES, Journal
from orchestrator.policy.nearest import nearest
from orchestrator.workplace import Workplace


@dataclass(frozen=True)
class Said:
    """What was recorded, for the person who said it."""

    what: str
    hint: str = ""
    tasks: tuple[TaskId, ...] = ()


def refuse_cleaned(state: RunState) -> None:
    """OrchError where the run's refs are gone."""
    if state.cleaned:
        raise OrchError(
            f"run {state.run} was cleaned: its refs are gone",
            hint="orch run starts anew; orch report tells what it did",
        )


def _open(store: Store, run: str, workplace: Workplace | None = None) -> Journal:
    """The run's journal; with the workplace, it knows which secrets nobody may write into it."""
    from orchestrator.hiding import hiding_of

    journal = Journal.load(store, run)
    refuse_cleaned(journal.state)
    if workplace is not None:
        journal.hiding = hiding_of(workplace, journal.state.started.settings)
    return journal


def _record(journal: Journal, fact: e.Event) -> None:
    """Record a person's word, which holds whatever was written meanwhile, or is refused."""
    _record_decided(journal, lambda _: fact)


def _record_decided(journal: Journal, decide: Callable[[RunState], e.Event]) -> e.Event:
    """The same for a word that depends on where the run stands."""
    try:
        for _ in range(TRIES):
            refuse_cleaned(journal.state)
            fact = decide(journal.state)
            if journal.append_decided(fact):
                return fact
    except IllegalEvent as error:
        raise OrchError(
            f"run {journal.run} went on just now: {error}",
            hint=f"orch status {journal.run}, then say what still makes sense",
        ) from error
    raise OrchError(
        f"run {journal.run}: somebody else writes to it all the time",
        hint="see who with `orch ledger events`",
    )


def request_stop(store: Store, run: str, why: str = "a person asked") -> Said:
    """Ask a run to end in order."""
    journal = _open(store, run)
    if journal.state.finished:
        raise OrchError(f"run {run} has finished already", hint=f"orch status {run}")
    _record(journal, e.StopRequested(why=why))
    return Said(f"run {run} is asked to end", f"orch resume {run} goes on with it")


def change_limits(store: Store, run: str, limits: Limits) -> None:
    """Give a run other limits; nothing is recorded where they are the same."""
    journal = _open(store, run)
    if journal.state.limits != limits:
        _record(journal, e.LimitsChanged(limits=limits))


def retry(
    store: Store, run: str, task_id: TaskId, note: str = "", workplace: Workplace | None = None
) -> Said:
    """Let a task be tried again, with something to say to its worker."""
    journal = _open(store, run, workplace)
    task = find_task(journal.state, task_id)
    if task.status in ("working", "queued", "ready", "waiting"):
        raise OrchError(f"{task_id} is {task.status}: it goes on by itself", hint="orch resume")
    if task.status == "landed":
        raise OrchError(
            f"{task_id} has landed", hint=f"orch reject {task_id} takes it out of the result first"
        )
    if task.status == "skipped":
        _refuse_skipped(journal.state, task_id)
    _record(journal, e.RetryRequested(task=task_id, note=note))
    if journal.state.tasks[task_id].status == "skipped":
        waits, hint = _waits_for(journal.state, task_id)
        return Said(
            f"{task_id} will be tried again once it can: it waits for {waits}", hint, (task_id,)
        )
    return Said(f"{task_id} will be tried again", tasks=(task_id,))


def _refuse_skipped(state: RunState, task_id: TaskId) -> None:
    waits, hint = _waits_for(state, task_id)
    raise OrchError(
        f"{task_id} is skipped: it waits for {waits}, then goes on by itself", hint=hint
    )


def _waits_for(state: RunState, task_id: TaskId) -> tuple[str, str]:
    """What keeps a skipped task from being tried, and what to type about it."""
    roots = [
        need
        for need in with_needs(state, (task_id,))
        if need != task_id and state.tasks[need].status in ("failed", "rejected")
    ]
    words = ", ".join(f"{need} ({state.tasks[need].status})" for need in roots[:5])
    return words or "what has not landed", f"orch retry {roots[0]}" if roots else "orch status"


def allow(
    store: Store, run: str, task_id: TaskId, path: str, workplace: Workplace | None = None
) -> Said:
    """Let a held task change a path that a person must look at: all that was found in it."""
    from worktree.names import quoted

    journal = _open(store, run, workplace)
    task = find_task(journal.state, task_id)
    last = task.last
    held = last.finished.held_paths if last and last.finished else ()
    if task.status != "held" or not held:
        raise OrchError(f"{task_id} is {task.status}: it waits for no path", hint="orch status")
    if path not in held:
        # Names that no ledger can hold as they are were recorded as they are shown.
        path = journal.hiding.text(quoted(path))
    if path not in held:
        raise OrchError(f"{task_id} did not change '{path}'", hint=f"it did: {', '.join(held)}")
    _record(journal, e.PathAllowed(task=task_id, path=path))
    missing = [p for p in held if p not in journal.state.tasks[task_id].allowed]
    if missing:
        return Said(f"{path} is allowed; still to allow: {', '.join(missing)}", tasks=(task_id,))
    return Said(f"{path} is allowed: {task_id} is queued", tasks=(task_id,))


def reject(store: Store, run: str, task_ids: tuple[TaskId, ...]) -> Said:
    """Ask for landed tasks, and what needs them, to be taken out of the result again."""
    journal = _open(store, run)
    fact = _record_decided(journal, lambda state: _rejection(state, task_ids))
    assert isinstance(fact, e.RejectRequested)
    extra = [task_id for task_id in fact.tasks if task_id not in task_ids]
    beside = f" and what needs them: {', '.join(extra)}" if extra else ""
    return Said(f"to be taken out: {', '.join(task_ids)}{beside}", tasks=fact.tasks)


def _rejection(state: RunState, task_ids: tuple[TaskId, ...]) -> e.RejectRequested:
    for task_id in task_ids:
        task = find_task(state, task_id)
        if task.status != "landed":
            raise OrchError(
                f"{task_id} is {task.status}, not landed: there is nothing to take out",
                hint=f"orch show {task_id}",
            )
    return e.RejectRequested(tasks=with_dependents(state, task_ids))


def take(workplace: Workplace, store: Store, run: str, task_id: TaskId) -> Said:
    """Make a branch of a task's last head, for a person to finish by hand."""
    from orchestrator.given import made_anew
    from worktree.git import RefUpdate
    from worktree.names import take_branch

    git = workplace.git
    journal = _open(store, run)
    state = journal.state
    task = find_task(state, task_id)
    attempt = next((a for a in reversed(task.attempts) if a.head), None)
    if attempt is None or attempt.head is None:
        raise OrchError(
            f"{task_id} has no head: no attempt of it has changed anything",
            hint=f"orch show {task_id}",
        )
    ref = take_branch(run, task_id)
    branch = ref.removeprefix("refs/heads/")
    if git.read_ref(ref) is not None:
        raise OrchError(f"the branch {branch} is there already", hint=f"git switch {branch}")
    head = attempt.head
    if task.status != "landed" and git.is_ancestor(head, state.tip):
        head = made_anew(git, state, attempt.started.base, head)
    git.update_refs([RefUpdate(ref, head, None)])
    _record(journal, e.TaskTaken(task=task_id, branch=branch, head=head))
    return Said(
        f"{branch} holds the last head of {task_id}",
        f"git switch {branch}; commit what is missing; then: orch submit {task_id}",
        (task_id,),
    )


def submit(
    workplace: Workplace, store: Store, run: str, task_id: TaskId, revision: str | None = None
) -> Said:
    """Queue a person's head for a task; the gates judge it like any other."""
    from orchestrator.given import made_anew, named, taken_out_since
    from worktree.changes import merge_base
    from worktree.names import take_branch

    git = workplace.git
    journal = _open(store, run)
    state = journal.state
    task = find_task(state, task_id)
    if task.status in ("working", "queued", "landed"):
        raise OrchError(f"{task_id} is {task.status}", hint=f"orch show {task_id}")
    taken = take_branch(run, task_id)
    if revision is None and git.read_ref(taken) is None:
        raise OrchError(
            f"there is no branch {taken.removeprefix('refs/heads/')}",
            hint=f"orch take {task_id}, or say which commit: orch submit {task_id} REVISION",
        )
    given = head = git.resolve(revision or taken)
    base = merge_base(git, head, state.tip)
    if base is None:
        raise OrchError(f"{head[:12]} shares no history with run {run}", hint="git log --graph")
    since = taken_out_since(git, state, task_id, base)
    if since is not None:
        head = made_anew(git, state, since, head)
        base = merge_base(git, head, state.tip) or since
    tree = git.tree_of(head)
    if tree == git.tree_of(base):
        raise OrchError(
            f"{given[:12]} changes nothing that is not in the result", hint="git status"
        )
    number = len(task.attempts) + 1
    with named(git, run, task_id, number, head):
        _record(
            journal,
            e.HeadSubmitted(task=task_id, attempt=number, base=base, head=head, tree=tree),
        )
    return Said(f"{task_id}: {given[:12]} is queued", tasks=(task_id,))


def find_task(state: RunState, task_id: TaskId) -> TaskState:
    """The task of that id; OrchError that names the nearest one."""
    task = state.tasks.get(task_id)
    if task is None:
        near = nearest(task_id, state.tasks)
        hint = f"did you mean {near}?" if near else "orch status names the tasks"
        raise OrchError(f"run {state.run} has no task '{task_id}'", hint=hint)
    return task


def with_dependents(state: RunState, task_ids: tuple[TaskId, ...]) -> tuple[TaskId, ...]:
    """Landed tasks and the landed ones that need them, in the plan's order."""
    chosen, pending = set(task_ids), list(task_ids)
    while pending:
        for task_id in state.dependents[pending.pop()]:
            if task_id not in chosen and state.tasks[task_id].status in ("landed", "unchanged"):
                chosen.add(task_id)
                pending.append(task_id)
    return tuple(t for t in state.tasks if t in chosen and state.tasks[t].status == "landed")


def with_needs(state: RunState, task_ids: tuple[TaskId, ...]) -> tuple[TaskId, ...]:
    """Tasks and all that they need, directly or not, in the plan's order."""
    chosen, pending = set(task_ids), list(task_ids)
    while pending:
        for need in state.tasks[pending.pop()].task.needs:
            if need not in chosen:
                chosen.add(need)
                pending.append(need)
    return tuple(t for t in state.tasks if t in chosen)
