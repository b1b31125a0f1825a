"""What happens to tasks, told end to end: real git, real processes, a real ledger."""

import subprocess

import pytest

from ledger.model import Gate
from tests.support.project import Project, kinds, task

WRITE = """
[[step]]
write = { "{task}.txt" = "by {task}\\n" }
"""


def test_a_task_lands_and_the_users_checkout_is_as_it_was(project: Project) -> None:
    project.does(WRITE)
    before = project.git("rev-parse", "HEAD"), project.git("status", "--porcelain")
    state = project.run(task("a"))
    assert state.finished and state.finished.outcome == "complete"
    assert state.finished.exit_code == 0
    assert project.result(state.run)["a.txt"] == "by a"
    assert (project.git("rev-parse", "HEAD"), project.git("status", "--porcelain")) == before
    assert not (project.root / "a.txt").exists()


def test_nothing_of_a_run_is_left_but_what_the_ledger_names(project: Project) -> None:
    project.does(WRITE)
    state = project.run(task("a"), task("b"))
    assert len(project.git("worktree", "list").splitlines()) == 1
    assert not [p for p in (project.root.parent / "state").rglob("*") if p.is_file()]
    refs = project.git("for-each-ref", "--format=%(refname)").splitlines()
    run = state.run
    assert sorted(refs) == [
        "refs/heads/main",
        f"refs/heads/orch/{run}/result",
        f"refs/orch/{run}/attempt/a/1",
        f"refs/orch/{run}/attempt/b/1",
        f"refs/orch/{run}/tip",
    ]


def test_a_task_starts_when_its_needs_have_landed(project: Project) -> None:
    project.does(
        """
        [[step]]
        task = "a"
        write = { "a.txt" = "one" }
        [[step]]
        task = "b"
        replace = { "a.txt" = ["one", "two"] }
        """
    )
    state = project.run(task("a"), task("b", needs=("a",), paths=("a*",)))
    assert project.result(state.run)["a.txt"] == "two"
    assert [ref.task for landing in state.landings for ref in landing.heads] == ["a", "b"]


def test_every_value_of_the_result_is_one_judged_commit(project: Project) -> None:
    project.does(WRITE)
    state = project.run(task("a"), task("b"), task("c", needs=("a", "b")))
    chain = project.git("log", "--first-parent", "--format=%T", f"orch/{state.run}/result")
    trees = chain.splitlines()[:-1]
    assert len(trees) == len(state.landings)
    for tree in trees:
        assert state.trees[tree].passed
    merge = project.git("log", "-1", "--format=%P", f"orch/{state.run}/result").split()
    assert merge[0] == state.landings[-1].before


def test_a_red_check_goes_back_into_the_same_workspace(project: Project) -> None:
    project.gates = (Gate(name="lint", command="! grep -r bad *.txt", stage="check"),)
    project.does(
        """
        [[step]]
        round = 1
        write = { "a.txt" = "bad" }
        [[step]]
        if_feedback = "lint"
        replace = { "a.txt" = ["bad", "good"] }
        """
    )
    state = project.run(task("a"))
    rounds = state.tasks["a"].attempts[0].rounds
    assert [[v.outcome for v in r.verdicts] for r in rounds] == [["failed"], ["passed"]]
    assert project.result(state.run)["a.txt"] == "good"


def test_a_red_land_gate_goes_back_with_its_change_and_the_output(project: Project) -> None:
    project.commit({"test.sh": "cat *.txt 2>/dev/null; ! grep -q broken *.txt\n"}, "a gate")
    project.does(
        """
        [[step]]
        attempt = 1
        write = { "a.txt" = "broken" }
        [[step]]
        attempt = 2
        if_feedback = "tests"
        replace = { "a.txt" = ["broken", "mended"] }
        """
    )
    state = project.run(task("a"))
    attempts = state.tasks["a"].attempts
    assert attempts[0].sent_back and attempts[0].sent_back.cause == "red"
    assert attempts[1].prepared and attempts[1].prepared.reapplied == "clean"
    assert project.result(state.run)["a.txt"] == "mended"
    judged = [c.judged.outcome for c in state.candidates.values() if c.judged]
    assert judged[-1] == "passed"
    red = [v for c in state.candidates.values() for v in c.verdicts if v.outcome == "failed"]
    assert len([v for v in red if not v.reused]) == 2, "a blaming red is confirmed once"


