"""A script that is wrong is told all at once, with lines and what to write instead."""

import pytest

from orchestrator.errors import Problems
from orchestrator.scripts import load_script, read_script
from orchestrator.toml_lines import parse_document
from workers.scripted_model.script import ScriptError, script_of


def problems(text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(Problems) as error:
        read_script(parse_document(text, "s.toml"))
    return [(one.line, one.what) for one in error.value.problems]


def hints(text: str) -> list[str]:
    with pytest.raises(Problems) as error:
        read_script(parse_document(text, "s.toml"))
    return [one.hint for one in error.value.problems]


def test_a_script_is_read():
    text = """
        conversation = 'task: (\\w+)'
        [[turn]]
        call = [{ name = "read", input = { lines = [1, 2] } }, { name = "run" }]
        usage = { input = 3 }
        [[turn]]
        status = 529
        repeat = 0
    """
    script = read_script(parse_document(text, "s.toml"))
    assert script.conversation == "task: (\\w+)"
    assert [call.name for call in script.turn[0].call] == ["read", "run"]
    assert script.turn[0].call[0].input == {"lines": (1, 2)}
    assert script.turn[0].usage.total == 3
    assert (script.turn[1].status, script.turn[1].per) == (529, "conversation")


def test_all_errors_are_told_at_once_in_the_order_of_the_file():
    text = """\
modles = ["x"]
conversation = "("
[[turn]]
text = 4
wen = "x"
repeat = -1
[[turn]]
status = 429
text = "never"
when = "["
[[turn]]
call = [{ nam = "x" }]
usage = { outptu = 3 }
[[turn]]
trouble = "cutt"
after = 3
"""
    assert problems(text) == [
        (1, "unknown key 'modles'"),
        (
            2,
            "'conversation' is no regular expression: "
            "missing ), unterminated subpattern at position 0",
        ),
        (4, "'text' must be text in quotes, not a whole number"),
        (5, "unknown key 'wen'"),
        (6, "'repeat' must be at least 0, not -1"),
        (9, "'text' is never said: the turn answers with status 429"),
        (10, "'when' is no regular expression: unterminated character set at position 0"),
        (12, "'name' is missing"),
        (12, "unknown key 'nam'"),
        (13, "unknown key 'outptu'"),
        (
            15,
            "'trouble' must be one of cut, reset, broken, silence, error, huge, not 'cutt'",
        ),
    ]
    assert "did you mean 'output'?" in hints(text)
    assert 'did you mean "cut"?' in hints(text)


@pytest.mark.parametrize(
    ("turn", "line", "what"),
    [
        ("status = 302", 2, "'status' 302 leads nowhere"),
        ("text = 'x'\nmessage = 'y'", 3, "'message' belongs to an error, and the turn is none"),
        ("stop = 'tool-calls'", 2, "'stop' is \"tool-calls\", but there is no call"),
        ("after = 2", 2, "'after' does nothing here"),
        ("trouble = 'cut'\nsilence_s = 2", 3, "'silence_s' does nothing here"),
        ("trouble = 'cut'\nhuge_mb = 2", 3, "'huge_mb' does nothing here"),
        ("headers = { 'a b' = 'x' }", 2, "'a b' cannot be a header"),
        ("headers = { ab = 'x\\ny' }".replace("'", '"'), 2, "'ab' cannot be a header"),
        ("headers = { Content-Length = '3' }", 2, "'Content-Length' follows from the answer"),
        (
            "call = [{ name = 'x', input = { at = 2026-01-01 } }]",
            2,
            "the input of 'x' is no JSON: it holds a date, a time or no number",
        ),
        (
            "call = [{ name = 'x', input = { at = nan } }]",
            2,
            "the input of 'x' is no JSON: it holds a date, a time or no number",
        ),
        (
            "repeat = 0\n[[turn]]\ntext = 'x'",
            3,
            "is never reached: turn 1 answers everything, without end",
        ),
    ],
)
def test_keys_that_make_no_sense_are_told(turn, line, what):
    text = f"[[turn]]\n{turn}\n"
    assert problems(text) == [(line, what)]
    # Who reads scripts without a file is told the same.
    with pytest.raises(ScriptError) as error:
        script_of(parse_document(text, "s.toml").data)
    assert what in str(error.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "there is no turn"),
        ("x = 1", "there is no turn"),
        ("turn = []", "there is no turn"),
        ("[turn]\ntext = 'x'", "'turn' must be a list of tables"),
        ("turn = [1]", "a turn must be a table"),
    ],
)
def test_what_has_no_turns_is_no_script(text, what):
    assert [one for _, one in problems(text)] == [what]


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(Problems, match=r"s\.toml: cannot be read: No such file"):
        load_script(tmp_path / "s.toml", "s.toml")
