"""What an agent can plant in a repository does not run and does not change what orch sees.

Each test goes the whole way with orch's own git: hand out, commit, merge, land, take back.
"""

import os
import threading
from pathlib import Path

import pytest

from tests.integration.worktree.support import AUTHOR, FILES, RUN, Scene, fingerprint, tree_files
from worktree.candidate import Candidate, Conflict, Head, build_candidate, take_out
from worktree.commit import Committed
from worktree.landing import land, open_result, result_follows
from worktree.names import result_branch, tip_ref
from worktree.user import checkout_state
from worktree.workspace import sweep


def whole_way(scene: Scene) -> str:
    """One task from base to landed; the tip."""
    git, pool = scene.git, scene.pool()
    tip = open_result(git, RUN, scene.base)
    workspace = pool.take(tip)
    assert tree_files(workspace.path) == FILES
    assert os.access(workspace.path / "pkg", os.X_OK)
    (workspace.path / "pkg/one.py").write_text("one = 11\n")
    (workspace.path / "crlf.txt").write_bytes(b"a\r\nb\r\n")
    (workspace.path / "tool").write_text("#!/bin/sh\n")
    (workspace.path / "tool").chmod(0o755)
    (workspace.path / "link").symlink_to("pkg/one.py")
    made = scene.commit(workspace)
    assert isinstance(made, Committed), made
    assert {c.path: c.new_mode for c in made.changes} == {
        "pkg/one.py": "100644",
        "crlf.txt": "100644",
        "tool": "100755",
        "link": "120000",
    }
    pool.give_back(workspace)
    other = scene.head(tip, {"pkg/two.py": "two = 22\n"}, "other")
    clash = scene.head(tip, {"pkg/one.py": "clash\n"}, "clash")
    candidate = build_candidate(git, tip, (Head(made.commit), Head(other)), "both\n", AUTHOR)
    assert isinstance(candidate, Candidate)
    assert isinstance(build_candidate(git, candidate.commit, (Head(clash),), "m", AUTHOR), Conflict)
    assert isinstance(take_out(git, candidate.commit, tip, other), str)
    patch, _ = git.diff(tip, candidate.commit)
    assert b"+one = 11" in patch and b"planted" not in patch
    gates = scene.pool("gate")
    judged = gates.take(candidate.commit)
    assert tree_files(judged.path) == {
        **FILES,
        "pkg/one.py": "one = 11\n",
        "pkg/two.py": "two = 22\n",
        "crlf.txt": "a\r\nb\r\n",
        "tool": "#!/bin/sh\n",
        "link": "-> pkg/one.py",
    } | {"crlf.txt": (judged.path / "crlf.txt").read_text()}
    assert (judged.path / "crlf.txt").read_bytes() == b"a\r\nb\r\n"
    gates.give_back(judged)
    assert land(git, RUN, candidate.commit, tip)
    assert result_follows(git, RUN)
    for one in (pool, gates):
        one.remove_all()
    sweep(git, scene.pools)
    return candidate.commit


@pytest.fixture
def trap(tmp_path: Path) -> str:
    """A program that leaves a mark when it runs, whatever it is run as."""
    place = tmp_path / "trap"
    place.write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/sprung\ncat 2>/dev/null\nexit 0\n')
    place.chmod(0o755)
    return str(place)


HOOKS = (
    *("applypatch-msg", "commit-msg", "fsmonitor-watchman", "post-applypatch", "post-checkout"),
    *("post-commit", "post-index-change", "post-merge", "post-rewrite", "post-update"),
    *("pre-applypatch", "pre-auto-gc", "pre-commit", "pre-merge-commit", "pre-push", "pre-rebase"),
    *("pre-receive", "prepare-commit-msg", "push-to-checkout", "reference-transaction", "update"),
)


def hooks(scene: Scene, trap: str) -> None:
    for folder in (scene.user / ".git/hooks", scene.folder / "elsewhere"):
        folder.mkdir(exist_ok=True)
        for name in HOOKS:
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(trap)


