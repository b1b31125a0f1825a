"""Heads that a person must look at: weakened tests, added secrets; the rest of a run goes on."""

from __future__ import annotations

import pytest

from ledger.model import Preparation
from orchestrator import persons
from orchestrator.review.report import render_report
from orchestrator.review.show import render_task
from tests.support.project import Project, task

TEST = """\
from app import total


def test_total():
    assert total([1, 2]) == 3


def test_empty():
    assert total([]) == 0
"""
FILES = {
    "test.sh": "exit 0\n",
    "app.py": "def total(numbers):\n    return sum(numbers)\n",
    "tests/test_app.py": TEST,
}
WEAKENS = """
[[step]]
task = "cheat"
replace = { "tests/test_app.py" = ["assert total([1, 2]) == 3", "assert True"] }
[[step]]
task = "honest"
write = { "honest.txt" = "work\\n" }
"""
KEY = "ghp_" + "q7Zr2LmXv0pTn4Bk8sWd1FyGh6JcA3eR5uKi"


def test_a_head_that_weakens_a_test_waits_for_a_person_and_the_rest_goes_on(tmp_path):
    project = Project(tmp_path, FILES)
    project.does(WEAKENS)
    state = project.run(task("cheat", paths=()), task("honest"))
    assert {t: s.status for t, s in state.tasks.items()} == {"cheat": "held", "honest": "landed"}
    assert state.finished and (state.finished.outcome, state.finished.exit_code) == (
        "person-needed",
        5,
    )
    ended = state.tasks["cheat"].last.finished
    assert ended.held_paths == ("tests/test_app.py",)
    assert ended.why == "it weakens tests: test_total in tests/test_app.py"
    (found,) = ended.findings
    assert (found.path, found.line, found.test) == ("tests/test_app.py", 5, "test_total")
    said = (
        "tests/test_app.py:5: test_total: "
        "`assert True`, which always holds, where `total([1, 2]) == 3` was"
    )
    assert f"    {said}" in render_task(state, "cheat", 0.0)
    assert "tests/test\\_app.py:5: test\\_total:" in render_report(state, False, 0.0)

    with project.store() as store:
        persons.allow(store, state.run, "cheat", "tests/test_app.py")
    state = project.drive(state.run)
    assert state.tasks["cheat"].status == "landed"
    assert "assert True" in project.result(state.run)["tests/test_app.py"]


@pytest.mark.thorough
def test_who_tries_again_is_told_what_was_weakened(tmp_path):
    project = Project(tmp_path, FILES)
    project.does(
        """
        [[step]]
        unless_feedback = "test_total: `assert True`"
        write = { "tests/test_app.py" = "def test_total():\\n    assert True\\n" }
        [[step]]
        if_feedback = "was deleted"
        replace = { "tests/test_app.py" = ["== 3", "== 3  # of two"] }
        """
    )
    state = project.run(task("a", paths=()))
    assert state.tasks["a"].status == "held"
    assert {one.test for one in state.tasks["a"].last.finished.findings} == {
        "test_total",
        "test_empty",
    }
    with project.store() as store:
        persons.retry(store, state.run, "a", "keep the tests")
    state = project.drive(state.run)
    assert state.tasks["a"].status == "landed"
    assert "== 3  # of two" in project.result(state.run)["tests/test_app.py"]


@pytest.mark.thorough
def test_leave_given_beforehand_is_leave_for_weakened_tests_too(tmp_path):
    project = Project(tmp_path, FILES)
    project.does('[[step]]\ndelete = ["tests/test_app.py"]\n')
    held = project.run(task("a", paths=("tests/**",)))
    assert held.tasks["a"].last.finished.findings[0].said == (
        "tests/test_app.py:1: (the whole file): it was deleted, with 2 tests"
    )
    state = project.run(task("a", paths=("tests/**",), may_change=("tests/**",)))
    assert state.tasks["a"].status == "landed"


def test_honest_edits_of_tests_land(tmp_path):
    project = Project(tmp_path, FILES)
    project.does(
        """
        [[step]]
        delete = ["tests/test_app.py"]
        write = { "tests/unit/test_sums.py" = '''
import pytest
from app import total


@pytest.mark.parametrize(("given", "wanted"), [([1, 2], 3), ([], 0), ([5], 5)])
def test_sums(given, wanted):
    assert total(given) == wanted
''' }
        """
    )
    assert project.run(task("a", paths=())).tasks["a"].status == "landed"


