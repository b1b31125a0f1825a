"""A run goes on on another machine, out of one file; a hostile file brings nothing."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.model import CommandWorker, Gate
from ledger.store import Store
from orchestrator.bundle.export import export_run
from orchestrator.bundle.form import FIRST, Manifest, Part, open_bundle
from orchestrator.bundle.leave import leave_here
from orchestrator.bundle.taking import Brought, look_into, take_in, wishes
from orchestrator.errors import OrchError
from orchestrator.review.verify import verify_run
from tests.support.project import SECRET, Project, task
from worktree.bundle import take_bundle
from worktree.values import GitError

WORKER = CommandWorker(
    kind="command",
    command='test -e "$HOME/../stop" && exit 1; printf "by %s\\n" "$ORCH_TASK" > "$ORCH_TASK.txt"',
)


@pytest.fixture(scope="module")
def half_done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str, Path]:
    """A run of which one task has landed and one has failed, and its file."""
    project = Project(tmp_path_factory.mktemp("first") / "home")
    fails = WORKER.model_copy(
        update={"command": 'test "$ORCH_TASK" = b && echo no && exit 1; ' + WORKER.command}
    )
    project.more_settings = {"workers": {"scripted": fails}}
    state = project.run(task("a"), task("b"), attempts=1, parallel=1)
    assert state.with_status("landed") == ("a",) and state.with_status("failed") == ("b",)
    path = project.root.parent / "run.orch"
    with project.store() as store:
        made = export_run(project.workplace(), store, state.run, path)
    assert made.blobs > 0 and made.refs > 1 and made.events == state.seq
    return project, state.run, path


@pytest.fixture
def elsewhere(half_done: tuple[Project, str, Path], tmp_path: Path) -> Project:
    """A clone of the same repository on another machine."""
    first = half_done[0]
    other = Project(tmp_path / "home")
    other.root.rename(other.root.with_name("not-this"))
    only = ("--single-branch", "--branch", "main", "--no-local")
    first.git("clone", "--quiet", *only, str(first.root), str(other.root))
    other.git("config", "user.name", "A Person")
    other.git("config", "user.email", "person@example.invalid")
    return other


def taken(project: Project, path: Path) -> int:
    workplace = project.workplace()
    brought = look_into(workplace, path)
    with project.store() as store:
        return take_in(workplace, store, brought)


def test_a_run_goes_on_where_another_machine_stopped(
    half_done: tuple[Project, str, Path], elsewhere: Project
) -> None:
    from orchestrator.persons import retry

    first, run, path = half_done
    before = elsewhere.git("for-each-ref", "refs/heads", "refs/tags")
    assert taken(elsewhere, path) == first.state(run).seq
    state = elsewhere.state(run)
    assert state.result == first.state(run).result and state.seq == first.state(run).seq
    assert elsewhere.facts(run) == first.facts(run)
    assert elsewhere.git("for-each-ref", "refs/heads/main") in before
    with elsewhere.store() as store:
        workplace = elsewhere.workplace()
        assert verify_run(workplace.git, store, workplace.blobs, run).agrees
        retry(store, run, "b", "try again")
    ended = elsewhere.drive(run)  # it fails again: that is its worker's, and it did run here
    assert len(ended.tasks["b"].attempts) == 2 and ended.with_status("landed") == ("a",)
    # What the first machine has is the beginning of that: it takes the rest, once.
    back = path.with_name("back.orch")
    with elsewhere.store() as store:
        export_run(elsewhere.workplace(), store, run, back)
    again = first.copied(elsewhere.root.parent.parent / "again")
    assert taken(again, back) == ended.seq - state.seq
    assert taken(again, back) == 0 and taken(again, path) == 0
    assert again.facts(run) == elsewhere.facts(run)


def test_two_that_went_different_ways_are_not_mixed(
    half_done: tuple[Project, str, Path], elsewhere: Project
) -> None:
    from orchestrator.persons import request_stop, retry

    first, run, path = half_done
    taken(elsewhere, path)
    with elsewhere.store() as store:
        retry(store, run, "b")
    other = first.copied(elsewhere.root.parent.parent / "other")
    with other.store() as store:
        retry(store, run, "b")
        request_stop(store, run)
        export_run(other.workplace(), store, run, path.with_name("other.orch"))
    before = elsewhere.git("for-each-ref")
    with pytest.raises(OrchError, match="went another way"):
        taken(elsewhere, path.with_name("other.orch"))
    assert elsewhere.git("for-each-ref") == before


def test_only_its_owner_may_read_the_file_and_it_holds_no_secret(
    half_done: tuple[Project, str, Path],
) -> None:
    path = half_done[2]
    assert path.stat().st_mode & 0o777 == 0o600
    assert SECRET.encode() not in path.read_bytes()
    assert [p.name for p in path.parent.glob(".run.orch*")] == []


def test_a_branch_that_a_person_put_beside_them_stays_at_home(
    half_done: tuple[Project, str, Path], elsewhere: Project
) -> None:
    project, run, path = half_done
    first = project.copied(elsewhere.root.parent.parent / "with-mine")
    first.git("branch", f"orch/{run}/mine", "main")
    own = path.with_name("mine.orch")
    with first.store() as store:
        export_run(first.workplace(), store, run, own)
    taken(elsewhere, own)
    names = elsewhere.git("for-each-ref", "--format=%(refname)", "refs/heads/orch").split()
    assert names == [f"refs/heads/orch/{run}/result"]


def test_the_base_must_be_here(half_done: tuple[Project, str, Path], tmp_path: Path) -> None:
    stranger = Project(tmp_path / "home", {"other": "history\n"})
    with pytest.raises(GitError, match="not in this clone") as caught:
        taken(stranger, half_done[2])
    assert "fetch-depth: 0" in caught.value.hint


def test_what_it_would_run_or_do_here_is_told(half_done: tuple[Project, str, Path]) -> None:
    project, run, path = half_done
    brought = look_into(project.workplace(), path)
    here = project.state(run).started.settings
    assert wishes(brought, here) == ()
    other = here.model_copy(update={"workers": {"scripted": WORKER}})
    assert any("echo no" in line for line in wishes(brought, other))
    greedy = brought.state.started.model_copy(update={"accept": True, "deliver": "pr"})
    brought.state.started, before = greedy, brought.state.started
    assert len(wishes(brought, here)) == 2 and len(wishes(brought, here, delivers=True)) == 1
    brought.state.started = before


def test_a_run_that_judges_less_than_the_settings_here_is_told(
    half_done: tuple[Project, str, Path],
) -> None:
    """Equal commands are not enough: a gate that is left out runs no command."""
    project, run, path = half_done
    here = project.state(run).started.settings
    gates = (*here.gates, Gate(name="slow", command="sh slow.sh"))
    stricter = here.model_copy(
        update={
            "gates": gates,
            "protected": ("Makefile",),
            "checker": "reviewer",
            "limits": here.limits.model_copy(update={"budget_usd": 1.0}),
        }
    )
    lines = wishes(look_into(project.workplace(), path), stricter)
    for words in ("without gate 'slow'", "'Makefile'", "checker = None", "budget_usd = None"):
        assert any(words in line for line in lines), (words, lines)
    late = (here.gates[0].model_copy(update={"stage": "check"}),)
    (line,) = wishes(look_into(project.workplace(), path), here.model_copy(update={"gates": late}))
    assert "stage = 'land', in your settings 'check'" in line


def test_gates_that_say_something_else_than_here_are_told(
    half_done: tuple[Project, str, Path],
) -> None:
    project, run, path = half_done
    here = project.state(run).started.settings
    gates = (here.gates[0].model_copy(update={"command": "make check"}), *here.gates[1:])
    (line,) = wishes(look_into(project.workplace(), path), here.model_copy(update={"gates": gates}))
    assert line == f'gate {here.gates[0].name}: command = "{here.gates[0].command}"'


def test_what_is_protected_here_is_changed_by_no_file_that_nobody_trusts(tmp_path: Path) -> None:
    """Leave that a plan or a person gave elsewhere is a word of whoever wrote the file."""
    first = Project(tmp_path / "first" / "home")
    writes = WORKER.model_copy(update={"command": "echo x > conftest.py"})
    first.more_settings = {"workers": {"scripted": writes}}
    allowed = task("a").model_copy(update={"may_change": ("conftest.py",), "paths": ()})
    other = first.copied(tmp_path / "other")
    state = first.run(allowed)
    assert state.with_status("landed") == ("a",)
    path, here = tmp_path / "run.orch", state.started.settings
    with first.store() as store:
        export_run(first.workplace(), store, state.run, path)
    brought = look_into(other.workplace(), path)
    assert wishes(brought, here) == ("task a: may_change = 'conftest.py', which no plan here says",)
    with other.store() as store, pytest.raises(OrchError, match="is protected here: conftest"):
        take_in(other.workplace(), store, brought, here)
    assert other.git("for-each-ref", "refs/orch", "refs/heads/orch") == ""
    # The same leave in a plan of this checkout is this checkout's own word.
    plan = 'goal = "g"\n[[task]]\nid = "a"\nprompt = "p"\nmay_change = ["conftest.py"]\n'
    other.write({".agent/plans/work.toml": plan})
    assert wishes(brought, here, leave=leave_here(other.root)) == ()
    with other.store() as store:
        assert take_in(other.workplace(), store, brought, here) == state.seq


def test_verdicts_that_only_the_file_tells_of_bring_nothing_into_a_branch(
    half_done: tuple[Project, str, Path], elsewhere: Project
) -> None:
    """The gate says here what it says here, whatever the file says that it said."""
    import anyio

    from orchestrator.accept import accept
    from orchestrator.forges.push import push_result

    taken(elsewhere, half_done[2])
    run, before = half_done[1], elsewhere.git("rev-parse", "main")
    path, mark = os.environ["PATH"], elsewhere.root.parent / "judged"
    shell = elsewhere.root.parent / "bin" / "sh"
    shell.parent.mkdir()
    shell.write_text(f"#!/bin/sh\necho ran >> {mark}\ntest ! -e a.txt\n")
    shell.chmod(0o755)
    elsewhere.environ["PATH"] = f"{shell.parent}:{path}"  # what the gate runs, and is red here
    there = elsewhere.root.parent / "there.git"
    elsewhere.git("clone", "--quiet", "--bare", str(elsewhere.root), str(there))
    elsewhere.git("remote", "set-url", "origin", str(there))
    with elsewhere.store() as store:
        result = anyio.run(accept, elsewhere.workplace(), store, run)
        assert result.outcome == "red" and mark.exists()
        with pytest.raises(OrchError, match="is not pushed: gate 'tests' is not green on it here"):
            push_result(elsewhere.workplace(), store, run)
    assert "orch/a-person" not in elsewhere.git("ls-remote", str(there))
    assert elsewhere.git("rev-parse", "main") == before
    mark.unlink()
    elsewhere.environ["PATH"] = path
    with elsewhere.store() as store:
        assert push_result(elsewhere.workplace(), store, run).outcome == "pushed"
        result = anyio.run(accept, elsewhere.workplace(), store, run)
    # Judged once: what was pushed has this machine's verdicts by now.
    assert result.outcome == "accepted" and not result.judged
    assert elsewhere.git("rev-parse", "main") == elsewhere.state(run).result


# --- hostile files ----------------------------------------------------------------------------


def parts_of(path: Path) -> tuple[dict[str, Any], list[bytes]]:
    file, opened = open_bundle(path)
    with file:
        return json.loads(opened.manifest.model_dump_json()), [data for _, data in opened.parts()]


def written(path: Path, manifest: dict[str, Any], datas: list[bytes]) -> Path:
    """A file whose hashes are right, whatever is in it."""
    for part, data in zip(manifest["parts"], datas, strict=True):
        part["size"], part["sha256"] = len(data), hashlib.sha256(data).hexdigest()
    body = FIRST + json.dumps(manifest).encode() + b"\n" + b"".join(datas)
    path.write_bytes(body)
    return path


Change = Callable[[dict[str, Any], list[bytes]], None]


def facts(change: Callable[[list[dict[str, Any]]], None]) -> Change:
    def changed(_: dict[str, Any], datas: list[bytes]) -> None:
        lines = [json.loads(line) for line in datas[0].splitlines()]
        change(lines)
        datas[0] = b"\n".join(json.dumps(line).encode() for line in lines) + b"\n"

    return changed


def first_of(lines: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(one for one in lines if one["kind"] == kind)


def body(at: int, **values: Any) -> Change:
    def changed(lines: list[dict[str, Any]]) -> None:
        said = json.loads(lines[at]["body"])
        lines[at]["body"] = json.dumps({**said, **values})

    return facts(changed)


def ref(name: str, value: str = "") -> Change:
    def changed(manifest: dict[str, Any], _: list[bytes]) -> None:
        manifest["refs"][name] = value or manifest["base"]

    return changed


def field(**values: Any) -> Change:
    return lambda manifest, _: manifest.update(values)


def cut_objects(_: dict[str, Any], datas: list[bytes]) -> None:
    datas[1] = datas[1][:-40] + b"\0" * 40


def no_objects(manifest: dict[str, Any], datas: list[bytes]) -> None:
    del manifest["parts"][1], datas[1]


def moved_tip(manifest: dict[str, Any], _: list[bytes]) -> None:
    tip = next(name for name in manifest["refs"] if name.endswith("/tip"))
    manifest["refs"][tip] = manifest["base"]


def not_a_bundle(_: dict[str, Any], datas: list[bytes]) -> None:
    datas[1] = b"# v2 git bundle\n../../etc/passwd\n\n"


# Those with whole objects come last: objects that no ref names stay in the store for a while.
HOSTILE: dict[str, Change] = {
    "a branch of the user's": ref("refs/heads/main"),
    "another run's ref": ref("refs/orch/another/tip"),
    "a ref with dots": ref("refs/orch/x/../../heads/main"),
    "no ref at all": ref("../../hooks/post-merge"),
    "HEAD": ref("HEAD"),
    "a run with a path": field(run="../../../etc/x"),
    "a run of somebody else": field(run="20200101-other-a1", refs={}),
    "a base that is an option": field(base="--upload-pack=touch x"),
    "another base": body(0, base="0" * 40),
    "a key that nobody knows": field(extra=1),
    "facts of another run": body(0, run="20200101-other-a1"),
    "facts in another order": facts(lambda lines: lines.reverse()),
    "a fact that is not legal": facts(lambda lines: lines.append(lines[0])),
    "a fact of nowhere": facts(lambda lines: lines[1].update(kind="Evil")),
    "a fact of a newer orch": facts(lambda lines: lines[1].update(version=99)),
    "a body that is no text": facts(lambda lines: lines[1].update(body={"a": 1})),
    "a body with half a letter": facts(
        lambda lines: lines[1].update(body=lines[1]["body"][:-1] + ', "x": "\ud800"}')
    ),
    "a kind with half a letter": facts(lambda lines: lines[1].update(kind="\ud800")),
    "a body that is no UTF-8": lambda _, datas: datas.__setitem__(
        0, datas[0].replace(b"A goal", b"A \xff goal")
    ),
    "a version before the first": facts(lambda lines: lines[1].update(version=-1)),
    "a version of many digits": facts(lambda lines: lines[1].update(version=10**30)),
    "a ref below another": lambda m, d: ref(f"refs/orch/{m['run']}/tip/x")(m, d),
    "a time that is none": facts(lambda lines: lines[1].update(at="NaN")),
    "a fact that nests without end": facts(lambda lines: lines[1].update(body="[" * 100_000)),
    "a tree that is another": body(0, base_tree="1" * 40),
    "a part of the size of a disk": lambda m, _: m["parts"][0].update(size=1 << 60),
    "objects that are damaged": cut_objects,
    "objects that are missing": no_objects,
    "objects that are no bundle": not_a_bundle,
    "a tip that no landing made": moved_tip,
    "a ref to what is not there": lambda m, d: ref(f"refs/orch/{m['run']}/round/a/1/9", "e" * 40)(
        m, d
    ),
    "a landing that no gate judged": facts(
        lambda lines: lines.remove(first_of(lines, "CandidateGateJudged"))
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.sample(7)
def test_a_hostile_file_brings_nothing(
    half_done: tuple[Project, str, Path], shared: Project, tmp_path: Path, name: str
) -> None:
    manifest, datas = parts_of(half_done[2])
    HOSTILE[name](manifest, datas)
    if name == "a part of the size of a disk":
        path = tmp_path / "evil.orch"
        path.write_bytes(FIRST + json.dumps(manifest).encode() + b"\n" + b"".join(datas))
    else:
        path = written(tmp_path / "evil.orch", manifest, datas)
    before = shared.git("for-each-ref"), files_of(shared)
    with pytest.raises((OrchError, GitError)) as caught:
        taken(shared, path)
    assert getattr(caught.value, "hint", "")
    assert (shared.git("for-each-ref"), files_of(shared)) == before
    with shared.store() as store:
        assert store.runs() == ()


@pytest.fixture(scope="module")
def shared(
    half_done: tuple[Project, str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A clone that no hostile file changes."""
    other = Project(tmp_path_factory.mktemp("shared") / "home")
    other.root.rename(other.root.with_name("not-this"))
    first = half_done[0]
    only = ("--single-branch", "--branch", "main", "--no-local")
    first.git("clone", "--quiet", *only, str(first.root), str(other.root))
    other.store().close()
    return other


