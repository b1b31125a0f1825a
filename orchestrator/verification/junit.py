"""A gate's report in JUnit's XML: how many tests there were, and which of them failed.

1. The report is where the settings say, below the tree, through real folders only: a link on the
   way, or in its place, is refused. What is there before the gate runs is removed; so is what
   the gate wrote, once it is read.
2. It is data: bounded in size, depth and number of tests; a document type, and with it every
   entity, is refused; nothing else is loaded.
3. What counts are the `testcase` elements, not the sums that suites claim. One with `failure` or
   `error` failed, one with `skipped`, or that says it was not run, was skipped.
4. A test's name is its class and its name; where it has no class of its own, its file and its
   suites take their place. A failed test whose name a passed one has too cannot be told from it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.parsers import expat

from ledger.model import TestCount
from orchestrator.verification.names import FailedTests, settled
from workers.text import clean_line

SIZE_LIMIT_BYTES = 64 * 1024 * 1024
DEPTH_LIMIT = 60
CASES_LIMIT = 300_000
CHUNK_BYTES = 1024 * 1024

How = Literal["passed", "failed", "errors", "skipped"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BROKEN: Mapping[str, How] = {"failure": "failed", "error": "errors"}
_NOT_RUN = frozenset({"notrun", "skipped", "disabled", "suppressed"})


class NoReport(Exception):
    """There is no report that can be read; the message says why, for a person."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says."""

    tests: TestCount
    failed: FailedTests


# --- where it lies ----------------------------------------------------------------------------


def make_room(tree: Path, path: str) -> str | None:
    """Remove what lies where the report will be; the first folder on the way that is missing.

    Raises NoReport where a report could not be written there, or not be read.
    """
    *folders, name = path.split("/")
    for depth in range(len(folders)):
        if not os.path.lexists(tree.joinpath(*folders[: depth + 1])):
            return "/".join(folders[: depth + 1])
    with _inside(tree, folders) as at, suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            raise NoReport("it is a folder")
        os.unlink(name, dir_fd=at)
    return None


def take_report(tree: Path, path: str, made: str | None = None) -> Report:
    """Read the report and remove it, with the folder that was `made` for it; NoReport without."""
    *folders, name = path.split("/")
    try:
        with _inside(tree, folders) as at:
            report = _read(name, at)
            with suppress(OSError):
                os.unlink(name, dir_fd=at)
    except FileNotFoundError as error:
        raise NoReport("it was not written") from error
    if made:
        while folders and len(made) <= len("/".join(folders)):
            with suppress(OSError), _inside(tree, folders[:-1]) as at:
                os.rmdir(folders[-1], dir_fd=at)  # unless something else is in it
            folders.pop()
    return report


@contextmanager
def _inside(tree: Path, folders: list[str]) -> Iterator[int]:
    """A folder below the tree, opened through real folders only."""
    at = os.open(tree, _FOLDER)
    try:
        for folder in folders:
            try:
                below = os.open(folder, _FOLDER, dir_fd=at)
            except FileNotFoundError:
                raise
            except OSError as error:
                raise NoReport(f"{folder}/ on its way is no folder of the tree") from error
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def _read(name: str, at: int) -> Report:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=at)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NoReport("it is a link, or may not be read") from error
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NoReport("it is not a regular file")
        if status.st_size > SIZE_LIMIT_BYTES:
            raise NoReport(f"it is larger than {SIZE_LIMIT_BYTES >> 20} MiB")
        cases = _Cases()
        for _ in range(SIZE_LIMIT_BYTES // CHUNK_BYTES + 1):
            chunk = file.read(CHUNK_BYTES)
            cases.feed(chunk, last=not chunk)
            if not chunk:
                break
        else:
            raise NoReport(f"it grew beyond {SIZE_LIMIT_BYTES >> 20} MiB while it was read")
    return cases.report()


# --- what it says -----------------------------------------------------------------------------


def parse_report(content: bytes) -> Report:
    """What a whole report says; NoReport for what is none."""
    cases = _Cases()
    cases.feed(content, last=True)
    return cases.report()


@dataclass(slots=True)
class _Case:
    """One test of the report."""

    suites: tuple[str, ...]
    attributes: Mapping[str, str]
    how: How = "passed"

    @property
    def name(self) -> str:
        name, group = self.attributes["name"], self.attributes["classname"]
        if group in ("", "test", name):  # some runners say so of every test
            group = " › ".join(filter(None, (self.attributes["file"], *self.suites)))
        return settled(f"{group}::{name}" if group else name)


class _Cases:
    """The test cases of a report, as its elements come."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = _refuse
        self._open: list[str] = []
        self._suites: list[str] = []
        self._case: _Case | None = None
        self._found: list[_Case] = []
        self._is_report = False

    def feed(self, content: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(content, last)
        except (expat.ExpatError, UnicodeError, LookupError, ValueError) as error:
            raise NoReport(f"it is not whole XML ({clean_line(str(error), 120)})") from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if not self._open and tag not in ("testsuites", "testsuite"):
            raise NoReport(f"it begins with <{clean_line(tag, 40)}>, not with <testsuites>")
        if len(self._open) >= DEPTH_LIMIT or len(self._found) >= CASES_LIMIT:
            raise NoReport(f"it has more than {CASES_LIMIT} tests, or is {DEPTH_LIMIT} deep")
        above = self._open[-1] if self._open else ""
        self._open.append(tag)
        if tag in ("testsuite", "testsuites"):
            self._suites.append(clean_line(attributes.get("name", "")))
        elif tag == "testcase":
            kept = {
                key: clean_line(attributes.get(key, "")) for key in ("classname", "name", "file")
            }
            said = {attributes.get(key, "").lower() for key in ("status", "result")}
            how: How = "skipped" if said & _NOT_RUN else "passed"
            self._case = _Case(tuple(self._suites[1:]), kept, how)
        elif above == "testcase" and self._case is not None:
            if tag in _BROKEN:
                self._case.how = _BROKEN[tag]
            elif tag == "skipped" and self._case.how == "passed":
                self._case.how = "skipped"
        elif above == "testsuite" and tag in _BROKEN:
            # The suite broke before it had a test.
            around = {"classname": "", "file": "", "name": self._suites[-1]}
            self._found.append(_Case((), around, _BROKEN[tag]))

    def _end(self, tag: str) -> None:
        tag = self._open.pop()
        if tag == "testcase" and self._case is not None:
            self._found.append(self._case)
            self._case = None
        elif tag in ("testsuite", "testsuites"):
            self._suites.pop()

    def report(self) -> Report:
        bad = [case for case in self._found if case.how in ("failed", "errors")]
        good = [case for case in self._found if case.how == "passed"]
        count = TestCount(
            passed=len(good),
            failed=sum(case.how == "failed" for case in bad),
            errors=sum(case.how == "errors" for case in bad),
            skipped=len(self._found) - len(good) - len(bad),
        )
        names = tuple(dict.fromkeys(case.name for case in bad))
        exact = not {"", *(case.name for case in good)} & set(names)
        return Report(count, FailedTests(names, len(bad), exact))


def _refuse(*_: object) -> None:
    raise NoReport("it has a document type, which may hold entities")
