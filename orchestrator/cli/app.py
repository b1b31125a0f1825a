"""The commands, in the order of use. Each is imported only when it is typed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

GROUPS: dict[str, dict[str, str]] = {
    "Begin": {
        "init": "Look at the repository and write its settings.",
        "doctor": "Say what is missing or odd here, and what to type.",
        "demo": "See a whole run on a small project: no model, no key, no network.",
    },
    "Plan and run": {
        "plan": "Make a plan, or check one, and show what would happen.",
        "run": "Run a plan: work, judge, land.",
        "resume": "Go on with a run that stopped, however it stopped.",
        "stop": "Ask a run to end in order.",
        "wait": "Wait until a run changes or ends: for scripts and agents.",
    },
    "By itself": {
        "schedule": "List automations, say how they stand, start or install them.",
        "watch": "Start runs by themselves: times, files, commits, webhooks.",
    },
    "Look": {
        "status": "Say where a run stands.",
        "show": "Tell a task, or a run, in full.",
        "diff": "Show what a task, or the run, changed.",
        "log": "Show what a worker or a gate printed.",
        "report": "Report on a run, or on all since a time, in Markdown or HTML.",
        "cost": "Say what models cost, and what a landed task costs.",
    },
    "Decide": {
        "accept": "Bring the result, or a part of it, into a branch of yours.",
        "reject": "Take landed tasks out of the result again.",
        "answer": "Answer what a task asks; it goes on with that.",
        "retry": "Let a task be tried again, with your advice.",
        "take": "Make a branch of a task's last head, to finish it by hand.",
        "submit": "Queue what you made of a task.",
        "allow": "Let a held task change a protected path.",
    },
    "Care": {
        "gate": "Run gates on the checkout, as a run would.",
        "notify": "Try how you are told of a run's end.",
        "skills": "List, show or check the skills that workers are offered.",
        "trust": "Trust the commands that the settings name, as they are.",
        "clean": "Give back the refs and workspaces of runs that are over.",
        "ledger": "Verify, export or list what was recorded.",
        "scripted-model": "Serve a model that answers from a script, on this machine.",
    },
}
COMMANDS = {name: text for group in GROUPS.values() for name, text in group.items()}


class Commands(TyperGroup):
    """The commands by name, each loaded when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return load(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not ctx.resilient_parsing:
            _refuse(args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        # From the table above, so that help imports no command.
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))


def _refuse(name: str) -> None:
    from difflib import get_close_matches

    from orchestrator.errors import OrchError

    close = get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean: orch {close[0]}" if close else "orch --help lists the commands"
    raise OrchError(f"there is no command '{name}'", hint=hint)


def load(name: str) -> Any:
    """The command of that name, from its own file."""
    module = import_module(f"orchestrator.cli.commands.{name.replace('-', '_')}")
    loaded = typer.main.get_command(module.app)
    loaded.name = name
    if isinstance(loaded, TyperCommand):
        loaded.short_help = COMMANDS[name]
    return loaded


def command_app(**how: Any) -> typer.Typer:
    """An empty app for one command's file."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **how,
    )


def command() -> Any:
    """The whole command line."""
    app = typer.Typer(
        cls=Commands,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Turn a goal into verified, merged commits: plan, run, review, accept.",
        epilog="A first look: orch demo. In your own repository: orch init.",
    )

    @app.callback()
    def options(
        version: bool = typer.Option(False, "--version", "-V", help="Say the version."),
        debug: bool = typer.Option(False, "--debug", help="Show the details of a defect."),
    ) -> None:
        """Options before the command."""

    return typer.main.get_command(app)
