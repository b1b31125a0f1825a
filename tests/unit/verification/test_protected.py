"""What a head may not change without a person's yes, and what it may."""

from dataclasses import dataclass

import pytest

from ledger.model import Gate, Settings
from orchestrator.verification.boundaries import outside
from orchestrator.verification.protected import gate_files, held_paths, protected_files


@dataclass(frozen=True)
class Changed:
    path: str
    status: str = "M"


def held(*paths, before=None, after=None, gates=("pytest",), status="M", **more):
    settings = Settings(
        gates=tuple(Gate(name=f"g{n}", command=command) for n, command in enumerate(gates)),
        protected=more.pop("protected", ()),
    )
    before, after = before or {}, after or {}
    return held_paths(
        [Changed(path, status) for path in paths],
        lambda path: before[path].encode() if path in before else None,
        lambda path: after[path].encode() if path in after else None,
        settings,
        **more,
    )


def differs(name, before, after):
    return held(name, before={name: before}, after={name: after}) == (name,)


@pytest.mark.parametrize(
    "path",
    [
        ".agent/orch.toml",
        ".agent",
        ".github/workflows/ci.yml",
        ".gitlab-ci.yml",
        ".circleci/config.yml",
        "Jenkinsfile",
        ".ci/run",
        "conftest.py",
        "tests/deep/conftest.py",
        "pytest.ini",
        "tox.ini",
        "sub/mypy.ini",
        ".ruff.toml",
        ".coveragerc",
        "web/jest.config.mjs",
        "tsconfig.build.json",
        ".pre-commit-config.yaml",
        *(".pre-commit-config.yml", "tox.toml", "ty.toml", "pyrefly.toml", "pylintrc.toml"),
        *(".isort.cfg", ".codespellrc", ".importlinter", ".bandit", ".config/nextest.toml"),
        *("src/sitecustomize.py", ".gitlab/ci/build.yml", "phpunit.xml", "api/phpunit.xml.dist"),
    ],
)
def test_what_judges_is_protected(path):
    assert held(path) == (path,)
    assert held(path, may_change=(path,)) == ()
    assert held(path, allowed=(path,)) == ()


@pytest.mark.parametrize(
    "path", ["src/a.py", "tests/test_a.py", "README.md", "setup.py", "Makefile"]
)
def test_ordinary_work_and_tests_are_free(path):
    assert held(path) == ()


def test_settings_add_to_what_is_protected_and_the_answer_is_sorted():
    paths = ("src/z.py", "src/core/b.py", "src/core/a.py")
    assert held(*paths, protected=("src/core/**",)) == ("src/core/a.py", "src/core/b.py")


def test_leave_for_one_path_is_not_leave_for_another():
    assert held("conftest.py", "tox.ini", may_change=("conftest.py",)) == ("tox.ini",)
    assert held("conftest.py", "tox.ini", allowed=("tox.ini",)) == ("conftest.py",)


# --- shared files -------------------------------------------------------------------------------


def test_only_the_tools_tables_of_pyproject_are_protected():
    base = '[project]\nname = "x"\n[tool.pytest.ini_options]\naddopts = "-q"\n'
    assert not differs("pyproject.toml", base, base.replace('"x"', '"y"'))
    assert not differs("pyproject.toml", base, base + "[tool.setuptools]\nzip-safe = true\n")
    assert not differs("pyproject.toml", base, "# a comment\n" + base)
    assert differs("pyproject.toml", base, base.replace("-q", "-q -k nothing"))
    assert differs("pyproject.toml", base, base + "[tool.ruff]\nexclude = ['*']\n")
    assert differs("sub/pyproject.toml", base, "[tool.mypy]\nignore_errors = true\n")


def test_a_shared_file_that_cannot_be_read_counts_as_changed():
    base = "[tool.pytest.ini_options]\n"
    assert differs("pyproject.toml", base, "[[[")
    assert differs("pyproject.toml", base, "tool = 3")
    assert differs("package.json", "{}", "[" * 100_000)
    assert differs("package.json", "{}", "[]")
    assert differs("setup.cfg", "", "no section = 1\n")


def test_a_shared_file_that_comes_or_goes_is_held_for_what_is_in_it():
    assert held("pyproject.toml", after={"pyproject.toml": "[project]\n"}) == ()
    name = "pyproject.toml"
    assert held(name, after={name: "[tool.coverage.report]\nfail_under = 0\n"}) == (name,)
    assert held(name, before={name: "[tool.mypy]\nstrict = true\n"}) == (name,)


