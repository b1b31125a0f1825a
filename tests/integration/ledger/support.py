"""Other processes and other users, for the tests of the ledger's storage."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WAIT_S = 30


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Another Python process that runs the script; it can be spoken to by lines."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(child: subprocess.Popen[str]) -> str:
    """Wait for the child's end; what it still had to say. It must have gone well."""
    said, _ = child.communicate(timeout=WAIT_S)
    assert child.returncode == 0
    return said


def kill(child: subprocess.Popen[str]) -> str:
    """Kill the child without a word; what it had said that was not read yet."""
    child.kill()
    return child.communicate(timeout=WAIT_S)[0]


def as_ordinary_user(work: Callable[[], object]) -> str:
    """What `work` returns, as text, when it has no rights beyond the file modes."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            answer = str(work())
        except BaseException as error:
            answer = f"raised {type(error).__name__}: {error}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


@contextmanager
def sealed(*files: tuple[Path, str]) -> Iterator[Path]:
    """A folder with copies of the files that an ordinary user may read but not write."""
    folder = Path(tempfile.mkdtemp(prefix="orch-sealed-"))  # pytest's folders are for one user
    try:
        for source, name in files:
            shutil.copyfile(source, folder / name)
            (folder / name).chmod(0o444)
        folder.chmod(0o555)
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def fingerprint(folder: Path) -> dict[str, str]:
    """The names below a folder and the hashes of what is in them."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
