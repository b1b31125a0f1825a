"""Logs and transcripts as files, named by the SHA-256 of what is in them.

1. A blob is complete under its name or not there: it is written beside, then renamed. Durable
   blobs are on disk before the ledger speaks of them.
2. What is read is checked against its name first. A blob that is missing or damaged is a value
   (`Lost`), since a lost log stops nothing.
3. What is handed out is bounded by the caller; memory does not grow with the blob.
4. Large blobs are kept as gzip files, so that `zcat` reads them too.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from ledger.schema import LedgerError, LedgerFull, LedgerUnwritable

CHUNK_BYTES = 1 << 18
COMPRESS_FROM_BYTES = 16 * 1024
UNFINISHED = "unfinished"
"""The folder of files that are still being written."""


@dataclass(frozen=True)
class Lost:
    """A blob that cannot be had, and why."""

    blob: str
    why: Literal["missing", "damaged"]
    path: Path

    def __str__(self) -> str:
        return f"blob {self.blob[:12]} is {self.why} ({self.path})"


class Blobs:
    """A folder of blobs; made when the first one is put."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # --- writing --------------------------------------------------------------------------

    def put(self, data: bytes, durable: bool = True) -> str:
        """Keep the bytes; their name."""
        return self._put([data], len(data) >= COMPRESS_FROM_BYTES, durable)

    def put_file(self, path: Path, durable: bool = True) -> str:
        """Keep what a regular file holds; its name. The file stays."""
        # A link or a named pipe in its place would lead elsewhere, or never end.
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise LedgerError(f"{path} cannot be kept as a blob ({error.strerror})") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise LedgerError(f"{path} cannot be kept as a blob (not a regular file)")
        with open(descriptor, "rb", buffering=0) as source:
            # As long as it was when it was opened: somebody may still be writing.
            chunks = _chunks(source, status.st_size)
            return self._put(chunks, status.st_size >= COMPRESS_FROM_BYTES, durable)

    def _put(self, chunks: Iterable[bytes], compress: bool, durable: bool) -> str:
        try:
            return self._written(chunks, compress, durable)
        except OSError as error:
            raise _explained(error, self.folder) from error

    def _written(self, chunks: Iterable[bytes], compress: bool, durable: bool) -> str:
        import tempfile

        beside = self.folder / UNFINISHED
        beside.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=beside, prefix=f"{os.getpid()}-")
        temporary = Path(name)
        try:
            with open(descriptor, "wb") as file:
                digest = hashlib.sha256()
                # Level 1: logs shrink to a tenth anyway, and an engine waits for this.
                packer = zlib.compressobj(1, zlib.DEFLATED, 31) if compress else None
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(packer.compress(chunk) if packer else chunk)
                if packer:
                    file.write(packer.flush())
                file.flush()
                if durable:
                    os.fsync(descriptor)
            blob = digest.hexdigest()
            if not self._keeps(blob, durable):
                place = self._path(blob, compress)
                fresh = not place.parent.exists()
                place.parent.mkdir(exist_ok=True)
                temporary.replace(place)
                if durable:
                    _sync(place.parent)
                    if fresh:
                        _sync(self.folder)
            return blob
        finally:
            temporary.unlink(missing_ok=True)

    def _keeps(self, blob: str, durable: bool) -> bool:
        """Whether the blob is there already, whole, and on disk where that is wanted."""
        found = self._find(blob)
        if found is None or not self._is_whole(blob, found):
            return False  # the new file takes the place of a damaged one
        if durable:  # it may have been put without waiting for the disk
            _sync(found)
            _sync(found.parent)
            _sync(self.folder)
        return True

    # --- reading --------------------------------------------------------------------------

    def open(self, blob: str) -> BinaryIO | Lost:
        """The blob's bytes as a stream, read and checked once before."""
        place = self._find(blob)
        if place is None:
            return Lost(blob, "missing", self._path(blob, False))
        if not self._is_whole(blob, place):
            return Lost(blob, "damaged", place)
        return _opened(place)

    def read(self, blob: str, limit_bytes: int) -> bytes | Lost:
        """The blob's first bytes, at most so many."""
        stream = self.open(blob)
        if isinstance(stream, Lost):
            return stream
        with stream:
            return stream.read(limit_bytes)

    def text(
        self, blob: str, limit_bytes: int, part: Literal["start", "end"] = "end"
    ) -> str | Lost:
        """The blob as text; of a longer one its start or end, in whole lines, and a note."""
        stream = self.open(blob)
        if isinstance(stream, Lost):
            return stream
        with stream:
            if part == "start":
                kept = stream.read(limit_bytes)
                left_out = sum(len(chunk) for chunk in _chunks(stream))
            else:
                kept, left_out = _end(stream, limit_bytes)
        if not left_out:
            return kept.decode("utf-8", "replace")
        at = kept.rfind(b"\n") + 1 if part == "start" else kept.find(b"\n") + 1
        if 0 < at < len(kept):  # a single line longer than the limit is cut where it is
            left_out += len(kept) - at if part == "start" else at
            kept = kept[:at] if part == "start" else kept[at:]
        words = kept.decode("utf-8", "replace")
        note = f"[{left_out} bytes left out]\n"
        if part == "end":
            return note + words
        return words + ("" if words.endswith("\n") else "\n") + note

    def __contains__(self, blob: str) -> bool:
        return self._find(blob) is not None

    # --- the folder -----------------------------------------------------------------------

    def sweep(self, now: float, older_than_s: float = 3600.0) -> int:
        """Remove files whose process is gone, or that are old: nobody ends them; how many."""
        removed = 0
        with suppress(FileNotFoundError):
            for path in (self.folder / UNFINISHED).iterdir():
                with suppress(FileNotFoundError):
                    old = now - path.stat().st_mtime >= older_than_s
                    if old or not _is_alive(path.name.partition("-")[0]):
                        path.unlink()
                        removed += 1
        return removed

    def _path(self, blob: str, compressed: bool) -> Path:
        if not re.fullmatch(r"[0-9a-f]{64}", blob):
            raise ValueError(f"not the name of a blob: {blob!r}")
        return self.folder / blob[:2] / (blob[2:] + (".gz" if compressed else ""))

    def _find(self, blob: str) -> Path | None:
        for compressed in (False, True):
            if (path := self._path(blob, compressed)).is_file():
                return path
        return None

    def _is_whole(self, blob: str, place: Path) -> bool:
        digest = hashlib.sha256()
        try:
            with _opened(place) as stream:
                for chunk in _chunks(stream):
                    digest.update(chunk)
        except (OSError, EOFError, zlib.error):
            return False
        return digest.hexdigest() == blob


