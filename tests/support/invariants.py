"""What must hold after any run, whatever happened to it; each check names its law.

| law | checked here |
|---|---|
| L1 | the tip's first parents are the recorded landings, or where somebody else moved it; landings have exactly their heads as further parents; the tree of each passed every gate, as recorded of that tree; `verify_run` agrees |
| L2 | each commit that a fact of an attempt names is reachable from a ref, also while no engine is alive |
| L3 | files, index, configuration, hooks, HEAD and refs of the user's are as they were |
| L4 | the run ends, and every task with it (that it ends in the same tree is the caller's to ask) |
| L5 | no worktree, lock, process, temporary file or ref that the ledger does not name |
| L6 | what the environment held as a secret is in no file of the ledger's |
| L8 | nobody holds the lock; between two starts of engines there is a reason for the second |
| L9 | facts are numbered without a gap; replayed from the first, and once more, they yield the state |
| L12 | every gate was asked about the base before anything landed; exit code 0 is said exactly when all has landed |

L7 needs calls that cost money, L10 is asked by the time limit of whoever drives, L11 by the tests
of what agents print.
"""  # noqa: E501

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ledger import events as e
from ledger.lock import is_held
from ledger.state import DONE, STUCK, RunState, fold
from orchestrator.journal import load_state, read_facts
from orchestrator.review.verify import verify_run
from tests.support.project import SECRET, Project

Things = dict[str, str]


def check_run(project: Project, state: RunState, before: Things | None = None) -> None:
    """Check every promise that can be told from repository, ledger, processes and files.

    `before` is what `things` said before the run.
    """
    assert state.finished, "L4: the run ends"
    if state.finished.outcome == "complete":
        for task_id, task in state.tasks.items():
            assert task.status in DONE | STUCK, f"L4: {task_id} is {task.status}"
    _check_replay(project, state)
    _check_verdicts(project, state)
    check_crashed(project, state.run)
    tip = project.git("rev-parse", f"refs/orch/{state.run}/tip")
    assert tip == state.tip, "L1: the tip is where the ledger says"
    result = project.git("rev-parse", f"refs/heads/orch/{state.run}/result")
    assert result == state.result, "L1: the result branch is at what landed last"
    with project.store() as store:
        workplace = project.workplace()
        said = verify_run(workplace.git, store, workplace.blobs, state.run)
    assert said.agrees, f"L1: {said.disagreements}"
    if before is not None:
        now = things(project)
        changed = [name for name in before | now if before.get(name) != now.get(name)]
        assert not changed, f"L3: {changed}"
    else:
        assert project.git("status", "--porcelain") == "", "L3: the user's checkout is as it was"
    left = list(_left(project, state))
    assert not left, f"L5: {left}"
    _check_secrets(project)
    assert not is_held(project.workplace().place.lock(state.run)), "L8: the lock is free"
    fsck = subprocess.run(("git", "fsck", "--strict"), cwd=project.root, capture_output=True)
    assert fsck.returncode == 0, fsck.stderr


def check_crashed(project: Project, run: str) -> None:
    """Check what must hold at every moment, also when an engine was killed just now."""
    with project.store() as store:
        facts = [fact for _, _, fact in read_facts(store, run)]
        state = load_state(store, run)
    refs = _refs(project, f"refs/orch/{run}/", f"refs/heads/orch/{run}/")
    named = {name for fact in facts for name in _commits_of(fact)}
    if named:
        missing = project.git("rev-list", "--no-walk", *named, "--not", "--all")
        assert not missing, f"L2: no ref leads to {missing.split()}"
    tip = refs.get(f"refs/orch/{run}/tip")
    if tip is None:
        assert not state.landings, "L1: the tip is there once something has landed"
        return
    coming = {
        state.candidates[number].built.commit
        for number in state.open_candidates
        if state.candidates[number].status == "landing"
    }
    assert tip in {state.tip, *coming}, f"L1: the tip moved to {tip}, which nobody intended"
    _check_chain(project, state, facts, tip)


def _commits_of(fact: e.Event) -> Iterator[str]:
    match fact:
        case e.RoundFinished(commit=str(commit)):
            yield commit
        case e.AttemptFinished(head=str(head)):
            yield head


# --- L1, L12 ----------------------------------------------------------------------------------


def _check_chain(project: Project, state: RunState, facts: list[e.Event], tip: str) -> None:
    """From the tip down to the base: judged candidates only."""
    passed: dict[str, set[str]] = {}
    for fact in facts:
        if isinstance(fact, e.BaselineGateJudged | e.CandidateGateJudged | e.RoundGateJudged):
            gates = passed.setdefault(fact.verdict.tree, set())
            if fact.verdict.outcome == "passed":
                gates.add(fact.verdict.gate)
    wanted = {gate.name for gate in state.started.settings.gates if gate.when == "always"}
    built = {one.built.commit: one.built for one in state.candidates.values()}
    base = state.started.base
    form = "--format=%H %T %P"
    lines = project.git("log", "--first-parent", form, f"{base}..{tip}").splitlines()
    landed = {landing.commit for landing in state.landings}
    assert landed <= {line.split()[0] for line in lines}, "L1: what has landed is in the result"
    strangers = {move.tip for move in state.moves}
    branch = _refs(project, f"refs/heads/orch/{state.run}/result").values()
    assert {base, *landed, *built}.issuperset(branch), "L1: the result is at what nobody judged"
    for line in lines:
        commit, tree, *parents = line.split()
        if commit in strangers:
            continue
        assert commit in built, f"L1: {commit} is no candidate of the run"
        assert built[commit].tree == tree, f"L1: {commit} has another tree than was judged"
        assert wanted <= passed.get(tree, set()), f"L1: not every gate passed {commit}"
        heads = [state.attempt(ref).head for ref in built[commit].heads]
        assert parents == [built[commit].base, *heads], f"L1: the parents of {commit}"


