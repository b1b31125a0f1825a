"""A scripted model's script becomes its values, or problems in plain words with lines.

1. Everything that is wrong is told at once: shapes first, then, of what has a right shape, the
   rules that the values know themselves (`workers.scripted_model.script`).
2. Positions of turns are counted from 1 for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ledger.model import Tokens
from orchestrator.errors import Problem, Problems, in_file_order
from orchestrator.shape import frozen, repaired, shape_problems
from orchestrator.toml_lines import Document, KeyPath, load_document
from workers.scripted_model.script import (
    ASKS,
    Rule,
    Script,
    ToolCall,
    Turn,
    script_rules,
    turn_rules,
)

SIZE_LIMIT_BYTES = 16 * 1024 * 1024
INNER: tuple[tuple[str, type[ToolCall] | type[Tokens]], ...] = (
    ("call", ToolCall),
    ("usage", Tokens),
)
"""The tables within a turn, each with keys of its own to choose from."""
DECIDES = {"status", "trouble", "call"}
"""Keys of a turn that say which others make sense."""


def load_script(path: Path, name: str) -> Script:
    """Read and check a script; Problems, all at once."""
    return read_script(load_document(path, name, size_limit_bytes=SIZE_LIMIT_BYTES))


def read_script(document: Document) -> Script:
    """Check a script that was read; Problems, all at once."""
    table = dict(document.data)
    turns = table.pop("turn", None)
    if not isinstance(turns, list) or not turns:
        what = "there is no turn" if not turns else "'turn' must be a list of tables"
        problem = document.problem(("turn",), what, 'write: [[turn]], and below it text = "..."')
        raise Problems([problem])
    placeholder = {**table, "turn": [{}]}
    problems = shape_problems(Script, placeholder, document, ())
    kept = Script.model_validate(repaired(Script, placeholder))
    problems += _told(document, script_rules(kept))
    for number, turn in enumerate(turns):
        problems += _turn_problems(document, number, turn)
    if problems:
        raise Problems(in_file_order(problems))
    script = Script.model_validate(frozen(document.data))
    # Each turn is right by itself; what is left to find lies between them.
    if found := _told(document, script_rules(script)):
        raise Problems(found)
    return script


def _turn_problems(document: Document, number: int, turn: object) -> list[Problem]:
    at: KeyPath = ("turn", number)
    if not isinstance(turn, dict):
        return [document.problem(at, "a turn must be a table", "write: [[turn]]")]
    outer = dict(turn)
    problems: list[Problem] = []
    for key, model in INNER:
        inner = outer.get(key)
        tables: list[tuple[KeyPath, Any]] = [((*at, key), inner)]
        if isinstance(inner, list):
            tables = [((*at, key, place), one) for place, one in enumerate(inner)]
        wrong = [
            problem
            for where, one in tables
            if isinstance(one, dict)
            for problem in shape_problems(model, one, document, where)
        ]
        if wrong:
            problems += wrong
            del outer[key]  # told already
    problems += shape_problems(Turn, outer, document, at)
    kept = Turn.model_validate(repaired(Turn, outer))
    rules = turn_rules(kept, number)
    if DECIDES & (set(turn) - kept.model_fields_set):
        # Whether other keys make sense turns on one that could not be read.
        rules = (one for one in rules if one[0][2] in ASKS)
    return problems + _told(document, rules)


def _told(document: Document, rules: Iterable[Rule]) -> list[Problem]:
    return [document.problem(at, what, hint) for at, what, hint in rules]
