"""`orch doctor`: each thing that can be missing or odd is found, and says what to type."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.test_disk import OWN_MOUNTS, needs_mounts
from tests.support.cli import ORCH, Said, User, ended_with, no_defect, wait_for
from workers.sandbox import bubblewrap


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "home")


def look(user: User, **environ: str) -> Said:
    """What the doctor says; it changes nothing, and what is not good says what to type."""
    before = user.things(), user.left()
    said = user.orch("doctor", "--json", environ=user.environ | environ)
    no_defect(said)
    assert (user.things(), user.left()) == before
    for one in said.json:
        assert one["level"] == "good" or one["hint"], one
    assert said.exit_code == (2 if any(one["level"] == "bad" for one in said.json) else 0)
    return said


def found(said: Said, subject: str) -> list[tuple[str, str]]:
    """The level, and what was said with its hint, of all that is not good of a subject."""
    return [
        (one["level"], f"{one['what']} | {one['hint']}")
        for one in said.json
        if one["subject"] == subject and one["level"] != "good"
    ]


def only(said: Said, subject: str) -> tuple[str, str]:
    (one,) = found(said, subject)
    return one


def test_where_all_is_well_only_the_sandbox_is_odd(user: User) -> None:
    said = look(user)
    assert [one["subject"] for one in said.json if one["level"] != "good"] == ["sandbox"]
    subjects = {one["subject"] for one in said.json}
    assert subjects >= {"git", "installation", "identity", "branches", "ledger", "leftovers"}
    assert subjects >= {"settings", "disk", "gates"}


# --- the machine ------------------------------------------------------------------------------


def programs(user: User, **scripts: str) -> str:
    """A folder of programs that comes first on PATH."""
    folder = user.home / "programs"
    folder.mkdir()
    for name, text in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{user.environ['PATH']}"


def test_a_git_that_is_too_old(user: User) -> None:
    real = shutil.which("git")
    old = f"""case "$*" in *version*) echo "git version 2.30.2";; *) exec {real} "$@";; esac"""
    level, text = only(look(user, PATH=programs(user, git=old)), "git")
    assert level == "bad" and "2.30.2 is too old" in text and "install git 2.38 or newer" in text


def test_no_git_at_all(user: User) -> None:
    folder = user.home / "empty"
    folder.mkdir()
    said = user.orch("doctor", environ=user.environ | {"PATH": str(folder)})
    ended_with(said, 2, "git is not installed", "type: install git")


@pytest.mark.thorough
def test_another_package_that_claims_a_name_of_orchs(user: User) -> None:
    site = user.home / "site"
    info = site / "crowd-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crowd\nVersion: 1.0\n")
    (info / "RECORD").write_text("workers/__init__.py,,\ncrowd-1.0.dist-info/METADATA,,\n")
    level, text = only(look(user, PYTHONPATH=str(site)), "installation")
    assert level == "bad" and "'workers' is also claimed by crowd" in text
    assert "pipx install orch" in text


@pytest.mark.thorough
def test_too_little_room_for_workspaces(user: User) -> None:
    settings = user.root / ".agent" / "orch.toml"
    settings.write_text(settings.read_text().replace("min_free_gb = 0", "min_free_gb = 1000000"))
    level, text = only(look(user), "disk")
    assert level == "bad" and "nothing starts below 1e+06 GB" in text and "orch clean" in text


def laid_over(user: User, there: str, content: Path) -> list[dict[str, str]]:
    """What is not good where that file has another content, for this one process only."""
    # exec keeps the process, so $$ in the name of the file is the doctor
    script = f"mount --bind {content} {there} && exec {ORCH} doctor --json"
    done = subprocess.run(
        (*OWN_MOUNTS, "sh", "-c", script), cwd=user.root, env=user.environ,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    said: list[dict[str, str]] = json.loads(done.stdout)
    assert all(one["level"] == "good" or one["hint"] for one in said)
    return [one for one in said if one["level"] != "good"]


def with_mounts(user: User, mounts: str) -> list[dict[str, str]]:
    """What is not good where the kernel says that this is mounted."""
    told = user.home / "mountinfo"
    told.write_text(f"22 1 0:1 / / rw - ext4 /dev/vda rw\n{mounts}")
    return laid_over(user, "/proc/$$/mountinfo", told)


@needs_mounts
def test_a_repository_on_a_network_file_system(user: User) -> None:
    (one,) = [
        one
        for one in with_mounts(user, f"30 22 0:2 / {user.root} rw - nfs4 host:/w rw\n")
        if one["subject"] == "ledger"
    ]
    assert one["level"] == "odd" and "network file system (nfs4)" in one["what"]
    assert one["hint"].startswith(f"git clone {user.root}")


@needs_mounts
@pytest.mark.thorough
def test_everything_on_a_network_file_system(user: User) -> None:
    odd = with_mounts(user, f"30 22 0:2 / {user.home} rw - nfs4 host:/w rw\n")
    ledger = next(one for one in odd if one["subject"] == "ledger")
    assert ledger["level"] == "bad" and "export ORCH_STATE_DIR=" in ledger["hint"]
    disk = next(one for one in odd if one["subject"] == "disk")
    assert disk["level"] == "odd" and "nfs4" in disk["what"] and "workspaces = " in disk["hint"]


# --- the repository ---------------------------------------------------------------------------


@pytest.mark.thorough
def test_nobody_to_commit_as(user: User) -> None:
    user.git("config", "--unset", "user.name")
    level, text = only(look(user), "identity")
    assert level == "bad" and "git config --global user.name" in text


@pytest.mark.thorough
def test_a_branch_named_orch(user: User) -> None:
    user.git("branch", "orch")
    level, text = only(look(user), "branches")
    assert level == "bad" and text.endswith("git branch -m orch orch-work")
    user.git("branch", "-m", "orch", "orch-work")
    assert found(look(user), "branches") == []


@pytest.mark.thorough
def test_a_checkout_in_the_middle_of_something(user: User) -> None:
    user.git("checkout", "-q", "--detach")
    user.write({"readme": "changed\n"})
    (user.root / ".git" / "MERGE_HEAD").write_text(user.git("rev-parse", "HEAD") + "\n")
    texts = " ".join(text for _, text in found(look(user), "checkout"))
    for word in ("detached", "git switch", "merge is under way", "git status", "not committed"):
        assert word in texts, word


# --- leftovers --------------------------------------------------------------------------------


@pytest.fixture
def killed(user: User) -> Iterator[str]:
    """A run whose engine was killed while a worker was at work, which lives on."""
    at_work = user.home / "at-work"
    user.settings(worker=f'echo > "{at_work}"; exec sleep 300')
    user.commit({}, "worker")
    user.plan("a")
    with user.typing("run") as typed:
        wait_for(at_work.exists)
        typed.press(signal.SIGKILL)
        typed.process.wait(20)
        yield user.run_id()
        for pid in user.processes():
            os.kill(pid, signal.SIGKILL)


@pytest.mark.thorough
def test_what_a_killed_engine_left(user: User, killed: str) -> None:
    texts = {text for _, text in found(look(user), "leftovers")}
    assert f"run {killed} is not finished, and no engine drives it | orch resume {killed}" in texts
    assert any(f"of run {killed} at work, though no engine drives it" in text for text in texts)
    assert any(
        f"of dead engines: orch-{killed}-" in text and f"orch resume {killed}" in text
        for text in texts
    ), texts
    user.settings()
    (user.home / "at-work").unlink()
    ended_with(user.orch("clean", killed, "--discard"), 0)
    assert found(look(user), "leftovers") == []


def test_a_ledger_that_was_removed_while_refs_of_its_runs_are_there(user: User) -> None:
    user.plan("a")
    ended_with(user.orch("run"), 0)
    run, folder = user.run_id(), user.root / ".git" / "orch"
    user.git("branch", f"orch/{run}/mine", "main")
    assert found(look(user), "ledger") == []
    for path in folder.glob("ledger.sqlite*"):
        path.unlink()
    level, text = only(look(user), "ledger")
    assert level == "odd" and f"nothing of 1 run whose refs are here: {run}" in text
    assert f"put {folder / 'ledger.sqlite'} back" in text and f"orch/{run}/result" in text
    ended_with(user.orch("clean"), 0, "no ledger tells of 1 run whose refs", "orch doctor")
    typed = text.partition("; ")[2].partition("; ")[2].removesuffix(" removes its refs")
    done = subprocess.run(["sh", "-c", typed], cwd=user.root, env=user.environ, check=True)
    assert done.returncode == 0 and found(look(user), "ledger") == []
    assert user.git("for-each-ref", "--format=%(refname:short)").split() == [
        "main",
        f"orch/{run}/mine",
    ]
    ended_with(user.orch("clean"), 0, "nothing was ever run here")


@pytest.mark.thorough
def test_workspaces_that_no_run_of_the_ledger_knows(user: User, killed: str) -> None:
    for pid in user.processes():
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(user.root / ".git" / "orch")
    level, text = only(look(user), "leftovers")
    assert level == "odd" and "git worktree remove --force" in text


# --- gates and workers ------------------------------------------------------------------------


def test_gates_and_workers_whose_program_is_not_there(user: User) -> None:
    user.settings(
        worker="no-such-worker --all",
        gates={
            "gone": "LANG=C no-such-program --all",
            "script": "./check.sh",
            "mute": "./mute.sh",
            "words": "if true; then exit 0; fi",
        },
    )
    user.commit({"mute.sh": "exit 0\n"}, "a script that may not be executed")
    said = look(user)
    texts = [text for level, text in found(said, "gates") if level == "bad"]
    assert texts == [
        "gate 'gone': there is no program 'no-such-program'"
        " | install no-such-program, then: orch gate gone",
        "gate 'script': there is no program './check.sh'"
        " | make it, or correct the command, then: orch gate script",
        "gate 'mute': './mute.sh' may not be executed"
        " | chmod +x ./mute.sh and commit it, then: orch gate mute",
    ]
    level, text = only(said, "workers")
    assert level == "bad" and "install no-such-worker" in text and "[worker.sh]" in text


@pytest.mark.thorough
def test_a_key_of_a_model_that_is_not_set(user: User) -> None:
    model = '[worker.m]\nkind = "model"\nmodel = "openai:x"\n'
    user.write({".agent/orch.local.toml": f'[run]\nworker = "m"\n{model}'})
    level, text = only(look(user), "workers")
    assert (level, "OPENAI_API_KEY is not set" in text) == ("bad", True)
    assert "export OPENAI_API_KEY=" in text
    assert found(look(user, OPENAI_API_KEY="not-for-your-eyes"), "workers") == []
    user.write({"plan.toml": 'goal = "g"\n[[task]]\nid = "a"\nprompt = "p"\n'})
    said = user.orch("run", "plan.toml", "--unattended")
    assert said.exit_code == 2
    assert "OPENAI_API_KEY is not set" in said.err


@pytest.mark.thorough
def test_no_gate_at_all(user: User) -> None:
    user.write({".agent/orch.toml": "[run]\nmin_free_gb = 0\n"})
    level, text = only(look(user), "gates")
    assert level == "bad" and "no gate judges anything" in text and "orch init" in text


@pytest.mark.thorough
def test_settings_that_cannot_be_read(user: User) -> None:
    user.write({".agent/orch.toml": "[run]\nparalel = 4\nattempts = 0\n"})
    texts = [text for _, text in found(look(user), "settings")]
    assert len(texts) == 2 and "orch.toml:2: " in texts[0] and "parallel" in texts[0]
    (user.root / ".agent" / "orch.toml").unlink()
    assert only(look(user), "settings")[1].endswith("| orch init")


def test_outside_of_a_repository(user: User) -> None:
    said = user.orch("doctor", folder=user.home)
    ended_with(said, 2, "not in a git repository", "git init")


# --- the sandbox ------------------------------------------------------------------------------


def wants_a_sandbox(user: User) -> None:
    settings = user.root / ".agent" / "orch.toml"
    settings.write_text(settings.read_text().replace('sandbox = "none"\n', ""))


@pytest.mark.thorough
def test_no_sandbox_by_the_settings_is_odd(user: User) -> None:
    level, text = only(look(user), "sandbox")
    assert level == "odd" and "with your rights" in text


@needs_mounts
@pytest.mark.skipif(bubblewrap() is None, reason="bubblewrap is not installed")
def test_a_sandbox_that_this_machine_does_not_give(user: User) -> None:
    wants_a_sandbox(user)
    refuses = user.home / "refuses"
    refuses.write_text(
        "#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2; exit 1\n"
    )
    refuses.chmod(0o755)
    odd = laid_over(user, str(bubblewrap()), refuses)
    (one,) = [one for one in odd if one["subject"] == "sandbox"]
    assert one["level"] == "bad" and "does not work here: bwrap: setting up uid" in one["what"]
    assert 'sandbox = "none"' in one["hint"]
