"""Programs of others for thorough tests: MCP servers and an agent from npm, a PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

PACKAGES = ("server-filesystem", "server-everything", "server-postgres")
INSTALL_S = 600
START_S = 60


def npm_servers(folder: Path) -> str:
    """A PATH with the reference servers on it; skips where they cannot be had."""
    packages = {f"mcp-{name}": f"@modelcontextprotocol/{name}" for name in PACKAGES}
    return from_npm(folder, packages)


def claude_code(folder: Path) -> str:
    """A PATH with Claude Code on it; skips where it cannot be had."""
    path = from_npm(folder, {"claude": "@anthropic-ai/claude-code"})
    said = subprocess.run(
        (shutil.which("claude", path=path) or "false", "--version"),
        env={"PATH": path, "HOME": str(folder)},
        capture_output=True, text=True, timeout=START_S, check=False,
    )  # fmt: skip
    if said.returncode:
        pytest.skip(f"Claude Code does not run here: {(said.stdout + said.stderr)[-200:]}")
    return path


def from_npm(folder: Path, packages: Mapping[str, str]) -> str:
    """A PATH with these programs on it, installed from their packages where they are not there."""
    if all(map(shutil.which, packages)):
        return os.environ["PATH"]
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    words = (npm, "install", "--global", "--prefix", str(folder), "--no-audit", "--no-fund")
    done = subprocess.run(
        (*words, *packages.values()), capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if done.returncode:
        pytest.skip(f"npm could not install {', '.join(packages)}: {done.stderr[-200:]}")
    return f"{folder / 'bin'}:{os.environ['PATH']}"


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a database of its own on loopback; skips where there is no PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    initdb = shutil.which("initdb") or (str(found[-1]) if found else None)
    if initdb is None or shutil.which("psql") is None:
        pytest.skip("PostgreSQL is not installed")
    binaries = Path(initdb).resolve().parent
    # It refuses to be root; a folder that others cannot pass through is no place for it then.
    who = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="orch-pg-"))
    try:
        if who:
            shutil.chown(folder, "nobody")
        data = folder / "data"
        made = subprocess.run(
            (initdb, "-D", str(data), "-A", "trust", "-U", "shop", "-E", "UTF8", "--no-sync"),
            capture_output=True, text=True, timeout=START_S, check=False, cwd=folder, **who,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        words = ("-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-c", "fsync=off")
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                (binaries / "postgres", "-D", data, *words),
                stdout=log, stderr=log, cwd=folder, **who,
            )  # fmt: skip
        url = f"postgresql://shop@localhost:{port}"
        try:
            ready = (
                f"for i in $(seq 600); do psql -q {url}/postgres -c 'CREATE DATABASE shop'"
                " >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1"
            )
            subprocess.run(("sh", "-c", ready), timeout=START_S + 10, check=True)
            yield f"{url}/shop"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
