"""Every key of a TOML document is found, and at the line where a person sees it."""

import time
import tomllib
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import Problems
from orchestrator.toml_lines import find_lines, load_document, parse_document
from tests.support.examples import examples

KITCHEN_SINK = '''# a comment with key = 1 and [header]
title = "a # b"  # goal = 2

prompt = """
key = "inside a string"
[[task]]
""" # end
list = [ # one
  1, "two ] #", [3, [4]],

  { five = 5, six = { seven = 7 } }, # five
  1979-05-27 07:32:32, 1979-05-27,
]
a.b.c = 1
a.'quoted.key'."x\\ty" = 2
odd = \'\'\'it's '' fine\'\'\'\'
quotes = """""five"""""

[run]
parallel = 4

[[task]]
id = "one"
[task.sub]
x = 1
[[task.deep]]
y = 1

[[task]]
id = "two"
  [[ task . deep ]]
  y = 2
  [[task.deep]]
  y = 3
[other.table]
z = inf
'''


def key_paths(value, at=()):
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from key_paths(inner, (*at, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from key_paths(inner, (*at, position))


def test_every_kind_of_key_is_found_where_it_stands():
    lines = find_lines(KITCHEN_SINK)
    rows = KITCHEN_SINK.split("\n")
    assert set(lines) == set(key_paths(tomllib.loads(KITCHEN_SINK)))

    def row(*at):
        return rows[lines[at] - 1].strip()

    assert row("title").startswith("title")
    assert row("list", 2, 1, 0).startswith('1, "two')
    assert row("list", 3).startswith("{ five")
    assert row("list", 3, "six", "seven").startswith("{ five")
    assert row("list", 4).startswith("1979")
    assert row("a").startswith("a.b.c")
    assert row("a", "quoted.key", "x\ty").startswith("a.'quoted")
    assert row("quotes").startswith("quotes")
    assert row("task") == row("task", 0) == "[[task]]"
    assert lines["task", 1] > lines["task", 0] + 3
    assert row("task", 0, "deep", 0, "y") == "y = 1"
    assert row("task", 1, "deep", 1, "y") == "y = 3"
    assert row("other") == row("other", "table") == "[other.table]"


# Values are spread over lines in odd ways; each key is unique, so its line can be searched.
SCALARS = st.sampled_from(
    [
        "1",
        "-2.5",
        "true",
        '"s"',
        "'l # ]'",
        '"""m\n[k = 1\n"""',
        "'''\n\n'''",
        "1979-05-27 07:32:32",
        '"\\" ]"',
        '"""\\"""\n"""',
        "0x1f",
        "nan",
        '""""q"""',
        "07:32:00",
    ]
)
GAPS = st.sampled_from(["", " ", "\n", " # ] } no\n", "\n\n  "])


@st.composite
def documents(draw):
    numbers = count()

    def key():
        name = f"k{next(numbers)}_"
        return draw(st.sampled_from([name, f'"{name}"', f"'{name}'"])), name

    def value(depth, inline):
        kind = draw(st.sampled_from(["scalar", "scalar", "array", "table"]))
        if depth == 0 or kind == "scalar":
            one = draw(SCALARS)
            return one if not inline or "\n" not in one else "7"
        if kind == "array":
            gap = "" if inline else draw(GAPS)
            inner = [value(depth - 1, inline) for _ in range(draw(st.integers(0, 3)))]
            return "[" + gap + "".join(f"{one}{gap}, {gap}" for one in inner) + "]"
        inner = [f"{dotted()} = {value(depth - 1, True)}" for _ in range(draw(st.integers(0, 2)))]
        return "{ " + ", ".join(inner) + " }"

    def dotted():
        return ".".join(key()[0] for _ in range(draw(st.integers(1, 2))))

    def pairs():
        return [f"{dotted()} = {value(2, False)}" for _ in range(draw(st.integers(0, 3)))]

    parts = pairs()
    lists = []
    for _ in range(draw(st.integers(0, 4))):
        choice = draw(st.sampled_from(["table", "list", "again", "sub"]))
        if choice == "table" or (choice in ("again", "sub") and not lists):
            parts.append(f"[ {dotted()} ]")
        elif choice == "list":
            lists.append(key()[0])
            parts.append(f"[[{lists[-1]}]]")
        elif choice == "again":
            parts.append(f"[[ {draw(st.sampled_from(lists))} ]]")
        else:
            parts.append(f"[{draw(st.sampled_from(lists))}.{key()[0]}]")
        parts += pairs()
        parts += ["# comment = [1]"] if draw(st.booleans()) else []
    return draw(st.sampled_from(["\n", "\n\n", " # c\n", "\r\n"])).join(parts) + "\n"


@settings(max_examples=examples(300), deadline=None)
@given(documents())
def test_every_key_of_any_document_is_found_at_its_line(text):
    lines = find_lines(text)
    assert set(lines) == set(key_paths(tomllib.loads(text)))
    rows = text.split("\n")
    last = {}
    for at, line in lines.items():
        if isinstance(at[-1], str):
            assert at[-1] in rows[line - 1]
            assert not any(at[-1] in row for row in rows[: line - 1])  # where it is first named
        else:  # elements stand in order, never before their list
            assert line >= lines[at[:-1]]
            assert line >= last.get(at[:-1], 0)
            last[at[:-1]] = line


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ('a = 1\nb = "x\nc = 2\n', 2, "close the quotes"),
        ("a = 1\na = 2\n", 2, "keep one"),
        ("[run]\nx = 1\n[run]\n", 3, "[[name]]"),
        ("a = one\n", 1, "in quotes"),
        ("a = True\n", 1, "small letters"),
        ("a 1\n", 1, "key ="),
        ("\n\na = [1,\n2\n", 4, "]"),
        ('a = "C:\\dir"\n', 1, "twice"),
        ('a = "x" "y"\n', 1, "list"),
    ],
)
def test_a_syntax_error_says_its_line_and_what_to_write(text, line, hint):
    with pytest.raises(Problems) as raised:
        parse_document(text, "plan.toml")
    (problem,) = raised.value.problems
    assert (problem.file, problem.line) == ("plan.toml", line)
    assert hint in problem.hint
    assert raised.value.exit_code == 2


def test_a_line_of_what_is_not_there_is_that_of_what_surrounds_it():
    document = parse_document('x = 1\n[[task]]\nid = "a"\n', "plan.toml")
    assert document.line(("task", 0, "prompt")) == 2
    assert document.line(("goal",)) is None


def test_files_that_are_not_text_are_refused_by_name(tmp_path):
    path = tmp_path / "plan.toml"
    with pytest.raises(Problems, match="cannot be read"):
        load_document(path, "plan.toml")
    path.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(Problems, match=r"plan.toml:2: is not UTF-8"):
        load_document(path, "plan.toml")
    path.write_bytes(b"a = " + b"[" * 100_000)
    with pytest.raises(Problems, match=r"nested too deeply|not TOML"):
        load_document(path, "plan.toml")
    with pytest.raises(Problems, match="larger than"):
        load_document(path, "plan.toml", size_limit_bytes=1000)
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\n[b]\r\n")
    assert load_document(path, "plan.toml").lines == {("a",): 1, ("b",): 2}


def test_ten_thousand_tasks_are_walked_in_a_moment():
    text = "".join(
        f'\n[[task]]\nid = "t{n}"\nprompt = """Replace it\nin mod{n}."""\npaths = ["a/{n}", "b"]\n'
        for n in range(10_000)
    )
    start = time.process_time()
    lines = find_lines(text)
    assert lines["task", 9_999, "paths", 1] == text.count("\n")
    assert time.process_time() - start < 2.5
