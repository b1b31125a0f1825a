"""Settings: what `.agent/orch.toml` says, and what a person's own files say over it.

1. Three files, each over the one before: `.agent/orch.toml`, shared by the team and the only
   one that must exist; `orch.toml` in the user's configuration folder; `.agent/orch.local.toml`.
   A key replaces the key; a `[worker.NAME]`, `[provider.NAME]`, `[mcp.NAME]` or `[tickets]` the
   whole of it, a `[[price]]` that of the same model.
2. Every error of every file is told at once, with its line; what a file may say is in
   `settings_rules`.
3. What files say of each other is looked at when each is right on its own.
4. What the files that everybody shares say alone can be told too: a person trusts that, and not
   what they wrote themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ledger.automations import Automation
from ledger.connectors import (
    ForgeSettings,
    McpServer,
    McpServerSettings,
    NotifySettings,
    TicketSettings,
)
from ledger.model import (
    Gate,
    Limits,
    Preparation,
    Price,
    ProviderSettings,
    SandboxSettings,
    Settings,
    WorkerSettings,
)
from orchestrator.automations.rules import automations_of, problems_between_files
from orchestrator.errors import OrchError, Problem, Problems, in_file_order
from orchestrator.forge_rules import forge_problems_between
from orchestrator.mcp_file import resolved
from orchestrator.mcp_rules import mcp_problems_between
from orchestrator.model_rules import Owner, model_table, problems_between, provider_table
from orchestrator.policy.models import WELL_KNOWN, providers_asked
from orchestrator.policy.nearest import listed, nearest
from orchestrator.secret_rules import secret_problems_between
from orchestrator.settings_rules import (
    LOCAL_FILE,
    PLAIN_KEYS,
    PREPARATION_KEYS,
    SHARED_FILE,
    problems_of_file,
    split_run,
)
from orchestrator.shape import frozen
from orchestrator.ticket_rules import ticket_problems_between
from orchestrator.toml_lines import Document, KeyPath, load_document
from workers.mcp.server import variables_of

USER_FILE = "orch.toml"
SIZE_LIMIT_BYTES = 1024 * 1024
_WORKER: TypeAdapter[WorkerSettings] = TypeAdapter(WorkerSettings)


@dataclass(frozen=True)
class SourcedSettings:
    """The settings, and the files that they came from."""

    settings: Settings
    documents: tuple[Document, ...]
    own_files: Mapping[str, Path]
    """The person's own files among them, by their names in messages."""

    @property
    def automations(self) -> tuple[Automation, ...]:
        """The automations of all files; they are no part of what a run records."""
        return automations_of(self.documents)

    def automation(self, name: str) -> Automation:
        """The automation of that name; OrchError that names the nearest one."""
        known = {one.name: one for one in self.automations}
        if name in known:
            return known[name]
        close = nearest(name, known)
        hint = f"did you mean '{close}'?" if close else f"add [[automation]] to {SHARED_FILE}"
        raise OrchError(f"there is no automation '{name}'; known: {listed(known)}", hint=hint)

    def shared(self, counted: Container[str] = ()) -> Settings:
        """What they would be without the person's own files, except those that are counted."""
        return _merge(self._kept(counted))[0]

    def shared_automations(self, counted: Container[str] = ()) -> tuple[Automation, ...]:
        """The automations of the same files."""
        return automations_of(self._kept(counted))

    def _kept(self, counted: Container[str]) -> list[Document]:
        return [
            document
            for document in self.documents
            if document.name not in self.own_files or document.name in counted
        ]


def load_settings(checkout: Path, user_config_folder: Path | None = None) -> Settings:
    """The settings of a checkout; Problems with every error of every file."""
    return load_sourced(checkout, user_config_folder).settings


def load_sourced(checkout: Path, user_config_folder: Path | None = None) -> SourcedSettings:
    """The settings of a checkout and where each came from; Problems as `load_settings`."""
    shared = checkout / SHARED_FILE
    if not shared.is_file():
        raise OrchError(f"no {SHARED_FILE} in {checkout}", hint="orch init")
    candidates = _candidates(checkout, user_config_folder)
    documents: list[Document] = []
    problems: list[Problem] = []
    for path, name in candidates:
        if name == SHARED_FILE or path.exists():
            try:
                documents.append(load_document(path, name, size_limit_bytes=SIZE_LIMIT_BYTES))
            except Problems as error:
                problems += error.problems
    problems += [one for document in documents for one in problems_of_file(document)]
    if problems:
        raise Problems(in_file_order(problems))
    for at, document in enumerate(documents):
        documents[at], found = resolved(document, checkout)
        problems += found
    if problems:
        raise Problems(in_file_order(problems))
    settings, owner = _merge(documents)
    problems += _problems_between(settings, owner, checkout)
    problems += problems_between_files(documents, settings)
    problems += secret_problems_between(settings, documents)
    problems += ticket_problems_between(settings, owner, documents)
    if problems:
        raise Problems(in_file_order(problems))
    read = {document.name for document in documents}
    own = {name: path for path, name in candidates if name != SHARED_FILE and name in read}
    return SourcedSettings(settings, tuple(documents), own)


