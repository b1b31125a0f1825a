"""A result goes to a remote, and nothing here changes by it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ledger.connectors import ForgeSettings
from ledger.lock import EngineLock, EngineRunning
from orchestrator.errors import OrchError
from orchestrator.forges.push import PushedResult, push_result
from tests.integration.forges.conftest import USER, Away
from tests.support.git_http import BACKEND, PASSWORD, served_git
from tests.support.git_http import USER as USER_THERE
from tests.support.project import kinds
from worktree.remote import RemoteError, find_remote


def push(away: Away, **how: object) -> PushedResult:
    with away.project.store() as store:
        return push_result(away.project.workplace(), store, away.run, settings=ForgeSettings(**how))


def things(away: Away) -> dict[str, str]:
    """What is the user's: configuration, refs and the files of the checkout."""
    project = away.project
    files = {
        str(path.relative_to(project.root)): path.read_bytes().hex()
        for path in project.root.rglob("*")
        if path.is_file() and ".git/orch/" not in str(path) and "/objects/" not in str(path)
    }
    return {"refs": project.git("for-each-ref"), "head": project.git("rev-parse", "HEAD"), **files}


def test_the_result_is_pushed_as_a_branch_of_orchs_and_nothing_else_changes(away: Away) -> None:
    before = things(away)
    made = push(away)
    assert (made.outcome, made.branch, made.main) == ("pushed", f"orch/{USER}/{away.run}", "main")
    state = away.state()
    assert away.there()[made.branch] == state.result
    assert set(away.there()) == {"main", made.branch}
    assert things(away) == before
    assert kinds(away.project.facts(away.run))[-2:] == ["PushIntended", "Pushed"]
    assert state.pushed[made.branch].heads == tuple(state.landed_heads().values())


def test_the_same_again_finds_it_there(away: Away) -> None:
    push(away)
    facts = len(away.project.facts(away.run))
    assert push(away).outcome == "there"
    assert len(away.project.facts(away.run)) == facts


def test_a_push_that_a_crash_swallowed_is_recorded_by_the_next(away: Away) -> None:
    result = away.state().result
    away.project.git("push", "--quiet", "origin", f"{result}:refs/heads/{away.branch}")
    assert push(away).outcome == "there"
    assert away.state().pushed[away.branch].commit == result


def test_our_branch_moves_forward_and_nobody_elses_does(away: Away) -> None:
    push(away)
    first = away.state().pushed[away.branch].commit
    # What a run that went on would have: landings on top of what was pushed.
    base = away.state().started.base
    away.git_there("update-ref", f"refs/heads/{away.branch}", base, first)
    assert push(away).outcome == "pushed"
    assert away.there()[away.branch] == first

    # Somebody else put a commit on it that is not here: another name, and theirs stays.
    tree = away.git_there("rev-parse", f"{first}^{{tree}}")
    theirs = away.git_there("commit-tree", "-p", first, "-m", "theirs", tree)
    away.git_there("update-ref", f"refs/heads/{away.branch}", theirs, first)
    made = push(away)
    assert (made.outcome, made.branch) == ("pushed", f"{away.branch}-2")
    assert away.there()[away.branch] == theirs and away.there()[made.branch] == first


def test_a_branch_of_that_name_that_this_run_never_pushed_is_left_alone(away: Away) -> None:
    base = away.state().started.base
    away.git_there("update-ref", f"refs/heads/{away.branch}", base)
    made = push(away)
    assert made.branch == f"{away.branch}-2"
    assert away.there()[away.branch] == base


def test_protected_names_are_refused(away: Away) -> None:
    for pattern in ("orch/*", "orch/a-person/*", "*"):
        with pytest.raises(OrchError, match="protected"):
            push(away, protected=(pattern,))
    assert set(away.there()) == {"main"}


def test_what_the_remote_says_is_its_main_branch_is_refused(away: Away) -> None:
    away.git_there("symbolic-ref", "HEAD", f"refs/heads/{away.branch}")
    away.git_there("update-ref", f"refs/heads/{away.branch}", away.state().started.base)
    with pytest.raises(OrchError, match="protected"):
        push(away)


def test_a_remote_that_refuses_says_so_and_nothing_is_lost(away: Away) -> None:
    hook = away.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'no branches on fridays' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(RemoteError, match="fridays") as caught:
        push(away)
    assert caught.value.trouble == "rejected"
    assert kinds(away.project.facts(away.run))[-1] == "PushIntended"
    hook.unlink()
    assert push(away).outcome == "pushed"


def test_a_remote_that_is_not_there_is_told_with_what_to_type(away: Away) -> None:
    with pytest.raises(RemoteError, match="there is no remote 'elsewhere'") as caught:
        push(away, remote="elsewhere")
    assert "origin" in caught.value.hint
    away.remote.rename(away.remote.with_name("gone.git"))
    with pytest.raises(RemoteError) as unreachable:
        push(away)
    assert unreachable.value.trouble == "unreachable"


