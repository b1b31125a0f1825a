"""The repository that a command works on, and where orch keeps what belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.place import Place, place_of, workspaces_folder

if TYPE_CHECKING:
    from ledger.blobs import Blobs
    from ledger.store import Store
    from worktree.git import Git, Repository
    from worktree.user import UserSettings


@dataclass(frozen=True)
class Workplace:
    """One repository, its ledger's place and the caller's environment."""

    repository: Repository
    git: Git
    place: Place
    environ: Mapping[str, str]
    checkout: Path
    """The top of the user's worktree."""

    def store(self) -> Store:
        """The ledger, made where there is none."""
        from ledger.store import Store

        self.place.make()
        return Store.open(self.place.ledger)

    def existing_store(self) -> Store | None:
        """The ledger for reading; None where there is none."""
        from ledger.store import Store

        return Store.open_existing(self.place.ledger)

    @cached_property
    def blobs(self) -> Blobs:
        """Where logs and transcripts are kept."""
        from ledger.blobs import Blobs

        return Blobs(self.place.blobs)

    @cached_property
    def user(self) -> UserSettings:
        """What orch takes over from the user's git configuration."""
        from worktree.user import read_user_settings

        return read_user_settings(self.repository, self.environ)

    def workspaces(self, named: str | None = None) -> Path:
        """The folder that workspaces live in; `named` is what the settings say."""
        usual = workspaces_folder(self.repository.common_dir, self.environ)
        if named:
            # Below it a folder of the repository's own: another may be given the same one.
            return self.checkout / Path(named).expanduser() / usual.name
        return usual

    def refuse_nested(self) -> None:
        """Refuse to begin anything from a workspace of a run: each run would begin the next."""
        from orchestrator.errors import OrchError

        if self._is_workspace and ("ORCH_MARK" in self.environ or "ORCH_RUN" in self.environ):
            run = self.environ.get("ORCH_RUN", "a run")
            raise OrchError(
                f"this is a workspace of {run}: its workers and gates begin no runs",
                hint=f"run it from your own checkout, not from {self.checkout}",
            )

    @property
    def _is_workspace(self) -> bool:
        folder = self.repository.git_dir
        return folder.parent.name == "worktrees" and folder.name.startswith("orch-")

    def refuse_children(self) -> None:
        """Refuse a person's word where none is: in a workspace, or in what a run has started."""
        from orchestrator.errors import OrchError
        from orchestrator.runs import run_of_mark

        mark = self.environ.get("ORCH_MARK", "")
        run = run_of_mark(self.repository.common_dir, mark)
        if run or self._is_workspace:
            who = f"a worker or gate of {run}" if run else "who is in a workspace of a run"
            raise OrchError(
                f"{who} cannot say that: it is a person's word",
                hint="type it in your own checkout, outside of any run",
                exit_code=5,
            )

    def make_workspaces(self, named: str | None = None) -> None:
        """Make the folder that workspaces live in; OrchError where that is no place for them."""
        from orchestrator.errors import OrchError

        own = self.environ.get("ORCH_STATE_DIR", "")
        if own and not Path(own).expanduser().is_absolute():
            raise OrchError(
                f"ORCH_STATE_DIR is '{own}', which means another folder from everywhere",
                hint=f'give the whole path: export ORCH_STATE_DIR="{Path(own).absolute()}"',
            )
        folder = self.workspaces(named)
        if not named and folder.resolve().is_relative_to(self.checkout.resolve()):
            raise OrchError(
                f"the folder of the workspaces, {folder}, is in the repository",
                hint="set ORCH_STATE_DIR to a folder outside of it",
            )
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OrchError(
                f"the folder of the workspaces, {folder}, cannot be made ({error.strerror})",
                hint="set ORCH_STATE_DIR to a folder that may be written",
            ) from error


def open_workplace(start: Path, environ: Mapping[str, str]) -> Workplace:
    """The workplace of the repository that holds `start`.

    Raises GitError or OrchError where there is none, or none to work in.
    """
    from orchestrator.errors import OrchError
    from worktree.discovery import discover
    from worktree.git import Git
    from worktree.names import quoted
    from worktree.values import GitError

    try:
        repository = discover(start, environ)
    except GitError as error:
        if error.kind == "failed" and "\n" in str(start):
            raise OrchError(
                f"the path {quoted(str(start))} holds a line's end: git's answers cannot be told",
                hint="rename the folder, then try again",
            ) from error
        raise
    assert repository.checkout is not None
    place = place_of(repository.common_dir, environ)
    return Workplace(repository, Git(repository), place, environ, repository.checkout)
