"""Plans, settings and names that are wrong, missing, giant, or changed while a run goes on."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.support.cli import User, ended_with, no_defect, refused

GIANT = 10_000


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "home")


# --- missing ----------------------------------------------------------------------------------


def test_without_a_plan_a_run_says_how_to_make_one(user: User) -> None:
    refused(user.orch("run"), 2, "no plan", ".agent/plans", "orch plan")
    refused(user.orch("run", "absent"), 2, "absent")
    refused(user.orch("run", "no/such/file.toml"), 2, "no/such/file.toml")
    assert not (user.root / ".git" / "orch" / "ledger.sqlite").exists()


def test_a_plan_that_is_a_folder_a_pipe_or_unreadable_is_refused(user: User) -> None:
    plans = user.root / ".agent" / "plans"
    (plans / "folder.toml").mkdir(parents=True)
    refused(user.orch("run", "folder"), 2, "folder")
    os.mkfifo(plans / "pipe.toml")
    said = user.orch("run", ".agent/plans/pipe.toml", within_s=20)
    refused(said, 2, "pipe")
    (plans / "link.toml").symlink_to("nowhere.toml")
    refused(user.orch("run", "link"), 2, "link")


def test_without_settings_the_first_step_is_named(user: User) -> None:
    user.plan("a")
    (user.root / ".agent" / "orch.toml").unlink()
    refused(user.orch("run"), 2, ".agent/orch.toml", "orch init")
    plans = user.root / ".agent" / "plans" / "work.toml"
    plans.rename(user.home / "plan.toml")
    (user.root / ".agent" / ".gitignore").unlink()
    (user.root / ".agent" / "plans").rmdir()
    (user.root / ".agent").rmdir()
    refused(user.orch("run"), 2, "orch init")
    refused(user.orch("run", str(user.home / "plan.toml")), 2, "orch init")
    assert not (user.root / ".agent").exists(), "nothing is made"


def test_without_a_gate_it_is_said_loudly_or_refused(user: User) -> None:
    """Whatever a worker does would land: never silently."""
    user.plan("a")
    user.write(
        {
            ".agent/orch.toml": '[run]\nworker = "sh"\nmin_free_gb = 0\nsandbox = "none"\n'
            '[worker.sh]\nkind = "command"\ncommand = "echo > a.txt"\n'
        }
    )
    said = user.orch("run")
    no_defect(said)
    assert re.search(r"no gate", said.err), said
    for typed in (("status",), ("ledger", "verify")):
        ended_with(user.orch(*typed), 0, "no gate judged what landed")


# --- wrong ------------------------------------------------------------------------------------

BAD_PLANS = {
    "no TOML": ("goal = ", "bad.toml:1"),
    "not text": ("\0\1\2", "bad.toml"),
    "empty": ("", "bad.toml"),
    "an id that is a path": ('goal = "x"\n[[task]]\nid = "../a"\nprompt = "do"\n', "bad.toml:3"),
    "a circle": (
        'goal = "x"\n[[task]]\nid = "a"\nprompt = "x"\nneeds = ["b"]\n'
        '[[task]]\nid = "b"\nprompt = "x"\nneeds = ["a"]\n',
        "a -> b -> a",
    ),
    "a base that is an option": ('goal="x"\nbase="--all"\n[[task]]\nid="a"\nprompt="x"\n', "--all"),
    "a letter that is none": (
        'goal = "x\\uD800"\n[[task]]\nid = "a"\nprompt = "x"\n',
        "bad.toml:1",
    ),
}


def test_every_bad_plan_is_refused_with_its_place(user: User) -> None:
    before = user.things()
    for name, (text, word) in BAD_PLANS.items():
        user.write({".agent/plans/bad.toml": text})
        said = user.orch("plan", "--check", ".agent/plans/bad.toml")
        no_defect(said)
        assert said.exit_code == 2 and said.out == "", (name, said)
        assert word in said.err and "bad.toml" in said.err, (name, said.err)
    said = user.orch("run", "bad")
    assert said.exit_code == 2
    (user.root / ".agent" / "plans" / "bad.toml").unlink()
    (user.root / ".agent" / "plans").rmdir()
    assert user.things() == before
    assert not (user.root / ".git" / "orch" / "ledger.sqlite").exists()


def test_a_plan_in_another_encoding_is_refused_in_words(user: User) -> None:
    (user.root / ".agent" / "plans").mkdir()
    text = 'goal = "Grüße"\n[[task]]\nid = "a"\nprompt = "x"\n'
    (user.root / ".agent" / "plans" / "old.toml").write_bytes(text.encode("latin-1"))
    said = user.orch("run")
    no_defect(said)
    assert said.exit_code == 2 and "old.toml" in said.err and "UTF-8" in said.err, said


BAD_SETTINGS = {
    "no TOML": ("[run\n", "orch.toml:1"),
    "an unknown worker": ('[run]\nworker = "ghost"\n', "'ghost'"),
    "a number too large": ("[run]\nparallel = 99999999999999999999\n", "orch.toml:2"),
    "not a number": ("[run]\ntimeout_s = nan\n", "orch.toml:2"),
    "a NUL in a command": ('[[gate]]\nname = "a"\ncommand = "x\\u0000y"\n', "orch.toml:3"),
    "workspaces within": ('[run]\nworkspaces = "{root}/w"\n', "workspaces"),
}


def test_every_bad_setting_is_refused_with_its_place(user: User) -> None:
    user.plan("a")
    failed = []
    for name, (text, word) in BAD_SETTINGS.items():
        user.write({".agent/orch.toml": text.replace("{root}", str(user.root))})
        said = user.orch("run")
        no_defect(said)
        if said.exit_code != 2 or said.out or word not in said.err:
            failed.append((name, said))
    assert not failed


ENDLESS = (
    ("[run]", "[run]\ntimeout_s = inf"),
    ("min_free_gb = 0", "min_free_gb = inf"),
    ('stage = "land"', 'stage = "land"\ntimeout_s = inf'),
    ('kind = "command"', 'kind = "command"\ntimeout_s = inf'),
)


@pytest.mark.thorough
def test_an_endless_number_is_refused(user: User) -> None:
    user.plan("a")
    settings = user.root / ".agent" / "orch.toml"
    good = settings.read_text()
    for old, new in ENDLESS:
        assert old in good
        settings.write_text(good.replace(old, new, 1))
        refused(user.orch("run", "--dry-run"), 2, "orch.toml:")


@pytest.mark.thorough
def test_an_endless_number_does_not_make_the_ledger_unreadable(user: User) -> None:
    user.settings(run="timeout_s = inf")
    user.plan("a")
    no_defect(user.orch("run"))
    user.settings()
    ended_with(user.orch("run"), 0)
    ended_with(user.orch("status"), 0)


def test_the_doctor_knows_the_words_of_the_shell(user: User) -> None:
    user.settings(
        worker='for x in 1; do echo > "$ORCH_TASK.txt"; done',
        gates={"one": "if true; then exit 0; fi", "two": "! false", "three": "(true)"},
    )
    ended_with(user.orch("doctor"), 0)


def test_personal_settings_may_not_bring_gates(user: User) -> None:
    user.plan("a")
    user.write({".agent/orch.local.toml": '[[gate]]\nname = "mine"\ncommand = "true"\n'})
    refused(user.orch("run"), 2, "orch.local.toml:1", "gate")


ODD_TEXTS = ("red \\u001b[31m letters", "  \\n\\n\\n", "#hash", "-m", "x" * 9999)


@pytest.mark.thorough
def test_odd_texts_of_a_plan_are_texts(user: User) -> None:
    """A title becomes a commit's subject, a line of a view, an argument of nothing."""
    text = 'goal = "Odd \\u001b[31m texts"\n'
    for number, odd in enumerate(ODD_TEXTS):
        text += f'[[task]]\nid = "t{number}"\npaths = ["t{number}.txt"]\n'
        text += f'title = "{odd}"\nprompt = "do: {odd}"\n'
    user.write({".agent/plans/odd.toml": text})
    said = user.orch("run")
    ended_with(said, 0)
    assert "\x1b" not in said.out + said.err
    for command in ("report", "show"):
        told = user.orch(command)
        ended_with(told, 0)
        assert "\x1b" not in told.out and "\0" not in told.out
    ended_with(user.orch("ledger", "verify"), 0)


