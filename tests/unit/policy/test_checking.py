"""What a checker's findings do: what is new and blocking sends back, so often and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledger.model import CheckerFinding
from orchestrator.policy.checking import MOST, decide_check, identity, wrong_with


def found(what: str, path: str = "a.py", line: int = 1, severity: str = "blocking"):
    return CheckerFinding(path=path, line=line, severity=severity, what=what, reproduce="f()")


EMPTY = found("An empty list divides by zero")


def test_only_what_is_blocking_sends_work_back():
    advice = found("The name is odd", severity="advice")
    decision = decide_check([advice, EMPTY], [], 2)
    assert decision.back == (EMPTY,)
    assert decision.advice == (advice,)
    assert decide_check([advice], [], 2).back == ()


def test_what_was_answered_does_not_come_back_though_lines_shift_and_words_are_dressed_up():
    again = found('an "empty"  list divides by zero.', line=44)
    decision = decide_check([again], [[EMPTY]], 2)
    assert decision.back == ()
    assert decision.returned == (again,)
    elsewhere = found(EMPTY.what, path="b.py")
    assert decide_check([elsewhere], [[EMPTY]], 2).back == (elsewhere,)


def test_numbers_in_the_words_shift_with_the_lines_but_other_words_do_not():
    assert identity(found("see line 12")) == identity(found("see line 40"))
    assert identity(found("a < b")) != identity(found("a > b"))
    assert identity(found("x", path="./a.py")) == identity(found("x", path="a.py"))


def test_work_goes_back_at_most_so_often_and_what_is_left_is_told():
    first, second, third = (found(f"{word} is lost") for word in ("one", "two", "three"))
    assert decide_check([second], [[first]], 2).back == (second,)
    decision = decide_check([third, first], [[first], [second]], 2)
    assert decision.back == ()
    assert decision.left == (third,)
    assert decision.returned == (first,)


def test_what_is_said_twice_in_one_judgement_counts_once():
    assert decide_check([EMPTY, EMPTY], [], 1).back == (EMPTY,)


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=6),
    st.lists(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=3), max_size=4),
    st.integers(1, 3),
)
def test_nothing_goes_back_twice_nor_beyond_the_rounds(now, before, rounds):
    earlier = [[found(word) for word in one] for one in before]
    decision = decide_check([found(word) for word in now], earlier, rounds)
    answered = {word for one in before for word in one}
    assert {one.what for one in decision.back}.isdisjoint(answered)
    assert not decision.back or len(before) < rounds
    said = [*decision.back, *decision.left, *decision.returned]
    assert {one.what for one in said} == set(now)


def test_a_finding_holds_to_the_change():
    lines = {"a.py": 10}
    assert wrong_with([found("x"), found("y", path="gone.py", line=3)], lines, ["gone.py"]) == ()
    assert wrong_with([found("x", line=0)], lines, []) == ()
    told = wrong_with(
        [
            found("x", line=11),
            found("x", path="nowhere.py"),
            found(" ", line=-1),
            CheckerFinding(path="a.py", line=2, severity="blocking", what="x"),
        ],
        lines,
        [],
    )
    assert "the file has 10 lines" in told[0]
    assert "no such file" in told[1]
    assert "'what' is empty" in told[2] and "the file has 10 lines" in told[3]
    assert "'reproduce'" in told[4]
    assert len(told) == 5
    assert wrong_with([EMPTY] * (MOST + 1), lines, [])[0].startswith(f"there are {MOST + 1}")
