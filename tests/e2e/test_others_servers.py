"""Servers that others wrote, in a sandbox: the reference servers from npm, and a real database."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.maker.support import FINISH, call, calls
from tests.support.cli import User, ended_with
from tests.support.others import npm_servers, postgres
from tests.support.sandboxed import needs_sandbox
from tests.support.served import served

EXAMPLE = Path(__file__).parents[2] / "examples" / "database"

SETTINGS = """[run]
worker = "coder"
min_free_gb = 0

[[gate]]
name = "suite"
command = "exit 0"

[worker.coder]
kind = "model"
model = "scripted:any"

[provider.scripted]
dialect = "anthropic"
url = "{url}"

[mcp.files]
command = "exec mcp-server-filesystem ."
workers = ["coder"]
tools = ["read_*", "write_file", "list_directory"]

[mcp.all]
command = ["mcp-server-everything"]
workers = ["coder"]
tools = ["echo", "get-sum", "get-env"]
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return npm_servers(tmp_path_factory.mktemp("npm"))


@pytest.fixture
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.mark.thorough
@needs_sandbox
def test_the_reference_servers_serve_a_model_in_its_sandbox(tmp_path: Path, path: str) -> None:
    user = User(tmp_path / "home", environ={"PATH": path, "A_TOKEN": "not-for-servers-01"})
    turns = [
        calls(
            call("mcp__files__read_text_file", path="readme"),
            call("mcp__files__read_text_file", path="/etc/hostname"),
            call("mcp__all__echo", message="hello"),
            call("mcp__all__get-sum", a=2, b=40),
            call("mcp__all__get-env"),
        ),
        calls(call("mcp__files__write_file", path="note.txt", content="by a server\n")),
        FINISH,
    ]
    with served({"turn": turns}) as model:  # type: ignore[arg-type]
        user.write({".agent/orch.toml": SETTINGS.format(url=model.url)})
        user.plan("note")
        ended_with(user.orch("run", "work", within_s=240), 0, "landed note")
        asked = json.dumps(model.requests[1].body)
    assert "hello" in asked and "42" in asked
    assert "says that it failed: Access denied" in asked
    assert "not-for-servers-01" not in asked and "/home/agent" in asked
    assert user.result()["note.txt"] == "by a server"
    (files, every) = user.orch("doctor", "--mcp", "--json", within_s=240).json[::-1]
    hints = {tool["name"]: tool["reads_only"] for tool in files["tools"] if tool["allowed"]}
    assert hints["read_text_file"] and not hints["write_file"]
    assert "echo" in [tool["name"] for tool in every["tools"] if tool["allowed"]]
    user.wait_gone()


@pytest.mark.thorough
@needs_sandbox
def test_a_model_reads_a_schema_and_its_migration_is_applied(
    tmp_path: Path, path: str, database: str
) -> None:
    user = User(tmp_path / "home", environ={"PATH": path, "DATABASE_URL": database}, commits=False)
    shutil.rmtree(user.root / ".agent")
    shutil.copytree(EXAMPLE, user.root, dirs_exist_ok=True)
    loaded = user.root / "shop.sql"
    subprocess.run(("psql", "-q", "-f", str(loaded), database), check=True, timeout=60)
    with user.typing("scripted-model", "model.toml", "--json") as typed:
        assert typed.process.stdout is not None
        url = json.loads(typed.process.stdout.readline())["url"]
        settings = user.root / ".agent" / "orch.toml"
        port = database.rpartition("/")[0].rpartition(":")[2]
        text = settings.read_text().replace("5432", port).replace("http://127.0.0.1:8765", url)
        settings.write_text(text.replace("[run]", "[run]\nmin_free_gb = 0"))
        user.commit({}, "as it was")
        said = user.orch("run", "plan.toml", within_s=240)
        ended_with(said, 0, "landed orders")
    migration = user.result()["migrations/002_orders_customer.sql"]
    assert "REFERENCES shop.customers (customer_no)" in migration
    log = user.orch("show", "orders", "--log").out
    assert "< mcp__db__query:" in log and "placed_for" in log
    events = user.orch("ledger", "events", "--json").out
    assert '"McpToolCalled"' in events
    assert database not in log + events, "its address is a secret: it may hold a password"
    left = subprocess.run(
        ("psql", "-Atc", "SELECT datname FROM pg_database WHERE datname LIKE 'scratch%'", database),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert left.stdout == ""
    user.wait_gone()
