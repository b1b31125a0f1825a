"""Bugs seeded where objects, workspaces and the ledger's file are looked at without git."""

from __future__ import annotations

from tests.mutants.seeded import Seeded

LOOSE = ("tests/integration/worktree/test_loose.py",)
COUNTING = ("tests/integration/worktree/test_counting.py",)

STORE_BUGS = (
    Seeded(
        "object-of-another-name",
        "an object that is read without git is what its name says",
        "worktree/loose.py",
        "if hashlib.new(self._format, raw, usedforsecurity=False).hexdigest() != object_id:",
        "if False:",
        LOOSE,
    ),
    Seeded(
        "difference-without-types",
        "a file that became a link is told as that",
        "worktree/loose.py",
        'status = "M" if before.mode[:3] == after.mode[:3] else "T"',
        'status = "M"',
        LOOSE,
    ),
    Seeded(
        "missing-where-packed",
        "what is packed is git's to read",
        "worktree/loose.py",
        "            entries = None if found is None else self._list(found)\n"
        "            if entries is None:\n                return None",
        "            entries = None if found is None else self._list(found)\n"
        "            if entries is None:\n                return MISSING",
        LOOSE,
    ),
    Seeded(
        "clean-by-count-alone",
        "as many files as the commit has are not yet the files that it has",
        "worktree/workspace.py",
        "return not self._content(slot, *_DIFFERENT)",
        "return True",
        COUNTING,
    ),
    Seeded(
        "clean-with-more-files",
        "a file that no commit has does not stay in a workspace",
        "worktree/workspace.py",
        "if there is None or there != count_entries(self._indexes / slot.name):",
        "if there is None:",
        COUNTING,
    ),
    Seeded(
        "worktree-in-a-tree",
        "a repository within the tree lands in no form",
        "worktree/commit.py",
        'nested = sorted(one for one in folders if os.path.lexists(root / one / ".git"))',
        "nested = list[str]()",
        ("tests/integration/worktree/test_commit.py",),
    ),
    Seeded(
        "ledger-left-open",
        "who closes last leaves one file",
        "ledger/store.py",
        "weakref.finalize(self, _close, connection)",
        "pass",
        ("tests/e2e/test_bad_ledgers.py::test_a_ledger_cut_in_half",),
    ),
)
