"""SKILL.md files: what the standard takes, and all that is wrong with the others, by line."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.guidance.front_matter import FRONT_CHARS, body_of, parse_skill

FULL = """\
---
name: pdf-forms
description: >-
  Fill in forms.
  Use it for PDF files.
license: no
compatibility: needs qpdf
metadata:
  version: 1.10
  author: yes
allowed-tools: Bash(git:*) Read
---

# Forms

Do it so.
"""


def read(text: str, folder: str = "a"):
    front, problems = parse_skill(text, f"skills/{folder}/SKILL.md", folder)
    return front, [(one.line, one.level, one.what) for one in problems]


def with_front(*lines: str) -> str:
    return "\n".join(["---", *lines, "---", "Do it so."])


def test_all_fields_are_texts_as_they_are_written():
    front, problems = read(FULL, "pdf-forms")
    assert problems == []
    assert front.name == "pdf-forms"
    assert front.description == "Fill in forms. Use it for PDF files."
    assert front.license == "no"  # no truth value
    assert front.compatibility == "needs qpdf"
    assert front.metadata == {"version": "1.10", "author": "yes"}  # no number
    assert front.allowed_tools == ("Bash(git:*)", "Read")
    assert body_of(FULL, front.body_line) == "# Forms\n\nDo it so.\n"


def test_all_that_is_wrong_is_told_at_once_with_its_line():
    front, problems = read(
        with_front(
            "name: Not_A_Name",
            "name: again",
            f"description: {'x' * 1025}",
            "compatibility: " + "y" * 501,
            "color: red",
            "metadata: [a]",
            "allowed-tools: [Read, Write]",
        )
    )
    assert [(line, level) for line, level, _ in problems] == [
        *((2, "error"), (3, "error"), (4, "error"), (5, "error"), (6, "warning")),
        *((7, "error"), (8, "warning")),
    ]
    said = " ".join(what for *_, what in problems)
    assert "'Not_A_Name' is no name for a skill" in said
    assert "'name' is there twice" in said
    assert "'description' has 1025 characters; at most 1024" in said
    assert "'color' is no field of the standard" in said
    assert front.allowed_tools == ("Read", "Write")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "does not begin with front matter"),
        ("# A page\n", 1, "does not begin with front matter"),
        ("---\nname: a\n", 1, "does not begin with front matter"),
        (with_front("name: a", "description: use it: always"), 3, "is no YAML"),
        (with_front("- a", "- b"), 2, "is no list of `field: value`"),
        (with_front("name: a", "description: ''"), 3, "'description' is empty"),
        (with_front("name: a", "description: [b]"), 3, "'description' is no text"),
        (with_front("name: b", "description: c"), 2, "its name is 'b', its folder's is 'a'"),
        (with_front("name: a"), 1, "'description' is missing"),
        (with_front("name: a", "description: " + "[" * 1000), 2, "nested too deeply"),
        (with_front("x: " + "[" * 1500 + "]" * 1400), 2, ""),
        (with_front("x: " + "y" * FRONT_CHARS), 1, "characters; at most"),
        (with_front("a: &a [x]", "b: *a", "c: !!python/object/apply:os.system [ls]"), 1, "missing"),
    ],
)
def test_what_is_no_skill_says_why(text, line, what):
    _, problems = read(text)
    assert any(where == line and what in said for where, _, said in problems), problems
    assert any(level == "error" for _, level, _ in problems)


@pytest.mark.parametrize("name", ["-a", "a-", "a--b", "A", "ä", "a b", "a/b", "..", "a" * 65])
def test_names_that_the_standard_refuses(name):
    _, problems = read(with_front(f'name: "{name}"', "description: x"), name)
    assert [level for _, level, _ in problems] == ["error"]


@given(st.text(alphabet=string.printable + "äé\u2028", max_size=300))
def test_any_text_is_read_or_refused_in_words(text):
    for whole in (text, with_front(*text.split("\n"))):
        front, problems = parse_skill(whole, "f", "a")
        if not any(one.level == "error" for one in problems):
            assert front.name == "a" and 1 <= len(front.description) <= 1024
