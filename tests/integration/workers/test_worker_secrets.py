"""What a child was given beyond the usual is in no log, no line and no tail of its."""

import base64
import time

import pytest

pytestmark = pytest.mark.anyio
SECRET = "hunter2-hunter2-hunter2"


async def test_a_secret_is_in_no_log_no_line_and_no_tail(bench):
    code = base64.b64encode(f"me:{SECRET}".encode()).decode()
    lines = []
    ended = await bench.sh(
        'echo "with $API"; printf "and hunter2-"; sleep 0.3; printf "hunter2-hunter2"; sleep 0.3;'
        f"echo; echo {code}; echo of-the-file-1; exit 1",
        env={"API": SECRET},
        secrets={"FROM_FILE": "of-the-file-1"},
        on_line=lines.append,
    )
    log = bench.output().decode()
    shown = "\n".join([log, ended.why, *ended.tail, *lines])
    assert "hunter2" not in shown and code[8:24] not in shown and "of-the-file-1" not in shown
    assert log.splitlines()[:2] == ["with [redacted API]", "and [redacted API]"]
    assert log.endswith("[redacted FROM_FILE]\n")
    assert ended.why == "exit 1: [redacted FROM_FILE]"


async def test_a_log_can_be_followed_while_it_grows_and_never_shows_a_secret(bench):
    seen = []
    await bench.sh(
        'for n in 1 2 3 4 5 6; do echo "$n $API"; sleep 0.15; done',
        env={"API": SECRET},
        on_line=lambda line: seen.append((line, bench.output())),
    )
    assert any(0 < log.count(b"\n") < 6 for _, log in seen)
    assert not any(b"hunter2" in log or "hunter2" in line for line, log in seen)


async def test_in_a_flood_no_secret_is_at_the_beginning_the_gap_or_the_end(bench):
    began = time.monotonic()
    ended = await bench.sh(
        'yes "some words, then $API" | head -c 61500000; printf "%s" "$API"',
        env={"API": SECRET},
        log_limit_bytes=1_000_000,
    )
    log = bench.output()
    assert ended.truncated and ended.output_bytes == 61_500_000 + len(SECRET)
    assert b"hunter2" not in log and len(log) < 1_000_100
    assert log.startswith(b"some words, then [redacted API]\n") and log.endswith(b"[redacted API]")
    assert b"\n[orch left out " in log
    assert time.monotonic() - began < 15
