"""Many files at once are read as each alone would be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.project import Project
from worktree import contents
from worktree.contents import read_files


@pytest.mark.parametrize("chunk_bytes", [1, 20, 1 << 20])
def test_files_are_read_whatever_their_names_sizes_and_bytes(
    tmp_path: Path, monkeypatch, chunk_bytes
):
    monkeypatch.setattr(contents, "CHUNK_BYTES", chunk_bytes)
    files = {
        "plain.py": "x = 1\n",
        "empty": "",
        "with space.txt": "a\nb",
        "line\nend": "c",
        "größe/ü.txt": "ü\n",
        " led by a space": "d",
        "large": "z" * 500,
    }
    project = Project(tmp_path, files)
    (project.root / "bytes").write_bytes(b"\0\n\xff" * 5)
    (project.root / "link").symlink_to("plain.py")
    head = project.commit({}, "more")
    git = project.workplace().git
    wanted = [*files, "bytes", "link", "größe", "missing", "missing:too", "plain.py"]
    found = dict(read_files(git, head, wanted, limit_bytes=100))
    assert found == {
        **{name: text.encode()[:100] for name, text in files.items()},
        "bytes": b"\0\n\xff" * 5,
        "link": b"plain.py",
        "größe": None,
        "missing": None,
        "missing:too": None,
    }
    assert list(read_files(git, head, [], limit_bytes=100)) == []
