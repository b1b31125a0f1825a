"""Which values and keys are secrets, and which only look like some."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from orchestrator.verification.added_secrets import secrets_in
from workers.redact import Redactor
from workers.secrets import is_real_key, telling

CHANCE = base64.b64encode(hashlib.sha512(b"chance").digest()).decode().replace("/", "a")
LETTERS = CHANCE.replace("+", "b").replace("=", "")


def token(content: str, signature: str = LETTERS[:43]) -> str:
    """A signed token with that content."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")
    return f"{head}.{body}.{signature}"


def block(body: str) -> str:
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----"


REAL = {
    "private key": block(LETTERS * 4),
    "cloud": "AKIA" + "Q3EGRX7ZP2WVMK5T",
    "cloud, for a time": "ASIA" + "Q3EGRX7ZP2WVMK5T",
    "maps": "AIza" + LETTERS[:35],
    "forge": "ghp_" + LETTERS[:36],
    "forge, fine": "github_pat_" + LETTERS[:60],
    "other forge": "glpat-" + LETTERS[:20],
    "model": "sk-proj-" + LETTERS[:48],
    "other model": "sk-ant-api03-" + LETTERS[:70],
    "chat": "xoxb-829174650183-" + LETTERS[:24],
    "payments": "sk_live_" + LETTERS[:24],
    "registry": "npm_" + LETTERS[:36],
    "signed token": token('{"sub":"8841","name":"A Person","exp":1893456000}'),
}
DUMMY = {
    "cloud's own example": "AKIAIOSFODNN7EXAMPLE",
    "crosses": "ghp_" + "x" * 36,
    "a row": "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789",
    "one letter": "sk-" + "a" * 48 + "1",
    "words": "sk-this-is-a-dummy-key-for-tests-1",
    "a class of style sheets": "sk-folding-cube-animation-2x",
    "fill in": "sk-proj-your-key-goes-here-please-1",
    "zeros": "glpat-00000000000000000000",
    "an empty block": block(""),
    "a short block": block("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"),
    "a block of crosses": block("x" * 800),
    "the token that everybody knows": token(
        '{"sub":"1234567890","name":"John Doe","iat":1516239022}'
    ),
    "no token": "eyJhbGciOiJIUzI1NiJ9.eyJ!!!!!!!!!!!!!.aaaaaaaaaaaaaaaaaaaaaaaa",
}


@pytest.mark.parametrize("kind", sorted(REAL))
def test_a_real_key_is_told_by_its_kind_and_hidden_in_what_is_printed(kind):
    key = REAL[kind]
    ((line, what, secret),) = secrets_in(
        "app.py", f'# first\nKEY = "{key}"\n'.encode(), Redactor(), is_new=True
    )
    assert line == 2 and what.startswith("it adds a") and secret.decode() in key
    assert key.split("\n")[-2:][0] not in what
    assert key.encode() not in Redactor().redact(f"key={key}\n".encode())


@pytest.mark.parametrize("kind", sorted(DUMMY))
def test_what_stands_for_a_key_is_none(kind):
    assert not is_real_key(DUMMY[kind].encode())
    assert secrets_in("app.py", f'KEY = "{DUMMY[kind]}"'.encode(), Redactor(), is_new=True) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_TOKEN", "correct-horse-battery"),
        ("DB_PASSWORD", "hunter2-hunter2"),
        ("SECRET_KEY", "django-insecure-9x7h2kq"),
        ("SENTRY_DSN", "https://9f1c2b@o1.ingest.sentry.invalid/7"),
        ("DATABASE_URL", "postgres://app:s3cretpw@db.invalid/app"),
        ("ANYTHING", "q8Zr-2LmX!v0pT"),
        ("githubtoken", "1f2e3d4c5b6a79880"),
    ],
)
def test_values_that_are_secret_by_their_name_or_looks(name, value):
    assert telling({name: value}) == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DJANGO_SETTINGS_MODULE", "config.settings.dev"),
        ("AWS_REGION", "eu-central-1"),
        ("DATABASE_URL", "postgres://localhost:5432/app"),
        ("PROJECT", "my-project-name"),
        ("PYTHONPATH", "src:tests/support"),
        ("VERSION", "3.11.7"),
        ("API_TOKEN", "changeme"),
        ("API_TOKEN", "your-token-here"),
        ("API_KEY", "test-key-for-ci"),
        ("DB_PASSWORD", "xxxxxxxx"),
        ("SECRET_KEY", "${SECRET_KEY}"),
        ("SECRET_KEY", "<secret>"),
    ],
)
def test_values_that_are_settings_or_stand_for_something(name, value):
    assert telling({name: value}) == {}


SECRET = 'kana"rie 7Gq2/vX9+'


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"me:" + SECRET.encode()).decode(),
        "https://h.invalid/?k=kana%22rie%207Gq2%2FvX9%2B",
    ],
)
def test_a_known_value_is_found_in_each_form_by_its_name_only(written):
    redactor = Redactor({"API_TOKEN": SECRET})
    content = f"one\ntwo\nuse({written})\n".encode()
    found = {(line, what) for line, what, _ in secrets_in("a.txt", content, redactor, is_new=True)}
    assert found == {(3, "it adds the value of API_TOKEN")}


def test_a_name_of_a_new_file_may_hold_one():
    redactor = Redactor({"API_TOKEN": "7Gq2vX9kanarie"})
    found = secrets_in("keys/7Gq2vX9kanarie.txt", b"", redactor, is_new=True)
    assert [(line, what) for line, what, _ in found] == [
        (0, "its name holds the value of API_TOKEN")
    ]
    assert secrets_in("keys/7Gq2vX9kanarie.txt", b"", redactor, is_new=False) == ()
