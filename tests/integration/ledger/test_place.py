from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ledger.place import (
    file_system,
    is_network,
    load_mounts,
    place_of,
    state_folder,
    workspaces_folder,
)
from ledger.store import Store
from tests.integration.ledger.support import as_ordinary_user, sealed

LOCAL = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"


def mounted(kind: str, at: Path) -> str:
    escaped = str(at).replace("\\", "\\134").replace(" ", "\\040")
    return LOCAL + f"40 22 0:30 / {escaped} rw,relatime shared:2 master:1 - {kind} host:/x rw\n"


@pytest.fixture
def common(tmp_path: Path) -> Path:
    repository = tmp_path / "my project"
    subprocess.run(["git", "init", "-q", repository], check=True, timeout=30)
    return repository / ".git"


def test_the_ledger_lives_in_the_git_folder_and_nothing_is_made_until_asked(common: Path) -> None:
    place = place_of(common, {}, LOCAL)
    assert place.folder == common / "orch"
    assert not place.network
    assert "git folder" in place.reason
    assert not place.folder.exists()
    place.make()
    place.make()
    with Store.open(place.ledger) as store:
        assert store.runs() == ()
    assert {path.name for path in place.folder.iterdir()} == {
        "ledger.sqlite", "locks", "blobs", "runs",
    }  # fmt: skip
    assert place.folder.stat().st_mode & 0o777 == 0o700
    assert place.lock("20261122-demo-a1") == place.locks / "20261122-demo-a1.lock"


def test_a_link_to_the_repository_leads_to_the_same_ledger(common: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(common.parent)
    environ = {"HOME": str(tmp_path)}
    for mounts in (LOCAL, mounted("nfs4", common.parent)):
        through_link = place_of(tmp_path / "link" / ".git", environ, mounts)
        assert through_link == place_of(common, environ, mounts)


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.something-new", "ceph"]
)
def test_on_a_network_file_system_it_lives_in_the_users_state_folder(
    common: Path, tmp_path: Path, kind: str
) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    place = place_of(common, environ, mounted(kind, common.parent))
    assert place.folder.parent == tmp_path / "state" / "orch"
    assert kind in place.reason
    assert not place.network
    another = place_of(common.parent, environ, mounted(kind, common.parent))
    assert another.folder != place.folder
    place.make()
    assert place.folder.is_dir()


def test_when_home_is_on_the_network_too_it_says_what_to_do(common: Path, tmp_path: Path) -> None:
    place = place_of(common, {"HOME": str(tmp_path)}, mounted("nfs", tmp_path))
    assert place.network
    assert "ORCH_STATE_DIR" in place.reason
    here = place_of(common, {"ORCH_STATE_DIR": "/var/lib/orch"}, mounted("nfs", tmp_path))
    assert here.folder.parent == Path("/var/lib/orch")
    assert not here.network


@pytest.mark.parametrize("kind", ["ext4", "btrfs", "tmpfs", "overlay", "fuse.gocryptfs", "fuseblk"])
def test_local_file_systems_are_trusted(common: Path, kind: str) -> None:
    assert place_of(common, {}, mounted(kind, common.parent)).folder == common / "orch"


def test_the_innermost_and_latest_mount_counts() -> None:
    mounts = (
        LOCAL
        + "30 22 0:1 / /home rw - nfs host:/home rw\n"
        + "31 30 0:2 / /home/me/my\\040disk rw - xfs /dev/sdb rw\n"
        + "32 22 0:3 / /net rw - autofs systemd-1 rw\n"
        + "33 32 0:4 / /net rw - nfs4 host:/net rw\n"
        + "nonsense\n\n"
    )
    assert file_system(Path("/home/me/my disk/repo"), mounts) == "xfs"
    assert file_system(Path("/home/me/my"), mounts) == "nfs"
    assert file_system(Path("/homes"), mounts) == "ext4"
    assert file_system(Path("/net/repo"), mounts) == "nfs4"
    assert file_system(Path("/anywhere"), "") == ""
    assert not is_network("")


@pytest.mark.skipif(not load_mounts(), reason="this system has no /proc/self/mountinfo")
def test_this_machines_own_mounts_are_understood() -> None:
    assert file_system(Path("/proc/self").resolve(), load_mounts()) == "proc"
    assert file_system(Path("/").resolve(), load_mounts())


def test_the_state_folder_follows_the_environment() -> None:
    every = {"ORCH_STATE_DIR": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}
    assert state_folder(every) == Path("/a")
    assert state_folder({**every, "ORCH_STATE_DIR": ""}) == Path("/b/orch")
    assert state_folder({"XDG_STATE_HOME": "relative", "HOME": "/c"}).is_relative_to("/c")
    assert state_folder({}).is_absolute()


def test_workspaces_of_two_repositories_never_share_a_folder(tmp_path: Path) -> None:
    environ = {"ORCH_STATE_DIR": str(tmp_path / "state")}
    odd = ["a/project/.git", "b/project/.git", "bare.git", "-- ü\n!/.git", "....git"]
    found = [workspaces_folder(tmp_path / name, environ) for name in odd]
    assert len(set(found)) == len(found)
    assert [path.name.rpartition("-")[0] for path in found] == [
        "project", "project", "bare", "repository", "repository",
    ]  # fmt: skip
    assert {path.parent for path in found} == {tmp_path / "state"}
    assert not (tmp_path / "state").exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error() -> None:
    with sealed() as folder:
        said = as_ordinary_user(lambda: place_of(folder, {}, LOCAL).make())
    assert said.startswith("raised LedgerUnwritable")
    assert str(folder / "orch") in said
