"""What programs print comes out as text that can do nothing."""

from __future__ import annotations

import time
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from workers.text import clean_line, printable, tail_lines

NOISE = st.lists(
    st.one_of(
        st.text(max_size=5),
        st.sampled_from(
            ["\x1b", "[", "]0;", "\x07", "31m", "\x9b", "\x1b\\", "\r", "\n", "\t", "\u202e", "P"]
        ),
    ),
    max_size=40,
).map("".join)


def test_escapes_leave_whole_and_take_nothing_else_with_them():
    assert clean_line("\x1b[1;31mred\x1b[0m plain") == "red plain"
    assert (
        clean_line(b"\x1b]0;title\x07text \x1b]8;;file:///x\x1b\\link\x1b]8;;\x1b\\") == "text link"
    )
    assert clean_line("\x1bP1$r0m\x1b\\a\x1b(Bb\x1b=c\x9b2Kd") == "abcd"
    assert clean_line("\x1b]0;never ended, but visible") == "0;never ended, but visible"
    assert clean_line("\x1b\x1b[31m[31mx") == "[31mx"


def test_a_line_reads_as_a_terminal_would_have_left_it():
    assert clean_line("10 %\r50 %\r100 %\r\n") == "100 %"
    assert clean_line("a\tb") == "a    b"
    assert clean_line("pass\u202efail\u2066") == "passfail"
    assert clean_line(b"caf\xc3\xa9 \xff\xfe") == "café \ufffd\ufffd"
    assert clean_line("x" * 600) == "x" * 499 + "…" and clean_line("", 10) == ""


@given(NOISE)
def test_nothing_that_a_terminal_obeys_comes_through(noise):
    for text, allowed in ((clean_line(noise), ""), (printable(noise), "\n\t")):
        bad = [c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in allowed]
        assert not bad
        assert "\u202e" not in text
        text.encode()


@given(st.binary(max_size=300))
def test_any_bytes_become_text(raw):
    assert len(clean_line(raw, 80)) <= 80
    printable(raw).encode()


def test_hostile_lines_cost_little():
    began = time.perf_counter()
    for hostile in ("\x1b]" * 500_000, "\x1b[" + "1;" * 500_000, "\x1b" * 1_000_000, "\r" * 10**6):
        clean_line(hostile)
        printable(hostile)

    assert time.perf_counter() - began < 3


def test_the_tail_of_a_file_is_read_from_its_end_only(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * 5_000_000 + b"\n" + b"".join(b"line %d\n" % n for n in range(1000)))

    assert tail_lines(log, 3) == ("line 997", "line 998", "line 999")
    assert tail_lines(log, 5000, limit_bytes=100)[-1] == "line 999"
    assert tail_lines(log, 5000, limit_bytes=100)[0].startswith("line ")
    assert tail_lines(log, 0) == () and tail_lines(tmp_path / "none", 3) == ()
    log.write_bytes(b"one\n\n  two\x1b[0m\n\n\n")
    assert tail_lines(log, 10) == ("one", "", "  two")
