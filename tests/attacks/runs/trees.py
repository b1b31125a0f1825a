"""Attacks by what a worker leaves in its tree: links, names, kinds of files, repositories."""

from __future__ import annotations

from tests.attacks.runs.attack import Attack

OUT_OF = "points out of the tree"
CONTROL = "control characters"
GIT = "stands for .git"
SAME = "it is the same as"


def _link(name: str, target: str, says: str = OUT_OF, **more: object) -> Attack:
    return Attack(f"link-{name}", f'ln -s "{target}" x', says=says, **more)  # type: ignore[arg-type]


def _name(name: str, octal: str, says: str = CONTROL) -> Attack:
    """A file whose name holds these bytes, as printf writes them."""
    return Attack(f"name-{name}", f"""echo x > "$(printf 'a{octal}b')" """, says=says)


def _git(name: str, path: str, says: str = GIT, at_root: bool = False) -> Attack:
    """A folder that is `.git` somewhere, with a configuration that would run something."""
    script = f"""f="$(printf '{path}')"; mkdir -p "$f"; printf '[core]\\n\\tfsmonitor = %s\\n' "$TRAP" > "$f/config" """  # noqa: E501
    return Attack(f"git-{name}", script, says=says, at_root=at_root)


def _same(name: str, one: str, two: str) -> Attack:
    script = f"""echo 1 > "$(printf '{one}')"; echo 2 > "$(printf '{two}')" """
    return Attack(f"same-{name}", script, says=SAME)


def _fine(name: str, script: str, *lands: str, **more: object) -> Attack:
    """It may do this: what of it is content lands, as content."""
    own = tuple(f"{name}/{one}" for one in lands)
    return Attack(name, script, "landed", own, **more)  # type: ignore[arg-type]


LINKS = (
    _link("absolute", "/etc/passwd"),
    _link("absolute-folder", "/"),
    _link("to-somebody-else", "$OUT"),
    _link("to-a-file-of-somebody-else", "$OUT/file"),
    _link("climbs", "../../../../etc/passwd"),
    _link("climbs-one-too-far", "../.."),
    _link("climbs-from-the-top", "..", at_root=True),
    _link("climbs-after-it-descended", "a/../../.."),
    _link("climbs-behind-a-dot", "./../.././../x"),
    _link("climbs-with-slashes", "..//..//..//x"),
    _link("to-the-environment", "/proc/self/environ"),
    _link("to-its-own-folder", "/proc/self/cwd"),
    _link("to-a-descriptor", "/dev/fd/0"),
    _link("to-git", "../.git", "points into .git"),
    _link("to-git-in-other-case", "../.GIT/config", "points into .git"),
    _link("to-git-by-its-short-name", "../git~1/config", "points into .git"),
    _link("to-git-by-a-stream", "../.git::\\$INDEX_ALLOCATION/config", "points into .git"),
    _link("to-a-drive", "C:/Windows"),
    _link("backwards", "..\\\\..\\\\x"),
    _link("to-a-share", "\\\\\\\\server\\\\share"),
    Attack("link-with-an-escape", "ln -s \"$(printf 'a\\033[31mb')\" x", says=CONTROL),
    Attack("link-with-a-line-end", "ln -s \"$(printf 'a\\nb')\" x", says=CONTROL),
    Attack("link-that-is-no-text", "ln -s \"$(printf 'a\\377b')\" x", says="not UTF-8"),
    Attack(
        "link-chain",
        "mkdir -p d/e; ln -s .. d/e/up; ln -s d/e/up/../.. x",
        says=OUT_OF,
    ),
    Attack("link-chain-by-a-loop", "ln -s . a; ln -s a/a/../../.. b", says=OUT_OF),
    Attack(
        "link-chain-climbing-first",
        "mkdir -p d; ln -s ../../.. d/up; ln -s d/up x",
        says=OUT_OF,
    ),
    Attack("link-for-a-file", 'rm readme; ln -s "$OUT/file" readme', says=OUT_OF, at_root=True),
    Attack("link-for-a-folder", 'rm -r src; ln -s "$OUT" src', says=OUT_OF, at_root=True),
    Attack("link-for-the-scripts", 'rm -r attacks; ln -s "$OUT/within" attacks', at_root=True),
    Attack("link-as-modules", "ln -s ../readme .gitmodules", says="no file of that name"),
    _fine("link-to-itself", "ln -s x x", "x"),
    _fine("link-of-great-length", "ln -s \"$(printf 'a/%.0s' $(seq 1000))\" x", "x"),
)

