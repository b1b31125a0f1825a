from __future__ import annotations

import hashlib
import os
import random
import time
from pathlib import Path

import pytest

from ledger.blobs import COMPRESS_FROM_BYTES, UNFINISHED, Blobs, Lost
from ledger.schema import LedgerError, LedgerFull
from tests.integration.ledger.support import as_ordinary_user, finish, kill, python, sealed

LONG = b"".join(b"line %d of a long log \xe2\x80\x94\n" % n for n in range(4000))
assert len(LONG) > COMPRESS_FROM_BYTES


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def files(blobs: Blobs) -> list[Path]:
    return sorted(path for path in blobs.folder.rglob("*") if path.is_file())


def read(blobs: Blobs, blob: str) -> bytes:
    stream = blobs.open(blob)
    assert not isinstance(stream, Lost)
    with stream:
        return stream.read()


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("data", [b"", b"short \x00 \xff", LONG])
def test_what_was_put_is_had_again_under_its_hash(
    blobs: Blobs, data: bytes, durable: bool, tmp_path: Path
) -> None:
    blob = blobs.put(data, durable)
    assert blob == hashlib.sha256(data).hexdigest()
    assert blob in blobs
    assert read(blobs, blob) == data
    assert blobs.read(blob, 5) == data[:5]
    source = tmp_path / "a log"
    source.write_bytes(data)
    assert blobs.put_file(source, durable) == blobs.put(data, durable) == blob
    assert source.exists()
    (kept,) = files(blobs)  # equal ones are kept once, nothing unfinished is left
    assert kept.parent.name == blob[:2]
    assert kept.stat().st_size <= len(data)


def test_a_long_log_is_kept_small(blobs: Blobs) -> None:
    blobs.put(LONG)
    (kept,) = files(blobs)
    assert kept.suffix == ".gz"
    assert kept.stat().st_size < len(LONG) / 4


def test_a_log_is_shown_by_its_end_or_start_in_whole_lines(blobs: Blobs) -> None:
    blob = blobs.put(LONG)
    whole = LONG.decode()
    assert blobs.text(blob, len(LONG)) == whole
    end = blobs.text(blob, 1000)
    assert isinstance(end, str)
    note, _, lines = end.partition("\n")
    assert whole.endswith(lines) and lines.startswith("line ")
    assert 900 < len(lines.encode()) <= 1000
    assert note == f"[{len(LONG) - len(lines.encode())} bytes left out]"
    start = blobs.text(blob, 1000, "start")
    assert isinstance(start, str)
    lines, _, note = start.rstrip("\n").rpartition("\n")
    assert whole.startswith(lines + "\n")
    assert note == f"[{len(LONG) - len(lines.encode()) - 1} bytes left out]"


def test_odd_text_is_cut_and_decoded_without_failing(blobs: Blobs) -> None:
    one_line = blobs.put("é".encode() * 500)
    shown = blobs.text(one_line, 101)
    assert shown == "[899 bytes left out]\n\ufffd" + "é" * 50
    assert blobs.text(one_line, 0) == "[1000 bytes left out]\n"
    assert blobs.text(blobs.put(b"a\xff\x00\x1b[31mb"), 100) == "a\ufffd\x00\x1b[31mb"


def test_a_blob_that_is_missing_or_damaged_is_said_so(blobs: Blobs) -> None:
    missing = hashlib.sha256(b"never put").hexdigest()
    lost = blobs.text(missing, 100)
    assert isinstance(lost, Lost) and lost.why == "missing"
    assert missing[:12] in str(lost) and str(blobs.folder) in str(lost)
    for data in (b"short", LONG):
        blob = blobs.put(data)
        (kept,) = [path for path in files(blobs) if path.parent.name == blob[:2]]
        good = kept.read_bytes()
        middle = len(good) // 2
        for bad in (b"", good[:-3], good[:middle] + b"\x00\x01\x02" + good[middle + 3 :], b"x"):
            kept.write_bytes(bad)
            for had in (blobs.open(blob), blobs.read(blob, 10), blobs.text(blob, 10)):
                assert had == Lost(blob, "damaged", kept)
        assert blobs.put(data) == blob  # put once more, it is whole again
        assert read(blobs, blob) == data


