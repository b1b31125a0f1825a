"""Attacks by what a worker plants in the repository, which it can where nothing confines it.

Those of one group are planted side by side and stay for the rest of the run.
"""

from __future__ import annotations

from tests.attacks.runs.attack import Attack

_X = "; echo x > x"
_SET = 'until git config --file "$COMMON/config" --add "{key}" "{value}"; do sleep 0.02; done'


def _planted(name: str, script: str, springs: str = "") -> Attack:
    lands = [f"{name}/x"] + [f"{name}/.gitattributes"] * ("> .gitattributes" in script)
    return Attack(name, script + _X, "landed", tuple(lands), springs=springs)


def _set(name: str, *pairs: str, springs: str = "") -> Attack:
    """Configuration; `$TRAP` is the canary."""
    parts = (pair.partition("=")[::2] for pair in pairs)
    script = "; ".join(_SET.format(key=key, value=value) for key, value in parts)
    return _planted(name, script, springs)


def _hook(name: str, springs: str = "") -> Attack:
    script = (
        f'h="$COMMON/hooks/{name}"; mkdir -p "$COMMON/hooks"; rm -f "$h";'
        ' printf "#!/bin/sh\\nexec \'%s\'\\n" "$TRAP" > "$h"; chmod +x "$h"'
    )
    return _planted(f"hook-{name}", script, springs)


_COMMIT = "git commit -q --allow-empty -m x"
HOOKS = (
    _hook("applypatch-msg"),
    _hook("commit-msg", _COMMIT),
    _hook("fsmonitor-watchman"),
    _hook("post-applypatch"),
    _hook("post-checkout", "git checkout -q -B elsewhere"),
    _hook("post-commit", _COMMIT),
    _hook("post-index-change", "touch readme; git update-index --refresh; git add readme"),
    _hook("post-merge", "git branch -f behind; " + _COMMIT + "; git checkout -q behind;"
          " git merge -q main elsewhere"),
    _hook("post-rewrite", "git commit -q --amend --allow-empty -m y"),
    _hook("post-update"),
    _hook("pre-applypatch"),
    _hook("pre-auto-gc"),
    _hook("pre-commit", _COMMIT),
    _hook("pre-merge-commit"),
    _hook("pre-push"),
    _hook("pre-rebase", "git rebase --force-rebase HEAD"),
    _hook("pre-receive"),
    _hook("prepare-commit-msg", _COMMIT),
    _hook("proc-receive"),
    _hook("push-to-checkout"),
    _hook("reference-transaction", _COMMIT),
    _hook("update"),
)  # fmt: skip

