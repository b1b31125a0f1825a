"""The command of `--for-each` is a real process in a real checkout, bounded in all it does."""

import os
import subprocess
import time

import pytest

from orchestrator.errors import OrchError
from orchestrator.planning.for_each import Grouping
from orchestrator.planning.items import Item, fetch_items
from orchestrator.planning.planner import PlanOptions, plan


@pytest.fixture
def checkout(tmp_path):
    for name in ("src/a.py", "src/pkg/b.py", "src/pkg/ü c.py", "new\nline.py", "README.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for command in (["git", "init", "-q"], ["git", "add", "-A"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def test_git_lists_files_and_each_folder_becomes_a_task(checkout):
    options = PlanOptions(
        checkout=checkout,
        for_each="git ls-files 'src/*.py'",
        grouping=Grouping(by_folder=True),
        worker="codemod",
    )
    made = plan("Modernise syntax", options).plan
    assert [(task.id, task.paths) for task in made.tasks] == [
        ("src", ("src/a.py",)),
        ("src-pkg", ("src/pkg/b.py", "src/pkg/ü c.py")),
    ]
    assert made.tasks[1].prompt.startswith("Modernise syntax\n\nOnly in these:\nsrc/pkg/b.py")


def test_without_a_command_the_goal_is_one_task(checkout):
    made = plan("Do it all\nwith care", PlanOptions(checkout=checkout)).plan
    assert [(task.id, task.title) for task in made.tasks] == [("do-it-all", "Do it all")]
    assert made.tasks[0].prompt == "Do it all\nwith care"


def test_items_separated_by_nul_may_have_any_sound_name(checkout):
    assert fetch_items("printf 'a b\\0./c\\ttext\\0'", checkout) == (
        Item("a b"),
        Item("c", "text"),
    )
    with pytest.raises(OrchError, match="control characters"):
        fetch_items("git ls-files -z", checkout)


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("echo a; echo it broke >&2; exit 3", r"failed \(exit 3\): it broke"),
        ("true", "named no item"),
        ("no-such-command-here", r"exit 127"),
        ("yes", "printed more than"),
        ("kill -9 $$", r"exit -9"),
    ],
)
def test_a_command_that_is_no_lister_is_told(checkout, command, word):
    with pytest.raises(OrchError, match=word) as raised:
        fetch_items(command, checkout, output_limit_bytes=200_000)
    assert command in raised.value.hint or raised.value.hint
    assert raised.value.exit_code == 2


def test_a_command_that_never_ends_is_ended_with_all_it_started(checkout):
    start = time.monotonic()
    with pytest.raises(OrchError, match="still running"):
        fetch_items("sleep 300 & echo $! > pid; exec >&- 2>&-; wait", checkout, timeout_s=0.7)
    assert time.monotonic() - start < 10
    child = int((checkout / "pid").read_text())
    assert not alive(child)


def test_a_daemon_that_holds_the_output_open_delays_nothing(checkout):
    start = time.monotonic()
    assert fetch_items("sleep 300 & echo $! > pid; echo README.md", checkout) == (
        Item("README.md"),
    )
    assert time.monotonic() - start < 10
    assert not alive(int((checkout / "pid").read_text()))


def alive(pid):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.02)
    return True
