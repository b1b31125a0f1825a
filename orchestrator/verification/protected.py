"""Which changes a person must allow, since they could change what judges them. Pure.

1. Protected as whole files: orch's own folder, what guides agents, what CI runs, the
   configuration of test runners, linters and type checkers wherever it lies, and what the
   settings name beside these.
2. Protected with the gates: a build file when a gate calls its tool, a script that a gate runs
   by its path, a configuration file that a gate names.
3. Where a file is shared (pyproject.toml, setup.cfg, package.json, Cargo.toml) only the tables
   of such tools are protected: a change elsewhere is free. What cannot be read counts as changed.
4. A new module that would be run in place of a tool that a gate calls by `python -m` is protected
   too: in the top folder, and where the gate's own PYTHONPATH says.
5. A task's `may_change` gives leave beforehand, a person's yes to a path afterwards. Tests may
   be edited: they are not protected here.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, Protocol

from ledger.model import Gate, Settings
from orchestrator.policy.paths import covered, matches
from orchestrator.policy.pattern import escape, pattern_problem
from worktree.names import quoted

Read = Callable[[str], bytes | None]
"""A file's content by its path, bounded; None where there is none."""


class Changed(Protocol):
    """One path that differs between two trees."""

    @property
    def status(self) -> str: ...
    @property
    def path(self) -> str: ...


ALWAYS = (
    ".agent",
    # what guides agents, ours and a person's own, and what their programs run unasked
    *(".agents", ".claude", "**/AGENTS.md", "**/CLAUDE.md"),
    # what CI runs
    *(".ci", ".circleci", ".github/workflows", ".github/actions", ".buildkite", "**/Jenkinsfile"),
    *(".gitlab-ci.yml", ".travis.yml", "azure-pipelines.yml", "bitbucket-pipelines.yml"),
    *(
        ".gitlab/ci",
        ".drone.yml",
        ".woodpecker.yml",
        ".woodpecker",
        ".forgejo/workflows",
        ".gitea/workflows",
    ),
    # Python's tools
    *("**/conftest.py", "**/pytest.ini", "**/.pytest.ini", "**/pytest.toml", "**/.pytest.toml"),
    *("**/sitecustomize.py", "**/usercustomize.py", "**/tox.ini", "**/tox.toml", "**/noxfile.py"),
    *("**/mypy.ini", "**/.mypy.ini", "**/pyrightconfig.json", "**/ty.toml", "**/pyrefly.toml"),
    *("**/ruff.toml", "**/.ruff.toml", "**/.flake8", "**/.pylintrc*", "**/pylintrc*"),
    *("**/.coveragerc", "**/.isort.cfg", "**/.bandit", "**/.codespellrc", "**/.importlinter"),
    *("**/.pre-commit-config.yaml", "**/.pre-commit-config.yml"),
    # JavaScript's, TypeScript's
    *("**/jest.config.*", "**/vitest.config.*", "**/playwright.config.*", "**/cypress.config.*"),
    *("**/karma.conf.*", "**/.mocharc*", "**/.nycrc*", "**/tsconfig*.json", "**/.eslintrc*"),
    *("**/eslint.config.*", "**/.eslintignore", "**/.prettierrc*", "**/biome.json*"),
    # Rust's, Go's
    *("**/clippy.toml", "**/.clippy.toml", "**/rustfmt.toml", "**/.rustfmt.toml"),
    *("**/.cargo/config.toml", "**/.config/nextest.toml", "**/.golangci.*"),
    # PHP's
    *("**/phpunit.xml*", "**/phpstan.neon*"),
)

BY_TOOL = {
    "make": ("**/Makefile", "**/makefile", "**/GNUmakefile", "**/*.mk"),
    "just": ("**/justfile", "**/Justfile", "**/.justfile"),
    "task": ("**/Taskfile.yml", "**/Taskfile.yaml", "**/taskfile.yml"),
    "invoke": ("tasks.py", "tasks"),
    "rake": ("**/Rakefile",),
    "ctest": ("**/CTestTestfile.cmake",),
    "hatch": ("**/hatch.toml",),
    "ant": ("build.xml",),
    "mvn": ("**/pom.xml",),
    "gradle": ("**/build.gradle*", "**/settings.gradle*"),
    "pixi": ("**/pixi.toml",),
    "bazel": ("**/.bazelrc",),
}
"""The files that say what a tool does when a gate calls it."""

