"""The bounded log: whatever is printed in whatever pieces, its beginning and its end are there."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from workers.capture import Capture


@given(st.lists(st.binary(max_size=60), max_size=30), st.integers(2, 100))
def test_a_log_is_the_output_or_its_beginning_and_end(chunks, limit):
    whole = b"".join(chunks)
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        capture = Capture(log, limit)
        for chunk in chunks:
            capture.feed(chunk)
        capture.finish()
        kept = log.read_bytes()

    assert capture.total_bytes == len(whole)
    assert capture.truncated == (len(whole) > limit)
    if len(whole) <= limit:
        assert kept == whole
    else:
        gap = b"\n[orch left out %s bytes here]\n" % f"{len(whole) - limit:,}".encode()
        head = limit // 2
        assert kept == whole[:head] + gap + whole[len(whole) - (limit - head) :]


def test_while_it_grows_a_log_never_takes_more_than_its_limit(tmp_path):
    capture = Capture(tmp_path / "log", 1000)
    for _ in range(1000):
        capture.feed(b"0123456789\n" * 10)
        assert (tmp_path / "log").stat().st_size <= 1000
    capture.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