NAMES = (
    _name("with-a-line-end", "\\n"),
    _name("with-a-return", "\\r"),
    _name("with-a-tab", "\\t"),
    _name("with-an-escape", "\\033[31m"),
    _name("with-a-title", "\\033]0;x\\007"),
    _name("with-a-backspace", "\\b\\b\\b"),
    _name("with-a-delete", "\\177"),
    _name("with-a-c1-control", "\\302\\233"),
    _name("right-to-left", "\\342\\200\\256txt"),
    _name("isolated", "\\342\\201\\246"),
    _name("with-a-line-separator", "\\342\\200\\250"),
    _name("not-utf-8", "\\377\\376", "not UTF-8"),
    _name("overlong", "\\300\\257", "not UTF-8"),
    _name("half-a-pair", "\\355\\240\\200", "not UTF-8"),
    _name("cut-off", "\\342\\200", "not UTF-8"),
    Attack("dash-an-option", "echo x > -rf", says="dash", at_root=True),
    Attack("dash-a-long-option", "echo x > --upload-pack=id", says="dash", at_root=True),
    Attack("dash-alone", "echo x > -", says="dash", at_root=True),
    Attack("dash-a-folder", "mkdir -- -x; echo x > ./-x/y", says="dash", at_root=True),
    _git("in-capitals", ".GIT"),
    _git("mixed", ".gIt", at_root=True),
    _git("with-a-dot", ".git."),
    _git("with-a-space", ".git "),
    _git("with-both", ".git . . "),
    _git("as-a-stream", ".git::$INDEX_ALLOCATION"),
    _git("with-a-stream", ".git:x"),
    _git("by-its-short-name", "git~1"),
    _git("by-its-short-name-in-capitals", "GIT~1", at_root=True),
    _git("with-a-joiner", ".g\\342\\200\\214it"),
    _git("with-a-mark", ".git\\357\\273\\277"),
    _git("with-a-direction", ".\\342\\200\\217git"),
    _git("below", "a/b/.Git"),
    _git("backwards", ".git\\\\x", "no file of that name"),
    _git("behind-a-backslash", "a\\\\.git\\\\x", "no file of that name"),
    Attack("git-a-file", "echo 'gitdir: /tmp' > .GIT", says=GIT),
    _same("by-case", "Name", "nAME"),
    _same("by-composition", "caf\\303\\251", "cafe\\314\\201"),
    _same("by-a-ligature", "\\357\\254\\201le", "file"),
    _same("by-a-sharp-s", "stra\\303\\237e", "STRASSE"),
    _same("by-a-kelvin", "\\342\\204\\252", "k"),
    _same("by-a-joiner", "one", "o\\342\\200\\214ne"),
    _same("by-a-dot", "two", "two."),
    _same("by-a-space", "two", "two "),
    _same("by-folder", "Folder", "folder"),
    Attack("same-as-a-folder", "mkdir Sub; echo 1 > Sub/x; echo 2 > sUB", says=SAME),
    Attack("same-as-the-bases", "echo x > README", says=SAME, at_root=True),
    Attack("same-as-the-bases-folder", "mkdir Src; echo x > Src/y", says=SAME, at_root=True),
    _fine("fine-of-255-bytes", "echo x > \"$(printf 'n%.0s' $(seq 255))\"", "n" * 255),
    _fine("fine-of-many-folders", 'd=$(printf "d/%.0s" $(seq 60)); mkdir -p $d; echo x > ${d}x',
          "d/" * 60 + "x"),
    _fine("fine-commands", "echo x > '$(id)`id`;id|id&'", "$(id)`id`;id|id&"),
    _fine("fine-patterns", "echo x > '*?[a]{b}!c'", "*?[a]{b}!c"),
    _fine("fine-magic", "echo x > ':(top)x'", ":(top)x"),
    _fine("fine-quotes", "echo x > \"a'b\"", "a'b"),
    _fine("fine-spaces", "echo x > ' a  b '", " a  b "),
    _fine("fine-revision", "echo x > HEAD@{1}^..x", "HEAD@{1}^..x"),
    _fine("fine-device", "echo x > NUL.txt", "NUL.txt"),
    _fine("fine-option-below", "echo x > ./-rf", "-rf"),
)  # fmt: skip