def hooks_path(scene: Scene, trap: str) -> None:
    hooks(scene, trap)
    scene.plain("config", "core.hooksPath", str(scene.folder / "elsewhere"))


def monitor(scene: Scene, trap: str) -> None:
    scene.plain("config", "core.fsmonitor", trap)
    scene.plain("config", "core.fsmonitorHookVersion", "2")
    scene.plain("config", "core.untrackedCache", "true")


def filters(scene: Scene, trap: str) -> None:
    (scene.user / ".git/info").mkdir(exist_ok=True)
    (scene.user / ".git/info/attributes").write_text("* filter=x diff=x merge=x text ident\n")
    for part in ("clean", "smudge"):
        scene.plain("config", f"filter.x.{part}", trap)
    scene.plain("config", "filter.x.required", "true")
    scene.plain("config", "diff.x.textconv", trap)
    scene.plain("config", "diff.x.command", trap)
    scene.plain("config", "merge.x.driver", f"{trap} %A %O %B")
    scene.plain("config", "merge.default", "x")


def filter_process(scene: Scene, trap: str) -> None:
    filters(scene, trap)
    scene.plain("config", "filter.x.process", trap)


def programs(scene: Scene, trap: str) -> None:
    for key in (
        *("diff.external", "gpg.program", "gpg.ssh.program", "core.pager", "core.editor"),
        *("core.askPass", "core.sshCommand", "core.gitProxy", "credential.helper"),
        *("sequence.editor", "pager.diff-tree", "uploadpack.packObjectsHook"),
        *("core.alternateRefsCommand", "trailer.x.command"),
    ):
        scene.plain("config", key, trap)
    for key in ("commit.gpgSign", "tag.gpgSign", "log.showSignature", "push.gpgSign"):
        scene.plain("config", key, "true")
    for alias in ("merge-tree", "commit-tree", "diff-tree", "read-tree", "update-ref"):
        scene.plain("config", f"alias.{alias}", f"!{trap}")


def settings_that_bend_files(scene: Scene, trap: str) -> None:
    for key, value in {
        "core.autocrlf": "true",
        "core.eol": "crlf",
        "core.safecrlf": "true",
        "core.fileMode": "false",
        "core.symlinks": "false",
        "core.ignoreCase": "true",
        "core.sparseCheckout": "true",
        "core.splitIndex": "true",
        "core.checkStat": "minimal",
        "core.trustctime": "false",
        "core.excludesFile": str(scene.folder / "everything"),
        "core.attributesFile": str(scene.folder / "attributes"),
        "core.worktree": str(scene.folder / "elsewhere"),
        "core.bare": "true",
        "core.logAllRefUpdates": "always",
        "core.abbrev": "4",
        "core.quotePath": "true",
        "core.precomposeUnicode": "true",
        "core.commentChar": "o",
        "i18n.commitEncoding": "ISO-8859-1",
        "i18n.logOutputEncoding": "UTF-16",
        "index.sparse": "true",
        "submodule.recurse": "true",
        "status.renames": "copies",
        "merge.renames": "false",
        "merge.conflictStyle": "diff3",
        "diff.noprefix": "true",
        "diff.orderFile": str(scene.folder / "order"),
        "diff.ignoreSubmodules": "all",
        "diff.algorithm": "nonsense",
        "user.useConfigOnly": "true",
    }.items():
        scene.plain("config", "--file", str(scene.user / ".git/config"), key, value)
    (scene.folder / "everything").write_text("*\n")
    (scene.folder / "attributes").write_text("* -text working-tree-encoding=UTF-16\n")
    (scene.folder / "order").write_text("z*\n")
    (scene.user / ".git/info").mkdir(exist_ok=True)
    (scene.user / ".git/info/attributes").write_text(
        "* text eol=crlf working-tree-encoding=UTF-16\n"
    )
    (scene.user / ".git/info/exclude").write_text("*\n")
    (scene.user / ".git/info/sparse-checkout").write_text("/nothing\n")


