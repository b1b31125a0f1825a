"""What is written for the system to read: a script, units for systemd, a block of a crontab. Pure.

1. All of it starts one script beside the ledger, which goes to the checkout with the PATH that was
   there when it was written, and looks once (`orch watch --once`). No secret is in it.
2. Names are the checkout's own: its folder's name, and a hash of where it lies.
3. systemd wants `%` twice and C's escapes in quotes; cron takes `%` for a line's end unless there
   is a backslash before it; the shell wants single quotes.
4. A crontab is changed between our two lines and nowhere else, byte for byte.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "TZ", "ORCH_STATE_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"),
    *("XDG_CACHE_HOME", "SSH_AUTH_SOCK"),
)
"""Variables that the script sets as they were; none of them holds a secret."""
CATCH_UP = "17 * * * *"
"""Cron does not make up for what a machine slept through: this does."""
TOGETHER = 5
UNSAYABLE = re.compile("[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Entry:
    """An automation as the system is to keep it."""

    name: str
    calendars: tuple[str, ...]
    cron: str


def render_script(checkout: str, orch: Sequence[str], environ: Mapping[str, str]) -> str:
    """The script that looks once, by the words that start orch; its arguments name automations."""
    lines = [
        "#!/bin/sh",
        "# Written by `orch schedule install`, run by systemd or cron.",
        *(
            f"export {name}={shlex.quote(environ[name])}"
            for name in PASSED_ON
            if environ.get(name) and not UNSAYABLE.search(environ[name])
        ),
        f"cd {shlex.quote(checkout)} || exit 2",
        f'exec {shlex.join(orch)} watch --once "$@"',
    ]
    return "\n".join(lines) + "\n"


# --- systemd -------------------------------------------------------------------------------------


def unit_names(key: str, name: str) -> tuple[str, str]:
    """The files of an automation's service and timer."""
    return f"orch-{key}-{name}.service", f"orch-{key}-{name}.timer"


def render_service(entry: Entry, checkout: str, script: str, *, keep_awake: bool = False) -> str:
    """The unit that looks once."""
    words = ["/bin/sh", script, *(["--keep-awake"] if keep_awake else []), entry.name]
    return (
        "# Written by `orch schedule install`.\n"
        "[Unit]\n"
        f"Description=orch: {entry.name} of {_percent(_one_line(checkout))}\n"
        "\n"
        "[Service]\n"
        "Type=oneshot\n"
        f"ExecStart={' '.join(unit_word(word) for word in words)}\n"
        "TimeoutStartSec=infinity\n"
        "TimeoutStopSec=15min\n"
    )


def render_timer(entry: Entry, checkout: str) -> str:
    """The unit that says when, also after a start for what was missed or cut short."""
    return (
        "# Written by `orch schedule install`.\n"
        "[Unit]\n"
        f"Description=orch: when {entry.name} of {_percent(_one_line(checkout))} is looked at\n"
        "\n"
        "[Timer]\n"
        + "".join(f"OnCalendar={one}\n" for one in entry.calendars)
        + "OnStartupSec=2min\n"
        "Persistent=true\n"
        "AccuracySec=1s\n"
        "\n"
        "[Install]\n"
        "WantedBy=timers.target\n"
    )


def unit_word(word: str) -> str:
    """One word of ExecStart: quoted, escaped, with nothing left for systemd to fill in."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    escaped = UNSAYABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", escaped)
    return f'"{_percent(escaped).replace("$", "$$")}"'


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _one_line(text: str) -> str:
    # A backslash at a line's end would take the next line in.
    return UNSAYABLE.sub(" ", text).rstrip("\\")


# --- cron ----------------------------------------------------------------------------------------


class BrokenBlock(ValueError):
    """A crontab in which our block has a begin and no end, or the other way round."""


def block_of(key: str) -> tuple[str, str]:
    """The lines that our block begins and ends with."""
    return f"# orch begin {key}", f"# orch end {key}"


def render_block(
    key: str, entries: Sequence[Entry], script: str, *, keep_awake: bool = False
) -> str:
    """The block of a repository: each automation at its time, and all of them to catch up."""
    if not entries:
        return ""
    begin, end = block_of(key)
    command = f"/bin/sh {shlex.quote(script)}{' --keep-awake' if keep_awake else ''}"
    command = command.replace("%", "\\%")
    quiet = "> /dev/null 2>&1"
    # A line of cron's holds a thousand characters.
    names = [one.name for one in entries]
    groups = [" ".join(names[at : at + TOGETHER]) for at in range(0, len(names), TOGETHER)]
    lines = [
        begin,
        "# Written by `orch schedule install`; `orch schedule remove` takes it away.",
        *(f"{one.cron} {command} {one.name} {quiet}" for one in entries),
        *(f"{when} {command} {some} {quiet}" for when in (CATCH_UP, "@reboot") for some in groups),
        end,
    ]
    return "\n".join(lines) + "\n"


def with_block(crontab: bytes, key: str, block: str) -> bytes:
    """A crontab with our block as it is to be (empty: without); BrokenBlock where it is none."""
    begin, end = (f"{line}\n".encode() for line in block_of(key))
    lines = crontab.splitlines(keepends=True)
    # The last line may lack its end.
    marks = [(at, line.rstrip(b"\r\n") + b"\n") for at, line in enumerate(lines)]
    begins = [at for at, line in marks if line == begin]
    ends = [at for at, line in marks if line == end]
    if not begins and not ends:
        if not block:
            return crontab
        gap = b"" if not crontab or crontab.endswith(b"\n") else b"\n"
        return crontab + gap + block.encode("utf-8", "surrogateescape")
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise BrokenBlock(f"the lines '{block_of(key)[0]}' and its end do not belong together")
    before, after = lines[: begins[0]], lines[ends[0] + 1 :]
    return b"".join((*before, block.encode("utf-8", "surrogateescape"), *after))


def names_in(crontab: bytes, key: str) -> frozenset[str]:
    """The automations that our block of a crontab fires."""
    fires = (line for line in _block_in(crontab, key) if not line.startswith(("@", CATCH_UP)))
    return frozenset(line.removesuffix("> /dev/null 2>&1").split()[-1] for line in fires)


def keeps_awake(crontab: bytes, key: str) -> bool:
    """Whether our block of a crontab holds off sleep."""
    return any(" --keep-awake " in line for line in _block_in(crontab, key))


def _block_in(crontab: bytes, key: str) -> Iterator[str]:
    """The lines of our block that start something."""
    begin, end = block_of(key)
    inside = False
    for line in crontab.decode("utf-8", "surrogateescape").splitlines():
        if line in (begin, end):
            inside = line == begin
        elif inside and not line.startswith("#"):
            yield line
