"""How many workers work at once, whatever else of their attempts is under way."""

import shlex
from collections.abc import Iterable

from ledger.events import AttemptFinished, AttemptStarted
from ledger.model import CommandWorker, Gate
from tests.support.project import Project, task

PARALLEL = 2


def test_no_more_workers_work_than_may_though_more_attempts_are_under_way(
    project: Project,
) -> None:
    """Brisk attempts overlap (`policy.readiness`, rule 4): their git does, their workers do not."""
    log = project.root.parent / "workers.log"
    say = f"printf '%s\\n' {{}} >> {shlex.quote(str(log))}"
    command = f'{say.format("+1")}; sleep 0.2; echo x > "$ORCH_TASK.txt"; {say.format("-1")}'
    project.more_settings = {
        "worker": "sh",
        "workers": {"sh": CommandWorker(kind="command", command=command)},
    }
    state = project.run(*(task(f"t{number}") for number in range(8)), parallel=PARALLEL)
    assert len(state.with_status("landed")) == 8
    at_work = highest(int(line) for line in log.read_text().split())
    assert at_work == PARALLEL
    steps = {AttemptStarted: 1, AttemptFinished: -1}
    facts = project.facts(state.run)
    under_way = highest(steps[type(fact)] for fact in facts if type(fact) in steps)
    assert under_way == PARALLEL + PARALLEL // 2


def test_another_attempt_begins_while_what_a_worker_made_is_checked(project: Project) -> None:
    """Of the first attempts nothing is known yet: not that they are brisk (rule 4)."""
    project.gates = (Gate(name="slow", command="sleep 0.7", stage="check"),)
    project.does('[[step]]\nwrite = { "{task}.txt" = "x" }\n')
    state = project.run(*(task(f"t{number}") for number in range(3)), parallel=PARALLEL)
    kinds = [type(fact) for fact in project.facts(state.run)]
    assert kinds[: kinds.index(AttemptFinished)].count(AttemptStarted) == PARALLEL + 1


def highest(steps: Iterable[int]) -> int:
    """The largest sum on the way."""
    now = most = 0
    for step in steps:
        now += step
        most = max(most, now)
    return most
