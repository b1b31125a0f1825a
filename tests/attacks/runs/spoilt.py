"""Attacks on what orch itself stands on: its refs, its folder, the repository's objects.

Each has a run of its own. What a worker without a sandbox breaks cannot be kept whole; it is not
obeyed, nothing lands by it, the engine ends in words, and when a person has mended the repository
the run goes on to its end.
"""

from __future__ import annotations

from dataclasses import dataclass

EVIL = (
    'T=$(printf evil | git hash-object -w --stdin); T=$(printf "100644 blob $T\\tevil\\n" |'
    ' git mktree); BASE=$(git rev-parse HEAD); EVIL=$(git commit-tree -p "$BASE" -m evil "$T");'
    ' ALONE=$(git commit-tree -m evil "$T"); TIP=refs/orch/$ORCH_RUN/tip;'
    " RESULT=refs/heads/orch/$ORCH_RUN/result; "
)


@dataclass(frozen=True)
class Spoil:
    """What a worker does while the run goes on, and what a person does then to mend it."""

    name: str
    script: str
    mends: str = ""
    """Where the engine could not go on, before the next one."""
    tidies: str = ""
    """What a worker left where nobody stumbles over it."""
    slow: bool = False
    lost: bool = False
    """What it destroys cannot be mended here; it is enough that it is said."""


def _config(name: str, text: str) -> Spoil:
    return Spoil(f"config-{name}", f"printf '{text}' >> \"$COMMON/config\"")


_FOLLOWS = (
    'git symbolic-ref -d "$RESULT"; git update-ref --no-deref "$RESULT" "$(git rev-parse "$TIP")"'
)
REFS = (
    Spoil("tip-deleted", 'git update-ref -d "$TIP"'),
    Spoil("tip-on-evil", 'git update-ref "$TIP" "$EVIL"', 'git update-ref "$TIP" "$BASE"'),
    Spoil("tip-rewound", 'git update-ref "$TIP" "$ALONE"', 'git update-ref "$TIP" "$BASE"'),
    Spoil("tip-on-a-tree", 'echo "$T" > "$COMMON/$TIP"', 'echo "$BASE" > "$COMMON/$TIP"'),
    Spoil("tip-symbolic", 'git symbolic-ref "$TIP" refs/heads/main'),
    Spoil("tip-symbolic-to-the-result", 'git symbolic-ref "$TIP" "$RESULT"'),
    Spoil("tip-nonsense", 'echo nonsense > "$COMMON/$TIP"', 'echo "$BASE" > "$COMMON/$TIP"'),
    Spoil("tip-a-link", 'ln -sf ../../heads/main "$COMMON/$TIP"', 'rm "$COMMON/$TIP"'),
    Spoil("tip-a-folder", 'git update-ref -d "$TIP"; mkdir -p "$COMMON/$TIP/x";'
          ' echo "$EVIL" > "$COMMON/$TIP/x/y"', 'rm -r "$COMMON/$TIP"'),
    Spoil("tip-locked", 'touch "$COMMON/$TIP.lock"', 'rm -f "$COMMON/$TIP.lock"'),
    Spoil("result-deleted", 'git update-ref -d "$RESULT"'),
    Spoil("result-on-evil", 'git update-ref "$RESULT" "$EVIL"', tidies=_FOLLOWS),
    Spoil("result-symbolic", 'git symbolic-ref "$RESULT" refs/heads/main', tidies=_FOLLOWS),
    Spoil("result-locked", 'touch "$COMMON/$RESULT.lock"', tidies='rm -f "$COMMON/$RESULT.lock"'),
    Spoil("all-deleted", 'for r in $(git for-each-ref --format="%(refname)" refs/orch'
          ' refs/heads/orch); do git update-ref -d "$r"; done'),
    Spoil("all-on-evil", 'for r in $(git for-each-ref --format="%(refname)"'
          ' "refs/orch/$ORCH_RUN/attempt"); do git update-ref "$r" "$EVIL"; done'),
    Spoil("an-attempts-ref-in-the-way",
          'mkdir -p "$COMMON/refs/orch/$ORCH_RUN/attempt/after/1/x";'
          ' echo "$EVIL" > "$COMMON/refs/orch/$ORCH_RUN/attempt/after/1/x/y"',
          'rm -rf "${COMMON}/${TIP%/tip}/attempt/after/1/x"',
          'rm -rf "${COMMON}/${TIP%/tip}/attempt/after/1/x"'),
    Spoil("an-attempts-ref-is-there",
          'git update-ref "refs/orch/$ORCH_RUN/attempt/after/1" "$EVIL"'),
    Spoil("a-candidates-ref-is-there",
          'for n in 1 2 3 4; do git update-ref "refs/orch/$ORCH_RUN/candidate/$n" "$EVIL"; done'),
    Spoil("refs-packed-by-hand", 'git pack-refs --all'),
    Spoil("refs-packed-evil", 'git pack-refs --all; sed -i "s/^[0-9a-f]* \\(.*tip\\)$/$EVIL \\1/"'
          ' "$COMMON/packed-refs"', 'git update-ref "$TIP" "$BASE"'),
    Spoil("refs-packed-nonsense", 'printf "nonsense\\n\\0" > "$COMMON/packed-refs"',
          'rm "$COMMON/packed-refs"'),
    Spoil("refs-locked", 'touch "$COMMON/packed-refs.lock"', 'rm -f "$COMMON/packed-refs.lock"',
          slow=True),
    Spoil("refs-that-look-like-ids", 'for r in "refs/heads/$BASE" "refs/tags/$BASE" refs/tags/HEAD'
          ' refs/heads/refs/heads/main; do git update-ref "$r" "$ALONE"; done'),
    Spoil("refs-replaced", 'git update-ref "refs/replace/$BASE" "$ALONE"',
          tidies='git update-ref -d "refs/replace/$BASE"'),
    Spoil("refs-that-are-no-names", 'mkdir -p "$COMMON/refs/heads/-x"; echo "$EVIL" >'
          ' "$COMMON/refs/heads/-x/a..b"', tidies='rm -r "$COMMON/refs/heads/-x"'),
    Spoil("head-rewritten", 'echo "ref: $TIP" > "$COMMON/HEAD"'),
    Spoil("head-nonsense", 'echo nonsense > "$COMMON/HEAD"'),
    Spoil("head-gone", 'rm "$COMMON/HEAD"'),
    Spoil("target-on-evil", 'git update-ref refs/heads/main "$EVIL"',
          tidies='echo "$BASE" > "$COMMON/refs/heads/main"'),
    Spoil("target-deleted", 'git update-ref -d refs/heads/main',
          tidies='echo "$BASE" > "$COMMON/refs/heads/main"'),
)  # fmt: skip