RED_TOGETHER = """
[[step]]
task = "rename"
write = { "name.txt" = "new" }
[[step]]
task = "caller"
attempt = 1
sleep_s = 0.5
write = { "caller.txt" = "old" }
[[step]]
task = "caller"
if_feedback = "rename"
write = { "caller.txt" = "new" }
"""


def test_green_alone_and_red_together_is_caught_and_repaired(project: Project) -> None:
    project.commit(
        {
            "name.txt": "old\n",
            "test.sh": 'test ! -e caller.txt || test "$(cat caller.txt)" = "$(cat name.txt)"\n',
        },
        "a gate",
    )
    project.does(RED_TOGETHER)
    rename = task("rename", paths=("name.txt",))
    state = project.run(rename, task("caller", paths=("caller.txt",)))
    assert state.finished and state.finished.exit_code == 0
    result = project.result(state.run)
    assert result["caller.txt"] == result["name.txt"] == "new"
    assert len(state.tasks["caller"].attempts) == 2
    assert len(state.tasks["rename"].attempts) == 1


def test_a_task_is_given_up_and_what_needs_it_is_skipped_but_the_rest_lands(
    project: Project,
) -> None:
    project.does(
        """
        [[step]]
        task = "bad"
        print = "cannot"
        exit = 3
        [[step]]
        write = { "{task}.txt" = "x" }
        """
    )
    state = project.run(task("bad"), task("after", needs=("bad",)), task("good"), attempts=2)
    assert state.finished and state.finished.exit_code == 1
    assert {t: s.status for t, s in state.tasks.items()} == {
        "bad": "failed",
        "after": "skipped",
        "good": "landed",
    }
    assert len(state.tasks["bad"].attempts) == 2
    assert "cannot" in state.tasks["bad"].note


def test_no_change_is_a_success_that_lets_dependants_start(project: Project) -> None:
    project.does('[[step]]\ntask = "b"\nwrite = { "b.txt" = "x" }\n')
    state = project.run(task("a"), task("b", needs=("a",)))
    assert state.tasks["a"].status == "unchanged"
    assert state.tasks["b"].status == "landed"
    assert state.finished and state.finished.exit_code == 0


def test_a_change_outside_the_paths_is_fed_back_and_fails_where_it_stays(project: Project) -> None:
    project.does(
        """
        [[step]]
        task = "a"
        round = 1
        write = { "a.txt" = "x", "other.txt" = "y" }
        [[step]]
        task = "a"
        if_feedback = "other.txt"
        delete = ["other.txt"]
        [[step]]
        task = "b"
        write = { "stray.txt" = "y" }
        """
    )
    state = project.run(task("a"), task("b"), attempts=1, rounds=2)
    assert state.tasks["a"].status == "landed"
    assert "other.txt" not in project.result(state.run)
    last = state.tasks["b"].attempts[-1]
    assert last.finished and last.finished.cause == "outside"
    assert "stray.txt" not in project.result(state.run)


def test_a_conflict_with_what_landed_uses_up_no_attempt(project: Project) -> None:
    project.commit({"shared.txt": "a\n"}, "shared")
    project.does(
        """
        [[step]]
        task = "first"
        write = { "shared.txt" = "first\\n" }
        [[step]]
        task = "second"
        attempt = 1
        sleep_s = 0.6
        write = { "shared.txt" = "second\\n" }
        [[step]]
        task = "second"
        if_feedback = "shared.txt"
        write = { "shared.txt" = "first and second\\n" }
        """
    )
    state = project.run(task("first", paths=()), task("second", paths=()), attempts=1)
    assert state.finished and state.finished.exit_code == 0
    assert project.result(state.run)["shared.txt"] == "first and second"
    back = state.tasks["second"].attempts[0].sent_back
    assert back and back.cause == "conflict" and not back.charged


