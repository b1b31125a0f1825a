"""The report, and a task told in full."""

import re

from markdown_it import MarkdownIt

from ledger import events as e
from ledger.model import Refusal, Verdict
from orchestrator.review.markdown import code, escaped
from orchestrator.review.report import render_report
from orchestrator.review.show import render_run, render_task
from tests.support.builders import Story

EVIL = "</details><script>x</script> [click](http://evil) `code` **bold** # head\x1b[2J @team"


def told() -> Story:
    """One landed, one given up after a red check, one held, one skipped."""
    story = Story.of({"good": [], "bad": [], "after": ["bad"], "asks": []}, attempts=1).baseline()
    story.lands_at_once("good")
    story.starts("bad").tell(
        e.RoundFinished(
            task="bad",
            attempt=1,
            round=1,
            commit="c" * 40,
            paths=("src/x.py",),
            paths_count=1,
            outside=("other.py",),
            refusals=(Refusal(path="link", why="it leads out of the tree"),),
            log="l" * 64,
        ),
        e.RoundGateJudged(
            task="bad",
            attempt=1,
            round=1,
            verdict=Verdict(
                gate="lint",
                tree="t",
                key="k",
                outcome="failed",
                why="2 errors",
                lines=("src/x.py:1: E1 wrong", EVIL),
                duration_s=2.0,
                log="g" * 64,
            ),
        ),
    )
    story.ends("bad", "failed", cause="check", why="gate 'lint' failed: 2 errors", head="d" * 40)
    story.tell(e.TaskGivenUp(task="bad", why=EVIL))
    story.starts("asks").ends("asks", "held", held_paths=("conftest.py",), why="protected")
    return story.tell(
        e.FlakeSeen(gate="unit", tree="t"),
        e.Noticed(what=EVIL, hint="look"),
        e.RunFinished(outcome="person-needed", exit_code=5, why="waiting for a person: asks"),
    )


def test_the_report_tells_what_landed_what_failed_what_waits_and_what_to_type() -> None:
    text = render_report(told().state, alive=False, now=100.0)
    order = ["Read this first", "Waiting for you", "Failed", "Not tried", "Landed", "Time"]
    places = [text.index(f"## {title}") for title in order]
    assert places == sorted(places)
    assert "`conftest.py`" in text and "flaky" in text and "needs bad" in text
    assert "attempt 1, 1 round" in text and "its last head is kept: `dddddddddd`" in text
    assert "orch allow asks conftest.py" in text and "| gate `lint` | 1 | 2.0 s |" in text


def test_an_agents_words_can_do_nothing_in_the_report() -> None:
    text = render_report(told().state, alive=False, now=100.0)
    assert "\x1b" not in text
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<script" not in page and "<a " not in page and "<strong>" not in page
    assert page.count("<h1>") == 1 and "@team" not in re.sub("<code>.*?</code>", "", page)
    assert escaped("a_b*c|d") == "a\\_b\\*c\\|d"
    assert "https://" not in (said := escaped("https://evil.example www.evil.example"))
    assert "www." not in said


def test_a_code_span_holds_any_backticks() -> None:
    assert code("a`b") == "``a`b``"
    assert code("`a`") == "`` `a` ``"
    assert code("") == ""


def test_a_task_is_told_with_each_attempt_round_and_verdict() -> None:
    read: list[str] = []

    def read_log(blob: str) -> str:
        read.append(blob[0])
        return "first\x1b[31m line\nsecond"

    text = "\n".join(render_task(told().state, "bad", 100.0, read_log=read_log))
    assert "round 1  1 file changed" in text and "outside its paths: other.py" in text
    assert "refused: link: it leads out of the tree" in text
    assert "gate 'lint' failed in 2.0 s: 2 errors" in text and "src/x.py:1: E1 wrong" in text
    assert "> first line" in text and "> second" in text and read == ["l", "g"]
    assert "needed by  after" in text and "\x1b" not in text


def test_a_run_is_told_with_its_gates_baseline_landings_and_tasks() -> None:
    text = "\n".join(render_run(told().state, 100.0))
    assert "unit (land)" in text and "baseline green" in text and "  good" in text
    assert "skipped   after" in text and "needs bad" in text