PROGRAMS = (
    _set("set-monitor", "core.fsmonitor=$TRAP", "core.fsmonitorHookVersion=2",
         springs="git status"),
    _set("set-external-diff", "diff.external=$TRAP", springs="echo >> readme; git diff"),
    _set("set-signer", "gpg.program=$TRAP", "commit.gpgSign=true", springs=_COMMIT),
    _set("set-signatures-shown", "log.showSignature=true", "tag.gpgSign=true"),
    _set("set-editor", "core.editor=$TRAP", springs="git commit --allow-empty --no-gpg-sign"),
    _set("set-sequence-editor", "sequence.editor=$TRAP"),
    _set("set-pager", "core.pager=$TRAP", "pager.diff-tree=$TRAP", "pager.cat-file=$TRAP"),
    _set("set-asker", "core.askPass=$TRAP"),
    _set("set-ssh", "core.sshCommand=$TRAP", springs="git ls-remote ssh://localhost/x"),
    _set("set-proxy", "core.gitProxy=$TRAP", springs="git ls-remote git://localhost/x"),
    _set("set-credentials", "credential.helper=$TRAP",
         springs="printf 'protocol=https\\nhost=x\\n\\n' | git credential fill"),
    _set("set-alternates-command", "core.alternateRefsCommand=$TRAP"),
    _set("set-pack-hook", "uploadpack.packObjectsHook=$TRAP"),
    _set("set-trailers", "trailer.orch-run.command=$TRAP", "trailer.sign.command=$TRAP",
         springs="git interpret-trailers --trailer sign </dev/null"),
    _set("set-aliases", *(f"alias.{one}=!$TRAP" for one in
         ("merge-tree", "commit-tree", "update-ref", "for-each-ref", "lands")),
         springs="git lands"),
    _set("set-transport", "protocol.allow=always", "protocol.ext.allow=always",
         "remote.origin.url=ext::$TRAP", springs="git fetch origin"),
    _set("set-url", "url.ext::$TRAP .insteadOf=orch:", springs="git ls-remote orch:x"),
    _set("set-vcs", "remote.other.vcs=ext", "remote.other.url=$TRAP",
         springs="git fetch other"),
    _set("set-upload-pack", "remote.third.url=.", "remote.third.uploadpack=$TRAP",
         springs="git fetch third"),
    _set("set-submodule", "submodule.x.update=!$TRAP", "submodule.recurse=true"),
    _set("set-include", "include.path=$OUT/none", "includeIf.gitdir:**.path=$OUT/none"),
    _set("set-collector", "gc.auto=1", "gc.autoDetach=false", "maintenance.auto=true",
         "gc.pruneExpire=now", "gc.recentObjectsHook=$TRAP"),
    _set("set-merge-tool", "merge.tool=x", "mergetool.x.cmd=$TRAP", "diff.tool=x",
         "difftool.x.cmd=$TRAP", "difftool.prompt=false", springs="echo >> readme; git difftool"),
    _set("set-interactive", "interactive.diffFilter=$TRAP"),
    _set("set-template", "init.templateDir=$OUT", "commit.template=$OUT/file"),
    _set("set-log", "core.logAllRefUpdates=always", "core.abbrev=4", "i18n.commitEncoding=UTF-16"),
    _set("set-rerere", "rerere.enabled=true", "rerere.autoUpdate=true"),
    _set("set-files", "core.autocrlf=true", "core.eol=crlf", "core.symlinks=false",
         "core.fileMode=false", "core.ignoreCase=true"),
    _set("set-sparse", "core.sparseCheckout=true", "index.sparse=true"),
    _set("set-excludes", "core.excludesFile=$OUT/file", "core.attributesFile=$OUT/file"),
)  # fmt: skip

_ATTRIBUTES = 'mkdir -p "$COMMON/info"; echo "* filter=x diff=x merge=x text ident" > "$COMMON/info/attributes"'  # noqa: E501
DRIVERS = (
    _planted("attributes-in-info", _ATTRIBUTES),
    _set("filter-clean", "filter.x.clean=$TRAP", springs="echo 1 >> readme; git add readme"),
    _set("filter-smudge", "filter.x.smudge=$TRAP", springs="rm readme; git checkout -f readme"),
    _set("filter-required", "filter.x.required=true"),
    _set("driver-textconv", "diff.x.textconv=$TRAP", springs="echo 2 >> readme; git diff"),
    _set("driver-merge", "merge.x.driver=$TRAP %A %O %B", "merge.default=x",
         springs="git checkout -qf -b o; echo a > readme; git commit -qam a;"
         " git checkout -q -b p HEAD^; echo b > readme; git commit -qam b; git merge o"),
    _planted("drivers-in-the-tree",
             "echo '* filter=x diff=x merge=x' > .gitattributes"),
)  # fmt: skip
COMMANDS = (
    _planted("attributes-again", _ATTRIBUTES),
    _set("driver-command", "diff.x.command=$TRAP"),
    _set("filter-process", "filter.x.process=$TRAP", "filter.x.required=true",
         springs="echo 1 >> readme; git add readme"),
    _set("filter-lfs", "filter.lfs.process=$TRAP", "filter.lfs.clean=$TRAP",
         "filter.lfs.smudge=$TRAP"),
)  # fmt: skip

