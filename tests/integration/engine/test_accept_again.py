"""Accept, and accept again after the result has gone on: work is told by heads."""

import json

import pytest

from ledger import events as e
from ledger.model import Gate
from ledger.store import Store
from orchestrator import persons
from orchestrator.cleaning import Cleaned, clean
from orchestrator.journal import load_state
from orchestrator.policy.accepted import unaccepted
from orchestrator.policy.selection import Selection
from orchestrator.review.advice import next_steps
from orchestrator.review.report import render_report
from orchestrator.review.verify import verify_run
from tests.integration.engine.test_persons import accepted
from tests.support.builders import head
from tests.support.project import Project, task

WRITE = '[[step]]\nwrite = { "{task}.txt" = "by {task}\\n" }\n'


def cleaned(project: Project, run: str) -> Cleaned:
    with project.store() as store:
        return clean(project.workplace(), store, run)


def rejected(project: Project, run: str, *tasks: str) -> None:
    """Those tasks are taken out of the result."""
    with project.store() as store:
        persons.reject(store, run, tasks)
    state = project.drive(run)
    assert all(state.tasks[task_id].status == "rejected" for task_id in tasks)


def made_anew(project: Project, run: str, task_id: str, text: str) -> None:
    """The task is taken out of the result, and lands again with another content."""
    rejected(project, run, task_id)
    project.does(f'[[step]]\nwrite = {{ "{task_id}.txt" = "{text}" }}\n')
    with project.store() as store:
        persons.retry(store, run, task_id)
    assert project.drive(run).tasks[task_id].landed_head == head(task_id, 2)


def agrees(project: Project, run: str) -> None:
    with project.store() as store:
        workplace = project.workplace()
        found = verify_run(workplace.git, store, workplace.blobs, run)
    assert found.agrees, found.disagreements


def heads_of(project: Project, run: str) -> list[set[e.HeadRef]]:
    """What each recorded accept held."""
    return [set(fact.heads) for fact in project.state(run).accepted]


@pytest.mark.parametrize("first", [False, True], ids=["whole", "squashed"])
@pytest.mark.sample(1)
def test_what_was_accepted_rejected_and_made_anew_is_accepted_by_squash(
    project: Project, first: bool
) -> None:
    project.does(WRITE)
    run = project.run(task("a"), task("b")).run
    accepted(project, run, squash=first)
    assert unaccepted(project.state(run)) == ()
    made_anew(project, run, "a", "better")
    state = project.state(run)
    assert unaccepted(state) == ("a",)
    assert "orch accept" in [step.command for step in next_steps(state, alive=False)]
    assert "Not accepted yet: a" in render_report(state, False, 9.0)
    left = cleaned(project, run).left
    assert left and "landed, not accepted: a" in left[0].why
    before = project.git("rev-parse", "main")
    result = accepted(project, run, squash=True)
    assert (result.outcome, result.tasks) == ("accepted", ("a",)), result
    assert project.git("log", "--format=%P", "-1", "main") == before
    assert project.files("main")["a.txt"] == "better" and project.files("main")["b.txt"] == "by b"
    assert heads_of(project, run) == [{head("a"), head("b")}, {head("a", 2), head("b")}]
    assert "attempt 1 at a (not in the result any more)" in render_report(
        project.state(run), False, 9.0
    )
    assert unaccepted(project.state(run)) == ()
    agrees(project, run)
    assert cleaned(project, run).runs == [run]


@pytest.mark.thorough
def test_the_rest_of_a_selection_comes_without_what_the_branch_has(project: Project) -> None:
    """A person went on with what they took: it is neither brought again nor in the way."""
    project.does(WRITE)
    run = project.run(task("a"), task("b"), task("c", needs=("a",))).run
    result = accepted(project, run, selection=Selection(only=("c",)))
    assert (result.tasks, result.added) == (("a", "c"), ("a",))
    project.commit({"a.txt": "by hand\n"}, "by hand")
    left = cleaned(project, run).left
    assert left and left[0].why == "landed, not accepted: b"
    again = accepted(project, run, selection=Selection(only=("c",)))
    assert again.outcome == "nothing" and "has all of it" in again.why and not again.judged
    result = accepted(project, run)
    assert (result.outcome, result.tasks) == ("accepted", ("b",)), result
    files = project.files("main")
    assert (files["a.txt"], files["b.txt"], files["c.txt"]) == ("by hand", "by b", "by c")
    tip = project.state(run).tip
    assert project.git("log", "--format=%P", "-1", "main").split()[1:] == [tip], "with its history"
    assert heads_of(project, run)[-1] == {head("a"), head("b"), head("c")}
    agrees(project, run)
    assert accepted(project, run).outcome == "nothing"
    assert cleaned(project, run).runs == [run]


