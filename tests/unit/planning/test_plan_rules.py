"""A plan that a person wrote is told everything that is wrong with it, and only that."""

import time
from dataclasses import replace

import pytest

from ledger.model import Plan, Task
from orchestrator.policy.plan_paths import held_files
from orchestrator.policy.plan_rules import RepositoryFacts, check_plan

FACTS = RepositoryFacts(
    files=frozenset(["src/core/a.py", "src/core/b.py", "src/cli/main.py", "docs/x[1].md", "a.py"]),
    workers=("codemod", "fixer"),
    default_worker="codemod",
    gates=("lint", "unit", "slow-e2e"),
)


def task(name, *needs, paths=("src/core/a.py",), prompt="Do it.", **more):
    return Task.model_construct(
        id=name, prompt=prompt, needs=tuple(needs), paths=tuple(paths), **more
    )


def plan(*tasks, goal="Goal", base=None):
    return Plan.model_construct(goal=goal, base=base, tasks=tuple(tasks))


def errors(checked, facts=FACTS):
    found = check_plan(checked, facts)
    return {one.where: f"{one.what} / {one.hint}" for one in found if one.level == "error"}


def warnings(checked, facts=FACTS):
    found = check_plan(checked, facts)
    return {one.where: f"{one.what} / {one.hint}" for one in found if one.level == "warning"}


def test_a_sound_plan_has_nothing_to_say():
    sound = plan(task("a"), task("b", "a", paths=["src/cli/**"], worker="fixer", gates=("unit",)))
    assert check_plan(sound, FACTS) == ()


def test_every_error_is_found_in_one_go():
    found = errors(
        plan(
            task("Bad Id", prompt="  "),
            task("a", "a2", "b"),
            task("a", worker="codmod"),
            task("b", "a", gates=("unti",), paths=["../x", "/ok"], may_change=(".git/config",)),
            goal=" ",
            base="mian",
        ),
        RepositoryFacts(base_exists=False, workers=("codemod",), gates=("unit",)),
    )
    assert "goal is empty" in found["goal",]
    assert "no revision 'mian'" in found["base",]
    assert 'id = "bad-id"' in found["task", 0, "id"]
    assert "prompt of 'Bad Id' is empty" in found["task", 0, "prompt"]
    assert "nobody does Bad Id, a, b" in found["task", 0]
    assert "needs 'a2', which is no task" in found["task", 1, "needs", 0]
    assert "the first is task 2" in found["task", 2, "id"]
    assert "did you mean 'codemod'" in found["task", 2, "worker"]
    assert "did you mean 'unit'" in found["task", 3, "gates", 0]
    assert "'..' is not a name" in found["task", 3, "paths", 0]
    assert "'.git' belongs to git" in found["task", 3, "may_change", 0]


def test_an_unknown_need_is_answered_with_the_nearest_task():
    found = errors(plan(task("types-core"), task("b", "type-core")))
    assert "did you mean 'types-core'?" in found["task", 1, "needs", 0]


def test_a_cycle_is_named_as_a_person_follows_it():
    found = errors(plan(task("a", "c"), task("b", "a"), task("c", "b"), task("d", "a")))
    assert list(found) == [("task", 0, "needs", 0)]
    assert "a -> c -> b -> a" in found["task", 0, "needs", 0]


def test_a_task_that_needs_itself_and_another_cycle_are_both_told():
    found = errors(plan(task("x", "y", "x"), task("p", "q"), task("q", "p"), task("y")))
    assert "x -> x" in found["task", 0, "needs", 1]
    assert "p -> q -> p" in found["task", 1, "needs", 0]
    assert len(found) == 2


def test_a_cycle_of_thousands_is_told_in_one_short_line():
    ring = [task(f"t{n}", f"t{(n + 1) % 5000}") for n in range(5000)]
    (said,) = errors(plan(*ring)).values()
    assert "more ..." in said
    assert len(said) < 300


def test_without_a_commit_the_way_on_is_named():
    facts = RepositoryFacts(base_exists=False, workers=("w",), default_worker="w", gates=("g",))
    assert "make a first commit" in errors(plan(task("a")), facts)["base",]


