"""The fold's part for what leaves a run: heads into branches of the user's, and the end of it all.

1. What is accepted has landed, in the result as it is or as it was: a branch may hold a head that
   was taken out of the result since.
2. A fact that answers the intent before it (the same branch, the same commit) says the same heads.
3. Facts of an older version named tasks (`OF_THEN`): meant are the heads that stood in the result
   when it was intended, or else when it was recorded. Where none stood, none was accepted.
4. After a clean there is nothing left that a fact could be about: only another clean, or a notice.
"""

from __future__ import annotations

from ledger import events as e
from ledger.events import OF_THEN, HeadRef
from ledger.standing import RunState, require


def refuse_after_clean(state: RunState, event: e.Event) -> None:
    """Rule 4."""
    if state.cleaned is not None:
        last_words = isinstance(event, (e.RunCleaned, e.Noticed, e.Notified))
        require(last_words, f"{event.kind} cannot follow: the run was cleaned")


def evolve_accept(state: RunState, event: e.AcceptIntended | e.Accepted) -> None:
    intent = state.accepting
    answers = intent and (intent.target, intent.commit) == (event.target, event.commit)
    said = intent.heads if intent and answers else ()
    if any(ref.attempt == OF_THEN for ref in event.heads):
        event = event.model_copy(update={"heads": said or _heads_of_then(state, event.heads)})
    _check(state, event.heads)
    if isinstance(event, e.AcceptIntended):
        state.accepting = event
        return
    require(not answers or set(said) == set(event.heads), "other heads than were intended")
    state.accepted.append(event)
    state.accepting = None


def _heads_of_then(state: RunState, heads: tuple[HeadRef, ...]) -> tuple[HeadRef, ...]:
    standing = state.landed_heads()
    return tuple(standing[ref.task] for ref in heads if ref.task in standing)


def _check(state: RunState, heads: tuple[HeadRef, ...]) -> None:
    """Rule 1."""
    require(len({ref.task for ref in heads}) == len(heads), "two heads of one task")
    for ref in heads:
        landed = state.attempt(ref).taken_out or state.tasks[ref.task].landed_head == ref
        require(landed, f"attempt {ref.attempt} at {ref.task} has not landed")
