"""The top-level names of a file, and what it imports. Pure."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

from orchestrator.mapping.languages import PYTHON, Language

NAMES_AT_MOST = 200
IMPORTS_AT_MOST = 300
NAME_CHARS = 60


def names_in(text: str, language: Language) -> tuple[str, ...]:
    """Classes, functions and constants, in order: `class A`, `def f`, `LIMIT`."""
    found: dict[str, None] = {}
    for name in _python(text) if language is PYTHON else _by_pattern(text, language):
        found[name[:NAME_CHARS]] = None
        if len(found) == NAMES_AT_MOST:
            break
    return tuple(found)


def imports_in(text: str, language: Language) -> tuple[str, ...]:
    """What a file imports, as it is written."""
    found: dict[str, None] = {}
    for match in language.imports.finditer(text) if language.imports else ():
        name, *within = [group for group in match.groups() if group] or [""]
        # What is imported from a module may be a module in it.
        inner = within[0].split("\n\n")[0].split(",") if within else []
        joint = "" if name.endswith(".") else "."
        for one in [f"{name}{joint}{part.split()[0]}" for part in inner if part.split()] or [name]:
            found[one[:200]] = None
        if len(found) >= IMPORTS_AT_MOST:
            break
    found.pop("", None)
    return tuple(found)


def _python(text: str) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            # What is odd in somebody's strings is no matter of ours.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield from _by_pattern(text, PYTHON)
        return
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name):
                yield f"class {name}"
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield f"def {name}"
            case ast.Assign(targets=targets):
                for target in targets:
                    yield from _constant(target)
            case ast.AnnAssign(target=target):
                yield from _constant(target)
            case _ if isinstance(node, getattr(ast, "TypeAlias", ())):
                yield from _constant(getattr(node, "name", None))


def _constant(target: object) -> Iterator[str]:
    """A name that is given a value, unless it is one of the language's own."""
    if isinstance(target, ast.Name) and not target.id.startswith("__"):
        yield target.id


def _by_pattern(text: str, language: Language) -> Iterator[str]:
    for match in language.names.finditer(text) if language.names else ():
        words = [group for group in match.groups() if group]
        if words:
            yield " ".join(words[-2:])
