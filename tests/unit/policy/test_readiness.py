"""Who may start: the longest path first, never two on the same paths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.readiness import startable
from tests.support.builders import FREE, Story, guide_for


def test_the_longest_remaining_path_starts_first():
    chain = {"lone": [], "a": [], "b": ["a"], "c": ["b"], "pair": [], "d": ["pair"]}
    story = Story.of(chain)
    assert startable(story.state, FREE, 9) == ("a", "pair", "lone")
    assert startable(story.state, FREE, 1) == ("a",)
    assert startable(story.state, FREE, 0) == ()


def test_equal_paths_start_in_the_order_of_the_plan():
    story = Story.of({"z": [], "m": [], "a": []})
    assert startable(story.state, FREE, 9) == ("z", "m", "a")


def test_two_tasks_on_the_same_paths_never_start_side_by_side():
    paths = {"a": ["src/**"], "b": ["src/core/*.py"], "c": ["docs/**"]}
    story = Story.of({"a": [], "b": [], "c": []}, paths=paths)
    guide = guide_for(story.state.started)
    assert startable(story.state, guide, 9) == ("a", "c")
    story.starts("a")
    assert startable(story.state, guide, 9) == ("c",)


def test_a_queued_head_fences_until_it_has_landed():
    paths = {"a": ["src/**"], "b": ["src/core/*.py"]}
    story = Story.of({"a": [], "b": []}, paths=paths).baseline().queues("a")
    guide = guide_for(story.state.started)
    assert startable(story.state, guide, 9) == ()
    candidate = story.builds(1)
    story.judges(candidate).lands(candidate)
    assert startable(story.state, guide, 9) == ("b",)


def test_a_task_without_paths_is_fenced_from_nobody():
    story = Story.of({"a": [], "b": [], "c": []}, paths={"a": ["src/**"]})
    guide = guide_for(story.state.started)
    assert startable(story.state, guide, 9) == ("a", "b", "c")


def test_the_fence_may_name_the_task_itself():
    paths = {"a": ["src/**"], "b": ["src/**"]}
    story = Story.of({"a": [], "b": []}, paths=paths)
    everybody = type(FREE)(neighbours=lambda task: frozenset(("a", "b")))
    assert startable(story.state, everybody, 9) == ("a",)


PATTERNS = st.sampled_from(("src/**", "src/a/**", "src/a/x.py", "src/b/**", "docs/*.md"))


@given(
    paths=st.lists(st.lists(PATTERNS, max_size=2), min_size=1, max_size=8),
    busy=st.sets(st.integers(1, 8), max_size=4),
    slots=st.integers(0, 5),
)
def test_who_starts_is_what_asking_one_after_the_other_would_say(paths, busy, slots):
    declared = {f"t{number}": own for number, own in enumerate(paths, start=1)}
    story = Story.of(dict.fromkeys(declared, ()), paths=declared)
    story.starts(*(t for t in (f"t{number}" for number in sorted(busy)) if t in declared))
    for place, task in enumerate(story.state.with_status("working")):
        if place % 2:
            story.ends(task)
    guide = guide_for(story.state.started)
    under_way = {*story.state.with_status("working"), *story.state.with_status("queued")}
    wanted: list[str] = []
    for _, _, task in story.state.ready:
        free = not declared[task] or not guide.neighbours(task) & under_way
        if free and len(wanted) < slots:
            wanted.append(task)
            under_way.add(task)
    assert startable(story.state, guide, slots) == tuple(wanted)


def test_a_worker_is_not_idle_while_what_another_made_is_checked():
    from orchestrator.policy.readiness import under_way_at_most

    story = Story.of(4, parallel=4)
    under_way = [under_way_at_most(story.state, resting) for resting in range(5)]
    assert under_way == [4, 5, 6, 7, 7]
    alone = Story.of(4, parallel=1)
    assert under_way_at_most(alone.state, 1) == 1
    alone.starts("t1").ends("t1", duration_s=0.6)
    assert under_way_at_most(alone.state, 1) == 1, "one by one means that"


def test_brisk_attempts_may_be_a_few_more_than_may_work():
    from orchestrator.policy.readiness import under_way_at_most

    story = Story.of(4, parallel=4)
    assert under_way_at_most(story.state) == 4, "nothing is known yet"
    story.starts("t1").ends("t1", duration_s=0.6)
    assert under_way_at_most(story.state) == 6
    story.starts("t2").ends("t2", duration_s=600.0)
    assert under_way_at_most(story.state) == 4
