"""Runs whose workers are models: real engine, real gateway, real HTTP, a scripted provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ledger import events as e
from ledger.model import (
    BLOCKING_FINDINGS,
    FEWER_TESTS,
    Gate,
    Limits,
    ModelWorkerSettings,
    Price,
    ProviderSettings,
)
from ledger.state import RunState
from orchestrator.journal import Journal, read_facts
from orchestrator.persons import allow, answer, change_limits, retry
from orchestrator.review.advice import next_steps
from orchestrator.review.report import render_report
from orchestrator.review.show import render_task
from orchestrator.review.spent import to_raise_own
from tests.support.project import Project, task
from tests.support.served import served
from workers.gateway import call, pulse

WRITES = """
[[turn]]
task = '^# {task}$'
call = [{{ name = "write", input = {{ path = "{task}.txt", text = "{text}" }} }}]
{more}
[[turn]]
task = '^# {task}$'
call = [{{ name = "finish", input = {{ summary = "I wrote it. It is there." }} }}]
"""
FINISH = '[[turn]]\ncall = [{ name = "finish", input = { summary = "Done. It works." } }]\n'
USAGE = "usage = { input = 1000, output = 100 }\n"
Serve = Callable[..., Any]


def said_of(state: RunState, task_id: str) -> str:
    """How the task's attempts ended, for a failing test to tell."""
    return str([one.finished for one in state.tasks[task_id].attempts])


@pytest.fixture
def serve(project: Project) -> Iterator[Serve]:
    """Have a model work for the project, by this script."""
    with ExitStack() as held:

        def begin(script: str, *, models: tuple[str, ...] = ("m",), **more: Any) -> Any:
            server = held.enter_context(served(script))
            project.environ["SCRIPTED_KEY"] = "sk-real-" + "k3Y" * 9
            project.more_settings = {
                "worker": "coder",
                "workers": {
                    "coder": ModelWorkerSettings(
                        kind="model", models=tuple(f"p:{name}" for name in models)
                    )
                },
                "providers": {
                    "p": ProviderSettings(
                        dialect="openai", url=f"{server.url}/v1", key="SCRIPTED_KEY"
                    )
                },
                "prices": (Price(model="m", input=1.0, output=10.0),),
                **more,
            }
            return server

        yield begin


def test_models_side_by_side_land_and_what_they_cost_is_in_the_ledger(
    project: Project, serve: Serve
) -> None:
    turns = [WRITES.format(task=name, text=name, more=USAGE) for name in "abc"]
    server = serve("".join(turns))
    state = project.run(*(task(name, paths=(f"{name}.txt",)) for name in "abc"))
    assert [one.status for one in state.tasks.values()] == ["landed"] * 3, said_of(state, "a")
    assert {name: project.result(state.run)[f"{name}.txt"] for name in "abc"} == {
        name: name for name in "abc"
    }
    facts = project.facts(state.run)
    reserved = [fact for fact in facts if isinstance(fact, e.CallReserved)]
    settled = [fact for fact in facts if isinstance(fact, e.CallSettled)]
    assert len(reserved) == len(settled) == 6 == state.calls
    assert {fact.call for fact in reserved} == {fact.call for fact in settled}
    assert not state.books.held
    spent = state.books.spent_by()
    assert spent.tokens == sum(fact.tokens.total for fact in settled if fact.tokens)
    assert spent.cost_usd is not None and spent.cost_usd > 3 * (1000 + 10 * 100) / 1e6
    for request in server.requests:
        assert "sk-real" not in str(request.body)
    key = project.environ["SCRIPTED_KEY"]
    assert not any(key in fact.model_dump_json() for fact in facts)


@pytest.mark.thorough
def test_a_provider_that_serves_one_at_a_time_is_asked_one_at_a_time(
    project: Project, serve: Serve
) -> None:
    slow = f"{USAGE}first_byte_s = 0.2"
    serve("".join(WRITES.format(task=name, text=name, more=slow) for name in "abc"))
    provider = project.more_settings["providers"]["p"]
    project.more_settings["providers"] = {"p": provider.model_copy(update={"parallel": 1})}
    state = project.run(*(task(name, paths=(f"{name}.txt",)) for name in "abc"))
    assert [one.status for one in state.tasks.values()] == ["landed"] * 3, said_of(state, "a")
    calls = [f for f in project.facts(state.run) if isinstance(f, e.CallReserved | e.CallSettled)]
    kinds = [fact.kind for fact in calls]
    assert kinds == ["CallReserved", "CallSettled"] * 6, "each was over before the next one left"
    assert {fact.purpose for fact in calls if isinstance(fact, e.CallReserved)} == {"work"}


