"""The wheel that a stranger installs: built, installed into a new environment, used."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str, cwd: Path, timeout_s: float = 300, **environ: str) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "ORCH_"))}
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**clean, **environ},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # What git tracks, and nothing that lies about: as in a fresh clone.
    run("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(source), cwd=folder)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps")
    run(*pip, "--wheel-dir", str(folder), str(source), cwd=folder)
    return next(folder.glob("orch-*.whl"))


def holds_all(wheel: Path) -> None:
    """All rooms with their types, the demo, and nothing else."""
    names = zipfile.ZipFile(wheel).namelist()
    for room in ("ledger", "worktree", "workers", "orchestrator"):
        assert f"{room}/py.typed" in names
    assert "orchestrator/demo/agent/plan.toml" in names
    assert "orchestrator/demo/project/pocket/money.py" in names
    assert "orchestrator/guidance/shipped/orch/SKILL.md" in names
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"ledger", "worktree", "workers", "orchestrator"}


def installed(wheel: Path, folder: Path, *, alone: bool) -> Path:
    """The programs of a new environment with the wheel; `alone`: with what it needs, fetched."""
    environment = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", str(environment), cwd=folder)
    pip = (sys.executable, "-m", "pip", f"--python={environment}", "install", "--quiet")
    if alone:
        run(*pip, "-c", str(ROOT / "constraints.txt"), str(wheel), cwd=folder)
    else:
        run(*pip, "--no-deps", str(wheel), cwd=folder)
        (ours,) = environment.glob("lib/python*/site-packages")
        # What a `.pth` file adds is not searched for others: the checkout stays out of it.
        (ours / "needed.pth").write_text(sysconfig.get_path("purelib"))
    where = "import orchestrator; print(orchestrator.__file__)"
    said = run(str(environment / "bin" / "python"), "-c", where, cwd=folder)
    assert Path(said.strip()).is_relative_to(environment)
    return environment / "bin"


@pytest.mark.parametrize(
    "alone", [False, pytest.param(True, marks=pytest.mark.thorough)], ids=["beside", "alone"]
)
def test_an_installed_orch_runs_its_demo(wheel: Path, tmp_path: Path, alone: bool) -> None:
    holds_all(wheel)
    orch = str(installed(wheel, tmp_path, alone=alone) / "orch")
    assert run(orch, "--version", cwd=tmp_path).startswith("orch ")
    home = {"HOME": str(tmp_path), "ORCH_STATE_DIR": str(tmp_path / "state")}
    folder = tmp_path / "demo"
    said = run(orch, "demo", "--dir", str(folder), "--yes", cwd=tmp_path, **home)
    assert "orch accept" in said
    subjects = run("git", "log", "--format=%s", "main", cwd=folder, **home)
    assert "Call fmt what it is" in subjects
    assert run(orch, "ledger", "verify", cwd=folder, **home)