def files_of(project: Project) -> set[str]:
    """Every file around and in the repository, but the ledger's own and objects."""
    top = project.root.parent.parent
    return {
        str(path)
        for path in top.rglob("*")
        if path.is_file() and "/objects/" not in str(path) and "/.git/orch/" not in str(path)
    }


@pytest.mark.parametrize(
    ("mode", "content", "why"),
    [("120000", b"../../../etc", "points out of the tree"), ("160000", b"", "submodule")],
)
def test_a_tree_that_no_agent_could_have_made_is_refused(
    half_done: tuple[Project, str, Path],
    shared: Project,
    tmp_path: Path,
    mode: str,
    content: bytes,
    why: str,
) -> None:
    other = half_done[0].copied(tmp_path / "evil")
    run, base = half_done[1], other.state(half_done[1]).started.base
    (tmp_path / "content").write_bytes(content)
    blob = other.git("hash-object", "-w", str(tmp_path / "content")) if content else base
    other.git("read-tree", base)
    other.git("update-index", "--add", "--cacheinfo", f"{mode},{blob},evil")
    commit = other.git("commit-tree", "-p", base, "-m", "evil", other.git("write-tree"))
    other.git("update-ref", f"refs/orch/{run}/round/a/1/9", commit)
    with other.store() as store:
        export_run(other.workplace(), store, run, tmp_path / "evil.orch")
    before = shared.git("for-each-ref"), files_of(shared)
    with pytest.raises(OrchError, match=why):
        taken(shared, tmp_path / "evil.orch")
    assert (shared.git("for-each-ref"), files_of(shared)) == before