def test_a_red_check_goes_back_into_the_same_conversation(project: Project, serve: Serve) -> None:
    project.gates = (Gate(name="good", command='grep -q good a.txt || test ! -e a.txt',
                          stage="check"),)  # fmt: skip
    server = serve(
        """
        [[turn]]
        call = [{ name = "write", input = { path = "a.txt", text = "bad" } }]
        [[turn]]
        call = [{ name = "finish", input = { summary = "Done. It works." } }]
        [[turn]]
        when = "`good`"
        call = [{ name = "write", input = { path = "a.txt", text = "good" } }]
        [[turn]]
        call = [{ name = "finish", input = { summary = "Now it works. Really." } }]
        """
    )
    state = project.run(task("a", paths=("a.txt",)))
    assert state.tasks["a"].status == "landed", said_of(state, "a")
    (attempt,) = state.tasks["a"].attempts
    assert len(attempt.rounds) == 2
    assert server.requests[-1].body["messages"][0] == server.requests[0].body["messages"][0]


@pytest.mark.thorough
def test_what_a_model_asks_of_the_gates_counts_for_the_round_too(
    project: Project, serve: Serve
) -> None:
    count = project.root.parent / "count"
    command = f"echo x >> {count}; grep -q good a.txt 2>/dev/null || test ! -e a.txt"
    project.gates = (Gate(name="good", command=command, stage="check"),)
    server = serve(
        """
        [[turn]]
        call = [{ name = "write", input = { path = "a.txt", text = "bad" } }]
        [[turn]]
        call = [{ name = "check", input = {} }]
        [[turn]]
        when = "good"
        call = [{ name = "write", input = { path = "a.txt", text = "good" } }]
        [[turn]]
        call = [{ name = "check", input = {} }]
        [[turn]]
        when = "Passed: good"
        call = [{ name = "finish", input = { summary = "It works. I asked." } }]
        """
    )
    state = project.run(task("a", paths=("a.txt",)))
    assert state.tasks["a"].status == "landed", (said_of(state, "a"), len(server.requests))
    assert len(state.tasks["a"].attempts[0].rounds) == 1
    # The base, two trials; the candidate's tree is that of the round, and known.
    assert count.read_text().count("x") == 3


def test_at_the_runs_budget_it_ends_in_order_and_goes_on_with_more(
    project: Project, serve: Serve
) -> None:
    serve(WRITES.format(task="a", text="a", more="") + WRITES.format(task="b", text="b", more=""))
    tasks = (task("a", paths=("a.txt",)), task("b", needs=["a"], paths=("b.txt",)))
    state = project.run(*tasks, budget_usd=0.000_1)
    assert state.finished is not None
    assert (state.finished.outcome, state.finished.exit_code) == ("budget", 4)
    assert "budget" in state.finished.why
    assert state.tasks["a"].charged == 0
    assert state.books.spent_by().nanos <= 100_000
    with project.store() as store:
        change_limits(store, state.run, Limits(budget_usd=5.0, min_free_gb=0))
    state = project.drive(state.run)
    assert state.finished is not None and state.finished.exit_code == 0
    assert project.result(state.run)["b.txt"] == "b"


def test_a_task_whose_own_budget_is_used_up_is_given_up_and_others_go_on(
    project: Project, serve: Serve
) -> None:
    serve(WRITES.format(task="a", text="a", more="usage = { input = 1000000, output = 0 }")
          + WRITES.format(task="b", text="b", more=""))  # fmt: skip
    tasks = (task("a", paths=("a.txt",)), task("b", paths=("b.txt",)))
    state = project.run(*tasks, task_usd=1.0)
    assert state.tasks["a"].status == "failed", said_of(state, "a")
    assert "budget" in state.tasks["a"].note
    assert state.tasks["b"].status == "landed"
    assert state.finished is not None and state.finished.exit_code == 1