def test_a_flaky_gate_blames_nobody_and_is_said(project: Project) -> None:
    flag = project.root.parent / "flag"
    command = f"test ! -e a.txt || test -e {flag} || {{ touch {flag}; false; }}"
    project.gates = (Gate(name="flaky", command=command),)
    project.does(WRITE)
    state = project.run(task("a"))
    assert state.tasks["a"].status == "landed"
    assert len(state.tasks["a"].attempts) == 1
    assert [flake.gate for flake in state.flakes] == ["flaky"]


def test_a_gate_that_cannot_run_on_a_head_holds_it_and_blames_nobody(project: Project) -> None:
    project.gates = (Gate(name="tool", command="test ! -e a.txt || no-such-program-at-all"),)
    project.does(WRITE)
    state = project.run(task("a"), task("b"))
    assert state.tasks["a"].status == "held"
    assert state.tasks["a"].charged == 0
    assert state.tasks["b"].status == "landed"
    assert state.finished and state.finished.exit_code == 5


def test_a_red_base_stops_the_run_and_loses_nothing(project: Project) -> None:
    project.commit({"test.sh": "exit 1\n"}, "a red gate")
    project.does("[[step]]\nsleep_s = 1\n" + WRITE.strip().removeprefix("[[step]]\n"))
    state = project.run(task("a"))
    assert state.finished and state.finished.outcome == "red-base"
    assert state.finished.exit_code == 5
    assert not state.landings


def test_a_red_base_may_be_allowed_and_is_advisory_then(project: Project) -> None:
    from orchestrator.start import RunOptions

    project.commit({"test.sh": "exit 1\n"}, "a red gate")
    project.does(WRITE)
    state = project.run(task("a"), options=RunOptions(allow_red_base=True))
    assert state.baseline == "advisory"
    assert state.tasks["a"].status == "landed"


def test_a_worker_that_never_ends_is_ended(project: Project) -> None:
    project.does("[[step]]\nsleep_s = 60\n")
    state = project.run(task("a"), attempts=1, timeout_s=0.5)
    last = state.tasks["a"].attempts[-1]
    assert last.finished and last.finished.cause == "timeout"


def test_protected_content_is_held_until_a_person_allows_it(project: Project) -> None:
    from orchestrator import persons

    project.does('[[step]]\nwrite = { "a.txt" = "x", "conftest.py" = "x = 1\\n" }\n')
    state = project.run(task("a", paths=("*",)))
    assert state.tasks["a"].status == "held"
    assert state.finished and state.finished.exit_code == 5
    with project.store() as store:
        persons.allow(store, state.run, "a", "conftest.py")
    state = project.drive(state.run)
    assert state.tasks["a"].status == "landed"
    assert state.finished and state.finished.exit_code == 0


def test_verdicts_are_reused_in_the_next_run(project: Project) -> None:
    count = project.root.parent / "count"
    # Not named by its path: a file that a gate names is a part of its verdict's key.
    command = f"cd {count.parent.parent} && echo x >> {count.parent.name}/count"
    project.gates = (Gate(name="slow", command=command),)
    project.does(WRITE)
    project.run(task("a"))
    before = count.read_text().count("x")
    state = project.run(task("a"))
    assert state.tasks["a"].status == "landed"
    assert count.read_text().count("x") == before
    assert all(v.reused for c in state.candidates.values() for v in c.verdicts)


@pytest.mark.parametrize("count", [12])
@pytest.mark.thorough
def test_many_independent_tasks_land_side_by_side(project: Project, count: int) -> None:
    project.does(WRITE)
    state = project.run(*(task(f"t{n}") for n in range(count)), parallel=4, gates_parallel=2)
    assert len(state.with_status("landed")) == count
    assert len(project.result(state.run)) == count + 2


@pytest.mark.thorough
def test_a_persons_commits_to_the_target_meanwhile_do_not_matter(project: Project) -> None:
    project.does("[[step]]\nsleep_s = 0.3\n" + WRITE.strip().removeprefix("[[step]]\n"))
    run = project.start(task("a"))
    project.commit({"mine.txt": "mine"}, "in the middle")
    state = project.drive(run)
    assert state.tasks["a"].status == "landed"
    assert "mine.txt" not in project.result(run)


