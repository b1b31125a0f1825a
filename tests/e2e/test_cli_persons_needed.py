"""Runs that end because a person must look: a tip that somebody moved, gates that nobody trusts."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal

CHANGES_ITS_MIND = """
n=$(ls *.txt 2>/dev/null | wc -l)
if test "$n" = 0 || test -e {flags}-$n; then exit 0; fi
touch {flags}-$n
echo "FAILED tests/test_$n.py::test_hangs - it hung"
exit 1
"""


def typed_next(said: str) -> list[str]:
    """The commands below `next:`, as a person copies them."""
    below = said.partition("\nnext:\n")[2].splitlines()
    return [re.split(r" {2,}", line.strip())[0] for line in below]


@pytest.mark.thorough
def test_a_tip_that_somebody_moved_is_told_and_put_back_as_the_status_says(tmp_path: Path) -> None:
    here = Terminal(tmp_path)
    here.plan(("left", ()), ("right", ("left",)))
    assert here.orch("run", "--attempts", "1").exit_code == 1, "red together"
    run = here.orch("status", "--json").json["run"]
    tip = f"refs/orch/{run}/tip"
    place = str(tmp_path / "elsewhere")
    here.git("worktree", "add", "-q", "--detach", place, tip)
    (tmp_path / "elsewhere" / "right.txt").write_text("theirs\n")
    here.git("-C", place, "add", "-A")
    here.git("-C", place, "commit", "-q", "-m", "red")
    red = here.git("-C", place, "rev-parse", "HEAD")
    here.git("worktree", "remove", place)
    here.git("update-ref", tip, red)

    said = here.orch("retry", "right", "--note", "again")
    assert said.exit_code == 5, said
    assert f"gate 'suite' is red on {red[:10]}" in said.out
    assert f"result was moved to {red[:10]} by somebody else" in said.err
    assert f"asking gate 'suite' about {red[:10]}" in said.err
    status = here.orch("status", run).out
    log, back, resume, *_ = typed_next(status)
    assert here.orch(*log.split()[1:]).exit_code in (0, 2)  # it printed nothing there
    assert red[:10] in here.orch("show", "--run", run).out
    assert red[:10] in here.orch("report").out
    assert here.orch("ledger", "verify").exit_code == 0
    assert "right" not in here.git("ls-tree", "--name-only", f"orch/{run}/result")

    subprocess.run(("sh", "-c", back), cwd=here.root, env=here.environ, check=True)
    assert resume == "orch resume"
    said = here.orch("resume")
    assert said.exit_code == 1, "right is to blame now, and by itself"
    assert f"result was put back to {here.git('rev-parse', tip)[:10]}" in said.err
    assert "right  given up" in said.err
    assert here.orch("ledger", "verify").exit_code == 0


def test_four_flaky_tests_end_a_run_that_nobody_attends(tmp_path: Path) -> None:
    here = Terminal(tmp_path)
    here.write({"suite.sh": CHANGES_ITS_MIND.format(flags=tmp_path / "flag")})
    here.git("commit", "-q", "-a", "-m", "a suite that changes its mind")
    names = ("a", "b", "c", "d", "e", "f")
    here.plan(*((name, names[place - 1 : place]) for place, name in enumerate(names)))
    said = here.orch("run", "--unattended", "--sandbox", "external", "--json")
    assert said.exit_code == 5, said
    events = [json.loads(line) for line in said.out.splitlines()]
    assert events[0]["body"]["unattended"] is True
    status = here.orch("status")
    assert "4 landed" in status.out and "nobody attends the run" in status.out
    assert "flaky: tests/test_1.py::test_hangs" in status.out
    report = here.orch("report").out
    assert "Unattended" in report and "test\\_4.py::test\\_hangs" in report
    assert here.orch("resume").exit_code == 0, "they are counted anew for who has seen them"
    assert here.statuses() == dict.fromkeys(names, "landed")