_EVIL = (
    'EVIL="$OUT/../evil/$ORCH_TASK"; mkdir -p "$EVIL"; git init -q "$EVIL";'
    ' git --git-dir="$EVIL/.git" config core.fsmonitor "$TRAP";'
    " for h in post-checkout reference-transaction post-index-change; do"
    ' ln -sf "$TRAP" "$EVIL/.git/hooks/$h"; done;'
)


def _pointer(name: str, script: str) -> Attack:
    return _planted(f"pointer-{name}", f"{_EVIL} T=$PWD/..; {script}")


POINTERS = (
    _pointer("elsewhere", 'echo "gitdir: $EVIL/.git" > "$T/.git"'),
    _pointer("with-a-line-end", 'printf "gitdir: $EVIL/.git\\n\\n/x\\n" > "$T/.git"'),
    _pointer("a-folder", 'rm "$T/.git"; cp -R "$EVIL/.git" "$T/.git"'),
    _pointer("a-link", 'rm "$T/.git"; ln -s "$EVIL/.git" "$T/.git"'),
    _pointer("a-pipe", 'rm "$T/.git"; mkfifo "$T/.git"'),
    _pointer("gone", 'rm "$T/.git"'),
    _pointer("unreadable", 'chmod 0 "$T/.git"'),
    _pointer("endless", 'head -c 3000000 /dev/zero > "$T/.git"'),
    _pointer("common-elsewhere", 'echo "$EVIL/.git" > "$ENTRY/commondir"'),
    _pointer("common-a-link", 'ln -sf "$OUT/file" "$ENTRY/commondir"'),
    _pointer("common-gone", 'rm "$ENTRY/commondir"'),
    _pointer("back-elsewhere", 'echo "$OUT/.git" > "$ENTRY/gitdir"'),
    _pointer("back-with-a-line-end", 'printf "/a\\n/b\\n" > "$ENTRY/gitdir"'),
    _pointer("back-to-the-checkout", 'echo "$COMMON" > "$ENTRY/gitdir"'),
    _pointer("back-gone", 'rm "$ENTRY/gitdir"'),
    _pointer("head-nonsense", 'echo nonsense > "$ENTRY/HEAD"'),
    _pointer("head-a-link", 'ln -sf "$OUT/file" "$ENTRY/HEAD"'),
    _pointer("head-the-targets", 'echo "ref: refs/heads/main" > "$ENTRY/HEAD"'),
    _pointer("entry-gone", 'rm -r "$ENTRY"'),
    _pointer("entry-a-link", 'mv "$ENTRY" "$OUT/../moved"; ln -s "$OUT/../moved" "$ENTRY"'),
    _pointer("entry-a-link-to-evil", 'rm -r "$ENTRY"; ln -s "$EVIL/.git" "$ENTRY"'),
    _pointer("entry-locked", 'echo x > "$ENTRY/locked"'),
    _pointer("entry-read-only", 'chmod 500 "$ENTRY"'),
    _pointer(
        "entry-with-settings", 'git config --file "$ENTRY/config.worktree" core.fsmonitor "$TRAP"'
    ),
    _pointer("entry-with-everything", 'cp -R "$EVIL/.git/." "$ENTRY/"'),
    _pointer("index-locked", 'touch "$ENTRY/index.lock" "$ENTRY/HEAD.lock"'),
    _pointer("index-a-link", 'ln -sf "$OUT/file" "$ENTRY/index"'),
    _pointer("index-a-folder", 'rm "$ENTRY/index"; mkdir "$ENTRY/index"'),
    _pointer("merging", 'git rev-parse HEAD > "$ENTRY/MERGE_HEAD"; mkdir "$ENTRY/rebase-merge"'),
    _pointer("log-a-link", 'mkdir -p "$ENTRY/logs"; ln -sf "$OUT/file" "$ENTRY/logs/HEAD"'),
)

GROUPS = {
    "hooks": HOOKS,
    "programs": PROGRAMS,
    "drivers": DRIVERS,
    "commands": COMMANDS,
    "pointers": POINTERS,
}
