"""What a worker is told that goes in circles. Pure."""

from __future__ import annotations

from ledger.state import TaskState
from orchestrator.policy.circles import circle_of, tries_of


def render_circle(task: TaskState) -> str:
    """That its tries come to the same, and what to do about it; empty where they do not."""
    circle = circle_of(tries_of(task))
    if circle.turn == "go-on":
        return ""
    *before, last = [str(number) for number in circle.same]
    if not before:
        same = f"In attempt {last} what a checker had sent back was found again"
    elif circle.exactly:
        same = f"Attempts {', '.join(before)} and {last} came to exactly the same"
    else:
        same = f"Attempts {', '.join(before)} and {last} failed in the same way"
    return (
        f"## You are going in circles\n\n{same}. Take a different approach:"
        " ask what all of them took for granted, look at the failure again from its cause, and do"
        " not repeat what is listed below."
    )
