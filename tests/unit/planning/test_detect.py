"""`orch init` proposes what the repository itself speaks of, and nothing else."""

import json

import pytest

from orchestrator.detect import propose
from orchestrator.init import render_settings
from orchestrator.proposal import Look
from orchestrator.settings_rules import SHARED_FILE, problems_of_file
from orchestrator.toml_lines import parse_document


def gates(files, *names, python="python"):
    proposal = propose(Look(files, frozenset([*files, *names]), python))
    return {one.gate.name: (one.gate.command, one.gate.stage) for one in proposal.gates}


def test_a_python_project_with_tables_for_its_tools():
    pyproject = """
[project]
name = "x"
[tool.ruff.format]
[tool.mypy]
strict = true
[tool.pytest.ini_options]
"""
    assert gates({"pyproject.toml": pyproject}, "x/a.py") == {
        "ruff": ("ruff check .", "check"),
        "ruff-format": ("ruff format --check .", "check"),
        "mypy": ("mypy .", "check"),
        "tests": ("python -m pytest -q", "land"),
    }


def test_tools_that_are_only_dependencies_count_too():
    pyproject = """
[project]
dependencies = ["httpx"]
[project.optional-dependencies]
dev = ["pytest>=8", "black", "pyright"]
[dependency-groups]
lint = ["flake8"]
"""
    found = gates({"pyproject.toml": pyproject})
    assert set(found) == {"tests", "black", "pyright", "flake8"}
    assert set(gates({"requirements-dev.txt": "pytest==8\nmypy\n"})) == {"tests", "mypy"}
    poetry = "[tool.poetry.group.dev.dependencies]\npytest = '*'\n"
    assert set(gates({"pyproject.toml": poetry})) == {"tests"}


def test_a_lock_file_says_how_tools_are_run():
    files = {"pyproject.toml": "[tool.pytest.ini_options]\n[tool.ruff]\n", "uv.lock": ""}
    proposal = propose(Look(files, frozenset(["src/x/a.py"])))
    assert [one.gate.command for one in proposal.gates] == [
        "uv run ruff check .",
        "uv run python -m pytest -q",
    ]
    assert proposal.setup == ("uv sync",)
    assert proposal.keep == (".venv",)
    assert proposal.setup_inputs == ("pyproject.toml", "uv.lock")


def test_a_src_layout_tests_its_own_tree():
    found = gates({"pytest.ini": ""}, "src/x/a.py", "tests/test_a.py")
    assert found["tests"][0] == "PYTHONPATH=src python -m pytest -q"


def test_tests_without_pytest_are_unittests():
    found = gates({"setup.py": ""}, "tests/test_a.py", "tests/__init__.py")
    assert found == {"tests": ("python -m unittest discover -s tests -t .", "land")}
    assert "pytest" in gates({"setup.py": ""}, "tests/conftest.py", "tests/test_a.py")["tests"][0]


def test_unittest_starts_where_it_finds_the_tests():
    wanted = {
        ("test_a.py",): "",
        ("tests/test_a.py",): " -s tests",
        ("tests/unit/test_a.py",): " -s tests/unit",
        ("tests/unit/test_a.py", "tests/unit/__init__.py"): " -s tests",
        ("x/__init__.py", "x/tests/__init__.py", "x/tests/test_a.py"): " -s x -t .",
        ("my tests/test_a.py",): " -s 'my tests'",
    }
    for names, where in wanted.items():
        found = gates({"setup.py": ""}, *names)["tests"][0]
        assert found == f"python -m unittest discover{where}", names


def test_python_is_called_by_the_name_that_it_has_here():
    only3 = {"python": "python3"}
    assert gates({"pytest.ini": ""}, **only3)["tests"][0] == "python3 -m pytest -q"
    found = gates({"setup.py": ""}, "src/a.py", "tests/test_a.py", **only3)["tests"][0]
    assert found == "PYTHONPATH=src python3 -m unittest discover -s tests"
    own = gates({"pytest.ini": "", "uv.lock": ""}, **only3)
    assert own["tests"][0] == "uv run python -m pytest -q", "an environment has its own name"


