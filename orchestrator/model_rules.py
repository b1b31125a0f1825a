"""What a settings file may say of models, and how a person hears what is wrong in it.

1. `[provider.NAME]` says where models are served and which variable holds the key. The key itself
   is never in a file: what looks like one is refused, and not repeated in what is said of it.
2. `[worker.NAME]` with `kind = "model"` names a `model`, or a ladder of `models`.
3. `[[price]]` says what a model costs; a person's own files may say that too.
4. What workers, providers and roles say of each other is looked at when all files are read.
5. The file that everybody shares cannot send a key of a well-known provider anywhere else: who
   clones a repository has such keys. A person's own files can.
6. No child may be let have the variable that holds a provider's key: calls go by the gateway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ledger.model import ModelWorkerSettings, Price, ProviderSettings, Settings
from orchestrator.errors import Problem
from orchestrator.policy.models import (
    WELL_KNOWN,
    model_workers,
    of_one_mind,
    split_model,
)
from orchestrator.policy.nearest import listed, nearest
from orchestrator.shape import shape_problems, type_in_words
from orchestrator.toml_lines import Document, KeyPath

PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
KEY_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_MODEL = re.compile(r"[a-z0-9][a-z0-9_.-]*:[!-~]+")
_EXAMPLE = 'model = "anthropic:MODEL"'
MODEL_KEYS = ("kind", "model", *(key for key in ModelWorkerSettings.model_fields if key != "kind"))

Owner = Mapping[KeyPath, Document]
"""Which document a table, or a key of `[run]`, came from."""


def model_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """A worker's table with its models as a ladder, whichever way the file says them."""
    rest = dict(table)
    if "model" in rest and "models" not in rest:
        rest["models"] = [rest.pop("model")]
    return rest


