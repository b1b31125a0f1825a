"""A run's model traffic as a file, and a run from such a file without a model.

1. One JSON a line: first what the file is, then each answered call by its attempt and its number
   there. The requests of an attempt grow: each is kept by what differs from the one before.
2. Nothing secret is in it: requests and answers pass redaction before they are written, and what
   they are compared by is made from the redacted text. Texts that differ from run to run are
   written as words, and become what they are in the new run when it is replayed.
3. A call is answered by the call of that number where that asked the same; else, for an attempt
   whose calls run side by side, by any other of the attempt's that did and is not used up.
4. A request that is not recorded is an error that names the first difference. Nothing is guessed.
5. Only whole answers are recorded, streams with whole texts (`workers.gateway.joined`). A call that
   came to nothing, or that cannot be cleaned, is replayed as not recorded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.model import TaskId
from workers.gateway.joined import joined
from workers.gateway.likeness import alike, first_difference
from workers.gateway.upstream import Incoming, Outgoing
from workers.redact import Redactor

KIND = "orch model traffic"
VERSION = 1


class NotRecorded(Exception):
    """The record holds no answer to a request."""


class BadRecord(ValueError):
    """A file that is no record, and why."""


class Recorder:
    """Writes a record."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8")
        self._redactor = redactor
        self._last: dict[tuple[TaskId, int], str] = {}
        if not self._file.tell():
            self._write({"kind": KIND, "version": VERSION})

    def keep(
        self, request: Outgoing, status: int, headers: Iterable[tuple[str, str]], body: bytes
    ) -> None:
        """Keep a call and its whole answer."""
        grant = request.grant
        asked = alike(request.body, grant.varying, self._redactor.redact_text)
        same, rest, tail = _differing(self._last.get((grant.task, grant.attempt), ""), asked)
        self._last[grant.task, grant.attempt] = asked
        told = [(name, value) for name, value in headers if name == "content-type"]
        clean: bytes | None
        if any("event-stream" in value for _, value in told):
            clean = joined(body, self._redactor.redact_text)
        else:
            clean = self._redactor.redact(body)
        if clean is None:
            return  # what cannot be cleaned is not written
        text = clean.decode("utf-8", "surrogateescape")
        for value, word in sorted(grant.varying, key=lambda pair: -len(pair[0])):
            text = text.replace(value, word) if value else text
        self._write(
            {
                "task": grant.task,
                "attempt": grant.attempt,
                "number": request.number,
                "digest": digest(asked),
                "asked": [same, rest, tail],
                "status": status,
                "headers": told,
                "body": text,
            }
        )

    def close(self) -> None:
        """No more calls."""
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


@dataclass(frozen=True)
class Kept:
    """A recorded call."""

    number: int
    digest: str
    asked: str
    status: int
    headers: list[tuple[str, str]]
    body: str


class Replay:
    """Answers calls from a record: an upstream without a provider."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._redactor = redactor
        self._kept = load_record(path)
        self._used: set[tuple[TaskId, int, int]] = set()

    @asynccontextmanager
    async def send(self, request: Outgoing) -> AsyncIterator[Incoming]:
        """The recorded answer; NotRecorded where there is none."""
        kept = self._find(request)
        text = kept.body
        for value, word in request.grant.varying:
            # In JSON, as everything is that a model answers.
            text = text.replace(word, json.dumps(value)[1:-1]) if word else text
        body = text.encode("utf-8", "surrogateescape")
        yield Incoming(kept.status, kept.headers, _pieces(body))

    def _find(self, request: Outgoing) -> Kept:
        grant = request.grant
        where = f"{grant.task}, attempt {grant.attempt}, call {request.number}"
        asked = alike(request.body, grant.varying, self._redactor.redact_text)
        wanted = digest(asked)
        calls = self._kept.get((grant.task, grant.attempt), {})
        ordered = sorted(calls.values(), key=lambda kept: kept.number != request.number)
        for kept in ordered:
            name = (grant.task, grant.attempt, kept.number)
            if kept.digest == wanted and name not in self._used:
                self._used.add(name)
                return kept
        if not calls:
            raise NotRecorded(f"the record has no calls of {grant.task}, attempt {grant.attempt}")
        if (other := calls.get(request.number)) is None:
            raise NotRecorded(f"the record has no {where}: there it made {len(calls)} calls")
        if other.digest == wanted:
            raise NotRecorded(f"the record answers {where} once only")
        difference = first_difference(other.asked, asked)
        raise NotRecorded(f"the record's {where} asked something else: {difference}")


def load_record(path: Path) -> dict[tuple[TaskId, int], dict[int, Kept]]:
    """All calls of a record by attempt and number; a last line that was cut off is left out."""
    found: dict[tuple[TaskId, int], dict[int, Kept]] = {}
    before: dict[tuple[TaskId, int], str] = {}
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith("\n"):
                break
            try:
                said = json.loads(line)
                if number == 1:
                    if said["kind"] != KIND or said["version"] != VERSION:
                        raise BadRecord(f"{path} is no record that this orch can read")
                    continue
                whose = (str(said["task"]), int(said["attempt"]))
                asked = _whole(before.get(whose, ""), *said["asked"])
                kept = Kept(
                    number=int(said["number"]),
                    digest=str(said["digest"]),
                    asked=asked,
                    status=int(said["status"]),
                    headers=[(str(name), str(value)) for name, value in said["headers"]],
                    body=str(said["body"]),
                )
            except BadRecord:
                raise
            except (ValueError, KeyError, TypeError) as error:
                raise BadRecord(f"{path}:{number} is no line of a record: {error}") from None
            if digest(asked) != kept.digest:
                raise BadRecord(f"{path}:{number} was changed: its request is not the recorded one")
            before[whose] = asked
            found.setdefault(whose, {})[kept.number] = kept
    return found


def digest(asked: str) -> str:
    """What equal requests have in common."""
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()


def _differing(before: str, now: str) -> tuple[int, str, int]:
    """How many characters at the beginning and at the end are as before, and what is between."""
    same = _same(before, now)
    most = min(len(before), len(now)) - same
    tail = min(most, _same(before[::-1], now[::-1]))
    return same, now[same : len(now) - tail], tail


def _same(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[:middle]):
            low = middle
        else:
            high = middle - 1
    return low


def _whole(before: str, same: int, rest: str, tail: int) -> str:
    return before[:same] + rest + (before[len(before) - tail :] if tail else "")


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    """Event by event where it is a stream; joined, the pieces are what was kept."""
    *ended, last = body.split(b"\n\n")
    for event in ended:
        yield event + b"\n\n"
    if last:
        yield last
