"""Which gates a Python project already has, from the files that say so. Pure.

1. Tools are run in the project's own environment where a lock file of uv, poetry or pdm says
   that it has one, else as they are on PATH.
2. Python itself is called by the name that it has here; an environment of its own has `python`.
3. The tree under test must be the tree imported: a `src` layout without an environment of its
   own gets PYTHONPATH=src, since an installed copy would be that of another folder.
4. unittest finds tests in packages only, below the folder that it starts in: it starts in the
   topmost one that is a package (imported from the root then), else where the tests lie.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.proposal import Draft, Look, hooks_of


def propose_python(look: Look, draft: Draft) -> None:
    files = look.files
    project = _toml(files.get("pyproject.toml", ""))
    tools = tools_of(files)
    deps = _python_dependencies(project, files)
    hooks = hooks_of(files)
    run = _python_environment(look, draft)

    def speaks(tool: str, *names: str) -> str | None:
        """The file that speaks of a tool, or None."""
        for name in names:
            if name in files:
                return name
        if tool in tools:
            return f"[tool.{tool}] in pyproject.toml"
        for name in ("setup.cfg", "tox.ini"):
            if re.search(rf"(?m)^\[{re.escape(tool)}[\]:]", files.get(name, "")):
                return name
        if tool in deps:
            return deps[tool]
        return None

    if (why := speaks("ruff", "ruff.toml", ".ruff.toml")) or (why := hooks.get("ruff")):
        draft.add("ruff", f"{run}ruff check .", why, "lint")
        formats = isinstance(tools.get("ruff"), dict) and "format" in tools["ruff"]
        if formats or "ruff-format" in hooks:
            draft.add("ruff-format", f"{run}ruff format --check .", why, "format")
            draft.fix.append(f"{run}ruff format .")
    if (why := speaks("flake8", ".flake8")) or (why := hooks.get("flake8")):
        draft.add("flake8", f"{run}flake8", why, "lint")
    if (why := speaks("black")) or (why := hooks.get("black")):
        draft.add("black", f"{run}black --check .", why, "format")
        draft.fix.append(f"{run}black .")
    if why := speaks("mypy", "mypy.ini", ".mypy.ini"):
        draft.add("mypy", f"{run}mypy{_mypy_target(look, tools)}", why, "types")
    if why := speaks("pyright", "pyrightconfig.json"):
        draft.add("pyright", f"{run}pyright", why, "types")
    _python_suite(look, draft, run, speaks("pytest", "pytest.ini", "conftest.py"))


def tools_of(files: Mapping[str, str]) -> dict[str, Any]:
    """What pyproject.toml says of tools, by name."""
    tools = _toml(files.get("pyproject.toml", "")).get("tool")
    return tools if isinstance(tools, dict) else {}


def _python_suite(look: Look, draft: Draft, run: str, pytest: str | None) -> None:
    src = not run and any(re.match(r"src/.+\.py$", name) for name in look.names)
    name = "python" if run else look.python
    python = f"{'PYTHONPATH=src ' if src else ''}{run}{name} -m"
    tests = [name for name in sorted(look.names) if re.search(r"(^|/)test_[^/]*\.py$", name)]
    if pytest is None and re.search(r"(?m)^\[tool:pytest\]", look.files.get("setup.cfg", "")):
        pytest = "setup.cfg"
    if pytest is None:
        pytest = next((n for n in sorted(look.names) if n.endswith("/conftest.py")), None)
    if pytest is not None:
        draft.add("tests", f"{python} pytest -q", pytest, "suite", "land")
    elif tests:
        command = f"{python} unittest discover{_discovery(tests[0], look.names)}"
        draft.add("tests", command, tests[0], "suite", "land")


def _discovery(test: str, names: frozenset[str]) -> str:
    """From where unittest finds a test: nothing to say for one at the top."""
    folder, _, _ = test.rpartition("/")
    while "/" in folder and f"{folder}/__init__.py" in names:
        folder = folder.rpartition("/")[0]
    if not folder:
        return ""
    top = " -t ." if f"{folder}/__init__.py" in names else ""
    return f" -s {shlex.quote(folder)}{top}"


def _python_environment(look: Look, draft: Draft) -> str:
    """The prefix that runs a tool in the project's own environment; empty: what is on PATH."""
    for lock, setup, prefix in (
        ("uv.lock", "uv sync", "uv run "),
        ("poetry.lock", "poetry install", "poetry run "),
        ("pdm.lock", "pdm install", "pdm run "),
    ):
        if lock in look.files:
            # poetry keeps environments elsewhere unless told to keep them in the project
            in_project = "POETRY_VIRTUALENVS_IN_PROJECT=1 " if lock == "poetry.lock" else ""
            draft.setup.append(f"{in_project}{setup}")
            draft.setup_inputs += ["pyproject.toml", lock]
            draft.keep.append(".venv")
            return prefix
    return ""


def _mypy_target(look: Look, tools: Mapping[str, Any]) -> str:
    """What to check, where the configuration does not say."""
    own = tools.get("mypy")
    if isinstance(own, dict) and {"files", "packages", "modules"} & set(own):
        return ""
    for name in ("mypy.ini", ".mypy.ini", "setup.cfg"):
        if re.search(r"(?m)^(files|packages|modules)\s*=", look.files.get(name, "")):
            return ""
    return " src" if any(name.startswith("src/") for name in look.names) else " ."


def _python_dependencies(project: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, str]:
    """The tools that a project depends on, and the file that says so."""
    found: dict[str, str] = {}
    for text in _strings(
        {
            "project": project.get("project", {}),
            "groups": project.get("dependency-groups", {}),
        }
    ):
        if name := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
            found.setdefault(name[0].lower(), "pyproject.toml")
    tool = project.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    for key in _keys(poetry):
        found.setdefault(key.lower(), "pyproject.toml")
    for file, content in files.items():
        if file.endswith("requirements.txt") or file.startswith("requirements"):
            for line in content.splitlines():
                if name := re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line):
                    found.setdefault(name[1].lower(), file)
    return found


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in ("project", "groups", "dependencies", "optional-dependencies") or isinstance(
                one, list
            ):
                yield from _strings(one)


def _keys(value: Any) -> Iterator[str]:
    """The names of dependencies in poetry's tables."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key in ("dependencies", "dev-dependencies") and isinstance(one, dict):
                yield from one
            elif key == "group" and isinstance(one, dict):
                for group in one.values():
                    yield from _keys(group)


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
