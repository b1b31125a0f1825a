"""Workspaces made ready: copies and the set-up."""

import os

import pytest

from ledger.model import Preparation
from orchestrator.verification.copies import copy_excludes
from orchestrator.verification.preparation import prepare

pytestmark = pytest.mark.anyio
COUNT = "echo run >> $COUNT; mkdir -p .kept && echo made > .kept/tool"


class Hall:
    """One pool, and a way to prepare its workspaces."""

    def __init__(self, court, **preparation):
        self.court = court
        self.count = court.logs / "count"
        court.preparation = Preparation(**preparation)
        self.pool = court.judge().pool
        self.git = court.judge().workplace.git

    async def ready(self, kind="worker", **more):
        workspace = self.pool.take(self.court.git("rev-parse", "HEAD"))
        trouble = await prepare(
            workspace,
            self.court.preparation,
            kind=kind,
            checkout=self.court.checkout,
            environ={**self.court.environ, "COUNT": str(self.count)},
            allowed=("COUNT",),
            mark="20261122-goal-a1/t1/1/n",
            log=self.court.logs / "setup.log",
            git=self.git,
            **more,
        )
        return workspace, trouble

    async def runs(self):
        """Prepare once more; how often the set-up has run by then."""
        workspace, trouble = await self.ready()
        assert trouble is None
        self.pool.give_back(workspace)
        return self.count.read_text().count("run") if self.count.exists() else 0


# --- the set-up ---------------------------------------------------------------------------------


async def test_the_set_up_runs_once_and_again_when_its_inputs_change(court):
    court.commit({"lock": "1\n", "reqs/a.txt": "a\n", "other": "1\n"})
    hall = Hall(court, setup=(COUNT,), setup_inputs=("lock", "reqs/*.txt"), keep=(".kept",))
    assert [await hall.runs(), await hall.runs()] == [1, 1]
    court.commit({"other": "2\n"})
    assert await hall.runs() == 1
    court.commit({"lock": "2\n"})
    assert await hall.runs() == 2
    court.commit({"reqs/b.txt": "b\n"})
    assert await hall.runs() == 3
    court.git("rm", "-q", "lock")
    court.commit({})
    assert await hall.runs() == 4
    assert await hall.runs() == 4
    court.preparation = court.preparation.model_copy(update={"setup": (COUNT, "true")})
    assert await hall.runs() == 5


async def test_a_set_up_whose_work_is_not_kept_runs_each_time(court):
    hall = Hall(court, setup=(COUNT,))
    assert [await hall.runs(), await hall.runs()] == [1, 2]


async def test_what_a_set_up_made_is_as_it_made_it_whoever_had_it_between(court):
    hall = Hall(court, setup=(COUNT,), keep=(".kept",))
    await hall.runs()
    workspace, _ = await hall.ready()
    (workspace.path / ".kept" / "tool").write_text("changed")
    (workspace.path / ".kept" / "leave").write_text("to pass")
    hall.pool.give_back(workspace)
    assert await hall.runs() == 1
    workspace, _ = await hall.ready()
    assert [path.name for path in (workspace.path / ".kept").iterdir()] == ["tool"]
    assert (workspace.path / ".kept" / "tool").read_text() == "made\n"
    (workspace.folder / "kept.json").unlink()
    hall.pool.give_back(workspace)
    assert await hall.runs() == 2, "without the seal nothing was kept"


async def test_folders_that_a_set_up_locked_can_be_used_again(court):
    court.commit({"src/deep/a.txt": "a\n"})
    hall = Hall(court, setup=("chmod 0 src/deep; chmod 0 src; chmod 0 .",))
    workspace, trouble = await hall.ready()
    assert trouble is None
    folders = (workspace.path, workspace.path / "src", workspace.path / "src/deep")
    assert all(folder.stat().st_mode & 0o700 == 0o700 for folder in folders)


async def test_a_set_up_that_failed_is_said_and_tried_again(court):
    hall = Hall(court, setup=("echo no network >&2; exit 7",), keep=(".kept",))
    workspace, trouble = await hall.ready()
    assert trouble is not None
    assert str(trouble).startswith("the set-up command `echo no network >&2; exit 7` failed")
    assert "no network" in str(trouble)
    hall.pool.give_back(workspace)
    _, trouble = await hall.ready()
    assert trouble is not None


