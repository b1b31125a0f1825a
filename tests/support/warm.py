"""Commands from an interpreter that has imported orch already: most of what a quick one costs.

1. One process for each tester imports everything once and forks for each command, so a command is
   a process of its own, with its own folder, environment and output.
2. What most commands do not need is imported when the first tester asks for it (`MODELS`).
3. What an interpreter decides when it starts (encodings, limits, what is imported late) cannot be
   tested so: whoever asks for an environment of their own gets the installed `orch`.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

_PREFIX = 4
MODELS = (
    *("orchestrator.planning.by_model", "orchestrator.mapping", "workers.gateway.gateway"),
    *("workers.gateway.prices", "workers.model.asking", "workers.model.worker", "httpx"),
    *("pydantic_ai.models.anthropic", "pydantic_ai.models.openai", "workers.loopback"),
    *("pydantic_ai.providers.anthropic", "pydantic_ai.providers.openai", "uvicorn"),
)
"""What a command imports that calls models: seconds, each time."""


class Warm:
    """The process that forks."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        ours, its = socket.socketpair()
        self._socket = ours
        self.process = subprocess.Popen(
            (sys.executable, "-m", "tests.support.warm", str(its.fileno())),
            cwd=Path(__file__).parents[2],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(its.fileno(),),
        )
        its.close()
        atexit.register(self.close)

    def close(self) -> None:
        self._socket.close()
        self.process.wait(10)

    def run(
        self,
        args: tuple[str, ...],
        folder: Path,
        environ: Mapping[str, str],
        within_s: float,
        first: tuple[str, ...] = (),
    ) -> tuple[int, bytes, bytes]:
        """A command's exit code, answer and narration; `first` is imported before it starts."""
        out_read, out = os.pipe()
        err_read, err = os.pipe()
        ended_read, ended = os.pipe()
        with open(os.devnull, "rb") as nothing:
            asked = json.dumps([args, str(folder), dict(environ), first]).encode()
            self._socket.sendall(len(asked).to_bytes(_PREFIX, "big"))
            socket.send_fds(self._socket, [asked[:1]], [nothing.fileno(), out, err, ended])
            self._socket.sendall(asked[1:])
        for descriptor in (out, err, ended):
            os.close(descriptor)
        pid = int.from_bytes(_exactly(self._socket, _PREFIX), "big")
        until = time.monotonic() + within_s
        said = {out_read: b"", err_read: b"", ended_read: b""}
        try:
            _drain(said, until)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(args, within_s) from None
        finally:
            for descriptor in said:
                os.close(descriptor)
        return int(said[ended_read]), said[out_read], said[err_read]


@functools.cache
def warm(environ: frozenset[tuple[str, str]]) -> Warm:
    """The one that has these variables from its start."""
    return Warm(dict(environ))


def _drain(said: dict[int, bytes], until: float) -> None:
    import select

    open_ones = set(said)
    while open_ones:
        left_s = until - time.monotonic()
        ready = select.select(list(open_ones), [], [], max(0, left_s))[0]
        if not ready:
            raise TimeoutError
        for descriptor in ready:
            chunk = os.read(descriptor, 1 << 16)
            said[descriptor] += chunk
            if not chunk:
                open_ones.discard(descriptor)


def _exactly(from_: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        chunk = from_.recv(count - len(got))
        if not chunk:
            raise EOFError
        got += chunk
    return got


# --- in the process that forks --------------------------------------------------------------------


def _serve(server: socket.socket) -> None:
    """Fork for each command; returns in the child, to become it."""
    gc.freeze()
    while True:
        try:
            size = int.from_bytes(_exactly(server, _PREFIX), "big")
        except EOFError:
            os._exit(0)
        first, descriptors, _, _ = socket.recv_fds(server, 1, 4)
        args, folder, environ, wanted = json.loads(first + _exactly(server, size - 1))
        if wanted := [module for module in wanted if module not in sys.modules]:
            for module in wanted:
                importlib.import_module(module)
            gc.freeze()
        keeper = os.fork()
        if keeper:
            for descriptor in descriptors:
                os.close(descriptor)
            os.waitpid(keeper, 0)
            continue
        # The one in between is nobody's to wait for: it tells how the command ended.
        if os.fork():
            os._exit(0)
        child = os.fork()
        if child:
            server.sendall(child.to_bytes(_PREFIX, "big"))
            server.close()
            for descriptor in descriptors[:3]:
                os.close(descriptor)
            status = os.waitpid(child, 0)[1]
            os.write(descriptors[3], str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)
        server.close()
        for number, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, number)
        for descriptor in descriptors:
            os.close(descriptor)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)
        sys.argv = ["orch", *args]
        return


def _import_all() -> None:
    import pkgutil

    import anyio._backends._asyncio

    import orchestrator.cli.commands as commands
    import orchestrator.engine

    assert anyio._backends._asyncio and orchestrator.engine
    for module in pkgutil.iter_modules(commands.__path__):
        importlib.import_module(f"{commands.__name__}.{module.name}")
    for name in ("glance", "planned", "driving", "failure"):
        importlib.import_module(f"orchestrator.cli.{name}")


if __name__ == "__main__":
    _import_all()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    sys.path.pop(0)
    from orchestrator.cli.main import main

    main()
