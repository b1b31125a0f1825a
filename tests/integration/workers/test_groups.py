"""Where control groups may be made, by what machines say of themselves."""

from pathlib import Path

from workers.groups import Home, homes_of

V1 = """\
36 35 0:30 / {top}/memory rw - cgroup cgroup rw,memory
37 35 0:31 / {top}/pids rw - cgroup cgroup rw,pids
38 35 0:32 / {top}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
39 35 0:33 / {top}/unified rw - cgroup2 cgroup2 rw
40 35 0:34 / /proc rw - proc proc rw
"""
V2 = "36 35 0:30 {root} {top} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def _made(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_version_1_has_them_below_ones_own(tmp_path: Path) -> None:
    own = "9:pids:/\n5:memory:/user/7\n3:cpu,cpuacct:/\n0::/\n"
    assert list(homes_of(own, V1.format(top=tmp_path))) == [
        Home(tmp_path / "memory/user/7", 1, ("memory",)),
        Home(tmp_path / "pids", 1, ("pids",)),
    ]


def test_a_mount_may_show_a_part_of_the_hierarchy(tmp_path: Path) -> None:
    mount = f"36 35 0:30 /docker/ab\\040c {tmp_path} rw - cgroup cgroup rw,memory\n"
    inside = list(homes_of("5:memory:/docker/ab c/x\n", mount))
    assert inside == [Home(tmp_path / "x", 1, ("memory",))]
    assert list(homes_of("5:memory:/docker/abc\n", mount)) == []
    assert list(homes_of("5:memory:/../other\n", mount.replace("/docker/ab\\040c", "/"))) == []


def test_version_2_has_them_beside_ones_own(tmp_path: Path) -> None:
    scope = "user.slice/app.slice/terminal.scope"
    own = _made(tmp_path / scope, memory__max="max\n", pids__max="max\n")
    _made(own.parent, cgroup__subtree_control="cpu memory pids\n")
    (own / "cgroup.subtree_control").write_text("\n")
    mount = V2.format(root="/", top=tmp_path)
    found = list(homes_of(f"0::/{scope}\n", mount))
    assert found == [Home(own.parent, 2, ("memory", "pids"))]
    (own.parent / "cgroup.subtree_control").write_text("pids\n")
    assert list(homes_of(f"0::/{scope}\n", mount)) == [Home(own.parent, 2, ("pids",))]


def test_no_group_is_made_beside_one_that_is_limited(tmp_path: Path) -> None:
    own = _made(tmp_path / "a.slice/b.scope", memory__max="1000000\n")
    _made(own.parent, cgroup__subtree_control="memory pids\n")
    assert list(homes_of("0::/a.slice/b.scope\n", V2.format(root="/", top=tmp_path))) == []


def test_a_container_that_counts_nothing_has_none(tmp_path: Path) -> None:
    _made(tmp_path, cgroup__subtree_control="\n", memory__max="max\n")
    assert list(homes_of("0::/\n", V2.format(root="/", top=tmp_path))) == []
    assert list(homes_of("", "")) == []
