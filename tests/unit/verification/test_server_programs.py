"""Which commands of MCP servers run what a worker can write anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.connectors import McpServer
from orchestrator.doctor.programs import inside


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    top = tmp_path / "project"
    for name in ("bin/serve", ".venv/bin/tool", "server.py"):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "link").symlink_to(top / "bin" / "serve")
    (outside / "safe").write_text("#!/bin/sh\n")
    (outside / "safe").chmod(0o755)
    return top


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("bin/serve --port 1", "program lies in the repository (bin/serve)"),
        (("./bin/serve",), "(bin/serve)"),
        ("KEY=1 exec python3 -u server.py", "script lies in the repository (server.py)"),
        (("node", "tools/made-later.js"), "(tools/made-later.js)"),
        ("{checkout}/bin/serve", "(bin/serve)"),
        (("uv", "run", "server.py"), "(server.py)"),
        ("tool", "(.venv/bin/tool)"),
        ("{outside}/link", "(bin/serve)"),
        ("cd /tmp && npx -y some-server", "`npx` looks into the node_modules"),
        (("python3", "-m", "some_server"), "`python3 -m` looks into the workspace"),
        (("python3", "-I", "-m", "some_server"), ""),
        ("{outside}/safe server.py", ""),
        (("sh", "-c", "true"), ""),
        ("safe", ""),
    ],
)
def test_what_a_worker_can_write_anew_is_told(
    checkout: Path, command: str | tuple[str, ...], words: str
) -> None:
    outside = checkout.parent / "outside"
    names = {"checkout": str(checkout), "outside": str(outside)}
    said = command.format(**names) if isinstance(command, str) else command
    server = McpServer(command=said, workers=("coder",), tools=("*",))
    path = f"{checkout}/.venv/bin:{outside}:/usr/bin:/bin"
    found = inside(server, checkout, path)
    assert (words in found) if words else found == "", found


def test_a_server_that_is_elsewhere_has_no_program(checkout: Path) -> None:
    server = McpServer(url="https://example.com/mcp", workers=("coder",), tools=("*",))
    assert inside(server, checkout, "/usr/bin") == ""
