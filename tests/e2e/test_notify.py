"""`[notify]` as a person types it: in settings, at the end of a run, and to try it out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal
from tests.support.cli import User, ended_with, refused
from tests.support.receiver import receiver

HOOK = '\n[notify]\nwebhook = "TELL_ME"\n'


@pytest.fixture
def user(tmp_path: Path) -> User:
    made = User(tmp_path)
    made.plan("a")
    return made


def own(user: User, text: str) -> None:
    user.write({".agent/orch.local.toml": text})


def test_a_run_that_nobody_attends_ends_with_a_message(user: User) -> None:
    with receiver() as server:
        own(user, HOOK)
        user.environ["TELL_ME"] = f"{server.url}/x"
        said = user.orch("run", "--unattended", "--sandbox", "external")
        ended_with(said, 0, "you were told (webhook)")
        ended_with(user.orch("resume"), 0)
    assert [got.json["level"] for got in server.received] == ["landed"], "once"
    assert '"ways":["webhook"]' in user.orch("ledger", "events").out


@pytest.mark.thorough
def test_a_run_that_somebody_attends_tells_only_where_it_is_asked_to(user: User) -> None:
    with receiver() as server:
        own(user, HOOK)
        user.environ["TELL_ME"] = server.url
        ended_with(user.orch("run"), 0)
        assert server.received == []
        ended_with(user.orch("run", "--notify"), 0, "you were told (webhook)")
    assert len(server.received) == 1


@pytest.mark.thorough
def test_what_is_not_told_changes_nothing_about_the_run(user: User) -> None:
    own(user, '\n[notify]\ncommand = "echo no mail >&2; exit 7"\n')
    said = user.orch("run", "--notify")
    ended_with(said, 0, "you were not told by command: exit 7: no mail")
    status = user.orch("status", "--json").json
    assert (status["outcome"], status["exit_code"]) == ("complete", 0)
    user.settings(worker="exit 1", run="attempts = 1")
    ended_with(user.orch("run", "--notify"), 1, "you were not told by command")


def test_it_can_be_tried_out(user: User) -> None:
    refused(user.orch("notify"), 2, "no way to tell you is named", "[notify]")
    with receiver(200, 403) as server:
        own(user, HOOK + 'shape = "slack"\ncommand = "cat > told"\nbell = true\n')
        user.environ["TELL_ME"] = f"{server.url}/T0/secret"
        said = user.orch("notify")
        ended_with(said, 0, "webhook: sent", "command: sent", "no terminal to ring")
        assert server.received[0].json["text"].startswith("project: a try\n")
        assert (user.root / "told").read_text().startswith("project: a try\n")
        said = user.orch("notify", "--json")
        assert said.exit_code == 1
        assert said.json["failed"] == ["webhook: the webhook of TELL_ME answered 403"]
        assert "secret" not in said.out + said.err
    assert not (user.root / ".git/orch/ledger.sqlite").exists(), "it is no run"


@pytest.mark.thorough
def test_the_bell_of_a_terminal_rings(tmp_path: Path) -> None:
    here = Terminal(tmp_path)
    here.plan(("a", ()))
    here.write({".agent/orch.local.toml": "[notify]\nbell = true\n"})
    said = here.at_screen("run", "--notify", "--plain")
    assert said.exit_code == 0 and "\a" in said.out


def test_a_command_that_everybody_shares_is_trusted_first(user: User) -> None:
    ended_with(user.orch("run"), 0)
    path = user.root / ".agent/orch.toml"
    path.write_text(path.read_text() + '\n[notify]\ncommand = "touch evil"\nwebhook = "OTHER"\n')
    said = user.orch("run", "--notify")
    refused(said, 5, "not trusted")
    assert '+notify: command = "touch evil"' in said.err
    assert '+notify: webhook = "OTHER"' in said.err
    refused(user.orch("notify"), 5, "not trusted")
    assert not (user.root / "evil").exists()
    path.write_text(path.read_text().partition("\n[notify]")[0])
    own(user, '[notify]\ncommand = "touch mine"\nwhen = "always"\n')
    ended_with(user.orch("run", "--notify"), 0)
    assert (user.root / "mine").exists(), "what a person wrote themselves needs no trust"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[notify]\nwebhook = 'https://hooks.example.com/T0/geheim'\n", "belongs in no file"),
        ("[notify]\nwebhook = 5\n", "'webhook' must be text"),
        ("[notify]\nshape = 'teams'\n", "'shape'"),
        ("[notify]\ncommand = ' '\n", "'command' is empty"),
        ("[notify]\nenv = ['A=b']\n", "no name of a variable"),
        ("[notify]\nwebhok = 'A'\n", "webhook"),
        ("[notify]\nwhen = 'never'\n", "'when'"),
        ("notify = 'me'\n", "write: [notify]"),
        ("[[notify]]\nbell = true\n", "write: [notify]"),
    ],
)
@pytest.mark.sample(1)
def test_what_is_wrong_in_it_is_told_with_its_line(user: User, text: str, words: str) -> None:
    own(user, text)
    said = user.orch("run")
    refused_with = " ".join(said.err.split())
    assert said.exit_code == 2 and words in refused_with and "orch.local.toml:" in said.err, said
    assert "geheim" not in said.err


def test_a_command_that_holds_a_secret_is_refused(user: User) -> None:
    key = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
    own(user, f"[notify]\ncommand = 'curl -H {key} https://example.com'\n")
    refused(user.orch("run", "--notify"), 2, "command of [notify] holds")


@pytest.mark.thorough
def test_an_engine_that_breaks_off_is_told_of(user: User) -> None:
    """Somebody takes the ledger away in the night."""
    with receiver() as server:
        own(user, HOOK)
        user.environ["TELL_ME"] = server.url
        place = user.root / ".git/orch/ledger.sqlite"
        user.settings(worker=f"mv {place} {place}.away; sleep 30")
        said = user.orch("run", "--notify")
        assert said.exit_code == 2, said
    (got,) = server.received
    assert got.json["level"] == "person" and "orch broke off" in got.json["title"]
    assert got.json["next"][0].startswith("orch resume ")
