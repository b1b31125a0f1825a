"""Models in the settings: what is read, what is refused with its line, and what is never said."""

import pytest

from ledger.model import Limits, Plan, Price, ProviderSettings, Settings, Task
from orchestrator.config import (
    lacking_keys,
    load_settings,
    load_sourced,
    refuse_missing_keys,
    settings_differences,
)
from orchestrator.errors import OrchError, Problems
from orchestrator.hiding import Hiding, known_values, refuse_secrets
from orchestrator.policy.commands import commands_of
from orchestrator.policy.models import of_one_mind, workers_of_run
from orchestrator.policy.plan_rules import RepositoryFacts, check_plan
from workers.redact import Redactor

WHOLE = """[run]
worker = "coder"
planner = "thinker"
checker = "reviewer"
check_rounds = 1
budget_usd = 5
budget_tokens = 2_000_000
attempt_usd = 0.5
call_usd = 0.1
task_usd = 1.5
plan_budget_usd = 0.25

[worker.coder]
kind = "model"
models = ["cheap:small", "anthropic:large"]
window_tokens = 200_000
max_output_tokens = 8_000
timeout_s = 600
prompt = "Write plainly."
network = ["docs.example.org"]

[worker.thinker]
kind = "model"
model = "ollama:qwen2.5-coder:7b"

[worker.reviewer]
kind = "model"
model = "anthropic:large"
prompt = "Trust nothing."

[provider.cheap]
dialect = "openai"
url = "http://127.0.0.1:8000/v1"
parallel = 2

[provider.anthropic]
key = "OUR_ANTHROPIC_KEY"

[[price]]
model = "cheap:small"
input = 0.1
output = 0.4
cache_read = 0.01
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "project"
    (folder / ".agent").mkdir(parents=True)
    return folder


def say(checkout, text, name="orch.toml"):
    (checkout / ".agent" / name).write_text(text)


def read(checkout, text) -> Settings:
    say(checkout, text)
    return load_settings(checkout)


def told(checkout, text) -> dict[int, str]:
    """What is said of each line of a settings file."""
    say(checkout, text)
    with pytest.raises(Problems) as raised:
        load_settings(checkout)
    found: dict[int, str] = {}
    for one in raised.value.problems:
        found[one.line] = found.get(one.line, "") + f"{one.what} / {one.hint}\n"
    return found


def test_every_key_reaches_the_settings(checkout):
    settings = read(checkout, WHOLE)
    assert (settings.planner, settings.checker) == ("thinker", "reviewer")
    assert settings.plan_budget_usd == 0.25
    limits = settings.limits
    assert (limits.budget_usd, limits.budget_tokens) == (5.0, 2_000_000)
    assert (limits.attempt_usd, limits.task_usd, limits.check_rounds) == (0.5, 1.5, 1)
    assert limits.call_usd == 0.1
    coder = settings.workers["coder"]
    assert coder.models == ("cheap:small", "anthropic:large")
    assert (coder.window_tokens, coder.max_output_tokens, coder.timeout_s) == (200_000, 8_000, 600)
    assert (coder.prompt, coder.network) == ("Write plainly.", ("docs.example.org",))
    assert settings.workers["thinker"].models == ("ollama:qwen2.5-coder:7b",)
    assert settings.prices == (
        Price(model="cheap:small", input=0.1, output=0.4, cache_read=0.01, cache_write=None),
    )


def test_a_well_known_provider_needs_no_table_and_a_table_says_only_what_differs(checkout):
    providers = read(checkout, WHOLE).providers
    assert set(providers) == {"cheap", "anthropic", "ollama"}
    assert (providers["cheap"].key, providers["cheap"].parallel) == (None, 2)
    assert providers["anthropic"].parallel is None
    assert providers["anthropic"] == ProviderSettings(
        dialect="anthropic", url="https://api.anthropic.com", key="OUR_ANTHROPIC_KEY"
    )
    no_key = WHOLE.replace('"OUR_ANTHROPIC_KEY"', '""')
    assert read(checkout, no_key).providers["anthropic"].key is None


def test_without_budgets_nothing_is_limited(checkout):
    settings = read(checkout, "")
    assert settings.limits == Limits()
    assert settings.limits.budget_usd is None
    assert settings.limits.check_rounds == 2
    assert settings.providers == {}


def test_every_error_is_told_at_once_with_its_line(checkout):
    found = told(
        checkout,
        """[run]
