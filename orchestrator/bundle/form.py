"""What the file of a run looks like: a line, a manifest, and parts one after the other.

1. The first line names the form. The second is the manifest, as JSON: the run, the commit that it
   started from, its refs, and each part's kind, size and SHA-256, in the order in which they
   follow. Nothing comes after the last.
2. No part has a name or a path: it is events, or objects of git, or a blob, which is called by its
   hash. So a file from anywhere can name no place on this machine.
3. Everything is bounded before it is read, and checked against its hash before it is used.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import Field, ValidationError

from ledger.model import Value
from orchestrator.errors import OrchError

FIRST = b"orch-bundle 1\n"
MANIFEST_BYTES = 32 << 20
EVENTS_BYTES = 512 << 20
OBJECTS_BYTES = 1 << 30
BLOB_BYTES = 64 << 20
MOST_BLOBS = 200_000
_RUN = r"^[a-z0-9][a-z0-9-]{0,99}$"
_SHA = r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$"
_LIMITS = {"events": EVENTS_BYTES, "objects": OBJECTS_BYTES, "blob": BLOB_BYTES}


class Part(Value):
    """One part, in its place."""

    kind: Literal["events", "objects", "blob"]
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(Value):
    """What the file holds."""

    run: Annotated[str, Field(pattern=_RUN)]
    orch_version: Annotated[str, Field(max_length=100)] = ""
    object_format: Literal["sha1", "sha256"] = "sha1"
    base: Annotated[str, Field(pattern=_SHA)]
    refs: dict[Annotated[str, Field(max_length=500)], Annotated[str, Field(pattern=_SHA)]]
    parts: Annotated[tuple[Part, ...], Field(max_length=MOST_BLOBS + 2)]


class Opened:
    """A file that is read from the front to its end."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self.manifest = self._read_manifest()

    def parts(self) -> Iterator[tuple[Part, bytes]]:
        """Each part, once, in order; OrchError where one is not as the manifest says."""
        for part in self.manifest.parts:
            data = self._file.read(part.size)
            if len(data) != part.size:
                raise damaged(self._name, "it ends early")
            if hashlib.sha256(data).hexdigest() != part.sha256:
                raise damaged(self._name, f"a part ({part.kind}) is not what it was")
            yield part, data
        if self._file.read(1):
            raise damaged(self._name, "something was added to its end")

    def _read_manifest(self) -> Manifest:
        first = self._file.readline(100)
        if first != FIRST:
            newer = re.fullmatch(rb"orch-bundle \d+\n", first)
            why = "a newer orch wrote it" if newer else "it was not written by orch ledger export"
            raise damaged(self._name, why)
        line = self._file.readline(MANIFEST_BYTES + 1)
        if not line.endswith(b"\n"):
            raise damaged(self._name, "its manifest is cut, or too long")
        try:
            manifest = Manifest.model_validate_json(line)
        except ValidationError:
            raise damaged(self._name, "its manifest makes no sense") from None
        kinds = [part.kind for part in manifest.parts]
        if kinds[:1] != ["events"] or "events" in kinds[1:] or kinds.count("objects") > 1:
            raise damaged(self._name, "its parts are not those of a run")
        for part in manifest.parts:
            if part.size > _LIMITS[part.kind]:
                raise damaged(self._name, f"a part ({part.kind}) is larger than any that is taken")
        return manifest


def open_bundle(path: Path) -> tuple[BinaryIO, Opened]:
    """The file of a run, its manifest read; the caller closes it."""
    try:
        if not path.is_file():
            raise OrchError(f"there is no file {path}", hint="orch ledger export --bundle FILE")
        file = path.open("rb")
    except OSError as error:
        raise OrchError(f"{path} cannot be read: {error.strerror}", hint=f"ls -l {path}") from error
    try:
        return file, Opened(file, str(path))
    except BaseException:
        file.close()
        raise


def damaged(name: str, why: str) -> OrchError:
    """What to say of a file that is not taken."""
    return OrchError(f"{name} is not taken in: {why}", hint="take another copy of the bundle")
