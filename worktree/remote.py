"""The way to a remote: where it is, what it has, and a push that can only add.

1. The address is that of `remote.NAME` in the user's configuration, and nobody else's: see
   `address`. git is given the address itself, never the name, in the sealed folder: no setting of
   the repository's, no hook and no tracking ref has a part in it.
2. What may start a program on the way (credential helpers, ssh) comes from the user's own files
   alone. Of the repository's own settings one is used: the header that CI systems leave there,
   which is sent and starts nothing.
   A password out of the address goes the way of a helper's, to that host and no other.
3. Nobody is asked anything and nothing waits for ever: no terminal, no window, no passphrase; a
   remote that falls silent is given up.
4. Only branches below `orch/` are pushed, by their full names and without force: the remote moves
   a branch forward, or makes it, or refuses.
5. What goes wrong is a `RemoteError` that says which kind of thing it was. Nothing is lost by it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from worktree.address import Address, BadAddress, parse_address, rewritten
from worktree.door import CLOSED, OVERRIDES, call, overrides
from worktree.git import Git
from worktree.names import BRANCHES, check_ref, is_remote_name, quoted
from worktree.user import read_configuration
from worktree.values import Answer, GitError, check_id, is_id

LOOK_S = 60.0
PUSH_S = 900.0
SILENT_S = 60
LIST_BYTES = 1 << 20

RemoteTrouble = Literal["none", "address", "auth", "unreachable", "rejected", "silent", "failed"]

_OWN = ("global", "system")
_USED = re.compile(r"(?:http|credential)\..+", re.DOTALL)
_HEADER = re.compile(r"http\..+\.extraheader", re.DOTALL)
_REWRITE = re.compile(r"url\.(.+)\.(insteadof|pushinsteadof)", re.DOTALL)
_HOME = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK")
_TELL = """!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' \
"$ORCH_USER" "$ORCH_PASSWORD"; }; f"""
_SSH = f"-o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval={SILENT_S // 4}"

_AUTH = re.compile(
    r"could not read (?:Username|Password)|terminal prompts disabled|Authentication failed"
    r"|Permission denied|Access denied|returned error: 40[13]|Invalid username or|not authorized"
    r"|Host key verification failed|unable to read askpass",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"Could not resolve|Failed to connect|Connection (?:refused|timed out|reset)|unable to access"
    r"|Could not read from remote|does not appear to be a git repository|not found"
    r"|No such file or directory|Operation too slow|early EOF|hung up|is not a git repository"
    r"|does not exist|Network is unreachable|No route to host",
    re.IGNORECASE,
)


class RemoteError(GitError):
    """A remote that could not be used, and which kind of trouble it was."""

    def __init__(self, what: str, trouble: RemoteTrouble, *, hint: str = "") -> None:
        super().__init__(what, kind="remote", hint=hint)
        self.trouble = trouble


@dataclass(frozen=True)
class Remote:
    """A remote, and how the user's git would go there."""

    name: str
    address: Address
    settings: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    environ: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Seen:
    """What a remote has."""

    head: str | None
    """The branch that it says is its own main one, without `refs/heads/`."""
    branches: Mapping[str, str]
    """Commits by the names of branches, without `refs/heads/`: of those that were asked for."""


def find_remote(git: Git, environ: Mapping[str, str], name: str) -> Remote:
    """The remote of that name; RemoteError where there is none that can be used."""
    if not is_remote_name(name):
        what = f"'{quoted(name)}' is no name of a remote"
        raise RemoteError(what, "none", hint='git remote, then: remote = "NAME" below [forge]')
    entries = read_configuration(git.repository, environ)
    own = [(key, text) for scope, key, text in entries if scope in _OWN]
    urls = {
        kind: [text for _, key, text in entries if key == f"remote.{name}.{kind}"]
        for kind in ("pushurl", "url")
    }
    if not urls["url"] and not urls["pushurl"]:
        names = sorted({key.split(".")[1] for _, key, _ in entries if key.startswith("remote.")})
        known = f"there are: {', '.join(quoted(one, 40) for one in names[:5])}" if names else ""
        hint = known or f"git remote add {name} ADDRESS"
        raise RemoteError(f"there is no remote '{name}'", "none", hint=hint)
    rules: dict[str, list[tuple[str, str]]] = {"insteadof": [], "pushinsteadof": []}
    for key, text in own:
        if (found := _REWRITE.fullmatch(key)) is not None:
            rules[found[2]].append((text, found[1]))
    if urls["pushurl"]:
        url = rewritten(urls["pushurl"][-1], rules["insteadof"])
    else:
        url = rewritten(urls["url"][0], rules["insteadof"], rules["pushinsteadof"])
    try:
        address = parse_address(_from_top(git, url))
    except BadAddress as error:
        what = f"the address of the remote '{name}' is not used: {error}"
        raise RemoteError(what, "address", hint=f"git remote set-url {name} ADDRESS") from None
    headers = [
        (k, text) for scope, k, text in entries if scope not in _OWN and _HEADER.fullmatch(k)
    ]
    used = [(key, text) for key, text in own if _USED.fullmatch(key)]
    ssh = environ.get("GIT_SSH_COMMAND") or dict(own).get("core.sshcommand") or ""
    ssh = ssh or shlex.quote(environ.get("GIT_SSH") or "ssh")
    return Remote(
        name,
        address,
        (*used, *headers),
        (
            *((key, environ[key]) for key in _HOME if key in environ),
            ("GIT_SSH_COMMAND", _quiet(ssh)),
        ),
    )


