"""Canaries in every place that a secret may come from; nothing that orch keeps or says sings.

A secret comes in by the environment (the run's, a worker's), by a copied `.env`, by what programs
print, by what a person types (goal, title, prompt, rules, note, path), by names of files and by
what a worker writes. Afterwards all of orch's folder, every commit message and ref, every file
that a worker was given, and every answer of the command line are looked through.
"""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from tests.support.cli import Said, User, no_defect

ENV = 'kana"rie 7Gq2/vX9+%'
WORKER = "kanarie&8Hr3?wY0=x"
FILE = "kan'arie\\9Js4#xZ1"
NAME = "kanarie-5Dt7-Lb6w"
KEY = "ghp_" + "q7Zr2LmXv0pTn4Bk8sWd1FyGh6JcA3eR5uKi"
SECRETS = (ENV, WORKER, FILE, NAME, KEY)

SAY = f"""
import base64, json, os, pathlib, urllib.parse
found = [os.environ.get(name, "") for name in ("API_TOKEN", "WORKER_TOKEN", "NAME_TOKEN")]
if pathlib.Path(".env").exists():
    found.append(pathlib.Path(".env").read_text().split("=", 1)[1].strip().strip('"').replace(
        "\\\\\\\\", "\\\\"))
found.append("ghp" + "_{KEY[4:]}")
for text in filter(None, found):
    print("as it is", text)
    print("in JSON", json.dumps({{"key": text}}))
    print("in an address", "https://h.invalid/?k=" + urllib.parse.quote(text, safe=""))
    print("in a form", urllib.parse.quote_plus(text))
    for before in ("", "u", "us"):
        print("encoded", base64.b64encode((before + text).encode()).decode())
print(" ".join(found))
"""
WORK = """
import os, pathlib, shutil, subprocess, sys
task, round_ = os.environ["ORCH_TASK"], os.environ["ORCH_ROUND"]
subprocess.run([sys.executable, "tools/say.py"], check=True)
seen = pathlib.Path(os.environ["SEEN"]) / f"{task}-{os.environ['ORCH_ATTEMPT']}-{round_}"
seen.mkdir(parents=True, exist_ok=True)
for name in ("PROMPT", "BRIEF", "FEEDBACK", "LEDGER"):
    if path := os.environ.get(f"ORCH_{name}_FILE"):
        shutil.copy(path, seen / name)
first = round_ == "1" and not os.environ.get("ORCH_FEEDBACK_FILE")
name, known = os.environ["NAME_TOKEN"], os.environ["API_TOKEN"]
if task == "red":
    pathlib.Path("red.txt").write_text("bad" if first else "good")
elif task == "outside":
    pathlib.Path("outside.txt").write_text("x")
    if first:
        pathlib.Path(f"{name}.elsewhere").write_text("x")
    else:
        pathlib.Path(f"{name}.elsewhere").unlink()
elif task == "held":
    pathlib.Path(f"held-{name}.txt").write_text(f"line\\n{known}\\n")
elif task == "fails" and "advice" not in pathlib.Path(os.environ["ORCH_BRIEF_FILE"]).read_text():
    sys.exit(f"it went wrong with {known} and {name}")
elif task == "fails":
    pathlib.Path("fails.txt").write_text("done")
"""
GATE = """
import pathlib, subprocess, sys
subprocess.run([sys.executable, "tools/say.py"], check=True)
red = pathlib.Path("red.txt")
if red.exists() and red.read_text() == "bad":
    import os
    print(f"FAILED tests/test_a.py::test_{os.environ['NAME_TOKEN']} - AssertionError")
    sys.exit("error: it is bad: " + os.environ["API_TOKEN"])
"""


def forms(secret: str) -> Iterator[bytes]:
    """How a secret may be written, made here and not by the code that hides."""
    raw = secret.encode()
    yield raw
    yield json.dumps(secret)[1:-1].encode()
    yield json.dumps(json.dumps(secret)[1:-1])[1:-1].encode()
    yield repr(secret)[1:-1].encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield urllib.parse.quote_plus(secret).encode()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * before + raw)[4:-4]


# A key that nobody knows is found by how it begins, so where it is encoded it is not.
FORMS = {form: secret for secret in SECRETS[:-1] for form in forms(secret)} | {KEY.encode(): KEY}


def assert_silent(where: str, data: bytes) -> None:
    for form, secret in FORMS.items():
        at = data.find(form)
        assert at < 0, f"{secret!r} in {where}: {data[max(0, at - 80) : at + 60]!r}"