def test_facts_are_in_an_order_that_tells_the_story(project: Project) -> None:
    project.does(WRITE)
    state = project.run(task("a"))
    story = [kind for kind in kinds(project.facts(state.run)) if not kind.startswith("Baseline")]
    assert story == [
        "RunStarted",
        "EngineStarted",
        "AttemptStarted",
        "AttemptPrepared",
        "RoundFinished",
        "AttemptFinished",
        "CandidateBuilt",
        "JudgingStarted",
        "CandidateGateJudged",
        "CandidateJudged",
        "LandingIntended",
        "Landed",
        "RunFinished",
    ]


@pytest.mark.thorough
def test_two_engines_are_one_engine_and_one_clear_error(project: Project) -> None:
    from ledger.lock import EngineLock, EngineRunning

    project.does(WRITE)
    run = project.start(task("a"))
    with EngineLock.take(project.workplace().place.lock(run)), pytest.raises(EngineRunning):
        project.drive(run)
    assert project.drive(run).finished


def test_a_tip_that_somebody_moved_means_build_again(project: Project) -> None:
    project.does("[[step]]\nsleep_s = 0.8\n" + WRITE.strip().removeprefix("[[step]]\n"))
    run = project.start(task("a"))

    class Pusher:
        done = False

        def on_facts(self, state, facts) -> None:  # type: ignore[no-untyped-def]
            if facts[-1][0].kind == "JudgingStarted" and not self.done:
                self.done = True
                tip = project.git("rev-parse", f"refs/orch/{run}/tip")
                tree = project.git("rev-parse", f"{tip}^{{tree}}")
                new = project.git("commit-tree", "-p", tip, "-m", "an outsider's", tree)
                project.git("update-ref", f"refs/orch/{run}/tip", new, tip)

        def on_line(self, where: str, text: str) -> None:
            pass

    state = project.drive(run, (Pusher(),))
    assert state.tasks["a"].status == "landed"
    assert len(state.tasks["a"].attempts) == 1
    assert "CandidateStale" in kinds(project.facts(run))
    subjects = project.git("log", "--first-parent", "--format=%s", f"orch/{run}/result")
    assert "an outsider's" in subjects


@pytest.mark.thorough
def test_the_result_branch_that_the_user_has_checked_out_is_left_alone(project: Project) -> None:
    project.does("[[step]]\nsleep_s = 0.4\n" + WRITE.strip().removeprefix("[[step]]\n"))
    run = project.start(task("a"))

    class Switcher:
        done = False

        def on_facts(self, state, facts) -> None:  # type: ignore[no-untyped-def]
            if facts[-1][0].kind == "AttemptStarted" and not self.done:
                self.done = True
                project.git("switch", "--quiet", f"orch/{run}/result")

        def on_line(self, where: str, text: str) -> None:
            pass

    state = project.drive(run, (Switcher(),))
    assert state.tasks["a"].status == "landed"
    assert project.git("status", "--porcelain") == ""
    assert "a.txt" in project.files(f"refs/orch/{run}/tip")


def test_landing_commits_say_what_landed(project: Project) -> None:
    project.does(WRITE)
    state = project.run(task("a", title="Add a"))
    message = project.git("log", "-1", "--format=%B", f"orch/{state.run}/result")
    assert message.startswith("Add a\n")
    assert f"Orch-Run: {state.run}" in message
    assert "Orch-Task: a" in message
    assert "Orch-Gates: tests:" in message
    author = project.git("log", "-1", "--format=%an <%ae>", f"orch/{state.run}/result")
    assert author == "A Person <person@example.invalid>"


def test_fix_commands_run_before_the_commit(project: Project) -> None:
    project.more_settings["fix"] = ("sed -i s/teh/the/ a.txt", "exit 1")
    project.does('[[step]]\nwrite = { "a.txt" = "teh end" }\n')
    state = project.run(task("a"))
    assert project.result(state.run)["a.txt"] == "the end"


