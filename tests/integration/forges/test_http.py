"""What a server at the other end can do to a call: it ends, and is told."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from orchestrator.forges.base import ForgeError, Repo
from orchestrator.forges.http import Caller, Patience
from orchestrator.forges.reading import web_address
from orchestrator.forges.tokens import Token

IMPATIENT = Patience(tries=1, connect_s=5, silence_s=5, whole_s=0.3)
LINE = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def served(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Answers one call in its own way; the address of the API."""

    def serve() -> None:
        line, _ = server.accept()
        with line:
            line.recv(65_536)
            try:
                answer(line)
            except OSError:
                return  # the caller has gone

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join(30)


def caller(url: str, patience: Patience = IMPATIENT, **environ: str) -> Caller:
    return Caller(Repo("github", "ada/tea", url), Token("t" * 20, "TEA"), {}, environ, patience)


def test_a_forge_that_drips_its_headers_is_given_up() -> None:
    waited_for = []

    def drip(line: socket.socket) -> None:
        line.sendall(LINE + b"x-slow: ")
        for _ in range(100):
            line.sendall(b"x")
            time.sleep(0.05)
        waited_for.append("all of it")

    with served(drip) as url, pytest.raises(ForgeError) as caught:
        caller(url).call("GET", "/x")
    assert caught.value.trouble == "silent" and not waited_for


def test_what_was_packed_without_being_asked_for_is_not_unpacked() -> None:
    packed = gzip.compress(b"[" + b" " * (1 << 20) + b"]")
    head = LINE + b"content-encoding: gzip\r\n" + b"content-length: %d\r\n\r\n" % len(packed)
    with (
        served(lambda line: line.sendall(head + packed)) as url,
        pytest.raises(ForgeError) as caught,
    ):
        caller(url, Patience(tries=1)).call("GET", "/x")
    assert caught.value.trouble == "not-json"


@pytest.mark.parametrize("name", ["retry-after", "x-ratelimit-reset"])
def test_a_limit_of_thousands_of_digits_is_a_limit(name: str) -> None:
    head = b"HTTP/1.1 429 No\r\n" + name.encode() + b": " + b"9" * 6000
    said = head + b"\r\ncontent-length: 2\r\n\r\n{}"
    with served(lambda line: line.sendall(said)) as url, pytest.raises(ForgeError) as caught:
        caller(url, Patience(tries=1)).call("GET", "/x")
    assert caught.value.trouble == "rate-limit"


@pytest.mark.parametrize("proxy", ["socks5://u:word@h:1", "http://", "http://u:word@h:99999", "[x"])
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(proxy: str) -> None:
    with pytest.raises(ForgeError) as caught:
        caller("https://forge.invalid", HTTPS_PROXY=proxy).call("GET", "/x")
    assert caught.value.trouble == "unreachable" and "HTTPS_PROXY" in caught.value.message
    assert "word" not in f"{caught.value.message}{caught.value.hint}"


def test_a_proxy_without_a_scheme_is_one_of_http() -> None:
    asked: list[bytes] = []

    def answer(line: socket.socket) -> None:
        asked.append(b"")
        line.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    with served(answer) as url, pytest.raises(ForgeError):
        proxy = url.removeprefix("http://")
        caller("https://forge.invalid", Patience(tries=1), HTTPS_PROXY=proxy).call("GET", "/x")
    assert asked


def test_an_address_that_would_end_its_link_is_none() -> None:
    good = "https://github.com/ada/tea/pull/1#issue-1?x=%20~(a)[b]@c;d"
    assert web_address(good) == good
    for bad in (
        "https://x/><img src=y>",
        'https://x/"',
        "https://x/`y`",
        "javascript:x",
        "https://x/\\",
    ):
        assert web_address(bad) == ""