def test_an_automation_pushes_and_opens_at_its_end_and_tells_what_came_of_it(
    away: Away,
) -> None:
    from ledger.automations import Automation
    from orchestrator.automations.ending import Ending, act

    automation = Automation(name="nightly", plan="p", on_end=("push", "pr"))
    with away.project.store() as store:
        ending = Ending(away.project.workplace(), store, away.run, automation)
        taken = act(ending, "push")
        assert taken.good and taken.said.startswith(f"pushed to origin as {away.branch} at ")
        taken = act(ending, "pr")  # a folder is no forge: told, and the branch is there
        assert not taken.good and "which kind of forge" in taken.said
        away.project.git("remote", "remove", "origin")
        taken = act(ending, "push")
        assert not taken.good and "there is no remote" in taken.said
    assert away.branch in away.there()


def test_nothing_landed_is_nothing_to_push(away: Away) -> None:
    with away.project.store() as store:
        run = away.project.start(*away.state().plan.tasks)
        made = push_result(away.project.workplace(), store, run, settings=ForgeSettings())
    assert made.outcome == "nothing" and set(away.there()) == {"main"}


def test_a_commit_whose_tree_is_not_the_judged_one_is_not_pushed(away: Away) -> None:
    state = away.state()
    with away.project.store() as store:
        from orchestrator.forges.push import Load, open_journal, push_load

        journal = open_journal(away.project.workplace(), store, away.run)
        load = Load(state.result, state.started.base_tree, ())
        with pytest.raises(OrchError, match="does not have the tree that was judged"):
            push_load(away.project.workplace(), journal, load, ForgeSettings())
    assert set(away.there()) == {"main"}


def test_nothing_is_pushed_while_an_engine_drives_the_run(away: Away) -> None:
    place = away.project.workplace().place
    with EngineLock.take(place.lock(away.run)), pytest.raises(EngineRunning):
        push(away)