def test_a_title_with_a_nul_is_refused_or_does_no_harm(user: User) -> None:
    text = 'goal = "x"\n[[task]]\nid = "a"\npaths = ["a.txt"]\ntitle = "A\\u0000B"\nprompt = "x"\n'
    user.write({".agent/plans/odd.toml": text})
    said = user.orch("run")
    no_defect(said)
    assert said.exit_code == 0 or (said.exit_code == 2 and "odd.toml:5" in said.err), said


# --- names ------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_unknown_runs_and_tasks_are_named_with_those_there_are(user: User) -> None:
    user.plan("alpha", "beta")
    ended_with(user.orch("run"), 0)
    run = user.run_id()
    for command in ("status", "resume", "accept"):
        said = user.orch(command, "nothing-like-it")
        refused(said, 2, "nothing-like-it", run)
    for command in ("show", "retry", "take", "reject"):
        refused(user.orch(command, "alhpa"), 2, "alhpa", "alpha")
    refused(user.orch("accept", "--only", "alhpa"), 2, "alhpa", "alpha")
    refused(user.orch("gate", "siute"), 2, "siute", "suite")
    for odd in ("../../etc", "\x1b[31m"):
        said = user.orch("show", "--", odd)
        no_defect(said)
        assert said.exit_code == 2 and "\x1b" not in said.err, said


