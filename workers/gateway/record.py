"""A run's model traffic as a file, and the answers to the same calls from such a file.

1. One JSON a line: first what the file is and whose; then each answered call by its attempt and
   purpose, and each step of the run's course as whoever drives it wants it kept. The requests of
   an attempt grow: each is kept by what differs from the one before.
2. Nothing secret is in it: requests and answers pass redaction before they are written, and what
   they are compared by is made from the redacted text. Texts that differ from run to run are
   written as words, and become what they are in the new run when it is replayed.
3. A call is answered by the attempt's next one where that asked the same; else, for an attempt
   whose calls run side by side, by any other that did and is not used up.
4. A request that is not recorded is an error that names the first difference. Nothing is guessed.
5. Only whole answers are recorded, streams with whole texts (`workers.gateway.joined`), and what a
   provider refused for what it held. Another call that came to nothing is none: its attempt made it
   again or was ended by it. So an attempt that was ended from outside, and whose calls are used
   up, is told so (`EndedThen`); at any other it is an error to ask for more.
6. What cannot be cleaned is replayed as not recorded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.model import CallPurpose, RunId, TaskId
from workers.gateway.joined import joined
from workers.gateway.likeness import alike, first_difference
from workers.gateway.upstream import Incoming, Outgoing
from workers.redact import Redactor

KIND = "orch model traffic"
VERSION = 2
Whose = tuple[TaskId, int, CallPurpose]
"""Whose calls: an attempt's, by their purpose. Each has an order of its own."""


class NotRecorded(Exception):
    """The record holds no answer to a request."""


class EndedThen(NotRecorded):
    """It holds no more of an attempt that was ended there."""


class BadRecord(ValueError):
    """A file that is no record, and why."""


class Recorder:
    """Writes a record, from its beginning or on."""

    def __init__(self, path: Path, redactor: Redactor, run: RunId) -> None:
        """BadRecord where the file is something else, or another run's."""
        self.steps = 0
        """How many steps of the course are in it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(path, flags, 0o600), "r+", encoding="utf-8")
        self._redactor = redactor
        self._last: dict[Whose, str] = {}
        try:
            if os.fstat(self._file.fileno()).st_size:
                self._go_on(path, run)
            else:
                self._write({"kind": KIND, "version": VERSION, "run": run})
        except BaseException:
            self._file.close()
            raise

    def _go_on(self, path: Path, run: RunId) -> None:
        record = load_record(path)
        if record.run != run:
            raise BadRecord(f"{path} is the record of another run, {record.run}")
        self._file.truncate(record.size_bytes)  # a last line that was cut off
        self.steps = len(record.steps)
        self._last = {whose: calls[-1].asked for whose, calls in record.calls.items()}

    def keep_step(self, step: dict[str, Any]) -> None:
        """Keep a step of the run's course."""
        self._write({"step": step})
        self.steps += 1

    def keep(
        self, request: Outgoing, status: int, headers: Iterable[tuple[str, str]], body: bytes
    ) -> None:
        """Keep a call and its whole answer."""
        grant = request.grant
        asked = alike(request.body, grant.varying, self._redactor.redact_text)
        whose = (grant.task, grant.attempt, grant.purpose)
        told = [(name, value) for name, value in headers if name == "content-type"]
        clean: bytes | None
        if any("event-stream" in value for _, value in told):
            clean = joined(body, self._redactor.redact_text)
        else:
            clean = self._redactor.redact(body)
        if clean is None:
            return  # what cannot be cleaned is not written
        same, rest, tail = _differing(self._last.get(whose, ""), asked)
        self._last[whose] = asked
        text = clean.decode("utf-8", "surrogateescape")
        for value, word in sorted(grant.varying, key=lambda pair: -len(pair[0])):
            text = text.replace(value, word) if value else text
        self._write(
            {
                "task": grant.task,
                "attempt": grant.attempt,
                "purpose": grant.purpose,
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

    digest: str
    asked: str
    status: int
    headers: list[tuple[str, str]]
    body: str


@dataclass
class Record:
    """What a record holds."""

    run: RunId = ""
    calls: dict[Whose, list[Kept]] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    size_bytes: int = 0
    """Without a last line that was cut off."""


class Replay:
    """Answers calls from a record: an upstream without a provider."""

    def __init__(
        self,
        calls: Mapping[Whose, Sequence[Kept]],
        redactor: Redactor,
        ended: Collection[tuple[TaskId, int]] = (),
    ) -> None:
        """`ended` are the attempts that were ended from outside."""
        self._calls, self._redactor, self._ended = calls, redactor, ended
        self._used: dict[Whose, set[int]] = {}

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
        whose = (grant.task, grant.attempt, grant.purpose)
        calls = self._calls.get(whose, ())
        used = self._used.setdefault(whose, set())
        asked = alike(request.body, grant.varying, self._redactor.redact_text)
        wanted = digest(asked)
        left = [at for at in range(len(calls)) if at not in used]
        for at in left:
            if calls[at].digest == wanted:
                used.add(at)
                return calls[at]
        attempt = f"{grant.task}, attempt {grant.attempt}"
        if grant.purpose != "work":
            attempt += f" ({grant.purpose})"
        if left:
            other = calls[left[0]]
            where = f"{attempt}, call {left[0] + 1}"
            difference = first_difference(other.asked, asked)
            raise NotRecorded(f"the record's {where} asked something else: {difference}")
        if (grant.task, grant.attempt) in self._ended:
            raise EndedThen(f"{attempt} was ended there when it was recorded")
        if not calls:
            raise NotRecorded(f"the record has no calls of {attempt}")
        count = f"{len(calls)} call{'s' * (len(calls) > 1)}"
        raise NotRecorded(f"the record has no {attempt}, call {len(calls) + 1}: it made {count}")


def load_record(path: Path) -> Record:
    """All that a record holds; a last line that was cut off is left out. BadRecord, OSError."""
    found = Record()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                said = json.loads(line)
                if number == 1:
                    if said["kind"] != KIND or said["version"] != VERSION:
                        raise BadRecord(f"{path} is no record that this orch can read")
                    found.run = str(said["run"])
                elif "step" in said:
                    found.steps.append(dict(said["step"]))
                else:
                    _load_call(found, said)
            except BadRecord:
                raise
            except _Changed:
                why = "was changed: its request is not the recorded one"
                raise BadRecord(f"{path}:{number} {why}") from None
            except (ValueError, KeyError, TypeError) as error:
                raise BadRecord(f"{path}:{number} is no line of a record: {error}") from None
            found.size_bytes += len(line)
    if not found.run:
        raise BadRecord(f"{path} is no record that this orch can read")
    return found


class _Changed(Exception):
    """A request is not the one that its digest was made of."""


def _load_call(found: Record, said: dict[str, Any]) -> None:
    whose = (str(said["task"]), int(said["attempt"]), said["purpose"])
    calls = found.calls.setdefault(whose, [])
    kept = Kept(
        digest=str(said["digest"]),
        asked=_whole(calls[-1].asked if calls else "", *said["asked"]),
        status=int(said["status"]),
        headers=[(str(name), str(value)) for name, value in said["headers"]],
        body=str(said["body"]),
    )
    if digest(kept.asked) != kept.digest:
        raise _Changed
    calls.append(kept)


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
