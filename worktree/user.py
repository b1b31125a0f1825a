"""The user's own configuration and checkout: read as the user's git reads them, changed by none.

1. The user's configuration is read once, at the start of a run, before an agent could write to
   the repository's; what may start a program while a commit is signed comes only from the
   user's own files, never from the repository's.
2. In the checkout no hook, monitor, pager, diff, merge or signing program starts. Filters do,
   since without them a filtered file looks modified: those that were recorded, and no others.
3. Looking takes no locks and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from worktree.door import SAFE, TIMEOUT_S, call, checked, overrides
from worktree.values import Answer, GitError, Repository, Signing

_LIMIT_BYTES = 1 << 20
_OWN = (
    "HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
)
_FILTER = re.compile(r"filter\.(.+)\.(clean|smudge|process|required)", re.DOTALL)
_DRIVER = re.compile(r"(?:diff\..+\.(?:textconv|command)|merge\..+\.driver)", re.DOTALL)

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class UserSettings:
    """What orch takes over from the user's git configuration."""

    name: str | None
    email: str | None
    signing: Signing | None
    """None: the user does not sign."""
    excludes: str
    """The user's global excludes and the repository's private ones, as one ignore file."""
    filters: Pairs
    """Filters as configured when this was read; the only ones that run in the checkout."""
    environ: Pairs
    """Where the user's configuration is found."""


def user_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which git finds the user's own configuration, and no other of git's."""
    found = {name: environ[name] for name in _OWN if name in environ}
    return found | {"LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def read_user_settings(repository: Repository, environ: Mapping[str, str]) -> UserSettings:
    """What the user's configuration says, by an environment as it was when orch was started."""
    entries = _configuration(repository, user_environment(environ))
    value = {key: text for _, key, text in entries}
    own = {key: text for scope, key, text in entries if scope in ("global", "system", "command")}
    name = environ.get("GIT_AUTHOR_NAME") or value.get("author.name") or value.get("user.name")
    email = environ.get("GIT_AUTHOR_EMAIL") or value.get("author.email") or value.get("user.email")
    return UserSettings(
        name=name or None,
        email=email or environ.get("EMAIL") or None,
        signing=_signing(value, own, environ),
        excludes=_excludes(repository, value, environ),
        filters=tuple((key, text) for _, key, text in entries if _FILTER.fullmatch(key)),
        environ=tuple((key, environ[key]) for key in _OWN if key in environ),
    )


def read_configuration(
    repository: Repository, environ: Mapping[str, str]
) -> tuple[tuple[str, str, str], ...]:
    """Scope, key and value of every entry, by an environment as it was when orch was started."""
    return _configuration(repository, user_environment(environ))


def _configuration(
    repository: Repository, env: Mapping[str, str]
) -> tuple[tuple[str, str, str], ...]:
    """Scope, key and value of every entry, later ones winning."""
    args = ("config", "--list", "-z", "--show-scope", "--includes")
    places = {"GIT_DIR": str(repository.git_dir), "GIT_COMMON_DIR": str(repository.common_dir)}
    said = checked(args, call(args, folder=repository.common_dir, env={**env, **places}), (0,))
    parts = said.out.decode("utf-8", "surrogateescape").split("\0")
    entries = []
    for scope, entry in zip(parts[0:-1:2], parts[1::2], strict=False):
        # A key without `=` has no value, and means true.
        key, line_end, text = entry.partition("\n")
        entries.append((scope, key, text if line_end else "true"))
    return tuple(entries)


def _signing(
    value: Mapping[str, str], own: Mapping[str, str], environ: Mapping[str, str]
) -> Signing | None:
    if value.get("commit.gpgsign", "false").lower() not in ("true", "yes", "on", "1"):
        return None
    form = value.get("gpg.format", "openpgp")
    program = {"openpgp": "gpg", "x509": "gpgsm", "ssh": "ssh-keygen"}.get(form, "gpg")
    program = own.get(f"gpg.{form}.program", program)
    if form == "openpgp":
        program = own.get("gpg.openpgp.program", own.get("gpg.program", program))
    config = [("gpg.format", form), ("gpg.program", program), (f"gpg.{form}.program", program)]
    if "gpg.ssh.defaultkeycommand" in own:
        config.append(("gpg.ssh.defaultKeyCommand", own["gpg.ssh.defaultkeycommand"]))
    key = value.get("user.signingkey", "")
    return Signing(key=key, config=tuple(config), home=environ.get("HOME", "/nonexistent"))


def _excludes(repository: Repository, value: Mapping[str, str], environ: Mapping[str, str]) -> str:
    home = environ.get("HOME", "")
    config_home = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    named = value.get("core.excludesfile", f"{config_home}/git/ignore")
    if named.startswith("~/"):
        named = home + named[1:]
    places = (Path(named), repository.common_dir / "info" / "exclude")
    texts = [_text(place) for place in places if place.is_absolute()]
    return "".join(text if text.endswith("\n") or not text else f"{text}\n" for text in texts)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT_BYTES).decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def in_checkout(
    repository: Repository,
    settings: UserSettings,
    *args: str,
    git_dir: Path | None = None,
    tree: Path | None = None,
    extra: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
    ok: tuple[int, ...] = (0,),
) -> Answer:
    """Runs git in a checkout of the user's, with the user's configuration and recorded filters."""
    worktree = tree or repository.checkout
    if worktree is None:
        raise GitError("the repository is bare: it has no checkout", kind="bare")
    env = user_environment(dict(settings.environ))
    keys = {key for _, key, _ in _configuration(repository, env)}
    recorded = {key for key, _ in settings.filters}
    silenced = [(key, "") for key in sorted(keys) if _DRIVER.fullmatch(key)]
    for key in sorted(keys - recorded):
        found = _FILTER.fullmatch(key)
        if found is not None:
            # An empty filter that is required is an error to git.
            silenced.append((f"filter.{found[1]}.required", "false"))
            if found[2] != "required":
                silenced.append((key, ""))
    env |= overrides((*SAFE, *silenced, *settings.filters))
    env |= {
        "GIT_DIR": str(git_dir or repository.git_dir),
        "GIT_COMMON_DIR": str(repository.common_dir),
        "GIT_WORK_TREE": str(worktree),
        # Whoever replaces objects or grafts history must not bend what is checked out.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": "/nonexistent",
        "GIT_ASKPASS": "false",
        "GIT_EDITOR": "false",
        "GIT_PAGER": "cat",
    }
    said = call(args, folder=worktree, env={**env, **(extra or {})}, timeout_s=timeout_s)
    return checked(args, said, ok)