def readable_documents(
    checkout: Path, user_config_folder: Path
) -> tuple[tuple[Document, ...], Mapping[str, Path]]:
    """The files that can be read at all, whatever they say, and which are the person's own."""
    found: dict[str, Document] = {}
    own: dict[str, Path] = {}
    for path, name in _candidates(checkout, user_config_folder):
        with suppress(Problems):
            found[name] = load_document(path, name, size_limit_bytes=SIZE_LIMIT_BYTES)
            if name != SHARED_FILE:
                own[name] = path
    return tuple(found.values()), own


def _candidates(checkout: Path, user_config_folder: Path | None) -> list[tuple[Path, str]]:
    """The files, each over those before, and how each is called in messages."""
    found = [(checkout / SHARED_FILE, SHARED_FILE)]
    if user_config_folder is not None:
        path = user_config_folder / USER_FILE
        found.append((path, str(path)))
    return [*found, (checkout / LOCAL_FILE, LOCAL_FILE)]


def refuse_missing_copies(checkout: Path, settings: Settings) -> None:
    """Before anything starts: what workspaces are to get must be there; Problems where not.

    A file that may be absent has no place in the settings: whether a gate passes would depend on
    who runs it, and nobody would be told.
    """
    problems = [
        Problem(
            SHARED_FILE,
            None,
            f"'{key}': there is no '{name}' in {checkout}, so no workspace can have it",
            f"make it, or take it out of '{key}'",
        )
        for key, names in (
            ("copy", settings.preparation.copy_files),
            ("copy_gates", settings.preparation.copy_gates),
        )
        for name in names
        if not (checkout / name.strip("/")).exists()
    ]
    if problems:
        raise Problems(problems)


def lacking_keys(
    settings: Settings, environ: Mapping[str, str], workers: Iterable[str]
) -> tuple[Problem, ...]:
    """The variables that these workers' providers and MCP servers need, and that are not set."""
    workers = tuple(workers)
    found = []
    for name, server in settings.mcp.items():
        for variable in variables_of(server) if set(workers) & set(server.workers) else ():
            if not environ.get(variable, "").strip():
                what = f"MCP server '{name}' needs {variable}, which is not set"
                found.append(Problem("", None, what, f"export {variable}=..."))
    for name in providers_asked(settings, workers):
        key = settings.providers[name].key
        if key is not None and not environ.get(key, "").strip():
            what = f"the key of provider '{name}' is not there: {key} is not set"
            hint = f"export {key}=..., or name another variable below [provider.{name}]"
            found.append(Problem("", None, what, hint))
    return tuple(found)


def refuse_missing_keys(
    settings: Settings, environ: Mapping[str, str], workers: Iterable[str]
) -> None:
    """Before anything is asked: Problems where a key is not there. None is ever said."""
    if problems := lacking_keys(settings, environ, workers):
        raise Problems(problems)


