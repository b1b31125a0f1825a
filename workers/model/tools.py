"""The tools as a model sees them: names, arguments, and words for both.

Tools that look run side by side. A tool that changes something is a barrier: those called before
it have ended, and those after it have not begun.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from pydantic import Field
from pydantic_ai import ModelRetry, RunContext, Tool, ToolFailed, ToolOutput

from workers.model.desk import COMMAND_S, Desk, Failed

Path = Annotated[str, Field(description="From the top of the workspace.")]
Context = RunContext[Desk]


@dataclass(frozen=True)
class Finished:
    """It says that the task is done."""

    summary: str


@dataclass(frozen=True)
class Asked:
    """It needs a person."""

    question: str


async def read(
    ctx: Context,
    path: Path,
    first: Annotated[int, Field(description="The first line to show, from 1.")] = 1,
    last: Annotated[int | None, Field(description="The last; absent: 400 lines in all.")] = None,
) -> str:
    """Read lines of a text file; each is shown with its number, which is no part of the file."""
    return await _perform(ctx, lambda desk: desk.read(path, first, last))


async def list_folder(
    ctx: Context,
    folder: Annotated[str, Field(description="Absent: the top of the workspace.")] = ".",
) -> str:
    """List what is in a folder."""
    return await _perform(ctx, lambda desk: desk.list(folder))


async def search(
    ctx: Context,
    regex: Annotated[str, Field(description="A regular expression for single lines.")],
    glob: Annotated[str, Field(description="Which files, such as *.py or src/**/*.ts.")] = "",
) -> str:
    """Find the lines of all text files that match, with their files and numbers."""
    return await _perform(ctx, lambda desk: desk.search(regex, glob))


async def load_skill(
    ctx: Context,
    name: Annotated[str, Field(description="As the list of skills has it.")],
    file: Annotated[str, Field(description="A file of the skill; absent: its words.")] = "",
) -> str:
    """Read the instructions of a skill, or one of its files."""
    return await _perform(ctx, lambda desk: desk.load_skill(name, file))


async def edit(
    ctx: Context,
    path: Path,
    old: Annotated[str, Field(description="What stands there now, exactly, blanks included.")],
    new: Annotated[str, Field(description="What is to stand there.")],
    count: Annotated[int, Field(description="How often 'old' stands there; all change.")] = 1,
) -> str:
    """Replace a text in a file exactly. Take in so many lines around it that it is the only one."""
    return await _perform(ctx, lambda desk: desk.edit(path, old, new, count))


async def write(
    ctx: Context,
    path: Path,
    text: Annotated[str, Field(description="The whole content.")],
) -> str:
    """Write a new file, with its folders, or replace a whole file; else use `edit`."""
    return await _perform(ctx, lambda desk: desk.write(path, text))


async def run(
    ctx: Context,
    command: Annotated[str, Field(description="For `sh -c`, at the top of the workspace.")],
    timeout_s: Annotated[float, Field(description="It is ended after so long.", gt=0)] = COMMAND_S,
) -> str:
    """Run a command and see its output. Whatever it leaves running is ended with it."""
    return await _perform(ctx, lambda desk: desk.run(command, timeout_s))


async def check(ctx: Context) -> str:
    """Let the quick gates judge the files as they are now; they judge you again at the end."""
    return await _perform(ctx, lambda desk: desk.check())


async def finish(
    ctx: Context,
    summary: Annotated[str, Field(description="Two sentences: what you did, how you tested it.")],
) -> Finished:
    """End: the task is done."""
    if failed := ctx.deps.failed:
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(failed))
        raise ModelRetry(f"not finished: {names} failed in the same turn; see to that first")
    return Finished(summary)


async def ask(
    ctx: Context,
    question: Annotated[str, Field(description="With all that a person needs to answer it.")],
) -> Asked:
    """End with a question: a person must decide before you can go on."""
    if not question.strip():
        raise ModelRetry("the question is empty")
    return Asked(question)


# Made once: to work out what they take costs more than a call. An agent writes into a tool how
# often it may be tried again, so each kind of agent has tools of its own.


@cache
def reading_tools() -> tuple[Tool[Desk], ...]:
    """The tools that change nothing, for who only looks."""
    return _looking()


@cache
def making_tools() -> tuple[Tool[Desk], ...]:
    """All tools, for who makes something."""
    changing = (edit, write, run, check)
    return (*_looking(), *(Tool(one, sequential=True) for one in changing))


def _looking() -> tuple[Tool[Desk], ...]:
    return (Tool(read), Tool(list_folder, name="list"), Tool(search), Tool(load_skill))


def endings() -> list[type[str] | ToolOutput[Finished] | ToolOutput[Asked]]:
    """How a turn may end the round: with words alone, with `finish`, or with `ask`."""
    finishing: ToolOutput[Finished] = ToolOutput(finish, name="finish")
    asking: ToolOutput[Asked] = ToolOutput(ask, name="ask")
    return [str, finishing, asking]


async def _perform(ctx: Context, work: Callable[[Desk], Awaitable[str]]) -> str:
    tool = ctx.tool_name or ""
    try:
        return await ctx.deps.perform(tool, ctx.tool_call_id, lambda: work(ctx.deps))
    except Failed as failed:
        raise ToolFailed(str(failed)) from None
