"""`orch skills`: list, show, check, install."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.app import command_app
from orchestrator.cli.options import JsonOption, environ_of

if TYPE_CHECKING:
    from orchestrator.errors import Problem
    from orchestrator.guidance.finding import Found, FoundSkill

app = command_app(
    help="List, show or check the skills that workers are offered; install one for agents.",
    no_args_is_help=True,
)


@app.command("list")
def list_skills(ctx: typer.Context, as_json: JsonOption = False) -> int:
    """List the skills of the checkout: name, folder, size, and when to use it.

    Looks in .agent/skills, .agents/skills and .claude/skills; the first that has a name wins.
    What would be left out of a run is said, with the reason.
    """
    from orchestrator.cli import output
    from orchestrator.guidance.recording import left_out
    from orchestrator.review.words import foreign

    found = _look(ctx)
    if as_json:
        texts = [{"path": text.path, "folder": text.folder} for text in found.texts]
        skills = [_as_json(skill) for skill in found.skills]
        output.answer_json({"skills": skills, "texts": texts})
        return 0
    width = max((len(skill.name) for skill in found.usable), default=0)
    for skill in found.usable:
        head = f"{skill.name:<{width}}  {_size(skill.size_bytes):>7}  {skill.folder}"
        output.answer([head, f"    {foreign(skill.front.description, 160)}"])
    if not found.usable:
        output.answer("no skills here: write .agent/skills/NAME/SKILL.md")
    for what in left_out(found):
        output.narrate(output.colour_narration(what, "ask"))
    if found.texts:
        names = ", ".join(text.path for text in found.texts[:10])
        more = f" and {len(found.texts) - 10} more" if len(found.texts) > 10 else ""
        output.narrate(f"workers are also told: {foreign(names, 600)}{more}")
    return 0


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A skill's name.")],
    as_json: JsonOption = False,
) -> int:
    """Show a skill as a worker gets it: what it says of itself, its instructions, its files."""
    from orchestrator.cli import output
    from orchestrator.errors import OrchError
    from orchestrator.guidance.finding import FILE_BYTES, read_bounded
    from orchestrator.guidance.front_matter import body_of
    from workers.text import printable

    found = _look(ctx)
    skill = next((skill for skill in found.usable if skill.name == name), None)
    if skill is None:
        broken = any(skill.name == name for skill in found.skills)
        there = ", ".join(skill.name for skill in found.usable) or "none"
        raise OrchError(
            f"the skill '{name}' is left out of runs" if broken else f"there is no skill '{name}'",
            hint="orch skills check says why" if broken else f"there are: {there}",
        )
    text = read_bounded(skill.files[0].place, FILE_BYTES).decode("utf-8", "replace")
    body = body_of(text, skill.front.body_line)
    if as_json:
        output.answer_json({**_as_json(skill), "body": body})
        return 0
    front = skill.front
    said = {
        "from": skill.folder,
        "description": " ".join(front.description.split()),
        "license": front.license,
        "compatibility": front.compatibility,
        "asks for": " ".join(front.allowed_tools),
        **front.metadata,
    }
    output.answer(output.colour_answer(skill.name, "strong"))
    output.answer([f"  {key}: {printable(value)}" for key, value in said.items() if value])
    output.answer(["", printable(body).rstrip()])
    if len(skill.files) > 1:
        output.answer(["", "files:"])
        output.answer([f"  {file.path}  {_size(file.size_bytes)}" for file in skill.files[1:]])
    return 0


@app.command()
def check(
    ctx: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH",
            help="A skill's folder, its SKILL.md, or a folder of skills; absent: the checkout's.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Check skills by the Agent Skills standard; say all that is wrong, with file and line.

    Exits with 2 where a skill would be left out of a run.
    """
    from orchestrator.cli import output
    from orchestrator.errors import Problems

    if path is None:
        found = _look(ctx)
        skills, more = found.skills, tuple(found.problems)
    else:
        skills, more = _at(path), ()
    problems = (*more, *(one for skill in skills for one in skill.problems))
    wrong = [problem for problem in problems if problem.level == "error"]
    if as_json:
        output.answer_json(
            {
                "ok": not wrong,
                "skills": [_as_json(skill) for skill in skills],
                "problems": [_problem_as_json(problem) for problem in problems],
            }
        )
        return 2 if wrong else 0
    for skill in skills:
        if skill.shadowed_by:
            output.narrate(f"{skill.folder}: {skill.shadowed_by} has its name and comes first")
    if wrong:
        raise Problems(problems)
    for problem in problems:
        output.narrate(output.colour_narration(problem.render(), "ask"))
    count = len([skill for skill in skills if skill.usable])
    output.answer(f"{count} skill{'s' * (count != 1)}: nothing is wrong")
    return 0


