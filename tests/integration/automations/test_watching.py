"""The system tells that something stirs, for real: one trigger a burst, and the right files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from ledger.automations import Automation
from orchestrator.automations.children import Firing
from orchestrator.automations.watching import watch_files
from orchestrator.workplace import open_workplace
from tests.support.cli import User

COVER = Automation(name="cover", goal="x", watch=("src/**/*.py",), debounce_s=0.4)


@pytest.fixture
def user(tmp_path: Path) -> User:
    user = User(tmp_path)
    user.commit({"src/a.py": "a\n", "src/b.py": "b\n", ".gitignore": "src/gen/\n"})
    return user


@asynccontextmanager
async def watching(user: User, *automations: Automation):
    """What is fired while it watches; it is known to watch when the block begins."""
    fired: list[Firing] = []
    ready = Automation(name="ready", goal="x", watch=("src/ready",), debounce_s=0)
    workplace = open_workplace(user.root, user.environ)
    async with anyio.create_task_group() as group:
        group.start_soon(watch_files, workplace, (*automations, ready), fired.append)
        number = 0
        with anyio.fail_after(30):
            while not fired:
                number += 1
                user.write({"src/ready": str(number)})
                await anyio.sleep(0.2)
        yield lambda: [one for one in fired if one.name != "ready"]
        group.cancel_scope.cancel()


async def until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(30):
        while not holds():
            await anyio.sleep(0.02)


async def test_a_burst_of_a_thousand_files_is_one_trigger(user):
    async with watching(user, COVER) as fired:
        folder = user.root / "src/many/deep"
        folder.mkdir(parents=True)
        for number in range(1_000):
            (folder / f"{number}.py").touch()
        await until(fired)
        assert [len(one.paths) for one in fired()] == [1_000]
        assert fired()[0].because == "1000 files: 1000 added"


@pytest.mark.thorough
async def test_a_folder_that_is_moved_is_files_that_moved(user):
    added = COVER.model_copy(update={"name": "added", "when": "added"})
    async with watching(user, COVER, added) as fired:
        (user.root / "src").rename(user.root / "old")
        (user.root / "old").rename(user.root / "src")  # and back: nothing has changed
        (user.root / "src/a.py").rename(user.root / "src/moved.py")
        await until(lambda: len(fired()) == 2)
        by_name = {one.name: one.paths for one in fired()}
        assert by_name == {"cover": ("src/a.py", "src/moved.py"), "added": ("src/moved.py",)}


@pytest.mark.thorough
async def test_a_folder_that_is_made_anew_is_listened_to(user):
    async with watching(user, COVER.model_copy(update={"debounce_s": 0.1})) as fired:
        shutil.rmtree(user.root / "src")
        await until(lambda: len(fired()) == 1)
        user.write({"src/deep/new.py": "x"})
        await until(lambda: len(fired()) == 2)
        user.write({"src/deep/more.py": "x"})
        await until(lambda: len(fired()) == 3)
        assert fired()[2].paths == ("src/deep/more.py",)


async def test_what_orch_and_git_write_starts_nothing(user):
    everything = Automation(name="all", goal="x", watch=("**",), debounce_s=0.2)
    user.git("rm", "-q", "--cached", "-r", ".agent")
    async with watching(user, COVER, everything) as fired:
        user.write({".agent/state_ledger.json": "{}", ".agent/plans/p.toml": "x"})
        user.write({"src/gen/made.py": "x"})
        user.git("commit", "-q", "--allow-empty", "-m", "more")
        user.write({"src/last.py": "x"})
        await until(lambda: any(one.name == "cover" for one in fired()))
        await until(lambda: any("src/last.py" in one.paths for one in fired() if one.name == "all"))
        paths = {path for one in fired() for path in one.paths}
        assert paths - {"src/ready"} == {"src/last.py"}
