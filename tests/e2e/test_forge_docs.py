"""The pages on forges and CI hold to the code, and the workflow's commands do what they say."""

from __future__ import annotations

import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledger.connectors import ForgeSettings
from orchestrator.forge_rules import forge_problems
from orchestrator.policy.pushing import PROTECTED
from orchestrator.toml_lines import load_document
from tests.support.cli import ORCH, User
from tests.support.forges import TOKEN, GitHubDouble, served_forge

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to"


def fenced(page: Path, language: str) -> str:
    (block,) = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", page.read_text("utf-8"))
    return str(block)


def test_the_branches_that_are_never_pushed_to_are_told() -> None:
    text = (ROOT / "docs" / "reference" / "files.md").read_text("utf-8")
    section = text.split("### [forge]\n")[1].split("\n### ")[0]
    page = (HOW_TO / "pull-requests.md").read_text("utf-8")
    for name in ("main", "master", "trunk", "develop", "release/*"):
        assert name in PROTECTED and f"`{name}`" in page and f"`{name}`" in section


def test_the_example_of_the_settings_is_right(tmp_path: Path) -> None:
    path = tmp_path / "orch.toml"
    path.write_text(fenced(HOW_TO / "pull-requests.md", "toml"))
    document = load_document(path, ".agent/orch.toml")
    assert list(forge_problems(document, document.data["forge"], own=False)) == []
    assert set(document.data["forge"]) == set(ForgeSettings.model_fields)


@pytest.mark.thorough
def test_the_workflow_runs_a_plan_and_the_next_job_goes_on(tmp_path: Path) -> None:
    """Each `run` of the page, as the runner would, in a fresh clone for each of two jobs."""
    workflow: dict[Any, Any] = yaml.safe_load(fenced(HOW_TO / "github-actions.md", "yaml"))
    (job,) = workflow["jobs"].values()
    checkout = job["steps"][0]
    assert checkout["uses"].startswith("actions/checkout@") and checkout["with"]["fetch-depth"] == 0
    assert job["permissions"] == {
        "contents": "write",
        "pull-requests": "write",
        "actions": "read",
    }
    (install,) = (step["run"] for step in job["steps"] if step.get("name") == "Install")
    (wheel,) = re.findall(r"pipx install \./tools/(\S+)", install)
    assert fnmatch("orch-0.1.0-py3-none-any.whl", wheel), "pip takes a wheel by its whole name only"
    with served_forge(GitHubDouble()) as forge:
        team = User(tmp_path / "team")
        plan = 'goal = "Some work"\n[[task]]\nid = "a"\nprompt = "do it"\npaths = ["a.txt"]\n'
        team.write({".agent/.gitignore": "state_ledger.json\norch.local.toml\n"})
        team.commit({".agent/plans/modernise.toml": plan}, "a plan")
        remote = tmp_path / "there.git"
        team.git("clone", "--quiet", "--bare", str(team.root), str(remote))
        first = do_job(tmp_path / "one", remote, job, forge.url, None)
        assert len(forge.pulls) == 1 and forge.pulls[0].target == "main"
        assert "# Some work" in first["summary"] and "1 landed" in first["summary"]
        second = do_job(tmp_path / "two", remote, job, forge.url, first["bundle"])
        assert "taken in" in second["said"] and "there already" in second["said"]
        assert len(forge.pulls) == 1 and "# Some work" in second["summary"]
    branches = team.git("--git-dir", str(remote), "branch", "--list", "orch/*")
    assert re.fullmatch(r"orch/orch-in-ci/\d{8}-modernise-a1", branches.strip())


def do_job(
    home: Path, remote: Path, job: dict[str, Any], url: str, bundle: bytes | None
) -> dict[str, Any]:
    home.mkdir()
    work, summary = home / "work", home / "summary.md"
    environ = {
        "PATH": f"{ORCH.parent}:/usr/bin:/bin",
        "HOME": str(home),
        "GITHUB_STEP_SUMMARY": str(summary),
        "GIT_CONFIG_NOSYSTEM": "1",
        "CI": "true",
        "TEA_TOKEN": TOKEN,
        **{key: "modernise" for key, value in job["env"].items() if "inputs.plan" in value},
    }
    clone = ("git", "clone", "--quiet", "--no-local", "--branch", "main")
    subprocess.run((*clone, str(remote), str(work)), env=environ, check=True)
    # A remote that is a folder says nothing of a forge: what a person would add for theirs.
    own = '[run]\nsandbox = "external"\n'
    own += f'[forge]\nkind = "github"\nurl = "{url}"\nrepository = "ada/tea"\ntoken = "TEA_TOKEN"\n'
    (home / ".config" / "orch").mkdir(parents=True)
    (home / ".config" / "orch" / "orch.toml").write_text(own)
    if bundle is not None:
        (work / "run.orch").write_bytes(bundle)
    said = ""
    for step in job["steps"]:
        if "run" not in step or step.get("name") == "Install":
            continue
        assert "${{" not in step["run"], "what runs takes its values from variables"
        given = {k: TOKEN if "github.token" in v else v for k, v in step.get("env", {}).items()}
        done = subprocess.run(
            ("bash", "-e", "-o", "pipefail", "-c", step["run"]),
            cwd=work,
            env={**environ, **given},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said += done.stdout + done.stderr
        assert done.returncode == 0, f"{step['name']}: {said}"
    assert TOKEN not in said
    return {
        "said": said,
        "summary": summary.read_text("utf-8"),
        "bundle": (work / "run.orch").read_bytes(),
    }
