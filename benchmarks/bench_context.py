"""A model's context: what an attempt sends, against a loop that appends everything.

The same worker, tools and repository on both sides, and a scripted model that counts what it is
sent. `Appends` is one conversation through all attempts whose window is never full; ours begins
each attempt anew, with a digest, and lets old results give way.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import anyio

from benchmarks.rows import Row, print_table
from ledger.model import Task
from workers.base import Brief, ModelAccess, Surroundings
from workers.model.worker import ModelWorker
from workers.scripted_model.received import Received
from workers.scripted_model.server import scripted_model
from workers.wire.dialects import dialect_named
from workers.wire.estimate import usual_tokens

ATTEMPTS = 8
READS = 24
"""Of one attempt, before it changes something."""
LONG = 150
"""Reads of one long attempt."""
WINDOWS = (32_000, 128_000)
DialectName = Literal["anthropic", "openai"]

Turn = dict[str, Any]


def rows() -> list[Row]:
    """Both figures."""
    with tempfile.TemporaryDirectory(prefix="orch-bench-") as folder:
        return anyio.run(_measure, Path(folder))


async def _measure(folder: Path) -> list[Row]:
    tree = _make_tree(folder)
    appended = await _episode(tree, fresh=False)
    ours = await _episode(tree, fresh=True)
    ratio = ours / appended
    found = [
        Row(
            name=f"input tokens to solve an episode of {ATTEMPTS} attempts",
            measured=f"{ours:,}",
            against=f"{appended:,} where everything is appended",
            ratio=ratio,
            target=0.25,
            ok=ratio <= 0.25,
        )
    ]
    dialects: tuple[DialectName, ...] = ("anthropic", "openai")
    for dialect in dialects:
        shares = {window: await _share(tree, dialect, window) for window in WINDOWS}
        told = ", ".join(f"{share:.1%} of {window:,}" for window, share in shares.items())
        changed = 1 - min(shares.values())
        found.append(
            Row(
                name=f"prefix that changes between calls of an attempt, {dialect}",
                measured=f"{changed:.1%}",
                against=f"identical by window: {told}",
                ratio=changed,
                target=0.10,
                ok=changed <= 0.10,
            )
        )
    return found


async def _episode(tree: Path, *, fresh: bool) -> int:
    """All input tokens of an episode whose last attempt is right."""
    attempts = [_attempt(number) for number in range(1, ATTEMPTS + 1)]
    window = 128_000 if fresh else 10**9
    turns = [turn for attempt in attempts for turn in attempt]
    worker, spent = ModelWorker(), 0
    for number, attempt in enumerate(attempts, 1):
        if fresh or number == 1:
            worker = ModelWorker()
            script = attempt if fresh else turns
            serving = scripted_model({"turn": script})
            model = await serving.__aenter__()
        brief = _brief(1 if fresh else number, _digest(number))
        report = await worker.run(brief, _around(tree, model.url, "anthropic", window), 600)
        assert report.outcome == "done", report.why
        if fresh or number == ATTEMPTS:
            spent += sum(map(_tokens, model.requests))
            await serving.__aexit__(None, None, None)
    return spent


async def _share(tree: Path, dialect: DialectName, window: int) -> float:
    """How much of what a call sends the next one sends again, byte for byte."""
    async with scripted_model({"turn": [*_reads(LONG), _FINISH]}) as model:
        around = _around(tree, model.url, dialect, window)
        report = await ModelWorker().run(_brief(1, None), around, 600)
        assert report.outcome == "done", report.why
        same = sent = 0
        for before, after in pairwise(model.requests):
            old, new = _segments(before), _segments(after)
            sent += sum(map(len, old))
            for one, other in zip(old, new, strict=False):
                if one != other:
                    break
                same += len(one)
        return same / sent


def _reads(count: int, first: int = 0) -> list[Turn]:
    return [
        {"text": "I look on.", "call": [{"name": "read", "input": {"path": _name(number)}}]}
        for number in range(first, first + count)
    ]


def _attempt(number: int) -> list[Turn]:
    old, new = f"VALUE = {number - 1}\n", f"VALUE = {number}\n"
    edit = {"name": "edit", "input": {"path": "value.py", "old": old, "new": new}}
    test = {"name": "run", "input": {"command": f"cat {_name(3)}; exit 1"}}
    return [*_reads(READS, number), {"call": [edit]}, {"call": [test]}, _FINISH]


_FINISH: Turn = {"call": [{"name": "finish", "input": {"summary": "Changed it. Tested it."}}]}


def _digest(number: int) -> str | None:
    """What is told of the attempts before: the last at length, the others in some lines."""
    if number == 1:
        return None
    lines = [f"AssertionError: {number}.{line}: expected 8, got {number}" for line in range(40)]
    tried = [
        f"- attempt {n}: changed value.py; gate 'unit' failed (exit 1): test_value: expected 8,"
        f" got {n}"
        for n in range(1, number)
    ]
    return "\n".join(["gate 'unit' failed (exit 1)", *lines, "Tried before:", *tried])


def _brief(round: int, feedback: str | None) -> Brief:
    task = Task(id="value", title="Set the value", prompt="Set VALUE to 8.", paths=("value.py",))
    return Brief(
        run="r",
        task=task,
        attempt=1,
        round=round,
        base="0" * 40,
        prompt=task.prompt,
        map="\n".join(f"{_name(number)}: function_{number}" for number in range(LONG)),
        feedback=feedback,
    )


def _around(tree: Path, url: str, dialect: DialectName, window: int) -> Surroundings:
    access = ModelAccess(url=url, key="dummy", dialect=dialect, models=("m",))
    return Surroundings(
        tree=tree,
        folder=tree.parent,
        environ={"PATH": "/usr/bin:/bin"},
        mark="r/value/1/x",
        log=tree.parent / "logs" / "log",
        model=replace(access, window_tokens=window),
    )


def _make_tree(folder: Path) -> Path:
    tree = folder / "tree"
    tree.mkdir()
    (folder / "brief").mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=tree, check=True)
    (tree / "value.py").write_text("VALUE = 0\n")
    for number in range(LONG):
        # From two to ten kilobytes, as source files are.
        lines = [f"def function_{number}_{line}(a):\n    return a + {line}\n" for line in range(90)]
        (tree / _name(number)).write_text("\n".join(lines[: 30 + number * 7 % 60]))
    return tree


def _name(number: int) -> str:
    return f"module_{number % LONG}.py"


def _segments(received: Received) -> Sequence[bytes]:
    dialect = dialect_named(received.dialect)
    return [segment.content for segment in dialect.segments(received.body)]


def _tokens(received: Received) -> int:
    return sum(map(usual_tokens, _segments(received)))


if __name__ == "__main__":
    table = rows()
    print_table(table)
    sys.exit(0 if all(row.ok for row in table) else 1)
