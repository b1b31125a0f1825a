"""What a person may say to a run: the fact that it makes, or why it is refused. Pure.

1. Nothing is said to a run that was cleaned: what it would be done with is gone.
2. A word about a task names one of the plan; where there is none, the nearest is offered.
3. `retry`: a task that neither goes on by itself nor has landed. A skipped one waits for what it
   needs, and it is said for what.
4. `allow`: what a held task waits for, a path by the name that was recorded of it; of several all,
   or none.
5. `reject`: landed tasks; with them go the landed ones that need them, directly or not. Held
   tasks: a final no, until `retry`. Their heads stay, and what needs them is skipped.
6. `submit`: a head for a task that nobody works on, and that has neither a queued head nor landed.
7. `take`: the newest head of a task, whatever became of it.
8. `stop`: a run that has not finished.
9. `answer`: a task that is held because it asked something.
10. An agent may say `retry`, `answer` and `stop` for a person, and is recorded as who said it. What
    is held for a person is not an agent's to decide, and what a person rejected stays out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger import events as e
from ledger.model import Limits, Sha, TaskId
from ledger.state import AttemptState, RunState, TaskState
from orchestrator.policy.nearest import nearest

GOES_ON = ("working", "queued", "ready", "waiting")
PERSONS = ("held", "rejected")
"""What only a person lets be tried again."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why something is not done, and what to type instead."""

    why: str
    hint: str


# --- 1, 2. about what -------------------------------------------------------------------------


def cleaned(state: RunState) -> Refused | None:
    """Why nothing can be said to a run that was cleaned; None for any other."""
    if state.cleaned is None:
        return None
    return Refused(
        f"run {state.run} was cleaned: its refs are gone",
        "orch run starts anew; orch report tells what it did",
    )


def named(state: RunState, task_id: TaskId) -> TaskState | Refused:
    """The task of that id."""
    task = state.tasks.get(task_id)
    if task is not None:
        return task
    near = nearest(task_id, state.tasks)
    hint = f"did you mean {near}?" if near else "orch status names the tasks"
    return Refused(f"run {state.run} has no task '{task_id}'", hint)


def _spoken_of(state: RunState, task_id: TaskId) -> TaskState | Refused:
    """The task, of a run to which something can be said."""
    return cleaned(state) or named(state, task_id)


# --- closures ---------------------------------------------------------------------------------


def with_dependents(state: RunState, task_ids: tuple[TaskId, ...]) -> tuple[TaskId, ...]:
    """Landed tasks and the landed ones that need them, in the plan's order."""
    chosen, pending = set(task_ids), list(task_ids)
    while pending:
        for task_id in state.dependents[pending.pop()]:
            # through what is unchanged too: it has nothing in the result, what needs it may have
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


# --- 3. retry ---------------------------------------------------------------------------------


def retry(
    state: RunState, task_id: TaskId, note: str, said_by: str = ""
) -> e.RetryRequested | Refused:
    """Another try, with something to say about it."""
    task = _spoken_of(state, task_id)
    if isinstance(task, Refused):
        return task
    if said_by and task.status in PERSONS:
        return _for_a_person(state, task_id)
    if task.status in GOES_ON:
        return Refused(f"{task_id} is {task.status}: it goes on by itself", "orch resume")
    if task.status == "landed":
        hint = f"orch reject {task_id} takes it out of the result first"
        return Refused(f"{task_id} has landed", hint)
    if task.status == "skipped":
        waits, hint = waits_for(state, task_id)
        why = f"{task_id} is skipped: it waits for {waits}, then goes on by itself"
        return Refused(why, hint)
    return e.RetryRequested(task=task_id, note=note, said_by=said_by)


def _for_a_person(state: RunState, task_id: TaskId) -> Refused:
    """Why an agent does not decide about a held task, or a rejected one."""
    if state.tasks[task_id].status == "rejected":
        why = f"{task_id} was rejected: a person said no, and no agent brings it back"
        return Refused(why, f"a person types: orch retry {task_id} --run {state.run}")
    if state.tasks[task_id].question is not None:
        return Refused(f"{task_id} asks something: it goes on with an answer", f"answer {task_id}")
    why = f"{task_id} is held: a person must decide, and no agent for them"
    return Refused(why, f"a person types: orch show {task_id} --run {state.run}")


def waits_for(state: RunState, task_id: TaskId) -> tuple[str, str]:
    """What keeps a skipped task from being tried, and what to type about it."""
    roots = [
        need
        for need in with_needs(state, (task_id,))
        if need != task_id and state.tasks[need].status in ("failed", "rejected")
    ]
    words = ", ".join(f"{need} ({state.tasks[need].status})" for need in roots[:5])
    return words or "what has not landed", f"orch retry {roots[0]}" if roots else "orch status"


# --- 4. allow ---------------------------------------------------------------------------------