def _opened(place: Path) -> BinaryIO:
    if place.suffix == ".gz":
        import gzip

        return cast(BinaryIO, gzip.open(place, "rb"))
    return place.open("rb")


def _chunks(stream: BinaryIO | io.RawIOBase, limit_bytes: int | None = None) -> Iterator[bytes]:
    left = limit_bytes
    while left is None or left > 0:
        chunk = stream.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
        if not chunk:
            return
        if left is not None:
            left -= len(chunk)
        yield chunk


def _end(stream: BinaryIO, limit_bytes: int) -> tuple[bytes, int]:
    """The stream's last bytes, and how many came before them."""
    kept, total = b"", 0
    for chunk in _chunks(stream):
        total += len(chunk)
        kept = (kept + chunk)[-limit_bytes:] if limit_bytes else b""
    return kept, total - len(kept)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _explained(error: OSError, folder: Path) -> LedgerError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return LedgerFull(
            f"the disk is full (or a size limit was reached) at {folder}; no blob was half written",
            f"make room (`df -h {folder.parent}`, `orch clean`), then `orch resume`",
        )
    return LedgerUnwritable(
        f"a blob cannot be written to {folder} ({error.strerror})",
        f"see who owns it: `ls -la {folder.parent}`",
    )


def _is_alive(pid: str) -> bool:
    """Whether a process of that number lives; what is no number may be anybody's."""
    if not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
