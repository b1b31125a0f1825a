"""Commands in a workspace: any program as a worker, and the one way gates and set-up run too."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from ledger.model import CommandWorker, Usage
from workers.base import Brief, Report, Surroundings
from workers.brief import render_brief
from workers.environment import build_environment, orch_variables
from workers.process import GRACE_S, LOG_LIMIT_BYTES, Ended, run_process
from workers.sandbox import Confinement
from workers.skills import write_skills


async def run_command(
    command: str,
    *,
    tree: Path,
    env: Mapping[str, str],
    mark: str,
    timeout_s: float,
    log: Path,
    log_limit_bytes: int = LOG_LIMIT_BYTES,
    on_line: Callable[[str], None] | None = None,
    grace_s: float = GRACE_S,
    stdin: bytes | None = None,
    secrets: Mapping[str, str] | None = None,
    confinement: Confinement | None = None,
) -> Ended:
    """Run `sh -c command` in a tree with a built environment; 126 and 127 count as not started."""
    ended = await run_process(
        ("/bin/sh", "-c", command),
        cwd=tree,
        env=env,
        mark=mark,
        timeout_s=timeout_s,
        log=log,
        log_limit_bytes=log_limit_bytes,
        on_line=on_line,
        grace_s=grace_s,
        stdin=stdin,
        secrets=secrets,
        confinement=confinement,
    )
    if ended.exit_code not in (126, 127):
        return ended
    what = "was not found" if ended.exit_code == 127 else "may not be executed"
    last = f": {ended.tail[-1]}" if ended.tail else ""
    why = f"a program of the command {what} (exit {ended.exit_code}){last}"
    return dataclasses.replace(ended, reason="not-started", why=why)


@dataclasses.dataclass(frozen=True)
class ShellWorker:
    """A worker whose settings name a command."""

    settings: CommandWorker

    async def run(self, brief: Brief, surroundings: Surroundings, timeout_s: float) -> Report:
        """See Worker."""
        temporary = surroundings.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        files = write_brief_files(brief, surroundings.folder / "brief")
        env = build_environment(
            surroundings.environ,
            temporary=temporary,
            allowed=self.settings.env,
            person=surroundings.person,
            orch=orch_variables(
                run=brief.run,
                task=brief.task.id,
                attempt=brief.attempt,
                round=brief.round,
                port=surroundings.port,
                **files,
            ),
        )
        ended = await run_command(
            self.settings.command,
            tree=surroundings.tree,
            env=env,
            mark=surroundings.mark,
            timeout_s=min(timeout_s, self.settings.timeout_s or timeout_s),
            log=surroundings.log,
            on_line=surroundings.on_line,
            secrets=surroundings.secrets,
            confinement=surroundings.confinement,
        )
        return report_of(ended)


def report_of(ended: Ended) -> Report:
    """A worker's report on a command that ended."""
    outcome: Literal["done", "failed", "timeout", "not-started"]
    if ended.reason == "exited" or ended.reason == "limit":
        outcome = "done" if ended.exit_code == 0 else "failed"
    else:
        outcome = ended.reason
    notes = [ended.lost] if ended.lost else []
    if ended.survivors:
        notes.append(f"processes that would not end: {', '.join(map(str, ended.survivors))}")
    return Report(
        outcome=outcome,
        exit_code=ended.exit_code,
        why=ended.why,
        duration_s=ended.duration_s,
        usage=Usage(duration_s=ended.duration_s),
        note="; ".join(notes),
        tail=ended.tail,
    )


def write_brief_files(brief: Brief, folder: Path) -> dict[str, Path]:
    """Write what a worker reads, outside the tree; the paths by their names in orch_variables."""
    # An earlier worker could write here: what it planted in the way is replaced, never followed.
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    skills = folder / "skills"
    write_skills(brief.skills, skills)
    contents = {
        "prompt": ("prompt.md", brief.prompt),
        "brief": ("brief.md", render_brief(brief, skills)),
        "feedback": ("feedback.md", brief.feedback),
        "ledger": ("ledger.json", brief.ledger_json),
        "paths": ("paths.txt", _lines(brief.paths)),
    }
    written: dict[str, Path] = {}
    for key, (name, text) in contents.items():
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            path.rename(Path(tempfile.mkdtemp(dir=folder)) / "in-the-way")
        if text is None:
            path.unlink(missing_ok=True)
        else:
            _replace(path, text)
            written[f"{key}_file"] = path
    if brief.skills.skills:
        written["skills_folder"] = skills
    return written


def _lines(paths: tuple[str, ...] | None) -> bytes | None:
    if paths is None:
        return None
    # A name with a line end in it cannot be told in lines.
    return b"".join(os.fsencode(path) + b"\n" for path in paths if "\n" not in path)


def _replace(path: Path, text: str | bytes) -> None:
    content = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
