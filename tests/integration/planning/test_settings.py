"""Settings are read from real files; whatever is wrong is told at once, with its line."""

import pytest

from orchestrator.config import (
    load_settings,
    refuse_missing_copies,
    settings_differences,
    settings_fingerprint,
)
from orchestrator.errors import OrchError, Problems

WHOLE = """
[run]
parallel = 6
gates_parallel = 2
attempts = 4
rounds = 2
timeout_s = 900
worker = "codemod"
fix = ["ruff check --fix ."]
setup = ["uv sync"]
setup_inputs = ["pyproject.toml"]
keep = [".venv"]
copy = [".env.test"]
copy_gates = [".env"]
protected = ["schemas/**"]
env = ["DATABASE_URL"]
min_free_gb = 1.5

[[gate]]
name = "lint"
command = "ruff check ."
stage = "check"

[[gate]]
name = "unit"
command = "python -m pytest -q"
timeout_s = 600

[worker.codemod]
kind = "command"
command = "ruff check --fix ."
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "project"
    (folder / ".agent").mkdir(parents=True)
    return folder


def say(checkout, text, name="orch.toml"):
    (checkout / ".agent" / name).write_text(text)


def problems_of(checkout, *, user=None):
    with pytest.raises(Problems) as raised:
        load_settings(checkout, user)
    assert raised.value.exit_code == 2
    return {(one.file, one.line): (one.what, one.hint) for one in raised.value.problems}


def test_every_key_of_the_file_reaches_the_settings(checkout):
    say(checkout, WHOLE)
    settings = load_settings(checkout)
    assert settings.limits.parallel == 6
    assert settings.limits.gates_parallel == 2
    assert settings.limits.timeout_s == 900.0
    assert settings.limits.min_free_gb == 1.5
    assert settings.worker == "codemod"
    assert settings.fix == ("ruff check --fix .",)
    assert settings.preparation.setup == ("uv sync",)
    assert settings.preparation.setup_inputs == ("pyproject.toml",)
    assert settings.preparation.keep == (".venv",)
    assert settings.preparation.copy_files == (".env.test",)
    assert settings.preparation.copy_gates == (".env",)
    assert settings.protected == ("schemas/**",)
    assert settings.env == ("DATABASE_URL",)
    assert [(gate.name, gate.stage) for gate in settings.gates] == [
        ("lint", "check"),
        ("unit", "land"),
    ]
    assert settings.workers["codemod"].command == "ruff check --fix ."


def test_without_a_settings_file_the_way_on_is_named(checkout):
    with pytest.raises(OrchError) as raised:
        load_settings(checkout)
    assert raised.value.hint == "orch init"
    assert raised.value.exit_code == 2


def test_an_empty_file_gives_the_defaults(checkout):
    say(checkout, "")
    settings = load_settings(checkout)
    assert settings.limits.parallel == 4
    assert settings.gates == ()


def test_every_error_is_told_at_once_with_its_line_and_what_to_write(checkout):
    say(
        checkout,
        """[run]
paralel = 4
parallel = "4"
attempts = 0
rounds = 2.5
timeout_s = true
fix = "ruff"
setup = ["ok", 3]
keep = ["../up"]
worker = 7
env = ["A=b"]
deadline = 5
budget_usd = "5"

[[gate]]
name = "Unit"
command = ""
stage = "lnd"
[[gate]]
name = "x"
[[gate]]
name = "x"
command = "true"
tiemout_s = 4

[worker.one]
kind = "comand"
[worker.two]
kind = "model"
[worker.three]
command = "x"
[worker.four]
kind = "command"
timeout_s = -1
[sandbox]
read = ["here"]
[gates]
""",
    )
    found = problems_of(checkout)
    name = ".agent/orch.toml"

    def at(line):
        return " / ".join(found[name, line])

    assert "unknown key 'paralel'" in at(2)
    assert "did you mean 'parallel'?" in at(2)
    assert "'parallel' must be a whole number, not text" in at(3)
    assert "'attempts' must be at least 1, not 0" in at(4)
    assert "'rounds' must be a whole number" in at(5)
    assert "'timeout_s' must be a number, not true" in at(6)
    assert "'fix' must be a list, not text" in at(7)
    assert "element 2 of 'setup' must be text in quotes, not a whole number" in at(8)
    assert "'..' is not a name" in at(9)
    assert "'worker' must be text" in at(10)
    assert "no name of a variable" in at(11)
    assert "orch run --deadline" in at(12)
    assert "'budget_usd' must be a number, not text" in at(13)
    assert "no legal name: 'Unit'" in at(16)
    assert "'command' is empty" in at(17)
    assert "must be one of check, land, not 'lnd' / did you mean \"land\"?" in at(18)
    assert "'command' is missing" in at(19)
    assert "a second gate is called 'x'; the first is in line 19" in at(22)
    assert "did you mean 'timeout_s'?" in at(24)
    assert 'did you mean "command"?' in at(27)
    assert "worker 'two' has no model" in at(28)
    assert "has no kind" in at(30)
    assert "more than 0" in at(34)
    assert "'read': 'here' is no whole path" in at(36)
    assert "did you mean 'gate'?" in at(37)
    assert len(found) == 25


def test_what_would_be_taken_and_then_do_nothing_is_refused(checkout):
    say(
        checkout,
        """[run]
