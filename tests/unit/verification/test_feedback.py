"""What a worker is told, and the ledger as JSON, from one run told fact by fact."""

import json
import re

import pytest

from ledger import events as e
from ledger.export import state_ledger, task_ledger
from ledger.model import Refusal, Verdict
from orchestrator.feedback import (
    TEXT_LIMIT,
    WHOLE_LIMIT,
    landed_since,
    render_digest,
    render_feedback,
)
from tests.support.builders import Story


def red(gate="unit", why="FAILED t.py::a - x", lines=("E   x", "FAILED t.py::a - x"), **more):
    return Verdict(
        **{
            "gate": gate,
            "tree": "tree",
            "key": "key",
            "outcome": "failed",
            "exit_code": 1,
            "why": why,
            "lines": lines,
            "signature": why,
            **more,
        }
    )


def works(story, task, *, paths=("src/a.py",), verdicts=(), **more):
    """The attempt under way ends a round."""
    attempt = story.state.tasks[task].last
    where = {"task": task, "attempt": attempt.number, "round": len(attempt.rounds) + 1}
    story.tell(
        e.RoundFinished.model_validate({"paths": paths, "paths_count": len(paths), **where, **more})
    )
    for verdict in verdicts:
        story.tell(e.RoundGateJudged(verdict=verdict, **where))
    return story


def sent_back(story, task, verdict):
    """The only queued head is red on the tip, and goes back."""
    number = story.builds(1, tree="red-tree")
    story.tell(
        e.JudgingStarted(candidate=number),
        e.CandidateGateJudged(candidate=number, verdict=verdict),
        e.CandidateJudged(candidate=number, outcome="failed", gate=verdict.gate),
        e.HeadSentBack(
            task=task,
            attempt=len(story.state.tasks[task].attempts),
            cause="red",
            candidate=number,
            why=f"gate '{verdict.gate}' failed with what has landed: {verdict.why}",
        ),
    )
    return story


def test_the_first_round_of_the_first_attempt_is_told_nothing():
    story = Story.of(1).baseline().starts("t1")
    assert render_feedback(story.state, "t1") is None


def test_a_round_is_told_what_is_wrong_with_it_now():
    story = works(Story.of(1).baseline().starts("t1"), "t1", verdicts=(red(),))
    text = render_feedback(
        story.state,
        "t1",
        verdicts=(red(), red("types", "m.py:1: error: no", ("m.py:1: error: no",))),
        outside=("README.md",),
        refusals=(Refusal(path="a\nb", why="a control character in its name"),),
    )
    assert text is not None
    assert "Gate `unit` failed (exit code 1): FAILED t.py::a - x" in text
    assert "```text\nE   x\nFAILED t.py::a - x\n```" in text
    assert "Gate `types` failed" in text
    assert "- `README.md`" in text
    assert "- `a b`: a control character in its name" in text
    assert "tried before" not in text  # this round is told in full, once


def test_a_new_attempt_is_told_why_the_one_before_came_back_and_what_landed():
    story = Story.of(2).baseline()
    works(story.starts("t1"), "t1", verdicts=(red(outcome="passed"),)).ends("t1")
    works(story.starts("t2"), "t2", paths=("src/b.py", "src/c.py")).ends("t2")
    story.state.queue.reverse()
    number = story.builds(1, "with-t2")
    story.judges(number).lands(number)
    sent_back(story, "t1", red("suite", "FAILED t.py::both - 1 != 2"))
    story.starts("t1")
    landed = landed_since(story.state, "t1")
    assert [(change.task, change.paths) for change in landed] == [("t2", ("src/b.py", "src/c.py"))]
    text = render_feedback(story.state, "t1", landed=landed, reapplied="clean")
    assert text is not None
    assert "Why attempt 1 did not succeed" in text
    assert "passed its own checks, but not together with what has landed" in text
    assert "Gate `suite` failed (exit code 1): FAILED t.py::both - 1 != 2" in text
    assert "`t2` landed: t2 (`src/b.py`, `src/c.py`)" in text
    assert "the files already hold it" in text