PYPROJECT_TOOLS = frozenset(
    """
    pytest ruff mypy coverage pyright basedpyright pylint flake8 black isort bandit tox nox hatch
    poe taskipy pdm ty pyrefly pyre pydocstyle pycodestyle vulture deptry importlinter
    interrogate codespell mutmut slipcover
    """.split()  # noqa: SIM905
)
CFG_SECTIONS = (
    *("tool:pytest", "pytest", "mypy", "mypy-*", "flake8", "pylint*", "pycodestyle", "pep8"),
    *("pydocstyle", "isort", "coverage:*", "tox*", "testenv*", "aliases", "importlinter*"),
)
PACKAGE_KEYS = frozenset(
    """
    scripts jest vitest mocha ava tap nyc c8 eslintConfig eslintIgnore prettier xo standard
    lint-staged stylelint
    """.split()  # noqa: SIM905
)
CARGO_TABLES = (
    *(("lints",), ("workspace", "lints"), ("test",), ("package", "autotests")),
    *(("lib", "test"), ("lib", "doctest"), ("lib", "harness")),
)

_SAME = {"gmake": "make", "mvnw": "mvn", "gradlew": "gradle"}

_WRAPPERS = re.compile(r"env|time|exec|command|nice|nohup|xvfb-run|timeout|stdbuf|uv|poetry|pdm")
INTERPRETERS = re.compile(r"(?:ba|da|z|k)?sh|python[\d.]*|node|ruby|perl|php|deno|bun")
_CONFIGURATION = re.compile(r"--(?:config|config-file|configfile|rcfile|configuration|project)")


def held_paths(
    changes: Iterable[Changed],
    read_before: Read,
    read_after: Read,
    settings: Settings,
    may_change: Sequence[str] = (),
    allowed: Sequence[str] = (),
) -> tuple[str, ...]:
    """The changed paths that a person must allow first, sorted."""
    patterns = _whole(settings)
    shadows = frozenset(_shadows(settings.gates))
    held = []
    for change in changes:
        path = change.path
        if quoted(path) in allowed or (may_change and matches(may_change, path)):
            continue
        if (
            matches(patterns, path)
            or (change.status == "A" and path in shadows)
            or _shared_part_differs(path, read_before, read_after)
        ):
            held.append(path)
    return tuple(sorted(held))


def protected_files(files: Iterable[str], settings: Settings) -> Iterator[str]:
    """Those of the files that are protected as a whole: a change of them is always held."""
    return covered(_whole(settings), files)


def _whole(settings: Settings) -> tuple[str, ...]:
    """Patterns of what is protected as whole files."""
    return (*ALWAYS, *settings.protected, *gate_files(settings.gates))


def leave_given(
    changes: Iterable[Changed], may_change: Sequence[str], allowed: Sequence[str]
) -> tuple[str, ...]:
    """The changed paths that a task may change even where they are protected."""
    return tuple(
        shown
        for change in changes
        if (shown := quoted(change.path)) in allowed
        or (may_change and matches(may_change, change.path))
    )


# --- 2 and 4. what the gates' commands say ----------------------------------------------------


def gate_files(gates: Iterable[Gate]) -> tuple[str, ...]:
    """Patterns of the files that decide what the gates' commands do."""
    found: dict[str, None] = {}
    for words in _simple_commands(gates):
        program = PurePosixPath(words[0]).name
        for pattern in BY_TOOL.get(_SAME.get(program, program), ()):
            found[pattern] = None
        candidates = [words[0]] if "/" in words[0] else []
        if INTERPRETERS.fullmatch(program) and len(words) > 1 and not words[1].startswith("-"):
            candidates.append(words[1])
        for at, word in enumerate(words):
            option, equals, value = word.partition("=")
            if _CONFIGURATION.fullmatch(option):
                candidates += [value] if equals else words[at + 1 : at + 2]
        for name in candidates:
            pattern = escape(name.removeprefix("./"))
            if name and not name.startswith("/") and pattern_problem(pattern) is None:
                found[pattern] = None
    return tuple(found)


def _shadows(gates: Iterable[Gate]) -> Iterator[str]:
    """Files that python would run in place of a module that a gate calls."""
    for whole in (words for gate in gates for words in _split(gate.command)):
        words = unwrapped(whole)
        if not words or not re.fullmatch(r"python[\d.]*", PurePosixPath(words[0]).name):
            continue
        folders = ["", *_python_path(whole[: len(whole) - len(words)])]
        for at, word in enumerate(words[:-1]):
            if word == "-m" and re.fullmatch(r"\w+(\.\w+)*", words[at + 1]):
                name = words[at + 1].partition(".")[0]
                files = (f"{name}.py", f"{name}/__init__.py", f"{name}/__main__.py")
                yield from (f"{folder}{file}" for folder in folders for file in files)
                break


