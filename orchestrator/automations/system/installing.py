"""Putting automations where the system keeps times, and taking exactly ours away again.

1. systemd's user timers, where `systemctl --user` answers; else a block of the user's crontab.
2. What is there already as it should be is left alone: twice is as once. A file is replaced whole.
3. From the time of installing on it is looked at: nothing that was due before is caught up.
4. A worktree of a repository has its own: what one installs or takes away is none of the others'.
5. `orch watch`, while it runs, keeps the times itself; what the system wakes then leaves it to it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ledger.automations import Automation
from ledger.place import workspaces_folder
from orchestrator.automations.daemon import memory_file
from orchestrator.automations.memory import Memory, change_memory, look_at_schedule
from orchestrator.automations.system.calendars import cron_times, on_calendar
from orchestrator.automations.system.texts import (
    UNSAYABLE,
    BrokenBlock,
    Entry,
    keeps_awake,
    names_in,
    render_block,
    render_script,
    render_service,
    render_timer,
    unit_names,
    with_block,
)
from orchestrator.errors import OrchError
from orchestrator.itself import ORCH
from orchestrator.workplace import Workplace
from worktree.removal import replace_file

Where = Literal["systemd", "cron"]
WITHIN_S = 60.0


@dataclass(frozen=True)
class Written:
    """One thing that is written, or was to be."""

    what: str
    """Its path, or `crontab`."""
    text: str
    """Empty: it is taken away."""


@dataclass(frozen=True)
class System:
    """The keepers of times of one user, and what they have of one repository's."""

    workplace: Workplace
    environ: Mapping[str, str]

    @property
    def key(self) -> str:
        """The checkout's name among all of the user's: of a main one that of its repository."""
        return workspaces_folder(self.workplace.repository.git_dir, self.environ).name

    @property
    def units(self) -> Path:
        """The folder of the user's own units."""
        named = self.environ.get("XDG_CONFIG_HOME", "")
        home = Path(named) if Path(named).is_absolute() else Path(self.environ["HOME"]) / ".config"
        return home / "systemd" / "user"

    @property
    def script(self) -> Path:
        """What all of them start: it goes to this checkout, so each worktree has its own."""
        repository = self.workplace.repository
        name = "look" if repository.git_dir == repository.common_dir else f"look-{self.key}"
        return self.workplace.place.folder / "watch" / f"{name}.sh"

    # --- what is there ----------------------------------------------------------------------

    def keeper(self) -> Where | None:
        """Who is to keep the times here; None where there is nobody."""
        if self._ask("systemctl", "--user", "show-environment") is not None:
            return "systemd"
        if shutil.which("crontab", path=self.environ.get("PATH")):
            return "cron"
        return None

    def installed(self) -> dict[str, Where]:
        """The automations that are installed, and where."""
        found: dict[str, Where] = dict.fromkeys(names_in(self._crontab(), self.key), "cron")
        prefix, suffix = unit_names(self.key, "\0")[1].split("\0")
        for path in self.units.glob("orch-*.timer"):
            if path.name.startswith(prefix):
                found[path.name.removeprefix(prefix).removesuffix(suffix)] = "systemd"
        return found

    # --- putting there ----------------------------------------------------------------------

    def plan(
        self, automations: Sequence[Automation], keeper: Where, *, keep_awake: bool = False
    ) -> tuple[Written, ...]:
        """What installing these would write, beside what is installed already."""
        checkout, script = str(self.workplace.checkout), str(self.script)
        if UNSAYABLE.search(checkout + script):
            raise OrchError(
                "the path of the repository holds a control character: no system can be told it",
                hint="rename the folder, then try again",
            )
        shell = render_script(checkout, ORCH, self.environ)
        written = [Written(script, shell)]
        entries = [entry_of(one) for one in automations]
        if keeper == "systemd":
            for entry in entries:
                service, timer = unit_names(self.key, entry.name)
                text = render_service(entry, checkout, script, keep_awake=keep_awake)
                written.append(Written(str(self.units / service), text))
                written.append(Written(str(self.units / timer), render_timer(entry, checkout)))
        else:
            block = render_block(self.key, entries, script, keep_awake=keep_awake)
            written.append(Written("crontab", block))
        return tuple(written)

    def install(
        self, automations: Sequence[Automation], keeper: Where, *, keep_awake: bool = False
    ) -> tuple[str, ...]:
        """Install these; what has changed, in words."""
        self.workplace.place.make()
        self.script.parent.mkdir(mode=0o700, exist_ok=True)
        now = time.time()

        def remembered(memory: Memory) -> Memory:
            seen = {
                one.name: look_at_schedule(one, memory.of(one.name), now) for one in automations
            }
            return memory.with_seen(seen)

        change_memory(memory_file(self.workplace), remembered)
        changed = []
        for one in self.plan(automations, keeper, keep_awake=keep_awake):
            if one.what == "crontab":
                changed += self._change_crontab(one.text)
            elif _put(Path(one.what), one.text):
                changed.append(one.what)
        if keeper == "systemd":
            timers = [unit_names(self.key, one.name)[1] for one in automations]
            if changed:
                self._run("systemctl", "--user", "daemon-reload")
                self._run("systemctl", "--user", "reenable", *timers)
                self._run("systemctl", "--user", "restart", *timers)
            else:
                self._run("systemctl", "--user", "enable", "--now", *timers)
        return tuple(changed)

    # --- taking away ------------------------------------------------------------------------

    def remove(self, names: Sequence[str], kept: Sequence[Automation]) -> tuple[str, ...]:
        """Take these away; `kept` stay in the crontab. What has changed, in words."""
        installed = self.installed()
        changed = []
        timers = [name for name in names if installed.get(name) == "systemd"]
        for name in timers:
            service, timer = unit_names(self.key, name)
            self._ask("systemctl", "--user", "disable", "--now", timer)
            for path in (self.units / timer, self.units / service):
                path.unlink(missing_ok=True)
                changed.append(str(path))
        if timers:
            self._ask("systemctl", "--user", "daemon-reload")
            self._ask("systemctl", "--user", "reset-failed", f"orch-{self.key}-*")
        if any(installed.get(name) == "cron" for name in names):
            entries = [entry_of(one) for one in kept]
            awake = keeps_awake(self._crontab(), self.key)  # those that stay, stay as they are
            block = render_block(self.key, entries, str(self.script), keep_awake=awake)
            changed += self._change_crontab(block)
        if not self.installed() and self.script.exists():
            self.script.unlink()
            changed.append(str(self.script))
        return tuple(changed)

    # --- crontab ----------------------------------------------------------------------------

    def _crontab(self) -> bytes:
        if not shutil.which("crontab", path=self.environ.get("PATH")):
            return b""
        done = self._done(("crontab", "-l"))
        if done.returncode == 0:
            return done.stdout
        said = done.stderr.decode("utf-8", "replace").strip()
        if "no crontab for" in said:
            return b""
        # An empty answer for one that could not be read would throw away what others wrote.
        raise OrchError(
            f"the crontab cannot be read: {said or 'crontab -l failed'}",
            hint="nothing was written; see what crontab -l says",
        )

    def _change_crontab(self, block: str) -> list[str]:
        before = self._crontab()
        try:
            after = with_block(before, self.key, block)
        except BrokenBlock as error:
            raise OrchError(f"the crontab: {error}", hint="put it right: crontab -e") from error
        if after == before:
            return []
        if after:
            self._run("crontab", "-", given=after)
        else:
            self._run("crontab", "-r")
        return ["crontab"]

    # --- programs ---------------------------------------------------------------------------

    def _ask(self, *words: str) -> str | None:
        """What a program answers; None where it is not there or fails."""
        try:
            done = self._done(words)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None

    def _run(self, *words: str, given: bytes = b"") -> None:
        shown = shlex.join(words)
        try:
            done = self._done(words, given)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OrchError(f"{shown}: {error}", hint=f"type it yourself: {shown}") from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise OrchError(
                f"{shown} failed: {said or done.returncode}", hint=f"type it yourself: {shown}"
            )

    def _done(self, words: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        program = shutil.which(words[0], path=self.environ.get("PATH")) or words[0]
        return subprocess.run(
            (program, *words[1:]),
            input=given,
            capture_output=True,
            env={**self.environ, "LC_ALL": "C"},
            timeout=WITHIN_S,
            check=False,
        )


def entry_of(automation: Automation) -> Entry:
    """An automation with a schedule, as the system is to keep it."""
    line, zone = automation.schedule, automation.time_zone
    assert line is not None
    now = time.time()
    return Entry(automation.name, on_calendar(line, zone, now), cron_times(line, zone, now))


def _put(path: Path, text: str) -> bool:
    """Write a file where it is not so already; whether it was not."""
    content = os.fsencode(text)
    try:
        if path.read_bytes() == content:
            return False
    except OSError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)
    return True
