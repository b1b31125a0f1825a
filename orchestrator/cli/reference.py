"""The reference page of the command line, made from the commands themselves.

    python -m orchestrator.cli.reference [--write]

prints it, or writes it to docs/reference/cli.md. A test holds the page to the commands.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from orchestrator.cli import output
from orchestrator.cli.app import GROUPS, command, load

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "cli.md"
WIDTH = 80

HEAD = """\
# The command line

This page is made from the commands (`python -m orchestrator.cli.reference --write`).

- What you asked for is written to stdout, what goes on to stderr. `--json` answers in JSON.
- A run is named by its id or the beginning of its id; where none is named, the newest is meant.
- On a terminal `orch run`, `orch resume` and `orch status --watch` show a live view; elsewhere
  they write plain lines. `NO_COLOR` turns colours off.
- Ctrl-C once ends a run in order, twice at once; `orch resume` goes on with it either way.

| exit code | meaning |
| ---: | --- |
| 0 | all landed or unchanged; or the command did what it should |
| 1 | some work failed |
| 2 | wrong use, settings or plan |
| 3 | a defect of orch |
| 4 | a budget, deadline or limit ended the run, or the wait |
| 5 | a person is needed |
| 130 | interrupted |

Where several hold: 3, then 130, 4, 5, 1.
"""


def render_reference() -> str:
    """The whole page."""
    parts = [HEAD, f"## orch\n\n{_help(command(), 'orch')}"]
    for title, commands in GROUPS.items():
        parts.append(f"## {title}\n")
        for name in commands:
            parts += _command(load(name), f"orch {name}")
    return "\n".join(parts).rstrip("\n") + "\n"


def _command(one: Any, called: str) -> Iterator[str]:
    yield f"### {called}\n\n{_help(one, called)}"
    for name, below in getattr(one, "commands", {}).items():
        yield f"#### {called} {name}\n\n{_help(below, f'{called} {name}')}"


def _help(one: Any, called: str) -> str:
    context = typer.Context(
        one, info_name=called, terminal_width=WIDTH, help_option_names=["-h", "--help"]
    )
    lines = [line.rstrip() for line in one.get_help(context).splitlines()]
    return "```text\n" + "\n".join(lines).strip("\n") + "\n```\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(render_reference(), "utf-8")
    else:
        output.answer(render_reference().rstrip("\n"))