def _from_top(git: Git, url: str) -> str:
    """A relative path means one from the top of the checkout, wherever git is started."""
    top = git.repository.checkout
    return str((top / url).resolve()) if top and url.startswith(("./", "../")) else url


def _quiet(ssh: str) -> str:
    """The user's ssh, kept from asking: it would ask the terminal itself."""
    try:
        program = Path(shlex.split(ssh)[0]).name
    except (ValueError, IndexError):
        program = ""
    return f"{ssh} {_SSH}" if program == "ssh" else ssh


def look_at_remote(git: Git, remote: Remote, *names: str) -> Seen:
    """Where the remote's own main branch and branches of those names (`*` matches) are."""
    wanted = tuple(f"refs/heads/{name}" for name in names)
    args = ("ls-remote", "--symref", "--", remote.address.url, "HEAD", *wanted)
    said = _ask(git, remote, args, LOOK_S, limit_bytes=LIST_BYTES)
    if said.truncated:
        where = f"{remote.name} ({remote.address.shown})"
        what = f"{where} names more branches than anybody can have: {', '.join(names)}"
        raise RemoteError(what, "failed", hint=f"git ls-remote {remote.name} shows them")
    head: str | None = None
    branches: dict[str, str] = {}
    for line in said.out.decode("utf-8", "replace").splitlines():
        what, _, ref = line.partition("\t")
        if ref == "HEAD" and what.startswith("ref: refs/heads/"):
            head = what.removeprefix("ref: refs/heads/")
        elif ref.startswith("refs/heads/") and is_id(what):
            branches[ref.removeprefix("refs/heads/")] = what
    return Seen(head, branches)


def push_branch(git: Git, remote: Remote, commit: str, branch: str) -> None:
    """Bring a commit to the remote as a branch below `orch/`; RemoteError where it refuses."""
    ref = check_ref(f"refs/heads/{branch}")
    if not ref.startswith(BRANCHES):
        raise ValueError(f"not a branch of orch's: {quoted(branch)}")
    quiet = ("--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no")
    args = ("push", "--porcelain", *quiet, "--", remote.address.url, f"{check_id(commit)}:{ref}")
    _ask(git, remote, args, PUSH_S)


def _ask(
    git: Git,
    remote: Remote,
    args: tuple[str, ...],
    timeout_s: float,
    limit_bytes: int | None = None,
) -> Answer:
    """Runs git on the way to a remote, in the sealed folder; RemoteError unless it ends well."""
    silent = (("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", str(SILENT_S)))
    address = remote.address
    told: tuple[tuple[str, str], ...] = ()
    env = dict(CLOSED) | git.store_environment | dict(remote.environ)
    if address.password:
        port = f":{address.port}" if address.port else ""
        host = f"[{address.host}]" if ":" in address.host else address.host
        told = ((f"credential.{address.scheme}://{host}{port}.helper", _TELL),)
        env |= {"ORCH_USER": address.user, "ORCH_PASSWORD": address.password}
    env |= overrides((*OVERRIDES, *silent, *told, *remote.settings, ("push.gpgSign", "false")))
    env |= {
        "GIT_DIR": str(git.sealed_folder()),
        "GIT_ALLOW_PROTOCOL": remote.address.scheme,
        "GCM_INTERACTIVE": "never",
        "SSH_ASKPASS_REQUIRE": "never",
    }
    where = git.repository.common_dir
    try:
        said = call(args, folder=where, env=env, timeout_s=timeout_s, limit_bytes=limit_bytes)
    except GitError as error:
        if error.kind != "timeout":
            raise
        what = f"{remote.name} ({remote.address.shown}) said nothing for too long"
        raise RemoteError(
            what, "silent", hint="see whether it can be reached, then try again"
        ) from error
    if said.exit_code == 0:
        return said
    raise _explained(remote, said)


def _explained(remote: Remote, said: Answer) -> RemoteError:
    where = f"{remote.name} ({remote.address.shown})"
    # Hidden before anything is cut: the half of a password is one too.
    plain = said.err.replace(remote.address.url, remote.address.shown)
    said = replace(said, err=re.sub(r"://[^/\s']*@", "://", plain))
    hidden = "; ".join(_telling(said))[:400]
    refused = re.search(r"(?m)^!\t[^\t]*\t(.*)$", said.out.decode("utf-8", "replace"))
    if refused is not None and not _AUTH.search(said.err):
        why = quoted(refused[1])
        remarks = "; ".join(line for line in _telling(said) if line.startswith("remote:"))[:300]
        what = f"{where} refused the branch: {why}" + (
            f"; {quoted(remarks, 300)}" if remarks else ""
        )
        return RemoteError(what, "rejected", hint="see the remote's rules for branches orch/*")
    if _AUTH.search(said.err):
        hint = "log git in for pushes (for example: gh auth setup-git, or an ssh key in an agent);"
        hint += " a helper in the repository's own configuration is not used, only your own"
        return RemoteError(f"{where} wants to know who you are: {hidden}", "auth", hint=hint)
    if _UNREACHABLE.search(said.err):
        hint = f"see what it is: git remote get-url {remote.name}; then try again"
        return RemoteError(f"{where} cannot be reached: {hidden}", "unreachable", hint=hint)
    return RemoteError(f"{where} could not be used: {hidden}", "failed", hint="try again")


def _telling(said: Answer) -> list[str]:
    lines = [quoted(line.strip(), 300) for line in said.err.splitlines() if line.strip()]
    return [line for line in lines if not line.startswith("hint:")][:6] or ["it said nothing"]