def test_what_was_accepted_and_then_rejected_leaves_the_target_with_the_next_accept(
    project: Project,
) -> None:
    project.does(WRITE)
    run = project.run(task("a"), task("b")).run
    accepted(project, run, squash=True)
    rejected(project, run, "a")
    state = project.state(run)
    assert unaccepted(state) == ()
    steps = {step.command: step.why for step in next_steps(state, alive=False)}
    assert steps == {"orch accept": "take a out of main too"}
    assert accepted(project, run, selection=Selection(only=("b",))).outcome == "nothing"
    assert "a.txt" in project.files("main"), "a selection concerns what it names"
    result = accepted(project, run)
    assert (result.outcome, result.tasks, result.taken_out) == ("accepted", (), ("a",)), result
    assert "a.txt" not in project.files("main") and "b.txt" in project.files("main")
    message = project.git("log", "--format=%B", "-1", "main")
    assert message.startswith("Take out a\n") and "Orch-Rejected: a" in message
    assert [step.command for step in next_steps(project.state(run), alive=False)] == ["orch clean"]
    again = accepted(project, run)
    assert (again.outcome, again.taken_out) == ("nothing", ())
    agrees(project, run)
    assert cleaned(project, run).runs == [run]


@pytest.mark.thorough
def test_a_result_of_which_nothing_is_left_is_accepted_too(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    accepted(project, run)
    rejected(project, run, "a")
    result = accepted(project, run)
    assert (result.outcome, result.taken_out, result.judged) == ("accepted", ("a",), False)
    assert "a.txt" not in project.files("main")
    assert cleaned(project, run).runs == [run]


@pytest.mark.thorough
def test_a_target_that_was_put_back_gets_it_again(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a")).run
    before = project.git("rev-parse", "main")
    accepted(project, run, squash=True)
    project.git("reset", "--quiet", "--hard", before)
    result = accepted(project, run, squash=True)
    assert (result.outcome, result.tasks) == ("accepted", ("a",))
    assert project.files("main")["a.txt"] == "by a"


@pytest.mark.thorough
def test_a_branch_that_was_merged_by_hand_brought_what_it_held(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a"), task("b")).run
    accepted(project, run, to="review", selection=Selection(only=("a",)))
    project.commit({"mine.txt": "mine\n"}, "meanwhile")
    project.git("merge", "--quiet", "--no-edit", "review")
    project.commit({"a.txt": "by hand\n"}, "went on")
    result = accepted(project, run, squash=True)
    assert (result.outcome, result.tasks) == ("accepted", ("b",)), result
    assert project.files("main")["a.txt"] == "by hand" and "b.txt" in project.files("main")


@pytest.mark.thorough
def test_a_change_that_a_person_brought_by_themselves_counts_as_accepted(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a"), task("b")).run
    picked = project.commit({"a.txt": "by a\n"}, "picked")
    result = accepted(project, run, selection=Selection(only=("a",)))
    assert result.outcome == "nothing" and "these changes already" in result.why
    (fact,) = project.state(run).accepted
    assert fact.before == fact.commit == picked and fact.heads == (head("a"),)
    assert unaccepted(project.state(run)) == ("b",)
    agrees(project, run)


def test_all_that_the_branch_holds_is_judged_with_what_comes(project: Project) -> None:
    """A gate that a task names judges every tree that holds its work."""
    only_a = Gate(name="only-a", command="test ! -e broken.txt", when="named")
    project.gates = (*project.gates, only_a)
    project.does(WRITE)
    run = project.run(task("a", gates=("only-a",)), task("b")).run
    accepted(project, run, selection=Selection(only=("a",)))
    project.commit({"broken.txt": "mine\n"}, "meanwhile")
    result = accepted(project, run, selection=Selection(only=("b",)))
    assert result.outcome == "red" and result.verdict and result.verdict.gate == "only-a"


@pytest.mark.thorough
def test_a_ledger_that_named_tasks_tells_the_same_of_heads(project: Project) -> None:
    project.does(WRITE)
    run = project.run(task("a"), task("b")).run
    accepted(project, run, squash=True)
    made_anew(project, run, "a", "better")
    old = project.root.parent / "old.sqlite"
    with project.store() as store, Store.open(old) as other:
        rows = []
        for row in store.read(run):
            body, version = row.body, row.version
            if row.kind in ("AcceptIntended", "Accepted"):
                fields = json.loads(body)
                fields["tasks"] = [ref["task"] for ref in fields.pop("heads")]
                body, version = json.dumps(fields), 1
            rows.append((row.kind, version, body))
        other.append(run, 0, rows, 1.0, goal="A goal")
    with Store.open(old) as store:
        state = load_state(store, run)
        workplace = project.workplace()
        assert verify_run(workplace.git, store, workplace.blobs, run).agrees
    assert [set(fact.heads) for fact in state.accepted] == [{head("a"), head("b")}]
    assert unaccepted(state) == ("a",)
