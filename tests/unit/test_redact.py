"""No secret that a child was given comes out of what it printed, however it is written or cut."""

import base64
import json
import os
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.redact import Redactor, Stream

SECRET = 'p"ss wörd/42+%\\'
FORMS = {
    "as it is": SECRET.encode(),
    "base64": base64.b64encode(SECRET.encode()),
    "base64 for addresses": base64.urlsafe_b64encode(SECRET.encode()),
    "base64 of more": base64.b64encode(b"me:" + SECRET.encode() + b":you"),
    "base64 of other more": base64.b64encode(b"user:" + SECRET.encode() + b":x"),
    "base64 of yet other more": base64.b64encode(b"ab" + SECRET.encode() + b"c"),
    "in an address": urllib.parse.quote(SECRET, safe="").encode(),
    "in an address, small": urllib.parse.quote(SECRET).lower().encode(),
    "in a form": urllib.parse.quote_plus(SECRET).encode(),
    "in JSON": json.dumps(SECRET).encode(),
    "in JSON with all characters": json.dumps(SECRET, ensure_ascii=False).encode(),
    "as Python shows it": repr(SECRET).encode(),
}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_secret_is_replaced_in_each_form(form):
    text = b"before\nx=" + FORMS[form] + b" after\n"
    clean = Redactor({"TOKEN": SECRET}).redact(text)
    assert b"[redacted TOKEN]" in clean
    assert clean.startswith(b"before\nx=") and clean.endswith(b" after\n")
    left = clean.replace(b"[redacted TOKEN]", b"").removeprefix(b"before\nx=")
    assert len(left.removesuffix(b" after\n")) <= 12  # neighbours, quotes, a cut group of base64


KEYS = {
    "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789",
    "sk-proj-Abcdefghijklm0nopqrstu",
    "ghp_" + "a1B2" * 9,
    "ghs_" + "a1B2" * 9,
    "github_pat_" + "a1B2_" * 12,
    "xoxb-123456789012-abcdefghijkl",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "AIza" + "Sy-0_" * 7,
    "glpat-abcdefghij0123456789",
}


@pytest.mark.parametrize("key", sorted(KEYS))
def test_keys_of_known_kinds_are_hidden_whoever_gave_them(key):
    clean = Redactor().redact(f"key={key}\n(again: {key})".encode())
    assert clean == b"key=[redacted key]\n(again: [redacted key])"


@pytest.mark.parametrize(
    "text",
    [
        "ask-me-for-a-long-name-with-many-words-and-2",
        "sk-learn-is-a-library-for-machine-learning",
        "light_path ghp_short xoxo-xoxo",
        "test_AKIA PRIVATE KEYS",
        "src/a.py:12: E501 too long",
    ],
)
def test_other_words_stay(text):
    assert Redactor().redact(text.encode()) == text.encode()


BODY = [base64.b64encode(bytes(range(48))).decode() for _ in range(20)]
PEM = "\n".join(
    ["-----BEGIN RSA PRIVATE KEY-----", *BODY, "c2hvcnQ=", "-----END RSA PRIVATE KEY-----"]
)


@pytest.mark.parametrize("margin", ["", "E       ", "+ ", "12: "])
def test_a_private_key_is_hidden_with_all_its_lines(margin):
    shown = "\n".join(margin + line for line in PEM.splitlines())
    for text in (shown, json.dumps({"key": shown})):
        clean = Redactor().redact(f"before\n{text}\nafter: it".encode()).decode()
        assert "[redacted private key]" in clean and BODY[0][:20] not in clean
        assert "c2hvcnQ=" not in clean and "after: it" in clean


def test_a_key_that_only_begins_hides_what_looks_like_it_and_no_more():
    text = b'assert "-----BEGIN PRIVATE KEY-----" in text\nE  it is not there (1 failed)\n'
    clean = Redactor().redact(text)
    assert clean == b'assert "[redacted private key]" in text\nE  it is not there (1 failed)\n'
    stream = Stream(Redactor())
    assert stream.feed(text) + stream.end() == clean


def test_places_short_values_and_plain_words_are_no_secrets(tmp_path):
    given = {"A": str(tmp_path / "new"), "B": "short", "C": "localhost", "D": os.getcwd()}
    text = " ".join(given.values()).encode()
    assert Redactor(given).redact(text) == text
    assert Redactor({"A": "/9j/4AAQSkZJRg"}).redact(b"/9j/4AAQSkZJRg") == b"[redacted A]"


def test_each_line_of_a_secret_and_the_password_in_an_address_are_secrets():
    clean = Redactor({"CERT": "first-line\nsecond-line\n", "DB": "pg://me:s3cretpass@h/db"})
    assert clean.redact(b"> second-line") == b"> [redacted CERT]"
    assert clean.redact(b"with s3cretpass") == b"with [redacted DB]"
    assert Redactor({"A": "abcdefgh", "B": "abcdefgh-ijkl"}).redact(b"abcdefgh-ijkl") == (
        b"[redacted B]"
    )


@given(
    st.lists(st.sampled_from([b"hunter2-hunter2", b"hunter2", b"\n", b"x", b"AKIA", b" ", b"\r"])),
    st.lists(st.integers(0, 60)),
)
def test_pieces_are_redacted_like_the_whole(parts, cuts):
    whole = b"".join(parts)
    redactor = Redactor({"TOKEN": "hunter2-hunter2"})
    stream = Stream(redactor)
    out, at = b"", 0
    for cut in cuts:
        out += stream.feed(whole[at : at + cut])
        at += cut
    out += stream.feed(whole[at:]) + stream.end()
    assert out == redactor.redact(whole)


@pytest.mark.parametrize("before", [60_000, 65_536 - 7, 131_000, 200_001])
def test_a_secret_in_a_line_without_an_end_is_found_wherever_it_is_cut(before):
    redactor = Redactor({"TOKEN": "hunter2-hunter2"})
    whole = b"." * before + b"hunter2-hunter2" + b"." * 90_000 + b"ghp_" + b"a1" * 20
    for size in (1000, 65_536, 65_539):
        stream = Stream(redactor)
        out = b"".join(stream.feed(whole[at : at + size]) for at in range(0, len(whole), size))
        assert out + stream.end() == redactor.redact(whole)


def test_of_a_line_that_goes_on_no_beginning_of_a_secret_is_shown():
    redactor = Redactor({"TOKEN": "hunter2-hunter2"})
    for end in range(4, 15):
        assert redactor.redact_open(b"a\nb hunter2-hunter2"[: 4 + end], cut=False) == b"a\nb "
    assert redactor.redact_open(b"key: ghp_abc", cut=False) == b"key: "
    assert redactor.redact_open(b"ter2-hunter2\nnext", cut=True) == b"next"
    assert redactor.redact_open(b"ter2-hunter2", cut=True) == b""