def test_tests_that_could_not_be_compared_are_said_and_land(tmp_path):
    broken = {**FILES, "tests/test_old.py": "print 'Python 2'\n"}
    project = Project(tmp_path, broken)
    project.does('[[step]]\nwrite = { "tests/test_old.py" = "print(2)\\n" }\n')
    state = project.run(task("a", paths=()))
    assert state.tasks["a"].status == "landed"
    (notice,) = state.notices
    assert notice.what.startswith("tests in tests/test_old.py were not compared: its text before")


def test_a_head_that_adds_a_known_secret_or_a_key_is_held_and_neither_is_shown(tmp_path):
    project = Project(tmp_path, {**FILES, ".gitignore": ".env\n"})
    secret = "7Gq2-vX9-kanarie"
    (project.root / ".env").write_text(f"API_TOKEN={secret}\nMODE=development\n")
    project.more_settings = {"preparation": Preparation(copy_files=(".env",))}
    project.does(
        f"""
        [[step]]
        task = "known"
        write = {{ "known.py" = "MODE = 'development'\\nTOKEN = '{secret}'\\n" }}
        [[step]]
        task = "key"
        write = {{ "key.cfg" = "# first\\n# then\\ntoken = {KEY}\\n" }}
        [[step]]
        task = "dummy"
        write = {{ "dummy.py" = "TOKEN = 'ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'\\n" }}
        """
    )
    state = project.run(task("known"), task("key"), task("dummy"))
    assert {t: s.status for t, s in state.tasks.items()} == {
        "known": "held",
        "key": "held",
        "dummy": "landed",
    }
    known, key = (state.tasks[t].last.finished for t in ("known", "key"))
    assert known.findings[0].said == "known.py:2: it adds the value of API_TOKEN"
    assert key.findings[0].said == "key.cfg:3: it adds a token of a forge"
    assert (known.why, key.why) == ("it adds a secret: known.py:2", "it adds a secret: key.cfg:3")
    told = "".join(fact.model_dump_json() for fact in project.facts(state.run))
    assert secret not in told and KEY not in told

    with project.store() as store:
        persons.allow(store, state.run, "key", "key.cfg")
    state = project.drive(state.run)
    assert state.tasks["key"].status == "landed"
    assert KEY in project.result(state.run)["key.cfg"]


def test_a_secret_that_was_there_may_be_moved_and_what_stands_beside_it_changed(tmp_path):
    files = {**FILES, "a.cfg": f"token = {KEY}\nport = 1\n", "b.cfg": f"token = {KEY}\n"}
    project = Project(tmp_path, files)
    project.does(
        f"""
        [[step]]
        delete = ["b.cfg"]
        write = {{ "a.cfg" = "port = 2\\ntoken = {KEY}\\n", "c.cfg" = "token = {KEY}\\n" }}
        """
    )
    assert project.run(task("a", paths=())).tasks["a"].status == "landed"


def test_a_new_hook_that_says_what_runs_is_held(tmp_path):
    project = Project(tmp_path, FILES)
    project.does(
        """
        [[step]]
        task = "honest"
        write = { "tests/test_more.py" = "def test_more():\\n    assert 1\\n" }
        [[step]]
        task = "cheat"
        write = { "tests/__init__.py" = '''
def load_tests(loader, tests, pattern):
    return loader.suiteClass()
''' }
        """
    )
    state = project.run(task("honest", paths=("tests/test*",)), task("cheat", paths=("tests/_*",)))
    assert state.tasks["honest"].status == "landed"
    assert state.tasks["cheat"].last.finished.findings[0].said == (
        "tests/__init__.py:1: load_tests: a hook that says what runs was added"
    )


def test_what_a_person_types_reaches_ledger_and_worker_without_its_secrets(tmp_path):
    project = Project(tmp_path, FILES)
    secret = "7Gq2-vX9-kanarie"
    project.environ["API_TOKEN"] = secret
    project.more_settings = {"env": ("API_TOKEN",)}
    project.does('[[step]]\nif_feedback = "[redacted API_TOKEN]"\nwrite = { "a.txt" = "x" }\n')
    project.does(project.script.read_text() + '[[step]]\nunless_feedback = "try"\nexit = 1\n')
    run = project.start(task("a", title=f"with {secret}", prompt=f"use {secret}"), attempts=1)
    assert project.drive(run).tasks["a"].status == "failed"
    with project.store() as store:
        persons.retry(store, run, "a", f"try {secret}", project.workplace())
    state = project.drive(run)
    assert state.tasks["a"].status == "landed"
    told = "".join(fact.model_dump_json() for fact in project.facts(run))
    assert secret not in told and "try [redacted API_TOKEN]" in told
    assert "the title of a (the value of API_TOKEN)" in state.notices[0].what
    assert secret not in project.git("log", "--all", "--format=%B")
