"""A model plans at the command line: what it sees, what goes back to it, what a person gets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from tests.e2e.terminal import Screen, Terminal
from tests.integration.maker.support import call, calls, results_of, system_of, user_words
from tests.support.cli import User, ended_with
from workers.scripted_model.server import ScriptedModel, scripted_model

SECRET = "ghp_" + "q7Zr2LmXv0pTn4Bk8sWd1FyGh6JcA3eR5uKi"
FILES = {
    "AGENTS.md": f"Sums are tested in tests/. The token is {SECRET}\n",
    "CLAUDE.md": "not told beside AGENTS.md\n",
    "src/CLAUDE.md": "In src no function is longer than ten lines.\n",
    "src/sums.py": "def total(numbers):\n    return sum(numbers) + 1\n",
    "src/names.py": "NAMES = []\n",
}
FIX = {
    "id": "fix-sum",
    "title": "Mend the sum",
    "prompt": "In src/sums.py, total() adds one too many.",
    "acceptance": "tests/test_sums.py exists and passes",
    "paths": ["src/sums.py", "tests/test_sums.py"],
}
NAME = {
    "id": "name",
    "title": "Add a name",
    "prompt": "Add 'one' to NAMES.",
    "acceptance": "suite passes",
    "paths": ["src/names.py"],
}
DRAFT = {"facts": ["src/sums.py adds one"], "questions": ["Is it meant?"], "tasks": [FIX, NAME]}


def drafts(**changes: Any) -> dict[str, Any]:
    """A turn that gives a plan."""
    return calls(call("plan", **{**DRAFT, **changes}))


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "home", files=FILES, models=True)


@contextmanager
def planner(
    user: User, *turns: dict[str, Any], dialect: str = "anthropic", more: str = "", run: str = ""
) -> Iterator[ScriptedModel]:
    """A model that says these turns plans for the user."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(scripted_model({"turn": list(turns)})) as model,
    ):
        url = model.url + ("/v1" if dialect == "openai" else "")
        user.settings(
            run=f'planner = "thinker"\n{run}',
            more=f'\n[worker.thinker]\nkind = "model"\nmodel = "script:large"\n'
            f'\n[provider.script]\ndialect = "{dialect}"\nurl = "{url}"\n{more}',
        )
        yield model


PRICE = '\n[[price]]\nmodel = "script:large"\ninput = 3\noutput = 15\n'


def plan_of(user: User, name: str) -> str:
    return (user.root / ".agent/plans" / f"{name}.toml").read_text()


@pytest.mark.parametrize("dialect", ["anthropic", "openai"])
@pytest.mark.sample(1)
def test_a_goal_becomes_tasks_that_a_person_can_read_and_run(user: User, dialect: str) -> None:
    look = calls(call("list", folder="src"), call("read", path="src/sums.py"))
    with planner(user, look, drafts(), dialect=dialect, more=PRICE) as model:
        said = user.orch("plan", "Mend the sums")
        ended_with(said, 0)
        assert "def total(numbers):" in results_of(model.requests[1])[1]
        told = user_words(model.requests[0])
    assert "2 side by side" in said.out
    found = (
        "it found:\n  - src/sums.py adds one\n\nit could not know, and guessed:\n  - Is it meant?\n"
    )
    assert found in said.out and said.out.index("2 side by side") < said.out.index(found)
    assert "asking script:large" in said.err
    assert "planning came to 2 calls" in said.err and "$0.0" in said.err
    text = plan_of(user, "mend-the-sums")
    assert "# Planned by script:large from commit" in text and "2 calls" in text
    assert "#   - src/sums.py adds one" in text and "#   - Is it meant?" in text
    assert "It is done when: tests/test_sums.py exists and passes" in text
    for part in (
        *("Mend the sums", "total", "suite (before it is merged)", "first", "the command"),
        *("## AGENTS.md", "Sums are tested in tests/", "## src/CLAUDE.md", "longer than ten lines"),
    ):
        assert part in told, part
    assert told.index("Sums are tested") < told.index("longer than ten"), "the nearest last"
    assert SECRET not in told and "[redacted" in told and "not told beside" not in told
    checked = user.orch("plan", "--check", "mend-the-sums", "--json")
    assert [task["id"] for task in checked.json["plan"]["tasks"]] == ["fix-sum", "name"]


def test_what_it_found_and_guessed_is_in_the_json_without_secrets_or_escapes(user: User) -> None:
    facts = [f"the token is {SECRET}", "red \x1b[31m\nand more", " "]
    with planner(user, drafts(facts=facts, questions=["Is it meant?"])):
        said = user.orch("plan", "Mend the sums", "--json")
    assert said.json["questions"] == ["Is it meant?"]
    first, second = said.json["facts"]
    assert SECRET not in said.out and "[redacted" in first
    assert "\x1b" not in second and second.startswith("red") and second.endswith("and more")
    checked = user.orch("plan", "--json").json
    assert (checked["facts"], checked["questions"]) == ([], []), "only who planned just now says it"


