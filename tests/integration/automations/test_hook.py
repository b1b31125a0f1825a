"""Webhooks over real HTTP: who knows the secret starts it, and nobody else learns anything."""

from __future__ import annotations

import hashlib
import hmac
import socket
from contextlib import asynccontextmanager

import httpx
import pytest

from ledger.automations import Automation
from orchestrator.automations.hook import BODY_LIMIT_BYTES, hook_app, secrets_of
from orchestrator.errors import OrchError
from workers.loopback import bind, serving

SECRET = "0123456789abcdef"
DEPLOY = Automation(name="deploy", goal="x", webhook="DEPLOY_SECRET")


@asynccontextmanager
async def listening(heard: list[str]):
    """A client of a server that listens with one webhook."""
    listening = bind()
    port = listening.getsockname()[1]
    async with (
        serving(hook_app(lambda: {"deploy": SECRET}, heard.append), listening),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        yield client


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}"}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Orch-Secret": SECRET},
        {"X-Gitlab-Token": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        signed(b'{"ref": "main"}'),
    ],
)
async def test_who_knows_the_secret_starts_it(headers):
    heard: list[str] = []
    async with listening(heard) as client:
        said = await client.post("/hook/deploy", content=b'{"ref": "main"}', headers=headers)
    assert said.status_code == 202 and heard == ["deploy"]


async def test_without_the_secret_nothing_is_started_and_nothing_is_learnt():
    heard: list[str] = []
    body = b'{"ref": "main"}'
    wrong = [
        {},
        {"X-Orch-Secret": ""},
        {"X-Orch-Secret": SECRET + "0"},
        {"X-Orch-Secret": SECRET[:-1]},
        {"X-Orch-Secret": "sécret"},
        {"Authorization": SECRET},
        signed(body + b" "),
        signed(body, "another secret"),
        {"X-Hub-Signature-256": "sha256="},
    ]
    async with listening(heard) as client:
        for headers in wrong:
            encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            known = await client.post("/hook/deploy", content=body, headers=encoded)
            for path in ("/hook/none", "/hook/", "/hook/deploy/more", "/hook/%00"):
                unknown = await client.post(path, content=body, headers=encoded)
                assert (unknown.status_code, unknown.content) == (401, known.content)
            assert known.status_code == 401
        # A name that there is none of is not known by a secret either.
        said = await client.post("/hook/none", headers={"X-Orch-Secret": SECRET})
        assert said.status_code == 401
    assert heard == []


async def test_only_a_post_is_heard():
    heard: list[str] = []
    async with listening(heard) as client:
        for method in ("GET", "PUT", "DELETE"):
            said = await client.request(method, "/hook/deploy", headers={"X-Orch-Secret": SECRET})
            assert said.status_code == 405 and said.headers["allow"] == "POST"
        assert (await client.post("/", headers={"X-Orch-Secret": SECRET})).status_code == 404
        ping = {"X-Orch-Secret": SECRET, "X-GitHub-Event": "ping"}
        assert (await client.post("/hook/deploy", headers=ping)).status_code == 202
    assert heard == []


async def test_a_body_of_a_hundred_megabytes_is_refused_unread():
    heard: list[str] = []
    async with listening(heard) as client:
        with socket.create_connection(("127.0.0.1", client.base_url.port), 10) as raw:
            raw.settimeout(10)
            head = f"POST /hook/deploy HTTP/1.1\r\nHost: x\r\nX-Orch-Secret: {SECRET}\r\n"
            raw.sendall(f"{head}Content-Length: {100 << 20}\r\n\r\n".encode())
            # It has sent nothing of it yet, and is answered.
            assert (await in_thread(raw.recv, 100)).startswith(b"HTTP/1.1 413")
        sent = 0

        async def endless():
            nonlocal sent
            while sent < 100 << 20:
                sent += 1 << 16
                yield b"x" * (1 << 16)

        try:
            said = await client.post(
                "/hook/deploy", content=endless(), headers={"X-Orch-Secret": SECRET}
            )
            assert said.status_code == 413
        except httpx.HTTPError:  # cut off in the middle of sending
            pass
        assert sent < 64 * BODY_LIMIT_BYTES
        said = await client.post(
            "/hook/deploy", content=b"x" * BODY_LIMIT_BYTES, headers={"X-Orch-Secret": SECRET}
        )
        assert said.status_code == 202
    assert heard == ["deploy"]


async def in_thread(function, *args):
    import anyio.to_thread

    return await anyio.to_thread.run_sync(function, *args)


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({}, "DEPLOY_SECRET is not set"),
        ({"DEPLOY_SECRET": "  "}, "DEPLOY_SECRET is not set"),
        ({"DEPLOY_SECRET": "short"}, "DEPLOY_SECRET is shorter than 16 characters"),
    ],
)
def test_a_webhook_without_a_secret_is_refused(environ, why):
    with pytest.raises(OrchError, match=why) as refused:
        secrets_of([DEPLOY], environ)
    assert "export DEPLOY_SECRET=" in refused.value.hint
    assert "short" not in refused.value.message.replace("shorter", "")


def test_a_secret_is_that_of_the_variable():
    assert secrets_of([DEPLOY], {"DEPLOY_SECRET": f" {SECRET}\n"}) == {"deploy": SECRET}
    assert secrets_of([Automation(name="x", goal="x")], {}) == {}
