"""A run that nobody attends: what it lacks, what it never does, and what it says of that."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from ledger.events import PERSON_FACTS, RunStarted
from orchestrator.cli.driving import drive_shown
from orchestrator.hiding import Hiding
from orchestrator.journal import Journal
from orchestrator.runs import mark_of_run
from orchestrator.start import RunOptions
from tests.e2e.terminal import Terminal
from tests.support.cli import OK, WORKS, User, ended_with, refused
from tests.support.project import Project, task

MODEL = """
[worker.coder]
kind = "model"
model = "acme:small"
[provider.acme]
dialect = "openai"
url = "http://127.0.0.1:9/v1"
key = "ACME_KEY"
"""
ROOT = Path(__file__).resolve().parents[2]
WORDS_OF_PERSONS = {fact.model_fields["kind"].default for fact in PERSON_FACTS}
ALONE = ("run", "--unattended", "--sandbox", "external")


@pytest.fixture
def user(tmp_path: Path) -> User:
    made = User(tmp_path)
    made.plan("a", "b")
    return made


def facts(user: User) -> list[str]:
    said = user.orch("ledger", "events", "--json")
    return [json.loads(line)["event"] for line in said.out.splitlines()]


# --- it does not start ------------------------------------------------------------------------


@pytest.mark.thorough
def test_all_that_it_lacks_is_told_at_once_with_what_to_type(user: User) -> None:
    assert user.orch("run").exit_code == 0, "the commands are trusted now"
    user.settings(more=MODEL, run='checker = "coder"')
    text = (user.root / ".agent/orch.toml").read_text()
    user.write({".agent/orch.toml": text.replace(f'"{OK}"', '"exit 0 # changed"')})
    said = user.orch("run", "--unattended", "--accept")
    refused(said, 5, "no sandbox confines it", "--sandbox external")
    for words in (
        "nothing limits what it spends on coder",
        "--budget-usd 5",
        "no branch is named",
        "--accept --into BRANCH",
        "ACME_KEY is not set",
        "commands that the settings name are not trusted",
        "orch trust",
        '+gate suite: command = "exit 0 # changed"',
    ):
        assert words in said.words, words
    assert len(user.orch("cost", "--json").out) > 0
    assert user.git("for-each-ref", "refs/orch").count("tip") == 1, "no second run began"


def test_each_thing_alone_is_enough_to_refuse_it(user: User) -> None:
    refused(user.orch("run", "--unattended"), 2, "no sandbox")
    refused(user.orch(*ALONE, "--accept"), 2, "no branch is named")
    user.settings(more=MODEL, run='checker = "coder"')
    user.environ["ACME_KEY"] = "0"
    said = user.orch(*ALONE)
    refused(said, 2, "nothing limits what it spends on coder")
    assert "no sandbox" not in said.err
    assert not list(user.root.glob(".git/orch/ledger.sqlite")) or "RunStarted" not in facts(user)


def test_into_without_accept_says_nothing(user: User) -> None:
    refused(user.orch("run", "--into", "main"), 2, "--accept --into main")


# --- it never accepts, unless ------------------------------------------------------------------


def test_it_accepts_into_the_branch_that_is_named_and_no_other(user: User) -> None:
    user.git("branch", "nightly")
    before = user.git("rev-parse", "main")
    ended_with(user.orch(*ALONE, "--accept", "--into", "nightly"), 0, "nightly is at")
    assert user.git("rev-parse", "main") == before
    assert "a.txt" in user.git("ls-tree", "--name-only", "nightly")


def test_a_branch_that_is_not_there_is_told_at_the_start_and_never_made(user: User) -> None:
    said = user.orch(*ALONE, "--accept", "--into", "nigthly")
    refused(said, 2, "there is no branch 'nigthly' here", "git branch nigthly")
    assert "refs/orch" not in user.git("for-each-ref"), "no run began"
    refused(user.orch(*ALONE, "--accept", "--into", "no..name"), 2, "no legal name of a branch")
    # Nor where it goes while the run goes on.
    user.git("branch", "nightly")
    user.settings(f"git -C {user.root} branch -q -D nightly; {WORKS}")
    user.trust()
    said = user.orch(*ALONE, "--accept", "--into", "nightly", "--parallel", "1")
    ended_with(said, 5, "not accepted", "there is no branch 'nightly' here")
    assert "nightly" not in user.git("for-each-ref", "refs/heads")
    # A person who names one that is not there wants it made.
    ended_with(user.orch("accept", "--to", "nightly"), 0, "nightly is at")


@pytest.mark.thorough
def test_an_accept_without_a_name_that_was_recorded_once_is_not_carried_out(
    tmp_path: Path,
) -> None:
    """A ledger may come from an older orch, which let an unattended run accept anywhere."""
    here = Project(tmp_path)
    here.sandbox = "external"
    here.does('[[step]]\nwrite = { "a.txt" = "a" }\n')
    asked = here.start(task("a"), options=RunOptions(accept=True))
    old = here.facts(asked)[0]
    assert isinstance(old, RunStarted)
    run = "20261122-older-a1"
    older = old.model_copy(update={"run": run, "unattended": True})
    before = here.git("rev-parse", "main")
    with here.store() as store:
        Journal.begin(store, older, Hiding())
        assert drive_shown(here.workplace(), store, run, plain=True) == 0
        assert here.git("rev-parse", "main") == before
        assert drive_shown(here.workplace(), store, asked, plain=True) == 0
    assert here.git("rev-parse", "main") != before, "attended, it does"


# --- it answers nothing, and deletes nothing ---------------------------------------------------


def test_nothing_of_it_says_a_persons_word(user: User) -> None:
    """One task asks, one changes a protected path, one fails; all of them keep their work."""
    work = (
        'case "$ORCH_TASK" in'
        " a) echo x >> .agent/RULES.md;; b) echo bad > b.txt; exit 1;;"
        ' *) echo ok > "$ORCH_TASK.txt";; esac'
    )
    user.settings(worker=work, run="attempts = 1")
    text = 'goal = "Some work"\n'
    for name in ("a", "b", "c"):
        paths = '".agent/RULES.md"' if name == "a" else f'"{name}.txt"'
        text += f'[[task]]\nid = "{name}"\nprompt = "do it"\npaths = [{paths}]\n'
    user.write({".agent/plans/work.toml": text})
    ended_with(user.orch(*ALONE), 5)
    run = user.orch("status", "--json").json["run"]
    told = set(facts(user))
    assert told & WORDS_OF_PERSONS == set()
    refs = user.git("for-each-ref", "--format=%(refname)", f"refs/orch/{run}")
    assert f"refs/orch/{run}/attempt/a/1" in refs
    again = user.orch("resume")
    assert again.exit_code == 5 and set(facts(user)) & WORDS_OF_PERSONS == set()
    assert user.git("for-each-ref", "--format=%(refname)", f"refs/orch/{run}") == refs


WORDS = (
    ("answer", "a", "yes"),
    ("allow", "a", "a.txt"),
    ("retry", "a", "--later"),
    ("reject", "a", "--later"),
    ("take", "a"),
    ("submit", "a", "--later"),
    ("accept",),
    ("stop",),
    ("resume",),
    ("clean", "--discard"),
    ("trust", "--yes"),
)


def test_no_child_of_a_run_can_say_a_persons_word(tmp_path: Path) -> None:
    here = Terminal(tmp_path)
    here.plan(("a", ()))
    assert here.orch("run").exit_code == 0
    run = here.orch("status", "--json").json["run"]
    mark = f"{mark_of_run(here.root / '.git', run)}/a/1/x"
    place = tmp_path / f"orch-{run}-worker-0"
    here.git("worktree", "add", "-q", "--detach", str(place))
    before, refs = here.orch("status", "--json").json["seq"], here.git("for-each-ref")
    for word in WORDS:
        for said in (here.orch(*word, ORCH_MARK=mark), here.orch(*word, folder=place)):
            assert said.exit_code == 5 and said.out == "", (word, said)
            assert "person" in said.err and "hint: " in said.err, (word, said)
    assert here.orch("status", "--json").json["seq"] == before
    assert here.git("for-each-ref") == refs
    assert here.orch("accept").exit_code == 0, "a person may"


@pytest.mark.thorough
def test_a_worker_that_tries_has_done_nothing_but_its_work(user: User) -> None:
    """Where something around orch confines a worker, it may reach the ledger."""
    orch = Path(sys.executable).parent / "orch"
    log = user.home / "said"
    tries = f"{orch} accept > {log} 2>&1; echo $? >> {log}.codes"
    user.settings(worker=f"{tries}; unset ORCH_MARK ORCH_RUN; {tries}; {WORKS}")
    user.plan("a")
    before = user.git("rev-parse", "main")
    ended_with(user.orch(*ALONE), 0)
    assert Path(f"{log}.codes").read_text().split() == ["5", "5"], log.read_text()
    assert "it is a person's word" in log.read_text()
    assert set(facts(user)) & WORDS_OF_PERSONS == set()
    assert user.git("rev-parse", "main") == before


@pytest.mark.thorough
def test_a_person_in_another_repository_is_not_taken_for_a_worker(tmp_path: Path) -> None:
    """Whoever develops orch with orch: its tests are children of a run, and persons elsewhere."""
    here = Terminal(tmp_path)
    here.plan(("a", ()))
    assert here.orch("run").exit_code == 0
    elsewhere = "20261122-goal-a1@0123456789ab/a/1/x"
    assert here.orch("accept", ORCH_MARK=elsewhere).exit_code == 0


def test_no_way_leads_from_the_engine_to_what_deletes_or_answers() -> None:
    """What the engine imports, however far: nothing that only a person may ask for.

    The rules of the settings know the words of `on_end`, among them an accept by name: that is
    done by who fires an automation, once the engine is gone.
    """
    seen = {"orchestrator.automations.ending"}
    todo = ["orchestrator.engine", "orchestrator.start", "orchestrator.last_green"]
    while todo:
        name = todo.pop()
        place = ROOT / Path(*name.split("."))
        file = place.with_suffix(".py") if place.with_suffix(".py").exists() else None
        file = file or (place / "__init__.py" if (place / "__init__.py").exists() else None)
        if name in seen or file is None:
            continue
        seen.add(name)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                todo += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                todo += [alias.name for alias in node.names]
    assert "orchestrator.policy.decide" in seen
    assert seen & {"orchestrator.cleaning", "orchestrator.accept", "orchestrator.cli"} == set()


def test_no_model_that_plans_can_allow_what_is_protected() -> None:
    from orchestrator.planning import drafting

    source = Path(drafting.__file__).read_text()
    assert "may_change=old.may_change if old else ()" in source, "only a person's plan may"


@pytest.mark.parametrize("typed", [("run", "--unattended", "--sandbox", "none")])
def test_no_word_on_the_command_line_takes_the_sandbox_away(
    user: User, typed: tuple[str, ...]
) -> None:
    refused(user.orch(*typed), 2, "no sandbox confines it")


@pytest.mark.thorough
def test_what_ended_for_want_of_a_person_says_so(user: User) -> None:
    user.settings(gates={"suite": "false"})
    said = user.orch(*ALONE)
    ended_with(said, 5, "red base")


# --- where it begins --------------------------------------------------------------------------


@pytest.mark.thorough
def test_it_begins_at_the_newest_green_commit_and_says_so_loudly(user: User) -> None:
    user.settings(gates={"suite": "test ! -e broken"})
    user.commit({".agent/RULES.md": "be kind\n"}, "good")
    ended_with(user.orch("gate", "--sandbox", "external"), 0)
    good = user.git("rev-parse", "HEAD")
    user.commit({"broken": "x"}, "somebody broke it")
    said = user.orch(*ALONE, "--base", "last-green")
    ended_with(said, 0, "gate 'suite' is red on main", f"1 commit before it, at {good[:10]}")
    status = user.orch("status", "--json").json
    assert status["base"] == good and status["target"] == "main"
    report = user.orch("report").out
    warning = report.partition("## Read this first")[2].partition("\n## ")[0]
    assert good[:10] in warning and "known to be green" in warning
    user.plan("a", base="last-green")
    ended_with(user.orch(*ALONE), 0, "1 commit before it")
    refused(user.orch("run", "--base", "no-such"), 2, "no-such")


@pytest.mark.thorough
def test_where_nothing_green_is_known_it_does_not_begin(user: User) -> None:
    user.settings(gates={"suite": "false"})
    said = user.orch(*ALONE, "--base", "last-green")
    assert said.exit_code == 5 and "no commit before it is known to be green" in said.err
    assert "hint:" in said.err and "RunStarted" not in user.orch("ledger", "events", "--json").out
