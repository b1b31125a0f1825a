"""Real projects, real codemods: does orch do what it says?

1. The sources of well-known projects come from the package registry; each becomes a repository
   whose gate is the project's own test suite.
2. A plan with one task for each folder is run four at a time, the result accepted into a branch.
3. In a second repository of the same content the same is done again, with two `kill -9` of the
   engine in the middle and `orch resume`.
4. Every claim is looked at from outside, by git and by the suite on a clone; one that does not
   hold makes the exit code 1.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.real_place import (
    Failed,
    Place,
    call,
    fetch_sources,
    git,
    make_environment,
    make_repository,
    suite_command,
)
from benchmarks.real_projects import LARGE, STANDARD, TOOLS, Project
from benchmarks.real_user import (
    Person,
    belongings,
    leftovers,
    plan,
    run,
    run_killed,
    suite_runs,
    tree_of,
)

TARGET = "real-check"
ENDS = {"landed", "unchanged", "failed", "skipped", "held"}
HEAD = (
    *("project", "files", "tasks", "landed", "unchanged", "others", "landings", "suite runs"),
    *("suite", "run", "verify", "suite on result", "tree after kills"),
)


@dataclass(frozen=True)
class Claim:
    """Something that must hold, and whether it does."""

    what: str
    holds: bool


@dataclass(frozen=True)
class Shown:
    """What one project showed."""

    cells: tuple[str, ...]
    claims: tuple[Claim, ...]


def show(place: Place, project: Project) -> Shown:
    """Do all of it with one project, telling about it."""
    sources = fetch_sources(place, project)
    straight = Person(place, make_repository(place, project, sources, project.name))
    pulled = Person(place, make_repository(place, project, sources, f"{project.name}-killed"))
    files = len(git(place, straight.repository, "ls-files", "*.py").splitlines())
    say(f"\n== {project.name} {project.version}: {files} Python files, by {project.worker}")
    if project.left_out:
        say(f"left out of its suite: {project.left_out}")
    passed_before, suite_s = suite_on(place, project, straight.repository)
    say(f"its suite on the untouched sources: {passed_before} passed in {suite_s:.1f} s")
    say(tail(plan(straight, project), 1))
    plan(pulled, project)

    before = belongings(straight)
    took_s = run(straight, project)
    untouched = belongings(straight) == before
    status = straight.status()
    say(summary(status))
    say(straight.types("ledger", "verify", codes=(0, 1)).strip())

    accepted = accept(straight, str(status["result"]))
    clone = place.folder / "clones" / project.name
    git(place, straight.repository, "clone", "-q", "-b", TARGET, ".", str(clone))
    passed_after, _ = suite_on(place, project, clone)
    say(f"its suite on a clone of {TARGET}: {passed_after} passed")

    killed = run_killed(pulled, project, len(status["tasks"]))
    again = pulled.status()
    say(f"kill -9 {', then '.join(killed) or 'came too late'}; resumed\n{summary(again)}")
    same = tree_of(pulled, again["result"]) == tree_of(straight, status["result"])

    counts = Counter(task["status"] for task in status["tasks"])
    others = counts.total() - counts["landed"] - counts["unchanged"]
    both = agrees(straight), agrees(pulled)
    left = leftovers(straight) + leftovers(pulled)
    cells = (
        *(project.name, str(files), str(counts.total()), str(counts["landed"])),
        *(str(counts["unchanged"]), str(others), str(status["landings"])),
        *(str(suite_runs(straight.facts())), f"{suite_s:.0f} s", f"{took_s:.0f} s"),
        "agrees" if all(both) else "DIFFERS",
        f"{passed_after} passed",
        "equal" if same else "DIFFERS",
    )
    claims = (
        Claim("tasks landed", counts["landed"] > 0),
        Claim("every task ended", set(counts) <= ENDS),
        Claim("the user's refs, checkout, index and configuration were left alone", untouched),
        Claim("the accepted tree is the judged one, and main stayed", accepted),
        Claim("as many tests pass on the result as before", passed_after >= passed_before > 0),
        Claim("the ledger agrees", both[0]),
        Claim("the engine was killed twice in the middle", len(killed) == 2),
        Claim("the killed run ends in the same tree", same),
        Claim("the killed run's ledger agrees", both[1]),
        Claim(f"no worktree and no process is left {left or ''}".rstrip(), not left),
    )
    return Shown(cells, claims)


def accept(person: Person, result: str) -> bool:
    """Accept the result into a branch beside main; whether that is what came of it."""
    main = git(person.place, person.repository, "rev-parse", "main")
    person.types("accept", "--to", TARGET)
    same = tree_of(person, TARGET) == tree_of(person, result)
    return same and git(person.place, person.repository, "rev-parse", "main") == main


def suite_on(place: Place, project: Project, tree: Path) -> tuple[int, float]:
    """How many of the project's tests pass on a tree, and in how many seconds."""
    began = time.monotonic()
    words = ["sh", "-c", suite_command(place, project)]
    said = call(words, where=tree, env=place.environ, codes=(0, 1)).stdout
    found = re.findall(r"(\d+) passed", tail(said, 1))
    return int(found[-1]) if found else 0, time.monotonic() - began


def agrees(person: Person) -> bool:
    """Whether `orch ledger verify` finds nothing."""
    try:
        person.types("ledger", "verify")
    except Failed as error:
        say(str(error))
        return False
    return True


def summary(status: dict[str, Any]) -> str:
    """Where a run stands in a line, and in one more for each task that did not land, and why."""
    tasks = status["tasks"]
    counts = Counter(task["status"] for task in tasks)
    lines = [f"{status['run']}: " + ", ".join(f"{n} {how}" for how, n in counts.most_common())]
    lines += [
        f"  {task['status']} {task['id']}: {task['note']}"
        for task in tasks
        if task["status"] not in ("landed", "unchanged")
    ]
    return "\n".join(lines)


def tail(text: str, lines: int) -> str:
    """The last lines of what a program said."""
    return "\n".join(text.strip().splitlines()[-lines:])


def say(text: str) -> None:
    """Tell it at once: all of this takes minutes."""
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 where every claim holds."""
    names = [project.name for project in (*STANDARD, LARGE)]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real", description=__doc__)
    parser.add_argument("--only", choices=names, action="append", help="only this project")
    parser.add_argument("--all", action="store_true", help=f"{LARGE.name} too")
    parser.add_argument("--dir", type=Path, help="a new folder that stays; absent: a temporary one")
    chosen = parser.parse_args(arguments)
    projects = [*STANDARD, LARGE] if chosen.all or chosen.only else list(STANDARD)
    projects = [one for one in projects if not chosen.only or one.name in chosen.only]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="orch-real-", ignore_cleanup_errors=True) as temporary:
        place = Place((chosen.dir or Path(temporary)).resolve())
        place.folder.mkdir(parents=True, exist_ok=True)
        try:
            say(f"tools: {' '.join(TOOLS)}")
            make_environment(place, projects)
            shown = [show(place, project) for project in projects]
        except (Failed, OSError, subprocess.SubprocessError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    print_cells([HEAD, *(one.cells for one in shown)])
    missed = [
        f"{one.cells[0]}: {claim.what}" for one in shown for claim in one.claims if not claim.holds
    ]
    held = sum(len(one.claims) for one in shown) - len(missed)
    say(f"{held} claims hold, {len(missed)} do not; {time.monotonic() - began:.0f} s in all")
    for line in missed:
        say(f"MISSED  {line}")
    return 1 if missed else 0


def print_cells(lines: Sequence[tuple[str, ...]]) -> None:
    """One table."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    say("")
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
