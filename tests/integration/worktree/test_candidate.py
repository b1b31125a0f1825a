"""Merging in the object store."""

from pathlib import Path

from tests.integration.worktree.support import AUTHOR, Scene, fingerprint
from worktree.candidate import (
    Candidate,
    Conflict,
    Head,
    Merged,
    build_candidate,
    merge_heads,
    reapply,
    take_out,
    three_way,
)


def test_a_candidate_is_one_commit_of_all_heads_on_the_tip(scene: Scene):
    a = scene.head(scene.base, {"a.py": "a\n", "pkg/one.py": "one = 11\n"}, "a")
    b = scene.head(scene.base, {"b.py": "b\n", "pkg/two.py": None}, "b")
    c = scene.head(scene.base, {"c.py": "c\n"}, "c")
    before = fingerprint(scene.user)
    made = build_candidate(scene.git, scene.base, (Head(a), Head(b), Head(c)), "three\n", AUTHOR)
    assert isinstance(made, Candidate)
    read = scene.git.read_commit(made.commit)
    assert read.parents == (scene.base, a, b, c) and read.tree == made.tree
    assert read.author == AUTHOR and read.message == "three\n"
    files = scene.files_of(made.tree)
    assert {"a.py", "b.py", "c.py"} <= set(files)
    assert files["pkg/one.py"] == "one = 11" and "pkg/two.py" not in files
    assert merge_heads(scene.git, scene.base, (Head(a), Head(b), Head(c))) == Merged(made.tree, 3)
    assert [commit for commit, _ in scene.git.first_parents(made.commit)] == [
        made.commit,
        scene.base,
    ]
    assert fingerprint(scene.user) == before


def test_a_candidate_lands_on_a_tip_that_went_on(scene: Scene):
    a = scene.head(scene.base, {"a.py": "a\n"}, "a")
    tip = scene.head(scene.base, {"pkg/one.py": "one = 11\n"}, "tip")
    made = build_candidate(scene.git, tip, (Head(a),), "a\n", AUTHOR)
    assert isinstance(made, Candidate)
    files = scene.files_of(made.tree)
    assert files["a.py"] == "a" and files["pkg/one.py"] == "one = 11"


def test_the_first_head_that_does_not_merge_is_named_with_its_paths(scene: Scene):
    a = scene.head(scene.base, {"pkg/one.py": "one = 'a'\n"}, "a")
    b = scene.head(scene.base, {"b.py": "b\n"}, "b")
    c = scene.head(scene.base, {"pkg/one.py": "one = 'c'\n", "pkg/two.py": "c\n"}, "c")
    made = build_candidate(scene.git, scene.base, (Head(a), Head(b), Head(c)), "m\n", AUTHOR)
    assert isinstance(made, Conflict)
    assert made.index == 2 and made.paths == ("pkg/one.py",)
    alone = build_candidate(scene.git, a, (Head(c),), "m\n", AUTHOR)
    assert isinstance(alone, Conflict) and alone.index == 0 and alone.onto == a


def test_deleted_here_and_changed_there_is_a_conflict(scene: Scene):
    a = scene.head(scene.base, {"pkg/one.py": None}, "a")
    b = scene.head(scene.base, {"pkg/one.py": "one = 11\n"}, "b")
    made = merge_heads(scene.git, a, (Head(b),))
    assert isinstance(made, Conflict) and made.paths == ("pkg/one.py",)


def test_no_heads_is_the_tips_own_tree(scene: Scene):
    assert merge_heads(scene.git, scene.base, ()) == Merged(scene.git.tree_of(scene.base), 0)