def _python_path(words: Iterable[str]) -> Iterator[str]:
    """The folders of the tree that assignments before a command name."""
    for word in words:
        if word.startswith("PYTHONPATH="):
            for folder in word.removeprefix("PYTHONPATH=").split(":"):
                plain = PurePosixPath(folder)
                if folder and not plain.is_absolute() and ".." not in plain.parts:
                    yield "" if plain == PurePosixPath() else f"{plain}/"


def words_that_run(command: str) -> tuple[str, ...]:
    """The words of a command that name what runs: wrappers, programs, files by whole paths."""
    found: dict[str, None] = {}
    for words in _split(command):
        start = unwrapped(words)
        wrappers = words[: len(words) - len(start)]
        found |= dict.fromkeys(word for word in wrappers if _WRAPPERS.fullmatch(word))
        found |= dict.fromkeys(start[:1])
        found |= dict.fromkeys(word for word in words if word.startswith("/"))
    return tuple(found)


def _simple_commands(gates: Iterable[Gate]) -> Iterator[list[str]]:
    """The words of each simple command, wrappers and assignments taken off its front."""
    for gate in gates:
        yield from simple_commands(gate.command)


def simple_commands(command: str) -> Iterator[list[str]]:
    """The same of one command."""
    for words in _split(command):
        if start := unwrapped(words):
            yield start


def _split(command: str) -> Iterator[list[str]]:
    """The words of each simple command."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=";&|()<>\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    try:
        words = list(lexer)
    except ValueError:  # an open quote: the shell will say so
        words = command.split()
    simple: list[str] = []
    for word in [*words, ";"]:
        if word and not word.strip(";&|()<>\n"):
            yield simple
            simple = []
        else:
            simple.append(word)


def unwrapped(words: list[str]) -> list[str]:
    """The words of a simple command without the wrappers and assignments at its front."""
    at = 0
    while at < len(words):
        name = PurePosixPath(words[at]).name
        if re.match(r"[A-Za-z_]\w*=", words[at]):
            at += 1
        elif _WRAPPERS.fullmatch(name):
            at += 1
            # their options, a time limit, `run`
            while at < len(words) and re.match(r"-|run$|\d", words[at]):
                at += 1
        else:
            return words[at:]
    return []


# --- 3. shared files --------------------------------------------------------------------------


def _shared_part_differs(path: str, read_before: Read, read_after: Read) -> bool:
    parse = _PARSERS.get(PurePosixPath(path).name)
    if parse is None:
        return False
    before, after = read_before(path), read_after(path)
    if before == after:
        return False  # only its mode
    try:
        return bool(parse(_text(before)) != parse(_text(after)))
    except (ValueError, RecursionError, configparser.Error):
        return True


def _text(content: bytes | None) -> str:
    return (content or b"").decode("utf-8")


def _pyproject(text: str) -> dict[str, Any]:
    tools = tomllib.loads(text).get("tool", {})
    if not isinstance(tools, dict):
        raise ValueError("[tool] is not a table")
    return {name: table for name, table in tools.items() if name in PYPROJECT_TOOLS}


def _setup_cfg(text: str) -> dict[str, Any]:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    return {
        name: dict(parser.items(name))
        for name in parser.sections()
        if any(fnmatchcase(name, section) for section in CFG_SECTIONS)
    }


def _package_json(text: str) -> dict[str, Any]:
    package = json.loads(text) if text.strip() else {}
    if not isinstance(package, dict):
        raise ValueError("not an object")
    return {name: value for name, value in package.items() if name in PACKAGE_KEYS}


def _cargo(text: str) -> dict[tuple[str, ...], Any]:
    whole = tomllib.loads(text)
    found: dict[tuple[str, ...], Any] = {}
    for names in CARGO_TABLES:
        value: Any = whole
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        found[names] = value
    return found


_PARSERS: dict[str, Callable[[str], Any]] = {
    "pyproject.toml": _pyproject,
    "setup.cfg": _setup_cfg,
    "package.json": _package_json,
    "Cargo.toml": _cargo,
}
