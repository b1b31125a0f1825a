"""What a person says to a run, recorded: stop, retry, answer, take, submit, allow, reject.

1. Each is one fact, appended whether or not an engine runs; a running one sees it at once.
2. Each reopens a finished run, but for `stop` and `take`: driving it on is the caller's part.
3. `policy.persons` says what cannot be done, before anything is written; it is asked anew where
   somebody else wrote meanwhile.
4. What a person takes or gives is whole: where the result has a head among its ancestors but not
   its change any more, the change is made anew on the result as it is.
5. What an agent says for a person is recorded with its name (`said_by`).
(`accept` has a file of its own.)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from ledger import events as e
from ledger.model import Limits, TaskId
from ledger.state import IllegalEvent, RunState, TaskState
from ledger.store import Store
from orchestrator.errors import OrchError
from orchestrator.journal import TRIES, Journal
from orchestrator.policy import persons as policy
from orchestrator.policy.persons import Refused
from orchestrator.workplace import Workplace

T = TypeVar("T")
F = TypeVar("F", bound=e.Event)


@dataclass(frozen=True)
class Said:
    """What was recorded, for the person who said it."""

    what: str
    hint: str = ""
    tasks: tuple[TaskId, ...] = ()


def agreed(answer: T | Refused) -> T:
    """The answer of a policy; OrchError where it refuses."""
    if isinstance(answer, Refused):
        raise OrchError(answer.why, hint=answer.hint)
    return answer


def refuse_cleaned(state: RunState) -> None:
    """OrchError where the run's refs are gone."""
    agreed(policy.cleaned(state))


def find_task(state: RunState, task_id: TaskId) -> TaskState:
    """The task of that id; OrchError that names the nearest one."""
    return agreed(policy.named(state, task_id))


def _open(store: Store, run: str, workplace: Workplace | None = None) -> Journal:
    """The run's journal; with the workplace, it knows which secrets nobody may write into it."""
    from orchestrator.hiding import hiding_of

    journal = Journal.load(store, run)
    if workplace is not None:
        journal.hiding = hiding_of(workplace, journal.state.started.settings)
    return journal


def _say(journal: Journal, decide: Callable[[RunState], F | Refused]) -> F:
    """Record a person's word, decided on the run as it stands when it is written."""

    def one(state: RunState) -> tuple[F] | Refused:
        fact = decide(state)
        return fact if isinstance(fact, Refused) else (fact,)

    return _say_all(journal, one)[0]


def _say_all(
    journal: Journal, decide: Callable[[RunState], tuple[F, ...] | Refused]
) -> tuple[F, ...]:
    """Record all that a person says at once, or nothing of it."""
    try:
        for _ in range(TRIES):
            facts = agreed(decide(journal.state))
            if journal.append_decided(*facts):
                return facts
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
    _say(Journal.load(store, run), lambda state: policy.stop(state, why))
    return Said(f"run {run} is asked to end", f"orch resume {run} goes on with it")


def change_limits(store: Store, run: str, limits: Limits) -> None:
    """Give a run other limits; nothing is recorded where they are the same."""
    journal = Journal.load(store, run)
    if journal.state.limits != limits:
        _say(journal, lambda state: policy.change_limits(state, limits))


def retry(
    store: Store,
    run: str,
    task_id: TaskId,
    note: str = "",
    workplace: Workplace | None = None,
    said_by: str = "",
) -> Said:
    """Let a task be tried again, with something to say to its worker."""
    journal = _open(store, run, workplace)
    _say(journal, lambda state: policy.retry(state, task_id, note, said_by))
    if journal.state.tasks[task_id].status == "skipped":
        waits, hint = policy.waits_for(journal.state, task_id)
        what = f"{task_id} will be tried again once it can: it waits for {waits}"
        return Said(what, hint, (task_id,))
    return Said(f"{task_id} will be tried again", tasks=(task_id,))