check_rounds = 0
budget_usd = 0
budget_tokens = 1.5
planner = 3
[worker.one]
kind = "model"
model = "large"
prompt = 7
[worker.two]
kind = "model"
models = []
windw_tokens = 9
[worker.three]
kind = "model"
model = "a:b"
models = ["a:b", 5, "nope", "a:b"]
[worker.four]
kind = "model"
model = 4
max_output_tokens = 90_000
network = ["https://x.org"]
[worker.five]
kind = "modle"
[provider.Bad]
dialect = "anthropic"
url = "ftp://host"
[provider.near]
url = "http://host/v1?key=1"
dialect = "opnai"
[provider.far]
url = "https://me:hunter2hunter2@host/"
key = 3
[provider.off]
dialect = "openai"
urll = "x"
[[price]]
model = "a:b"
input = -1
output = 1
[[price]]
model = "a:b"
input = 1
[provider.few]
dialect = "openai"
url = "http://host/v1"
parallel = 0
""",
    )
    assert "'check_rounds' must be at least 1" in found[2]
    assert "'budget_usd' must be more than 0" in found[3]
    assert "'budget_tokens' must be a whole number" in found[4]
    assert "'planner' must be text" in found[5]
    assert "'large' is no model of a provider" in found[8]
    assert "'prompt' must be text" in found[9]
    assert "'models' must not be empty" in found[12]
    assert "did you mean 'window_tokens'?" in found[13]
    assert "both a 'model' and 'models'" in found[17]
    assert "element 2 of 'models' must be text" in found[17]
    assert "'nope' is no model" in found[17]
    assert "names a:b twice" in found[17]
    assert "'model' must be text in quotes, not a whole number" in found[20]
    assert "more than half of the window" in found[21]
    assert "'https://x.org' is no host" in found[22]
    assert 'did you mean "model"?' in found[24]
    assert "no legal name of a provider" in found[25]
    assert "no address of a server" in found[27]
    assert "more than a server and a path" in found[29]
    assert 'did you mean "openai"?' in found[30]
    assert "'dialect' is missing" in found[31]
    assert "holds a user or a password" in found[32]
    assert "'key' must be text in quotes, not a whole number" in found[33]
    assert "did you mean 'url'?" in found[36]
    assert "'parallel' must be at least 1" in found[47]
    assert "'url' is missing" in found[34]
    assert "'input' must be at least 0" in found[39]
    assert "a second price of 'a:b'; the first is in line 37" in found[42]
    assert "'output' is missing" in found[41]
    assert "hunter2" not in str(found)


KEYS = ["sk-ant-api03-Zm9vYmFyYmF6cXV4", "AKIAY3T5KQ7W2XJ4M6PD", "0f3c9a7be1d24c55"]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_in_the_settings_is_refused_and_not_repeated(checkout, key):
    found = told(checkout, f'[provider.anthropic]\nkey = "{key}"\n')
    assert "a key itself belongs in no file" in found[2]
    assert key not in str(found)


@pytest.mark.parametrize(
    "table",
    [
        '[provider.anthropic]\nurl = "https://api.anthropic.com.evil.example"\n',
        '[provider.x]\nurl = "http://api.openai.com/v1"\ndialect = "openai"\n'
        'key = "OPENAI_API_KEY"\n',
    ],
)
def test_a_shared_file_cannot_send_a_well_known_key_elsewhere(checkout, table):
    assert "would go to another server than" in told(checkout, table)[2]
    say(checkout, "")
    say(checkout, table, "orch.local.toml")
    assert load_settings(checkout).providers


def test_an_unknown_provider_is_an_error_with_the_nearest_name(checkout):
    found = told(
        checkout,
        '[worker.a]\nkind = "model"\nmodel = "antropic:large"\n'
        '[worker.b]\nkind = "model"\nmodels = ["openai:x", "zzz:y"]\n',
    )
    assert "no provider 'antropic'; known: openai, anthropic," in found[3]
    assert "did you mean 'anthropic'?" in found[3]
    assert "add: [provider.zzz]" in found[6]


def test_who_plans_and_checks_is_a_model_that_is_there(checkout):
    workers = '[worker.sh]\nkind = "command"\ncommand = "x"\n'
    workers += '[worker.judge]\nkind = "model"\nmodel = "openai:x"\n'
    found = told(checkout, f'[run]\nplanner = "sh"\nchecker = "juge"\n{workers}')
    assert "worker 'sh' is a command; only a model can do that" in found[2]
    assert 'kind = "model": judge' in found[2]
    assert "there is no worker 'juge'" in found[3]
    assert "did you mean 'judge'?" in found[3]


MAKER = '[worker.maker]\nkind = "model"\nmodels = ["openai:s", "openai:x"]\n'


@pytest.mark.parametrize(
    ("judge", "what"),
    [
        ('checker = "maker"', "would judge its own work"),
        ('checker = "judge"', "may be the same model, with the same prompt, as 'maker'"),
    ],
)
def test_a_checker_that_is_the_makers_model_and_prompt_is_refused(checkout, judge, what):
    twin = '[worker.judge]\nkind = "model"\nmodel = "openai:x"\n'
    run = f'[run]\nworker = "maker"\n{judge}\n'
    assert what in told(checkout, run + MAKER + twin)[3]
    for other in ('prompt = "Doubt."\n', 'model = "openai:y"\n'):
        changed = twin.replace('model = "openai:x"\n', other) if "model" in other else twin + other
        if "maker" not in judge:
            assert read(checkout, run + MAKER + changed).checker == "judge"


def test_a_task_cannot_be_given_to_who_would_judge_it(checkout):
    twin = '[worker.judge]\nkind = "model"\nmodel = "openai:x"\n[worker.sh]\nkind = "command"\n'
    run = '[run]\nworker = "sh"\nchecker = "judge"\n'
    settings = read(checkout, f'{run}{MAKER}{twin}command = "x"\n')
    assert of_one_mind(settings) == {"judge", "maker"}
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="a", prompt="p", worker="judge"),
            Task(id="b", prompt="p", worker="maker"),
            Task(id="c", prompt="p"),
        ),
    )
    facts = RepositoryFacts(
        workers=tuple(settings.workers), default_worker="sh", judging=of_one_mind(settings)
    )
    errors = [one for one in check_plan(plan, facts) if one.level == "error"]
    assert [one.where for one in errors] == [("task", 0, "worker"), ("task", 1, "worker")]
    assert "name another worker (sh)" in errors[0].hint


def test_a_provider_key_is_let_through_to_no_program(checkout):
    found = told(
        checkout,
        """[run]