OBJECTS = (
    Spoil("grafts", 'mkdir -p "$COMMON/info"; echo "$BASE $ALONE" > "$COMMON/info/grafts"'),
    Spoil("shallow", 'echo "$BASE" > "$COMMON/shallow"'),
    Spoil("shallow-nonsense", 'echo nonsense > "$COMMON/shallow"'),
    Spoil("shallow-locked", 'touch "$COMMON/shallow.lock"', tidies='rm "$COMMON/shallow.lock"'),
    Spoil("alternates", 'mkdir -p "$COMMON/objects/info"; echo "$OUT" >'
          ' "$COMMON/objects/info/alternates"'),
    Spoil("alternates-to-itself", 'mkdir -p "$COMMON/objects/info"; echo "$COMMON/objects" >'
          ' "$COMMON/objects/info/alternates"'),
    Spoil("alternates-over-http", 'mkdir -p "$COMMON/objects/info"; echo "http://127.0.0.1:1/x" >'
          ' "$COMMON/objects/info/http-alternates"'),
    Spoil("graph-nonsense", 'mkdir -p "$COMMON/objects/info"; echo nonsense >'
          ' "$COMMON/objects/info/commit-graph"'),
    Spoil("packs-nonsense", 'mkdir -p "$COMMON/objects/pack"; echo nonsense >'
          ' "$COMMON/objects/pack/multi-pack-index"',
          tidies='rm "$COMMON/objects/pack/multi-pack-index"'),
    Spoil("pack-nonsense", 'mkdir -p "$COMMON/objects/pack"; for e in pack idx; do echo nonsense >'
          ' "$COMMON/objects/pack/pack-0123456789012345678901234567890123456789.$e"; done',
          tidies='rm "$COMMON"/objects/pack/pack-0123*'),
    Spoil("promised", 'git config extensions.partialClone evil; git config remote.evil.promisor'
          ' true; git config remote.evil.url "ext::$TRAP"; git config protocol.ext.allow always'),
    Spoil("object-lost", 'b=$(git rev-parse HEAD:readme); rm -f "$COMMON/objects/$(echo $b |'
          ' cut -c-2)/$(echo $b | cut -c3-)"'),
    Spoil("object-nonsense", 'b=$(git rev-parse HEAD:readme); f="$COMMON/objects/$(echo $b |'
          ' cut -c-2)/$(echo $b | cut -c3-)"; rm -f "$f"; echo nonsense > "$f"'),
    Spoil("object-another", 'b=$(git rev-parse HEAD:readme); e=$(echo evil | git hash-object -w'
          ' --stdin); o="$COMMON/objects"; cp -f "$o/$(echo $e | cut -c-2)/$(echo $e | cut -c3-)"'
          ' "$o/$(echo $b | cut -c-2)/$(echo $b | cut -c3-)"'),
    Spoil("folder-for-objects-in-the-way", 'touch "$COMMON/objects/orch-incoming-1-x";'
          ' mkdir "$COMMON/objects/orch-incoming-2-x"',
          tidies='rm -rf "$COMMON"/objects/orch-incoming-*'),
)  # fmt: skip