env = ["DATABASE_URL", "ORCH_FOO", "GIT_DIR"]
keep = [".venv", "**/node_modules"]
copy = [".env*"]
copy_gates = ["a[1]"]
[worker.one]
kind = "command"
command = "x"
env = ["GIT_CONFIG_COUNT"]
""",
    )
    with pytest.raises(Problems) as raised:
        load_settings(checkout)
    found = [(one.line, one.what) for one in raised.value.problems]
    never = "is never passed on: it would turn git or orch itself around"
    assert found == [
        (2, f"'env': 'ORCH_FOO' {never}"),
        (2, f"'env': 'GIT_DIR' {never}"),
        (3, "'keep' takes names of files and folders; '**/node_modules' is a pattern"),
        (4, "'copy' takes names of files and folders; '.env*' is a pattern"),
        (5, "'copy_gates' takes names of files and folders; 'a[1]' is a pattern"),
        (9, f"'env': 'GIT_CONFIG_COUNT' {never}"),
    ]
    assert all(one.hint for one in raised.value.problems)


def test_a_file_that_is_to_be_copied_must_be_there_before_anything_starts(checkout):
    say(checkout, WHOLE)
    settings = load_settings(checkout)
    with pytest.raises(Problems) as raised:
        refuse_missing_copies(checkout, settings)
    said = [one.what for one in raised.value.problems]
    assert len(said) == 2 and "'copy': there is no '.env.test'" in said[0]
    assert "'copy_gates': there is no '.env'" in said[1]
    (checkout / ".env.test").write_text("")
    (checkout / ".env").mkdir()
    refuse_missing_copies(checkout, settings)


def test_a_key_above_the_table_it_belongs_to_is_sent_there(checkout):
    say(checkout, "parallel = 4\n[gate]\nname = 'x'\n")
    found = problems_of(checkout)
    assert "[run]" in found[".agent/orch.toml", 1][1]
    assert "[[gate]]" in found[".agent/orch.toml", 2][1]


def test_a_persons_own_files_lie_over_the_teams(checkout, tmp_path):
    user = tmp_path / "config"
    user.mkdir()
    say(checkout, WHOLE)
    (user / "orch.toml").write_text('[run]\nparallel = 8\nworker = "mine"\n[worker.mine]\n')
    (user / "orch.toml").write_text(
        '[run]\nparallel = 8\nworker = "mine"\n[worker.mine]\nkind = "command"\ncommand = "agent"\n'
    )
    say(checkout, "[run]\nparallel = 2\nworkspaces = '~/spaces'\n", "orch.local.toml")
    settings = load_settings(checkout, user)
    assert settings.limits.parallel == 2
    assert settings.worker == "mine"
    assert set(settings.workers) == {"codemod", "mine"}
    assert settings.workspaces is not None
    assert settings.workspaces.endswith("/spaces")
    assert "~" not in settings.workspaces


def test_what_judges_cannot_be_changed_from_a_persons_own_file(checkout):
    say(checkout, WHOLE)
    say(
        checkout,
        '[run]\nattempts = 9\nprotected = []\n[[gate]]\nname = "unit"\ncommand = "true"\n',
        "orch.local.toml",
    )
    found = problems_of(checkout)
    assert "team's to say" in found[".agent/orch.local.toml", 2][0]
    assert "team's to say" in found[".agent/orch.local.toml", 3][0]
    assert "gates are the team's" in found[".agent/orch.local.toml", 4][0]


def test_errors_of_both_files_come_in_one_answer(checkout):
    say(checkout, "[run]\nx = = 1\n")
    say(checkout, "[run]\nparallel = 0\n", "orch.local.toml")
    assert set(problems_of(checkout)) == {(".agent/orch.toml", 2), (".agent/orch.local.toml", 2)}


def test_a_default_worker_that_does_not_exist_is_named_where_it_was_said(checkout):
    say(checkout, WHOLE)
    say(checkout, '\n[run]\nworker = "codmod"\n', "orch.local.toml")
    ((place, (what, hint)),) = problems_of(checkout).items()
    assert place == (".agent/orch.local.toml", 3)
    assert "no worker 'codmod'; known: codemod" in what
    assert "did you mean 'codemod'" in hint


def test_workspaces_lie_outside_the_repository(checkout):
    say(checkout, f"[run]\nworkspaces = '{checkout}/spaces'\n")
    assert "in the repository" in problems_of(checkout)[".agent/orch.toml", 2][0]
    say(checkout, "[run]\nworkspaces = 'spaces'\n")
    assert "whole path" in problems_of(checkout)[".agent/orch.toml", 2][0]


def test_the_fingerprint_follows_the_meaning_not_the_text(checkout):
    say(checkout, WHOLE)
    before = load_settings(checkout)
    say(checkout, "# a comment\n" + WHOLE.replace("parallel = 6", "parallel   = 6"))
    assert settings_fingerprint(load_settings(checkout)) == settings_fingerprint(before)
    say(checkout, WHOLE.replace("= 6", "= 7").replace("-q", "-qq").replace('"uv sync"', '"make"'))
    now = load_settings(checkout)
    assert settings_fingerprint(now) != settings_fingerprint(before)
    assert settings_differences(before, now) == ("run.parallel", "run.setup", "gate unit")


def test_hosts_are_hosts_and_what_is_none_is_told(checkout):
    good = 'network = ["a.org", "*.b.org:8443", "10.0.0.1", "[fd00::1]:80", "localhost:5432"]'
    say(
        checkout,
        f"""[[gate]]
