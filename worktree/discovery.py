"""Which repository the user is in. The only place where git looks for one.

1. It looks from the folder that the user named, as the user's own git would, and only there:
   `GIT_DIR` and its like, inherited from a hook or an alias, do not count.
2. A bare repository has no checkout to read settings from, so it is refused; a worktree that is
   linked to one is fine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from worktree.door import call, checked
from worktree.names import quoted
from worktree.user import user_environment
from worktree.values import GitError, Repository

OLDEST = (2, 38)
"""`merge-tree --write-tree` came with it."""


def discover(start: Path, environ: Mapping[str, str] | None = None) -> Repository:
    """The repository that a folder belongs to; GitError says why there is none to work in."""
    if not start.is_dir():
        raise GitError(f"there is no folder {quoted(str(start))}", kind="not-a-repository")
    env = user_environment(os.environ if environ is None else environ)

    def ask(*args: str) -> list[str]:
        said = call(args, folder=start, env=env, timeout_s=30.0)
        try:
            return checked(args, said, (0,)).out.decode("utf-8", "surrogateescape").splitlines()
        except GitError as error:
            raise _explained(error, start) from error

    facts = ("--is-bare-repository", "--is-inside-work-tree", "--show-object-format")
    places = ("--path-format=absolute", "--git-common-dir", "--git-dir", "--show-toplevel")
    try:
        *answers, checkout = ask("rev-parse", *facts, *places)
    except GitError:
        # Where there is no checkout: what else there is to say of it says why.
        *answers, checkout = *ask("rev-parse", *facts, *places[:-1]), ""
    if len(answers) != 5:
        raise GitError(f"the repository's path cannot be used: {quoted(' '.join(answers))}")
    bare, inside, object_format, common, git_dir = answers
    if bare == "true":
        raise GitError(
            f"{quoted(common)} is a bare repository: it has no checkout",
            kind="bare",
            hint="go to a checkout of it, or make one: git worktree add ../checkout",
        )
    if inside != "true":
        raise GitError(
            f"{quoted(str(start))} is inside a git folder, not in a checkout",
            kind="not-a-repository",
            hint="go to your project's folder",
        )
    shared = call(
        ("config", "--get", "core.sharedRepository"), folder=start, env=env, timeout_s=30.0
    )
    return Repository(
        common_dir=Path(common),
        git_dir=Path(git_dir),
        checkout=Path(checkout),
        object_format=object_format,
        shared=shared.out.decode("utf-8", "replace").strip(),
    )


def git_version() -> tuple[int, ...]:
    """The version of git that is used, for example (2, 39, 5)."""
    said = call(("version",), folder=Path("/"), env={}, timeout_s=30.0)
    found = re.search(r"\d+(?:\.\d+)+", said.out.decode("utf-8", "replace"))
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _explained(error: GitError, start: Path) -> GitError:
    where = quoted(str(start))
    if error.kind == "unsafe-ownership":
        what = f"git does not trust {where}: its folder belongs to another user"
        hint = f"where you trust it: git config --global --add safe.directory {where}"
    elif error.kind == "not-a-repository":
        what, hint = f"{where} is not in a git repository", error.hint
    else:
        return error
    return GitError(
        what,
        kind=error.kind,
        argv=error.argv,
        exit_code=error.exit_code,
        stderr=error.stderr,
        hint=hint,
    )
