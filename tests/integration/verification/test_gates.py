"""Gates on real commits, in real workspaces."""

import os
import shlex
import sys
import time

import anyio
import psutil
import pytest

from ledger.model import Gate, Preparation, TestCount, Verdict
from orchestrator.policy.judges import order_by_cost
from orchestrator.policy.measure import Measure
from orchestrator.verification.gates import time_limit_s

pytestmark = pytest.mark.anyio
PYTHON = shlex.quote(sys.executable)


def in_use(court):
    return sum(len(pool._used) for pool in court.pools)


def is_gone(pid):
    """Dead; that nobody has asked for its exit code yet does not matter."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_gate_judges_the_commit_and_not_the_checkout(court):
    court.commit({"answer": "42\n"})
    court.write({"answer": "dirty\n", "extra": "x"})
    verdict = await court.verdict('test "$(cat answer)" = 42 && test ! -e extra && pwd')
    assert (verdict.outcome, verdict.exit_code, verdict.reused) == ("passed", 0, False)
    assert verdict.tree == court.git("rev-parse", "HEAD^{tree}")
    assert verdict.duration_s > 0
    said = court.judge().workplace.blobs.text(verdict.log, 1000)
    assert str(court.workspaces) in said
    assert in_use(court) == 0


async def test_a_red_gate_says_what_failed_and_keeps_its_whole_output(court):
    court.commit({"test_a.py": "def test_b():\n    assert 1 == 2\n"})
    verdict = await court.verdict(f"{PYTHON} -m pytest -q -p no:cacheprovider")
    assert (verdict.outcome, verdict.exit_code) == ("failed", 1)
    assert verdict.why == "FAILED test_a.py::test_b - assert 1 == 2"
    assert "test_a.py:2: AssertionError" in verdict.lines
    assert verdict.signature.startswith("test_a.py::test_b~")
    assert not any(str(court.workspaces) in line for line in verdict.lines)
    assert "short test summary" in court.judge().workplace.blobs.text(verdict.log, 100_000)


@pytest.mark.thorough
async def test_the_same_failure_is_known_again_from_another_workspace_and_commit(court):
    test = (
        "import os, tempfile\ndef test_b():\n    raise OSError(os.getcwd(), tempfile.mkdtemp())\n"
    )
    gate = f"{PYTHON} -m pytest -q -p no:cacheprovider"
    court.commit({"test_a.py": test})
    judge = court.judge()
    async with judge.bench(court.git("rev-parse", "HEAD"), "t" * 40, mark="r/other/n") as bench:
        await bench.judge(Gate(name="x", command="true"), log=court.logs / "x")  # holds the first
        one = await court.verdict(gate, judge=judge)
    court.commit({"test_a.py": "# moved\n\n" + test})
    two = await court.verdict(gate, judge=judge)
    assert one.signature == two.signature
    assert one.outcome == two.outcome == "failed"


async def test_a_verdict_is_reused_by_its_key_and_only_by_it(court):
    court.write({"runs": ""})
    count = f"echo run >> {shlex.quote(str(court.logs / 'count'))}"
    first = await court.verdict(count)
    again = await court.verdict(count)
    assert (first.reused, again.reused) == (False, True)
    assert again.model_copy(update={"reused": False}) == first
    fresh = await court.verdict(count, fresh=True)
    assert not fresh.reused
    court.commit({"other": "tree"})
    assert not (await court.verdict(count)).reused
    assert (court.logs / "count").read_text().count("run") == 3


async def test_red_is_reused_unless_asked_otherwise_and_could_not_run_never_is(court):
    assert not (await court.verdict("exit 1")).reused
    assert (await court.verdict("exit 1")).reused
    assert not (await court.verdict("exit 1", reuse_failed=False)).reused
    missing = await court.verdict("no-such-program")
    assert (missing.outcome, missing.exit_code) == ("could-not-run", 127)
    assert missing.why.startswith("a command was not found")
    court.recorded[missing.key] = missing
    assert not (await court.verdict("no-such-program")).reused


async def test_nothing_is_taken_where_everything_is_known(court):
    await court.verdicts("true", "false")
    judge = court.judge()
    before = judge.pool.size
    said = await court.verdicts("true", "false", judge=judge)
    assert [v.reused for v in said] == [True, True]
    assert judge.pool.size == before


async def test_gates_of_one_bench_share_a_workspace_but_not_what_a_gate_did_to_the_tree(court):
    court.commit({"file": "as it was\n"})
    look = "cat file && test ! -e left && test ! -e folder"
    said = await court.verdicts(
        "pwd && mkdir -p cache && echo warm > cache/x",
        f"pwd && test -e cache/x && {look}",  # ignored files may stay: caches
        "echo changed > file; echo x > left; mkdir folder && touch folder/x",
        f"test \"$(cat file)\" = 'as it was' && {look}",
        "rm file",
        look,
    )
    assert [v.outcome for v in said] == ["passed"] * 6
    logs = [court.judge().workplace.blobs.text(v.log, 1000) for v in said[:2]]
    assert logs[0].splitlines()[0] == logs[1].splitlines()[0]


async def test_a_gate_never_sees_a_workers_workspace_nor_a_secret(court):
    court.environ |= {"API_KEY": "canary", "ALLOWED": "seen", "GIT_DIR": "/elsewhere"}
    court.env = ("ALLOWED",)
    verdict = await court.verdict('env; test -n "$ORCH_PORT"; test -d "$TMPDIR"')
    assert verdict.outcome == "passed"
    said = court.judge().workplace.blobs.text(verdict.log, 100_000)
    assert "canary" not in said
    assert "GIT_DIR" not in said
    assert "ALLOWED=seen" in said
    assert "ORCH_RUN=20261122-goal-a1" in said
    assert "ORCH_TASK" not in said
    assert f"TMPDIR={court.workspaces}" in said


async def test_a_gate_that_hangs_is_ended_with_all_that_it_started(court):
    pids = court.logs / "pids"
    began = time.monotonic()
    verdict = await court.verdict(
        f"sleep 600 & echo $! >> {pids}; echo $$ >> {pids}; wait", timeout_s=0.5
    )
    assert time.monotonic() - began < 30
    assert verdict.outcome == "could-not-run"
    assert verdict.why == "it did not end within 0.5 s"
    assert verdict.exit_code is None
    for pid in map(int, pids.read_text().split()):
        assert is_gone(pid)


async def test_a_cancelled_judging_gives_its_workspace_back_and_leaves_no_process(court):
    pids = court.logs / "pids"

    async def until_it_runs(scope):
        with anyio.fail_after(30):
            while not pids.exists() or not pids.read_text().strip():
                await anyio.sleep(0.02)
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(until_it_runs, tasks.cancel_scope)
        await court.verdict(f"echo $$ > {pids}; sleep 600")
    assert in_use(court) == 0
    assert is_gone(int(pids.read_text()))
    assert (await court.verdict("git status --short; test -e readme")).outcome == "passed"


async def test_a_gate_that_prints_without_end_or_binary_is_bounded(court):
    verdict = await court.verdict(
        f"{PYTHON} -c 'import os; os.write(1, bytes(range(256)) * 100)';"
        " yes 'm.py:1: error: no' | head -c 60000000; exit 1"
    )
    assert verdict.outcome == "failed"
    assert verdict.why == "m.py:1: error: no"
    assert len(verdict.lines) < 41
    assert all(line.isprintable() for line in verdict.lines)
    blob = court.judge().workplace.blobs
    assert len(blob.read(verdict.log, 1 << 30)) < 10 << 20


@pytest.mark.thorough
async def test_a_pass_with_fewer_tests_than_before_is_none_even_when_it_is_known(court):
    gate = f"{PYTHON} -m pytest -q -p no:cacheprovider"
    court.commit({"test_a.py": "def test_a(): pass\ndef test_b(): pass\n"})
    base = await court.verdict(gate)
    assert (base.outcome, base.tests) == ("passed", TestCount(passed=2))
    court.commit({"test_a.py": "def test_a(): pass\n"})
    alone = await court.verdict(gate)
    assert alone.outcome == "passed"
    verdict = await court.verdict(gate, measure=Measure(base, 2))
    assert (verdict.outcome, verdict.reused) == ("could-not-run", False)
    assert verdict.why == "only 1 test ran, where 2 did before"
    by_leave = await court.verdict(gate, measure=Measure(base, 2, may_lose=True))
    assert (by_leave.outcome, by_leave.reused, by_leave.needed_tests) == ("passed", True, 2)


async def test_a_report_is_read_and_gone_and_never_one_of_an_earlier_run(court):
    court.commit({"test_a.py": "def test_a(): pass\ndef test_b(): assert 0\n"})
    gate = f"{PYTHON} -m pytest -p no:cacheprovider --junitxml=out/new/r.xml > /dev/null"
    look = 'test ! -e out && git status --porcelain && test -z "$(git status --porcelain)"'
    said = await court.verdicts(gate, look, "true", junit="out/new/r.xml")
    assert [v.outcome for v in said] == ["failed", "could-not-run", "could-not-run"]
    assert said[0].tests == TestCount(passed=1, failed=1)
    assert said[0].failed_tests == ("test_a::test_b",)
    assert said[1].why == (
        "its report out/new/r.xml cannot be read: it was not written"
        " (hint: its command must write it, as pytest --junitxml=out/new/r.xml does)"
    )


async def test_a_report_that_a_commit_brings_along_is_none(court):
    report = '<testsuite><testcase name="forged"/></testsuite>'
    court.commit({"r.xml": report})
    verdict = await court.verdict("true", junit="r.xml")
    assert (verdict.outcome, verdict.tests) == ("could-not-run", None)


async def test_no_report_leads_out_of_the_tree(court, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "r.xml").write_text('<testsuite><testcase name="a"/></testsuite>')
    (court.checkout / "out").symlink_to(outside)
    court.commit({})
    said = await court.verdicts("true", f"ln -s {outside}/r.xml r.xml", junit="out/r.xml")
    linked = await court.verdict(f"ln -s {outside}/r.xml r.xml", junit="r.xml")
    assert [v.outcome for v in (*said, linked)] == ["could-not-run"] * 3
    assert "out/ on its way is no folder of the tree" in said[0].why
    assert "it is a link" in linked.why
    assert (outside / "r.xml").exists()


async def test_no_secret_is_in_the_names_of_a_report(court):
    court.environ["TOKEN"] = "canary-canary"
    court.env = ("TOKEN",)
    report = '<testsuite><testcase name="t[canary-canary]"><failure/></testcase></testsuite>'
    court.commit({"report": report})
    how = {"junit": "r.xml", "pass_if": "no-new-failures"}
    base = await court.verdict("cat report > r.xml; exit 1", **how)
    assert (base.outcome, base.failed_tests) == ("passed", ("t[[redacted TOKEN]]",))
    again = await court.verdict("cat report > r.xml; exit 1", measure=Measure(base, 1), **how)
    assert (again.outcome, again.new_failures, again.reused) == ("passed", (), False)


async def test_known_failures_pass_and_a_new_one_fails_with_a_real_runner(court):
    gate = f"{PYTHON} -m pytest -q -p no:cacheprovider"
    how = {"pass_if": "no-new-failures"}
    tests = "def test_a(): pass\ndef test_b(): assert 0\n"
    court.commit({"test_a.py": tests})
    base = await court.verdict(gate, **how)
    assert (base.outcome, base.exit_code) == ("passed", 1)
    assert base.failed_tests == ("test_a.py::test_b",)
    measure = Measure(base, 2)
    court.commit({"other": "change"})
    assert (await court.verdict(gate, measure=measure, **how)).outcome == "passed"
    court.commit({"test_c.py": "def test_c(): assert 1 == 2\n"})
    red = await court.verdict(gate, measure=measure, **how)
    assert (red.outcome, red.new_failures) == ("failed", ("test_c.py::test_c",))
    assert red.why == "1 test of 2 failed newly: FAILED test_c.py::test_c - assert 1 == 2"
    court.commit({"test_c.py": "import os\nos._exit(1)\n"})
    assert (await court.verdict(gate, measure=measure, **how)).outcome == "failed"
    court.commit({"test_c.py": "import os\nos._exit(0)\n"})
    gone = await court.verdict(gate, measure=measure, **how)
    assert (gone.outcome, gone.needed_tests) == ("could-not-run", 2)


async def test_a_verdict_on_known_failures_is_another_where_others_are_known(court):
    how = {"pass_if": "no-new-failures"}
    gate = "echo 'FAILED t.py::a - x'; echo '1 failed, 1 passed in 1s'; exit 1"
    base = await court.verdict(gate, **how)
    court.commit({"other": "change"})
    first = await court.verdict(gate, measure=Measure(base, 2), **how)
    assert (first.outcome, first.reused) == ("passed", False)
    assert (await court.verdict(gate, measure=Measure(base, 2), **how)).reused
    green = base.model_copy(update={"failed_tests": (), "exit_code": 0})
    other = await court.verdict(gate, measure=Measure(green, 2), **how)
    assert (other.outcome, other.reused) == ("failed", False)


async def test_a_known_red_is_told_beside_the_base_of_this_run(court):
    gate = "echo 'FAILED t.py::a - x'; echo '1 failed, 1 passed in 1s'; exit 1"
    assert (await court.verdict(gate)).new_failures is None
    green = Verdict(gate="g0", tree="t", key="k", outcome="passed")
    again = await court.verdict(gate, measure=Measure(green))
    assert (again.reused, again.new_failures) == (True, ("t.py::a",))


async def test_of_many_failures_so_many_are_named_and_the_rest_counted(court):
    gate = "for n in $(seq 1 250); do echo FAILED t.py::t$n; done; echo 250 failed in 1s; exit 1"
    verdict = await court.verdict(gate)
    assert len(verdict.failed_tests) == 200
    assert verdict.failed_more == 50


@pytest.mark.thorough
async def test_sixteen_benches_at_once(court):
    judge = court.judge()
    said: list[Verdict] = []

    async def one(number):
        said.append(await court.verdict(f"test -e readme && echo {number}", judge=judge))

    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(one, number)
    assert [v.outcome for v in said] == ["passed"] * 16
    assert len({v.key for v in said}) == 16
    assert in_use(court) == 0


# --- small rules --------------------------------------------------------------------------------


def test_check_gates_come_first_then_the_quickest():
    names = ("e2e", "lint", "unit", "types", "new")
    stages = {"lint": "check", "types": "check"}
    gates = [Gate(name=n, command=n, stage=stages.get(n, "land")) for n in names]
    seconds = {"e2e": 90.0, "unit": 5.0, "types": 9.0, "lint": 20.0}
    assert [g.name for g in order_by_cost(gates, seconds)] == [
        "types",
        "lint",
        "unit",
        "e2e",
        "new",
    ]


def test_a_time_limit_follows_the_baseline_unless_the_gate_has_its_own():
    gate = Gate(name="g", command="x")
    base = Verdict(gate="g", tree="t", key="k", outcome="passed", duration_s=200.0)
    assert time_limit_s(gate, None) == 600
    assert time_limit_s(gate, base) == 800
    assert time_limit_s(gate.model_copy(update={"timeout_s": 5.0}), base) == 5


async def test_a_workspace_that_cannot_be_made_ready_is_said_and_given_back(court):
    court.preparation = Preparation(setup=("echo about to fail; exit 3",))
    verdict = await court.verdict("true")
    assert (verdict.outcome, verdict.exit_code) == ("could-not-run", None)
    assert "the set-up command `echo about to fail; exit 3` failed" in verdict.why
    assert "about to fail" in court.judge().workplace.blobs.text(verdict.log, 1000)
    assert in_use(court) == 0


async def test_what_was_copied_for_a_gate_is_part_of_the_key(court):
    court.preparation = Preparation(copy_gates=(".env",))
    court.write({".env": "ONE=1\n"})
    gate = "cat .env"
    assert not (await court.verdict(gate)).reused
    assert (await court.verdict(gate)).reused
    court.write({".env": "ONE=2\n"})
    verdict = await court.verdict(gate)
    assert not verdict.reused
    assert "ONE=2" in court.judge().workplace.blobs.text(verdict.log, 1000)
    (court.checkout / ".env").unlink()
    missing = await court.verdict(gate)
    assert missing.outcome == "could-not-run"
    assert "'.env' cannot be copied from the checkout: there is no such file" in missing.why
    assert os.listdir(court.logs)