@pytest.mark.thorough
def test_rules_that_are_broken_go_back_three_times_and_no_plan_is_saved_then(user: User) -> None:
    wrong = [{**FIX, "id": "Fix It", "needs": ["nowhere"], "acceptance": " ", "paths": ["../up"]}]
    with planner(user, drafts(tasks=wrong), drafts()) as model:
        ended_with(user.orch("plan", "Mend it"), 0)
        back = json.dumps(model.requests[1].body["messages"][-1])
    for word in ("no legal id", "needs 'nowhere'", "'acceptance' is empty", "is refused"):
        assert word in back, word
    with planner(user, *[drafts(tasks=wrong)] * 4) as model:
        said = user.orch("plan", "Mend it again")
        assert said.exit_code == 1
        assert len(model.requests) == 4
    assert "sent back 3 times" in said.err and "no legal id" in said.err
    assert "planning came to 4 calls" in said.err
    assert not (user.root / ".agent/plans/mend-it-again.toml").exists()


def test_it_sees_the_commit_and_not_the_checkout_and_that_is_said(user: User) -> None:
    user.write({"src/sums.py": "UNCOMMITTED = 1\n", "secret-notes": "mine"})
    look = calls(call("read", path="src/sums.py"), call("list"), call("search", regex="COMMITTED"))
    with planner(user, look, drafts()) as model:
        before = user.things()
        said = user.orch("plan", "Mend the sums")
        results = results_of(model.requests[1])
        made = {name for name in user.things().keys() - before if "plans" in name}
    assert "it is planned from the commit" in said.err
    assert "def total" in results[0] and "secret-notes" not in results[1]
    assert "UNCOMMITTED" not in results[2]
    assert "UNCOMMITTED" in (user.root / "src/sums.py").read_text()
    assert {name: value for name, value in user.things().items() if name not in made} == before


def test_it_can_only_read_and_only_there(user: User) -> None:
    tries = calls(
        call("write", path="src/sums.py", text="x"),
        call("run", command="touch hacked"),
        call("read", path="/etc/passwd"),
        call("read", path="../../../etc/passwd"),
    )
    with planner(user, tries, drafts()) as model:
        ended_with(user.orch("plan", "Mend the sums"), 0)
        offered = [tool["name"] for tool in model.requests[0].body["tools"]]
        said = json.dumps(model.requests[1].body["messages"])
    assert sorted(offered) == ["list", "load_skill", "plan", "read", "search"]
    assert "root:" not in said
    assert not (user.root / "hacked").exists()


def test_questions_stop_where_nobody_can_answer_and_answers_are_told(user: User) -> None:
    ask = calls(call("ask", facts=["It adds one."], questions=["Is one meant?", "Why?"]))
    with planner(user, ask) as model:
        said = user.orch("plan", "Mend the sums", "--questions")
        assert said.exit_code == 5
        expected = [
            "it found:",
            "  - It adds one.",
            "",
            "it asks:",
            "  - Is one meant?",
            "  - Why?",
        ]
        assert said.out.rstrip().splitlines() == expected
        assert "--answer" in said.err and "planning came to 1 call" in said.err
        assert not (user.root / ".agent/plans").exists()
        assert "answer with `ask` once" in system_of(model.requests[0])
    with planner(user, ask):
        said = user.orch("plan", "Mend the sums", "--questions", "--json")
        assert said.exit_code == 5
        assert said.json == {"facts": ["It adds one."], "questions": ["Is one meant?", "Why?"]}
    with planner(user, drafts()) as model:
        ended_with(user.orch("plan", "Mend the sums", "--answer", "One is not meant."), 0)
        assert "One is not meant." in user_words(model.requests[0])
    assert "#   - One is not meant." in plan_of(user, "mend-the-sums")
    none = calls(call("ask", facts=["It adds one."], questions=[]))
    with planner(user, none, drafts()) as model:
        ended_with(user.orch("plan", "Mend them all", "--questions"), 0)
        assert "- It adds one." in user_words(model.requests[1])


@pytest.mark.thorough
def test_a_person_at_a_terminal_is_asked_and_what_they_type_is_told(tmp_path: Path) -> None:
    here = Terminal(tmp_path)
    ask = calls(call("ask", facts=["It adds one."], questions=["Is one meant?", "Why?"]))
    task = {**FIX, "paths": ["a.txt"]}
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            scripted_model({"turn": [ask, drafts(tasks=[task])]})
        ) as model,
    ):
        own = here.root / ".agent/orch.local.toml"
        own.write_text(
            '[run]\nplanner = "thinker"\n[worker.thinker]\nkind = "model"\nmodel = "s:m"\n'
            f'[provider.s]\ndialect = "anthropic"\nurl = "{model.url}"\n'
        )
        with Screen(here, ("plan", "Mend it", "--questions")) as screen:
            screen.shows("found: It adds one.")
            screen.shows("Is one meant?\n> ")
            screen.press("No, it is a slip.\n")
            screen.shows("Why?\n> ")
            screen.press("\n")
            assert screen.end() == 0, screen.text
        told = user_words(model.requests[1])
    assert "Is one meant?\nAnswer: No, it is a slip." in told
    assert "Why?" not in told, "what was not answered is not told"


