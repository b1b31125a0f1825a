"""What tasks came to in the ledger: by worker, whole, and not known where a part is not."""

from __future__ import annotations

from ledger import events as e
from ledger.events import render_event
from ledger.model import Tokens
from ledger.store import Store
from orchestrator.history import done_by_worker
from orchestrator.policy.spending import Done

RUN = "20261122-a-a1"


def test_a_task_comes_to_all_its_calls_and_its_checker_is_none_of_its_models(store: Store) -> None:
    def call(
        number: int, task: str, tokens: int | None, cost: float | None, by: str = "coder m"
    ) -> list[e.Event]:
        worker, model = by.split()
        who = {"worker": worker, "provider": "p", "model": model, "tokens": 9}
        asked = e.CallReserved.model_validate({"call": number, "task": task, "attempt": 1, **who})
        used = None if tokens is None else Tokens(input=tokens)
        return [asked, e.CallSettled(call=number, tokens=used, cost_usd=cost)]

    def starts(task: str, worker: str) -> e.Event:
        return e.AttemptStarted(task=task, attempt=1, base="b" * 40, worker=worker)

    def ends(task: str, outcome: e.AttemptOutcome = "green") -> e.Event:
        head = "c" * 40 if outcome == "green" else None
        return e.AttemptFinished(task=task, attempt=1, outcome=outcome, head=head)

    facts: list[e.Event] = [
        *(starts("a", "coder"), starts("b", "coder"), starts("c", "other"), starts("d", "coder")),
        *call(1, "a", 100, 0.5),
        *call(2, "a", 20, 0.25, by="checker large"),
        *call(3, "b", 7, 1.0),
        *call(4, "b", 3, None),
        *call(5, "c", 11, 0.0, by="other n"),
        *call(6, "d", 1_000, 9.0),
        *(ends("a"), ends("b"), ends("c", "unchanged"), ends("d", "failed")),
    ]
    store.append(RUN, 0, [render_event(fact) for fact in facts], at=1.0)
    found = done_by_worker(store)
    assert sorted(found["coder"], key=lambda one: one.tokens.total) == [
        Done(Tokens(input=10), None, frozenset({"p:m"})),
        Done(Tokens(input=120), 0.75, frozenset({"p:m"})),
    ]
    assert found["other"] == [Done(Tokens(input=11), 0.0, frozenset({"p:n"}))]