def test_paths_that_cover_nothing_are_only_a_warning_and_guess_the_slip():
    found = warnings(
        plan(
            task("new", paths=["src/new/**"]),
            task("slip", paths=["*.md", "src/*", "src/cli/nothing/**"]),
            task("brackets", paths=["docs/x[1].md"]),
        )
    )
    assert "covers no file yet: right where 'new' shall make it" in found["task", 0, "paths", 0]
    assert "did you mean '**/*.md'" in found["task", 1, "paths", 0]
    assert "did you mean 'src/**'" in found["task", 1, "paths", 1]
    assert ("task", 1, "paths", 2) in found
    assert "docs/x\\\\[1\\\\].md" in found["task", 2, "paths", 0]


def test_a_file_that_is_yet_to_be_made_is_nothing_to_warn_of():
    new = task("new", paths=["src/core/new.py", "new.py", "/NEWS", "docs/Makefile"])
    assert warnings(plan(new)) == {}


def test_a_new_file_in_a_folder_that_is_not_there_is_told_once_for_the_folder():
    found = warnings(
        plan(
            task("slip", paths=["scr/core/a.py", "scr/core/b.py"]),
            task("more", paths=["scr/core/c.py", "fresh/x/a.py"]),
        )
    )
    assert list(found) == [("task", 0, "paths", 0), ("task", 1, "paths", 1)]
    assert found["task", 0, "paths", 0].endswith("no folder 'scr'; did you mean 'src'?")
    assert found["task", 1, "paths", 1].endswith("there is no folder 'fresh' yet")
    slash = warnings(plan(task("a", paths=["fresh/"])))
    assert "covers no file yet" in slash["task", 0, "paths", 0]


def test_a_folder_with_a_sibling_of_similar_name_is_not_taken_for_it():
    facts = RepositoryFacts(
        files=frozenset(["src/core-x/a", "src/core.py", "src/core/a"]),
        workers=("w",),
        default_worker="w",
        gates=("g",),
    )
    assert warnings(plan(task("a", paths=["src/core"])), facts) == {}
    assert len(warnings(plan(task("a", paths=["src/cor"])), facts)) == 1


def test_overlapping_tasks_are_grouped_not_listed_in_pairs():
    same = plan(*[task(f"t{n}", paths=["src/core/**"]) for n in range(30)])
    (said,) = warnings(same).values()
    assert said.startswith("one after the other, never side by side, run t0, t1")
    assert "22 more" in said
    assert "'src/core/**'" in said


def test_one_broad_task_does_not_claim_that_the_narrow_ones_wait_for_each_other():
    broad = plan(
        task("core", paths=["src/core/a.py"]),
        task("cli", paths=["src/cli/**"]),
        task("all", paths=["src/**"]),
    )
    (said,) = warnings(broad).values()
    assert said.startswith("all cannot run beside any of core, cli")


def test_tasks_that_only_touch_in_a_chain_are_not_said_to_be_all_apart():
    chain = plan(
        task("a", paths=["src/core/a.py"]),
        task("b", paths=["src/core/a.py", "src/core/b.py"]),
        task("c", paths=["src/core/b.py", "src/cli/main.py"]),
        task("d", paths=["src/cli/main.py"]),
    )
    (said,) = warnings(chain).values()
    assert said.startswith("some of these cannot run side by side: a, b, c, d")


def test_tasks_that_needs_put_in_order_anyway_are_not_warned_of():
    ordered = plan(task("a"), task("mid", "a", paths=["a.py"]), task("b", "mid"))
    assert warnings(ordered) == {}


def test_tasks_without_paths_are_told_once():
    found = warnings(plan(task("a", paths=[]), task("b"), task("c", paths=[])))
    assert "may collide with others: a, c" in found["task", 0]
    assert len(found) == 1


def test_a_plan_that_nothing_judges_is_said_loudly():
    facts = RepositoryFacts(files=FACTS.files, workers=("w",), default_worker="w")
    assert "no gate judges" in warnings(plan(task("a")), facts)[()]


def quick(checked, facts=FACTS, within_s=4.0):
    start = time.process_time()
    found = check_plan(checked, facts)
    assert time.process_time() - start < within_s
    return found