def history_rewritten(scene: Scene, trap: str) -> None:
    nothing = scene.plain("hash-object", "-w", "-t", "tree", "/dev/null")
    evil = scene.plain("commit-tree", "-m", "evil", nothing)
    scene.plain("update-ref", f"refs/replace/{scene.base}", evil)
    tree = scene.plain("rev-parse", f"{scene.base}^{{tree}}")
    scene.plain("update-ref", f"refs/replace/{tree}", f"{evil}^{{tree}}")
    (scene.user / ".git/info").mkdir(exist_ok=True)
    (scene.user / ".git/info/grafts").write_text(f"{scene.base} {evil}\n")


def refs_that_look_like_ids(scene: Scene, trap: str) -> None:
    other = scene.plain("commit-tree", "-m", "x", f"{scene.base}^{{tree}}")
    for name in (scene.base, "HEAD", "FETCH_HEAD", "main"):
        scene.plain("update-ref", f"refs/tags/{name}", other)
    scene.plain("update-ref", f"refs/heads/{scene.base}", other)


def included_configuration(scene: Scene, trap: str) -> None:
    (scene.folder / "more").write_text(
        f'[core]\n\tfsmonitor = {trap}\n[filter "x"]\n\tclean = {trap}\n\tsmudge = {trap}\n'
        "\trequired = true\n[filter]\n\tbroken = 1\n"
    )
    scene.plain("config", "include.path", str(scene.folder / "more"))
    (scene.user / ".git/info").mkdir(exist_ok=True)
    (scene.user / ".git/info/attributes").write_text("* filter=x\n")


def worktree_configuration(scene: Scene, trap: str) -> None:
    scene.plain("config", "extensions.worktreeConfig", "true")
    scene.plain("config", "--worktree", "core.fsmonitor", trap)
    scene.plain("config", "--worktree", "core.sparseCheckout", "true")


PLANTED = (
    hooks,
    hooks_path,
    monitor,
    filters,
    filter_process,
    programs,
    settings_that_bend_files,
    history_rewritten,
    refs_that_look_like_ids,
    included_configuration,
    worktree_configuration,
)


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
@pytest.mark.sample(5)
def test_what_is_planted_never_runs_and_changes_nothing(scene: Scene, trap: str, plant):
    scene.plain("config", "gc.auto", "0")
    plant(scene, trap)
    if plant not in (filters, filter_process, settings_that_bend_files, history_rewritten):
        settings = scene.settings()
        (scene.folder / "sprung").unlink(missing_ok=True)
        checkout_state(scene.git.repository, settings)
    (scene.folder / "sprung").unlink(missing_ok=True)
    before = fingerprint(scene.user)
    tip = whole_way(scene)
    assert not (scene.folder / "sprung").exists(), (scene.folder / "sprung").read_text()
    assert fingerprint(scene.user) == before
    assert scene.git.read_ref(tip_ref(RUN)) == tip == scene.git.read_ref(result_branch(RUN))
    assert scene.git.read_ref("refs/heads/main") == scene.base


@pytest.mark.parametrize("where", ["commit", "attributes in the tree"])
@pytest.mark.sample(1)
def test_attributes_that_an_agent_commits_start_nothing(scene: Scene, trap: str, where: str):
    filters(scene, trap)
    (scene.user / ".git/info/attributes").unlink()
    rules = "* filter=x diff=x merge=x\n"
    if where == "commit":
        scene.write(".gitattributes", rules)
        scene.base = scene.commit_all("attributes")
        (scene.folder / "sprung").unlink(missing_ok=True)
    pool = scene.pool()
    workspace = pool.take(scene.base)
    if where != "commit":
        (workspace.path / ".gitattributes").write_text(rules)
    (workspace.path / "new.py").write_text("new\n")
    made = scene.commit(workspace)
    assert isinstance(made, Committed)
    assert scene.git.show_file(made.commit, "new.py") == b"new\n"
    pool.give_back(workspace)
    taken = pool.take(made.commit)
    assert (taken.path / "new.py").read_text() == "new\n"
    clash = scene.head(scene.base, {"new.py": "other\n"}, "clash")
    assert isinstance(
        build_candidate(scene.git, made.commit, (Head(clash),), "m", AUTHOR), Conflict
    )
    scene.git.diff(scene.base, made.commit)
    assert not (scene.folder / "sprung").exists()


