"""The webhooks of automations, on this machine's loopback.

1. POST /hook/NAME with the automation's secret starts it and answers 202 at once; what was sent is
   read to check it, and goes nowhere else.
2. The secret is in `X-Orch-Secret`, `X-Gitlab-Token` or `Authorization: Bearer`, or it has signed
   the body as GitHub does (`X-Hub-Signature-256`). It is compared in constant time.
3. Without it, with another one, and for a name that there is none of, the answer is the same: 401.
4. A body is read as far as it may be long and no further, and not for ever.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from orchestrator.errors import OrchError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from ledger.automations import Automation

SHORTEST_SECRET = 16
BODY_LIMIT_BYTES = 1 << 20
READ_WITHIN_S = 20.0
PATH = "/hook/"
_NOBODYS = "a secret that nobody has, to compare with all the same"

Heard = Callable[[str], None]
"""Told the name of an automation whose webhook was called."""


def secrets_of(automations: Iterable[Automation], environ: Mapping[str, str]) -> dict[str, str]:
    """The secret of each webhook, by the automation's name; OrchError where one is none."""
    found = {}
    for one in automations:
        if one.webhook is None:
            continue
        secret = environ.get(one.webhook, "").strip()
        if len(secret) < SHORTEST_SECRET:
            what = "is not set" if not secret else f"is shorter than {SHORTEST_SECRET} characters"
            raise OrchError(
                f"the webhook of automation '{one.name}' has no secret: {one.webhook} {what}",
                hint=f'export {one.webhook}="$(openssl rand -hex 32)", and tell the sender',
            )
        found[one.name] = secret
    return found


def hook_app(secrets: Callable[[], Mapping[str, str]], heard: Heard) -> ASGIApp:
    """The application that listens; `secrets` says which there are now."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.requests import Request
        from starlette.responses import JSONResponse

        if scope["type"] != "http":
            return None
        request = Request(scope, receive)

        async def answer(status: int, **said: str) -> None:
            headers = {"allow": "POST"} if status == 405 else {}
            if status >= 400:
                headers["connection"] = "close"  # what is left of the body is not read
            await JSONResponse(said, status, headers)(scope, receive, send)

        path = scope["path"]
        if not path.startswith(PATH):
            return await answer(404, error="there is nothing here")
        if request.method != "POST":
            return await answer(405, error="a webhook is sent by POST")
        body = await _body(request)
        if body is None:
            return await answer(413, error=f"a body has at most {BODY_LIMIT_BYTES} bytes")
        name = path.removeprefix(PATH)
        secret = secrets().get(name)
        known = _knows(request.headers, body, secret or _NOBODYS)
        if not known or secret is None:
            return await answer(401, error="the secret is not the one of this webhook")
        if request.headers.get("x-github-event") == "ping":
            return await answer(202, heard=name, note="a ping starts nothing")
        heard(name)
        return await answer(202, heard=name)

    return app


async def _body(request: object) -> bytes | None:
    """The body; None where it is too long, or takes too long."""
    import anyio
    from starlette.requests import ClientDisconnect, Request

    assert isinstance(request, Request)
    said = request.headers.get("content-length", "0")
    if not said.isdigit() or len(said) > 12 or int(said) > BODY_LIMIT_BYTES:
        return None
    body = bytearray()
    with anyio.move_on_after(READ_WITHIN_S) as patience:
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_LIMIT_BYTES:
                    return None
        except ClientDisconnect:
            return None
    return None if patience.cancelled_caught else bytes(body)


def _knows(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether a request shows that its sender knows a secret."""
    key = secret.encode()
    signed = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
    shown = {
        "x-orch-secret": secret,
        "x-gitlab-token": secret,
        "authorization": f"Bearer {secret}",
        "x-hub-signature-256": signed,
    }
    # All of them are compared, always: how long it takes says nothing.
    held = [
        hmac.compare_digest(headers.get(name, "").encode("utf-8", "replace"), expected.encode())
        for name, expected in shown.items()
    ]
    return any(held)
