"""A workspace for real children, and a way to see who of them is still alive."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from workers.process import Ended, run_process


@dataclass
class Bench:
    """A workspace, and a token in the command line of whatever must not outlive a child."""

    tree: Path
    logs: Path
    token: str = field(default_factory=lambda: f"token-{uuid.uuid4().hex}")
    lines: list[str] = field(default_factory=list)

    async def run(self, *argv: str, mark: str = "", log: str = "log", **options) -> Ended:
        settings = {"timeout_s": 20.0, "grace_s": 0.5, "env": dict(os.environ), "cwd": self.tree}
        mark = mark or f"{self.token}/a/1/n"  # no other test may end it
        return await run_process(argv, mark=mark, log=self.logs / log, **(settings | options))

    async def sh(self, script: str, **options) -> Ended:
        """Run a shell script; $TOKEN is the token."""
        env = os.environ | {"TOKEN": self.token} | options.pop("env", {})
        return await self.run("/bin/sh", "-c", script, env=env, **options)

    def output(self, log: str = "log") -> bytes:
        return (self.logs / log).read_bytes()

    def alive(self) -> list[int]:
        """Who has the token in its command line."""
        return [
            process.pid
            for process in psutil.process_iter(["cmdline", "status"])
            if self.token in " ".join(process.info["cmdline"] or ())
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ]

    def wait_until_alive(self, count: int, bound_s: float = 10.0) -> list[int]:
        until = time.monotonic() + bound_s
        while len(found := self.alive()) < count:
            assert time.monotonic() < until, f"{len(found)} of {count} came alive"
            time.sleep(0.02)
        return found
