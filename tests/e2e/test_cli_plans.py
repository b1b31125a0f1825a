"""Plans, settings and gates from the command line."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.terminal import Terminal
from tests.support.cli import User, ended_with


@pytest.fixture
def here(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def test_a_plan_without_any_model_is_made_saved_shown_and_run(here: Terminal) -> None:
    here.write({"src/a/one.txt": "1", "src/a/two.txt": "2", "src/b/three.txt": "3"})
    here.git("add", "-A")
    here.git("commit", "-qm", "sources")
    (here.home / "script.toml").write_text(
        '[[step]]\ntask = "src-a"\nappend = { "src/a/one.txt" = "!" }\n'
        '[[step]]\ntask = "src-b"\nappend = { "src/b/three.txt" = "!" }\n'
    )
    said = here.orch(
        *("plan", "Shout a bit", "--for-each", "git ls-files 'src/**'", "--by-folder"),
        *("--prompt", "Shout in {items}", "--worker", "scripted"),
    )
    assert said.exit_code == 0 and "2 side by side" in said.out
    assert "saved: .agent/plans/shout-a-bit.toml" in said.err
    text = (here.root / ".agent/plans/shout-a-bit.toml").read_text()
    assert "Shout in src/a/one.txt" in text and "# " in text
    wrong = here.orch("plan", "Shout", "--prompt", "Shout in {items}")
    assert wrong.exit_code == 2 and "{items}" in wrong.err and "--for-each" in wrong.err
    assert not (here.root / ".agent/plans/shout.toml").exists()
    said = here.orch("run")
    assert said.exit_code == 0 and "2 landed" in said.out
    again = here.orch("plan", "Shout a bit", "--for-each", "git ls-files src", "--max-tasks", "1")
    assert "shout-a-bit-2.toml" in again.err, "no plan is ever overwritten"
    assert "forecast" in again.out and "not known yet" not in again.out, "history is known now"


def test_folders_of_a_package_become_tasks_by_the_command_that_everybody_types(
    here: Terminal,
) -> None:
    files = {f"src/shop/{name}.py": "x = 1\n" for name in ("a", "b", "cart/c", "cart/d")}
    here.write({**files, "setup.py": "", "docs/d.py": ""})
    here.git("add", "-A")
    here.git("commit", "-qm", "sources")
    lister = "git ls-files 'src/**/*.py'"
    words = ("plan", "Modernise syntax", "--for-each", lister, "--by-folder", "--json")
    made = here.orch(*words, "--worker", "scripted").json
    covered = {task["id"]: task["paths"] for task in made["plan"]["tasks"]}
    assert covered == {
        "src-shop": ["src/shop/a.py", "src/shop/b.py"],
        "src-shop-cart": ["src/shop/cart/c.py", "src/shop/cart/d.py"],
    }
    assert made["warnings"] == []


@pytest.mark.thorough
def test_a_run_says_how_many_warnings_there_are_and_the_plan_says_which(here: Terminal) -> None:
    here.plan(("a", ()), ("new", ()))
    said = here.orch("plan")
    assert said.exit_code == 0 and "warning" not in said.err
    plan = here.root / ".agent" / "plans" / "work.toml"
    text = plan.read_text().replace('["a.txt"]', '["a.txt", "gone/**", "*.nothing"]')
    plan.write_text(text.replace('["new.txt"]', "[]"))
    said = here.orch("run")
    assert said.exit_code == 0 and "covers no file" not in said.err
    assert "3 warnings about the plan: orch plan --check .agent/plans/work.toml\n" in said.err
    told = here.orch("plan", "--check", ".agent/plans/work.toml").err
    assert told.count("warning:") == 3 and "'gone/**'" in told and "'*.nothing'" in told


def test_a_forecast_tells_what_was_measured_and_makes_nothing_up(here: Terminal) -> None:
    def forecast() -> tuple[list[str], dict[str, Any]]:
        told = here.orch("plan").out
        lines = told[told.index("forecast:") :].splitlines()
        assert len(lines) <= 4 and max(map(len, lines)) < 95, lines
        return lines, here.orch("plan", "--json").json["forecast"]

    here.plan(("a", ()), ("b", ("a",)))
    fresh, known = forecast()
    assert fresh == [
        "forecast: 4 workers side by side, 3 to 4 full gate runs",
        "assumed: 0 to 10% of the changes fail at first; none judged here yet",
        "not known yet: how long worker 'scripted' takes: after the first run",
        "not known yet: how long gates 'quick', 'suite' take: after the first run, or orch gate",
    ]
    for unknown in ("makespan_s", "low_s", "high_s", "worker_s", "critical_path_s", "gate_s"):
        assert known[unknown] is None, unknown
    assert (known["unknown_gates"], known["unknown_workers"]) == (["quick", "suite"], ["scripted"])
    assert here.orch("init", "--try").exit_code == 0
    tried, known = forecast()
    assert tried[2:] == ["not known yet: how long worker 'scripted' takes: after the first run"]
    assert known["gate_s"] > 0 and known["makespan_s"] is None
    assert here.orch("run").exit_code == 0
    ran, known = forecast()
    assert ran[0].startswith("forecast: ") and "with 4 workers" in ran[0]
    assert ran[1:] == [
        "assumed: 0 to 8% of the changes fail at first; 2 changes judged here so far"
    ]
    assert known["makespan_s"] > 0 and known["heads_judged"] == 2
    # a gate that is new makes the whole unknown again, and says which
    settings = here.root / ".agent" / "orch.toml"
    settings.write_text(settings.read_text() + '[[gate]]\nname = "new"\ncommand = "true"\n')
    more, known = forecast()
    assert more[0].startswith("forecast: 4 workers side by side") and "'new'" in more[-1]
    assert known["makespan_s"] is None and known["unknown_gates"] == ["new"]


def test_what_init_tried_is_the_first_runs_baseline(tmp_path: Path) -> None:
    here = Terminal(tmp_path)
    for name in ("orch.toml", ".gitignore"):
        (here.root / ".agent" / name).unlink()
    here.write({"Makefile": "test:\n\t@echo tested\n"})
    here.git("add", "-A")
    here.git("commit", "-qm", "a makefile")
    assert here.orch("init", "--try").exit_code == 0
    settings = here.root / ".agent" / "orch.toml"
    worker = '[worker.sh]\nkind = "command"\ncommand = "echo x > $ORCH_TASK.txt"\n'
    settings.write_text(f"{settings.read_text()}\n{worker}")
    here.write(
        {".agent/plans/p.toml": 'goal = "x"\n[[task]]\nid = "a"\nworker = "sh"\nprompt = "x"\n'}
    )
    said = here.orch("run", "--json")
    assert said.exit_code == 0, said.err
    told = [json.loads(line) for line in said.out.splitlines()]
    (baseline,) = [one for one in told if one["event"] == "BaselineGateJudged"]
    assert baseline["body"]["verdict"]["reused"], baseline


def test_a_task_that_covers_protected_files_is_told_before_it_is_held(here: Terminal) -> None:
    here.write({"src/a.py": "", "src/conftest.py": "", "src/deep/conftest.py": "", "docs/b": ""})
    here.git("add", "-A")
    here.git("commit", "-qm", "sources")
    here.plan(("a", ()), ("b", ()))
    plan = here.root / ".agent" / "plans" / "work.toml"
    text = plan.read_text().replace('["a.txt"]', '["src/**", "suite.sh", "new/conftest.py"]')
    plan.write_text(text.replace('["b.txt"]', '["docs/**"]'))
    for words in (("plan",), ("plan", "--check", "work")):
        said = here.orch(*words).err
        (warning,) = [line for line in said.splitlines() if "protected" in line]
        held = "src/conftest.py, src/deep/conftest.py, suite.sh"
        assert warning.endswith(f"'a' would be held if it changed what is protected: {held}")
        hint = 'may_change = ["src/conftest.py", "src/deep/conftest.py", "suite.sh"]'
        assert hint in said and "narrower paths" in said
    leave = 'prompt = "do it"\nmay_change = ["suite.sh", "**/conftest.py"]'
    plan.write_text(plan.read_text().replace('prompt = "do it"', leave, 1))
    assert "protected" not in here.orch("plan").err


def test_a_plan_that_nothing_judges_is_told_so_before_it_runs(here: Terminal) -> None:
    settings = here.root / ".agent" / "orch.toml"
    text = settings.read_text()
    settings.write_text(text[: text.index("[[gate]]")] + text[text.index("[worker") :])
    here.plan(("a", ()))
    assert "no gate: whatever the workers make lands unjudged" in here.orch("run").err


@pytest.mark.thorough
def test_a_file_that_workspaces_need_is_missed_before_anything_starts(here: Terminal) -> None:
    settings = here.root / ".agent" / "orch.toml"
    settings.write_text(settings.read_text().replace("[run]", '[run]\ncopy = [".env.test"]'))
    here.plan(("a", ()))
    for command in ("run", "gate"):
        said = here.orch(command)
        assert said.exit_code == 2 and "there is no '.env.test'" in said.err, said.err
        assert "make it, or take it out of 'copy'" in said.err
    assert here.orch("status").exit_code == 2, "no run was begun"
    assert "there is no '.env.test'" in here.orch("doctor").out
    here.write({".env.test": "x"})
    assert here.orch("run").exit_code == 0
    assert "1 changed file not committed" in here.orch("doctor").out


def test_every_error_of_a_plan_is_told_at_once_with_its_line(here: Terminal) -> None:
    here.write(
        {
            ".agent/plans/bad.toml": (
                'goal = "x"\n[[task]]\nid = "a"\nprompt = ""\nneeds = ["b"]\n'
                '[[task]]\nid = "b"\nprompt = "p"\nneeds = ["a"]\npaths = ["../out"]\n'
                'workr = "x"\n'
            )
        }
    )
    said = here.orch("plan", "--check", "bad")
    assert said.exit_code == 2 and said.out == ""
    for wanted in ("bad.toml:4:", "a -> b -> a", "bad.toml:10:", "bad.toml:11:", "worker"):
        assert wanted in said.err, wanted
    assert here.orch("run", "bad").exit_code == 2
    assert "did you mean 'bad'" in here.orch("plan", "--check", "bat").err


def test_a_plan_is_given_as_json_and_as_a_mermaid_graph(here: Terminal) -> None:
    here.plan(("a", ()), ("b", ("a",)))
    said = here.orch("plan", "--json")
    assert said.json["levels"] == [["a"], ["b"]] and said.json["forecast"]["full_gate_runs_low"] > 0
    assert [gate["name"] for gate in said.json["gates"]] == ["quick", "suite"]
    graph = here.orch("plan", "--graph", "mermaid")
    assert graph.out.startswith("flowchart LR\n") and "-->" in graph.out


def test_an_editor_is_opened_on_the_plan_and_what_it_wrote_is_checked(here: Terminal) -> None:
    editor = here.home / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/^goal.*/goal = "Edited"/\' "$1"\n')
    editor.chmod(0o755)
    here.plan(("a", ()))
    said = here.orch("plan", "--edit", EDITOR=str(editor))
    assert said.exit_code == 0 and said.out.startswith("Edited\n")
    assert "no editor is named" in here.orch("plan", "--edit").err
    assert here.orch("plan", "--edit", EDITOR="no-such-editor").exit_code == 2


def test_options_that_do_not_belong_together_are_refused(here: Terminal) -> None:
    here.plan(("a", ()))
    assert here.orch("plan", "goal", "--check", "work").exit_code == 2
    assert here.orch("plan", "--by-folder").exit_code == 2
    assert here.orch("plan", "goal", "--batch", "3").exit_code == 2
    assert here.orch("plan", "goal", "--for-each", "exit 7").exit_code == 2


@pytest.mark.thorough
def test_gates_judge_the_checkout_as_it_is_and_a_run_uses_their_word(here: Terminal) -> None:
    ran = here.home / "ran"
    here.write({"suite.sh": f"echo x >> {ran}; ! test -e left.txt\n"})
    here.git("commit", "-qam", "count")
    before = here.git("status", "--porcelain"), here.git("for-each-ref")
    said = here.orch("gate")
    assert said.exit_code == 0 and "gate 'quick' passed" in said.out and ran.read_text() == "x\n"
    assert "known of this tree" in here.orch("gate").out and ran.read_text() == "x\n"
    here.plan(("a", ()))
    assert here.orch("run").exit_code == 0
    assert ran.read_text() == "x\n" * 2, "the base was known; only the candidate had to be judged"
    here.write({"left.txt": "new", "note.txt": "WRONG"})
    said = here.orch("gate")
    assert said.exit_code == 1 and "3 changed files" in said.err
    assert "gate 'quick' failed" in said.out and "gate 'suite' failed" in said.out
    assert here.orch("gate", "suite", "--json").json[0]["outcome"] == "failed"
    assert "did you mean 'suite'" in here.orch("gate", "suit").err
    (here.root / "left.txt").unlink()
    (here.root / "note.txt").unlink()
    here.orch("clean", "--discard")
    plans = "?? .agent/plans/"
    assert here.git("status", "--porcelain").replace(plans, "") == before[0]
    listed = here.git("for-each-ref", "--format=%(refname)", "refs/heads", "refs/orch")
    assert listed == "refs/heads/main"
    assert not list((here.root / ".git" / "worktrees").glob("*"))


def test_a_gate_that_cannot_run_is_neither_passed_nor_failed(here: Terminal) -> None:
    settings = here.root / ".agent" / "orch.toml"
    settings.write_text(settings.read_text().replace("sh suite.sh", "no-such-program"))
    said = here.orch("gate", "suite")
    assert said.exit_code == 2 and "could not run" in said.out


def test_init_writes_settings_tries_them_and_never_overwrites(tmp_path: Path) -> None:
    here = Terminal(tmp_path)
    for name in ("orch.toml", ".gitignore"):
        (here.root / ".agent" / name).unlink()
    here.write({"Makefile": "test:\n\t@echo tested\n"})
    here.git("add", "-A")
    here.git("commit", "-qm", "a makefile")
    said = here.orch("init", "--try", "--json")
    assert said.exit_code == 0 and said.json["written"][0] == ".agent/orch.toml"
    assert [one["outcome"] for one in said.json["verdicts"]] == ["passed"]
    for name in ("orch.toml", ".gitignore"):
        (here.root / ".agent" / name).unlink()
    said = here.orch("init", "--try")
    assert said.exit_code == 0, said.err
    assert "written: .agent/orch.toml" in said.out and "make test" in said.out
    assert "passed" in said.out
    text = (here.root / ".agent/orch.toml").read_text()
    (here.root / ".agent/orch.toml").write_text(text + "# mine\n")
    said = here.orch("init", "--json")
    assert [one["path"] for one in said.json["differing"]] == [".agent/orch.toml"]
    assert "-# mine" in said.json["differing"][0]["diff"]
    assert (here.root / ".agent/orch.toml").read_text().endswith("# mine\n")
    assert os.access(here.root / ".agent" / "RULES.md", os.R_OK)


def test_the_longest_path_goes_by_how_long_workers_took(tmp_path: Path) -> None:
    user = User(tmp_path / "home")
    slow = 'sleep 1; printf x > "$ORCH_TASK.txt"'
    more = f"[worker.slow]\nkind = \"command\"\ncommand = '{slow}'\n"
    user.settings(worker='printf x > "$ORCH_TASK.txt"', more=more)
    user.commit({}, "workers")
    user.plan("a", ("b", ["a"]), "long")
    path = user.root / ".agent/plans/work.toml"
    path.write_text(path.read_text().replace('id = "long"', 'id = "long"\nworker = "slow"'))
    assert "longest path: a -> b" in user.orch("plan").out
    ended_with(user.orch("run"), 0)
    assert user.orch("plan", "--json").json["longest_path"] == ["long"]
    assert "longest path" not in user.orch("plan").out