def test_a_broken_object_store_is_said_not_passed_over(project: Project) -> None:
    project.does(WRITE)
    state = project.run(task("a"))
    done = subprocess.run(("git", "fsck", "--strict"), cwd=project.root, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert state.finished


@pytest.mark.thorough
def test_a_gate_that_a_landed_task_named_judges_what_lands_after_it(project: Project) -> None:
    project.gates = (
        Gate(name="tests", command="sh test.sh"),
        Gate(name="slow", command="test ! -e b.txt", when="named"),
    )
    project.does('[[step]]\ntask = "b"\nsleep_s = 0.6\n' + WRITE.strip().removeprefix("[[step]]\n"))
    project.script.write_text(project.script.read_text() + WRITE)
    state = project.run(task("a", gates=("slow",)), task("b"), attempts=1)
    assert state.tasks["a"].status == "landed"
    assert state.tasks["b"].status == "failed"
    assert not state.flakes


def test_a_persons_word_in_the_middle_of_a_turn_is_heard(project: Project) -> None:
    from orchestrator import persons

    project.does('[[step]]\ntask = "bad"\nexit = 1\n' + WRITE)
    run = project.start(task("bad"), *(task(f"t{n}") for n in range(6)), attempts=1, parallel=2)

    class Person:
        said = 0

        def on_facts(self, state, facts) -> None:  # type: ignore[no-untyped-def]
            if state.tasks["bad"].status == "failed" and self.said < 3:
                self.said += 1
                with project.store() as store:
                    persons.retry(store, run, "bad", f"again {self.said}")

        def on_line(self, where: str, text: str) -> None:
            pass

    state = project.drive(run, (Person(),))
    assert len(state.tasks["bad"].attempts) == 4
    assert len(state.with_status("landed")) == 6


@pytest.mark.thorough
def test_a_round_that_takes_its_change_back_is_no_success(project: Project) -> None:
    project.gates = (Gate(name="lint", command="! grep -r bad *.txt", stage="check"),)
    project.does(
        """
        [[step]]
        round = 1
        write = { "a.txt" = "bad" }
        [[step]]
        round = 2
        delete = ["a.txt"]
        """
    )
    state = project.run(task("a"), attempts=1)
    assert state.tasks["a"].status == "failed"
    assert "took its change back" in state.tasks["a"].note


def test_no_more_workers_work_at_once_than_the_limit_says(project: Project) -> None:
    from ledger.model import CommandWorker

    here, counts = project.root.parent / "here", project.root.parent / "counts"
    here.mkdir()
    command = (
        f"touch {here}/$ORCH_TASK; ls {here} | wc -l >> {counts}; sleep 0.2;"
        f" rm {here}/$ORCH_TASK; echo x > $ORCH_TASK.txt"
    )
    project.more_settings = {
        "worker": "counter",
        "workers": {"counter": CommandWorker(kind="command", command=command)},
    }
    state = project.run(*(task(f"t{n}") for n in range(14)), parallel=3)
    assert len(state.with_status("landed")) == 14
    assert max(int(line) for line in counts.read_text().split()) == 3


@pytest.mark.thorough
def test_gates_judge_where_no_worker_ever_was(project: Project) -> None:
    seen = project.root.parent / "seen"
    look = f'pwd >> "{seen}-$ORCH_RUN"'
    project.gates = (Gate(name="quick", command=look, stage="check"), Gate(name="w", command=look))
    project.more_settings["fix"] = (f'pwd >> "{seen}-workers"',)
    project.does('[[step]]\nwrite = { "{task}.txt" = "x" }\n')
    state = project.run(task("a"), task("b"))
    assert len(state.with_status("landed")) == 2
    gates = set((seen.parent / f"seen-{state.run}").read_text().split())
    workers = set((seen.parent / "seen-workers").read_text().split())
    assert gates and workers and not gates & workers
    # Two pools that shared their folders would get other ones, once in a while.
    assert all("-gate-" in one for one in gates) and all("-worker-" in one for one in workers)