@pytest.mark.thorough
def test_a_call_that_may_cost_too_much_does_not_leave_and_says_what_would_hold_it(
    project: Project, serve: Serve
) -> None:
    server = serve(WRITES.format(task="a", text="a", more=""))
    state = project.run(task("a", paths=("a.txt",)), call_usd=0.001, attempts=1)
    assert state.tasks["a"].status == "failed", said_of(state, "a")
    assert server.requests == []
    (reached,) = [fact for fact in project.facts(state.run) if isinstance(fact, e.BudgetReached)]
    assert reached.scope == "call" and reached.short[0].limit == 0.001
    option, amount = to_raise_own(state, reached).split()
    assert option == "--call-usd"
    with project.store() as store:
        limits = state.limits.model_copy(update={"call_usd": float(amount)})
        change_limits(store, state.run, limits)
        retry(store, state.run, "a")
    state = project.drive(state.run)
    assert state.tasks["a"].status == "landed", said_of(state, "a")


@pytest.mark.thorough
def test_what_an_engine_left_unsettled_is_spent(project: Project, serve: Serve) -> None:
    serve(WRITES.format(task="a", text="a", more=""))
    run = project.start(task("a", paths=("a.txt",)), budget_tokens=5_000_000)
    with project.store() as store:
        journal = Journal.load(store, run)
        journal.append(
            e.EngineStarted(pid=1, host="gone"),
            e.AttemptStarted(
                task="a", attempt=1, base=journal.state.tip, worker="coder", model="p:m"
            ),
            e.CallReserved(
                call=1, task="a", attempt=1, worker="coder", provider="p", model="m", tokens=777
            ),
        )
    state = project.drive(run)
    assert state.tasks["a"].status == "landed", said_of(state, "a")
    assert state.books.spent_by().tokens > 777
    assert state.books.spent_by("a/1").tokens == 777


def test_a_question_waits_for_its_answer_and_nothing_is_used_up(
    project: Project, serve: Serve
) -> None:
    server = serve(
        """
        [[turn]]
        task = "the second one"
        call = [{ name = "write", input = { path = "a.txt", text = "two" } }]
        [[turn]]
        task = "the second one"
        call = [{ name = "finish", input = { summary = "Done. As you said." } }]
        [[turn]]
        call = [{ name = "write", input = { path = "a.txt", text = "one or two" } }]
        [[turn]]
        call = [{ name = "ask", input = { question = "Which one, the first or the second?" } }]
        """
    )
    state = project.run(task("a", paths=("a.txt",)))
    assert state.finished is not None and state.finished.exit_code == 5
    one = state.tasks["a"]
    assert (one.status, one.question) == ("held", "Which one, the first or the second?")
    assert one.charged == 0
    with project.store() as store:
        answer(store, state.run, "a", "take the second one")
    state = project.drive(state.run)
    assert state.tasks["a"].status == "landed", said_of(state, "a")
    assert project.result(state.run)["a.txt"] == "two"
    first_words = str(server.requests[-1].body["messages"][:2])
    assert "Which one" in first_words and "take the second one" in first_words


def test_a_question_stops_neither_the_other_tasks_nor_their_landing(
    project: Project, serve: Serve
) -> None:
    question = """
        [[turn]]
        task = '^# a$'
        call = [{ name = "ask", input = { question = "Which one?" } }]
        """
    slow = "first_byte_s = 0.3\n"
    others = "".join(WRITES.format(task=name, text=name, more=slow) for name in "bcd")
    serve(question + others)
    state = project.run(
        task("a", paths=("a.txt",)),
        task("b", paths=("b.txt",)),
        task("c", needs=("b",), paths=("c.txt",)),
        task("d", needs=("a",), paths=("d.txt",)),
        parallel=1,
    )
    assert state.finished is not None and state.finished.exit_code == 5
    statuses = {name: one.status for name, one in state.tasks.items()}
    assert statuses == {"a": "held", "b": "landed", "c": "landed", "d": "waiting"}, statuses
    assert state.tasks["a"].question == "Which one?" and state.tasks["a"].charged == 0
    with project.store() as store:
        order = [fact for _, _, fact in read_facts(store, state.run)]
    asked = next(
        at for at, f in enumerate(order) if f.kind == "AttemptFinished" and f.cause == "question"
    )
    started = [
        at for at, f in enumerate(order) if f.kind == "AttemptStarted" and f.task in ("b", "c")
    ]
    assert asked < max(started), "they went on while nobody answered"