def test_a_conflict_is_told_with_its_paths_and_the_own_change_as_a_patch():
    story = works(Story.of(1).baseline().starts("t1"), "t1").ends("t1")
    story.tell(
        e.HeadSentBack(
            task="t1", attempt=1, cause="conflict", why="no", paths=("src/a.py",), charged=False
        )
    )
    story.starts("t1")
    patch = "diff --git a/x b/x\n+```\n+\x1b[31mred\n"
    text = render_feedback(story.state, "t1", reapplied="conflict", patch=patch)
    assert text is not None
    assert "does not merge with what landed meanwhile. In conflict:\n- `src/a.py`" in text
    assert "````diff\ndiff --git a/x b/x\n+```\n+red\n````" in text
    elsewhere = render_feedback(story.state, "t1", reapplied="nothing", patch=patch)
    assert elsewhere is not None and "diff --git" not in elsewhere


def test_what_was_tried_is_told_once_and_the_same_failure_asks_for_another_way():
    story = Story.of(1, attempts=9).baseline()
    for _ in range(3):
        works(story.starts("t1"), "t1", verdicts=(red(),))
        works(story, "t1", paths=("src/z.py",), verdicts=(red(why="other"),))
        story.ends("t1", "failed", cause="check", why="gate 'unit' failed: other")
    story.starts("t1")
    text = render_feedback(story.state, "t1", note="Look at `src/z.py` first.")
    assert text is not None
    assert text.count("FAILED t.py::a - x.") == 1
    assert "It came to the same 3 times: try another way." in text
    assert "attempt 3, round 1" in text
    assert "A note from the person in charge\n\nLook at `src/z.py` first." in text


def test_the_digest_tells_a_failure_once_the_newest_first_with_its_tests_and_lines():
    story = Story.of(1, attempts=9).baseline()
    common = "E   assert 1 == 2"
    for number in range(1, 4):
        first = red(
            lines=(common, f"at {number}"), failed_tests=("t.py::a", "t.py::b"), signature="same"
        )
        other = red("types", f"error {number}", (common, f"only {number}"), exit_code=2)
        works(story.starts("t1"), "t1", paths=(f"src/{number}.py",), verdicts=(first,))
        works(story, "t1", verdicts=(other,)).ends("t1", "failed", cause="check")
    text = render_digest(story.state, story.state.tasks["t1"].attempts)
    assert text.index("error 3") < text.index("error 2") < text.index("error 1")
    assert text.count(common) == text.count("t.py::a`") == 1
    assert "gate types (exit code 2): error 3" in text
    assert "It came to the same 3 times" in text
    changed = [text.index(f"round 1: changed `src/{n}.py`") for n in (3, 2, 1)]
    assert changed == sorted(changed)
    for newer, older in (("only 3", "only 2"), ("only 2", "only 1")):
        assert text.index(newer) < text.index(older)


@pytest.mark.parametrize("budget_tokens", [0, 10, 40, 80, 150, 400, 1500])
def test_the_digest_never_has_more_tokens_than_it_may(budget_tokens):
    story = Story.of(1, attempts=50).baseline()
    for number in range(40):
        verdict = red(why=f"ways {number} ü" * 9, lines=tuple(f"{number} line {n}" for n in "abc"))
        works(story.starts("t1"), "t1", verdicts=(verdict,)).ends("t1", "failed", cause="check")
    attempts = story.state.tasks["t1"].attempts
    text = render_digest(story.state, attempts, budget_tokens=budget_tokens)
    assert len(text.encode()) <= 4 * budget_tokens
    assert text.count("```") % 2 == 0
    if budget_tokens >= 150:
        assert "ways 39" in text and "ways 0 " not in text
        assert re.search(r"and \d+ earlier ways of failing, left out here", text)


def test_a_worker_that_failed_is_shown_its_last_words_as_data():
    story = Story.of(1).baseline().starts("t1")
    works(story, "t1", paths=(), worker_outcome="failed", exit_code=3, why="exit 3", log="blob")
    story.ends("t1", "failed", cause="worker", why="exit 3").starts("t1")
    log = "first\n\x1b]0;title\x07last ``` words\n\n"
    text = render_feedback(story.state, "t1", read_log=lambda blob: log if blob == "blob" else "")
    assert text is not None
    assert "The work ended with an error (exit code 3): exit 3" in text
    assert "````text\nfirst\nlast ``` words\n````" in text


