"""Commands that came with a pull: the installed orch, at a terminal and where there is none."""

from __future__ import annotations

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.terminal import ORCH, Said, Screen, Terminal

QUESTION = "Trust these commands? (y/N) "


class Pulled(Terminal):
    """A repository in which orch was used once, and into which somebody's change is pulled."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings = self.root / ".agent" / "orch.toml"
        self.ran = folder / "evil-ran"
        self.plan(("a", ()))

    def pull(self, command: str | None = None) -> None:
        """A commit that came from elsewhere puts a command of its own into the settings."""
        text = command or f"touch {self.ran}"
        evil = f'\n[[gate]]\nname = "evil"\nstage = "check"\ncommand = {json.dumps(text)}\n'
        self.settings.write_text(self.settings.read_text() + evil)
        self.git("commit", "-q", "-a", "-m", "harmless")

    @property
    def kept(self) -> Path:
        return self.root / ".git" / "orch" / "trusted" / f"{os.geteuid()}.json"


@pytest.fixture
def used(tmp_path: Path) -> Pulled:
    here = Pulled(tmp_path)
    said = here.orch("run")
    assert said.exit_code == 0
    first = [line for line in said.err.splitlines() if "first use here" in line]
    assert first == [
        "first use here: 2 gates, 1 worker of .agent/orch.toml trusted; changes will be asked"
        " about (orch trust shows them)"
    ]
    return here


def refused(said: Said) -> None:
    assert said.exit_code == 5 and said.out == "", said
    assert "nothing was run" in said.err and "hint: orch trust" in said.err, said


# --- where nobody is there ----------------------------------------------------------------------


@pytest.mark.thorough
def test_unchanged_commands_are_run_without_a_word(used: Pulled) -> None:
    used.plan(("b", ()), name="next")
    said = used.orch("run")
    assert said.exit_code == 0 and "trust" not in said.err


def test_changed_commands_are_shown_and_not_run_where_nobody_can_be_asked(used: Pulled) -> None:
    used.pull()
    before, runs = used.kept.read_bytes(), used.git("for-each-ref", "refs/orch")
    for typed in (("run",), ("run", "--json"), ("run", "--detach"), ("gate",), ("gate", "suite")):
        said = used.orch(*typed)
        refused(said)
        assert f'+gate evil: command = "touch {used.ran}"' in said.err
    refused(used.installed("run"))
    assert "nothing was run" in used.orch("init", "--try").err
    assert not used.ran.exists()
    assert used.kept.read_bytes() == before and used.git("for-each-ref", "refs/orch") == runs


def test_a_dry_run_runs_nothing_and_so_asks_and_trusts_nothing(tmp_path: Path) -> None:
    here = Pulled(tmp_path)
    assert here.orch("run", "--dry-run").exit_code == 0
    assert here.orch("doctor").exit_code == 0
    assert not here.kept.parent.exists()


def test_orch_trust_shows_what_changed_and_only_a_yes_trusts_it(used: Pulled) -> None:
    used.pull()
    for typed in (("trust",), ("trust", "--json")):
        said = used.orch(*typed)
        assert said.exit_code == 5 and f"touch {used.ran}" in said.out
        refused(used.orch("run"))
    told = used.orch("trust", "--json").json
    assert told["standing"] == "changed" and told["trusted"] is False
    assert told["changes"] == [f'+gate evil: command = "touch {used.ran}"']
    assert told["file"] == str(used.kept) and told["tracked"] == []
    said = used.orch("trust", "--yes")
    assert said.exit_code == 0 and "+gate evil" in said.out and "trusted" in said.out
    again = used.orch("trust")
    assert again.exit_code == 0 and "trusted: 3 gates, 1 worker" in again.out
    used.plan(("b", ()), name="next")
    assert used.orch("run").exit_code == 0 and used.ran.exists()


@pytest.mark.thorough
def test_trusting_before_the_first_use_leaves_that_without_a_word(tmp_path: Path) -> None:
    here = Pulled(tmp_path)
    asked = here.orch("trust")
    assert asked.exit_code == 5 and "nothing was trusted here yet" in asked.out
    assert here.orch("trust", "--yes", "--json").json["trusted"] is True
    assert "first use" not in here.orch("run").err


def test_a_worker_trusts_nothing_for_a_person(used: Pulled) -> None:
    used.pull()
    said = used.orch("trust", "--yes", ORCH_MARK="run/task/1/x")
    assert said.exit_code == 5 and "for a person" in said.err
    refused(used.orch("run"))


@pytest.mark.thorough
def test_the_doctor_says_that_commands_have_changed(used: Pulled) -> None:
    assert "those that you trusted" in used.orch("doctor").out
    used.pull()
    said = used.orch("doctor")
    assert "have changed since you trusted them" in said.out and "type: orch trust" in said.out
    used.kept.write_text("{}")
    assert "is damaged" in used.orch("doctor").out


OPENED = [
    (
        'sandbox = "none"',
        'sandbox = "external"',
        ['-sandbox: mode = "none"', '+sandbox: mode = "external"'],
    ),
    (
        'kind = "command"',
        'kind = "command"\nnetwork = true',
        ["+worker scripted: network = true"],
    ),
    (
        'command = "sh suite.sh"',
        'command = "sh suite.sh"\nnetwork = ["example.invalid"]',
        ['+gate suite: network = "example.invalid"'],
    ),
    (
        "[[gate]]",
        '[sandbox]\nread = ["~/.ssh"]\nwrite = ["/srv"]\nsetup_network = true\n[[gate]]',
        [
            '+sandbox: read = "~/.ssh"',
            '+sandbox: write = "/srv"',
            "+sandbox: setup_network = true",
        ],
    ),
    (
        "min_free_gb = 0",
        'min_free_gb = 0\nenv = ["TOKEN"]\ncopy = [".env"]\ncopy_gates = [".env"]\nfix = ["f"]',
        [
            '+run: copy = ".env"',
            '+run: copy_gates = ".env"',
            '+run: fix = "f"',
            '+run: env = "TOKEN"',
        ],
    ),
]


@pytest.mark.parametrize(("before", "after", "changes"), OPENED)
@pytest.mark.sample(2)
def test_whatever_opens_the_sandbox_or_hands_over_a_secret_is_a_change(
    used: Pulled, before: str, after: str, changes: list[str]
) -> None:
    used.write({".env": "X=1\n"})
    text = used.settings.read_text()
    used.settings.write_text(text.replace(before, after, 1))
    refused(used.orch("run"))
    assert used.orch("trust", "--json").json["changes"] == changes
    used.settings.write_text(text)
    used.plan(("b", ()), name="next")
    assert used.orch("run").exit_code == 0, "what was trusted is as it was"


# --- what was settled when the run started ------------------------------------------------------


@pytest.mark.thorough
def test_what_goes_on_with_recorded_settings_asks_nothing(tmp_path: Path) -> None:
    here = Pulled(tmp_path)
    here.plan(("a", ()), ("stubborn", ()))
    assert here.orch("run", "--attempts", "2").exit_code == 1
    here.pull()
    for typed in (
        ("resume",),
        ("retry", "stubborn", "--note", "once more"),
        ("accept", "--to", "other"),
        ("plan", "Listed", "--for-each", "echo readme"),
        ("status",),
        ("clean",),
    ):
        said = here.orch(*typed)
        assert said.exit_code in (0, 1) and "trust" not in said.err, (typed, said)
    assert not here.ran.exists()


@pytest.mark.thorough
def test_what_orch_init_has_just_written_is_tried_and_the_first_edit_is_free(
    tmp_path: Path,
) -> None:
    here = Pulled(tmp_path)
    here.settings.unlink()
    here.write({"Makefile": "test:\n\ttrue\n"})
    said = here.orch("init", "--try")
    assert said.exit_code == 0 and "passed" in said.out, said
    assert not here.kept.exists()
    here.pull("exit 0")
    assert "first use here" in here.orch("gate").err
    here.settings.write_text(here.settings.read_text().replace("exit 0", f"touch {here.ran}"))
    said = here.orch("init", "--try")
    assert said.exit_code == 5 and "nothing was run" in said.err and not here.ran.exists()


# --- at a terminal ------------------------------------------------------------------------------


def test_a_person_is_shown_the_difference_and_says_yes_once(used: Pulled) -> None:
    used.pull()
    said = used.at_screen("run", "--plain", answers={QUESTION: "y\n"})
    assert said.exit_code == 0 and used.ran.exists(), said
    shown = said.out[: said.out.index(QUESTION)]
    assert f'+gate evil: command = "touch {used.ran}"' in shown
    assert "changed since they were trusted" in shown
    again = used.at_screen("gate")
    assert again.exit_code == 0 and QUESTION not in again.out


@pytest.mark.parametrize("keys", ["n\n", "\n", "yess\n", "j\n", "\x04", "  \n"])
@pytest.mark.sample(2)
def test_anything_but_a_yes_is_a_no(used: Pulled, keys: str) -> None:
    used.pull()
    before = used.kept.read_bytes()
    for typed in ("run", "trust"):
        said = used.at_screen(typed, answers={QUESTION: keys})
        assert said.exit_code == 5, said
    assert not used.ran.exists() and used.kept.read_bytes() == before


def test_ctrl_c_at_the_question_ends_it(used: Pulled) -> None:
    used.pull()
    said = used.at_screen("run", answers={QUESTION: "\x03"})
    assert said.exit_code == 130 and "Traceback" not in said.out
    assert not used.ran.exists()


def test_what_was_typed_before_the_question_is_no_answer_to_it(used: Pulled) -> None:
    used.pull()
    with Screen(used, ("run",)) as screen:
        screen.press("y\ny\ny\n")
        screen.shows(QUESTION)
        time.sleep(0.5)
        assert screen.process.poll() is None, "it waits for an answer"
        screen.press("n\n")
        assert screen.end() == 5
    assert not used.ran.exists()


def test_an_unattended_run_asks_nobody_who_happens_to_be_there(used: Pulled) -> None:
    used.pull()
    said = used.at_screen("run", "--unattended", "--sandbox", "external")
    assert said.exit_code == 5 and "+gate evil" in said.out and QUESTION not in said.out, said
    assert not used.ran.exists()
    assert used.orch("trust", "--yes").exit_code == 0
    assert used.orch("run", "--unattended", "--sandbox", "external").exit_code == 0


@pytest.mark.thorough
def test_a_job_in_the_background_is_refused_and_not_stopped(used: Pulled) -> None:
    used.pull()
    script = f"{ORCH} run & wait $!; echo ended with $?"
    with Screen(used, ("-mc", script), command="sh") as screen:
        screen.shows("ended with 5")
        screen.end()
    assert QUESTION not in screen.text and not used.ran.exists()


@pytest.mark.thorough
def test_orch_trust_asks_at_a_terminal(used: Pulled) -> None:
    used.pull()
    said = used.at_screen("trust", answers={QUESTION: "yes\n"})
    assert said.exit_code == 0 and "+gate evil" in said.out
    assert used.orch("trust").exit_code == 0


@pytest.mark.thorough
def test_with_json_only_the_events_are_on_stdout_and_the_question_is_on_the_terminal(
    used: Pulled,
) -> None:
    used.pull()
    events = used.home / "events"
    script = f"{ORCH} run --json > {events}"
    with Screen(used, ("-c", script), command="sh") as screen:
        screen.shows(QUESTION)
        screen.press("y\n")
        assert screen.end() == 0
    assert all(json.loads(line)["event"] for line in events.read_text().splitlines())


# --- hostile differences ------------------------------------------------------------------------

HIDDEN = {
    "escapes": ("true \x1b[2J\x1b[H\x1b[8m; evil", r"true \u001b[2J\u001b[H\u001b[8m; evil"),
    "turned around": ("true \u202e ;live \u2066", r"true \u202e ;live \u2066"),
    "a carriage return": ("evil\rtrue", r"evil\r"),
    "backspaces": ("evil\b\b\b\btrue", r"evil\b\b\b\btrue"),
    "another letter": ("pytеst -q", r"pyt\u0435st -q"),
    "nothing to see": ("true\u200b\u2060\ufeff;evil", r"true\u200b\u2060\ufeff;evil"),
    "a wide gap": ("true" + " " * 900 + "; evil", "true<900 spaces>; evil"),
    "a second owner": ('true"\n+gate ok: command = "x', r'gate evil: command ... "+gate ok:'),
    "a title": ("true \x1b]0;owned\x07 \x9b2J", r"true \u001b]0;owned\u0007 \u009b2J"),
}


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.sample(2)
def test_what_a_command_hides_is_shown_and_never_obeyed(used: Pulled, name: str) -> None:
    command, shown = HIDDEN[name]
    used.pull(command)
    said = used.at_screen("run", answers={QUESTION: "n\n"})
    assert said.exit_code == 5 and shown in said.out, said.out
    assert all(char.isascii() and (char.isprintable() or char == "\n") for char in said.out)
    quiet = used.orch("trust")
    assert shown in quiet.out and quiet.out.isascii()


def test_too_much_to_read_is_not_asked_about_in_passing(used: Pulled) -> None:
    """Nobody can say yes to what was not shown."""
    used.pull("\n".join(f"echo {n}" for n in range(300)) + f"\ntouch {used.ran}")
    said = used.at_screen("run")
    assert said.exit_code == 5 and QUESTION not in said.out, said
    assert "301 lines in all" in said.out and len(said.out) < 4000
    used.settings.write_text(used.settings.read_text().replace("echo 0", "echo " + "x" * 20_000))
    assert QUESTION not in used.at_screen("run").out
    whole = used.orch("trust")
    assert f"touch {used.ran}" in whole.out and "x" * 20_000 in whole.out


# --- files that git tracks, and files that say nothing ------------------------------------------


def test_a_file_of_ones_own_that_came_with_a_pull_is_asked_about(used: Pulled) -> None:
    mine = f'[worker.scripted]\nkind = "command"\ncommand = "touch {used.ran}"\n'
    used.write({".agent/orch.local.toml": mine, ".agent/.gitignore": "state_ledger.json\n"})
    used.git("add", "-A")
    used.git("commit", "-q", "-m", "harmless")
    said = used.orch("run")
    refused(said)
    assert ".agent/orch.local.toml, which git tracks" in said.err and str(used.ran) in said.err
    assert not used.ran.exists()
    used.git("rm", "-q", "--cached", ".agent/orch.local.toml")
    used.plan(("b", ()), name="next")
    said = used.orch("run")
    assert used.ran.exists(), "untracked it is the person's own"


@pytest.mark.parametrize("text", ["", "{}", "\0" * 100])
@pytest.mark.sample(1)
def test_a_damaged_file_asks_again_and_never_trusts_silently(used: Pulled, text: str) -> None:
    used.kept.write_text(text)
    said = used.orch("run")
    refused(said)
    assert "is damaged" in said.err and "+worker scripted" in said.err and "+gate suite" in said.err
    used.kept.unlink()
    said = used.orch("gate")
    refused(said)
    assert "has run here before" in said.err
    said = used.at_screen("gate", answers={QUESTION: "y\n"})
    assert said.exit_code == 0 and used.orch("gate").exit_code == 0


def test_where_it_cannot_be_kept_nothing_is_run(tmp_path: Path) -> None:
    here = Pulled(tmp_path)
    folder = here.kept.parent
    folder.parent.mkdir(mode=0o700)
    folder.write_text("in the way")
    refused(here.orch("run"))
    said = here.orch("trust", "--yes")
    assert said.exit_code == 2 and "cannot be kept" in said.err and "hint: " in said.err, said
    assert not here.git("for-each-ref", "refs/orch")


def test_where_prompts_and_keys_go_is_said_and_a_change_of_it_asked_about(
    used: Pulled, tmp_path: Path
) -> None:
    at = "https://llm.example.com/v1"
    model = (
        '\n[worker.m]\nkind = "model"\nmodel = "acme:m"\n\n[provider.acme]\ndialect = "openai"\n'
    )
    before = used.settings.read_text()
    used.settings.write_text(f'{before}{model}url = "{at}"\nkey = "ACME_KEY"\n')
    used.git("commit", "-q", "-a", "-m", "a model")
    said = used.orch("run")
    refused(said)
    assert f'+provider acme: url = "{at}"' in said.err
    assert '+provider acme: key = "ACME_KEY"' in said.err
    assert used.orch("trust", "--yes").exit_code == 0
    used.settings.write_text(used.settings.read_text().replace("llm.example.com", "example.org"))
    said = used.orch("run")
    refused(said)
    assert '+provider acme: url = "https://example.org/v1"' in said.err
    used.git("checkout", "-q", ".")
    other = tmp_path / "other"
    subprocess.run(
        ("git", "clone", "-q", str(used.root), str(other)), env=used.environ, check=True, timeout=60
    )
    first = used.orch("gate", folder=other)
    assert f"what models are told goes to {at} with your ACME_KEY" in first.err, first

    for number, own in enumerate(
        (
            '[worker.m]\nkind = "model"\nmodel = "ollama:m"\n',
            '[provider.acme]\ndialect = "openai"\nurl = "http://127.0.0.1:9/v1"\n',
            "[run]\nparallel = 2\n",
        )
    ):
        mine = tmp_path / f"mine{number}"
        subprocess.run(
            ("git", "clone", "-q", str(used.root), str(mine)),
            env=used.environ,
            check=True,
            timeout=60,
        )
        (mine / ".agent" / "orch.local.toml").write_text(own)
        first = used.orch("gate", folder=mine)
        assert "first use here" in first.err
        assert ("what models are told" in first.err) == (number == 2), "my own settings override it"


# --- two clones, and several at once ------------------------------------------------------------


@pytest.mark.thorough
def test_a_second_clone_is_a_first_use_of_its_own(used: Pulled, tmp_path: Path) -> None:
    used.pull()
    other = tmp_path / "clone"
    subprocess.run(
        ("git", "clone", "-q", str(used.root), str(other)), env=used.environ, check=True, timeout=60
    )
    refused(used.orch("gate"))
    said = used.orch("gate", "evil", folder=other)
    assert said.exit_code == 0 and "first use here: 3 gates" in said.err and used.ran.exists()
    refused(used.orch("gate"))


@pytest.mark.thorough
def test_first_uses_from_several_terminals_are_all_served(tmp_path: Path) -> None:
    here = Pulled(tmp_path)
    with ThreadPoolExecutor(3) as pool:
        said = list(pool.map(lambda _: here.installed("gate"), range(3)))
    assert [one.exit_code for one in said] == [0, 0, 0], said
    assert sum("first use here" in one.err for one in said) == 1
    assert [one.name for one in here.kept.parent.iterdir()] == [here.kept.name]
