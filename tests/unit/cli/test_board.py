"""The live view: what it shows, and that it stays bounded and quick."""

import io
import time

from rich.console import Console

from ledger import events as e
from orchestrator.cli.live import LiveView
from orchestrator.review.board import board, lay_out
from tests.support.builders import Story


def test_the_dag_is_drawn_with_each_task_below_what_it_needs() -> None:
    needs = {"a": [], "z": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    story = Story.of(needs).baseline().starts("a")
    layout = lay_out(story.state)
    shown = board(story.state, layout, {"a": "compiling"}, 9.0, 20)
    assert [(row.task, row.depth) for row in shown.rows] == [
        ("a", 0),
        ("b", 1),
        ("c", 1),
        ("d", 2),
        ("z", 0),
    ]
    assert shown.rows[0].tries == "1.1" and shown.rows[0].said == "compiling"
    assert shown.rows[3].said == "needs b, c" and shown.hidden == 0


def test_the_queue_says_what_is_judged_and_how_long_that_may_take() -> None:
    story = Story.of(3).baseline().queues("t1", "t2")
    number = story.builds(2)
    story.tell(e.JudgingStarted(candidate=number))
    shown = board(
        story.state, lay_out(story.state), {f"candidate-{number}": "test 5 of 9"}, 60.0, 9
    )
    assert "judging t1, t2" in shown.queue and "test 5 of 9" in shown.queue
    assert ("2 queued", "queued") in shown.totals and ("of 3", None) in shown.totals


def test_a_plan_of_ten_thousand_is_shown_bounded_and_quickly() -> None:
    story = Story.of(10_000, parallel=8).baseline().lands_at_once("t1", "t2")
    story.starts("t3", "t4")
    layout = lay_out(story.state)
    began = time.perf_counter()
    shown = board(story.state, layout, {}, 60.0, 12)
    took = time.perf_counter() - began
    names = [row.task for row in shown.rows]
    assert len(names) == 12 and {"t2", "t3", "t4"} <= set(names)
    assert shown.hidden == 9_988 and took < 0.05


def test_a_long_chain_is_laid_out_without_recursion() -> None:
    chain = {"t0": [], **{f"t{n}": [f"t{n - 1}"] for n in range(1, 3000)}}
    layout = lay_out(Story.of(chain).state)
    assert layout.place["t2999"] == 2999 and layout.depth["t2999"] == 2999


def test_the_view_on_a_terminal_shows_tasks_and_lets_landings_scroll_past() -> None:
    story = Story.of({"core": [], "next": ["core"]}).baseline()
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, height=24, highlight=False)
    with LiveView(story.state, console) as view:
        story.starts("core")
        view.on_facts(story.state, story.facts[-1:])
        view.on_line("core/1/1", "evil [bold]markup[/bold] \x1b[2J")
        view.draw(at_once=True)
        told = len(story.facts)
        story.ends("core")
        number = story.builds(1)
        story.judges(number).lands(number)
        view.on_facts(story.state, story.facts[told:])
        view.draw(at_once=True)
    text = screen.getvalue()
    assert "core" in text and "needs core" in text and "result landed core (1 of 2)" in text
    assert "[bold]markup[/bold]" in text and "\x1b[2J" not in text