@pytest.mark.parametrize("patch_size", [0, 10_000, 200_000])
def test_feedback_is_bounded_however_much_failed(patch_size):
    story = Story.of(1, attempts=50).baseline()
    huge = tuple(f"m.py:{n}: error: {'x' * 280}" for n in range(40))
    paths = tuple(f"src/{'p' * 190}/{n}.py" for n in range(200))
    for _ in range(12):
        verdicts = tuple(red(f"g{n}", "w" * 300, huge) for n in range(9))
        works(story.starts("t1"), "t1", paths=paths, verdicts=verdicts, outside=paths)
        story.ends("t1", "failed", cause="check", why="w" * 300)
    story.starts("t1")
    one = "diff --git a/x b/x\n" + "+line\n" * 500
    patch = one * (patch_size // len(one)) or None
    text = render_feedback(story.state, "t1", reapplied="conflict", patch=patch, note="n" * 50_000)
    assert text is not None
    assert len(text) <= (WHOLE_LIMIT if patch else TEXT_LIMIT + 50)
    assert text.count("```") % 2 == 0
    if patch_size > 100_000:
        assert "It is too long to be shown whole" in text


# --- the ledger as JSON -------------------------------------------------------------------------


def test_a_tasks_ledger_has_the_agreed_shape_and_tells_its_story():
    story = Story.of(1, attempts=4).baseline().starts("t1")
    works(story, "t1", verdicts=(red(lines=tuple("abc")),), outside=("README.md",))
    works(story, "t1", verdicts=(red(outcome="passed"),)).ends("t1")
    sent_back(story, "t1", red("suite"))
    story.starts("t1")
    ledger = task_ledger(story.state, "t1")
    assert list(ledger) == [
        "session_id",
        "target_goal",
        "max_allowed_attempts",
        "current_attempt",
        "execution_log",
    ]
    assert ledger["session_id"] == story.state.run
    assert (ledger["max_allowed_attempts"], ledger["current_attempt"]) == (4, 2)
    log = ledger["execution_log"]
    assert all(
        list(entry) == ["attempt", "action", "gate_status", "error_payload"] for entry in log
    )
    assert [entry["gate_status"] for entry in log] == ["failed", "passed", "failed"]
    assert log[0]["action"] == "round 1: changed src/a.py"
    assert log[0]["error_payload"]["gates"][0]["lines"] == ["a", "b", "c"]
    assert log[0]["error_payload"]["outside_paths"] == ["README.md"]
    assert log[1]["error_payload"] is None
    assert log[2]["action"] == "sent back"
    assert log[2]["error_payload"]["gates"][0]["gate"] == "suite"


def test_the_whole_ledger_names_every_task_in_the_plans_order():
    story = Story.of({"b": (), "a": ("b",), "c": ()}).baseline().lands_at_once("b")
    story.starts("c").ends("c", "held", held_paths=("conftest.py",), why="it is protected")
    ledger = state_ledger(story.state, ())
    assert list(ledger) == ["session_id", "target_goal", "warnings", "tasks"]
    assert list(ledger["tasks"]) == ["b", "a", "c"]
    assert ledger["tasks"]["b"]["execution_log"][-1]["action"] == "landed"
    assert ledger["tasks"]["a"]["execution_log"] == []
    assert ledger["tasks"]["c"]["execution_log"][-1]["error_payload"]["paths"] == ["conftest.py"]
    assert json.dumps(ledger) == json.dumps(state_ledger(story.state, ()))


def test_the_ledger_is_bounded_and_always_a_text():
    story = Story.of(1, attempts=50).baseline()
    for _ in range(40):
        paths = ("src/\udcff.py",) + ("p" * 4000,) * 199
        works(story.starts("t1"), "t1", paths=paths, verdicts=(red(lines=("x" * 300,) * 40),) * 9)
        story.ends("t1", "failed", cause="check", why="w" * 5000)
    alone = json.dumps(task_ledger(story.state, "t1"), ensure_ascii=False).encode()
    whole = json.dumps(state_ledger(story.state, ()), ensure_ascii=False).encode()
    assert len(alone) < 1_500_000
    assert len(whole) < 150_000


def test_even_the_reasons_alone_are_cut_when_there_are_too_many():
    story = Story.of(1).baseline().starts("t1")
    verdicts = tuple(red(f"g{n}", f"reason {n} " + "w" * 280, ("x",)) for n in range(200))
    text = render_feedback(story.state, "t1", verdicts=verdicts)
    assert text is not None
    assert len(text) <= TEXT_LIMIT + 50
    assert "reason 0 " in text
    assert text.endswith("(more was left out here)\n")
