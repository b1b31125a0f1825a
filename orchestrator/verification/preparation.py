"""How a workspace is made ready: files of the user's that it needs, then the set-up.

1. What is copied, and how, `copies` says.
2. The set-up runs once in each workspace, and again when its commands or what `setup_inputs`
   name have changed. What it made of the names in `keep` is sealed then, and is as it made it
   at each hand-out; all else that it made is gone. Without such a seal it was never done.
3. The set-up leaves tracked files as the commit has them.
4. All of it is bounded in time and size. What went wrong is a value: nobody's fault, and not
   the task's.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import anyio.to_thread

from ledger.model import Preparation
from orchestrator.policy.paths import matches
from orchestrator.verification.copies import Kind, Trouble, copied_names, copied_secrets, copy_files
from orchestrator.verification.copies import copy_excludes as copy_excludes
from workers.command import run_command
from workers.environment import build_environment, orch_variables
from workers.sandbox import Confinement
from worktree.git import Git
from worktree.kept import drop_seal, is_sealed
from worktree.removal import unlock_all
from worktree.workspace import Workspace, seal_kept

SETUP_TIMEOUT_S = 1800.0
STAMP = "prepared.json"
"""In the workspace's own folder, outside the tree: what its set-up was made from."""


async def prepare(
    workspace: Workspace,
    preparation: Preparation,
    *,
    kind: Kind,
    checkout: Path,
    environ: Mapping[str, str],
    mark: str,
    log: Path,
    allowed: Iterable[str] = (),
    run: str = "",
    git: Git | None = None,
    on_line: Callable[[str], None] | None = None,
    timeout_s: float = SETUP_TIMEOUT_S,
    confinement: Confinement | None = None,
) -> Trouble | None:
    """Make a workspace ready that was just handed out; None when all went well.

    `environ` is a snapshot of the user's environment and `allowed` what the settings let
    through. With `git`, tracked files that the set-up changed are put back, and what it made
    of `keep` is sealed; without, nothing is kept.
    """
    names = copied_names(preparation, kind)
    if names and (
        trouble := await anyio.to_thread.run_sync(copy_files, checkout, workspace, names)
    ):
        return trouble
    if not preparation.setup:
        return None
    env = build_environment(
        environ,
        temporary=workspace.folder / "tmp",
        allowed=allowed,
        orch=orch_variables(run=run) if run else None,
    )
    look = partial(setup_fingerprint, workspace.path, preparation, env.get("PATH", ""))
    try:
        wanted = await anyio.to_thread.run_sync(look)
    except OSError as error:
        return Trouble(f"what setup_inputs name cannot be read ({error})")
    stamp = workspace.folder / STAMP
    if _is_prepared(stamp, wanted, workspace.path):
        return None
    stamp.unlink(missing_ok=True)
    drop_seal(workspace.folder)
    (workspace.folder / "tmp").mkdir(parents=True, exist_ok=True)
    secrets = await anyio.to_thread.run_sync(copied_secrets, checkout, names)
    deadline = time.monotonic() + timeout_s
    for command in preparation.setup:
        ended = await run_command(
            command,
            tree=workspace.path,
            env=env,
            mark=mark,
            timeout_s=max(0.1, deadline - time.monotonic()),
            log=log,
            on_line=on_line,
            secrets=secrets,
            confinement=confinement,
        )
        if ended.exit_code != 0:
            return _setup_trouble(command, ended.why, ended.tail, ended.reason, timeout_s)
    if git is None:
        return None
    await anyio.to_thread.run_sync(_put_back, git, workspace)
    try:
        kept = await anyio.to_thread.run_sync(seal_kept, git, workspace, preparation.keep)
    except OSError as error:
        return Trouble(f"what `keep` names cannot be copied aside ({error})")
    await anyio.to_thread.run_sync(_write_stamp, stamp, wanted, kept)
    return None


# --- the set-up ----------------------------------------------------------------------


def setup_fingerprint(tree: Path, preparation: Preparation, path_variable: str) -> str:
    """Changes when the set-up must run again."""
    digest = hashlib.sha256()
    parts = ["1", path_variable, *preparation.setup, "\0", *preparation.setup_inputs]
    digest.update(json.dumps(parts).encode())
    for path in _inputs(tree, preparation.setup_inputs):
        digest.update(os.fsencode(path) + b"\0" + _state_of(tree, path) + b"\0")
    return digest.hexdigest()


def _inputs(tree: Path, patterns: tuple[str, ...]) -> list[str]:
    """The paths that the patterns cover; a pattern without wildcards is found without a search."""
    found = {name for name in (p.strip("/") for p in patterns) if _is_plain(name)}
    wild = tuple(pattern for pattern in patterns if not _is_plain(pattern.strip("/")))
    for name in tuple(found):
        if (tree / name).is_dir() and not (tree / name).is_symlink():
            wild += (f"{name}/**",)
    if wild:
        for folder, _, files in os.walk(tree):
            for file in files:
                path = os.path.relpath(os.path.join(folder, file), tree)  # noqa: PTH118
                if matches(wild, path):
                    found.add(path)
    return sorted(found)


def _is_plain(pattern: str) -> bool:
    return not any(char in pattern for char in "*?[\\")


def _state_of(tree: Path, path: str) -> bytes:
    """A file's content as a hash, a link's target; something else for everything else."""
    place = tree / path
    try:
        if place.is_symlink():
            return b"link " + os.fsencode(os.readlink(place))  # noqa: PTH115, bytes are wanted
        if place.is_file():
            with place.open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        pass
    return b"none"


def _is_prepared(stamp: Path, wanted: str, tree: Path) -> bool:
    try:
        said = json.loads(stamp.read_text("utf-8"))
        kept = said["kept"]
        is_there = bool(kept) and all((tree / name).exists() for name in kept)
        return is_there and said["setup"] == wanted and is_sealed(stamp.parent)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_stamp(stamp: Path, wanted: str, kept: tuple[str, ...]) -> None:
    temporary = stamp.with_suffix(".new")
    temporary.write_text(json.dumps({"setup": wanted, "kept": kept}), "utf-8")
    temporary.replace(stamp)


def _setup_trouble(
    command: str, why: str, tail: tuple[str, ...], reason: str, timeout_s: float
) -> Trouble:
    if reason == "timeout":
        why = f"it did not end within {timeout_s:g} s"
    last = next((line for line in reversed(tail) if line.strip()), "")
    said = f": {last}" if last and last not in why else ""
    return Trouble(f"the set-up command `{command}` failed ({why}){said}", "try it by hand")


def changed_files(git: Git, workspace: Workspace) -> tuple[bytes, bytes]:
    """Tracked files that differ from the commit, and others that it does not ignore; NUL-ended."""
    where = {"tree": workspace.path, "index": workspace.index}
    changed = git.run("diff-files", "-z", "--name-only", "--ignore-submodules=all", **where)
    others = git.run("ls-files", "-z", "-o", "--exclude-standard", "--directory", **where)
    return changed, others


def _put_back(git: Git, workspace: Workspace) -> None:
    # In a folder that it locked nobody could work, or judge: that would be blamed on the base.
    unlock_all(workspace.path)
    changed, _ = changed_files(git, workspace)
    if changed:
        where = {"tree": workspace.path, "index": workspace.index}
        git.run("checkout-index", "-f", "-u", "-z", "--stdin", stdin=changed, **where)