def test_a_javascript_project():
    package = {
        "scripts": {"test": "vitest", "lint": "eslint .", "typecheck": "tsc", "dev": "vite"},
        "devDependencies": {"vitest": "1"},
    }
    files = {"package.json": json.dumps(package), "package-lock.json": ""}
    assert gates(files) == {
        "lint": ("npm run lint", "check"),
        "typecheck": ("npm run typecheck", "check"),
        "test": ("CI=true npm run test", "land"),
    }
    proposal = propose(Look(files))
    assert proposal.setup == ("npm ci",)
    assert proposal.keep == ("node_modules",)
    nothing = {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\""}}'}
    assert gates(nothing) == {}
    assert gates({"package.json": "{]"}) == {}


def test_rust_go_and_make():
    assert set(gates({"Cargo.toml": ""})) == {"cargo-check", "cargo-test"}
    assert set(gates({"go.mod": ""})) == {"go-vet", "go-test"}
    made = gates({"Makefile": "CC := gcc\ntest: build\n\tx\nlint:\n\ty\n.PHONY: test\n"})
    assert made == {"make-lint": ("make lint", "check"), "make-test": ("make test", "land")}
    several = "lint fmt:\n\ty\ncheck \\\n  test:: build\n\tx\nA ::= test\n# typecheck: no\n"
    assert set(gates({"Makefile": several})) == {"make-lint", "make-test"}
    assert gates({"Makefile": "lint test = x\ntest ?= lint: y\nlint := test\n\tlint: z\n"}) == {}


def test_what_is_covered_is_not_proposed_twice():
    files = {
        "pyproject.toml": "[tool.ruff]\n[tool.pytest.ini_options]\n",
        "Makefile": "test:\n\tx\nlint:\n\ty\n",
        "tox.ini": "[testenv]\n",
        "noxfile.py": "",
        ".pre-commit-config.yaml": "  - id: trailing-whitespace\n",
    }
    assert set(gates(files)) == {"ruff", "tests"}
    assert set(gates({"tox.ini": "[testenv]\n"})) == {"tox"}
    assert set(gates({"tox.toml": 'env_list = ["3.13"]\n'})) == {"tox"}
    assert set(gates({"pyproject.toml": '[tool.tox]\nenv_list = ["3.13"]\n'})) == {"tox"}
    assert set(gates({"setup.cfg": "[tox:tox]\n"})) == {"tox"}
    assert set(gates({"noxfile.py": ""})) == {"nox"}
    assert set(gates({".pre-commit-config.yaml": "- id: codespell\n"})) == {"pre-commit"}
    hooks = {".pre-commit-config.yaml": "  - id: ruff\n  - id: ruff-format\n"}
    assert set(gates(hooks)) == {"ruff", "ruff-format"}


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"pyproject.toml": "[tool]\nruff = 1\n[project]\ndependencies = 3\n"},
        {"pyproject.toml": "not toml ["},
        {"pyproject.toml": "tool = 3\nproject = [1]\n"},
        {"package.json": "[1]"},
        {"package.json": '{"scripts": [], "packageManager": 3, "dependencies": {"a": 1}}'},
        {"Cargo.toml": "", "rustfmt.toml": "", "go.mod": "", "uv.lock": "", "poetry.lock": ""},
        {
            "package.json": '{"scripts": {"test": "x"}, "devDependencies": {"a": "1"}}',
            "pytest.ini": "",
            "tsconfig.json": "",
            "bun.lock": "",
        },
    ],
)
def test_whatever_is_found_the_settings_that_come_of_it_are_sound(files):
    text = render_settings(propose(Look(files, frozenset(files))))
    assert list(problems_of_file(parse_document(text, SHARED_FILE))) == []
    # and so are the examples, once a person takes their comment signs away
    assert "[worker.codemod]" in text
