"""Plans in real files: checked with lines, saved without ever overwriting, found again."""

import os

import pytest

from ledger.model import Plan, Task
from orchestrator.errors import OrchError, Problems
from orchestrator.planning.check import check_made_plan, check_plan_file
from orchestrator.planning.plan_file import find_plan, newest_plan, read_plan, save_plan, slug
from orchestrator.policy.plan_rules import RepositoryFacts

FACTS = RepositoryFacts(
    files=frozenset(["src/core/a.py"]), workers=("coder",), default_worker="coder", gates=("unit",)
)

GOOD = """\
goal = "Modernise the type hints"
base = "main"

[[task]]
id = "types-core"
title = "Type hints in core"
prompt = \"\"\"Replace Optional[X] by X | None in src/core.\"\"\"
paths = ["src/core/**"]

[[task]]
id = "types-cli"
prompt = "The same in src/cli."
needs = ["types-core"]
paths = ["src/cli/**"]
worker = "coder"
gates = ["unit"]
"""

BAD = """\
goal = 7
bse = "main"

[[task]]
id = "Types Core"
prompt = ""
neds = ["x"]

[[task]]
id = "b"
prompt = "b"
needs = [
  "c",
  "nobody",
]
paths = ["../x"]

[[task]]
id = "c"
prompt = "c"
needs = ["b"]
gates = "unit"
[[task]]
prompt = "no id"
worker = "codr"
"""


@pytest.fixture
def plan_file(tmp_path):
    return tmp_path / "plan.toml"


def checked(plan_file, text, facts=FACTS):
    plan_file.write_text(text)
    return check_plan_file(plan_file, lambda base: facts, "plan.toml")


def test_a_good_plan_is_read_and_its_base_is_asked_about(plan_file):
    plan_file.write_text(GOOD)
    asked = []

    def learn(base):
        asked.append(base)
        return FACTS

    found = check_plan_file(plan_file, learn)
    plan = found.sound()
    assert asked == ["main"]
    assert plan == read_plan(plan_file)
    assert plan.task("types-cli").needs == ("types-core",)
    (warning,) = found.warnings
    assert "plan.toml:14: warning: 'src/cli/**' covers no file yet" in warning.render()


def test_everything_wrong_is_told_at_once_by_line(plan_file):
    found = checked(plan_file, BAD)
    assert found.plan is None
    said = {problem.line: problem.what + " / " + problem.hint for problem in found.errors}
    assert "'goal' must be text" in said[1]
    assert "did you mean 'base'" in said[2]
    assert "'Types Core' is no legal id" in said[5]
    assert "prompt of 'Types Core' is empty" in said[6]
    assert "did you mean 'needs'" in said[7]
    assert "b -> c -> b" in said[13]
    assert "needs 'nobody', which is no task" in said[14]
    assert "'..' is not a name" in said[16]
    assert "'gates' must be a list" in said[22]
    assert "'id' is missing" in said[23]
    assert "did you mean 'coder'" in said[25]
    assert len(found.errors) == 11
    lines = [problem.line for problem in found.errors]
    assert lines == sorted(lines)
    with pytest.raises(Problems) as raised:
        found.sound()
    assert raised.value.exit_code == 2
    assert "plan.toml:14: 'b' needs 'nobody'" in str(raised.value)


def test_a_syntax_error_is_one_clear_line(plan_file):
    found = checked(plan_file, 'goal = "x\n')
    assert found.errors[0].render().startswith("plan.toml:1: not TOML: ")
    assert found.plan is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('goal = "x"\n', "the plan has no task"),
        ('goal = "x"\n[task]\nid = "a"\n', "two brackets"),
        ('goal = "x"\ntask = ["a"]\n', "write a table"),
        ('goal = "x"\n[[tasks]]\nid = "a"\n', "did you mean 'task'"),
    ],
)
def test_slips_in_the_shape_are_named(plan_file, text, word):
    found = checked(plan_file, text)
    assert any(word in problem.render() for problem in found.errors)


def test_reading_alone_refuses_illegal_ids_too(plan_file):
    plan_file.write_text('goal = "x"\n[[task]]\nid = "A"\nprompt = "p"\n')
    with pytest.raises(Problems, match=":3: 'id' is no legal name: 'A'"):
        read_plan(plan_file)


def test_a_plan_that_is_in_no_file_yet_is_told_by_task():
    plan = Plan(goal="x", tasks=(Task(id="a", prompt="p", worker="codr", paths=("src",)),))
    found = check_made_plan(plan, FACTS)
    assert [problem.render().splitlines()[0] for problem in found.errors] == [
        "plan, task a: there is no worker 'codr'"
    ]
    assert found.plan is None


def test_plans_are_saved_under_their_goal_and_never_overwritten(tmp_path):
    folder = tmp_path / ".agent" / "plans"
    plan = Plan(goal="Modernise the type hints!", tasks=(Task(id="a", prompt="p"),))
    first = save_plan(folder, plan, ["made by hand"])
    second = save_plan(folder, plan)
    third = save_plan(folder, plan)
    assert [path.name for path in (first, second, third)] == [
        "modernise-the-type-hints.toml",
        "modernise-the-type-hints-2.toml",
        "modernise-the-type-hints-3.toml",
    ]
    assert read_plan(first) == read_plan(second) == plan
    assert first.read_text().startswith("# made by hand\n\n# A plan of orch")


def test_the_newest_plan_is_found_and_others_by_name(tmp_path):
    folder = tmp_path / ".agent" / "plans"
    assert newest_plan(folder) is None
    with pytest.raises(OrchError, match="no plan in"):
        find_plan(tmp_path, None)
    paths = [
        save_plan(folder, Plan(goal=goal, tasks=(Task(id="a", prompt="p"),)))
        for goal in ("one", "two", "three")
    ]
    for age, path in zip((1000, 3000, 2000), paths, strict=True):
        os.utime(path, (age, age))
    assert find_plan(tmp_path, None) == paths[1]
    assert find_plan(tmp_path, "three") == paths[2]
    assert find_plan(tmp_path, str(paths[0])) == paths[0]
    with pytest.raises(OrchError) as raised:
        find_plan(tmp_path, "thre")
    assert "did you mean 'three'" in raised.value.hint


def test_slugs_end_at_a_word():
    assert slug("Modernise the Type Hints!") == "modernise-the-type-hints"
    assert slug("Überprüfe  café") == "uberprufe-cafe"
    assert slug("日本") == ""
    assert len(slug("word " * 40)) <= 48
    assert slug("word " * 40).endswith("word")
    assert len(slug("x" * 100)) == 48
