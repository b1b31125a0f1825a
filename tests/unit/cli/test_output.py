"""The one module that prints: streams, colours, escapes, readers that go away."""

import io
import json
import os
import subprocess
import sys

import pytest

from orchestrator.cli import output
from orchestrator.cli.failure import answer_error
from orchestrator.errors import OrchError, Problem, Problems


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_answers_go_to_stdout_and_narration_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output.answer(["one", "two"])
    output.narrate("three")
    said = capsys.readouterr()
    assert said.out == "one\ntwo\n" and said.err == "three\n"


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert output.colour_answer("x", "good") == "\x1b[32mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.colour_answer("x", "good") == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert output.colour_answer("x", "good") == "x"


def test_what_slipped_through_still_does_nothing_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    output.answer("\x1b[32mours\x1b[0m \x1b]0;t\x07\x1b[2J\x9bK\u202eevil\udc80 \tend")
    assert terminal.getvalue() == "\x1b[32mours\x1b[0m ]0;t[2JKevil? \tend\n"


def test_no_line_is_a_command_to_the_runner_of_a_job(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A runner obeys what stands at the start of a line, also behind spaces, or anywhere in it."""
    lines = ["::stop-commands::x", "  \t::add-mask::e", "gate ##[error]x", "##vso[task.x]y", "a::b"]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    output.answer(lines)
    output.narrate("tests\r::error::x\n\x1b[2J::error::y")
    output.answer_json({"line": "##[error]x ###"})
    said = capsys.readouterr()
    told = said.out.splitlines()
    assert told[:5] == [
        *(": :stop-commands::x", "  \t: :add-mask::e", "gate # #[error]x", "# #vso[task.x]y"),
        "a::b",
    ]
    assert "##" not in told[5] and json.loads(told[5]) == {"line": "##[error]x ###"}
    assert said.err.splitlines()[0] == "tests::error::x" and "\n::" not in said.err
    monkeypatch.delenv("GITHUB_ACTIONS")
    output.answer(lines)
    assert capsys.readouterr().out.splitlines() == lines


def test_a_terminal_that_cannot_say_it_gets_a_replacement(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    output.answer("gr\u00fcn")
    assert raw.getvalue() == b"gr?n\n"


def test_a_reader_that_goes_away_ends_nothing() -> None:
    script = (
        "from orchestrator.cli import output\n"
        "for n in range(20000): output.answer('x' * 100)\n"
        "output.narrate('done')\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr is not None
    said = child.stderr.read()
    child.stderr.close()
    assert child.wait(timeout=30) == 0 and said == b"done\n"


def test_each_kind_of_error_has_a_face_a_hint_and_its_exit_code(
    capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    from ledger.schema import LedgerFull, LedgerLocked
    from worktree.values import GitError

    cases: list[tuple[BaseException, int]] = [
        (OrchError("what", hint="type this"), 2),
        (OrchError("what", hint="type this", exit_code=5), 5),
        (LedgerLocked("what", "type this"), 2),
        (LedgerFull("what", "type this"), 4),
        (GitError("what", kind="no-such-revision", hint="type this"), 2),
        (GitError("what", kind="no-space", hint="type this"), 4),
    ]
    for error, code in cases:
        assert answer_error(error, dict(os.environ)) == code
        said = capsys.readouterr()
        assert said.err == "error: what\n  hint: type this\n" and not said.out
    assert answer_error(KeyboardInterrupt(), {}) == 130


def test_all_problems_are_told_at_once_and_a_group_of_errors_by_its_parts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    problems = Problems([Problem("f.toml", 3, "wrong", "do"), Problem("f.toml", 9, "worse")])
    assert answer_error(problems, {}) == 2
    said = capsys.readouterr().err
    assert "f.toml:3: wrong" in said and "f.toml:9: worse" in said
    group = BaseExceptionGroup("g", [OrchError("one"), OrchError("two", exit_code=4)])
    assert answer_error(group, {}) == 4


def test_a_defect_has_a_short_face_and_its_details_in_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    monkeypatch.chdir(folder)
    environ = {"ORCH_STATE_DIR": str(folder / "state")}
    try:
        raise ZeroDivisionError("by \x1b[31mnothing")
    except ZeroDivisionError as error:
        assert answer_error(error, environ) == 3
    said = capsys.readouterr().err
    assert "defect of orch: ZeroDivisionError: by nothing" in said and "Traceback" not in said
    (kept,) = (folder / "state" / "failures").iterdir()
    assert str(kept) in said and "Traceback" in kept.read_text()
    assert answer_error(ZeroDivisionError("again"), environ, debug=True) == 3
    assert "ZeroDivisionError: again" in capsys.readouterr().err
