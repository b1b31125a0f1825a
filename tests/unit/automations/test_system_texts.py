"""What the system is given to read: escaped for each of its readers, and nobody else's touched."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.automations.system.texts import (
    BrokenBlock,
    Entry,
    names_in,
    render_block,
    render_script,
    render_service,
    render_timer,
    unit_word,
    with_block,
)
from orchestrator.itself import ORCH
from tests.support.examples import examples

NIGHTLY = Entry("nightly", ("*-*-* 02:00:00",), "0 2 * * *")
WEEKLY = Entry("weekly", ("Mon *-*-* 03:00:00",), "0 3 * * 1")
ODD = '/home/a person/50% "of" it\'s $HOME\\now'
BLOCK = render_block("key", [NIGHTLY, WEEKLY], "/state/look.sh")

LINES = st.lists(
    st.one_of(
        st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"") + b"\n"),
        st.sampled_from([b"# orch begin other\n", b"# orch end other\n", b"0 1 * * * echo\r\n"]),
    ),
    max_size=6,
).map(b"".join)


@given(LINES, LINES)
@settings(max_examples=examples(80), deadline=None, derandomize=True)
def test_everything_else_in_a_crontab_stays_byte_for_byte(before, after):
    with_ours = with_block(before + after, "key", BLOCK)
    assert with_block(with_ours, "key", "") == before + after
    inside = before + BLOCK.encode() + after
    other = render_block("key", [WEEKLY], "/state/look.sh")
    assert with_block(inside, "key", other) == before + other.encode() + after
    assert with_block(inside, "key", BLOCK) == inside
    assert names_in(inside, "key") == {"nightly", "weekly"}


def test_a_crontab_whose_last_line_has_no_end_gets_one():
    assert with_block(b"0 1 * * * echo", "key", BLOCK).startswith(b"0 1 * * * echo\n# orch begin")


@pytest.mark.parametrize(
    "broken", [b"# orch begin key\n", b"# orch end key\n# orch begin key\n", b"# orch end key"]
)
def test_a_block_that_is_none_is_left_alone(broken):
    with pytest.raises(BrokenBlock):
        with_block(broken, "key", BLOCK)


def test_a_block_fires_each_at_its_time_and_catches_up_with_all():
    lines = BLOCK.splitlines()
    quiet = "> /dev/null 2>&1"
    assert lines[0] == "# orch begin key" and lines[-1] == "# orch end key"
    assert f"0 2 * * * /bin/sh /state/look.sh nightly {quiet}" in lines
    assert f"@reboot /bin/sh /state/look.sh nightly weekly {quiet}" in lines
    assert any(line.startswith("17 * * * *") for line in lines)
    assert render_block("key", [], "/state/look.sh") == ""


def test_cron_reads_a_path_with_everything_in_it_as_it_is(tmp_path: Path):
    odd = tmp_path / ODD.replace("/", "_")
    odd.mkdir()
    script = odd / "look.sh"
    script.write_text('printf "%s\\n" "$@" > "$0.heard"\n')
    line = next(
        one for one in render_block("k", [NIGHTLY], str(script)).splitlines() if " 2 " in one
    )
    command = line.split(" ", 5)[5]
    assert "%" not in command.replace("\\%", "")
    # What cron does before a shell sees it.
    subprocess.run(("/bin/sh", "-c", command.replace("\\%", "%")), check=True, timeout=20)
    assert Path(f"{script}.heard").read_text() == "nightly\n"


def test_the_script_goes_where_the_checkout_is_with_the_path_of_then(tmp_path: Path):
    odd = tmp_path / ODD.replace("/", "_")
    odd.mkdir()
    python = odd / "python"
    python.write_text('#!/bin/sh\nprintf "%s|" "$PWD" "$PATH" "$TOKEN" "$@"\n')
    python.chmod(0o755)
    environ = {"PATH": f"{odd}:/usr/bin:/bin", "TOKEN": "a-secret-that-is-none", "LANG": "C\nx"}
    script = tmp_path / "look.sh"
    script.write_text(render_script(str(odd), (str(python), *ORCH[1:]), environ))
    assert "a-secret" not in script.read_text() and "LANG" not in script.read_text()
    done = subprocess.run(
        ("/bin/sh", str(script), "nightly"), env={}, capture_output=True, text=True, timeout=20
    )
    said = done.stdout.split("|")
    assert said[:3] == [str(odd), environ["PATH"], ""]
    assert said[3:-1] == ["-P", "-m", "orchestrator.cli.main", "watch", "--once", "nightly"]


def test_a_word_of_a_unit_holds_nothing_that_systemd_fills_in():
    assert unit_word("a b") == '"a b"'
    assert unit_word("50%h") == '"50%%h"'
    assert unit_word('say "$HOME"') == '"say \\"$$HOME\\""'
    assert unit_word("back\\slash") == '"back\\\\slash"'
    assert unit_word("tab\there") == '"tab\\x09here"'


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd judges its own units")
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path):
    service = tmp_path / "orch-key-nightly.service"
    timer = tmp_path / "orch-key-nightly.timer"
    service.write_text(render_service(NIGHTLY, ODD + "\\", f"{ODD}/look.sh", keep_awake=True))
    timer.write_text(render_timer(NIGHTLY, ODD + "\\"))
    done = subprocess.run(
        ("systemd-analyze", "verify", "--man=no", str(service), str(timer)),
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    complaints = [line for line in done.stderr.splitlines() if "orch-key" in line]
    assert complaints == [], done.stderr
