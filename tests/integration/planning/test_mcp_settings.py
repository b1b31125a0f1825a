"""MCP servers in the settings: what is read, what is refused with its line, what is trusted."""

from __future__ import annotations

import json

import pytest

from ledger.connectors import McpServer
from ledger.model import Plan, Task
from orchestrator.config import lacking_keys, load_settings, load_sourced
from orchestrator.errors import OrchError, Problems
from orchestrator.hiding import hiding_of, refuse_secrets
from orchestrator.planning.plan_text import render_plan
from orchestrator.policy.commands import commands_of
from orchestrator.policy.plan_rules import RepositoryFacts, check_plan
from orchestrator.servers import servers_for
from tests.support.project import Project

HEAD = """[run]
worker = "coder"

[worker.coder]
kind = "model"
model = "ollama:qwen"

[worker.mod]
kind = "command"
command = "true"

"""
WHOLE = """[mcp.db]
command = ["npx", "-y", "a-server"]
env = ["DATABASE_URL"]
network = ["localhost:5432"]
workers = ["coder"]
tools = ["read_*", "query"]
timeout_s = 30

[mcp.docs]
url = "https://example.com/mcp"
headers = { Authorization = "Bearer ${DOCS_TOKEN}" }
workers = ["coder"]
tools = ["*"]
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "project"
    (folder / ".agent").mkdir(parents=True)
    return folder


def say(checkout, text, name="orch.toml"):
    (checkout / ".agent" / name).write_text(HEAD * (name == "orch.toml") + text)


def wrong(checkout, text) -> str:
    say(checkout, text)
    with pytest.raises(Problems) as told:
        load_settings(checkout)
    return str(told.value)


def table(**changes) -> str:
    """A table that is right but for the changes; None takes a key away."""
    whole = {"command": '"serve"', "workers": '["coder"]', "tools": '["*"]', **changes}
    lines = [f"{key} = {value}" for key, value in whole.items() if value is not None]
    return "\n".join(["[mcp.db]", *lines]) + "\n"


def test_servers_are_read(checkout):
    say(checkout, WHOLE)
    servers = load_settings(checkout).mcp
    assert servers["db"] == McpServer(
        command=("npx", "-y", "a-server"),
        env=("DATABASE_URL",),
        network=("localhost:5432",),
        workers=("coder",),
        tools=("read_*", "query"),
        timeout_s=30,
    )
    assert servers["docs"].url == "https://example.com/mcp"
    say(checkout, table(), "orch.local.toml")
    assert load_settings(checkout).mcp["db"].command == "serve", "a person's own stands over it"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[mcp]\ndb = "serve"\n', "'mcp.db' is text"),
        (table().replace("mcp.db", "mcp.DB"), "'DB' is no legal name of an MCP server"),
        (table(command=None), "has no 'command', no 'url' and no 'from'"),
        (table(url='"https://example.com"'), "has both 'command' and 'url'"),
        (table(command='""'), "'command' is empty"),
        (table(command="[]"), "'command' must be text or a list of words"),
        (table(command="[1]"), "'command' must be text or a list of words"),
        (table(workers=None), "does not say which workers may use it"),
        (table(tools=None), "does not say which tools may be used"),
        (table(workers="[]"), "'workers' must not be empty"),
        (table(tools="[]"), "'tools' must not be empty"),
        (table(tools='[""]'), "an empty name in 'tools'"),
        (table(workers='["mod"]'), "'mod' is a command; only models are given tools"),
        (table(workers='["codre"]'), "did you mean 'coder'?"),
        (table(tool='["a"]'), "did you mean 'tools'?"),
        (table(env='["A=b"]'), "is no name of a variable"),
        (table(env='["ANTHROPIC_API_KEY"]'), "is the key of provider 'anthropic'"),
        (table(network='["http://x"]'), "'http://x' is no host"),
        (table(timeout_s="0"), "'timeout_s' must be more than 0"),
        (table(headers='{ A = "$T" }'), "'headers' are of a 'url'"),
        (table(command=None, url='"example.com"'), "is no address of a server"),
        (table(command=None, url='"http://example.com/mcp"'), "could be read on its way"),
        (table(command=None, url='"https://me:pass@example.com"'), "holds a user or a password"),
        (table(command=None, url='"https://x"', network="true"), "'network' is of a command"),
        (
            table(command=None, url='"https://x"', headers='{ Authorization = "Bearer abc" }'),
            "names no variable that holds it",
        ),
        (
            table(command=None, url='"https://x"', headers='{ Host = "$T" }'),
            "'Host' is no header that can be set",
        ),
    ],
)
def test_what_is_wrong_is_refused_in_words(checkout, text, words):
    said = wrong(checkout, text)
    assert words in said
    assert ".agent/orch.toml:" in said
    assert "me:pass" not in said and "Bearer abc" not in said


def test_http_leads_to_this_machine(checkout):
    for host in ("localhost:1", "127.0.0.1", "[::1]:80"):
        say(checkout, table(command=None, url=f'"http://{host}/mcp"'))
        assert load_settings(checkout).mcp["db"].url == f"http://{host}/mcp"


def test_a_file_of_the_repository_counts_only_where_it_is_named(checkout):
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2"
    described = {
        "db": {"command": "npx", "args": ["-y", "a-server"]},
        "git": {
            "command": "serve",
            "args": ["--to", "$HOST name"],
            "env": {"GIT_TOKEN": "${GIT_TOKEN}", "OTHER": "x-${MINE}", "MODE": "fast one"},
        },
        "web": {"type": "http", "url": "https://example.com", "headers": {"X-Key": "${KEY}"}},
        "leak": {"command": "serve", "env": {"TOKEN": token}},
        "old": {"type": "sse", "url": "https://example.com/sse"},
        "open": {"type": "http", "url": "http://example.com/"},
    }
    (checkout / ".mcp.json").write_text(json.dumps({"mcpServers": described}))
    say(checkout, "")
    assert load_settings(checkout).mcp == {}

    def named(name):
        return table(command=None, **{"from": '".mcp.json"'}).replace("mcp.db", f"mcp.{name}")

    say(checkout, named("db") + named("git") + named("web"))
    sourced = load_sourced(checkout)
    servers = sourced.settings.mcp
    assert servers["db"].command == ("npx", "-y", "a-server")
    assert servers["git"].env == ("HOST", "GIT_TOKEN", "MINE")
    assert servers["git"].command == (
        "OTHER=x-\"${MINE}\" MODE='fast one' exec serve --to \"${HOST}\"' name'"
    )
    assert servers["web"].headers == {"X-Key": "${KEY}"}
    assert any("a-server" in line for line in commands_of(sourced.shared())), "it is trusted"

    assert "looks like a secret" in wrong(checkout, named("leak"))
    assert token not in wrong(checkout, named("leak"))
    assert "'sse' is given up" in wrong(checkout, named("old"))
    assert "could be read on its way" in wrong(checkout, named("open"))
    assert "did you mean [mcp.git]?" in wrong(checkout, named("gti"))
    outside = table(command=None, **{"from": '"../x.json"'})
    assert "is outside the checkout" in wrong(checkout, outside)
    (checkout / ".mcp.json").write_text("{")
    assert "is no JSON" in wrong(checkout, named("db"))
    (checkout / ".mcp.json").unlink()
    assert "cannot be read" in wrong(checkout, named("db"))


def test_all_of_it_counts_for_trust_but_how_long(checkout):
    say(checkout, WHOLE)
    lines = commands_of(load_settings(checkout))
    for line in (
        'mcp db: command = "npx"',
        'mcp db: env = "DATABASE_URL"',
        'mcp db: network = "localhost:5432"',
        'mcp db: workers = "coder"',
        'mcp db: tools = "read_*"',
        'mcp docs: url = "https://example.com/mcp"',
        'mcp docs: headers "Authorization" = "Bearer ${DOCS_TOKEN}"',
    ):
        assert line in lines
    say(checkout, WHOLE.replace("timeout_s = 30", "timeout_s = 31"))
    assert commands_of(load_settings(checkout)) == lines


def test_variables_are_asked_for_before_anything_starts(checkout):
    say(checkout, WHOLE)
    settings = load_settings(checkout)
    said = [one.what for one in lacking_keys(settings, {"DATABASE_URL": "x"}, ("coder",))]
    assert said == ["MCP server 'docs' needs DOCS_TOKEN, which is not set"]
    assert lacking_keys(settings, {}, ("mod",)) == ()


def test_values_are_hidden_and_no_command_may_hold_one(tmp_path):
    project = Project(tmp_path)
    secret = "correct-horse-battery-staple"
    project.environ["DB_PASSWORD"] = secret
    (project.root / ".agent").mkdir()
    say(project.root, table(env='["DB_PASSWORD"]', command=f'"serve --password {secret}"'))
    settings, workplace = load_settings(project.root), project.workplace()
    hiding = hiding_of(workplace, settings)
    assert hiding.text(f"it is {secret}") == "it is [redacted DB_PASSWORD]"
    with pytest.raises(OrchError) as told:
        refuse_secrets(settings, hiding)
    assert "command of MCP server 'db'" in str(told.value) and secret not in str(told.value)


def test_a_task_names_fewer_servers_never_more(checkout):
    say(checkout, WHOLE)
    settings = load_settings(checkout)

    def given(**fields):
        return servers_for(settings, Task(id="a", prompt="x", **fields), "coder")

    assert given() == ("db", "docs")
    assert given(mcp=("db",)) == ("db",)
    assert given(mcp=()) == ()
    assert servers_for(settings, Task(id="a", prompt="x", mcp=("db",)), "other") == ()
    facts = RepositoryFacts(
        workers=("coder", "mod"),
        default_worker="coder",
        gates=("g",),
        servers={name: one.workers for name, one in settings.mcp.items()},
    )
    tasks = (
        Task(id="a", prompt="x", paths=("a",), mcp=("bd",)),
        Task(id="b", prompt="x", paths=("b",), mcp=("db",), worker="mod"),
        Task(id="c", prompt="x", paths=("c",), mcp=()),
    )
    plan = Plan(goal="g", tasks=tasks)
    said = [(one.what, one.where) for one in check_plan(plan, facts) if one.level == "error"]
    assert said == [
        ("there is no MCP server 'bd'", ("task", 0, "mcp", 0)),
        ("worker 'mod' may not use the MCP server 'db'", ("task", 1, "mcp", 0)),
    ]
    text = render_plan(plan)
    assert 'mcp = ["bd"]' in text and "mcp = []" in text
