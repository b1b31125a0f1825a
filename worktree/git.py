"""Git in one repository: refs, objects and differences, as values.

1. Content (trees, files, an index, merges) is worked on in the sealed folder, where revisions
   are full object ids and the repository's configuration does not exist.
2. Refs are read and moved in the repository itself, by one transaction that compares and swaps.
   Symbolic refs are never followed: the ref that is named is the ref that moves.
3. What a person typed is resolved in one place, `resolve`, in the user's own checkout.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from worktree.door import CLOSED, FSYNC, OVERRIDES, TIMEOUT_S, call, checked, overrides
from worktree.door import strip_environment as strip_environment
from worktree.incoming import WRITERS, Incoming
from worktree.indexes import IndexTrees
from worktree.loose import Loose
from worktree.names import check_ref, quoted
from worktree.objects import write_commit
from worktree.ref_locks import announced
from worktree.sealed import Sealed
from worktree.values import Answer as Answer
from worktree.values import Change as Change
from worktree.values import Commit as Commit
from worktree.values import GitError as GitError
from worktree.values import Person as Person
from worktree.values import RefMoved as RefMoved
from worktree.values import RefUpdate as RefUpdate
from worktree.values import Repository as Repository
from worktree.values import Signing as Signing
from worktree.values import check_id, is_id, parse_raw

_REVISION_LENGTH = 4096
_NO_SUCH_FILE = ("does not exist in", ": bad file")
"""What git says where a commit has no file of that name: none at all, or a folder."""


class Git:
    """Git in one repository. Safe to use from many threads at once."""

    def __init__(
        self,
        repository: Repository,
        *,
        mark: str = "",
        caller: Callable[..., Answer] = call,
        writer: Callable[..., str | None] = write_commit,
    ) -> None:
        self.repository = repository
        self._call, self._write = caller, writer
        """The door, and who writes commits; others than these make them fail on purpose."""
        self.state_folder = repository.common_dir / "orch"
        """Where the sealed folder and locks are kept."""
        self._sealed = Sealed(self.state_folder / "sealed", repository.object_format)
        base = dict(CLOSED)
        if mark:
            base["ORCH_MARK"] = mark
        # History that a shallow clone does not have ends where the user's git says it ends.
        store = self.store_environment
        self.incoming = Incoming(repository.common_dir / "objects")
        """The way of what we write into the store."""
        shared = (("core.sharedRepository", repository.shared),) if repository.shared else ()
        self._pairs = (*OVERRIDES, *shared)
        durable = overrides((*self._pairs, FSYNC))
        passing = overrides((*self._pairs, ("core.fsync", "none")))
        self._content = {
            True: base | store | durable,
            False: base | store | passing,
        }
        self._refs = base | durable

        self.attributes: dict[str, Path | None] = {}
        """By commit, the folder with what its `.gitattributes` say of merging, if anything."""
        self._merge_rules = ""
        self._trees: dict[str, str] = {}
        """Trees by commit: what a commit holds never changes."""
        self.index_trees = IndexTrees()
        self.merges: dict[tuple[str, str, str], str | tuple[str, ...]] = {}
        """By commit, head and rules, the merged tree or the paths in conflict."""
        self.steps: dict[tuple[str, str, str], str] = {}
        """The commits between a candidate's heads; no ref names them."""
        self._listed: tuple[str, tuple[str, ...]] = ("", ())
        """The commit whose files were listed last, and their names."""

    @property
    def store_environment(self) -> dict[str, str]:
        """What lets a git in the sealed folder see this repository's objects."""
        common = self.repository.common_dir
        shallow = {"GIT_SHALLOW_FILE": str(common / "shallow")}
        return {"GIT_OBJECT_DIRECTORY": str(common / "objects"), **shallow}

    def sealed_folder(self) -> Path:
        """The folder in which content is worked on, as it must be."""
        return self._sealed.ready()

    def merge_rules(self, commit: str) -> str:
        """The commit whose `.gitattributes` say how paths merge: the first one asked about."""
        self._merge_rules = self._merge_rules or commit
        return self._merge_rules

    # --- calls ------------------------------------------------------------------------------

    def run(self, *args: str, **how: Any) -> bytes:
        """What git says on stdout when it works on content; see `answer` for the keywords."""
        return self.answer(*args, **how).out

    def answer(
        self,
        *args: str,
        stdin: bytes = b"",
        tree: Path | None = None,
        index: Path | None = None,
        folder: Path | None = None,
        extra: Mapping[str, str] | None = None,
        durable: bool = True,
        timeout_s: float = TIMEOUT_S,
        ok: tuple[int, ...] = (0,),
        limit_bytes: int | None = None,
    ) -> Answer:
        """Runs git on content, in the sealed folder; GitError unless it exits as `ok` says."""
        env = dict(self._content[durable])
        env["GIT_DIR"] = str(self._sealed.ready())
        if tree is not None:
            env["GIT_WORK_TREE"] = str(tree)
        if index is not None:
            env["GIT_INDEX_FILE"] = str(index)
        if extra:
            env.update(extra)
        run = partial(
            self._call,
            args,
            folder=folder or self.repository.common_dir,
            stdin=stdin,
            timeout_s=timeout_s,
            limit_bytes=limit_bytes,
        )
        if args[0] not in WRITERS:
            return checked(args, run(env=env), ok)
        with self.incoming.folder() as objects:
            said = checked(args, run(env={**env, **objects.environment}), ok)
            if said.exit_code == 0:
                objects.move_out()
            return said

    def run_refs(
        self,
        *args: str,
        stdin: bytes = b"",
        git_dir: Path | None = None,
        extra: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        ok: tuple[int, ...] = (0,),
    ) -> Answer:
        """Runs git in the repository itself: only for what reads or moves refs."""
        common = self.repository.common_dir
        env = self._refs | {"GIT_DIR": str(git_dir or common), "GIT_COMMON_DIR": str(common)}
        if extra:
            env.update(extra)
        return checked(
            args, self._call(args, folder=common, env=env, stdin=stdin, timeout_s=timeout_s), ok
        )

    # --- refs -------------------------------------------------------------------------------

    def read_ref(self, ref: str) -> str | None:
        """The commit that a ref names; None where there is no such ref."""
        return self.list_refs(check_ref(ref)).get(ref)

    def list_refs(self, *prefixes: str) -> dict[str, str]:
        """Refs and what they name, below prefixes that end in `/` or are refs themselves."""
        for prefix in prefixes:
            check_ref(prefix.rstrip("/"))
        form = "--format=%(refname) %(objectname)"
        out = self.run_refs("for-each-ref", form, "--", *prefixes).out
        pairs = (line.partition(" ")[::2] for line in _text(out).splitlines())
        return dict(pairs)

    def resolve(self, revision: str) -> str:
        """The commit that a person's revision means in their checkout."""
        found = ""
        # Neither a NUL nor a book can be an argument, and no revision is either.
        if "\0" not in revision and len(revision) <= _REVISION_LENGTH:
            said = self.run_refs(
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                f"{revision}^{{commit}}",
                git_dir=self.repository.git_dir,
                ok=(0, 1, 128),
            )
            found = "" if said.exit_code else _text(said.out).strip()
        if not is_id(found):
            raise GitError(
                f"no commit is named {quoted(revision)!r}",
                kind="no-such-revision",
                hint="make a first commit: git add -A && git commit"
                if revision == "HEAD"
                else "list what there is: git branch --all",
            )
        return found

    def update_refs(
        self,
        updates: Iterable[RefUpdate],
        *,
        reason: str = "",
        extra: Mapping[str, str] | None = None,
    ) -> None:
        """Moves all of these refs or none; RefMoved where one does not stand where expected.

        With a reason, which is for refs of the user's, it is logged where their settings say so.
        """
        lines = []
        for one in updates:
            check_ref(one.ref)
            old = "" if one.old == "any" else self._id_or_zeros(one.old)
            if one.new is None:
                lines.append(f"delete {one.ref}\0{old}\0")
            else:
                lines.append(f"update {one.ref}\0{check_id(one.new)}\0{old}\0")
        if not lines:
            return
        # --no-deref: somebody may have made one of our refs a symbolic one to theirs.
        args = ("update-ref", "--no-deref", *(("-m", reason) if reason else ()))
        own = overrides(tuple(p for p in self._pairs if p[0] != "core.logAllRefUpdates"))
        deletes = any(line.startswith("delete ") for line in lines)
        with announced(self.state_folder) if deletes else contextlib.nullcontext():
            self.run_refs(
                *args,
                "--stdin",
                "-z",
                stdin="".join(lines).encode(),
                extra={**(own if reason else {}), **(extra or {})},
            )

    def _id_or_zeros(self, value: str | None) -> str:
        if value is None:
            return "0" * (40 if self.repository.object_format == "sha1" else 64)
        return check_id(value)

    # --- objects ----------------------------------------------------------------------------

    def tree_of(self, commit: str) -> str:
        """The tree of a commit."""
        known = self._trees.get(commit)
        if known is None:
            known = Loose(self.repository).tree_of(check_id(commit)) or self._ask_tree(commit)
            self._trees[commit] = known
        return known

    def _ask_tree(self, commit: str) -> str:
        return _text(self.run("rev-parse", "--verify", f"{commit}^{{tree}}")).strip()

    def exists(self, commit: str) -> bool:
        """Whether the object store has it still; a garbage collection takes what no ref names."""
        args = ("cat-file", "-e", check_id(commit))
        said = self.answer(*args, ok=(0, 1))
        # A disk that fails is no answer to the question.
        return checked(args, said, () if "error:" in said.err else (0, 1)).exit_code == 0

    def list_files(self, commit: str) -> tuple[str, ...]:
        """The names of all files of a commit, links and all."""
        known, names = self._listed
        if known != commit:
            out = self.run("ls-tree", "-r", "-z", "--name-only", check_id(commit))
            names = tuple(filter(None, _text(out).split("\0")))
            self._listed = commit, names
        return names

    def is_ancestor(self, ancestor: str, commit: str) -> bool:
        """Whether a commit's history holds another; a commit's own does."""
        ids = (check_id(ancestor), check_id(commit))
        return self.answer("merge-base", "--is-ancestor", *ids, ok=(0, 1)).exit_code == 0

    def changed_paths(self, base: str, tree: str) -> tuple[Change, ...]:
        """What differs between two trees or commits; a rename is a deletion and an addition."""
        ids = (check_id(base), check_id(tree))
        if (found := Loose(self.repository).diff(*ids)) is not None:
            return found
        out = self.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", *ids)
        return parse_raw(out)

    def commit_tree(
        self,
        tree: str,
        parents: tuple[str, ...],
        message: str,
        author: Person,
        *,
        signing: Signing | None = None,
    ) -> str:
        """Makes a commit of a tree; nothing refers to it yet."""
        if signing is None:
            here = self.repository, self.incoming
            written = self._write(*here, check_id(tree), parents, message, author)
            if written is not None:
                self._trees[written] = tree
                return written
        args = ["commit-tree"]
        for parent in parents:
            args += ["-p", check_id(parent)]
        extra = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": author.name,
            "GIT_COMMITTER_EMAIL": author.email,
        }
        if signing is not None:
            args.append(f"-S{signing.key}")
            extra |= {"HOME": signing.home}
            extra |= overrides((*self._pairs, FSYNC, *signing.config))
        args += ["-F", "-", check_id(tree)]
        out = self.run(*args, stdin=message.encode(), extra=extra)
        made = check_id(_text(out).strip())
        self._trees[made] = tree
        return made

    def read_commit(self, commit: str) -> Commit:
        """A commit, with its message."""
        raw = self.run("cat-file", "commit", check_id(commit))
        head, _, message = raw.decode("utf-8", "replace").partition("\n\n")
        fields = [line.split(" ", 1) for line in head.splitlines() if not line.startswith(" ")]
        author = re.match(r"(.*?) ?<(.*)> (\d+)", next(v for k, v in fields if k == "author"))
        name, email, at = author.groups() if author else ("", "", "0")
        return Commit(
            id=commit,
            tree=next(v for k, v in fields if k == "tree"),
            parents=tuple(v for k, v in fields if k == "parent"),
            author=Person(name, email),
            at_s=int(at),
            message=message,
        )

    def first_parents(
        self, tip: str, until: str | None = None, limit: int | None = None
    ) -> tuple[tuple[str, str], ...]:
        """Commits and their trees from a tip along first parents, newest first, up to `until`."""
        stop: tuple[str, ...] = () if until is None else (f"^{check_id(until)}",)
        stop += () if limit is None else (f"--max-count={limit}",)
        form = ("--no-commit-header", "--format=%H %T")
        out = self.run("rev-list", "--first-parent", *form, check_id(tip), *stop)
        return tuple((line[0], line[1]) for line in map(str.split, _text(out).splitlines()))

    def diff(
        self,
        base: str,
        head: str,
        *,
        form: Literal["patch", "stat", "names"] = "patch",
        paths: tuple[str, ...] = (),
        limit_bytes: int = 8 << 20,
    ) -> tuple[bytes, bool]:
        """A change for reading, and whether it was cut at the limit."""
        forms = {"patch": ("-p",), "stat": ("--stat=100", "--summary"), "names": ("--name-status",)}
        said = self.answer(
            "diff-tree",
            "-r",
            "-M",
            *forms[form],
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--ignore-submodules=all",
            check_id(base),
            check_id(head),
            "--",
            *paths,
            limit_bytes=limit_bytes,
        )
        return said.out, said.truncated

    def show_file(self, commit: str, path: str, limit_bytes: int = 8 << 20) -> bytes | None:
        """A file as a commit has it, cut at the limit; None where it has no such file."""
        name = f"{check_id(commit)}:{path}"
        if not path or path.startswith(("/", "./", "../")) or "\0" in path:
            return None
        args = ("cat-file", "blob", name)
        said = self.answer(*args, ok=(0, 128), limit_bytes=limit_bytes)
        is_absent = "error:" not in said.err and any(words in said.err for words in _NO_SUCH_FILE)
        return None if is_absent else checked(args, said, (0,)).out


def _text(out: bytes) -> str:
    return out.decode("utf-8", "surrogateescape")
