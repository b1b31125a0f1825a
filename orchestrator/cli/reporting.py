"""Reports for `orch report`: of a run, of all runs since a time, on a page."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from orchestrator.cli.options import environ_of
from orchestrator.errors import OrchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.state import RunState
    from orchestrator.target import TargetNow


@dataclass(frozen=True)
class Reported:
    """A report, made as it is asked for, and what a page of it is called."""

    title: str
    text: Callable[[], str]
    document: Callable[[], dict[str, Any]]


def report_of_run(ctx: typer.Context, wanted: str | None) -> Reported:
    """The report of one run."""
    from orchestrator.cli.desk import look
    from orchestrator.driven import driven
    from orchestrator.review.report import render_report

    sight = look(ctx, wanted)
    time_s = driven(sight.store, sight.run, sight.state, sight.alive)
    target = _target(environ_of(ctx), sight.state)
    now = time.time()

    def text() -> str:
        return render_report(sight.state, sight.alive, now, sight.named, time_s, target)

    def document() -> dict[str, Any]:
        from orchestrator.review.report_document import report_document

        took_s = time_s.until(now)
        return report_document(
            sight.state, sight.alive, now, took_s, named=sight.named, target=target
        )

    from orchestrator.review.words import headline

    return Reported(f"{sight.run}: {headline(sight.state.plan.goal)}", text, document)


def report_since(ctx: typer.Context, typed: str) -> Reported:
    """The report of all runs since a time."""
    from orchestrator.automations.standing import fired_since
    from orchestrator.costs import load_costs
    from orchestrator.driven import driven
    from orchestrator.lookup import open_ledger
    from orchestrator.review.morning import RUNS, Seen, render_morning
    from orchestrator.review.words import day
    from orchestrator.runs import engine_alive, load_state
    from orchestrator.times import parse_since

    now = time.time()
    since = parse_since(typed, now)
    environ = environ_of(ctx)
    ledger = open_ledger(Path.cwd(), environ)
    stored = ledger.store.runs() if ledger.store else ()
    found = [run for run in stored if run.last_at >= since]
    seen = []
    for one in found[:RUNS]:
        assert ledger.store is not None
        state = load_state(ledger.store, one.run)
        alive = engine_alive(ledger.place, one.run)
        took_s = driven(ledger.store, one.run, state, alive).until(now)
        seen.append(Seen(state, alive, took_s, _target(environ, state)))
    costs = load_costs(ledger.place, ledger.store, "run", None, since)
    project = _project(environ)
    more = len(found) - len(seen)
    fired = fired_since(ledger.place, ledger.store, since) if ledger.store else ()

    def text() -> str:
        return render_morning(project, seen, costs, since, now, more=more, fired=fired)

    def document() -> dict[str, Any]:
        from orchestrator.review.report_document import since_document

        return since_document(project, seen, costs, since, now, more=more, fired=fired)

    return Reported(f"{project} since {day(since)}", text, document)


def page(file: Path, text: str, title: str) -> None:
    """Write a report as one HTML file, whole or not at all."""
    from orchestrator import __version__
    from orchestrator.review.html_page import render_page
    from orchestrator.review.words import day, foreign

    if file.is_dir():
        raise OrchError(f"{file} is a folder", hint=f"name a file: --html {file}/report.html")
    made = render_page(text, foreign(title, 120), f"orch {__version__}, {day(time.time())}")
    try:
        _replace(file, made)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OrchError(
            f"{file} cannot be written: {error.strerror}", hint="name another file: --html FILE"
        ) from error


def _replace(file: Path, made: str) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=file.absolute().parent, prefix=".orch-report-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as sink:
            sink.write(made)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _target(environ: Mapping[str, str], state: RunState) -> TargetNow | None:
    """How the run's target stands now; None where nothing is to be said of it."""
    if state.started.target is None or state.cleaned or not state.landings:
        return None
    from orchestrator.cli.desk import open_here
    from orchestrator.target import look_at_target

    return look_at_target(open_here(environ).git, state)


def _project(environ: Mapping[str, str]) -> str:
    """What a person calls the repository: its folder."""
    from orchestrator.cli.desk import open_here

    return open_here(environ).checkout.name