OWN = (
    Spoil("sealed-with-settings", "printf '[core]\\n\\tfsmonitor = %s\\n\\thooksPath = %s\\n'"
          ' "$TRAP" "$TRAP" >> "$COMMON/orch/sealed/config"'),
    Spoil("sealed-with-attributes", 'mkdir -p "$COMMON/orch/sealed/info"; echo "* filter=x" >'
          ' "$COMMON/orch/sealed/info/attributes"'),
    Spoil("sealed-with-filters", 's="$COMMON/orch/sealed"; mkdir -p "$s/info"; echo "* filter=x" >'
          ' "$s/info/attributes"; for p in clean smudge process; do'
          ' git config --file "$s/config" "filter.x.$p" "$TRAP"; done'),
    Spoil("sealed-a-link", 'mv "$COMMON/orch/sealed" "$COMMON/moved"; ln -s "$COMMON"'
          ' "$COMMON/orch/sealed"', tidies='rm -r "$COMMON/moved"'),
    Spoil("sealed-gone", 'rm -r "$COMMON/orch/sealed"'),
    Spoil("sealed-with-hooks", 'mkdir -p "$COMMON/orch/sealed/hooks"; ln -s "$TRAP"'
          ' "$COMMON/orch/sealed/hooks/post-index-change"'),
    Spoil("sealed-with-objects", 'mkdir -p "$COMMON/orch/sealed/objects/info"; echo "$OUT" >'
          ' "$COMMON/orch/sealed/objects/info/alternates"'),
    Spoil("sealed-with-refs", 'mkdir -p "$COMMON/orch/sealed/refs/replace"; echo "$ALONE" >'
          ' "$COMMON/orch/sealed/refs/replace/$BASE"'),
    Spoil("lock-gone", 'rm -rf "$COMMON/orch/worktrees.lock" "$COMMON/orch/locks"'),
    Spoil("lock-a-link", 'ln -sf "$OUT/file" "$COMMON/orch/worktrees.lock"',
          'rm "$COMMON/orch/worktrees.lock"'),
    Spoil("logs-gone", 'rm -rf "$COMMON/orch/runs"'),
    Spoil("logs-a-link", 'rm -rf "$COMMON/orch/runs"; ln -s "$OUT" "$COMMON/orch/runs"',
          tidies='rm -f "$COMMON/orch/runs"'),
    Spoil("blobs-gone", 'rm -rf "$COMMON/orch/blobs"'),
    Spoil("blobs-a-link", 'rm -rf "$COMMON/orch/blobs"; ln -s "$OUT/within" "$COMMON/orch/blobs"',
          'rm -f "$COMMON/orch/blobs"'),
    Spoil("ledger-gone", 'rm -f "$COMMON"/orch/ledger.sqlite*', lost=True),
    Spoil("ledger-nonsense", 'echo nonsense > "$COMMON/orch/ledger.sqlite"', lost=True),
    Spoil("ledger-moved", 'mv "$COMMON/orch" "$COMMON/orch.moved"', lost=True),
    Spoil("ledger-a-copy", 'cp "$COMMON/orch/ledger.sqlite" "$COMMON/orch/copy"; mv'
          ' "$COMMON/orch/copy" "$COMMON/orch/ledger.sqlite"', lost=True),
    Spoil("ledger-read-only", 'chmod 0444 "$COMMON"/orch/ledger.sqlite*',
          tidies='chmod 0644 "$COMMON"/orch/ledger.sqlite*'),
)  # fmt: skip

SETTINGS = (
    _config("nonsense", "[\\n"),
    _config("of-tomorrow", "[core]\\n\\trepositoryformatversion = 999\\n"),
    _config("extended", "[core]\\n\\trepositoryformatversion = 1\\n[extensions]\\n\\tnone = x\\n"),
    _config("bare", "[core]\\n\\tbare = true\\n"),
    _config("elsewhere", "[core]\\n\\tworktree = /\\n"),
    _config("of-256-bits", "[core]\\n\\trepositoryformatversion = 1\\n"
            "[extensions]\\n\\tobjectFormat = sha256\\n"),
    Spoil("config-gone", 'rm "$COMMON/config"'),
    Spoil("config-a-folder", 'rm "$COMMON/config"; mkdir "$COMMON/config"'),
    Spoil("config-includes-itself", 'git config include.path config'),
    Spoil("config-locked", 'touch "$COMMON/config.lock"', tidies='rm "$COMMON/config.lock"'),
    Spoil("config-endless", 'head -c 30000000 /dev/zero | tr "\\0" "#" >> "$COMMON/config"'),
    Spoil("worktrees-gone", 'rm -rf "$COMMON/worktrees"'),
    Spoil("worktrees-a-file", 'rm -rf "$COMMON/worktrees"; echo > "$COMMON/worktrees"',
          'rm -f "$COMMON/worktrees"'),
    Spoil("worktrees-a-link", 'mv "$COMMON/worktrees" "$OUT/../moved"; ln -s "$OUT/../moved"'
          ' "$COMMON/worktrees"', 'rm -f "$COMMON/worktrees"'),
    Spoil("worktrees-pruned", 'git worktree prune --expire=now; git gc -q --prune=now'),
    Spoil("index-of-the-user-locked",
          'touch "$COMMON/index.lock"', tidies='rm "$COMMON/index.lock"'),
)  # fmt: skip

SPOILT = {"refs": REFS, "objects": OBJECTS, "own": OWN, "settings": SETTINGS}
