"""The sandbox as a person meets it: refused where there is none, quiet where it confines."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import OK, ORCH, User, ended_with, refused
from tests.support.sandboxed import needs_sandbox

pytestmark = needs_sandbox

CONFINED = 'sandbox = "bubblewrap"\n'
HOSTILE = """
cat "$PROJECT/secret.env" > stolen.txt 2>/dev/null
cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep CANARY >> stolen.txt
echo planted > "$PROJECT/planted.txt" 2>/dev/null
git config core.hooksPath /tmp/h; git update-ref refs/heads/main HEAD; git branch -f evil
rm -rf .git/../../../*  2>/dev/null
(setsid sleep 98765 &)
echo "by $ORCH_TASK" > "$ORCH_TASK.txt"
rm -f stolen.txt.empty; test -s stolen.txt || rm -f stolen.txt
"""


def user(tmp_path: Path, **settings: object) -> User:
    one = User(tmp_path / "ada")
    run = f"{CONFINED}{settings.pop('run', '')}"
    one.settings(run=run, **settings)  # type: ignore[arg-type]
    text = (one.root / ".agent/orch.toml").read_text().replace('sandbox = "none"\n', "")
    one.commit({".agent/orch.toml": text}, "settings")
    return one


def test_a_hostile_worker_changes_nothing_and_finds_nothing(tmp_path: Path) -> None:
    one = user(tmp_path, worker=f"PROJECT='{tmp_path}/ada/project'\n{HOSTILE}")
    one.write({"secret.env": "KEY=CANARY-1\n", ".gitignore": "secret.env\n"})
    one.environ["CANARY_KEY"] = "CANARY-2"
    one.plan("a", "b")
    before = one.things()
    said = one.orch("run", "--plain")
    ended_with(said, 0)
    assert "sandbox" not in said.words
    assert one.things() == before
    landed = one.result()
    assert {name for name in landed if name.endswith(".txt")} == {"a.txt", "b.txt"}
    one.wait_gone()


def test_what_was_trusted_is_out_of_reach_of_workers_gates_and_set_up(tmp_path: Path) -> None:
    place = f"{tmp_path}/ada/project/.git/orch/trusted/{os.geteuid()}.json"
    evil = f"rm -f '{place}'; mkdir -p '{place[:-7]}'; echo '{{}}' > '{place}'; cat '{place}' >&2"
    one = user(
        tmp_path,
        worker=f"{evil}; common=$(git rev-parse --path-format=absolute --git-common-dir); rm -rf"
        ' "$common/orch"; echo x > "$ORCH_TASK.txt"',
        gates={"evil": f"{evil}; exit 0"},
        run=f"setup = [{json.dumps(evil + '; true')}]\n",
    )
    one.plan("a")
    ended_with(one.orch("trust", "--yes"), 0)
    before = Path(place).read_bytes()
    ended_with(one.orch("run", "--plain"), 0)
    assert Path(place).read_bytes() == before
    assert one.orch("trust").exit_code == 0


def test_a_gate_finds_no_home_no_network_and_no_checkout(tmp_path: Path) -> None:
    look = f"! test -e '{tmp_path}/ada/project/readme' && ! test -e '{tmp_path}/ada/state/x'"
    fetch = "! python3 -c \"import socket; socket.create_connection(('192.0.2.1', 80), 2)\""
    one = user(tmp_path, gates={"look": look, "fetch": fetch})
    one.plan("a")
    ended_with(one.orch("run", "--plain"), 0)


@pytest.mark.thorough
def test_where_gates_differ_the_doctor_says_why(tmp_path: Path) -> None:
    one = user(tmp_path, gates={"cached": "cat ~/cache/data", "fine": OK})
    (one.home / "cache").mkdir()
    (one.home / "cache/data").write_text("x")
    said = one.orch("doctor", "--gates")
    ended_with(said, 1, "cached: passed outside, failed inside", "fine: passed outside and inside")
    assert 'read = ["~/cache/data"]' in said.out
    text = (one.root / ".agent/orch.toml").read_text()
    one.write({".agent/orch.toml": f'{text}\n[sandbox]\nread = ["~/cache/data"]\n'})
    ended_with(one.orch("doctor", "--gates"), 5, 'sandbox: read = "~/cache/data"', "orch trust")
    ended_with(one.orch("trust", "--yes"), 0)
    ended_with(one.orch("doctor", "--gates"), 0, "cached: passed outside and inside")


def test_without_a_sandbox_nothing_runs_unless_somebody_says_so(tmp_path: Path) -> None:
    one = user(tmp_path)
    one.plan("a")

    def without_bubblewrap(*args: str) -> subprocess.CompletedProcess[str]:
        # bubblewrap hides itself
        hidden = ("bwrap", "--dev-bind", "/", "/", "--ro-bind", "/dev/null", "/usr/bin/bwrap")
        return subprocess.run(
            (*hidden, "--", str(ORCH), *args),
            cwd=one.root,
            env=one.environ,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    done = without_bubblewrap("run", "--plain")
    assert done.returncode == 2 and "no sandbox: bubblewrap is not installed" in done.stderr
    assert "--sandbox none" in done.stderr and done.stdout == ""
    assert not one.left()
    done = without_bubblewrap("run", "--plain", "--sandbox", "none")
    assert done.returncode == 0, done.stderr
    assert "no sandbox: workers and gates run as you, with your rights" in done.stderr
    for command in (("status",), ("report",)):
        said = one.orch(*command)
        assert "o sandbox: workers and gates run as you" in said.words, said


def test_a_sandbox_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    one = user(tmp_path)
    one.plan("a")
    refused(one.orch("run", "--sandbox", "nnoe"), 2, "did you mean --sandbox none?")
    text = (one.root / ".agent/orch.toml").read_text()
    one.write({".agent/orch.toml": text.replace('"bubblewrap"', '"bubble"')})
    said = one.orch("run")
    ended_with(said, 2, "orch.toml:4: 'sandbox' must be one of 'bubblewrap', 'none' or 'external'")