def _check_verdicts(project: Project, state: RunState) -> None:
    assert state.finished
    judged = set()
    for fact in project.facts(state.run):
        if isinstance(fact, e.BaselineGateJudged):
            judged.add(fact.verdict.gate)
        if isinstance(fact, e.Landed):
            wanted = {gate.name for gate in state.started.settings.gates if gate.when == "always"}
            assert wanted <= judged, "L12: nothing lands before the base is known"
            break
    done = all(task.status in DONE for task in state.tasks.values())
    assert (state.finished.exit_code == 0) == done, "L12: the exit code says so"


# --- L9 ---------------------------------------------------------------------------------------


def _check_replay(project: Project, state: RunState) -> None:
    with project.store() as store:
        assert store.faults() == (), "L9: the ledger is whole"
        again = load_state(store, state.run)
        facts = [(fact, at) for _, at, fact in read_facts(store, state.run)]
    assert again == state or again.seq > state.seq, "L9: the ledger holds the state"
    assert fold(facts) == fold(facts) == again, "L9: replaying the ledger yields the state"


# --- L3, L5, L6 -------------------------------------------------------------------------------


def things(project: Project) -> Things:
    """What is the user's: a hash of each file, of what git knows of them, and their refs."""
    git = project.root / ".git"
    found = {}
    for path in sorted(project.root.rglob("*")):
        if path.is_file() and not path.is_relative_to(git):
            found[str(path.relative_to(project.root))] = _hash(path)
    found.pop(".agent/state_ledger.json", None)
    for name in ("index", "config", "HEAD", "shallow", "info/exclude", "logs/HEAD"):
        found[f".git/{name}"] = _hash(git / name) if (git / name).exists() else ""
    for path in sorted((git / "hooks").glob("*")):
        found[f"hook {path.name}"] = _hash(path)
    theirs = ("refs/orch/", "refs/heads/orch/")
    refs = _refs(project, "refs/").items()
    found["refs"] = " ".join(f"{ref} {at}" for ref, at in refs if not ref.startswith(theirs))
    return found


def _left(project: Project, state: RunState) -> Iterator[str]:
    """What is left of orch's and is named by no fact; half-written objects are for git's own gc."""
    git, run = project.root / ".git", state.run
    yield from (f"worktree {one.name}" for one in git.glob("worktrees/*"))
    for path in git.rglob("*"):
        ours = path.is_relative_to(git / "orch")
        if path.suffix == ".lock" and not ours:
            yield f"lock {path}"
        if ours and (path.name.startswith("entry-") or ".new-" in path.name):
            yield f"temporary {path}"
    yield from (f"of a run: {one}" for one in git.glob("orch/runs/*"))
    yield from (f"unfinished {one}" for one in git.glob("orch/**/unfinished/*"))
    folder = project.root.parent / "state"
    yield from (f"file {path}" for path in folder.rglob("*") if path.is_file())
    yield from (f"process {pid}: {words}" for pid, words in processes(project.root.parent))
    known = {f"refs/orch/{run}/tip", f"refs/heads/orch/{run}/result"}
    known |= {
        f"refs/orch/{run}/{kind}/{task}/{attempt.number}"
        for task, one in state.tasks.items()
        for attempt in one.attempts
        for kind in ("attempt", "round")
    }
    for ref in _refs(project, f"refs/orch/{run}/", f"refs/heads/orch/{run}/"):
        name = ref.rpartition("/")[0] if "/round/" in ref else ref
        if name not in known:
            yield f"ref {ref}"


def processes(folder: Path) -> Iterator[tuple[int, str]]:
    """Processes whose environment or folder names that folder."""
    wanted = os.fsencode(folder) + b"/"
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            where = os.readlink(os.fsencode(entry / "cwd")) + b"/"
            if wanted not in (entry / "environ").read_bytes() and wanted not in where:
                continue
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if words and int(entry.name) != os.getpid():  # a zombie is gone
            yield int(entry.name), words


def _check_secrets(project: Project) -> None:
    for path in (project.root / ".git" / "orch").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), f"L6: a secret is in {path}"


def _refs(project: Project, *prefixes: str) -> dict[str, str]:
    lines = project.git("for-each-ref", "--format=%(refname) %(objectname)", *prefixes)
    return dict(line.split() for line in lines.splitlines())


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