def answer(
    store: Store,
    run: str,
    task_id: TaskId,
    text: str,
    workplace: Workplace | None = None,
    said_by: str = "",
) -> Said:
    """Answer what a task asked; its next attempt is told."""
    journal = _open(store, run, workplace)
    _say(journal, lambda state: policy.answer(state, task_id, text, said_by))
    return Said(f"{task_id} goes on with the answer", tasks=(task_id,))


def allow(
    store: Store, run: str, task_id: TaskId, *paths: str, workplace: Workplace | None = None
) -> Said:
    """Let a held task change paths that hold it, or lose tests: all of what is named, or none."""
    from worktree.names import quoted

    journal = _open(store, run, workplace)
    spelled = {path: journal.hiding.text(quoted(path)) for path in paths}
    facts = _say_all(journal, lambda state: policy.allow_all(state, task_id, spelled))
    missing = policy.still_to_allow(journal.state, task_id)
    still = f"still to allow: {', '.join(missing)}"
    what = f"{', '.join(fact.path for fact in facts)} {'is' if len(facts) == 1 else 'are'} allowed"
    return Said(
        what + (f"; {still}" if missing else f": {task_id} is queued"),
        tasks=(task_id,),
    )


def reject(store: Store, run: str, task_ids: tuple[TaskId, ...]) -> Said:
    """Ask for landed tasks, and what needs them, to be taken out again; say no to held ones."""
    journal = Journal.load(store, run)
    facts = _say_all(journal, lambda state: policy.reject(state, task_ids))
    held = tuple(fact.task for fact in facts if isinstance(fact, e.TaskRejected))
    landed = tuple(t for f in facts if isinstance(f, e.RejectRequested) for t in f.tasks)
    parts = []
    if landed:
        asked = [task_id for task_id in task_ids if task_id in landed]
        extra = [task_id for task_id in landed if task_id not in task_ids]
        beside = f" and what needs them: {', '.join(extra)}" if extra else ""
        parts.append(f"to be taken out: {', '.join(dict.fromkeys(asked))}{beside}")
    if held:
        skipped = policy.skipped_by(journal.state, held)
        beside = f"; skipped, for they need that: {', '.join(skipped)}" if skipped else ""
        parts.append(f"not tried again: {', '.join(held)}{beside}")
    hint = f"what was made stays: orch retry {held[0]}, or orch take {held[0]}" if held else ""
    return Said("; ".join(parts), hint, (*held, *landed))


def take(workplace: Workplace, store: Store, run: str, task_id: TaskId) -> Said:
    """Make a branch of a task's last head, for a person to finish by hand."""
    from orchestrator.given import made_anew
    from worktree.git import RefMoved, RefUpdate
    from worktree.names import take_branch

    git = workplace.git
    journal = Journal.load(store, run)
    state = journal.state
    attempt = agreed(policy.head_to_take(state, task_id))
    ref = take_branch(run, task_id)
    branch = ref.removeprefix("refs/heads/")
    if git.read_ref(ref) is not None:
        raise OrchError(f"the branch {branch} is there already", hint=f"git switch {branch}")
    head = attempt.head
    assert head is not None
    if state.tasks[task_id].status != "landed" and git.is_ancestor(head, state.tip):
        head = made_anew(git, state, attempt.started.base, head)
    git.update_refs([RefUpdate(ref, head, None)])
    try:
        _say(journal, lambda now: policy.take(now, task_id, branch, head))
    except OrchError:
        with suppress(RefMoved):
            git.update_refs([RefUpdate(ref, None, head)])
        raise
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
    journal = Journal.load(store, run)
    state = journal.state
    task = agreed(policy.may_submit(state, task_id))
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
    fact = e.HeadSubmitted(task=task_id, attempt=number, base=base, head=head, tree=tree)
    with named(git, run, task_id, number, head):
        _say(journal, lambda now: policy.cleaned(now) or fact)
    return Said(f"{task_id}: {given[:12]} is queued", tasks=(task_id,))
