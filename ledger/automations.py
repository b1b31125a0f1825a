"""Automations: what starts runs without a person, as the settings say it. Pure values.

What happens to an automation is told by the facts in `ledger.heartbeat`, not here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ledger.model import Value

AUTOMATION_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"

OnEnd = Literal["push", "pr", "notify"]
"""Once its run has ended: push the result, open a pull request of it, tell a person."""


class Automation(Value):
    """A trigger that starts runs, and under which conditions."""

    name: Annotated[str, Field(pattern=AUTOMATION_NAME)]

    # what is run: a plan, or a goal
    plan: str | None = None
    """The name or file of a plan."""
    goal: str | None = None
    """For the planner, or one task; `{paths}` stands for the files that started it."""
    for_each: str | None = None
    """A command whose lines become tasks, like `orch plan --for-each`.

    What for, `goal` says, else the automation's name.
    """
    prompt: str | None = None
    """Of each of those tasks; `{items}` stands for theirs."""
    batch: Annotated[int, Field(ge=1)] | None = None
    """So many of its items a task."""
    by_folder: bool = False
    """The items of a folder are one task."""
    max_tasks: Annotated[int, Field(ge=1)] | None = None
    """Not more tasks than that."""
    worker: str | None = None
    """Who does the tasks of a goal; None: the default worker, or whom the planner names."""

    # when: any of these; without one it starts by `orch schedule run NAME` alone
    schedule: str | None = None
    """A cron line: minute, hour, day, month, weekday."""
    time_zone: str | None = None
    """An IANA name, for example `Europe/Berlin`; None: the machine's own."""
    watch: tuple[str, ...] = ()
    """Patterns of files, git wildmatch from the root of the checkout."""
    when: Literal["added", "changed", "removed", "any"] = "any"
    """Which of a watched file's changes count."""
    debounce_s: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """For how long nothing more may change before it starts."""
    branch: str | None = None
    """A local branch whose new commits start it."""
    webhook: str | None = None
    """The name of the variable that holds the secret of its webhook."""

    # under which conditions
    only_if: str | None = None
    """A command, run in the checkout: it starts only where that exits 0."""
    quiet: tuple[str, ...] = ()
    """Hours in which it does not start by itself, `22:00-06:00`, in its time zone."""
    pause_s: Annotated[float, Field(ge=0)] = 0.0
    """How long after its last start it may start by itself again."""
    while_running: Literal["skip", "queue", "replace"] = "skip"
    """What becomes of a trigger while a run of its own goes on."""

    # until when it goes on
    until: str | None = None
    """`coverage >= 90`: run again until the measure of that name says so."""
    measure: dict[str, str] = Field(default_factory=dict)
    """Commands by name; the last number in the last line that one prints is its value."""
    max_rounds: Annotated[int, Field(ge=1, le=100)] = 5
    """How many runs there are at most, where there is an `until`."""

    # within what, and what then
    base: str | None = None
    """A revision, or `last-green`; None: what the plan or the checkout says."""
    deadline: str | None = None
    """`07:00`, in its time zone: the next one after the start."""
    budget_usd: Annotated[float, Field(gt=0)] | None = None
    """What all its runs of one start may cost together; None: each what a run may."""
    budget_tokens: Annotated[int, Field(ge=1)] | None = None
    """What they may use together."""
    accept: bool = False
    """Accept each result, where all of it landed, into the branch that `into` names."""
    into: str | None = None
    """The branch, by its name; nothing else is ever accepted into."""
    on_end: tuple[OnEnd, ...] = ()
    """What is done once it has ended."""