def test_an_object_that_would_unpack_to_more_than_any_file_is_refused_before_it_does(
    shared: Project,
) -> None:
    size, varint = 400 << 20, bytearray()  # what is larger still is never held whole
    left = size >> 4
    varint.append(0x80 | 3 << 4 | size & 15)  # a blob
    while left:
        varint.append(left & 127 | (0x80 if left > 127 else 0))
        left >>= 7
    head = b"PACK" + struct.pack(">II", 2, 1) + bytes(varint)
    pack = head + zlib.compress(b"\0" * 1000)
    pack += hashlib.sha1(pack, usedforsecurity=False).digest()
    git = shared.workplace().git
    base = shared.git("rev-parse", "HEAD")
    with pytest.raises(GitError, match="over limit") as caught:
        take_bundle(git, b"# v2 git bundle\n\n" + pack, {}, base)
    assert caught.value.hint


def test_a_file_that_is_cut_changed_or_added_to_is_refused(
    half_done: tuple[Project, str, Path], shared: Project, tmp_path: Path
) -> None:
    whole = half_done[2].read_bytes()
    path = tmp_path / "other.orch"
    middle = len(whole) // 2
    for data, why in (
        (b"", "not written by"),
        (b"PK\x03\x04", "not written by"),
        (b"orch-bundle 2\n", "newer orch"),
        (whole[:40], "manifest"),
        (whole[:-1], "ends early"),
        (whole + b"x", "added"),
        (whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], "is not what it was"),
        (FIRST + b"[" * 100_000 + b"\n", "makes no sense"),
        (FIRST + b"{}\n", "makes no sense"),
    ):
        path.write_bytes(data)
        with pytest.raises(OrchError, match=why):
            taken(shared, path)
    for odd in (tmp_path, tmp_path / "none"):
        with pytest.raises(OrchError, match="no file"):
            taken(shared, odd)


