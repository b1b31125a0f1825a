"""A command's items become tasks that have no path in common."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import OrchError, Problems
from orchestrator.planning.for_each import Grouping, plan_for_each
from orchestrator.planning.items import Item, parse_items
from orchestrator.policy.paths import matches, overlaps
from tests.support.examples import examples


def items(*paths):
    return [Item(path) for path in paths]


def made(listed, prompt="{items}", goal="Goal", **grouping):
    return plan_for_each(goal, listed, Grouping(**grouping), prompt=prompt, worker="codemod")


def test_each_item_is_a_task_unless_grouped():
    plan = made(items("src/a.py", "src/b.py", "docs/c.md"))
    assert [task.id for task in plan.tasks] == ["docs-c", "src-a", "src-b"]
    assert [task.paths for task in plan.tasks] == [("docs/c.md",), ("src/a.py",), ("src/b.py",)]
    assert {task.worker for task in plan.tasks} == {"codemod"}


def test_batches_and_folders_and_a_ceiling():
    listed = items(*[f"src/{folder}/m{n}.py" for folder in "abc" for n in range(4)], "top.py")
    batched = made(listed, batch=5).tasks
    assert [len(task.paths) for task in batched] == [5, 5, 3]
    folders = made(listed, by_folder=True).tasks
    assert [task.id for task in folders] == ["src-a", "src-b", "src-c", "items"]
    split = made(listed, by_folder=True, batch=3).tasks
    assert [(task.id, len(task.paths)) for task in split] == [
        ("src-a", 3), ("src-a-2", 1), ("src-b", 3), ("src-b-2", 1), ("src-c", 3), ("src-c-2", 1),
        ("items", 1),
    ]  # fmt: skip
    few = made(listed, by_folder=True, most_tasks=2).tasks
    assert len(few) == 2
    assert sum(len(task.paths) for task in few) == 13
    assert len(made(listed, most_tasks=5).tasks) == 5


NAMES = st.sampled_from(["a", "b", "a b", "x[1]", "*", "é", "A", "a.py", "-x"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(PATHS, min_size=1, max_size=12),
    st.none() | st.integers(1, 4),
    st.booleans(),
    st.none() | st.integers(1, 4),
)
def test_tasks_never_share_a_path_and_nothing_is_lost(paths, batch, by_folder, most_tasks):
    tasks = made(items(*paths), batch=batch, by_folder=by_folder, most_tasks=most_tasks).tasks
    assert len({task.id for task in tasks}) == len(tasks)
    for one, other in itertools.combinations(tasks, 2):
        assert not overlaps(one.paths, other.paths)
    for path in paths:
        (owner,) = [task for task in tasks if matches(task.paths, path)]
        assert path in owner.prompt.splitlines()
    if most_tasks is not None:
        assert len(tasks) <= most_tasks


def test_a_folder_and_a_file_in_it_are_one_task():
    plan = made(items("src/core/a.py", "src/core", "src/core-x/b.py"))
    assert [task.paths for task in plan.tasks] == [("src/core",), ("src/core-x/b.py",)]
    assert plan.tasks[0].prompt == "src/core\nsrc/core/a.py"


def test_names_with_wildcards_are_taken_literally():
    plan = made(items("docs/x[1].md", "docs/*.md"))
    assert [task.paths for task in plan.tasks] == [("docs/\\*.md",), ("docs/x\\[1\\].md",)]


def test_ids_are_legal_and_told_apart():
    deep = "/".join(["a-long-folder-name"] * 6) + "/module.py"
    plan = made(items("src/a.py", "src/a.pyi", "Ünï/ß.py", "日本.py", "src/A.txt", deep, ".env"))
    ids = {task.paths[0]: task.id for task in plan.tasks}
    assert ids["src/A.txt"] == "src-a"
    assert ids["src/a.py"] == "src-a-2"
    assert ids["src/a.pyi"] == "src-a-3"
    assert ids["Ünï/ß.py"] == "uni"
    assert ids["日本.py"] == "items"
    assert ids[deep].endswith("module")
    assert len(ids[deep]) <= 63
    assert ids[".env"] == "env"


def test_the_prompt_is_filled_once_and_other_braces_stay():
    listed = [Item("a.py", "fix {goal}"), Item("a.py", "and that")]
    (task,) = made(listed, prompt="{goal}: {paths}\n{items}\n{'x': 1}", goal="G").tasks
    assert task.prompt == "G: a.py\na.py\tfix {goal}\na.py\tand that\n{'x': 1}"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"goal": " "}, "goal is empty"),
        ({"batch": 0}, "--batch must be at least 1"),
        ({"most_tasks": -1}, "--max-tasks"),
        ({"prompt": "see {item}"}, "did you mean '{items}'"),
        ({"prompt": " "}, "prompt is empty"),
    ],
)
def test_what_cannot_be_meant_is_refused(change, word):
    with pytest.raises(OrchError) as raised:
        made(items("a"), **change)
    assert word in raised.value.render()


def test_items_are_paths_with_or_without_a_text():
    assert parse_items(b"a.py\n\n./b/c.py\tfix this\r\ndir/\n") == (
        Item("a.py"),
        Item("b/c.py", "fix this"),
        Item("dir"),
    )


def test_names_that_git_quoted_are_taken_out_of_their_quotes():
    listed = b'"caf\\303\\251.py"\n"tab\\there"\n"say \\"hi\\".py"\n'
    with pytest.raises(Problems, match="control characters"):
        parse_items(listed)
    assert parse_items(listed.replace(b"\\t", b" ")) == (
        Item("café.py"),
        Item("tab here"),
        Item('say "hi".py'),
    )


def test_items_outside_the_repository_are_refused_all_at_once():
    with pytest.raises(Problems) as raised:
        parse_items(b"ok.py\n/etc/passwd\n../up\na/../b\n.git/config\n\xff\n")
    found = {problem.line: problem.what for problem in raised.value.problems}
    assert set(found) == {2, 3, 4, 5, 6}
    assert "absolute" in found[2]
    assert "'..'" in found[3]
    assert "git" in found[5]
    assert "UTF-8" in found[6]
