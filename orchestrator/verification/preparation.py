"""How a workspace is made ready: files of the user's that it needs, then the set-up.

1. Copied are the files (or folders of them) of the user's checkout that the settings name; for
   gates also those that only gates may see. Only what lies inside the checkout, never its git
   folder, never through a link that leads out of it; never through a link in the workspace.
2. A copy never takes the place of a file of the tree: what is judged is the tree as it is.
3. The set-up runs once in each workspace, and again when its commands or what `setup_inputs`
   name have changed. It counts as done only while what `keep` names is still there: all else
   that it made is gone when the workspace is handed out again.
4. The set-up leaves tracked files as the commit has them.
5. All of it is bounded in time and size. What went wrong is a value: nobody's fault, and not
   the task's.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import anyio.to_thread

from ledger.model import Preparation
from orchestrator.policy.paths import matches
from orchestrator.policy.pattern import escape
from workers.command import run_command
from workers.environment import build_environment, orch_variables
from worktree.git import Git
from worktree.workspace import Workspace

SETUP_TIMEOUT_S = 1800.0
COPY_LIMIT_BYTES = 64 * 1024 * 1024
COPY_LIMIT_FILES = 2000
STAMP = "prepared.json"
"""In the workspace's own folder, outside the tree: what its set-up was made from."""

Kind = Literal["worker", "gate"]


@dataclass(frozen=True)
class Trouble:
    """Why a workspace could not be made ready."""

    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.what} (hint: {self.hint})" if self.hint else self.what


class _Refused(Exception):
    """A copy that may not be made; the message is for a person."""


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
) -> Trouble | None:
    """Make a workspace ready that was just handed out; None when all went well.

    `environ` is a snapshot of the user's environment and `allowed` what the settings let
    through. With `git`, tracked files that the set-up changed are put back.
    """
    names = copied_names(preparation, kind)
    if names and (trouble := await anyio.to_thread.run_sync(_copy, checkout, workspace, names)):
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
    if _is_prepared(stamp, wanted, workspace.path, preparation.keep):
        return None
    stamp.unlink(missing_ok=True)
    (workspace.folder / "tmp").mkdir(parents=True, exist_ok=True)
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
        )
        if ended.exit_code != 0:
            return _setup_trouble(command, ended.why, ended.tail, ended.reason, timeout_s)
    if git is not None:
        await anyio.to_thread.run_sync(_put_back, git, workspace)
    await anyio.to_thread.run_sync(_write_stamp, stamp, wanted, workspace.path, preparation.keep)
    return None


def copied_names(preparation: Preparation, kind: Kind) -> tuple[str, ...]:
    """What is copied into a workspace of that kind."""
    gates_only = preparation.copy_gates if kind == "gate" else ()
    return tuple(dict.fromkeys((*preparation.copy_files, *gates_only)))


def copy_excludes(preparation: Preparation) -> str:
    """Lines of an exclude file, so that nothing that was copied is ever committed."""
    names = copied_names(preparation, "gate")
    return "".join(f"/{escape(name.strip('/'))}\n" for name in names)


# --- 1 and 2. copies --------------------------------------------------------------------------


def hash_copies(checkout: Path, names: Iterable[str]) -> dict[str, str]:
    """Hashes of what would be copied, by path; what may not be copied is marked as such."""
    found: dict[str, str] = {}
    for name in names:
        try:
            for path, content, _ in _sources(checkout, name):
                found[path] = hashlib.sha256(content).hexdigest()
        except (_Refused, OSError):
            found[name] = "refused"
    return found


def _copy(checkout: Path, workspace: Workspace, names: tuple[str, ...]) -> Trouble | None:
    files = size_bytes = 0
    for name in names:
        try:
            for path, content, mode in _sources(checkout, name):
                files, size_bytes = files + 1, size_bytes + len(content)
                if files > COPY_LIMIT_FILES or size_bytes > COPY_LIMIT_BYTES:
                    raise _Refused(
                        f"more than {COPY_LIMIT_FILES} files or {COPY_LIMIT_BYTES >> 20} MiB"
                    )
                _write_inside(workspace.path, path, content, mode)
        except _Refused as refused:
            hint = "change `copy` or `copy_gates` in .agent/orch.toml"
            return Trouble(f"'{name}' cannot be copied from the checkout: {refused}", hint)
        except OSError as error:
            why = error.strerror or str(error)
            return Trouble(f"'{name}' cannot be copied from the checkout: {why}")
    return None


def _sources(checkout: Path, name: str) -> Iterator[tuple[str, bytes, int]]:
    """The regular files that a name means: path, content, mode."""
    top = Path(os.path.realpath(checkout))
    parts = Path(name.strip("/")).parts
    if not parts or ".." in parts or parts[0].lower() == ".git":
        raise _Refused("it is not inside the checkout")
    source = top.joinpath(*parts)
    if not Path(os.path.realpath(source)).is_relative_to(top):
        raise _Refused("it is a link that leads out of the checkout")
    if source.is_file():
        yield ("/".join(parts), *_content(top, source))
    elif source.is_dir():
        for folder, folders, files in os.walk(source):
            folders[:] = sorted(one for one in folders if one != ".git")
            for file in sorted(files):
                path = Path(folder) / file
                if path.is_symlink() or not path.is_file():
                    continue
                yield (path.relative_to(top).as_posix(), *_content(top, path))
    else:
        raise _Refused("there is no such file")


def _content(top: Path, path: Path) -> tuple[bytes, int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _Refused("it is not a regular file")
        if status.st_size > COPY_LIMIT_BYTES:
            raise _Refused(f"it is larger than {COPY_LIMIT_BYTES >> 20} MiB")
        return file.read(COPY_LIMIT_BYTES), status.st_mode & 0o700 | 0o600


def _write_inside(tree: Path, path: str, content: bytes, mode: int) -> None:
    """Write a new file below the tree, through real folders only: the tree may hold any link."""
    *folders, name = path.split("/")
    at = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            with suppress(FileExistsError):
                os.mkdir(folder, 0o755, dir_fd=at)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                below = os.open(folder, flags, dir_fd=at)
            except OSError as error:
                raise _Refused(f"the tree has something else at {folder}/") from error
            os.close(at)
            at = below
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, mode, dir_fd=at)
        except FileExistsError:
            if not _is_same(name, at, content):
                raise _Refused("the tree has a file of its own there") from None
            return
        with open(descriptor, "wb") as file:
            file.write(content)
    finally:
        os.close(at)


def _is_same(name: str, folder: int, content: bytes) -> bool:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(name, flags, dir_fd=folder), "rb") as file:
            return file.read(len(content) + 1) == content
    except OSError:
        return False


# --- 3 and 4. the set-up ----------------------------------------------------------------------


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


def _is_prepared(stamp: Path, wanted: str, tree: Path, keep: tuple[str, ...]) -> bool:
    try:
        said = json.loads(stamp.read_text("utf-8"))
        kept = said["kept"]
        return bool(kept) and said["setup"] == wanted and all((tree / k).exists() for k in kept)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_stamp(stamp: Path, wanted: str, tree: Path, keep: tuple[str, ...]) -> None:
    kept = [name for name in keep if (tree / name).exists()]
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
    changed, _ = changed_files(git, workspace)
    if changed:
        where = {"tree": workspace.path, "index": workspace.index}
        git.run("checkout-index", "-f", "-u", "-z", "--stdin", stdin=changed, **where)
