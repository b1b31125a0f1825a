"""Measure, run, measure again: with a real repository, real runs and a codemod as the worker."""

import pytest

from ledger import events as e
from ledger.connectors import NotifySettings
from ledger.store import Store
from orchestrator.errors import OrchError
from orchestrator.journal import Journal
from tests.integration.automations.support import Automated
from tests.support.sandboxed import needs_sandbox


def test_it_goes_round_until_the_measure_holds(automated: Automated) -> None:
    project = automated.project
    before = project.git("rev-parse", "main"), project.git("status", "--porcelain")
    assert automated.fire() == 0
    assert automated.values == [0, 1, 2, 3] and automated.outcome == "holds"
    runs = automated.runs()
    assert len(runs) == 3 and automated.firing.runs == tuple(runs)
    assert sorted(project.result(runs[-1])) == [
        *("covered/0.txt", "covered/1.txt", "covered/2.txt", "readme", "test.sh")
    ], "each round starts from what the one before made"
    for run in runs:
        started = project.state(run).started
        assert (started.automation, started.unattended, started.target) == ("cover", True, "main")
    assert (project.git("rev-parse", "main"), project.git("status", "--porcelain")) == before
    assert len(project.git("worktree", "list").splitlines()) == 1
    assert automated.heard("covered is 1 after round 1, 2 to go")


def test_where_it_holds_already_nothing_is_run(automated: Automated) -> None:
    automated.project.commit({f"covered/{n}.txt": "x" for n in range(3)}, "covered")
    assert automated.fire() == 0
    assert automated.outcome == "holds" and automated.runs() == []


@pytest.mark.parametrize("worker", ["true", "date +%N > other.txt"], ids=["nothing", "other"])
def test_a_round_that_brings_nothing_is_the_last(automated: Automated, worker: str) -> None:
    automated.worker = worker
    assert automated.fire() == 1
    assert automated.outcome == "no-gain" and len(automated.runs()) == 1


def test_it_goes_round_no_more_often_than_it_may(automated: Automated) -> None:
    assert automated.fire(max_rounds=1) == 1
    assert automated.outcome == "max-rounds" and automated.values == [0, 1]


def test_the_rounds_share_one_budget(automated: Automated) -> None:
    """Each run may spend what is left; a round that nothing is left for does not begin."""

    def spends(store: Store, run: str) -> None:
        journal = Journal.load(store, run)
        (task,) = journal.state.tasks
        call = {"call": 1, "task": task, "attempt": 1, "worker": "m", "provider": "p", "model": "m"}
        journal.append(
            e.CallReserved.model_validate({**call, "tokens": 100, "cost_usd": 1.5}),
            e.CallSettled.model_validate({"call": 1, "tokens": {"input": 60}, "cost_usd": 1.0}),
        )

    assert automated.fire(budget_usd=2.0, budget_tokens=1000, driven=spends) == 4
    assert automated.outcome == "budget" and automated.values == [0, 1, 2]
    limits = [automated.project.state(run).limits for run in automated.runs()]
    assert [one.budget_usd for one in limits] == [2.0, 1.0]
    assert [one.budget_tokens for one in limits] == [1000, 940]
    # The next day's budget counts what all runs of the repository came to.
    automated.more = {"daily_usd": 2.0}
    assert automated.fire() == 0
    assert automated.state.skipped and automated.state.skipped.reason == "budget"
    assert automated.heard("what a day may cost is spent: $2.00 of $2.00")
    automated.more = {"daily_usd": 2.5}
    assert automated.fire(budget_usd=2.0, max_rounds=1) == 1
    assert automated.project.state(automated.runs()[-1]).limits.budget_usd == 0.5


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo all is well", "says no number: the last line that it printed is 'all is well'"),
        ("true", "says no number: it printed nothing"),
        ("echo 7 >&2", "says no number: it printed nothing"),
        ("echo oh no >&2; exit 3", "exits with 3: oh no"),
        ("echo 7; exit 1", "exits with 1"),
        ("echo 0; exit 1", "exits with 1"),  # as grep -c does
        ("no-such-tool --total", "not found"),
    ],
)
def test_a_measure_without_a_number_is_a_clear_error_and_blames_nobody(
    automated: Automated, command: str, words: str
) -> None:
    with pytest.raises(OrchError) as raised:
        automated.fire(measure={"covered": command})
    assert words in raised.value.message and "automation 'cover'" in raised.value.message
    assert command in raised.value.hint and raised.value.exit_code == 2
    assert automated.outcome == "not-measured" and automated.runs() == []
    if "; exit 1" in command:
        assert "|| true" in raised.value.hint


@needs_sandbox
def test_a_measure_is_confined_as_gates_are(automated: Automated) -> None:
    automated.project.sandbox = "bubblewrap"
    out = automated.folder / "out"
    out.mkdir()
    command = f"touch {out}/escaped 2>/dev/null; ls {out} 2>/dev/null | wc -l"
    automated.project.commit({"covered/0.txt": "x"}, "one")
    assert automated.fire(until="covered == 0", measure={"covered": command}) == 0
    assert automated.values == [0] and not list(out.iterdir())
    mine = "ls covered | wc -l"
    assert automated.fire(until="covered == 1", measure={"covered": mine}) == 0
    assert automated.values == [1], "the commit's files are there"


def test_after_a_measure_that_failed_it_can_be_fired_again(automated: Automated) -> None:
    broken = "test -d covered && echo none || echo 0"
    heard = automated.folder / "heard"
    automated.more = {"notify": NotifySettings(command=f"cat > {heard}", when="trouble")}
    with pytest.raises(OrchError, match="says no number"):
        automated.fire(measure={"covered": broken}, on_end=["push", "notify"])
    (run,) = automated.runs()
    taken = [(one.action, one.run) for one in automated.firing.actions]
    assert taken == [("push", run), ("notify", run)], "what has landed is not left lying"
    state = automated.project.state(run)
    assert state.with_status("landed") and not state.blamed, "the work is not to blame"
    assert automated.fire(until="covered >= 1") == 0 and automated.outcome == "holds"


@pytest.mark.thorough
def test_a_list_of_items_is_made_anew_from_each_result(automated: Automated) -> None:
    automated.project.commit({"a.txt": "TODO\n", "b.txt": "TODO\nTODO\n"}, "work")
    automated.worker = (
        """for f in $(cat "$ORCH_PATHS_FILE"); do sed -i '0,/TODO/s/TODO/done/' "$f"; done"""
    )
    code = automated.fire(
        goal=None,
        for_each="grep -l TODO *.txt || true",
        until="todos == 0",
        measure={"todos": "cat *.txt | grep -c TODO || true"},
    )
    assert code == 0 and automated.values == [3, 1, 0]
    tasks = [[t.id for t in automated.project.state(run).plan.tasks] for run in automated.runs()]
    assert tasks == [["a", "b"], ["b"]]
    goals = {automated.project.state(run).plan.goal for run in automated.runs()}
    assert goals == {automated.firing.started.automation.name}, "it says no other"
    # And where nothing is to be done, nothing is run.
    automated.project.git("merge", "--quiet", f"orch/{automated.runs()[-1]}/result")
    assert automated.fire(goal="Do it", for_each="grep -l TODO *.txt || true", until=None) == 0
    assert automated.heard("nothing to do: its for_each lists nothing")