class For(StrEnum):
    """Whose folder of skills."""

    claude = "claude"
    agents = "agents"


@app.command()
def install(
    ctx: typer.Context,
    to: Annotated[
        list[For] | None,
        typer.Option(
            "--to", help="claude: .claude/skills; agents: .agents/skills; absent: both. Repeatable."
        ),
    ] = None,
    user: Annotated[
        bool, typer.Option("--user", help="In your home, for all repositories; else in this one.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where the file was changed; that is kept.")
    ] = False,
    only_print: Annotated[bool, typer.Option("--print", help="Print the skill instead.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Give agents the skill that teaches them to drive orch, by MCP or by its commands.

    For Claude Code, Codex, Gemini, OpenCode, goose and others that read the Agent Skills standard.
    A file that was changed is left as it is, and said. Workers of runs are not offered it.
    """
    from orchestrator.cli import output
    from orchestrator.cli.desk import open_here
    from orchestrator.errors import OrchError
    from orchestrator.guidance.installing import BEFORE, shipped_skill
    from orchestrator.guidance.installing import install as put

    if only_print:
        output.answer(shipped_skill().rstrip("\n"))
        return 0
    environ = environ_of(ctx)
    if user and not Path(environ.get("HOME", "")).is_absolute():
        raise OrchError("HOME is not set", hint="orch skills install without --user")
    top = Path(environ["HOME"]) if user else open_here(environ).checkout
    agents = tuple(dict.fromkeys(one.value for one in to or list(For)))
    done = put(top, agents, replace=replace)
    if as_json:
        output.answer_json([{"path": str(one.path), "outcome": one.outcome} for one in done])
        return 0
    for one in done:
        kept = f" (what it said is in {BEFORE} beside it)" if one.outcome == "replaced" else ""
        word = "is there already" if one.outcome == "same" else f"{one.outcome}{kept}"
        output.answer(f"{one.path.relative_to(top)}: {word}")
    return 0


def _look(ctx: typer.Context) -> Found:
    from orchestrator.cli.desk import open_here
    from orchestrator.guidance.recording import look
    from worktree.values import GitError

    workplace = open_here(environ_of(ctx))
    try:
        files = workplace.git.list_files(workplace.git.resolve("HEAD"))
    except GitError as error:
        if error.kind != "no-such-revision":
            raise
        files = ()
    return look(workplace.checkout, files)


def _at(path: Path) -> list[FoundSkill]:
    """The skill at a path, or the skills in it."""
    from ledger.guidance import SKILL_FILE
    from orchestrator.errors import OrchError
    from orchestrator.guidance.finding import read_skill

    folder = path.parent if path.name == SKILL_FILE else path
    if not folder.is_dir():
        raise OrchError(f"{path} is no folder", hint="orch skills check FOLDER")
    if (folder / SKILL_FILE).exists():
        # By its own name: `.` has none.
        place = folder if folder.name not in ("", "..") else folder.resolve()
        return [read_skill(place, str(folder), place)]
    inner = sorted(one for one in folder.iterdir() if (one / SKILL_FILE).exists())
    if not inner:
        raise OrchError(
            f"{path} holds no skill", hint=f"a skill is a folder with a {SKILL_FILE} in it"
        )
    return [read_skill(one, str(one), one) for one in inner]


def _as_json(skill: FoundSkill) -> dict[str, Any]:
    front = skill.front
    return {
        "name": skill.name,
        "folder": skill.folder,
        "description": front.description,
        "license": front.license,
        "compatibility": front.compatibility,
        "metadata": front.metadata,
        "allowed_tools": front.allowed_tools,
        "size_bytes": skill.size_bytes,
        "files": [file.path for file in skill.files],
        "usable": skill.usable,
        "shadowed_by": skill.shadowed_by or None,
        "problems": [_problem_as_json(problem) for problem in skill.problems],
    }


def _problem_as_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "level": problem.level,
        "what": problem.what,
        "hint": problem.hint,
    }


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1000:.1f} kB" if size_bytes >= 1000 else f"{size_bytes} B"
