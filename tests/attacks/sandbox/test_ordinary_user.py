"""The sandbox as an ordinary user: where root runs the tests, they are run once more as nobody."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sandboxed import needs_sandbox

NOBODY = 65534
ROOT = Path(__file__).resolve().parents[3]

pytestmark = [
    needs_sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="all of these tests run as an ordinary user"),
]


def _python(home: Path) -> tuple[str, dict[str, str]]:
    """An interpreter that nobody may run, with our modules."""
    modules = f"{ROOT}:{sysconfig.get_path('purelib')}"
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": modules}
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(home)}
    version = ".".join(map(str, sys.version_info[:2]))
    for python in (sys.executable, f"/usr/local/bin/python{version}", f"/usr/bin/python{version}"):
        try:
            words = (python, "-c", "import pytest, pydantic, orchestrator.sandboxing")
            subprocess.run(words, env=env, user=NOBODY, group=NOBODY, check=True, cwd="/")
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, env
    pytest.skip("nobody can run no interpreter that has our modules")


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of nobody's, below folders that everybody may pass."""
    home = Path("/var/tmp") / f"orch-nobody-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    yield home
    subprocess.run(("rm", "-rf", str(home)), check=True)


@pytest.mark.timeout(600)
@pytest.mark.sample(1)
@pytest.mark.parametrize("part", ["test_operations", "test_limits", "test_network"])
@pytest.mark.thorough
def test_an_ordinary_users_sandbox_is_the_same(home: Path, part: str) -> None:
    python, env = _python(home)
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={home}/t")
    words += ("-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}")
    done = subprocess.run(
        # However broken the code is, nobody's bombs end there.
        ("prlimit", "--nproc=400", "--", python, *words, f"{ROOT}/tests/attacks/sandbox/{part}.py"),
        env=env,
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    closing = done.stdout.strip().splitlines()[-1:]
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert closing and "passed" in closing[0]