def provider_table(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """A provider's table over what is known of one of that name; an empty key is none."""
    known = WELL_KNOWN.get(name)
    whole = {**(known.model_dump() if known else {}), **table}
    return {**whole, "key": whole.get("key") or None}


# --- one file ---------------------------------------------------------------------------------


def provider_problems(
    document: Document, providers: Mapping[str, Any], *, own: bool
) -> Iterator[Problem]:
    """What is wrong in the tables `[provider.NAME]` of a file; `own`: a person's own."""
    for name, table in providers.items():
        at: KeyPath = ("provider", name)
        if not isinstance(table, dict):
            what = f"'provider.{name}' is {type_in_words(table)}"
            yield document.problem(at, what, "write: [provider.NAME], and below it dialect and url")
            continue
        if not PROVIDER_NAME.fullmatch(name):
            hint = "up to 63 small letters, digits, -, _ and ., first a letter or digit"
            yield document.problem(at, f"{name!r} is no legal name of a provider", hint)
        known = {key: value for key, value in table.items() if key != "key"}
        yield from shape_problems(
            ProviderSettings,
            {**provider_table(name, known), "key": None},
            document,
            at,
        )
        if isinstance(table.get("url"), str):
            yield from _url_problems(document, (*at, "url"), table["url"])
        if "key" in table:
            yield from _key_problems(document, (*at, "key"), table["key"])
        if not own:
            yield from _astray(document, at, provider_table(name, table))


def _astray(document: Document, at: KeyPath, table: Mapping[str, Any]) -> Iterator[Problem]:
    key, url = table.get("key"), table.get("url")
    for name, known in WELL_KNOWN.items():
        if known.key and key == known.key and isinstance(url, str):
            host = urlsplit(known.url).netloc
            if not url.startswith(f"https://{host}/") and url != f"https://{host}":
                what = f"your key of '{name}' ({key}) would go to another server than {host}"
                hint = "name a variable of its own here, or say this in .agent/orch.local.toml"
                yield document.problem((*at, "url"), what, hint)


def _url_problems(document: Document, at: KeyPath, url: str) -> Iterator[Problem]:
    hint = 'write: url = "https://host/v1"'
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        yield document.problem(at, "'url' is no address", hint)
        return
    if parts.username is not None or parts.password is not None:  # never repeated: it is a secret
        what = "'url' holds a user or a password, and settings are read by everybody"
        yield document.problem(at, what, 'name the variable that holds it: key = "NAME"')
    elif parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        yield document.problem(at, f"'url': {url!r} is no address of a server", hint)
    elif parts.query or parts.fragment or re.search(r"[^!-~]", url):
        what = f"'url': {url!r} holds more than a server and a path"
        yield document.problem(at, what, hint)


def _key_problems(document: Document, at: KeyPath, key: Any) -> Iterator[Problem]:
    from workers.redact import Redactor

    hint = 'write the name of the variable that holds it: key = "SOME_API_KEY"'
    if not isinstance(key, str):
        what = f"'key' must be text in quotes, not {type_in_words(key)}"
        yield document.problem(at, what, hint)
    elif key and (not KEY_VARIABLE.fullmatch(key) or any(Redactor().find(key.encode()))):
        what = "'key' is no name of a variable in capitals; a key itself belongs in no file"
        yield document.problem(at, what, hint)


def model_worker_problems(
    document: Document, at: KeyPath, worker: Mapping[str, Any]
) -> Iterator[Problem]:
    """What is wrong in a table `[worker.NAME]` of kind model."""
    name = at[-1]
    if "model" in worker and "models" in worker:
        what = f"worker '{name}' has both a 'model' and 'models'"
        yield document.problem((*at, "models"), what, "keep one of them; models is a ladder")
    elif "model" not in worker and "models" not in worker:
        yield document.problem(at, f"worker '{name}' has no model", f"add: {_EXAMPLE}")
    single, ladder = worker.get("model"), worker.get("models")
    if "model" in worker and not isinstance(single, str):
        what = f"'model' must be text in quotes, not {type_in_words(single)}"
        yield document.problem((*at, "model"), what, f"write: {_EXAMPLE}")
    rest = {key: value for key, value in worker.items() if key not in ("model", "models")}
    if "models" in worker and (not isinstance(ladder, list) or not ladder):
        rest["models"] = ladder
    elif isinstance(ladder, list) and not all(isinstance(one, str) for one in ladder):
        rest["models"] = ["a:b" if isinstance(one, str) else one for one in ladder]
    else:
        rest["models"] = ["a:b"]  # names are looked at below, in words of their own
    yield from shape_problems(ModelWorkerSettings, rest, document, at, known=MODEL_KEYS)
    named: list[tuple[KeyPath, str]] = []
    if isinstance(single, str):
        named.append((("model",), single))
    if isinstance(ladder, list):
        named += [(("models", n), one) for n, one in enumerate(ladder) if isinstance(one, str)]
    for place, text in named:
        if not _MODEL.fullmatch(text) or len(text) > 200:
            what = f"'{place[0]}': {text!r} is no model of a provider"
            hint = f"write: {_EXAMPLE}; providers are {listed(WELL_KNOWN)}, or tables [provider.*]"
            yield document.problem((*at, *place), what, hint)
    twice = {text for _, text in named if [t for _, t in named].count(text) > 1}
    if twice and isinstance(ladder, list):
        what = f"'models' names {listed(sorted(twice))} twice"
        yield document.problem((*at, "models"), what, "each step of the ladder is another model")
    if isinstance(worker.get("prompt"), str) and "\0" in worker["prompt"]:
        yield document.problem((*at, "prompt"), "'prompt' holds a NUL character")
    window = worker.get("window_tokens", ModelWorkerSettings.model_fields["window_tokens"].default)
    output = worker.get(
        "max_output_tokens", ModelWorkerSettings.model_fields["max_output_tokens"].default
    )
    if isinstance(window, int) and isinstance(output, int) and output * 2 > window >= 4096:
        what = f"'max_output_tokens' ({output}) is more than half of the window ({window})"
        key = "max_output_tokens" if "max_output_tokens" in worker else "window_tokens"
        yield document.problem((*at, key), what, f"write: max_output_tokens = {window // 4}")


def price_problems(document: Document, prices: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """What is wrong in the tables `[[price]]` of a file."""
    seen: dict[str, int] = {}
    for position, price in enumerate(prices):
        at: KeyPath = ("price", position)
        yield from shape_problems(Price, price, document, at)
        model = price.get("model")
        if isinstance(model, str) and not model.strip():
            yield document.problem((*at, "model"), "'model' is empty", f"write: {_EXAMPLE}")
        elif isinstance(model, str) and seen.setdefault(model, position) != position:
            first = document.line(("price", seen[model]))
            what = f"a second price of {model!r}; the first is in line {first}"
            yield document.problem((*at, "model"), what, "keep one of them")


# --- all files together -----------------------------------------------------------------------


def problems_between(settings: Settings, owner: Owner) -> Iterator[Problem]:
    """What is wrong between workers, providers, roles and variables."""
    yield from _unserved(settings, owner)
    yield from _roles(settings, owner)
    yield from _keys_let_through(settings, owner)


def _unserved(settings: Settings, owner: Owner) -> Iterator[Problem]:
    known = tuple(dict.fromkeys((*settings.providers, *WELL_KNOWN)))
    for name, worker in model_workers(settings).items():
        document = owner["worker", name]
        single = "model" in document.data["worker"][name]
        for position, model in enumerate(worker.models):
            provider, _ = split_model(model)
            if provider not in settings.providers:
                key: KeyPath = ("model",) if single else ("models", position)
                close = nearest(provider, known)
                hint = f"did you mean '{close}'?" if close else f"add: [provider.{provider}]"
                what = f"there is no provider '{provider}'; known: {listed(known)}"
                yield document.problem(("worker", name, *key), what, hint)


def _roles(settings: Settings, owner: Owner) -> Iterator[Problem]:
    models = model_workers(settings)
    for role, name in (("planner", settings.planner), ("checker", settings.checker)):
        if name is None or name in models:
            continue
        at: KeyPath = ("run", role)
        if name in settings.workers:
            what = f"'{role}': worker '{name}' is a command; only a model can do that"
            hint = 'name a worker with kind = "model"' + (
                f": {listed(models)}" if models else "; there is none yet"
            )
        else:
            close = nearest(name, models)
            what = f"'{role}': there is no worker '{name}'; models: {listed(models)}"
            hint = f"did you mean '{close}'?" if close else f"add a table [worker.{name}]"
        yield owner[at].problem(at, what, hint)
    if settings.worker in of_one_mind(settings):
        what = f"'checker': '{settings.checker}' would judge its own work: "
        what += "the default worker is the same"
        if settings.worker != settings.checker:
            what = f"'checker': '{settings.checker}' may be the same model, with the same prompt, "
            what += f"as '{settings.worker}', whose work it would judge"
        hint = f'give [worker.{settings.checker}] another model, or a prompt = "..." of its own'
        yield owner["run", "checker"].problem(("run", "checker"), what, hint)


def _keys_let_through(settings: Settings, owner: Owner) -> Iterator[Problem]:
    keys = {provider.key: name for name, provider in settings.providers.items() if provider.key}
    lists: list[tuple[KeyPath, Document | None, tuple[str, ...]]] = [
        (("run", "env"), owner.get(("run", "env")), settings.env)
    ]
    for name, worker in settings.workers.items():
        named = owner["worker", name]
        lists.append((("worker", name, "env"), named, getattr(worker, "env", ())))
    for at, document, variables in lists:
        for position, variable in enumerate(variables):
            if document is not None and variable in keys:
                what = f"'env': {variable} is the key of provider '{keys[variable]}', "
                what += "which stays with orch: no program gets it"
                hint = "take it out; a program that needs one gets its own, by another name"
                yield document.problem((*at, position), what, hint)