@pytest.mark.thorough
def test_a_plan_is_changed_in_its_file_and_what_a_person_wrote_there_stays(user: User) -> None:
    with planner(user, drafts()):
        ended_with(user.orch("plan", "Mend the sums"), 0)
    path = user.root / ".agent/plans/mend-the-sums.toml"
    text = path.read_text().replace(
        'id = "name"', 'id = "name"\nmay_change = ["conftest.py"]  # I said so'
    )
    path.write_text(f"# mine\n{text}")
    third = {**NAME, "id": "other", "needs": ["fix-sum"], "paths": ["src/other.py"]}
    changed = {**FIX, "title": "Mend it well"}
    with planner(user, drafts(tasks=[changed, NAME, third])) as model:
        said = user.orch("plan", "--refine", "Add the other one", "mend-the-sums")
        ended_with(said, 0)
        told = user_words(model.requests[0])
    assert "Add the other one" in told and '"id": "fix-sum"' in told
    assert '"acceptance": "tests/test_sums.py exists and passes"' in told
    after = path.read_text()
    assert "# mine" in after and "# I said so" in after and 'title = "Mend it well"' in after
    assert after.count("It is done when: tests/test_sums.py") == 1
    ids = [
        task["id"]
        for task in user.orch("plan", "--check", str(path), "--json").json["plan"]["tasks"]
    ]
    assert ids == ["fix-sum", "name", "other"]
    assert len(list(path.parent.iterdir())) == 1


def test_no_more_is_spent_than_the_budget_for_planning(user: User) -> None:
    with planner(user, drafts(), more=PRICE, run="plan_budget_usd = 0.0001") as model:
        said = user.orch("plan", "Mend the sums")
        assert said.exit_code == 4
        assert "budget for planning is used up" in said.err
        offered = re.search(r"hint: give it more, .*: (plan_budget_usd = [0-9.]+)\n", said.err)
        assert offered, said
        assert model.requests == []
    with planner(user, drafts(), more=PRICE, run=offered[1]):
        ended_with(user.orch("plan", "Mend the sums"), 0)
    with planner(user, drafts(), more=PRICE, run="call_usd = 0.0001") as model:
        said = user.orch("plan", "Mend the sums again")
        assert said.exit_code == 4 and "call_usd" in said.err
        assert model.requests == []
    with planner(user, drafts(), run="budget_usd = 5") as model:
        said = user.orch("plan", "Mend the sums")
        assert said.exit_code == 2 and "used up" not in said.err
        assert '[[price]] model = "script:large"' in said.err and "budget_tokens" in said.err
        assert model.requests == []


@pytest.mark.thorough
def test_a_price_that_is_not_known_is_said_and_not_called_nothing(user: User) -> None:
    with planner(user, drafts()):
        said = user.orch("plan", "Mend the sums", "--worker", "thinker")
        ended_with(said, 0)
        spending = user.orch("plan", "--json").json["spending"]
    assert "cost not known" in said.err and "$0" not in said.err
    assert "models: " in said.out and "2 tasks assumed by size" in said.out
    assert "not known: what script:large costs" in said.out
    assert spending["cost_low"] is None and spending["tokens_low"] > 0


@pytest.mark.thorough
def test_a_provider_that_does_not_serve_is_named_and_the_key_is_not(user: User) -> None:
    refusing = {"status": 401, "repeat": 0}
    key = "sk-proj-q8Zt4Lm2Xv9Rk7Wp3Nc6Yb1Hd5"
    with planner(user, refusing, more='key = "SCRIPT_API_KEY"\n'):
        said = user.orch("plan", "Mend the sums")
        assert said.exit_code == 2 and "SCRIPT_API_KEY is not set" in said.err
        said = user.orch("plan", "Mend it", environ={**user.environ, "SCRIPT_API_KEY": key})
    assert said.exit_code == 1 and "script:large cannot be asked" in said.err
    assert key not in said.err + said.out


@pytest.mark.thorough
def test_without_a_planner_no_model_is_asked(user: User) -> None:
    ended_with(user.orch("plan", "Do it"), 0)
    assert plan_of(user, "do-it").count("\n[[task]]\n") == 1
    for words in (("Do it", "--questions"), ("--refine", "more")):
        said = user.orch("plan", *words)
        assert said.exit_code == 2 and "no model plans here" in said.err, said.err
    with planner(user, drafts()) as model:
        ended_with(user.orch("plan", "By hand", "--by-hand"), 0)
        said = user.orch("plan", "Mend it", "--planner", "sh")
        assert said.exit_code == 2 and "'sh' is no model; models: thinker" in said.err
        for wrong in (["--by-hand", "--questions"], ["--for-each", "ls", "--answer", "x"]):
            assert user.orch("plan", "Mend it", *wrong).exit_code == 2
        assert model.requests == []