_BARE = (
    'mkdir -p r/objects r/refs; echo "ref: refs/heads/x" > r/HEAD; echo > r/objects/x;'
    " echo > r/refs/x; printf '[core]\\n\\tfsmonitor = %s\\n\\tbare = false\\n"
    '\\tworktree = ..\\n\' "$TRAP" > r/config'
)
REPOSITORIES = (
    Attack("repo-nested", "git init -q r; echo x > r/x", says="repository of its own"),
    Attack(
        "repo-with-a-commit",
        "git init -q r; cd r; echo x > x; git add x;"
        ' git -c user.name=x -c user.email=x commit -qm x; git config core.fsmonitor "$TRAP"',
        says="repository",
    ),
    Attack("repo-by-a-file", 'mkdir r; echo "gitdir: $COMMON" > r/.git; echo x > r/x',
           says="repository"),
    Attack("repo-by-a-link", 'mkdir r; ln -s "$COMMON" r/.git; echo x > r/x', says="repository"),
    Attack("repo-bare", _BARE, says="repository"),
    Attack(
        "repo-bare-in-two",
        'mkdir -p r all/objects all/refs; echo "ref: refs/heads/x" > r/HEAD; echo > all/objects/x;'
        " echo > all/refs/x; echo ../all > r/commondir",
        says="repository",
    ),
    Attack("repo-bare-in-capitals", f"{_BARE}; mv r/HEAD r/head; mv r/refs r/REFS",
           says="repository"),
    Attack("repo-bare-at-the-top", _BARE.replace(" r/", " ./"), says="repository", at_root=True),
    Attack("repo-a-worktree", 'git worktree add -q --detach "$PWD/w" HEAD; echo x > w/x',
           says="repository"),
    Attack(
        "modules-that-run",
        "printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = ext::sh -c %s\\n' \"$TRAP\""
        " > .gitmodules",
        says="submodule", at_root=True,
    ),
    Attack(
        "modules-that-update",
        "printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = a\\n\\tupdate = !%s\\n' \"$TRAP\""
        " > .gitmodules",
        says="submodule", at_root=True,
    ),
    Attack(
        "modules-with-an-option",
        "printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = --upload-pack=id\\n' > .gitmodules",
        says="submodule", at_root=True,
    ),
    Attack("modules-in-capitals", "echo > .GitModules", says="submodule", at_root=True),
    Attack(
        "modules-staged",
        'git update-index --add --cacheinfo "160000,$(git rev-parse HEAD),m"; mkdir m; echo x > x',
        "landed", ("modules-staged/x",),
    ),
    _fine(
        "attributes-for-filters",
        "echo '* filter=x diff=x merge=x text eol=crlf' > .gitattributes; echo x > x",
        ".gitattributes", "x",
    ),
    _fine("attributes-for-keywords", "echo '* ident export-subst' > .gitattributes;"
          " echo '$Id$' > x", ".gitattributes", "x"),
    Attack("attributes-no-encoding",
           "echo '* working-tree-encoding=none-such' > .gitattributes; echo x > x", "either",
           ("attributes-no-encoding/.gitattributes", "attributes-no-encoding/x")),
    Attack("attributes-endless", "printf '%03000d x\\n' 0 > .gitattributes", says="line"),
    Attack("ignored-all", "echo x > x; echo '*' > .gitignore", "unchanged"),
)  # fmt: skip

