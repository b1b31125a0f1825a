"""A person is told of a run's end: by a real command, and by a real server that keeps it."""

from __future__ import annotations

import base64
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger.connectors import NotifySettings
from ledger.events import AttemptFinished, AttemptStarted, Notified, RunFinished, TaskGivenUp
from ledger.model import CommandWorker
from orchestrator.hiding import hiding_of
from orchestrator.journal import Journal
from orchestrator.notify import Told, notify_end
from orchestrator.notify.message import Message
from orchestrator.notify.sending import refused_address
from orchestrator.notify.shapes import discord
from tests.support.project import Project, task
from tests.support.receiver import receiver

TOKEN = "xoxb-0123456789-not-a-real-one"
SCRIPT = """
[[step]]
task = "a"
write = { "a.txt" = "a" }
[[step]]
task = "b"
exit = 1
"""


@pytest.fixture
def here(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.does(SCRIPT)
    return project


def over(here: Project, notify: NotifySettings, *tasks: str) -> str:
    """A run of these tasks that an engine has driven to its end."""
    here.more_settings["notify"] = notify
    state = here.run(*(task(name) for name in tasks or ("a",)), attempts=1)
    assert state.finished
    return state.run


def told_over(here: Project, notify: NotifySettings, why: str = "", *tasks: str) -> str:
    """A run that is over by what its ledger says; each task has failed, where there is a `why`."""
    here.more_settings["notify"] = notify
    run = here.start(*(task(name) for name in tasks or ("a",)))
    with here.store() as store:
        journal = Journal.load(store, run)
        journal.hiding = hiding_of(here.workplace(), journal.state.started.settings)
        for name in journal.state.tasks if why else ():
            base = journal.state.started.base
            journal.append(
                AttemptStarted(task=name, attempt=1, base=base, worker="scripted"),
                AttemptFinished(task=name, attempt=1, outcome="failed", why=why),
                TaskGivenUp(task=name, why=why),
            )
        journal.append(RunFinished(outcome="complete", exit_code=1 if why else 0))
    return run


def tell(here: Project, run: str, waits_s: Sequence[float] = (0.0, 0.0), **how: Any) -> Told | None:
    with here.store() as store:
        return notify_end(here.workplace(), store, run, waits_s=waits_s, **how)


def hook(here: Project, url: str, shape: str = "json", **fields: Any) -> NotifySettings:
    here.environ["TELL_ME"] = url
    return NotifySettings.model_validate({"webhook": "TELL_ME", "shape": shape, **fields})


# --- by a command -----------------------------------------------------------------------------


def test_a_command_reads_the_message_and_knows_the_run(here: Project, tmp_path: Path) -> None:
    there = tmp_path / "told"
    command = f"{{ cat; env | grep '^ORCH_' | sort; pwd; }} > {there}"
    run = over(here, NotifySettings(command=command), "a", "b")
    assert tell(here, run) == Told(("command",))
    lines = there.read_text().splitlines()
    assert lines[0] == "project: failed: b (1 task landed)"
    assert lines[1] == "A goal"
    assert f"orch show b --log --run {run}" in lines or any("orch show b" in x for x in lines)
    for line in ("ORCH_EXIT_CODE=1", "ORCH_LEVEL=failed", "ORCH_OUTCOME=complete"):
        assert line in lines
    assert f"ORCH_RUN={run}" in lines and lines[-1] == str(here.root)


def test_a_command_sees_no_more_than_it_is_let(here: Project, tmp_path: Path) -> None:
    there = tmp_path / "told"
    here.environ |= {"MAIL_TO": "me@example.com", "OTHER": "x"}
    run = told_over(here, NotifySettings(command=f"env > {there}", env=("MAIL_TO",)))
    tell(here, run)
    seen = there.read_text()
    assert "MAIL_TO=me@example.com" in seen
    assert "OTHER=" not in seen and "A_PERSONS_API_KEY" not in seen


@pytest.mark.parametrize(
    ("command", "why"),
    [("echo no mailer >&2; exit 3", "exit 3: no mailer"), ("no-such-program", "was not found")],
)
@pytest.mark.sample(1)
def test_a_command_that_fails_is_a_fact_and_no_more(here: Project, command: str, why: str) -> None:
    run = told_over(here, NotifySettings(command=command))
    before = here.state(run).finished
    told = tell(here, run)
    assert told and not told.ways and why in told.failed[0]
    fact = here.facts(run)[-1]
    assert isinstance(fact, Notified) and fact.failed == told.failed and not fact.ways
    assert here.state(run).finished == before


# --- by a webhook -----------------------------------------------------------------------------


def test_slack_is_sent_text_that_means_nothing_to_it(here: Project) -> None:
    why = "<!channel> & <https://evil.example|click>"
    with receiver() as server:
        run = told_over(here, hook(here, f"{server.url}/services/T0/B0/secret", "slack"), why)
        assert tell(here, run) == Told(("webhook",))
    (got,) = server.received
    assert got.path == "/services/T0/B0/secret"
    assert got.headers["Content-Type"] == "application/json"
    body = got.json
    assert set(body) == {"text", "mrkdwn", "unfurl_links", "unfurl_media"}
    assert body["mrkdwn"] is body["unfurl_links"] is body["unfurl_media"] is False
    assert body["text"].startswith("project: failed: a (0 tasks landed)\nA goal\n")
    assert "<" not in body["text"] and "&lt;!channel&gt; &amp;" in body["text"]


def test_discord_is_sent_at_most_what_it_takes_and_nobody_is_mentioned(here: Project) -> None:
    why = f"@everyone **{'_' * 300}"
    with receiver(204) as server:
        run = told_over(here, hook(here, server.url, "discord"), why, *"abcdefg")
        assert tell(here, run) == Told(("webhook",))
    body = server.received[0].json
    assert set(body) == {"content", "allowed_mentions", "flags"}
    assert body["allowed_mentions"] == {"parse": []} and body["flags"] == 4
    assert len(body["content"]) <= 2000 and "\\@everyone" in body["content"]
    assert "\n@everyone" not in body["content"]


@pytest.mark.parametrize("length", range(996, 1003))
def test_what_discord_would_refuse_is_cut_and_no_mark_is_left_half(length: int) -> None:
    message = Message("p", "r", "failed", "t", ("_" * length,))
    content = discord(message)["content"]
    assert len(content) <= 2000
    assert content.replace("\\_", "") in ("t\n", "t\n\n…")


def test_ntfy_is_sent_a_body_and_headers(here: Project) -> None:
    here.root.rename(here.root.with_name("prüfung"))
    here.root = here.root.with_name("prüfung")
    with receiver() as server:
        run = told_over(here, hook(here, f"{server.url}/mytopic", "ntfy"), "no", "b")
        assert tell(here, run) == Told(("webhook",))
    (got,) = server.received
    assert got.path == "/mytopic" and got.body.decode().startswith("A goal\n")
    title = got.headers["Title"]
    assert title.startswith("=?UTF-8?B?")
    said = base64.b64decode(title.removeprefix("=?UTF-8?B?").removesuffix("?=")).decode()
    assert said == "prüfung: failed: b (0 tasks landed)"
    assert (got.headers["Priority"], got.headers["Tags"]) == ("4", "x")
    assert len(got.body) <= 4096


def test_a_program_of_ones_own_is_sent_all_of_it_as_json(here: Project) -> None:
    with receiver() as server:
        run = over(here, hook(here, server.url))
        tell(here, run)
    body = server.received[0].json
    assert body["run"] == run and body["level"] == "landed" and body["exit_code"] == 0
    assert body["title"] == "project: all is done (1 task landed)"
    assert body["counts"] == {"landed": 1} and f"orch accept {run}" in body["next"]


@pytest.mark.parametrize(
    ("statuses", "tries", "why"),
    [
        ((503, 429, 200), 3, ""),
        ((500,), 3, "answered 500"),
        ((404,), 1, "answered 404"),
        ((302,), 1, "answered 302"),
    ],
)
@pytest.mark.sample(2)
def test_what_may_pass_is_tried_again_and_all_else_is_not(
    here: Project, statuses: tuple[int, ...], tries: int, why: str
) -> None:
    headers = {"Retry-After": "0", "Location": "https://elsewhere.example"}
    with receiver(*statuses, headers=headers) as server:
        run = told_over(here, hook(here, f"{server.url}/{TOKEN}"))
        told = tell(here, run)
    assert told and len(server.received) == tries
    assert told.ways == (() if why else ("webhook",))
    assert not why or why in told.failed[0]
    assert TOKEN not in str(told) and "127.0.0.1" not in str(told), "the address is never said"


def test_nobody_there_is_a_reason_and_no_error(here: Project) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    run = told_over(here, hook(here, f"http://127.0.0.1:{port}/{TOKEN}"))
    assert tell(here, run) == Told((), ("webhook: the webhook of TELL_ME cannot be reached",))
    here.environ["TELL_ME"] = ""
    assert tell(here, run) == Told((), ("webhook: TELL_ME is not set",))


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("https://hooks.example.com/x", False),
        ("http://127.0.0.1:8/x", False),
        ("http://[::1]:8/x", False),
        ("http://localhost/x", False),
        ("http://hooks.example.com/x", True),
        ("http://127.0.0.1.example.com/x", True),
        ("http://0x7f000001.example/", True),
        ("file:///etc/passwd", True),
        ("postgres://u:p@db/x", True),
        ("https://", True),
        ("https://host:99999/", True),
        ("http://[::1", True),
        ("nothing", True),
    ],
)
def test_plain_http_reaches_this_machine_only(address: str, refused: bool) -> None:
    said = refused_address(address)
    assert bool(said) is refused and address not in said