def test_setup_cfg_package_json_and_cargo_by_their_tables():
    cfg = "[metadata]\nname = x\n[tool:pytest]\naddopts = -q\n[coverage:run]\nbranch = 1\n"
    assert not differs("setup.cfg", cfg, cfg.replace("= x", "= y"))
    assert differs("setup.cfg", cfg, cfg.replace("-q", "-x"))
    assert differs("setup.cfg", cfg, cfg.replace("branch = 1", "branch = 0"))
    package = '{"name": "x", "scripts": {"test": "jest"}, "dependencies": {}}'
    assert not differs("package.json", package, package.replace("{}", '{"a": "1"}'))
    assert differs("package.json", package, package.replace('"jest"', '"true"'))
    cargo = '[package]\nname = "x"\n[dependencies]\n'
    assert not differs("Cargo.toml", cargo, cargo + 'a = "1"\n')
    assert differs("Cargo.toml", cargo, cargo + '[[test]]\nname = "t"\nharness = false\n')


# --- what the gates call ------------------------------------------------------------------------


def test_what_a_gate_calls_is_protected_with_it():
    assert held("pom.xml", "core/pom.xml", gates=("./mvnw -q verify",)) == (
        "core/pom.xml",
        "pom.xml",
    )
    assert held("build.gradle.kts", gates=("gradle check",)) == ("build.gradle.kts",)
    assert held("pom.xml", gates=("pytest",)) == ()
    assert held("Makefile", "sub/x.mk", gates=("make -s test",)) == ("Makefile", "sub/x.mk")
    assert held("justfile", gates=("CI=1 just check && true",)) == ("justfile",)
    assert held("scripts/check.sh", gates=("./scripts/check.sh --all",)) == ("scripts/check.sh",)
    assert held("tools/lint.py", gates=("uv run python tools/lint.py src",)) == ("tools/lint.py",)
    assert held("ci/ruff.cfg", gates=("ruff check --config=ci/ruff.cfg .",)) == ("ci/ruff.cfg",)
    assert held("ci/m.cfg", gates=("mypy --config-file ci/m.cfg",)) == ("ci/m.cfg",)


def test_tests_that_a_gate_names_are_not_protected():
    gates = ("python -m pytest tests/unit tests/test_a.py", "pytest -q tests", "sh -c 'make'")
    assert held("tests/unit/test_b.py", "tests/test_a.py", gates=gates) == ()


def test_a_command_of_any_kind_is_read_without_a_mistake():
    odd = ("echo 'open", "", "&&", "a=1", "env -i", "python -m", "(cd sub; make)", "sh ../../x")
    assert "**/Makefile" in gate_files([Gate(name="g", command=c) for c in odd])


def test_a_new_module_that_would_run_in_place_of_a_tool_is_held():
    gates = ("python -m pytest -q",)
    assert held("pytest.py", gates=gates, status="A") == ("pytest.py",)
    assert held("pytest/__init__.py", gates=gates, status="A") == ("pytest/__init__.py",)
    assert held("pytest/__init__.py", gates=gates, status="M") == ()  # it is the project itself
    assert held("src/pytest.py", gates=gates, status="A") == ()
    by_path = ("PYTHONPATH=src:.:/usr/x:../y python -m pytest",)
    assert held("src/pytest.py", gates=by_path, status="A") == ("src/pytest.py",)
    assert held("pytest.py", gates=by_path, status="A") == ("pytest.py",)


# --- paths --------------------------------------------------------------------------------------


def test_changes_outside_the_declared_paths_are_named():
    paths = ("src/core/a.py", "src/other.py", "README.md")
    assert outside(paths, ("src/core/**",)) == ("README.md", "src/other.py")
    assert outside(paths, ("src/core", "*.md", "src/other.py")) == ()
    assert outside(paths, ()) == ()


def test_the_protected_files_of_a_tree_are_those_that_a_change_would_be_held_for():
    files = [
        *(".agent/orch.toml", ".ci/run", "conftest.py", "a/b/conftest.py", "a/conftest.py/c.py"),
        *(
            "tsconfig.build.json",
            "web/jest.config.mjs",
            "Makefile",
            "sub/rules.mk",
            "tools/gate.sh",
        ),
        *("src/.cargo/config.toml", "secret/key.py", "a/secret/key.py", "gen.x.py", "a/gen.x.py"),
        *("src/a.py", "tests/test_a.py", "pyproject.toml", "src/conftest.pyc", "x.agent/y"),
    ]
    gates = ("make check", "sh tools/gate.sh")
    more = {"gates": gates, "protected": ("secret", "*.x.py")}
    settings = Settings(
        gates=tuple(Gate(name=f"g{n}", command=command) for n, command in enumerate(gates)),
        protected=more["protected"],
    )
    found = set(protected_files(files, settings))
    assert found == {path for path in files if held(path, **more)}
    assert len(found) == 13
