"""What an agent does next, from where a run stands. Pure.

1. It is what a person would be told to type (`review.advice`), said as a call of a tool where there
   is one for it, and as a command for the person where there is none, or none for an agent.
2. A run that an engine drives is waited for; a question that a worker asks comes first.
3. At most so many steps as fit beside an answer.
"""

from __future__ import annotations

import shlex

from ledger.state import RunState
from orchestrator.mcp_server.answers import Step
from orchestrator.policy.persons import PERSONS
from orchestrator.review.advice import next_steps

MOST = 4


def steps_of(state: RunState, alive: bool, branches: tuple[str, ...]) -> list[Step]:
    """The steps that make sense now; `branches`: those that agents may accept into."""
    found: list[Step] = []
    for step in next_steps(state, alive, named=True):
        words = shlex.split(step.command.replace('"..."', "TEXT"))
        said = _said(state, words, step.why, branches)
        found.append(said or Step(person=step.command, why=step.why))
    return found[:MOST]


def call(tool: str, why: str, **arguments: str | int) -> Step:
    """A step that is a call of a tool."""
    return Step(tool=tool, arguments=arguments, why=why)


def wait_on(run: str, seq: int, why: str = "until it ends, or asks something") -> Step:
    """To wait for a run, without missing anything in between."""
    return call("wait", why, run=run, after=seq)


def _said(state: RunState, words: list[str], why: str, branches: tuple[str, ...]) -> Step | None:
    """The same as a call of a tool; None where it is for a person."""
    verb, rest = words[1], words[2:]
    task = rest[0] if rest and rest[0] in state.tasks else None
    plain = not any(word.startswith("--") for word in rest if word != "--run")
    run = state.run
    match verb:
        case "status":
            return wait_on(run, state.seq)
        case "stop":
            return call("stop", why, run=run)
        case "resume" if plain:
            return call("resume", why, run=run)
        case "report":
            return call("report", why, run=run)
        case "answer" if task:
            return call("answer", why, task=task, text="...", run=run)
        case "show" if task:
            return call("show_task", why, task=task, run=run)
        case "diff" if task:
            return call("diff", why, task=task, run=run)
        case "diff":
            return call("diff", why, run=run)
        case "retry" if task and state.tasks[task].status not in PERSONS and "--later" not in rest:
            return call("retry", why, task=task, note="...", run=run)
        case "accept" if plain and state.started.target in branches:
            return call("accept", why, run=run)
        case _:
            return None
