"""The names of refs, branches and workspaces: a function of run, task and attempt. Pure.

1. A name follows from what it names, so what git shows can be matched to what was intended.
2. `refs/orch/<run>/tip` is the truth; `orch/<run>/result` is the branch that people see.
3. No name is a prefix of another's folder: git cannot hold both `a/b` and `a/b/1`.
4. A name that git would refuse, or read as an option or a revision, is refused here first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PREFIX = "orch-"
"""Every workspace and its administrative entry in the repository begins with it."""
REFS = "refs/orch/"
DISCARDED = "refs/orch-discarded/"
BRANCHES = "refs/heads/orch/"

# From git-check-ref-format(1): control characters, space, and what revisions are written with.
_NEVER_IN_A_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_REMOTE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,199}")
_WORKSPACE = re.compile(r"orch-[A-Za-z0-9][A-Za-z0-9_.-]{0,200}")
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200b-\u200f\u2028-\u202e\u2060-\u2069]"
)


def result_branch(run: str) -> str:
    """The run's own branch."""
    return check_ref(f"{BRANCHES}{run}/result")


def take_branch(run: str, task: str) -> str:
    """The branch on which a person goes on with a task's work."""
    return check_ref(f"{BRANCHES}{run}/take/{task}")


def own_branches(run: str, tasks: Iterable[str]) -> frozenset[str]:
    """Every branch that is made for a run with these tasks; what else lies beside them is not."""
    return frozenset({result_branch(run), *(take_branch(run, task) for task in tasks)})


def tip_ref(run: str) -> str:
    """Where the result stands."""
    return check_ref(f"{REFS}{run}/tip")


def attempt_ref(run: str, task: str, attempt: int) -> str:
    """The head of an attempt."""
    return check_ref(f"{REFS}{run}/attempt/{task}/{attempt}")


def round_ref(run: str, task: str, attempt: int, number: int) -> str:
    """What one round of an attempt committed."""
    return check_ref(f"{REFS}{run}/round/{task}/{attempt}/{number}")


def candidate_ref(run: str, candidate: str) -> str:
    """A candidate, while it is judged."""
    return check_ref(f"{REFS}{run}/candidate/{candidate}")


def run_refs(run: str) -> str:
    """The prefix of every ref of a run but its branches."""
    check_ref(f"{REFS}{run}/tip")
    return f"{REFS}{run}/"


def run_branches(run: str) -> str:
    """The prefix of every branch of a run; a person may have put one of theirs there."""
    check_ref(f"{BRANCHES}{run}/result")
    return f"{BRANCHES}{run}/"


def discarded_ref(run: str, ref: str = "") -> str:
    """Where a discarded run's ref is kept for a while; without a ref, the prefix of them all."""
    kept = f"{DISCARDED}{run}/"
    if not ref:
        return kept
    return check_ref(kept + ref.removeprefix(run_refs(run)).removeprefix("refs/"))


def workspace_name(run: str, kind: str, index: int) -> str:
    """The name of a pooled workspace: `orch-20261122-modernise-a1-worker-3`."""
    return check_workspace(f"{PREFIX}{run}-{kind}-{index}")


def check_workspace(name: str) -> str:
    """The name, which is one component of a path and ours; ValueError where it is not."""
    if not _WORKSPACE.fullmatch(name) or name.endswith((".lock", ".")) or ".." in name:
        raise ValueError(f"not the name of a workspace: {quoted(name)}")
    return name


def check_ref(ref: str) -> str:
    """The ref, whole and well formed (git-check-ref-format(1)); ValueError where it is not."""
    bad = (
        not ref.startswith("refs/")
        or ref.endswith(("/", "."))
        or bool(_NEVER_IN_A_REF.search(ref))
        or any(part.startswith((".", "-")) or part.endswith(".lock") for part in ref.split("/"))
    )
    if bad:
        raise ValueError(f"not a ref that git would take: {quoted(ref)}")
    return ref


def target_problem(name: str) -> str | None:
    """What keeps a name from being that of a branch to accept into; None: nothing does."""
    try:
        check_ref(f"refs/heads/{name}")
    except ValueError:
        return "is no legal name of a branch"
    if name in ("HEAD", "@"):
        return "is no legal name of a branch: it stands for what is checked out"
    if name.startswith("refs/"):
        return "is no legal name of a branch: write it without refs/heads/"
    if f"{name}/".startswith("orch/"):
        return "is none of your branches: orch/ is for those of orch's own"
    return None


def is_remote_name(name: str) -> bool:
    """Whether git may be told it as the name of a remote."""
    return _REMOTE.fullmatch(name) is not None and ".." not in name


def quoted(path: str, limit: int = 200) -> str:
    """A path for a person: what could steer a terminal or is no text is written as an escape."""
    # Cut before as well: only what is shown is worth looking at.
    cut = path if len(path) <= 2 * limit else f"{path[:limit]}...{path[-limit:]}"
    shown = _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode(), cut)
    if len(shown) <= limit:
        return shown
    return f"{shown[: limit * 4 // 5]}...{shown[-(limit * 3 // 20) :]}"
