"""What a child may do instead of its work: a line of shell each, as worker, gate and set-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "failed", "could-not-run"]
_NAP = "sleep 600"


@dataclass(frozen=True)
class Misbehaviour:
    """A child, and what is said of it."""

    name: str
    script: str
    gate: Outcome = "passed"
    """The verdict of a gate that does it."""
    does_work: bool = True
    """Whether a worker that does it has done its work all the same."""
    hangs: bool = False
    slow: bool = False


def _daemon(name: str, script: str) -> Misbehaviour:
    """It leaves something behind and ends well."""
    return Misbehaviour(f"leaves-{name}", script)


def _ends(name: str, script: str, gate: Outcome) -> Misbehaviour:
    return Misbehaviour(f"ends-{name}", script, gate, does_work=False)


def _hangs(name: str, script: str) -> Misbehaviour:
    return Misbehaviour(f"hangs-{name}", script, "could-not-run", does_work=False, hangs=True)


def _prints(name: str, script: str, slow: bool = False) -> Misbehaviour:
    return Misbehaviour(f"prints-{name}", script, slow=slow)


def _python(script: str) -> str:
    return f"python3 -c '{script}'"


HANGS = (
    _hangs("quietly", _NAP),
    _hangs("ignoring-signals", "trap '' TERM INT HUP QUIT; while :; do sleep 1; done"),
    _hangs("stopped", "kill -STOP $$"),
    _hangs("stopped-with-its-children", f"{_NAP} & kill -STOP $! $$"),
    _hangs("busily", "while :; do :; done"),
    _hangs("while-it-prints", "while :; do echo on; sleep 0.01; done"),
    _hangs("without-output", f"exec >&- 2>&-; {_NAP}"),
    _hangs("as-another", _python('import os; os.execvp("sleep", ["[kworker/0:1]", "600"])')),
    _hangs("as-many", "for i in 1 2 3 4 5 6 7 8 9; do sleep 600 & done; wait"),
    _hangs("in-its-own-session", f"setsid -w {_NAP}"),
)
DAEMONS = (
    _daemon("a-daemon", f"{_NAP} & :"),
    _daemon("one-by-a-double-fork", f"({_NAP} >/dev/null 2>&1 &) &"),
    _daemon("a-session", f"setsid {_NAP} >/dev/null 2>&1 &"),
    _daemon("one-without-environment", f"(setsid env -i {_NAP} >/dev/null 2>&1 &) &"),
    _daemon("one-that-ignores", "(setsid sh -c 'trap \"\" TERM INT HUP; sleep 600' &) &"),
    _daemon("one-without-descriptors", f"(exec <&- >&- 2>&-; setsid {_NAP} &) &"),
    _daemon("one-elsewhere", f"(cd /; setsid env -i {_NAP} >/dev/null 2>&1 &) &"),
    _daemon("one-of-another-name",
            _python('import os; os.fork() or (os.setsid(), os.execve("/bin/sleep",'
                    ' ["[kthreadd]", "600"], {}))')),
    _daemon("a-stopped-one", f"{_NAP} & kill -STOP $!"),
    _daemon("many", "for i in $(seq 60); do (setsid sleep 600 >/dev/null 2>&1 &) & done; wait"),
    _daemon("a-chain", _python(
        "import os, time\nfor _ in range(40):\n if os.fork(): os._exit(0)\n os.setsid()\n"
        "time.sleep(600)")),
    _daemon("a-writer", "(setsid sh -c 'while :; do echo x >> late; sleep 0.001; done' &) &"),
    _daemon("zombies", _python(
        "import os\nfor _ in range(50): os.fork() or os._exit(0)")),
    _daemon("one-that-holds-the-output", f"{_NAP} & echo done"),
)  # fmt: skip
OUTPUTS = (
    _prints("binary", "head -c 300000 /dev/urandom"),
    _prints("nothing-but-zeros", "head -c 1000000 /dev/zero"),
    _prints("escapes", "printf '\\033]0;x\\007\\033[2J\\033[31m\\r\\b\\302\\233x\\n'"),
    _prints("a-line-without-end", "head -c 12000000 /dev/zero | tr '\\0' x"),
    _prints("many-lines", "seq 400000"),
    _prints("progress", "for i in $(seq 2000); do printf '\\r%s %%' $i; done"),
    _prints("where-nobody-reads", "exec >&-; echo x 2>/dev/null; :"),
    _prints("marks-of-its-own", "echo ORCH_MARK=$ORCH_MARK; printf 'error: x\\nhint: rm -rf /\\n'"),
    _prints("to-a-terminal", "echo x > /dev/tty; :"),
    _prints("into-its-log", 'f=$(cut -c9- .git)/../../orch/runs;'
            ' for l in "$f"/*/* "$f"/*/*/*; do echo forged >> "$l"; done 2>/dev/null; :'),
    _prints("a-gigabyte", "head -c 1000000000 /dev/zero", slow=True),
)  # fmt: skip
ENDS = (
    _ends("red", "exit 1", "failed"),
    _ends("with-255", "exit 255", "failed"),
    _ends("as-not-found", "exit 127", "could-not-run"),
    _ends("as-not-runnable", "exit 126", "could-not-run"),
    _ends("not-found", "no-such-command-at-all", "could-not-run"),
    _ends("not-runnable", "./readme", "could-not-run"),
    _ends("by-kill", "kill -KILL $$", "could-not-run"),
    _ends("by-term", "kill -TERM $$", "could-not-run"),
    _ends("by-a-crash", "kill -SEGV $$", "failed"),
    _ends("by-an-abort", "kill -ABRT $$", "failed"),
    _ends("by-a-childs-crash", "sh -c 'kill -SEGV $$'", "failed"),
    _ends("its-own-group", "kill -KILL 0", "could-not-run"),
    _ends("on-bad-syntax", "if", "failed"),
    Misbehaviour("ends-well-while-a-child-crashes", "(sleep 0.1; kill -SEGV $$) & exit 0"),
    Misbehaviour("ends-well-and-says-that-tests-failed",
                 "echo '===== 1 failed, 3 passed in 0.10s ====='; exit 0", "failed"),
    Misbehaviour("ends-well-and-says-that-it-crashed",
                 "echo 'Segmentation fault (core dumped)'; exit 0"),
)  # fmt: skip
HARMS = (
    Misbehaviour("harms-its-temporary-folder", 'rm -rf "$TMPDIR"; chmod 0 "$(dirname "$TMPDIR")"'),
    Misbehaviour("harms-its-folders-mode", "chmod 0 . || :"),
    Misbehaviour("harms-its-pointer", "rm -f .git; mkfifo .git; :"),
    Misbehaviour("harms-its-input", "cat; cat <&0 >/dev/null; :"),
)

ALL = (*HANGS, *DAEMONS, *OUTPUTS, *ENDS, *HARMS)
