"""A run goes into one file: its facts, its refs, and the logs that its facts name.

1. What goes in is what the ledger holds, with the same secrets hidden; nothing else of this
   machine's.
2. No engine drives the run meanwhile, so facts and refs are of one moment.
3. The file is there whole, or not at all; only its owner may read it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.lock import EngineLock
from ledger.store import Store
from orchestrator.bundle.form import BLOB_BYTES, FIRST, MOST_BLOBS, Manifest, Part
from orchestrator.errors import OrchError
from orchestrator.persons import refuse_cleaned
from orchestrator.runs import load_state
from orchestrator.workplace import Workplace

_BLOB = re.compile(r'"([0-9a-f]{64})"')


@dataclass(frozen=True)
class Exported:
    """What was written."""

    run: str
    path: Path
    size_bytes: int
    events: int
    refs: int
    blobs: int
    left_out: int
    """Logs that are lost, or too large."""


def export_run(workplace: Workplace, store: Store, run: str, path: Path) -> Exported:
    """Write a run's file; OrchError or LedgerError where that cannot be."""
    from orchestrator import __version__
    from worktree.bundle import write_bundle
    from worktree.names import own_branches, run_branches, run_refs

    with EngineLock.take(workplace.place.lock(run)):
        state = load_state(store, run)
        refuse_cleaned(state)
        git, base = workplace.git, state.started.base
        ours, there = own_branches(run, state.tasks), git.list_refs(run_branches(run))
        # What a person put beside them is not the run's to take along.
        refs = git.list_refs(run_refs(run)) | {ref: at for ref, at in there.items() if ref in ours}
        lines, blobs = [], dict[str, None]()
        for row in store.read(run):
            body = {"at": row.at, "kind": row.kind, "version": row.version, "body": row.body}
            lines.append(json.dumps(body))
            blobs.update(dict.fromkeys(_BLOB.findall(row.body)))
        events = ("\n".join(lines) + "\n").encode()
        with tempfile.TemporaryDirectory(prefix="orch-bundle-") as folder:
            packed = Path(folder) / "objects"
            objects = packed.read_bytes() if write_bundle(git, packed, refs, base) else None
        kept: list[str] = []
        left_out = 0
        parts = [_part("events", events)]
        parts += [_part("objects", objects)] if objects is not None else []
        for blob in blobs:
            if blob not in workplace.blobs:
                continue  # an id of git's, or of a tree
            data = workplace.blobs.read(blob, BLOB_BYTES + 1)
            if isinstance(data, bytes) and len(data) <= BLOB_BYTES and len(kept) < MOST_BLOBS:
                kept.append(blob)
                parts.append(Part(kind="blob", size=len(data), sha256=blob))
            else:
                left_out += 1
        manifest = Manifest(
            run=run,
            orch_version=__version__,
            object_format="sha256" if git.repository.object_format == "sha256" else "sha1",
            base=base,
            refs=refs,
            parts=tuple(parts),
        )

        def pieces() -> Iterator[bytes]:
            yield FIRST
            yield manifest.model_dump_json().encode() + b"\n"
            yield events
            yield objects or b""
            for blob in kept:
                data = workplace.blobs.read(blob, BLOB_BYTES)
                if not isinstance(data, bytes):
                    raise OrchError(f"the log {blob[:12]} went away just now", hint="try again")
                yield data

        size = _write(path, pieces())
    return Exported(run, path, size, len(lines), len(refs), len(kept), left_out)


def _part(kind: str, data: bytes) -> Part:
    return Part(kind=kind, size=len(data), sha256=hashlib.sha256(data).hexdigest())  # type: ignore[arg-type]


def _write(path: Path, pieces: Iterator[bytes]) -> int:
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OrchError(
            f"{path} cannot be written: {error.strerror}", hint=f"ls -ld {path.parent}"
        ) from error
    temporary = Path(name)
    try:
        with open(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return size