name = "good"
command = "true"
{good}
[worker.w]
kind = "command"
command = "true"
network = true
""",
    )
    assert load_settings(checkout).gate("good").network[1] == "*.b.org:8443"
    say(
        checkout,
        """[[gate]]
name = "bad"
command = "true"
network = ["ok.org", "https://index.example.org"]
[worker.w]
kind = "command"
command = "true"
network = ["*"]
[sandbox]
setup_network = ["localhost"]
""",
    )
    found = {line: " / ".join(text) for (_, line), text in problems_of(checkout).items()}
    assert "'network': 'https://index.example.org' is no host" in found[4]
    assert "for any host: network = true" in found[8]
    assert "this machine's own ports are reached from 1024 on" in found[10]
    assert 'write: "localhost:5432"' in found[10]


def test_a_gate_may_name_a_report_and_let_known_failures_pass(checkout):
    say(
        checkout,
        '[[gate]]\nname = "unit"\ncommand = "pytest --junitxml=out/r.xml"\njunit = "out/r.xml"\n'
        'pass_if = "no-new-failures"\n[[gate]]\nname = "lint"\ncommand = "ruff check ."\n',
    )
    unit, lint = load_settings(checkout).gates
    assert (unit.junit, unit.pass_if) == ("out/r.xml", "no-new-failures")
    assert (lint.junit, lint.pass_if) == (None, "exit-0")


@pytest.mark.parametrize("path", ["/tmp/r.xml", "../r.xml", "out/", ".git/r.xml", "", "a//b"])
def test_a_report_is_a_file_below_the_top_of_the_tree(checkout, path):
    say(checkout, f'[[gate]]\nname = "unit"\ncommand = "pytest"\njunit = "{path}"\n')
    (((_, line), (what, _)),) = problems_of(checkout).items()
    assert (line, "'junit'" in what) == (4, True)


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("pytest -x", "with -x not all tests run"),
        ("pytest --maxfail=3", "with --maxfail=3 not all tests run"),
        ("python -m unittest --failfast", "with --failfast not all tests run"),
        ("npx jest --bail", "with --bail not all tests run"),
        ("cargo test", "cargo test stops at the first target that fails"),
    ],
)
def test_a_command_that_stops_early_cannot_tell_new_failures_from_known_ones(
    checkout, command, what
):
    gate = f'[[gate]]\nname = "unit"\ncommand = "{command}"\n'
    say(checkout, gate)
    assert load_settings(checkout).gates
    say(checkout, f'{gate}pass_if = "no-new-failures"\n')
    (((_, line), (said, hint)),) = problems_of(checkout).items()
    assert (line, what in said) == (3, True), said
    assert hint


def test_what_counts_as_a_pass_is_one_of_two_words(checkout):
    say(checkout, '[[gate]]\nname = "unit"\ncommand = "pytest"\npass_if = "no-new-failure"\n')
    ((what, hint),) = problems_of(checkout).values()
    assert "'pass_if'" in what
    assert "no-new-failures" in hint