def test_no_secret_is_in_a_message(here: Project) -> None:
    """The address itself, and what gates were let have, are hidden wherever they turn up."""
    with receiver() as server:
        here.more_settings["env"] = ("A_PERSONS_API_KEY",)
        notify = hook(here, f"{server.url}/{TOKEN}")
        secret = here.environ["A_PERSONS_API_KEY"]
        tell(here, told_over(here, notify, f"{secret} {server.url}/{TOKEN}"))
    text = server.received[0].body.decode()
    assert TOKEN not in text and secret not in text
    assert "redacted" in text


def test_why_an_engine_broke_off_is_told_without_the_secrets_in_it(here: Project) -> None:
    with receiver() as server:
        here.more_settings["notify"] = hook(here, f"{server.url}/{TOKEN}")
        run = here.start(task("a"))
        why = f"no way to {here.environ['TELL_ME']}"
        assert tell(here, run, broke=why) == Told(("webhook",))
        assert tell(here, run, broke=why) is None, "once"
    title = server.received[0].json["title"]
    assert title.startswith("project: needs you: orch broke off: no way to [redacted TELL_ME]")
    assert TOKEN not in server.received[0].body.decode()


# --- once -------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_the_same_end_is_told_once_however_often_somebody_goes_on(here: Project) -> None:
    with receiver() as server:
        run = over(here, hook(here, server.url), "a", "b")
        assert tell(here, run)
        assert tell(here, run) is None
        here.drive(run)
        assert tell(here, run) is None
        assert len(server.received) == 1
        here.does('[[step]]\nwrite = { "b.txt" = "b" }\n')
        from orchestrator.persons import retry

        with here.store() as store:
            retry(store, run, "b")
        here.drive(run)
        assert tell(here, run), "another end"
    assert [got.json["level"] for got in server.received] == ["failed", "landed"]


