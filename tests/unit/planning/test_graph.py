"""A plan as a graph: what runs beside what, and what it cannot be quicker than."""

import time

import pytest

from ledger.model import Task
from orchestrator.planning.graph import in_order, levels, longest_path, render_graph, render_mermaid


def task(name, *needs, paths=(), title=""):
    return Task(id=name, prompt="p", needs=needs, paths=paths or (f"{name}/**",), title=title)


DIAMOND = (task("d", "b", "c"), task("a"), task("b", "a"), task("c", "a"), task("free"))


def test_levels_follow_needs_and_the_plans_order():
    assert levels(DIAMOND) == (("a", "free"), ("b", "c"), ("d",))
    order = in_order(DIAMOND)
    assert all(order.index(need) < order.index(one.id) for one in DIAMOND for need in one.needs)


def test_the_longest_path_counts_durations():
    assert longest_path(DIAMOND).tasks == ("a", "b", "d")
    path = longest_path(DIAMOND, {"a": 10, "b": 1, "c": 5, "d": 2, "free": 3})
    assert path.tasks == ("a", "c", "d")
    assert path.duration_s == 17
    assert longest_path(DIAMOND, {"free": 100}).tasks == ("free",)
    assert longest_path(()).tasks == ()


def test_a_cycle_has_no_graph():
    with pytest.raises(ValueError, match="need each other: a, b"):
        levels((task("a", "b"), task("b", "a")))


def test_reading_says_what_runs_side_by_side_and_what_does_not():
    shown = render_graph((*DIAMOND, task("twin", "a", paths=("b/x",), title="Twin of b")))
    assert shown.splitlines() == [
        "step 1: 2 side by side",
        "  a",
        "  free",
        "step 2: 3 side by side",
        "  b       needs a",
        "  c       needs a",
        "  twin  Twin of b  needs a",
        "  but not at once: b, twin",
        "step 3: one task",
        "  d       needs b, c",
        "longest path: a -> b -> d",
    ]


def test_mermaid_takes_any_title():
    text = render_mermaid((task("a", title='say "hi" <b> #1\n; x'), task("b", "a")))
    assert text == (
        "flowchart LR\n"
        '    t0["a: say #quot;hi#quot; #lt;b#gt; #35;1 ; x"]\n'
        '    t1["b"]\n'
        "    t0 --> t1\n"
    )


def test_thousands_of_tasks_in_a_row_are_no_trouble():
    row = [task(f"t{n}", *([f"t{n - 1}"] if n else [])) for n in range(3_000)]
    start = time.process_time()
    assert len(levels(row)) == 3_000
    assert longest_path(row).duration_s == 3_000
    assert len(render_graph(row).splitlines()) < 210
    assert time.process_time() - start < 5