def test_planting_in_the_sealed_folder_is_undone_before_the_next_call(scene: Scene, trap: str):
    whole_way(scene)
    sealed = scene.user / ".git/orch/sealed"
    evil = f'[filter "x"]\n\tclean = {trap}\n\tsmudge = {trap}\n[core]\n\tfsmonitor = {trap}\n'
    for plant in ("config", "attributes", "link", "gone", "file"):
        if plant == "config":
            (sealed / "config").write_text((sealed / "config").read_text() + evil)
        elif plant == "attributes":
            (sealed / "info").mkdir()
            (sealed / "info/attributes").write_text("* filter=x text eol=crlf\n")
        else:
            sealed.rename(sealed.with_name(f"moved-{plant}"))
            if plant == "link":
                sealed.symlink_to(scene.user / ".git")
            elif plant == "file":
                sealed.write_text("not a folder")
        pool = scene.pool()
        workspace = pool.take(scene.base)
        assert tree_files(workspace.path) == FILES
        pool.remove_all()
        assert sorted(path.name for path in sealed.iterdir()) == [
            "HEAD",
            "config",
            "objects",
            "refs",
        ]
        assert "filter" not in (sealed / "config").read_text()
    assert not (scene.folder / "sprung").exists()


@pytest.mark.thorough
def test_configuration_that_changes_all_the_time_never_runs(scene: Scene, trap: str):
    (scene.user / ".git/info").mkdir(exist_ok=True)
    (scene.user / ".git/info/attributes").write_text("* filter=x\n")
    plain = (scene.user / ".git/config").read_text()
    evil = plain + f'[filter "x"]\n\tclean = {trap}\n\tsmudge = {trap}\n\trequired = true\n'
    stop = threading.Event()

    def flicker() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            new = scene.user / ".git/config.new"
            new.write_text(evil if turn % 2 else plain)
            new.replace(scene.user / ".git/config")

    thread = threading.Thread(target=flicker)
    thread.start()
    try:
        pool = scene.pool()
        for turn in range(12):
            workspace = pool.take(scene.base)
            (workspace.path / "x.py").write_text(f"{turn}\n")
            assert isinstance(scene.commit(workspace), Committed)
            pool.give_back(workspace)
    finally:
        stop.set()
        thread.join(10)
    assert not (scene.folder / "sprung").exists()


def test_the_users_repository_is_the_same_bit_for_bit_after_a_run(scene: Scene):
    scene.write("stashed.py", "stashed\n")
    scene.plain("add", "-A")
    scene.plain("stash", "-q")
    scene.write("pkg/one.py", "half done\n")
    scene.write("staged.py", "staged\n")
    scene.plain("add", "staged.py")
    scene.plain("tag", "v1")
    scene.plain("worktree", "add", "-q", "../side", "-b", "side")
    before = fingerprint(scene.user), fingerprint(scene.folder / "side")
    whole_way(scene)
    assert (fingerprint(scene.user), fingerprint(scene.folder / "side")) == before
    assert scene.plain("stash", "list").startswith("stash@{0}")


def test_without_worktrees_of_the_users_no_folder_for_them_is_left(scene: Scene):
    whole_way(scene)
    assert not (scene.user / ".git/worktrees").exists()
    assert not scene.pools.exists()
    left = sorted(path.name for path in (scene.user / ".git/orch").iterdir())
    assert left == ["sealed", "worktrees.lock"]