# --- how the checkout stands ----------------------------------------------------------------

Operation = Literal["merge", "rebase", "cherry-pick", "revert", "bisect", "am"]


@dataclass(frozen=True)
class CheckoutState:
    """How the user's checkout stands."""

    branch: str | None
    """The full name of its branch; None: detached."""
    head: str | None
    """None: no commit yet."""
    dirty: tuple[str, ...]
    """Tracked paths that differ from the commit, the first of them."""
    dirty_count: int
    operation: Operation | None
    """What the user is in the middle of."""
    shallow: bool
    partial: bool
    submodules: bool
    lfs: bool


_OPERATIONS: tuple[tuple[str, Operation], ...] = (
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply/applying", "am"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_LOG", "bisect"),
)


def operation_in(git_dir: Path) -> Operation | None:
    """What a checkout is in the middle of."""
    return next((what for name, what in _OPERATIONS if (git_dir / name).exists()), None)


def dirty_paths(
    repository: Repository,
    settings: UserSettings,
    *,
    git_dir: Path | None = None,
    tree: Path | None = None,
) -> tuple[str, ...]:
    """Tracked paths of a checkout that differ from its commit, staged or not."""
    return _status(repository, settings, git_dir=git_dir, tree=tree).dirty


@dataclass(frozen=True)
class _Status:
    head: str | None
    branch: str | None
    """Its full name; None where this does not tell it."""
    dirty: tuple[str, ...]


_COLUMNS_BEFORE_PATH = {"1": 8, "u": 10}
"""Of an entry that is changed, and of one that is unmerged; git-status(1), format 2."""


def _status(
    repository: Repository,
    settings: UserSettings,
    *,
    git_dir: Path | None = None,
    tree: Path | None = None,
) -> _Status:
    args: tuple[str, ...] = ("status", "--porcelain=v2", "-z", "--branch", "--no-ahead-behind")
    args += ("--untracked-files=no", "--no-renames")
    said = in_checkout(repository, settings, *args, git_dir=git_dir, tree=tree, ok=(0, 128))
    if said.exit_code:
        # A required filter's program may be missing here. Without filters more may look changed,
        # never less: nothing of the user's is overlooked.
        bare = replace(settings, filters=())
        said = in_checkout(repository, bare, *args, git_dir=git_dir, tree=tree)
    about: dict[str, str] = {}
    dirty = []
    for entry in said.out.decode("utf-8", "surrogateescape").split("\0"):
        kind, _, rest = entry.partition(" ")
        if kind == "#":
            key, _, text = rest.partition(" ")
            about[key] = text
        elif kind in _COLUMNS_BEFORE_PATH:
            dirty.append(entry.split(" ", _COLUMNS_BEFORE_PATH[kind])[-1])
    head, branch = about.get("branch.oid", "(initial)"), about.get("branch.head", "(detached)")
    # A branch may be named like that, and HEAD may name what is no branch.
    is_plain = not branch.startswith(("(", "refs/"))
    return _Status(
        head=None if head == "(initial)" else head,
        branch=f"refs/heads/{branch}" if is_plain else None,
        dirty=tuple(dirty),
    )


def current_branch(repository: Repository) -> str | None:
    """The full name of the branch that the checkout is on; None where HEAD is detached."""
    env = user_environment({}) | overrides(SAFE)
    env |= {"GIT_DIR": str(repository.git_dir), "GIT_COMMON_DIR": str(repository.common_dir)}
    args = ("symbolic-ref", "--quiet", "HEAD")
    said = checked(args, call(args, folder=repository.common_dir, env=env), (0, 1))
    return said.out.decode("utf-8", "replace").strip() or None


def tracked_paths(repository: Repository, settings: UserSettings) -> frozenset[str]:
    """Every path that git tracks in the user's checkout, whatever is there now."""
    out = in_checkout(repository, settings, "ls-files", "-z", "--cached", "--full-name").out
    return frozenset(out.decode("utf-8", "surrogateescape").split("\0")) - {""}


def checkout_state(
    repository: Repository, settings: UserSettings, *, limit: int = 20
) -> CheckoutState:
    """How the user's checkout stands; at most `limit` dirty paths are named."""
    status = _status(repository, settings)
    keys = {key for _, key, _ in _configuration(repository, dict(settings.environ))}
    checkout = repository.checkout or repository.common_dir
    return CheckoutState(
        branch=status.branch or current_branch(repository),
        head=status.head,
        dirty=status.dirty[:limit],
        dirty_count=len(status.dirty),
        operation=operation_in(repository.git_dir),
        shallow=(repository.common_dir / "shallow").exists(),
        partial=any(
            re.fullmatch(r"remote\..+\.promisor|extensions\.partialclone", k) for k in keys
        ),
        submodules=(checkout / ".gitmodules").exists(),
        lfs="filter=lfs" in _text(checkout / ".gitattributes"),
    )