_PYTHON = "python3 -c '{}'"
KINDS = (
    _fine("kind-pipe", "mkfifo p; echo x > x", "x"),
    _fine("kind-socket", _PYTHON.format(
        'import socket; socket.socket(socket.AF_UNIX).bind("s")') + "; echo x > x", "x"),
    _fine("kind-device", "mknod d c 1 3 || :; echo x > x", "x"),
    _fine("kind-disk", "mknod d b 7 0 || :; echo x > x", "x"),
    Attack("kind-pipe-for-a-file", "rm readme; mkfifo readme", says="unsupported file type",
           at_root=True),
    _fine("kind-set-uid", "echo x > x; chmod 6755 x", "x"),
    _fine("kind-set-gid-folder", "chmod 3777 .; echo x > x", "x"),
    _fine("kind-second-name", 'ln "$OUT/file" x', "x"),
    _fine("kind-unreadable", "echo x > x; chmod 0 x", "x"),
    _fine("kind-unreadable-folder", "mkdir d; echo x > d/x; chmod 0 d", "d/x"),
    _fine("kind-read-only", "mkdir -p d/e; echo x > d/e/x; chmod -R a-w d", "d/e/x"),
    _fine("kind-nothing-in-it", "mkdir -p d/e/f; echo x > x", "x"),
    Attack("kind-giant", "truncate -s 60M x", says="may be committed"),
    Attack("kind-with-holes", "truncate -s 7G x", says="may be committed"),
    Attack("kind-giant-for-a-file", "truncate -s 60M readme", says="may be committed",
           at_root=True),
    Attack("kind-deep", _PYTHON.format(
        'import os\nfor _ in range(4000): os.mkdir("d"); os.chdir("d")\nopen("x", "w")'),
        says="cannot be looked into"),
    Attack("kind-deep-and-locked", _PYTHON.format(
        'import os\nfor _ in range(1500): os.mkdir("d"); os.chdir("d")\n'
        'open("x", "w"); os.chmod(".", 0); os.chmod("..", 0)'), "either",
        ("kind-deep-and-locked/" + "d/" * 1500 + "x",)),
    Attack("kind-many", _PYTHON.format(
        'import os\nfor n in range(100001): os.close(os.open(str(n), os.O_CREAT))'),
        says="paths are changed", slow=True),
    Attack("kind-many-folders", _PYTHON.format(
        'import os\nfor n in range(20000): os.mkdir(str(n))'), "either"),
    _fine("kind-folder-for-a-file", "rm ../src/changes; mkdir ../src/changes;"
          " echo x > ../src/changes/x; echo x > x", "x", also=("src/changes/x",)),
)  # fmt: skip

_HIDE = 'echo evil > readme; mkdir -p "$ORCH_TASK"; echo x > "$ORCH_TASK/x"'


def _hidden(name: str, script: str) -> Attack:
    """A change to what it may not change, that its own index does not show."""
    return Attack(f"hidden-{name}", script, "outside", at_root=True, paths=(f"hidden-{name}/**",))


HIDDEN = (
    _hidden("skipped", f"git update-index --skip-worktree readme src/code.txt; {_HIDE}"),
    _hidden("assumed", f"git update-index --assume-unchanged readme; {_HIDE}"),
    _hidden("both", f"git update-index --skip-worktree --assume-unchanged readme; {_HIDE}"),
    _hidden("fsmonitor-valid", f"git -c core.fsmonitor=true update-index --fsmonitor-valid readme"
            f" 2>/dev/null || :; {_HIDE}"),
    _hidden("dates-restored", f"touch -r readme stamp; {_HIDE}; touch -r stamp readme; rm stamp"),
    _hidden("same-size-and-dates", "touch -r readme stamp; printf 'evil!\\n' > readme;"
            ' touch -r stamp readme; rm stamp; mkdir -p "$ORCH_TASK"; echo x > "$ORCH_TASK/x"'),
    _hidden("sparse", f"git sparse-checkout set --no-cone nothing; {_HIDE}"),
    _hidden("no-index", f'rm "$ENTRY/index"; {_HIDE}'),
    _hidden("spoilt-index", f'echo nonsense > "$ENTRY/index"; {_HIDE}'),
    _hidden("locked-index", f'echo > "$ENTRY/index.lock"; {_HIDE}'),
    _hidden("committed", f'git add -A; {_HIDE}; git -c user.name=x -c user.email=x commit -qam x'),
    _hidden("on-a-branch", f"git checkout -q --orphan x-$ORCH_TASK; {_HIDE}"),
    _hidden("stashed-bits", f"{_HIDE}; git rm -q --cached readme"),
)  # fmt: skip

TREES = {
    "links": LINKS,
    "names": NAMES,
    "repositories": REPOSITORIES,
    "kinds": KINDS,
    "hidden": HIDDEN,
}