def everything_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files below a folder, as they are and unpacked, and their names."""
    for path in sorted(folder.rglob("*")):
        yield f"the name of {path}", str(path).encode()
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            yield str(path), data
            if data[:2] == b"\x1f\x8b":
                yield f"{path}, unpacked", gzip.decompress(data)


def test_no_canary_sings_in_anything_that_orch_keeps_or_says(tmp_path: Path) -> None:
    user = User(tmp_path, environ={"API_TOKEN": ENV, "WORKER_TOKEN": WORKER, "NAME_TOKEN": NAME})
    seen = tmp_path / "seen"
    user.environ["SEEN"] = str(seen)
    python = sys.executable
    user.settings(
        worker=f"{python} tools/work.py",
        checks={"check": f"{python} tools/gate.py"},
        gates={"suite": f"{python} tools/gate.py"},
        run=(
            'env = ["API_TOKEN", "NAME_TOKEN"]\ncopy = [".env"]\nattempts = 1\nrounds = 2\n'
            f'setup = ["{python} tools/say.py"]\nfix = ["{python} tools/say.py"]\n'
        ),
        more='env = ["API_TOKEN", "NAME_TOKEN", "WORKER_TOKEN", "SEEN"]\n',
    )
    escaped = FILE.replace("\\", "\\\\")
    user.write(
        {
            ".env": f'DB_PASSWORD="{escaped}"\n',
            ".agent/RULES.md": f"Never say {' or '.join(SECRETS)}.\n",
            ".gitignore": ".env\n.agent/RULES.md\n",
            "tools/say.py": SAY,
            "tools/work.py": WORK,
            "tools/gate.py": GATE,
        }
    )
    user.commit({}, "tools")
    typed = " and ".join(SECRETS)
    lines = [f"goal = {json.dumps(f'Use {NAME} with {typed}')}"]
    for task_id in ("red", "outside", "held", "fails"):
        lines += ["", "[[task]]", f'id = "{task_id}"', f'paths = ["{task_id}*"]']
        lines += [f"title = {json.dumps(f'{task_id} by {typed}')}"]
        lines += [f"prompt = {json.dumps(f'Work with {typed}')}"]
    user.write({".agent/plans/work.toml": "\n".join(lines) + "\n"})

    said: list[tuple[str, Said]] = []

    def orch(*args: str, exit_code: int | None = None) -> Said:
        done = user.orch(*args, within_s=240)
        no_defect(done)
        assert exit_code is None or done.exit_code == exit_code, (args, done)
        said.append((" ".join(args), done))
        return done

    orch("run", "work", "--plain", exit_code=5)
    status = {task["id"]: task["status"] for task in user.status()["tasks"]}
    assert status == {"red": "landed", "outside": "landed", "held": "held", "fails": "failed"}
    orch("retry", "fails", "--note", f"my advice: {typed}")
    shown = orch("show", "held")
    assert "its name holds the value of NAME_TOKEN" in shown.out
    assert "held-[redacted NAME_TOKEN].txt:2: it adds the value of API_TOKEN" in shown.out
    orch("allow", "held", f"held-{NAME}.txt", exit_code=0)
    assert {task["status"] for task in user.status()["tasks"]} == {"landed"}
    orch("reject", "outside")
    for args in (
        *(("status",), ("status", "--json"), ("show",), ("show", "--json"), ("ledger", "events")),
        *(("report",), ("report", "--json"), ("log", "red", "--json"), ("show", "red", "--json")),
        *(("ledger", "export"), ("log", "red"), ("log", "red", "--gate", "check", "--round", "1")),
        *(("show", task, "--log") for task in ("red", "outside", "held", "fails")),
    ):
        orch(*args)
    orch("accept", exit_code=0)

    # It was there to be told, and it was told as what it is.
    told = "\n".join(one.out + one.err for _, one in said)
    for name in ("API_TOKEN", "NAME_TOKEN", "WORKER_TOKEN", "DB_PASSWORD"):
        assert f"[redacted {name}]" in told, name
    assert "[redacted key]" in told
    assert "a secret is hidden from the workers and the ledger" in told

    common = user.root / ".git"
    for where, data in everything_in(common / "orch"):
        assert_silent(where, data)
    with sqlite3.connect(common / "orch" / "ledger.sqlite") as ledger:
        dump = "\n".join(ledger.iterdump())
    assert "kanarie" not in dump and "[redacted API_TOKEN]" in dump
    assert_silent("the ledger", dump.encode())
    assert_silent("state_ledger.json", (user.root / ".agent/state_ledger.json").read_bytes())
    for where, data in everything_in(user.state):
        assert_silent(where, data)
    given = list(everything_in(seen))
    assert {Path(where).name for where, _ in given} >= {"PROMPT", "BRIEF", "FEEDBACK", "LEDGER"}
    for where, data in given:
        assert_silent(where, data)
    refs = user.git_bytes("for-each-ref")
    assert_silent("the refs", refs)
    messages = user.git_bytes("log", "--all", "--format=%an %ae %cn %ce%n%B")
    assert b"Orch-Task: held" in messages and b"[redacted API_TOKEN]" in messages
    assert_silent("the commits", messages)
    for args, one in said:
        assert_silent(f"orch {args}", one.out.encode("utf-8", "surrogateescape"))
        assert_silent(f"orch {args}", one.err.encode("utf-8", "surrogateescape"))


def test_a_defect_keeps_no_secret_of_the_environment(tmp_path: Path) -> None:
    user = User(tmp_path, environ={"API_TOKEN": ENV})
    program = (
        "import os, sys\n"
        "from orchestrator.cli.failure import answer_error\n"
        "try:\n"
        "    raise RuntimeError('it broke with ' + os.environ['API_TOKEN'])\n"
        "except RuntimeError as error:\n"
        "    sys.exit(answer_error(error, dict(os.environ)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=user.root,
        env=user.environ,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert_silent("stderr", done.stderr)
    (kept,) = (user.root / ".git/orch/failures").iterdir()
    assert_silent("the details", kept.read_bytes())
    assert b"RuntimeError: it broke with [redacted API_TOKEN]" in kept.read_bytes()