def test_a_crash_while_it_is_taken_in_is_made_whole_by_the_same_again(
    half_done: tuple[Project, str, Path], elsewhere: Project
) -> None:
    """Killed between the facts: what is there is a beginning, and the rest follows."""
    first, run, path = half_done
    workplace = elsewhere.workplace()
    brought: Brought = look_into(workplace, path)
    beginning = replace(brought, rows=brought.rows[:5])
    from orchestrator.bundle import taking

    with elsewhere.store() as store:
        taking._append(store, run, beginning.rows, "A goal")
    assert taken(elsewhere, path) == len(brought.rows) - 5
    assert elsewhere.facts(run) == first.facts(run)


def test_verdicts_of_another_machine_are_not_used_by_other_runs(
    half_done: tuple[Project, str, Path], elsewhere: Project
) -> None:
    taken(elsewhere, half_done[2])
    tree = elsewhere.state(half_done[1]).landings[-1].tree
    with elsewhere.store() as store:
        assert store.verdicts(tree) == ()
    with half_done[0].store() as store:
        assert store.verdicts(tree)


def test_parts_are_bounded_and_of_known_kinds() -> None:
    with pytest.raises(ValueError, match="pattern"):
        Part(kind="blob", size=1, sha256="../../etc/passwd")
    with pytest.raises(ValueError, match="literal"):
        Part(kind="file", size=1, sha256="0" * 64)  # type: ignore[arg-type]
    assert Manifest.model_config["extra"] == "forbid"
    assert os.sep not in Part(kind="blob", size=1, sha256="0" * 64).sha256
    assert isinstance(Store, type)