def test_a_change_is_applied_again_on_a_later_tip(scene: Scene):
    head = scene.head(scene.base, {"a.py": "a\n"}, "a")
    tip = scene.head(scene.base, {"pkg/one.py": "one = 11\n"}, "tip")
    tree = reapply(scene.git, tip, scene.base, head)
    assert isinstance(tree, str)
    assert scene.files_of(tree) == {**scene.files_of(tip), "a.py": "a"}
    clash = scene.head(scene.base, {"pkg/one.py": "one = 'x'\n"}, "clash")
    found = reapply(scene.git, tip, scene.base, clash)
    assert isinstance(found, Conflict) and found.paths == ("pkg/one.py",)


def test_a_landed_change_is_taken_out_and_what_came_after_stays(scene: Scene):
    a = scene.head(scene.base, {"a.py": "a\n", "pkg/two.py": "two = 22\n"}, "a")
    first = build_candidate(scene.git, scene.base, (Head(a),), "a\n", AUTHOR)
    assert isinstance(first, Candidate)
    b = scene.head(first.commit, {"b.py": "b\n"}, "b")
    tip = build_candidate(scene.git, first.commit, (Head(b),), "b\n", AUTHOR)
    assert isinstance(tip, Candidate)
    tree = take_out(scene.git, tip.commit, scene.base, a)
    assert isinstance(tree, str)
    assert scene.files_of(tree) == {**scene.files_of(scene.base), "b.py": "b"}
    on_top = scene.head(tip.commit, {"pkg/two.py": "two = 222\n"}, "c")
    found = take_out(scene.git, on_top, scene.base, a)
    assert isinstance(found, Conflict) and found.paths == ("pkg/two.py",)


def test_three_trees_merge_without_a_history(scene: Scene):
    a = scene.git.tree_of(scene.head(scene.base, {"a.py": "a\n"}))
    b = scene.git.tree_of(scene.head(scene.base, {"b.py": "b\n"}))
    tree = three_way(scene.git, scene.git.tree_of(scene.base), a, b)
    assert isinstance(tree, str)
    assert {"a.py", "b.py"} <= set(scene.files_of(tree))


def test_how_paths_merge_is_said_by_the_base_and_not_by_a_head(tmp_path: Path):
    files = {"CHANGES": "top\n", "deep/CHANGES": "top\n", "x.bin": "x\n", "code.py": "c\n"}
    files |= {
        ".gitattributes": "/CHANGES merge=union\nx.bin binary\n",
        "deep/.gitattributes": "CHANGES merge=union\n",
    }
    scene = Scene(tmp_path, files)
    news = {"CHANGES": "top\n{}\n", "deep/CHANGES": "top\n{}\n"}
    a = scene.head(scene.base, {name: text.format("a") for name, text in news.items()}, "a")
    b = scene.head(scene.base, {name: text.format("b") for name, text in news.items()}, "b")
    made = merge_heads(scene.git, a, (Head(b),), attributes=scene.base)
    assert isinstance(made, Merged)
    assert scene.files_of(made.tree)["CHANGES"] == "top\na\nb"
    assert scene.files_of(made.tree)["deep/CHANGES"] == "top\na\nb"
    sly = {".gitattributes": "* merge=union\n"}
    a = scene.head(scene.base, {**sly, "code.py": "a\n"}, "a")
    b = scene.head(scene.base, {**sly, "code.py": "b\n"}, "b")
    found = merge_heads(scene.git, a, (Head(b),), attributes=scene.base)
    assert isinstance(found, Conflict) and found.paths == ("code.py",)
    # The folder that holds the rules is written anew where somebody changed it.
    place = scene.user / ".git/orch/attributes" / scene.base / ".gitattributes"
    place.write_text("* merge=union\n")
    assert isinstance(merge_heads(scene.open(), a, (Head(b),), attributes=scene.base), Conflict)


def test_the_users_dirty_attributes_do_not_matter(scene: Scene):
    scene.write(".gitattributes", "* merge=union\n")
    a = scene.head(scene.base, {"pkg/one.py": "a\n"}, "a")
    b = scene.head(scene.base, {"pkg/one.py": "b\n"}, "b")
    assert isinstance(merge_heads(scene.git, a, (Head(b),)), Conflict)
