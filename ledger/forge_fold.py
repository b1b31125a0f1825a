"""The fold's part for what left for a remote: it changes nothing of what the run does.

1. A push is known by its branch; the newest of a branch says where it is.
2. An intent is answered by the fact of the same branch.
3. Only what has landed is pushed; a branch may hold a head that was taken out of the result since.
"""

from __future__ import annotations

from ledger import events as e
from ledger.standing import RunState, require

ForgeFact = (
    e.PushIntended | e.Pushed | e.PullRequestIntended | e.PullRequestOpened | e.PullRequestUpdated
)


def evolve_forge(state: RunState, event: ForgeFact) -> None:
    match event:
        case e.PushIntended() | e.Pushed():
            for ref in event.heads:
                landed = state.attempt(ref).taken_out or state.tasks[ref.task].landed_head == ref
                require(landed, f"attempt {ref.attempt} at {ref.task} has not landed")
            if isinstance(event, e.PushIntended):
                state.pushing[event.branch] = event
            else:
                state.pushing.pop(event.branch, None)
                state.pushed.pop(event.branch, None)  # the newest comes last
                state.pushed[event.branch] = event
        case e.PullRequestIntended():
            require(event.branch in state.pushed, f"{event.branch} was not pushed")
        case e.PullRequestOpened():
            require(event.branch in state.pushed, f"{event.branch} was not pushed")
            state.pull_requests[event.branch] = event
        case e.PullRequestUpdated():
            known = state.pull_requests.get(event.branch)
            require(
                known is not None and known.number == event.number,
                f"no pull request {event.number} was opened for {event.branch}",
            )