def allow(state: RunState, task_id: TaskId, path: str, as_shown: str) -> e.PathAllowed | Refused:
    """Leave to change a path, as a person spelled it or as it is shown; or to lose tests."""
    task = _spoken_of(state, task_id)
    if isinstance(task, Refused):
        return task
    held = state.to_allow(task)
    if not held:
        return Refused(f"{task_id} is {task.status}: it waits for no path", "orch status")
    # Names that no ledger can hold as they are were recorded as they are shown.
    for spelling in (path, as_shown):
        if spelling in held:
            return e.PathAllowed(task=task_id, path=spelling)
    why = f"{task_id} does not wait for '{as_shown}'"
    return Refused(why, f"it waits for: {', '.join(held)}")


def allow_all(
    state: RunState, task_id: TaskId, paths: Mapping[str, str]
) -> tuple[e.PathAllowed, ...] | Refused:
    """Leave to change all of these paths, each with how it is shown; or for none of them."""
    facts: dict[str, e.PathAllowed] = {}
    for path, as_shown in paths.items():
        fact = allow(state, task_id, path, as_shown)
        if isinstance(fact, Refused):
            return fact
        facts[fact.path] = fact
    allowed = state.tasks[task_id].allowed
    # What is missing last queues the head: whatever were said after it would queue it again.
    new = tuple(fact for fact in facts.values() if fact.path not in allowed)
    return new or tuple(facts.values())[:1]


def answer(
    state: RunState, task_id: TaskId, text: str, said_by: str = ""
) -> e.QuestionAnswered | Refused:
    """The answer to what a task asked."""
    task = _spoken_of(state, task_id)
    if isinstance(task, Refused):
        return task
    if task.question is None:
        asking = [one for one in state.with_status("held") if state.tasks[one].question]
        hint = f"asked: {', '.join(asking)}" if asking else f"orch retry {task_id} --note TEXT"
        return Refused(f"{task_id} is {task.status}: it has asked nothing", hint)
    if not text.strip():
        return Refused("an empty answer says nothing", f"it asked: {task.question}")
    return e.QuestionAnswered(task=task_id, answer=text, said_by=said_by)


def still_to_allow(state: RunState, task_id: TaskId) -> tuple[str, ...]:
    """What holds a task and is not allowed yet."""
    task = state.tasks[task_id]
    return tuple(path for path in state.to_allow(task) if path not in task.allowed)


# --- 5. reject --------------------------------------------------------------------------------


Rejection = e.RejectRequested | e.TaskRejected


def reject(state: RunState, task_ids: tuple[TaskId, ...]) -> tuple[Rejection, ...] | Refused:
    """Landed tasks, and what needs them, out of the result again; a final no to held ones."""
    for task_id in task_ids:
        task = _spoken_of(state, task_id)
        if isinstance(task, Refused):
            return task
        if task.status not in ("landed", "held"):
            why = f"{task_id} is {task.status}: only what has landed or is held can be rejected"
            return Refused(why, f"orch show {task_id}")
    held = [t for t in dict.fromkeys(task_ids) if state.tasks[t].status == "held"]
    landed = with_dependents(state, tuple(t for t in task_ids if t not in held))
    return (
        *(e.TaskRejected(task=task_id) for task_id in held),
        *((e.RejectRequested(tasks=landed),) if landed else ()),
    )


def skipped_by(state: RunState, task_ids: tuple[TaskId, ...]) -> tuple[TaskId, ...]:
    """What is skipped because it needs one of these tasks, directly or not, in the plan's order."""
    asked = set(task_ids)
    return tuple(t for t in state.with_status("skipped") if asked & set(with_needs(state, (t,))))


# --- 6, 7. heads ------------------------------------------------------------------------------


def may_submit(state: RunState, task_id: TaskId) -> TaskState | Refused:
    """The task, where a person may give a head for it."""
    task = _spoken_of(state, task_id)
    if isinstance(task, TaskState) and task.status in ("working", "queued", "landed"):
        return Refused(f"{task_id} is {task.status}", f"orch show {task_id}")
    return task


def head_to_take(state: RunState, task_id: TaskId) -> AttemptState | Refused:
    """The attempt whose head a person would go on with."""
    task = _spoken_of(state, task_id)
    if isinstance(task, Refused):
        return task
    newest = next((attempt for attempt in reversed(task.attempts) if attempt.head), None)
    why = f"{task_id} has no head: no attempt of it has changed anything"
    return newest or Refused(why, f"orch show {task_id}")


def take(state: RunState, task_id: TaskId, branch: str, head: Sha) -> e.TaskTaken | Refused:
    """A task's head as a branch."""
    task = _spoken_of(state, task_id)
    if isinstance(task, Refused):
        return task
    return e.TaskTaken(task=task_id, branch=branch, head=head)


# --- 8. the run -------------------------------------------------------------------------------


def stop(state: RunState, why: str) -> e.StopRequested | Refused:
    """The run is to end in order."""
    if state.finished and not state.cleaned:
        return Refused(f"run {state.run} has finished already", f"orch status {state.run}")
    return cleaned(state) or e.StopRequested(why=why)


def change_limits(state: RunState, limits: Limits) -> e.LimitsChanged | Refused:
    """Other limits from now on."""
    return cleaned(state) or e.LimitsChanged(limits=limits)