env = ["HOME_PAGE", "OPENAI_API_KEY"]
[worker.m]
kind = "model"
model = "openai:x"
[worker.sh]
kind = "command"
command = "x"
env = ["OPENAI_API_KEY"]
""",
    )
    assert set(found) == {2, 9}
    assert "OPENAI_API_KEY is the key of provider 'openai'" in found[2]


def test_a_key_that_is_not_set_is_named_for_who_is_asked_only(checkout):
    settings = read(checkout, WHOLE)
    plan = Plan(goal="g", tasks=(Task(id="a", prompt="p", worker="thinker"),))
    assert workers_of_run(settings, plan) == ("thinker", "reviewer")
    assert lacking_keys(settings, {}, ("thinker",)) == ()
    with pytest.raises(Problems) as raised:
        refuse_missing_keys(settings, {"OUR_ANTHROPIC_KEY": " "}, workers_of_run(settings, plan))
    assert raised.value.exit_code == 2
    assert "OUR_ANTHROPIC_KEY is not set" in raised.value.message
    refuse_missing_keys(settings, {"OUR_ANTHROPIC_KEY": "k"}, workers_of_run(settings, plan))


def test_where_code_is_sent_and_by_whose_key_is_a_matter_of_trust(checkout):
    lines = commands_of(read(checkout, WHOLE))
    assert 'provider anthropic: key = "OUR_ANTHROPIC_KEY"' in lines
    assert 'provider ollama: url = "http://127.0.0.1:11434/v1"' in lines
    assert 'worker coder: models = "anthropic:large"' in lines
    assert not any("budget" in line or "price" in line or "window" in line for line in lines)
    assert not any("parallel" in line for line in lines), "how many at a time opens nothing"


def test_a_persons_own_files_say_models_providers_prices_and_budgets_but_no_checker(checkout):
    say(checkout, WHOLE)
    own = """[run]
budget_usd = 1
planner = "mine"
[worker.mine]
kind = "model"
model = "anthropic:huge"
[provider.anthropic]
url = "https://proxy.example.org"
[[price]]
model = "cheap:small"
input = 0
output = 0
[[price]]
model = "anthropic:huge"
input = 3
output = 15
"""
    say(checkout, own, "orch.local.toml")
    sourced = load_sourced(checkout)
    settings = sourced.settings
    assert (settings.limits.budget_usd, settings.planner) == (1.0, "mine")
    assert settings.providers["anthropic"].key == "ANTHROPIC_API_KEY"
    assert [(price.model, price.input) for price in settings.prices] == [
        ("cheap:small", 0.0),
        ("anthropic:huge", 3.0),
    ]
    assert set(settings_differences(sourced.shared(), settings)) == {
        "run.budget_usd",
        "run.planner",
        "worker.mine",
        "provider.anthropic",
        "price cheap:small",
        "price anthropic:huge",
    }
    say(checkout, '[run]\nchecker = "mine"\n', "orch.local.toml")
    with pytest.raises(Problems, match="'checker' is the team's to say"):
        load_settings(checkout)


class Place:
    """What `known_values` asks of a workplace."""

    def __init__(self, checkout, environ):
        self.checkout, self.environ = checkout, environ


def test_the_key_itself_is_hidden_from_the_ledger_and_a_prompt_may_hold_none(checkout):
    settings = read(checkout, WHOLE)
    secret = "qX7-vTz92kLmNp4RsW"
    known = known_values(Place(checkout, {"OUR_ANTHROPIC_KEY": secret}), settings)
    assert known == {"OUR_ANTHROPIC_KEY": secret}
    hiding = Hiding(Redactor(known))
    assert secret not in hiding.text(f"it said {secret}")
    coder = settings.workers["coder"].model_copy(update={"prompt": f"Use {secret}"})
    with pytest.raises(OrchError, match="the prompt of worker 'coder' holds"):
        refuse_secrets(settings.model_copy(update={"workers": {"coder": coder}}), hiding)