async def test_what_a_set_up_prints_of_a_copied_file_is_hidden(court):
    court.write({".env": "export TOKEN='of-the-file-1' # a note\nURL=x://me:pass-word-2@h/d\n"})
    tell = r"cat .env; sed -n 's/.*me:\(.*\)@.*/just \1/p' .env; exit 7"
    hall = Hall(court, setup=(tell,), copy_gates=(".env",))
    workspace, trouble = await hall.ready("gate")
    hall.pool.give_back(workspace)
    assert "just [redacted URL]" in str(trouble)
    said = str(trouble) + (court.logs / "setup.log").read_text()
    assert "[redacted TOKEN]" in said
    assert "of-the-file" not in said and "pass-word" not in said


async def test_a_set_up_has_a_time_limit_for_all_its_commands(court):
    hall = Hall(court, setup=("sleep 0.2", "sleep 600"))
    _, trouble = await hall.ready(timeout_s=0.6)
    assert trouble is not None
    assert "`sleep 600` failed (it did not end within 0.6 s)" in str(trouble)


async def test_a_set_up_leaves_tracked_files_as_they_are(court):
    court.commit({"lock": "1\n"})
    hall = Hall(court, setup=("echo 2 > lock; rm readme; echo x > .kept-not",), keep=())
    workspace, trouble = await hall.ready()
    assert trouble is None
    assert (workspace.path / "lock").read_text() == "1\n"
    assert (workspace.path / "readme").read_text() == "hello\n"
    assert (workspace.path / ".kept-not").exists()


# --- copies -------------------------------------------------------------------------------------


async def test_workers_get_their_copies_and_only_gates_get_the_gates(court):
    court.write({".env.test": "A=1\n", ".env": "SECRET=1\n", "cache/deep/x": "x"})
    os.chmod(court.checkout / ".env", 0o640)
    hall = Hall(court, copy_files=(".env.test", "cache"), copy_gates=(".env",))
    workspace, trouble = await hall.ready("worker")
    assert trouble is None
    assert (workspace.path / ".env.test").read_text() == "A=1\n"
    assert (workspace.path / "cache/deep/x").read_text() == "x"
    assert not (workspace.path / ".env").exists()
    gate, trouble = await hall.ready("gate")
    assert trouble is None
    assert (gate.path / ".env").read_text() == "SECRET=1\n"
    assert (gate.path / ".env").stat().st_mode & 0o077 == 0
    hall.pool.give_back(gate)
    again, _ = await hall.ready("worker")
    assert again.path == gate.path
    assert not (again.path / ".env").exists()
    assert copy_excludes(court.preparation) == "/.env.test\n/cache\n/.env\n"


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd/../../outside", ".git/config", "", "out"]
)
async def test_nothing_from_outside_the_checkout_is_copied(court, name, tmp_path):
    (tmp_path / "outside").write_text("secret")
    os.symlink(tmp_path / "outside", court.checkout / "out")
    hall = Hall(court, copy_files=(name,))
    workspace, trouble = await hall.ready()
    assert trouble is not None
    assert "cannot be copied from the checkout" in str(trouble)
    assert trouble.hint
    assert not (workspace.path / "out").exists()


async def test_a_link_in_the_tree_never_leads_a_copy_out_of_it(court, tmp_path):
    target = tmp_path / "victim"
    target.mkdir()
    court.write({"cache/token": "secret"})
    hall = Hall(court, copy_files=("cache",))
    os.rename(court.checkout / "cache", tmp_path / "aside")
    os.symlink(target, court.checkout / "cache")
    court.git("add", "-f", "cache")
    court.git("commit", "--quiet", "-m", "a link in its place")
    os.unlink(court.checkout / "cache")
    os.rename(tmp_path / "aside", court.checkout / "cache")
    _, trouble = await hall.ready()
    assert trouble is not None
    assert "the tree has something else at cache/" in str(trouble)
    assert list(target.iterdir()) == []


async def test_a_copy_never_takes_the_place_of_a_file_of_the_tree(court):
    court.write({".env": "mine\n"})
    court.git("add", "-f", ".env")
    court.git("commit", "--quiet", "-m", "tracked")
    hall = Hall(court, copy_files=(".env",))
    _, trouble = await hall.ready()
    assert trouble is None  # the same content
    court.write({".env": "other\n"})
    workspace, trouble = await hall.ready()
    assert trouble is not None
    assert "the tree has a file of its own there" in str(trouble)
    assert (workspace.path / ".env").read_text() == "mine\n"


async def test_a_pipe_or_a_link_within_a_copied_folder_is_left_out(court, tmp_path):
    court.write({"cache/x": "x"})
    os.mkfifo(court.checkout / "cache" / "pipe")
    os.symlink(tmp_path, court.checkout / "cache" / "link")
    hall = Hall(court, copy_files=("cache",))
    workspace, trouble = await hall.ready()
    assert trouble is None
    assert os.listdir(workspace.path / "cache") == ["x"]