@pytest.mark.thorough
def test_ten_thousand_tasks_are_checked_in_seconds_whatever_their_shape():
    many = range(10_000)
    files = frozenset(f"src/p{n % 100}/m{n}.py" for n in range(50_000))
    facts = RepositoryFacts(files, workers=("w",), default_worker="w", gates=("g",))
    own = plan(*[task(f"t{n}", *([f"t{n - 1}"] if n else []), paths=[f"src/p{n % 100}/m{n}.py"])
                 for n in many])  # fmt: skip
    assert quick(own, facts) == ()
    same = plan(*[task(f"t{n}", paths=["src/**"]) for n in many])
    assert len(quick(same, facts)) == 1
    wild = plan(*[task(f"t{n}", paths=[f"**/x{n}*.py"]) for n in many])
    quick(wild, facts)
    star = plan(task("all", paths=["src/**"]), *[task(f"t{n}", paths=[f"src/{n}/*"]) for n in many])
    quick(star, facts)
    unknown = plan(*[task(f"t{n}", f"u{n}", paths=[]) for n in many])
    assert len(quick(unknown, facts)) == 10_001


# --- what is protected --------------------------------------------------------------------------

HELD = RepositoryFacts(
    files=FACTS.files
    | {"src/conftest.py", "src/core/conftest.py", "src/x[1]/mypy.ini", "Makefile"},
    workers=FACTS.workers,
    default_worker=FACTS.default_worker,
    gates=FACTS.gates,
    protected=frozenset(
        ["src/conftest.py", "src/core/conftest.py", "src/x[1]/mypy.ini", "Makefile", ".ci/run"]
    ),
)


def test_a_task_whose_paths_hold_protected_files_is_told_once_with_what_to_write():
    found = warnings(plan(task("a", paths=["src/**", "src/core/*.py"])), HELD)
    assert found == {
        ("task", 0, "paths"): "'a' would be held if it changed what is protected: src/conftest.py,"
        " src/core/conftest.py, src/x[1]/mypy.ini / where it shall: may_change ="
        ' ["src/conftest.py", "src/core/conftest.py", "src/x\\\\[1\\\\]/mypy.ini"];'
        " else narrower paths"
    }
    (text,) = warnings(plan(task("a", paths=["**"])), HELD).values()
    assert ".ci/run, Makefile, src/conftest.py and 2 more / " in text and '.py", ...]' in text


def test_what_a_task_may_change_or_does_not_cover_is_not_told():
    quiet = plan(
        task("a", paths=["src/cli/**"]),
        task("b", paths=["src/core/**"], may_change=("**/conftest.py",)),
        task("c", paths=["Makefile"], may_change=("Makefile",)),
        task("d", paths=["docs/**"]),
    )
    assert warnings(quiet, HELD) == {}
    (text,) = warnings(
        plan(task("e", paths=["src/**"], may_change=("src/core/**",))), HELD
    ).values()
    assert "src/core" not in text and "src/conftest.py" in text


def test_files_that_guide_agents_are_told_of_only_where_they_are_named():
    files = frozenset({*FACTS.files, "AGENTS.md", "src/AGENTS.md", ".claude/skills/a/SKILL.md"})
    guides = frozenset(files - FACTS.files)
    facts = replace(FACTS, files=files, protected=guides)
    assert warnings(plan(task("a", paths=["**"])), facts) == {}
    (text,) = warnings(plan(task("a", paths=["src/**", "src/AGENTS.md"])), facts).values()
    assert "protected: src/AGENTS.md / " in text


def test_a_protected_file_that_is_yet_to_be_made_is_not_told():
    facts = RepositoryFacts(files=FACTS.files, default_worker="codemod", gates=("unit",))
    found = warnings(plan(task("a", paths=["src/core/conftest.py"])), facts)
    assert not any("protected" in text for text in found.values())


def test_ten_thousand_tasks_are_held_against_protected_files_soon():
    files = frozenset(f"src/p{n}/conftest.py" for n in range(500))
    tasks = [task(f"t{n}", paths=[f"src/p{n}/**", f"docs/{n}"]) for n in range(10_000)]
    began = time.process_time()
    assert len(held_files(tasks, files)) == 500
    assert time.process_time() - began < 20, "comparing all pairs would take a minute"
    same = [task(f"t{n}", paths=["src/**"]) for n in range(10_000)]
    assert len(held_files(same, files)) == 10_000


@pytest.mark.thorough
def test_looks_for_protected_files_are_bounded():
    files = frozenset(f"src/p{n}/conftest.py" for n in range(500))
    wide = [task(f"t{n}", paths=["src/**", f"docs/{n}"]) for n in range(10_000)]
    began = time.process_time()
    assert 0 < len(held_files(wide, files)) < 10_000, "looks are bounded"
    assert time.process_time() - began < 20
