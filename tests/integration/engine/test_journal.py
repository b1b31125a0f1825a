"""The journal: facts of several writers, and facts that may not be."""

import pytest

from ledger import events as e
from ledger.state import IllegalEvent
from orchestrator.journal import Journal, load_state
from tests.support.project import Project, task


class Follower:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_facts(self, state, facts) -> None:  # type: ignore[no-untyped-def]
        self.seen += [fact.kind for fact, _ in facts]

    def on_line(self, where: str, text: str) -> None:
        pass


def test_what_somebody_else_wrote_is_folded_and_shown_before_ours(project: Project) -> None:
    run = project.start(task("a"))
    with project.store() as store, project.store() as other:
        mine, theirs = Journal.load(store, run), Journal.load(other, run)
        follower = Follower()
        mine.observers.append(follower)
        theirs.append(e.Noticed(what="theirs"))
        mine.append(e.EngineStarted(pid=1, host="here"))
        assert follower.seen == ["Noticed", "EngineStarted"]
        assert mine.state == load_state(store, run)


def test_a_rival_between_looking_and_writing_costs_another_try(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = project.start(task("a"))
    with project.store() as store, project.store() as other:
        mine, theirs = Journal.load(store, run), Journal.load(other, run)
        follower = Follower()
        mine.observers.append(follower)
        append, rivals = store.append, [e.Noticed(what="just now")]

        def late(*args, **kwargs):  # type: ignore[no-untyped-def]
            if rivals:
                theirs.append(rivals.pop())
            return append(*args, **kwargs)

        monkeypatch.setattr(store, "append", late)
        mine.append(e.EngineStarted(pid=1, host="here"))
        assert follower.seen == ["Noticed", "EngineStarted"]
        assert mine.state == load_state(store, run)
        assert mine.state.engines == 1


def test_an_illegal_fact_reaches_neither_the_ledger_nor_the_state(project: Project) -> None:
    run = project.start(task("a"))
    with project.store() as store:
        journal = Journal.load(store, run)
        before = store.newest(run)
        with pytest.raises(IllegalEvent):
            journal.append(e.EngineStarted(pid=1, host="x"), e.Landed(candidate=7))
        assert store.newest(run) == before
        assert journal.state == load_state(store, run)
        assert journal.state.engines == 0
