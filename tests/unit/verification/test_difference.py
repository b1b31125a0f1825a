"""Why a gate says something else in the sandbox: what its output tells."""

import pytest

from ledger.model import Outcome, Verdict
from orchestrator.verification.difference import compare


def said(outcome: Outcome, why: str = "") -> Verdict:
    return Verdict(gate="unit", tree="t", key="k", outcome=outcome, why=why)


def explained(*lines: str) -> str:
    found = compare(said("passed"), said("failed"), lines, "/home/ada", "/home/ada/project")
    assert found.why and found.hint
    return f"{found.why} | {found.hint}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            'psycopg.OperationalError: connection to server at "127.0.0.1", port 5432 failed: '
            "Connection refused",
            "localhost, port 5432,",
        ),
        (
            "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection "
            "refused.",
            "port 6379",
        ),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "not reached from there"),
        ("curl: (6) Could not resolve host: example.com", "needs the network"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "network = true"),
        ("Error: getaddrinfo EAI_AGAIN api.example.com", "needs the network"),
        ("dial unix /var/run/docker.sock: connect: no such file or directory", "docker.sock"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/home/agent/.cache/m.bin'",
            "~/.cache/m.bin",
        ),
        ("cat: /home/ada/.netrc: No such file or directory", 'read = ["~/.netrc"]'),
        ("cat: /home/ada/project/data.csv: No such file or directory", "make the path relative"),
        ("OSError: [Errno 30] Read-only file system: '/usr/lib/x'", "writes to /usr/lib/x"),
        ("sh: 1: terraform: not found", "terraform"),
        ("RuntimeError: can't start new thread", "processes"),
        ("head: error writing 'standard output': File too large", "file_gb"),
        ("AssertionError: 1 != 2", "orch gate unit --log"),
    ],
)
def test_what_the_output_tells_is_explained(line: str, words: str) -> None:
    assert words in explained("collected 3 items", line)


def test_equal_outcomes_are_no_difference() -> None:
    same = compare(said("failed"), said("failed"), ["x"], "/h", "/c")
    assert not same.why and same.inside == same.outside == "failed"


def test_a_gate_that_passes_only_inside_is_told_too() -> None:
    found = compare(said("failed"), said("passed"), [], "/h", "/c")
    assert "your machine disturbs it" in found.why
