"""An answer fits, whatever it holds, and says what it left out."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.mcp_server.fitting import LIMIT_BYTES, REST, fitted, shortened, size_of
from tests.support.examples import examples

TEXT = st.text(st.characters(codec="utf-8"), max_size=700)
LISTS = st.lists(TEXT, max_size=60)
STEP = {"tool": "wait", "arguments": {"run": "r" * 60, "after": 10**6}, "why": "w" * 60}


def test_a_small_answer_is_left_as_it_is() -> None:
    body = {"run": "r", "said": ["a", "b"], "next": [STEP]}
    assert fitted(body) == body


def longest_status() -> dict[str, Any]:
    """All that a status may say, each as long as it comes."""
    long, run, task = "wörds and more words " * 40, "20261122-" + "x" * 60, "t" * 63
    typed = {"person": f"orch allow {task} {'p' * 300} --run {run}", "why": long}
    more = {"tool": "status", "arguments": {"run": run, "offset": REST}, "why": "more tasks"}
    texts = dict.fromkeys(("goal", "why", "spent", "budget"), long)
    return texts | {
        "run": run,
        "phase": "finished",
        "seq": 10**6,
        "counts": {f"status-{number}": 100 for number in range(8)},
        "target": "y" * 150,
        "result": f"orch/{run}/result",
        "notes": [long] * 5,
        "other_runs": [run] * 3,
        "questions": [{"task": task, "asks": long}] * 5,
        "tasks": [{"id": task, "status": "held", "note": long, "attempts": 3}] * 50,
        "next": [typed, *({**typed, "person": f"orch take {n}"} for n in range(3)), more],
    }


def test_what_has_no_list_to_give_up_gives_up_words_and_then_the_last_steps() -> None:
    body = longest_status()
    made = fitted(body)
    assert size_of(made) <= LIMIT_BYTES
    assert made["next"][0]["person"] == body["next"][0]["person"], "it can be typed"
    assert made["run"] == body["run"] and made["goal"].startswith("wörds") and made["counts"]


def test_a_step_is_whole_or_not_there() -> None:
    path = "deep/" * 60 + "x.py"
    rest = {"tool": "diff", "arguments": {"path": path, "offset": REST}, "why": "the rest"}
    after = {"person": "orch accept", "why": "w"}
    made = fitted({"run": "r", "text": "line\n" * 3000, "next": [rest, after], "offset": 0})
    assert made["next"][0]["arguments"] == {"path": path, "offset": made["next_offset"]}
    huge = {**rest, "arguments": {"path": path * 9, "offset": REST}}
    typed = {"person": "orch allow " + "p" * 3000, "why": "w"}
    made = fitted({"run": "r", "text": "line\n" * 3000, "next": [huge, typed, after], "offset": 0})
    assert made["next"] == [after] and made["left_out"] == {"next": 1} and made["next_offset"]
    assert size_of(made) <= LIMIT_BYTES


@given(TEXT, st.integers(20, 300))
def test_a_text_is_cut_where_it_is_too_long_and_says_so(text: str, most: int) -> None:
    cut = shortened(text, most)
    assert size_of(cut) - 2 <= most
    assert cut == text or cut.endswith("…")


@settings(max_examples=examples(40))
@given(TEXT, LISTS, LISTS, LISTS, st.text(max_size=6000), st.integers(0, 300))
def test_whatever_there_is_to_say_fits(
    goal: str, said: list[str], tasks: list[str], files: list[str], text: str, offset: int
) -> None:
    body: dict[str, Any] = {"run": "r", "goal": goal, "said": said, "offset": offset}
    body |= {"tasks": [{"id": one, "note": one} for one in tasks], "files": files, "text": text}
    more = {"tool": "report", "arguments": {"offset": REST}, "why": "the rest"}
    made = fitted({**body, "next": [STEP, STEP, STEP, more]})
    assert size_of(made) <= LIMIT_BYTES
    assert made["next"][:3] == [STEP] * 3
    for key, before in (("said", said), ("tasks", tasks), ("files", files)):
        assert len(made[key]) + made.get("left_out", {}).get(key, 0) == len(before)
    assert made["text"] == text[offset : offset + len(made["text"])]
    rest = offset + len(made["text"])
    if rest < len(text):
        assert made["text"] and made["next_offset"] == rest
        assert made["next"][3]["arguments"] == {"offset": rest}


def test_of_what_was_said_the_newest_stays_and_of_all_else_the_first() -> None:
    many = [f"{number:04} {'x' * 100}" for number in range(200)]
    made = fitted({"said": many, "next": []})
    assert made["said"][-1] == many[-1] and made["left_out"] == {"said": 200 - len(made["said"])}
    made = fitted({"lines": many, "next": []})
    assert made["lines"][0] == many[0]


def test_a_list_that_goes_on_is_asked_for_from_where_it_was_cut() -> None:
    more = {"tool": "status", "arguments": {"offset": REST}, "why": "more"}
    tasks = [{"id": f"t{number}", "note": "x" * 80} for number in range(200)]
    made = fitted({"tasks": tasks[40:], "offset": 40, "next": [more]})
    shown = len(made["tasks"])
    assert made["next"] == [more | {"arguments": {"offset": 40 + shown}}]
    assert fitted({"tasks": tasks[:3], "next": [more]})["next"] == []
