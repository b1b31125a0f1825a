"""A message goes out: by a command, by a webhook. What does not work is a reason, never an error.

1. The command is the person's own, so it runs as they would run it, not in a sandbox; it sees what
   any child of orch's sees, what a desktop is reached by, and what the settings name.
2. The address of a webhook is read from the variable that is named, and never said. It is https;
   plain http reaches this machine only. A redirect is followed by nobody, proxies are not asked.
3. What may pass by itself (no connection, 429, 5xx) is tried again, a few times; all else is not.
   Every wait is bounded, and so is the whole.
"""

from __future__ import annotations

import ipaddress
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

from ledger.connectors import NotifySettings
from orchestrator.notify.message import Message
from orchestrator.notify.shapes import Request, request_of
from orchestrator.workplace import Workplace

if TYPE_CHECKING:
    import httpx

COMMAND_S = 60.0
POST_S = 20.0
"""One try, from the connection to the answer's head."""
WAITS_S = (1.0, 5.0)
"""Before the second try and the third."""
LONGEST_WAIT_S = 15.0
"""More than that nobody waits who is asked to come back later."""
DESKTOP = (
    *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),
    *("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"),
)
"""What a desktop's own notifications are reached by."""


async def run_notifier(
    workplace: Workplace, settings: NotifySettings, message: Message, mark: str
) -> str:
    """Run the command of `[notify]`; why it failed, empty where it did not."""
    from workers.command import run_command
    from workers.environment import build_environment

    assert settings.command is not None
    said = {
        "ORCH_RUN": message.run,
        "ORCH_PROJECT": message.project,
        "ORCH_LEVEL": message.level,
        "ORCH_OUTCOME": message.outcome,
        "ORCH_EXIT_CODE": str(message.exit_code),
        "ORCH_TITLE": message.title,
    }
    with tempfile.TemporaryDirectory(prefix="orch-notify-") as folder:
        env = build_environment(
            workplace.environ,
            temporary=Path(folder),
            allowed=(*DESKTOP, *settings.env),
            orch=said,
        )
        ended = await run_command(
            settings.command,
            tree=workplace.checkout,
            env=env,
            mark=mark,
            timeout_s=COMMAND_S,
            log=Path(folder) / "log",
            stdin=f"{message.title}\n{message.text}\n".encode(),
        )
    return "" if ended.exit_code == 0 else ended.why or "it was not started"


async def post_webhook(
    workplace: Workplace,
    settings: NotifySettings,
    message: Message,
    waits_s: Sequence[float] = WAITS_S,
) -> str:
    """Post to the webhook of `[notify]`; why it failed, empty where it did not."""
    name = settings.webhook or ""
    address = workplace.environ.get(name, "").strip()
    if not address:
        return f"{name} is not set"
    if why := refused_address(address):
        return f"{name} {why}"
    request = request_of(settings.shape, message)
    last = ""
    for wait_s in (*waits_s, None):
        last, later_s = await _post(address, request)
        if later_s is None or wait_s is None:
            break
        await anyio.sleep(min(max(wait_s, later_s), LONGEST_WAIT_S))
    return f"the webhook of {name} {last}" if last else ""


def refused_address(address: str) -> str:
    """Why an address is not posted to; empty where it may be. It is not repeated."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "holds no address"
    if parts.scheme == "http" and host and _is_here(host):
        return ""
    if parts.scheme == "http" and host:
        return "holds an http address of another machine: anybody on the way could read along"
    return "" if parts.scheme == "https" and host and port != 0 else "holds no https address"


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _post(address: str, request: Request) -> tuple[str, float | None]:
    """Try once: what went wrong, and after how long to try again; None: not at all."""
    import httpx

    try:
        with anyio.fail_after(POST_S):
            async with (
                httpx.AsyncClient(trust_env=False, follow_redirects=False) as client,
                client.stream(
                    "POST", address, headers=request.headers, content=request.body, timeout=POST_S
                ) as answer,
            ):
                return _understood(answer)
    except (TimeoutError, httpx.TimeoutException):
        return "does not answer", 0.0
    except (httpx.HTTPError, OSError):
        return "cannot be reached", 0.0
    except (httpx.InvalidURL, ValueError):
        return "is no address", None


def _understood(answer: httpx.Response) -> tuple[str, float | None]:
    status = answer.status_code
    if 200 <= status < 300:
        return "", None
    said = f"answered {status}"
    if status == 429 or status >= 500:
        return said, _seconds(answer.headers.get("retry-after", ""))
    if 300 <= status < 400:
        return f"{said}: it has moved, and nobody follows", None
    return said, None


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0
