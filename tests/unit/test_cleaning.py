"""What tools answer, made fit for a model: what is shown, and how much is looked at."""

from __future__ import annotations

import pytest

from workers.model.cleaning import REACH, cleaned, cleaned_start
from workers.redact import Redactor

LIMIT = 6_000
SECRET = "hunter2-Zx81-correct-horse-battery"
WINDOW = 4 * LIMIT + REACH


class Counting(Redactor):
    """A redactor that counts what it is given."""

    looked_at = 0

    def redact(self, data: bytes) -> bytes:
        self.looked_at += len(data)
        return super().redact(data)


def test_a_short_text_is_whole_and_a_long_one_says_what_is_left_out() -> None:
    redactor = Redactor({"PW": SECRET})
    assert cleaned(f"a {SECRET} b\x1b[2J", LIMIT, redactor) == "a [redacted PW] b"
    for length in (LIMIT + 10, 2 * WINDOW + 10, 4 << 20):
        text = "begin" + "x" * (length - 8) + "end"
        said = cleaned(text, LIMIT, redactor)
        assert said.startswith("beginxx") and said.endswith("xxend")
        assert f"[{length - LIMIT:,} characters are not shown here]" in said


def test_of_megabytes_little_is_looked_at() -> None:
    redactor = Counting({"PW": SECRET})
    cleaned("é" * (4 << 20), LIMIT, redactor)
    assert redactor.looked_at <= 4 * WINDOW
    redactor.looked_at = 0
    assert len(cleaned_start("x" * (4 << 20), 16_000, redactor)) >= 16_000
    assert redactor.looked_at <= 16_000 + REACH


def test_no_rest_of_a_private_key_is_shown_whose_beginning_was_not_looked_at() -> None:
    redactor = Redactor({})
    line = "q1W2e3R4t5Y6u7I8o9P0a1S2d3F4g5H6j7K8l9Z0x1C2v3B4n5M6q7W8e9R0t1Y2"
    key = "\n".join(["-----BEGIN PRIVATE KEY-----", *[line] * 40, "-----END PRIVATE KEY-----"])
    for colour in ("", "\x1b[1m" * 8):
        body = (f"{colour}x" * WINDOW)[: WINDOW - len(key) // 2]
        said = cleaned("x" * WINDOW * 2 + key + body, LIMIT, redactor)
        assert line not in said and "PRIVATE KEY" not in said and said.endswith("x")


@pytest.mark.parametrize("shift", range(-40, 8, 3))
@pytest.mark.parametrize("filler", ["x", "\x1b[1m"])
def test_no_half_of_a_secret_is_shown_where_it_was_cut_before_it_was_hidden(
    filler: str, shift: int
) -> None:
    """Also where most of it vanishes, so that the cut comes near to what is shown."""
    redactor = Redactor({"PW": SECRET})
    for edge in (WINDOW, 16_000 + REACH):
        at = edge + shift
        head = (filler * (at // len(filler) + 1))[:at]
        text = head + SECRET + filler * WINDOW + SECRET + head[::-1]
        for said in (cleaned(text, LIMIT, redactor), cleaned_start(text, 16_000, redactor)):
            assert SECRET[:5] not in said and SECRET[-5:] not in said
        assert cleaned(text, LIMIT, redactor).count("x") > LIMIT // 4 or filler != "x"