@pytest.mark.thorough
def test_a_branch_to_accept_to_that_git_would_not_take(user: User) -> None:
    user.plan("alpha")
    ended_with(user.orch("run"), 0)
    before = user.things()
    for name in ("no..branch", "-x", "a b", "", "end.lock", "HEAD", "@", "refs/heads/y"):
        refused(user.orch("accept", f"--to={name}"), 2, name, "no legal name of a branch")
    for name in ("orch", "orch/mine", f"orch/{user.run_id()}/keep"):
        refused(user.orch("accept", f"--to={name}"), 2, name, "none of your branches")
        refused(user.orch("run", "--accept", "--into", name), 2, f"--into '{name}'")
    assert user.things() == before


@pytest.mark.thorough
def test_a_beginning_that_fits_several_runs_is_refused_with_their_names(user: User) -> None:
    user.plan("alpha")
    for _ in range(2):
        ended_with(user.orch("run"), 0)
    said = user.orch("status", "2")
    refused(said, 2, "several runs", "-a1", "-a2")


# --- changed while it goes on -------------------------------------------------------------------


def test_a_plan_edited_or_deleted_while_it_runs_changes_nothing(user: User) -> None:
    gate = user.home / "go"
    user.settings(worker=f'while ! test -e {gate}; do sleep 0.05; done; echo > "$ORCH_TASK.txt"')
    user.commit({}, "worker")
    user.plan("a", ("b", ["a"]))
    with user.typing("run") as typed:
        typed.hears("a started")
        user.write({".agent/plans/work.toml": "no longer a plan ["})
        (user.root / ".agent" / "orch.toml").unlink()
        gate.touch()
        said = typed.said()
    ended_with(said, 0)
    assert {"a.txt", "b.txt"} <= set(user.result())
    said = user.orch("resume")
    no_defect(said)
    assert said.exit_code == 0


@pytest.mark.thorough
def test_resume_says_which_settings_changed_and_does_not_use_them(user: User) -> None:
    user.settings(gates={"suite": "! test -e a.txt"}, run="attempts = 1")
    user.commit({}, "gate")
    user.plan("a")
    ended_with(user.orch("run"), 1)
    user.settings(gates={"suite": "exit 0"}, run="attempts = 1")
    said = user.orch("resume")
    ended_with(said, 1)
    ended_with(user.orch("retry", "a"), 1)
    assert "a.txt" not in user.result()


# --- giant ------------------------------------------------------------------------------------


@pytest.fixture
def giant(user: User) -> User:
    """Ten thousand tasks in a hundred chains, each with a path of its own."""
    lines = ['goal = "A giant"']
    for number in range(GIANT):
        needs = f'needs = ["t{number - 100}"]' if number >= 100 else ""
        lines.append(
            f'[[task]]\nid = "t{number}"\nprompt = "do it"\npaths = ["t{number}.txt"]\n{needs}'
        )
    user.write({".agent/plans/giant.toml": "\n".join(lines) + "\n"})
    return user


@pytest.mark.thorough
def test_a_plan_of_ten_thousand_tasks_is_checked_and_forecast(giant: User) -> None:
    said = giant.orch("plan", "--check", ".agent/plans/giant.toml")
    ended_with(said, 0, "10000 tasks")
    print(f"plan --check: {said.duration_s:.1f} s, {len(said.out)} letters")
    assert said.duration_s < 30
    dry = giant.orch("run", "--dry-run")
    ended_with(dry, 0)
    print(f"run --dry-run: {dry.duration_s:.1f} s")
    assert dry.out == said.out
    assert not (giant.root / ".git" / "orch" / "ledger.sqlite").exists()


@pytest.mark.thorough
def test_a_run_of_ten_thousand_tasks_lands_and_stops_in_order(giant: User) -> None:
    before = giant.things()
    began = time.monotonic()
    with giant.typing("run", "--json") as typed:
        landed, lines = 0, []
        assert typed.process.stdout is not None
        for line in typed.process.stdout:
            lines.append((time.monotonic() - began, line))
            landed += '"Landed"' in line
            if landed == 3:
                break
            assert time.monotonic() - began < 60
        typed.press(signal.SIGINT)
        said = typed.said(30)
    no_defect(said)
    assert said.exit_code == 130, said
    print(f"first event after {lines[0][0]:.1f} s, third landing after {lines[-1][0]:.1f} s")
    assert giant.things() == before
    giant.wait_gone()
    status = giant.orch("status")
    ended_with(status, 0, "orch resume")
    print(f"status of it: {status.duration_s:.1f} s")
    assert status.duration_s < 15