@pytest.mark.thorough
def test_a_limit_of_the_providers_is_waited_for_and_told(project: Project, serve: Serve) -> None:
    limited = '[[turn]]\nstatus = 429\nheaders = { retry-after = "6" }\nper = "script"\n'
    serve(limited + WRITES.format(task="a", text="a", more=""))
    state = project.run(task("a", paths=("a.txt",)))
    assert state.tasks["a"].status == "landed", said_of(state, "a")
    assert len(state.tasks["a"].attempts) == 1 and not state.pauses
    told = [fact for fact in project.facts(state.run) if isinstance(fact, e.ProviderPaused)]
    assert [fact.until is None for fact in told] == [False, True]
    (attempt,) = state.tasks["a"].attempts
    assert attempt.rounds[0].finished.duration_s < 6, "waiting is not the worker's time"


@pytest.mark.parametrize("status", [401, 500])
@pytest.mark.sample(1)
def test_a_provider_that_does_not_serve_is_not_the_tasks_fault(
    project: Project, serve: Serve, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, "PAUSE_S", 0.02)
    serve(f"[[turn]]\nstatus = {status}\nrepeat = 0\n")
    state = project.run(task("a", paths=("a.txt",)))
    assert state.tasks["a"].charged == 0
    assert state.tasks["a"].status == "held", said_of(state, "a")
    assert state.finished is not None and state.finished.exit_code == 5
    assert state.books.spent_by().tokens == 0


HALF = 'text = "half of an answer"\nchunk_chars = 4\n'
TROUBLES = {
    "refused-key": "status = 401",
    "limited": 'status = 429\nheaders = { retry-after = "1" }',
    "overloaded": 'status = 529\nheaders = { retry-after = "1" }',
    "defect": "status = 500\nrepeat = 3",
    "moved": 'status = 307\nheaders = { location = "http://127.0.0.1:9/v1" }',
    "slow": f"{HALF}first_byte_s = 0.5\nchunk_s = 0.1",
    "reset": f'{HALF}trouble = "reset"\nafter = 2',
    "cut-off": f'{HALF}trouble = "cut"\nafter = 2',
    "garbled": f'{HALF}trouble = "broken"',
    "huge": 'trouble = "huge"\nhuge_mb = 2',
}
THEN_WORKS = """
[[turn]]
task = '^# {name}$'
at = 2
per = "script"
{trouble}
[[turn]]
task = '^# {name}$'
at = 1
repeat = 0
call = [{{ name = "write", input = {{ path = "{name}.txt", text = "{name}" }} }}]
[[turn]]
task = '^# {name}$'
repeat = 0
call = [{{ name = "finish", input = {{ summary = "I wrote it. It is there." }} }}]
"""


