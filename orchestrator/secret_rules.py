"""Whose secret a variable is: the file that everybody shares sends none to somebody else. Pure.

1. A token for a forge is no key of a model provider, of a cloud or of another service: what
   everybody knows under such a name, a shared `[forge]` cannot name as its `token`.
2. Nor can it name what another table uses: the key of a `[provider.NAME]`, what an `[mcp.NAME]` is
   given, the variables of `[notify]`, the secret of an automation's webhook. The usual variables of
   forges are the forge's own, whoever else is given them.
3. The other way, a shared `[provider.NAME]` cannot send the usual token of a forge, or a cloud's
   credentials, to a server of its choice; GitHub's own models are asked with GitHub's token.
4. A person's own files may say all of it: whoever writes them knows what they send where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from ledger.model import Settings
from orchestrator.errors import Problem
from orchestrator.forges.tokens import WELL_KNOWN as FORGE_TOKENS
from orchestrator.policy.models import WELL_KNOWN
from orchestrator.settings_rules import LOCAL_FILE, SHARED_FILE
from orchestrator.toml_lines import Document, KeyPath
from workers.mcp.server import variables_of

_HINT = f"name a variable of its own here, or say this in {LOCAL_FILE}"
_CLOUDS = re.compile(
    r"(?:AWS|AMAZON|AZURE|ARM|GCP|GCLOUD|GOOGLE|CLOUDSDK|CLOUDFLARE|CF|DIGITALOCEAN|HCLOUD|HETZNER"
    r"|HEROKU|VERCEL|NETLIFY|FLY|LINODE|OVH|SCW|ALIBABA|ALICLOUD|OCI|IBMCLOUD|SUPABASE|RAILWAY"
    r"|RENDER|TF|KUBE|VAULT|SOPS|CONSUL|NOMAD|PULUMI)_[A-Z0-9_]+"
)
_MODELS = re.compile(
    r"(?:ANTHROPIC|CLAUDE|OPENAI|DEEPSEEK|OPENROUTER|GEMINI|GROQ|MISTRAL|CODESTRAL|COHERE|XAI|GROK"
    r"|TOGETHER|TOGETHERAI|FIREWORKS|PERPLEXITY|REPLICATE|CEREBRAS|NVIDIA|HF|HUGGINGFACE"
    r"|HUGGING_FACE|MOONSHOT|KIMI|DASHSCOPE|QWEN|ZAI|ZHIPU|MINIMAX|SAMBANOVA|NEBIUS|OLLAMA|VOYAGE)"
    r"_[A-Z0-9_]+"
)
_SERVICES = re.compile(
    r"(?:SLACK|DISCORD|TELEGRAM|NTFY|TWILIO|SENDGRID|STRIPE|SENTRY|DATADOG|DD|NPM|NODE_AUTH|TWINE"
    r"|DOCKER|CARGO_REGISTRY|JIRA|LINEAR|NOTION|SSH|GPG|DATABASE|POSTGRES|MYSQL|REDIS|MONGODB|SMTP)"
    r"_[A-Z0-9_]+|PGPASSWORD"
)
_OF_A_FORGE = re.compile(r"GITHUB|GITLAB|FORGE|(?:^|_)(?:GIT|GH|GHE|GL)_")
"""What says of itself that it is for one, of whichever company."""
_OF_GITHUB = ("github.ai", "github.com", "githubcopilot.com")


def somebody_elses(variable: str) -> str:
    """Whose secret everybody knows under that name, in words; empty: nobody's but the forge's."""
    for name, known in WELL_KNOWN.items():
        if known.key == variable:
            return f"your key of '{name}'"
    if variable in FORGE_TOKENS or _OF_A_FORGE.search(variable):
        return ""
    for pattern, whose in (
        (_MODELS, "a secret of a model provider's"),
        (_CLOUDS, "a secret of a cloud's"),
        (_SERVICES, "a secret of another service's"),
    ):
        if pattern.fullmatch(variable):
            return whose
    return ""


def secret_problems_between(settings: Settings, documents: Sequence[Document]) -> Iterator[Problem]:
    """What a shared file would send to somebody whom it is not for."""
    shared = next((one for one in documents if one.name == SHARED_FILE), None)
    if shared is None:
        return
    token = shared.data.get("forge", {}).get("token")
    if isinstance(token, str) and token and token not in FORGE_TOKENS:
        at: KeyPath = ("forge", "token")
        if whose := somebody_elses(token):
            yield shared.problem(at, f"{whose} ({token}) would go to a forge", _HINT)
        elif user := _uses(settings, documents).get(token):
            what = f"{token} would go to a forge, and it is {user}"
            yield shared.problem(at, what, _HINT)
    for name in shared.data.get("provider", {}):
        provider = settings.providers.get(name)
        said = shared.data["provider"][name].get("key")
        if provider is None or provider.key is None or said != provider.key:
            continue
        host = urlsplit(provider.url).hostname or ""
        where: KeyPath = ("provider", name, "key")
        if provider.key in FORGE_TOKENS and not _is_githubs(provider.key, host):
            what = f"your token of a forge ({provider.key}) would go to {host}"
            yield shared.problem(where, what, _HINT)
        elif _is_credential(provider.key):
            what = f"a secret of a cloud's ({provider.key}) would go to {host}"
            yield shared.problem(where, what, _HINT)


def _is_githubs(variable: str, host: str) -> bool:
    own = any(host == one or host.endswith(f".{one}") for one in _OF_GITHUB)
    return own and variable.startswith(("GH_", "GITHUB_"))


def _is_credential(variable: str) -> bool:
    """Whether it opens a whole cloud, and not only the models that the cloud serves."""
    return bool(_CLOUDS.fullmatch(variable)) and not re.search(
        r"API_KEY|OPENAI|BEDROCK|AI_|WORKERS", variable
    )


def _uses(settings: Settings, documents: Sequence[Document]) -> Mapping[str, str]:
    """The variables that hold secrets of others, and what each is there, in words."""
    found: dict[str, str] = {}
    for document in documents:
        for automation in document.data.get("automation", ()):
            if webhook := automation.get("webhook"):
                found[webhook] = f"the secret of the webhook of automation '{automation['name']}'"
    found |= dict.fromkeys(settings.notify.env, "a variable of the command of [notify]")
    if settings.notify.webhook:
        found[settings.notify.webhook] = "the address of the webhook of [notify]"
    for name, server in settings.mcp.items():
        found |= dict.fromkeys(variables_of(server), f"a variable of MCP server '{name}'")
    for name, provider in settings.providers.items():
        if provider.key:
            found[provider.key] = f"the key of provider '{name}'"
    return found
