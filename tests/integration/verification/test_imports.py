"""The tree under test is the tree imported: real environments, real runners."""

import os
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ledger.model import SandboxSettings
from orchestrator.doctor import examine
from orchestrator.verification.elsewhere import find_leads, other_copies
from orchestrator.workplace import open_workplace
from tests.support.sandboxed import needs_sandbox

pytestmark = pytest.mark.anyio
BORROWED = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py.py")
FINDER = """
import sys
from importlib.util import spec_from_file_location
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "proj":
            there = {place!r} + "/proj"
            return spec_from_file_location(
                name, there + "/__init__.py", submodule_search_locations=[there]
            )
def install():
    sys.meta_path.append(Finder)
"""


TEST = """
import unittest
import proj

class A(unittest.TestCase):
    def test_a(self):
        self.assertEqual(proj.VALUE, 1)
"""


class Environment:
    """A virtual environment with a pytest, and what leads from it to somewhere."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.bin = folder / "bin"
        self.site = next((folder / "lib").glob("python*")) / "site-packages"
        ours = Path(pytest.__file__).parent.parent
        for name in (*BORROWED, *(p.name for p in ours.glob("pytest-*.dist-info"))):
            if (ours / name).exists():
                (self.site / name).symlink_to(ours / name)
        runner = self.bin / "pytest"
        runner.write_text(f"#!{self.bin}/python\nimport sys, pytest\nsys.exit(pytest.main())\n")
        runner.chmod(0o755)
        self.pristine = {path.name for path in self.site.iterdir()}

    def leads_nowhere(self) -> None:
        for old in self.site.iterdir():
            if old.name not in self.pristine:
                shutil.rmtree(old) if old.is_dir() else old.unlink()

    def leads_to(self, place: Path, how: str = "path") -> None:
        self.leads_nowhere()
        pth = self.site / "__editable__.proj-0.1.pth"
        if how == "path":
            pth.write_text(f"{place}\n")
        else:
            finder = FINDER.replace("{place!r}", repr(str(place)))
            (self.site / "__editable___proj_finder.py").write_text(finder)
            pth.write_text("import __editable___proj_finder as f; f.install()\n")

    @property
    def pytest(self) -> str:
        """A bare pytest: the current folder is not on its path."""
        return shlex.quote(f"{self.bin}/pytest") + " -q"

    @property
    def pytest_module(self) -> str:
        """With the current folder first on its path."""
        return shlex.quote(f"{self.bin}/python") + " -m pytest -q"

    @property
    def unittest(self) -> str:
        """The same, and quicker."""
        return shlex.quote(f"{self.bin}/python") + " -m unittest discover -s tests"


@pytest.fixture(scope="module")
def one_environment(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("environment") / "env")


@pytest.fixture
def environment(one_environment):
    yield one_environment
    one_environment.leads_nowhere()


def project(layout, **files):
    package = "src/proj" if layout == "src" else "proj"
    return {
        f"{package}/__init__.py": "VALUE = 1\n",
        "tests/test_a.py": TEST,
        ".gitignore": "__pycache__\n.pytest_cache\n",
        **files,
    }


@pytest.mark.sample(1)
@pytest.mark.parametrize("how", ["path", "finder"])
async def test_an_editable_install_of_the_checkout_fools_a_src_layout(court, environment, how):
    court.commit(project("src"))
    environment.leads_to(court.checkout / "src", how)
    for command in (environment.pytest, environment.unittest):
        verdict = await court.verdict(command)
        assert verdict.outcome == "could-not-run", verdict
        assert verdict.why == (
            f"its tests import proj from {court.checkout}/src, not from the tree that is judged"
            " (hint: write PYTHONPATH=src before its command; or give workspaces an environment of"
            " their own, with setup and keep)"
        )
    # What the hint says helps.
    assert (await court.verdict(f"PYTHONPATH=src {environment.unittest}")).outcome == "passed"


@pytest.mark.thorough
async def test_a_flat_layout_is_fooled_where_the_current_folder_is_not_first(court, environment):
    court.commit(project("flat"))
    environment.leads_to(court.checkout)
    bare = await court.verdict(environment.pytest)
    assert bare.outcome == "could-not-run"
    assert "PYTHONPATH=. before its command" in bare.why
    assert (await court.verdict(environment.pytest_module)).outcome == "passed"


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        ("src", {"pytest.ini": "[pytest]\npythonpath = src\n"}),
        ("src", {"conftest.py": "import sys; sys.path.insert(0, 'src')\n"}),
        ("flat", {"conftest.py": ""}),
        ("flat", {"tests/__init__.py": ""}),
    ],
)
@pytest.mark.sample(2)
async def test_there_is_no_alarm_where_the_tree_comes_first(court, environment, layout, files):
    court.commit(project(layout, **files))
    environment.leads_to(court.checkout / ("src" if layout == "src" else "."), "finder")
    verdict = await court.verdict(environment.pytest)
    assert verdict.outcome == "passed", verdict


async def test_a_red_gate_that_was_fooled_blames_nobody(court, environment):
    court.commit(project("src"))
    environment.leads_to(court.checkout / "src")
    court.write({"src/proj/__init__.py": "VALUE = 2\n"})
    verdict = await court.verdict(environment.unittest)
    assert (verdict.outcome, verdict.exit_code) == ("could-not-run", 1)
    assert verdict.signature.startswith("could-not-run: ")


@pytest.mark.thorough
async def test_an_installed_copy_and_another_worktree_are_other_trees_too(court, environment):
    court.commit(project("src"))
    (environment.site / "proj").mkdir()
    (environment.site / "proj" / "__init__.py").write_text("VALUE = 1\n")
    verdict = await court.verdict(environment.unittest)
    assert verdict.outcome == "could-not-run"
    assert f"import proj from {environment.site}" in verdict.why
    other = court.checkout.parent / "other"
    court.git("worktree", "add", "-q", "--detach", str(other))
    environment.leads_to(other / "src")
    verdict = await court.verdict(environment.unittest)
    assert verdict.outcome == "could-not-run"
    assert f"import proj from {other}/src" in verdict.why


@pytest.mark.thorough
async def test_what_the_gate_installs_itself_is_the_trees(court, environment):
    court.commit(project("src"))
    (environment.site / "proj").mkdir()
    (environment.site / "proj" / "__init__.py").write_text("VALUE = 0\n")
    install = f"rm -r {environment.site}/proj && cp -r src/proj {environment.site}/proj"
    assert (await court.verdict(f"{install} && {environment.unittest}")).outcome == "passed"


@needs_sandbox
async def test_a_sandbox_hides_the_checkout_and_the_gate_says_what_to_type(court, environment):
    court.sandbox = SandboxSettings(read=(str(environment.bin.parent),))
    court.commit(project("src"))
    environment.leads_to(court.checkout / "src")
    verdict = await court.verdict(environment.unittest)
    assert verdict.outcome == "could-not-run", verdict
    assert verdict.why.startswith("its tests do not find proj in the tree that is judged, and ")
    assert "PYTHONPATH=src before its command" in verdict.why
    assert (await court.verdict(f"PYTHONPATH=src {environment.unittest}")).outcome == "passed"
    (environment.site / "proj").mkdir()
    (environment.site / "proj" / "__init__.py").write_text("VALUE = 1\n")
    copied = await court.verdict(environment.unittest)
    assert f"import proj from {environment.site}" in copied.why


async def test_a_module_that_is_missing_everywhere_has_failed(court, environment):
    court.commit(project("flat", **{"tests/test_a.py": "import no_such_module\n"}))
    environment.leads_to(court.checkout)
    assert (await court.verdict(environment.unittest)).outcome == "failed"


async def test_an_environment_of_the_workspaces_own_is_the_trees(court, environment):
    court.commit(project("src", **{".gitignore": ".venv\n__pycache__\n"}))
    environment.leads_to(court.checkout / "src")
    make = (
        f"cp -r {environment.bin.parent} .venv; rm .venv/lib/*/site-packages/*.pth;"
        ' echo "$PWD/src" > "$(echo .venv/lib/*/site-packages)/proj.pth"'
    )
    verdict = await court.verdict(f"{make}; .venv/bin/python -m unittest discover -s tests")
    assert verdict.outcome == "passed", verdict


async def test_what_imports_no_tests_is_not_a_test(court, environment):
    """A linter that is installed from the checkout may judge the tree."""
    court.commit(project("src"))
    environment.leads_to(court.checkout / "src")
    command = f"{environment.bin}/python -c 'import proj'"
    assert (await court.verdict(command)).outcome == "passed"


async def test_a_tool_from_elsewhere_does_not_hide_that_the_tests_import_the_tree(
    court, environment
):
    court.commit(project("src"))
    environment.leads_to(court.checkout / "src")
    command = f"{environment.bin}/python -c 'import proj' && PYTHONPATH=src {environment.unittest}"
    assert (await court.verdict(command)).outcome == "passed"


@pytest.mark.thorough
async def test_what_cannot_be_seen_is_said(court, environment):
    court.commit(project("src"))
    environment.leads_to(court.checkout / "src")
    unittest = environment.unittest
    for command in (f"PYTHONDONTWRITEBYTECODE=1 {unittest}", unittest.replace("-m", "-B -m")):
        verdict = await court.verdict(command)
        assert verdict.outcome == "could-not-run"
        assert "cannot be seen" in verdict.why


async def test_a_gate_is_watched_until_it_was_seen_to_import_the_tree(court, environment):
    court.commit(project("flat"))
    environment.leads_to(court.checkout)
    judge = court.judge()
    look = f'{environment.unittest} && echo "watched: $PYTHONPYCACHEPREFIX"'
    said = [await court.verdict(look, judge=judge, fresh=True) for _ in range(2)]
    logs = [judge.workplace.blobs.text(v.log, 100_000) for v in said]
    assert "orch-imports" in logs[0]
    assert "watched: \n" in logs[1]
    environment.leads_nowhere()
    said = await court.verdict(look, fresh=True)
    assert "watched: \n" in judge.workplace.blobs.text(said.log, 100_000), "nothing leads away"


# --- leads --------------------------------------------------------------------------------------


def leads(court, environment, command="pytest", **environ):
    workplace = open_workplace(court.checkout, court.environ)
    tree = court.checkout.parent / "judged"
    tree.mkdir(exist_ok=True)
    environ = {"PATH": f"{environment.bin}:{os.environ['PATH']}", "HOME": "/nonexistent", **environ}
    return find_leads(command, environ, tree, other_copies(workplace.repository, tree))


def test_each_way_of_leading_elsewhere_is_found(court, environment):
    assert leads(court, environment) == ()
    site, checkout = environment.site, court.checkout
    ways = {
        "a.pth": f"# a comment\n\n{checkout}/src\n",
        "proj.egg-link": f"{checkout}\n.\n",
        "__editable___proj_finder.py": f"MAPPING = {{'proj': '{checkout}/src/proj'}}\n",
        "_proj_editable_loader.py": f"install('{checkout}')\n",
    }
    for name, text in ways.items():
        (site / name).write_text(text)
        (lead,) = leads(court, environment)
        assert lead.file == f"{site}/{name}"
        (site / name).unlink()
    record = site / "proj-0.1.dist-info" / "direct_url.json"
    record.parent.mkdir()
    record.write_text(f'{{"url": "file://{checkout}", "dir_info": {{"editable": true}}}}')
    assert [lead.file for lead in leads(court, environment)] == [str(record)]
    record.write_text(f'{{"url": "file://{checkout}", "dir_info": {{}}}}')
    assert leads(court, environment) == ()
    record.write_text("not JSON")
    assert leads(court, environment) == ()
    assert [lead.file for lead in leads(court, environment, PYTHONPATH=f"{checkout}/src")] == [
        "PYTHONPATH"
    ]
    assert [lead.to for lead in leads(court, environment, f"{checkout}/run.sh")] == [str(checkout)]
    assert leads(court, environment, f"{checkout}-other/run.sh") == ()
    assert leads(court, environment, "poetry run pytest")[0].file == "poetry"


def test_a_link_to_the_checkout_is_the_checkout(court, environment):
    link = court.checkout.parent / "link"
    link.symlink_to(court.checkout)
    (environment.site / "a.pth").write_text(textwrap.dedent(f"{link}/src\n"))
    assert leads(court, environment)


@pytest.mark.thorough
def test_the_doctor_says_what_leads_to_the_checkout(court, environment):
    gate = '[[gate]]\nname = "unit"\ncommand = "pytest -q"\n'
    court.commit({**project("src"), ".agent/orch.toml": gate})
    environ = {**court.environ, "PATH": f"{environment.bin}:{os.environ['PATH']}"}
    nowhere = court.checkout.parent / "nowhere"

    def told():
        return [f for f in examine(court.checkout, environ, nowhere) if "leads to" in f.what]

    assert told() == []
    environment.leads_to(court.checkout / "src")
    (finding,) = told()
    assert (finding.subject, finding.level) == ("imports", "odd")
    assert finding.what == (
        f"{environment.site}/__editable__.proj-0.1.pth leads to {court.checkout}/src:"
        " tests may import that, not what is judged"
    )
    assert finding.hint == "orch gate unit tells whether they do"
