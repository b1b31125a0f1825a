"""Holding a process to limits, beside what the user's own limits are."""

import resource
import subprocess
from collections.abc import Iterator

import pytest

from workers.limits import SLACK_PROCESSES, ChildLimits, Guard

KINDS = (resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC)
LIMITS = ChildLimits(memory_bytes=10**9, processes=100, file_bytes=10**6)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(("sleep", "60")) as child:
        yield child
        child.kill()


def test_limits_hold_for_good(child: subprocess.Popen[bytes]) -> None:
    Guard(LIMITS, None, ()).hold(child.pid)
    most = (10**6, 100 + SLACK_PROCESSES)
    assert [resource.prlimit(child.pid, kind) for kind in KINDS] == [(n, n) for n in most]


def test_what_is_lower_already_stays(child: subprocess.Popen[bytes]) -> None:
    for kind in KINDS:
        resource.prlimit(child.pid, kind, (50, 60))
    Guard(LIMITS, None, ()).hold(child.pid)
    assert [resource.prlimit(child.pid, kind) for kind in KINDS] == [(60, 60), (60, 60)]


def test_what_is_not_limited_is_left_alone(child: subprocess.Popen[bytes]) -> None:
    before = [resource.prlimit(child.pid, kind) for kind in KINDS]
    Guard(ChildLimits(), None, ()).hold(child.pid)
    assert [resource.prlimit(child.pid, kind) for kind in KINDS] == before


def test_one_that_is_gone_is_told_so() -> None:
    with subprocess.Popen(("true",)) as gone:
        gone.wait()
    with pytest.raises(ProcessLookupError):
        Guard(LIMITS, None, ()).hold(gone.pid)