@pytest.mark.parametrize(
    "names",
    [
        ("refused-key", "limited", "reset", "garbled"),
        pytest.param(tuple(TROUBLES), marks=pytest.mark.thorough),
    ],
    ids=["some", "all"],
)
def test_whatever_a_provider_does_no_work_is_lost_and_no_attempt_is_used_up(
    project: Project, serve: Serve, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    monkeypatch.setattr(pulse, "ANSWER_BYTES", 1_000_000)
    monkeypatch.setattr(call, "PAUSE_S", 0.02)
    serve("".join(THEN_WORKS.format(name=name, trouble=TROUBLES[name]) for name in names))
    state = project.run(*(task(name, paths=(f"{name}.txt",)) for name in names), parallel=8)
    for name in names:
        one = state.tasks[name]
        assert (one.status, one.charged) == ("landed", 0), (name, said_of(state, name))
        lost = [attempt for attempt in one.attempts[:-1] if attempt.finished]
        assert all(one.finished.trouble for one in lost if one.finished), said_of(state, name)
        waited = name in ("limited", "overloaded", "slow")
        assert len(lost) == (0 if waited else 1), (name, said_of(state, name))
    written = {f"{name}.txt": name for name in names}
    assert {file: project.result(state.run)[file] for file in written} == written


def test_a_model_that_goes_in_circles_is_followed_by_the_next_of_the_ladder(
    project: Project, serve: Serve
) -> None:
    project.gates = (Gate(name="good", command='grep -q good a.txt || test ! -e a.txt',
                          stage="check"),)  # fmt: skip
    server = serve(
        """
        [[turn]]
        model = "strong"
        call = [{ name = "write", input = { path = "a.txt", text = "good" } }]
        [[turn]]
        at = 2
        call = [{ name = "finish", input = { summary = "Done. It works." } }]
        repeat = 0
        [[turn]]
        call = [{ name = "write", input = { path = "a.txt", text = "bad" } }]
        repeat = 0
        """,
        models=("cheap", "strong"),
    )
    state = project.run(task("a", paths=("a.txt",)), attempts=5, rounds=1)
    assert state.tasks["a"].status == "landed", said_of(state, "a")
    asked = [attempt.started.model for attempt in state.tasks["a"].attempts]
    assert asked[0] == "p:cheap" and asked[-1] == "p:strong", asked
    assert len(asked) <= 4
    assert server.requests[-1].body["model"] == "strong"


BLOCKS = """
[[turn]]
system = "You check"
at = 1
per = "script"

[[turn.call]]
name = "judge"

[[turn.call.input.findings]]
path = "a.txt"
line = 1
severity = "blocking"
what = "It says bad."
reproduce = "cat a.txt"

[[turn]]
system = "You check"
call = [{ name = "judge", input = { findings = [] } }]
[[turn]]
when = "It says bad"
call = [{ name = "write", input = { path = "a.txt", text = "good" } }]
[[turn]]
at = 1
call = [{ name = "write", input = { path = "a.txt", text = "bad" } }]
[[turn]]
call = [{ name = "finish", input = { summary = "Done. It works." } }]
repeat = 0
"""


def with_checker(project: Project, **more: Any) -> dict[str, Any]:
    coder = project.more_settings["workers"]["coder"]
    reviewer = ModelWorkerSettings(kind="model", models=("p:other",), prompt="Be strict.")
    return {"workers": {"coder": coder, "reviewer": reviewer}, "checker": "reviewer", **more}


def test_a_checkers_blocking_finding_goes_back_and_its_answer_lands(
    project: Project, serve: Serve
) -> None:
    server = serve(BLOCKS)
    project.more_settings |= with_checker(project)
    state = project.run(task("a", paths=("a.txt",)))
    assert state.tasks["a"].status == "landed", said_of(state, "a")
    assert project.result(state.run)["a.txt"] == "good"
    (attempt,) = state.tasks["a"].attempts
    judged = [one.checked for one in attempt.rounds if one.checked]
    assert [len(one.back) for one in judged] == [1, 0]
    assert {request.body["model"] for request in server.requests} == {"m", "other"}
    checks = [str(one.body) for one in server.requests if one.body["model"] == "other"]
    assert not any("Done. It works." in text for text in checks), "the maker's talk is not shown"
    reserved = [fact for fact in project.facts(state.run) if isinstance(fact, e.CallReserved)]
    assert {(one.worker, one.purpose) for one in reserved} == {
        ("coder", "work"),
        ("reviewer", "check"),
    }


JUDGES = """
[[turn]]
system = "You check"
{how}

[[turn.call]]
name = "judge"

[[turn.call.input.findings]]
path = "a.txt"
line = 1
severity = "blocking"
what = "{what}"
reproduce = "cat a.txt"
"""
WRITES_MORE = """
[[turn]]
at = 1
call = [{ name = "run", input = { command = "date +%s%N >> a.txt" } }]
[[turn]]
when = "blocks it. Mend what it found"
repeat = 0
call = [{ name = "run", input = { command = "date +%s%N >> a.txt" } }]
[[turn]]
call = [{ name = "finish", input = { summary = "Done. It works." } }]
repeat = 0
"""


@pytest.mark.thorough
def test_a_finding_that_comes_back_is_a_circle_and_ends_with_a_person_who_may_let_it_land(
    project: Project, serve: Serve
) -> None:
    server = serve(JUDGES.format(how="repeat = 0", what="It says nothing.") + WRITES_MORE)
    project.more_settings |= with_checker(project)
    state = project.run(task("a", paths=("a.txt",)), attempts=3)
    one = state.tasks["a"]
    assert one.status == "held", said_of(state, "a")
    assert [len(attempt.rounds) for attempt in one.attempts] == [2, 2]
    assert [attempt.finished.cause for attempt in one.attempts if attempt.finished] == [
        *("checker", "checker")
    ]
    assert "what a checker had sent back was found again" in one.note
    second = next(
        str(request.body["messages"])
        for request in server.requests
        if "going in circles" in str(request.body["messages"])
    )
    assert "It says nothing." in second and "To see it: cat a.txt" in second
    assert state.finished is not None and state.finished.exit_code == 5
    assert not state.landings, "no word of the checker's passes in silence"
    with project.store() as store:
        assert allow(store, state.run, "a", BLOCKING_FINDINGS).what == (
            "blocking-findings is allowed: a is queued"
        )
    state = project.drive(state.run)
    assert state.tasks["a"].status == "landed", said_of(state, "a")


def test_what_a_checker_still_blocks_after_its_rounds_waits_for_a_person(
    project: Project, serve: Serve
) -> None:
    first = JUDGES.format(how='at = 1\nper = "script"', what="It is too short.")
    serve(first + JUDGES.format(how="repeat = 0", what="It is too long.") + WRITES_MORE)
    project.more_settings |= with_checker(project)
    state = project.run(task("a", paths=("a.txt",)), check_rounds=1)
    one = state.tasks["a"]
    assert one.status == "held", said_of(state, "a")
    (attempt,) = one.attempts
    assert attempt.finished is not None
    assert (attempt.finished.outcome, attempt.finished.cause) == ("held", "checker")
    assert (len(attempt.rounds), one.charged) == (2, 0), "no attempt is used up"
    assert state.to_allow(one) == (BLOCKING_FINDINGS,)
    assert "a checker blocks it: a.txt:1: It is too long." in one.note
    shown = "\n".join(render_task(state, "a", 0.0))
    assert "blocking: a.txt:1: It is too long." in shown and "to see it: cat a.txt" in shown
    assert "- a.txt:1: It is too long." in render_report(state, False, 1.0)
    steps = [step.command for step in next_steps(state, alive=False)]
    assert "orch allow a blocking-findings" in steps and 'orch retry a --note "..."' in steps
    with project.store() as store:
        allow(store, state.run, "a", BLOCKING_FINDINGS)
    state = project.drive(state.run)
    assert state.tasks["a"].status == "landed", said_of(state, "a")


@pytest.mark.thorough
def test_who_is_asked_about_fewer_tests_hears_the_checker_too(
    project: Project, serve: Serve
) -> None:
    project.commit({"t_1": "", "t_2": ""}, "two tests")
    count = 'echo "$(ls t_* | wc -l) passed in 0.1s"'
    project.gates = (Gate(name="tests", command=count, stage="check"),)
    remove = WRITES_MORE.replace("date +%s%N >> a.txt", "rm -f t_1; echo x > a.txt")
    serve(JUDGES.format(how="repeat = 0", what="It says too little.") + remove)
    project.more_settings |= with_checker(project)
    state = project.run(task("a", paths=("a.txt", "t_1")), rounds=1)
    one = state.tasks["a"]
    assert one.status == "held", said_of(state, "a")
    assert state.to_allow(one) == (FEWER_TESTS, BLOCKING_FINDINGS)
    assert "It says too little." in one.note and "'tests'" in one.note


def test_a_checker_that_cannot_judge_lets_nothing_pass(project: Project, serve: Serve) -> None:
    serve(
        """
        [[turn]]
        model = "other"
        text = "I would rather not say."
        repeat = 0
        """
        + WRITES.format(task="a", text="a", more="")
    )
    project.more_settings |= with_checker(project)
    state = project.run(task("a", paths=("a.txt",)))
    assert state.tasks["a"].status == "held", said_of(state, "a")
    assert "the checker could not judge it" in state.tasks["a"].note


def test_no_word_of_a_checkers_makes_a_red_gate_green(project: Project, serve: Serve) -> None:
    project.gates = (Gate(name="good", command="grep -q good a.txt || test ! -e a.txt"),)
    serve(
        """
        [[turn]]
        model = "other"
        call = [{ name = "judge", input = { findings = [] } }]
        repeat = 0
        """
        + WRITES.format(task="a", text="bad", more="")
    )
    project.more_settings |= with_checker(project)
    state = project.run(task("a", paths=("a.txt",)), attempts=1)
    assert state.tasks["a"].status == "failed", said_of(state, "a")
    assert not state.landings
