"""After a person's word to a run: say it back, and go on with the run where nobody drives it."""

from __future__ import annotations

from orchestrator.cli import output
from orchestrator.cli.desk import Desk
from orchestrator.persons import Said
from orchestrator.runs import engine_alive


def answer_said(desk: Desk, said: Said, as_json: bool) -> None:
    """Say what was recorded."""
    if as_json:
        body = {"run": desk.run, "what": said.what, "hint": said.hint, "tasks": said.tasks}
        output.answer_json(body)
        return
    output.answer(said.what)
    if said.hint:
        output.narrate(f"  hint: {said.hint}")


def go_on(desk: Desk, said: Said, *, later: bool, as_json: bool) -> int:
    """Say what was recorded and drive the run on; the exit code."""
    answer_said(desk, said, as_json)
    if engine_alive(desk.workplace.place, desk.run):
        output.narrate("the engine that drives the run has seen it")
        return 0
    if later:
        output.narrate(f"to go on: orch resume {desk.run}")
        return 0
    from orchestrator.cli.driving import drive_shown

    return drive_shown(desk.workplace, desk.store, desk.run, as_json=as_json)
