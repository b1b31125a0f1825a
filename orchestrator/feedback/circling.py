"""What a worker is told that goes in circles. Pure."""

from __future__ import annotations

from ledger.state import TaskState
from orchestrator.policy.circles import circle_of, tries_of


def render_circle(task: TaskState) -> str:
    """That its tries come to the same, and what to do about it; empty where they do not."""
    circle = circle_of(tries_of(task))
    if circle.turn == "go-on":
        return ""
    numbers = [str(number) for number in circle.same]
    attempts = f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    same = "came to exactly the same" if circle.exactly else "failed in the same way"
    return (
        f"## You are going in circles\n\nAttempts {attempts} {same}. Take a different approach:"
        " ask what all of them took for granted, look at the failure again from its cause, and do"
        " not repeat what is listed below."
    )