def test_names_that_are_no_hashes_are_refused(blobs: Blobs) -> None:
    for name in ("", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"):
        with pytest.raises(ValueError, match="not the name of a blob"):
            blobs.open(name)


def test_only_a_regular_file_is_kept(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", ".", "gone"):
        with pytest.raises(LedgerError, match="cannot be kept"):
            blobs.put_file(tmp_path / name)
    assert not blobs.folder.exists()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs the names of descriptors")
def test_a_durable_blob_is_on_disk_before_it_has_its_name(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def record(descriptor: int) -> None:
        sync(descriptor)
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr(os, "fsync", record)
    blob = blobs.put(b"quick", durable=False)
    assert synced == []
    (kept,) = files(blobs)
    folders = [str(kept.parent), str(blobs.folder)]
    assert blobs.put(b"quick") == blob  # what was put in haste is made durable now
    assert synced[1:] == [str(kept), *folders]
    del synced[:]
    other = blobs.put(b"another")
    unfinished, *rest = synced
    assert Path(unfinished).parent.name == UNFINISHED
    assert rest == [str(blobs.folder / other[:2]), str(blobs.folder)]


PUT_FOREVER = """
import itertools, sys; from pathlib import Path; from ledger.blobs import Blobs
blobs = Blobs(Path(sys.argv[1]))
for n in itertools.count():
    print(blobs.put(f"{n} ".encode() * 40_000))
"""


def test_a_kill_leaves_whole_blobs_and_what_is_unfinished_can_be_swept(blobs: Blobs) -> None:
    chance = random.Random(5)
    for _ in range(5):
        child = python(PUT_FOREVER, blobs.folder)
        assert child.stdout is not None
        put = [child.stdout.readline().strip()]
        time.sleep(chance.random() * 0.05)
        put += kill(child).split()
        assert all(not isinstance(blobs.read(blob, 1), Lost) for blob in put)
    for path in files(blobs):
        if path.parent.name != UNFINISHED:
            name = path.parent.name + path.name.removesuffix(".gz")
            assert not isinstance(blobs.read(name, 1), Lost)
    (blobs.folder / UNFINISHED / "left").write_bytes(b"x")
    (blobs.folder / UNFINISHED / f"{os.getpid()}-mine").write_bytes(b"x")
    (blobs.folder / UNFINISHED / f"{child.pid}-gone").write_bytes(b"x")
    assert blobs.sweep(time.time()) >= 1  # of those who are gone; somebody may be at the others
    assert {path.name for path in (blobs.folder / UNFINISHED).iterdir()} == {
        "left",
        f"{os.getpid()}-mine",
    }
    assert blobs.sweep(time.time() + 3601) == 2
    assert not list((blobs.folder / UNFINISHED).iterdir())
    assert Blobs(blobs.folder / "nowhere").sweep(0.0) == 0


FILL_UP = f"""
import os, resource, sys; from pathlib import Path
from ledger.blobs import Blobs; from ledger.schema import {LedgerFull.__name__}
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    Blobs(Path(sys.argv[1])).put(os.urandom(500_000))
except LedgerFull as error:
    print(error.hint)
"""


def test_without_room_nothing_is_left(blobs: Blobs) -> None:
    assert "make room" in finish(python(FILL_UP, blobs.folder))
    assert files(blobs) == []


def test_a_folder_that_may_not_be_written_is_a_clear_error() -> None:
    with sealed() as folder:
        said = as_ordinary_user(lambda: Blobs(folder / "blobs").put(b"x"))
    assert said.startswith("raised LedgerUnwritable")
    assert str(folder) in said
