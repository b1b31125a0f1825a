"""Which models the settings name, who serves them, and who may judge whom. Pure.

1. A model is `provider:model`. A provider is a table of the settings, or one that everybody knows;
   a table of a well-known one needs to say only what differs.
2. What a run may ask is what its workers name: the default one, those of the plan's tasks, the
   checker. Other workers need no key that day.
3. A checker never judges what it made itself. It is the maker where both may be the same model
   and have the same instructions: one of the two must differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ledger.model import ModelWorkerSettings, Plan, ProviderSettings, Settings

WELL_KNOWN: Mapping[str, ProviderSettings] = {
    "anthropic": ProviderSettings(
        dialect="anthropic", url="https://api.anthropic.com", key="ANTHROPIC_API_KEY"
    ),
    "openai": ProviderSettings(
        dialect="openai", url="https://api.openai.com/v1", key="OPENAI_API_KEY"
    ),
    "deepseek": ProviderSettings(
        dialect="openai", url="https://api.deepseek.com", key="DEEPSEEK_API_KEY"
    ),
    "openrouter": ProviderSettings(
        dialect="openai", url="https://openrouter.ai/api/v1", key="OPENROUTER_API_KEY"
    ),
    "ollama": ProviderSettings(dialect="openai", url="http://127.0.0.1:11434/v1"),
}


def split_model(name: str) -> tuple[str, str]:
    """The provider and the model of `provider:model`; a model's own name may hold colons."""
    provider, _, model = name.partition(":")
    return provider, model


def model_workers(settings: Settings) -> dict[str, ModelWorkerSettings]:
    """The workers that are models, by names."""
    return {
        name: worker
        for name, worker in settings.workers.items()
        if isinstance(worker, ModelWorkerSettings)
    }


def workers_of_run(settings: Settings, plan: Plan) -> tuple[str, ...]:
    """The workers that a run of this plan may ask (rule 2)."""
    named = [task.worker or settings.worker for task in plan.tasks]
    return tuple(dict.fromkeys(name for name in (*named, settings.checker) if name))


def providers_asked(settings: Settings, workers: Iterable[str]) -> tuple[str, ...]:
    """The names of the providers of these workers' models."""
    models = model_workers(settings)
    return tuple(
        dict.fromkeys(
            split_model(model)[0]
            for name in workers
            if name in models
            for model in models[name].models
        )
    )


def of_one_mind(settings: Settings) -> frozenset[str]:
    """The workers whose work the checker may not judge, itself among them (rule 3)."""
    models = model_workers(settings)
    checker = models.get(settings.checker or "")
    if checker is None:
        return frozenset()
    return frozenset(
        name
        for name, worker in models.items()
        if name == settings.checker
        or (set(worker.models) & set(checker.models) and _same(worker.prompt, checker.prompt))
    )


def _same(one: str, other: str) -> bool:
    return one.split() == other.split()