def test_an_address_that_would_start_a_program_is_refused(away: Away, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for url in (f"ext::touch {mark}", f"--upload-pack=touch {mark}", "ssh://-oProxyCommand=x/y"):
        away.project.git("config", "remote.origin.url", url)
        with pytest.raises(RemoteError) as caught:
            push(away)
        assert caught.value.trouble == "address" and "set-url" in caught.value.hint
    assert not mark.exists()


def test_a_remote_with_the_name_of_an_option_is_refused(away: Away) -> None:
    for name in ("--upload-pack=touch x", "-o", "../other", "a b", ""):
        with pytest.raises(RemoteError, match="no name of a remote"):
            push(away, remote=name)


def test_no_hook_and_no_program_of_the_repository_runs(away: Away, tmp_path: Path) -> None:
    """Whatever an agent could write into the repository starts nothing while orch pushes."""
    mark = tmp_path / "mark"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {mark}\nexit 1\n')
    program.chmod(0o755)
    project = away.project
    for name in ("pre-push", "reference-transaction", "post-update"):
        hook = project.root / ".git" / "hooks" / name
        hook.write_text(program.read_text())
        hook.chmod(0o755)
    for key in (
        *("core.sshCommand", "core.fsmonitor", "core.askPass", "credential.helper"),
        *(
            "core.gitProxy",
            "gpg.program",
            "remote.origin.receivepack",
            "uploadpack.packObjectsHook",
        ),
    ):
        project.git("config", key, str(program))
    project.git("config", "push.gpgSign", "true")
    project.git("config", "remote.origin.mirror", "true")
    project.git("config", "remote.origin.push", "+refs/*:refs/*")
    assert push(away).outcome == "pushed"
    assert not mark.exists()
    assert set(away.there()) == {"main", away.branch}


def program_at(path: Path, mark: Path, more: str = "exit 1") -> Path:
    path.write_text(f"#!/bin/sh\necho ran >> {mark}\n{more}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(not BACKEND.exists(), reason="this git has no backend for HTTP")
def test_who_one_is_comes_from_the_users_own_configuration_alone(
    away: Away, tmp_path: Path
) -> None:
    """Over HTTP with a password: the repository's helper does not start, the user's own does."""
    mark, own = tmp_path / "mark", tmp_path / "own"
    evil = program_at(tmp_path / "evil", mark)
    project = away.project
    away.git_there("config", "http.receivepack", "true")
    with served_git(away.remote.parent) as url:
        project.git("config", "remote.origin.url", f"{url}/there.git")
        project.git("config", "credential.helper", f"!{evil}")
        with pytest.raises(RemoteError) as caught:
            push(away)
        assert caught.value.trouble == "auth" and "gh auth setup-git" in caught.value.hint
        assert not mark.exists()

        helper = program_at(
            tmp_path / "helper", own, f"echo username={USER_THERE}; echo password={PASSWORD}"
        )
        mine = tmp_path / "gitconfig"
        mine.write_text(f'[credential]\n helper = "!{helper}"\n')
        project.environ["GIT_CONFIG_GLOBAL"] = str(mine)
        assert push(away).outcome == "pushed"
        assert own.exists() and not mark.exists()
    assert away.there()[away.branch] == away.state().result
    for fact in project.facts(away.run):
        assert PASSWORD not in fact.model_dump_json()


@pytest.mark.skipif(not BACKEND.exists(), reason="this git has no backend for HTTP")
def test_a_password_in_an_address_is_used_and_is_no_argument_of_any_program(away: Away) -> None:
    """Everybody on the machine can read the arguments of what runs on it."""
    project = away.project
    away.git_there("config", "http.receivepack", "true")
    with served_git(away.remote.parent) as url:
        named = url.replace("://", f"://{USER_THERE}:{PASSWORD.replace('-', '%2D')}@")
        project.git("config", "remote.origin.url", f"{named}/there.git")
        workplace = project.workplace()
        remote = find_remote(workplace.git, workplace.environ, "origin")
        assert "password" not in f"{remote.address.url}{remote!r}"
        assert remote.address.password == PASSWORD
        assert push(away).outcome == "pushed"
    assert away.there()[away.branch] == away.state().result


def test_a_name_that_is_protected_is_not_taken_instead_of_one_that_is_not(away: Away) -> None:
    away.git_there("update-ref", f"refs/heads/{away.branch}", away.state().started.base)
    with pytest.raises(OrchError, match=f"{away.branch}-2 is not pushed: that name is protected"):
        push(away, protected=("*-2",))
    assert set(away.there()) == {"main", away.branch}


def test_a_remote_that_names_more_branches_than_are_read_is_not_taken_at_its_word(
    away: Away,
) -> None:
    base, long = away.state().started.base, "x" * 200
    there = (away.remote / "packed-refs").open("a")
    with there:
        for number in range(4500):
            there.write(f"{base} refs/heads/{away.branch}-{long}-{number}\n")
    with pytest.raises(RemoteError, match="more branches than anybody"):
        push(away)


@pytest.mark.skipif(not BACKEND.exists(), reason="this git has no backend for HTTP")
def test_the_header_that_a_job_left_in_the_repository_is_sent(away: Away) -> None:
    """As a checkout in CI leaves it: it is data, and starts nothing."""
    import base64

    project = away.project
    away.git_there("config", "http.receivepack", "true")
    said = base64.b64encode(f"{USER_THERE}:{PASSWORD}".encode()).decode()
    with served_git(away.remote.parent) as url:
        project.git("config", "remote.origin.url", f"{url}/there.git")
        project.git("config", f"http.{url}/.extraheader", f"AUTHORIZATION: Basic {said}")
        assert push(away).outcome == "pushed"


def test_no_ssh_of_the_repositorys_starts(away: Away, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    away.project.git("config", "core.sshCommand", str(program_at(tmp_path / "evil", mark)))
    away.project.git("config", "remote.origin.url", "ssh://git@127.0.0.1:9/ada/tea")
    with pytest.raises(RemoteError):
        push(away)
    assert not mark.exists()


def test_a_helper_of_the_users_own_is_used_and_the_repositorys_is_not(
    away: Away, tmp_path: Path
) -> None:
    """ssh as the user has it configured for themselves; git hands it to the remote's host."""
    mark = tmp_path / "mark"
    ssh = tmp_path / "own-ssh"
    ssh.write_text(f'#!/bin/sh\necho "$*" >> {mark}\nexit 255\n')
    ssh.chmod(0o755)
    own = tmp_path / "gitconfig"
    own.write_text(
        f'[core]\n sshCommand = {ssh}\n[url "ssh://git@host.invalid/"]\n insteadOf = mine:\n'
    )
    away.project.environ["GIT_CONFIG_GLOBAL"] = str(own)
    away.project.git("config", "remote.origin.url", "mine:ada/tea.git")
    with pytest.raises(RemoteError) as caught:
        push(away)
    assert caught.value.trouble == "unreachable"
    assert "git@host.invalid" in mark.read_text() and "ada/tea.git" in mark.read_text()
    assert "ssh://host.invalid/ada/tea" in caught.value.what


def test_a_password_in_an_address_is_never_told(away: Away) -> None:
    secret = "hunter2%40of-a-person" + "x" * 400
    away.project.git("config", "remote.origin.url", f"http://ada:{secret}@127.0.0.1:9/ada/tea.git")
    with pytest.raises(RemoteError) as caught:
        push(away)
    assert "hunter2" not in f"{caught.value.what}{caught.value.hint}{caught.value!r}"
    assert "xxxx" not in caught.value.what
    for fact in away.project.facts(away.run):
        assert secret not in fact.model_dump_json()


def test_the_environment_names_no_terminal_and_no_git_of_somebody_elses(away: Away) -> None:
    """A variable that would send git elsewhere is not handed down."""
    os.environ["GIT_DIR"] = "/nonexistent"
    try:
        assert push(away).outcome == "pushed"
    finally:
        del os.environ["GIT_DIR"]
    assert re.fullmatch(r"[0-9a-f]{40}", away.there()[away.branch])