def settings_fingerprint(settings: Settings) -> str:
    """The same for equal settings, whatever the files look like."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()


def settings_differences(before: Settings, now: Settings) -> tuple[str, ...]:
    """The keys whose values differ, by the names that they have in the file."""
    old, new = dict(_flat(before)), dict(_flat(now))
    return tuple(key for key in {**old, **new} if old.get(key) != new.get(key))


def _flat(settings: Settings) -> Iterator[tuple[str, Any]]:
    words = {field: key for key, field in PREPARATION_KEYS.items()}
    for name, value in settings.limits:
        yield f"run.{name}", value
    for name, value in settings.preparation:
        yield f"run.{words[name]}", value
    for name in PLAIN_KEYS:
        yield f"run.{name}", getattr(settings, name)
    for name, value in settings.notify:
        yield f"notify.{name}", value
    for name, value in settings.sandbox:
        yield ("run.sandbox" if name == "mode" else f"sandbox.{name}"), value
    for name, value in settings.mcp_server:
        yield f"mcp_server.{name}", value
    for gate in settings.gates:
        yield f"gate {gate.name}", gate
    for name, worker in settings.workers.items():
        yield f"worker.{name}", worker
    for name, provider in settings.providers.items():
        yield f"provider.{name}", provider
    for name, server in settings.mcp.items():
        yield f"mcp.{name}", server
    for price in settings.prices:
        yield f"price {price.model}", price
    for name, value in settings.forge or ():
        yield f"forge.{name}", value
    for name, value in settings.tickets or ():
        yield f"tickets.{name}", value


# --- all files together ----------------------------------------------------------------------


def _merge(documents: Sequence[Document]) -> tuple[Settings, Owner]:
    """The settings, and which document each key of `[run]` and each worker came from."""
    run: dict[str, Any] = {}
    owner: dict[KeyPath, Document] = {}
    sandbox: dict[str, Any] = {}
    notify: dict[str, Any] = {}
    workers: dict[str, Any] = {}
    providers: dict[str, Any] = {}
    servers: dict[str, Any] = {}
    prices: dict[str, Any] = {}
    forge: dict[str, Any] = {}
    tickets: Mapping[str, Any] | None = None
    for document in documents:
        for name in ("run", "worker", "mcp"):
            owner.update({(name, key): document for key in document.data.get(name, {})})
        run.update(document.data.get("run", {}))
        sandbox.update(document.data.get("sandbox", {}))
        notify.update(document.data.get("notify", {}))
        workers.update(document.data.get("worker", {}))
        providers.update(document.data.get("provider", {}))
        servers.update(document.data.get("mcp", {}))
        forge.update(document.data.get("forge", {}))
        if "tickets" in document.data:
            tickets, owner["tickets",] = document.data["tickets"], document
        prices.update({price["model"]: price for price in document.data.get("price", ())})
    limits, preparation, plain = (frozen(table) for table in split_run(run))
    if "sandbox" in run:
        sandbox["mode"] = run["sandbox"]
    folder = plain.get("workspaces")
    if folder is not None:
        plain["workspaces"] = str(Path(folder).expanduser())
    settings = Settings.model_validate(
        {
            **plain,
            "limits": Limits(**limits),
            "preparation": Preparation(**preparation),
            "sandbox": SandboxSettings(**frozen(sandbox)),
            "notify": NotifySettings(**frozen(notify)),
            "gates": tuple(Gate(**frozen(one)) for one in documents[0].data.get("gate", ())),
            "workers": {
                name: _WORKER.validate_python(frozen(model_table(one)))
                for name, one in workers.items()
            },
            "providers": {
                name: ProviderSettings(**provider_table(name, one))
                for name, one in providers.items()
            },
            "mcp": {name: McpServer(**frozen(one)) for name, one in servers.items()},
            "prices": tuple(Price(**one) for one in prices.values()),
            "mcp_server": McpServerSettings(**frozen(documents[0].data.get("mcp_server", {}))),
            "forge": ForgeSettings(**frozen(forge))
            if any("forge" in document.data for document in documents)
            else None,
            "tickets": None if tickets is None else TicketSettings(**frozen(tickets)),
        }
    )
    asked = providers_asked(settings, settings.workers)
    known = {name: WELL_KNOWN[name] for name in asked if name in WELL_KNOWN}
    return settings.model_copy(update={"providers": {**known, **settings.providers}}), owner


def _problems_between(settings: Settings, owner: Owner, checkout: Path) -> Iterator[Problem]:
    if settings.worker is not None and settings.worker not in settings.workers:
        close = nearest(settings.worker, settings.workers)
        hint = f"did you mean '{close}'?" if close else f"add a table [worker.{settings.worker}]"
        what = f"there is no worker '{settings.worker}'; known: {listed(settings.workers)}"
        yield owner["run", "worker"].problem(("run", "worker"), what, hint)
    yield from problems_between(settings, owner)
    yield from mcp_problems_between(settings, owner)
    yield from forge_problems_between(settings, owner)
    if settings.workspaces is not None:
        folder = Path(settings.workspaces)
        at = ("run", "workspaces")
        if not folder.is_absolute():
            what = f"'workspaces' must be a whole path, not {settings.workspaces!r}"
            yield owner[at].problem(at, what, 'write: workspaces = "~/..." or "/..."')
        elif _lies_within(folder, checkout):
            what = "'workspaces' lies in the repository, where tools would find it"
            yield owner[at].problem(at, what, "choose a folder outside")


def _lies_within(folder: Path, checkout: Path) -> bool:
    try:
        return folder.resolve().is_relative_to(checkout.resolve())
    except (OSError, RuntimeError):  # a circle of links, or a name that is too long
        return folder.is_relative_to(checkout)  # making it will say what is wrong
