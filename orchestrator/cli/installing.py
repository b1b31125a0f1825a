"""`orch schedule install` and `remove`: what is written where, shown, and what it does not do."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ledger.automations import Automation
from orchestrator.automations.system.installing import System, Where
from orchestrator.automations.times import machine_zone_name
from orchestrator.cli import output
from orchestrator.config import SourcedSettings
from orchestrator.errors import OrchError
from orchestrator.planned import sourced_of
from orchestrator.policy.nearest import listed, nearest
from orchestrator.workplace import Workplace

NOBODY = "nothing here keeps times: neither `systemctl --user` nor `crontab` works"


def install(
    workplace: Workplace, names: Sequence[str], *, print_only: bool, keep_awake: bool
) -> int:
    """Install these automations, absent: all that have a schedule."""
    system, sourced = System(workplace, workplace.environ), sourced_of(workplace)
    chosen = _chosen(sourced, names)
    if not print_only:
        workplace.refuse_nested()
    keeper = system.keeper()
    if keeper is None:
        if not print_only:
            raise OrchError(NOBODY, hint="leave `orch watch` running, or install cron")
        # What is printed may be meant for another machine: a container has neither.
        output.narrate(f"{NOBODY}; this is for systemd")
        keeper = "systemd"
    if keeper == "cron":  # its block is one: what is there already stays
        there = {name for name, where in system.installed().items() if where == "cron"}
        wanted = there | {one.name for one in chosen}
        chosen = tuple(
            one for one in sourced.automations if one.name in wanted and one.schedule is not None
        )
    if print_only:
        for written in system.plan(chosen, keeper, keep_awake=keep_awake):
            output.answer([f"# --- {written.what}", written.text.rstrip("\n")])
        return 0
    changed = system.install(chosen, keeper, keep_awake=keep_awake)
    for what in changed:
        output.narrate(f"written: {what}")
    for one in chosen:
        zone = one.time_zone or machine_zone_name() or "the machine's time zone"
        output.answer(f"{one.name}: {one.schedule} ({zone}), by {_WORDS[keeper]}")
    for line in _notes(sourced, keeper):
        output.narrate(line)
    return 0


def remove(workplace: Workplace, names: Sequence[str], *, print_only: bool) -> int:
    """Take these automations away again, absent: all of this repository's."""
    system = System(workplace, workplace.environ)
    installed = system.installed()
    for name in names:
        if name not in installed:
            close = nearest(name, installed)
            hint = f"did you mean '{close}'?" if close else f"installed: {listed(installed)}"
            raise OrchError(f"'{name}' is not installed", hint=hint)
    going = tuple(names) or tuple(installed)
    staying = [name for name, where in installed.items() if where == "cron" and name not in going]
    kept: tuple[Automation, ...] = ()
    if staying:
        known = sourced_of(workplace).automations
        kept = tuple(one for one in known if one.name in staying and one.schedule is not None)
    if print_only:
        output.answer([f"{name}: {_WORDS[installed[name]]}" for name in going])
        return 0
    for what in system.remove(going, kept):
        output.narrate(f"changed: {what}" if what == "crontab" else f"removed: {what}")
    for name in going:
        output.answer(f"{name}: no longer by {_WORDS[installed[name]]}")
    if not going:
        output.narrate("nothing of this repository is installed")
    return 0


def installed_where(workplace: Workplace) -> dict[str, str]:
    """Where each automation is installed; empty where that cannot be told."""
    try:
        found = System(workplace, workplace.environ).installed()
    except (OrchError, OSError, KeyError):
        return {}
    return {name: _WORDS[where] for name, where in found.items()}


_WORDS: dict[Where, str] = {"systemd": "a systemd user timer", "cron": "the crontab"}


def _chosen(sourced: SourcedSettings, names: Sequence[str]) -> tuple[Automation, ...]:
    if names:
        chosen = tuple(sourced.automation(name) for name in dict.fromkeys(names))
        for one in chosen:
            if one.schedule is None:
                raise OrchError(
                    f"automation '{one.name}' has no schedule: the system keeps times only",
                    hint="leave `orch watch` running for what watches files, branches or webhooks",
                )
        return chosen
    chosen = tuple(one for one in sourced.automations if one.schedule is not None)
    if not chosen:
        raise OrchError(
            "no automation has a schedule, so there is nothing to install",
            hint='add to an [[automation]]: schedule = "0 2 * * *"',
        )
    return chosen


def _notes(sourced: SourcedSettings, keeper: Where) -> list[str]:
    """What a person should know of what the system does not do."""
    notes = []
    if others := [
        one.name for one in sourced.automations if one.watch or one.branch or one.webhook
    ]:
        notes.append(f"{listed(others)}: files, branches and webhooks need `orch watch` running")
    providers = sourced.settings.providers.values()
    if keys := sorted({one.key for one in providers if one.key}):
        where = (
            "~/.config/environment.d/*.conf, or systemctl --user import-environment"
            if keeper == "systemd"
            else "lines NAME=... at the top of the crontab"
        )
        notes.append(f"no key is written down: {', '.join(keys)} must come from {where}")
    if keeper == "systemd" and not _lingers():
        notes.append("timers run while you are logged in; always: loginctl enable-linger")
    return notes


def _lingers() -> bool:
    import pwd
    from pathlib import Path

    return (Path("/var/lib/systemd/linger") / pwd.getpwuid(os.getuid()).pw_name).exists()