def test_what_never_went_out_is_tried_again(here: Project) -> None:
    with receiver(404) as server:
        run = told_over(here, hook(here, server.url))
        assert tell(here, run) == Told((), ("webhook: the webhook of TELL_ME answered 404",))
        server.statuses = [200]
        assert tell(here, run) == Told(("webhook",))


def test_a_crash_between_message_and_fact_means_one_more_and_never_none(
    here: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with receiver() as server:
        run = told_over(here, hook(here, server.url))
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(Journal, "append", crash)
            tell(here, run)
        assert tell(here, run)
        assert tell(here, run) is None
    assert len(server.received) == 2


def test_only_trouble_is_told_where_only_that_is_wanted(here: Project) -> None:
    with receiver() as server:
        notify = hook(here, server.url, when="trouble")
        assert tell(here, told_over(here, notify)) is None
        assert tell(here, told_over(here, notify, "no"))
    assert len(server.received) == 1


def test_a_run_that_goes_on_and_one_that_wants_nothing_are_told_of_nothing(
    here: Project,
) -> None:
    assert tell(here, told_over(here, NotifySettings())) is None
    here.more_settings["notify"] = NotifySettings(bell=True)
    run = here.start(task("c"))
    assert tell(here, run, ring=lambda: True) is None
    assert not any(isinstance(fact, RunFinished) for fact in here.facts(run))


def test_the_bell_rings_where_there_is_one(here: Project) -> None:
    run = told_over(here, NotifySettings(bell=True))
    assert tell(here, run, ring=lambda: False) == Told()
    assert tell(here, run, ring=lambda: True) == Told(("bell",))


def test_workers_have_no_way_to_the_webhook(here: Project) -> None:
    with receiver() as server:
        notify = hook(here, f"{server.url}/{TOKEN}")
        here.more_settings["workers"] = {
            "scripted": CommandWorker(kind="command", command='echo "$TELL_ME" > a.txt')
        }
        run = over(here, notify)
    assert here.result(run)["a.txt"] == ""
