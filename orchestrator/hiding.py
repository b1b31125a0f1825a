"""Secrets are hidden on the way into the ledger, and so in all that is made of it.

1. Hidden are the known values: what the settings let through to gates and workers, keys of
   providers, what MCP servers are given, and what copied files like `.env` set, where they are
   secrets by their names or looks (`workers.secrets`); and keys of well-known kinds. What programs
   print is hidden by whoever runs them, more strictly.
2. Every text of a fact is free to be hidden in, but what the run goes by: ids, names of gates and
   workers, commits, refs, blobs, the settings and the paths of a plan.
3. So a task's prompt, a person's note and a title are hidden before a worker, a commit or a report
   gets them. It is said when that happens.
4. A command or prompt of the settings that holds a secret is refused: it could not run as it is
   recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from ledger.automations import Automation
from ledger.events import Event, RunStarted
from ledger.guidance import Guidance, Skill
from ledger.model import CommandWorker, Plan, Settings, Task
from orchestrator.errors import OrchError
from orchestrator.workplace import Workplace
from workers.mcp.server import variables_of
from workers.redact import Hit, Redactor
from workers.secrets import is_real_key, telling

M = TypeVar("M", bound=BaseModel)

ONLY: dict[type[BaseModel], frozenset[str]] = {
    Plan: frozenset({"goal", "tasks"}),
    Task: frozenset({"title", "prompt"}),
    RunStarted: frozenset({"plan", "rules", "guidance"}),
    Automation: frozenset({"goal", "prompt"}),
    Guidance: frozenset({"skills"}),
    Skill: frozenset({"description", "license", "compatibility", "metadata"}),
}
"""Of these nothing else may be changed: the run goes by the rest."""
NEVER = frozenset(
    """
    kind run task tasks id gate gates worker workers key tree commit head heads base base_tree
    tip tip_tree before target branch workspace log feedback removes kept settings limits
    identity platform host outcome cause change
    """.split()  # noqa: SIM905
)
"""Fields that name something, whatever fact they are in."""


@dataclass(frozen=True)
class Hiding:
    """Hides secrets in texts and in facts."""

    redactor: Redactor = field(default_factory=Redactor)

    def text(self, text: str) -> str:
        """A text without the secrets in it."""
        return self.redactor.redact_text(text)

    def fact(self, fact: Event) -> Event:
        """A fact without the secrets in its texts."""
        return self.value(fact)

    def value(self, value: M) -> M:
        """The same for any value."""
        only = ONLY.get(type(value))
        changes: dict[str, Any] = {}
        for name in type(value).model_fields:
            if name in only if only is not None else name not in NEVER:
                old = getattr(value, name)
                new = self._within(old)
                if new is not old:
                    changes[name] = new
        return value.model_copy(update=changes) if changes else value

    def _within(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case BaseModel():
                return self.value(value)
            case tuple():
                new = tuple(self._within(one) for one in value)
                return value if all(a is b for a, b in zip(new, value, strict=True)) else new
            case dict():
                made = {key: self._within(one) for key, one in value.items()}
                return value if all(made[key] is value[key] for key in made) else made
            case _:
                return value

    def hits(self, text: str) -> list[Hit]:
        """The secrets in a text that are known, or real keys."""
        data = text.encode("utf-8", "surrogateescape")
        return [
            hit
            for hit in self.redactor.find(data)
            if hit.known or is_real_key(data[hit.start : hit.end])
        ]


def known_values(workplace: Workplace, settings: Settings) -> dict[str, str]:
    """What gates and workers are given beyond the usual, and the keys of providers, by names."""
    from orchestrator.forges.tokens import token_variables
    from orchestrator.verification.copies import copied_names, copied_secrets

    workers = settings.workers.values()
    allowed = [*settings.env, *(name for one in workers for name in getattr(one, "env", ()))]
    allowed += [provider.key for provider in settings.providers.values() if provider.key]
    allowed += [name for server in settings.mcp.values() for name in variables_of(server)]
    allowed += token_variables(settings.forge)
    given = {name: workplace.environ[name] for name in allowed if name in workplace.environ}
    return given | copied_secrets(workplace.checkout, copied_names(settings.preparation, "gate"))


def hiding_of(workplace: Workplace, settings: Settings) -> Hiding:
    """The hiding of the secrets that a run with these settings knows."""
    address = {
        settings.notify.webhook or "": workplace.environ.get(settings.notify.webhook or "", "")
    }
    # A webhook's address looks like any other: whoever has it may write there.
    return Hiding(Redactor({**telling(known_values(workplace, settings)), **address}))


def refuse_secrets(
    settings: Settings, hiding: Hiding, more: Iterable[tuple[str, str]] = ()
) -> None:
    """OrchError where a command or prompt of the settings holds a secret (rule 4)."""
    for where, command in (*_commands(settings), *more):
        for hit in hiding.hits(command):
            name = hit.what.removeprefix("the value of ")
            hint = f'write "${name}" in the command' if hit.known else "give it by a variable"
            raise OrchError(
                f"the {where} holds {hit.what}, and the ledger would keep it",
                hint=f'{hint}, and let that through: env = ["{name if hit.known else "NAME"}"]',
            )


def _commands(settings: Settings) -> Iterator[tuple[str, str]]:
    for gate in settings.gates:
        yield f"command of gate '{gate.name}'", gate.command
    for name, worker in settings.workers.items():
        if isinstance(worker, CommandWorker):
            yield f"command of worker '{name}'", worker.command
        else:
            yield f"prompt of worker '{name}'", worker.prompt
    for name, server in settings.mcp.items():
        command = server.command or server.url or ""
        said = command if isinstance(command, str) else " ".join(command)
        yield f"command of MCP server '{name}'", said
    if settings.notify.command is not None:
        yield "command of [notify]", settings.notify.command
    for argument, value in settings.tickets.arguments.items() if settings.tickets else ():
        yield f"argument '{argument}' of [tickets]", str(value)
    for command in settings.fix:
        yield "command of `fix`", command
    for command in settings.preparation.setup:
        yield "command of `setup`", command


def hidden_in_plan(plan: Plan, hiding: Hiding) -> tuple[str, ...]:
    """What is hidden of a plan, for a person: where, and what it is."""
    texts = [("the goal", plan.goal)]
    for task in plan.tasks:
        texts += [
            (f"the title of {task.id}", task.title),
            (f"the prompt of {task.id}", task.prompt),
        ]
    found: dict[str, None] = {}
    for where, text in texts:
        if hiding.text(text) != text:
            kinds = dict.fromkeys(hit.what for hit in hiding.redactor.find(text.encode()))
            found[f"{where} ({', '.join(kinds)})"] = None
    return tuple(found)
