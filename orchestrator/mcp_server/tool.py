"""A tool as clients see it: arguments that are all known, answers that fit, errors in words.

1. An argument that is not known is refused: one that is passed over would be worse.
2. An answer is hidden, cut and fitted here, in the one place that all of them pass.
3. What a tool could not do is an answer too (`is_error`): what, where, and what to do next.
4. Each call is said on stderr in a line.
5. Descriptions and schemas are as small as they can be and still say everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anyio.to_thread
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import PrivateAttr, ValidationError

from orchestrator.faces import faces_of
from orchestrator.mcp_server.answers import Answer
from orchestrator.mcp_server.fitting import LIMIT_BYTES, fitted, shortened
from orchestrator.mcp_server.office import Office
from orchestrator.review.words import foreign
from workers.text import printable

Narrate = Callable[[str], None]
HINT = "hint: "


class Served(Tool):
    """A tool of ours."""

    _office: Office = PrivateAttr()
    _narrate: Narrate = PrivateAttr()

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> Any:
        """Call it; whatever happens, an answer."""
        try:
            made = await super().run(arguments, context)
            assert isinstance(made, Answer)
            self._narrate(f"{self.name}: {_in_short(made)}")
            # Beside the event loop: it reads the settings, and looks through megabytes of a patch.
            return await anyio.to_thread.run_sync(self._answered, made)
        except ToolError as error:
            said = await anyio.to_thread.run_sync(self._told, error)
            self._narrate(f"{self.name}: not done: {said.splitlines()[0]}")
            return CallToolResult(content=[TextContent(type="text", text=said)], is_error=True)

    def _answered(self, made: Answer) -> CallToolResult:
        hide = self._office.redactor().redact_text
        body = _each_text(made.model_dump(mode="python", exclude_none=True), hide)
        fit = fitted(body)
        text = json.dumps(fit, ensure_ascii=False, separators=(",", ":"))
        content = [TextContent(type="text", text=text)]
        return CallToolResult(content=list(content), structured_content=fit)

    def _told(self, error: ToolError) -> str:
        """What went wrong, and what to do next."""
        cause = error.__cause__
        if isinstance(cause, ValidationError):
            said = "\n".join(_wrong_arguments(self, cause))
        elif cause is None:
            said = str(error)
        else:
            faces = faces_of(cause, self._office.environ)
            hints = (f"\n{HINT}{face.hint}" if face.hint else "" for face in faces)
            said = "\n".join(f"{face.what}{hint}" for face, hint in zip(faces, hints, strict=True))
        said = self._office.redactor().redact_text(printable(said))
        return shortened(said.encode("utf-8", "replace").decode(), LIMIT_BYTES - 50)


def served(
    office: Office, narrate: Narrate, fn: Callable[..., Any], annotations: ToolAnnotations
) -> Served:
    """A method as a tool, described by what its docstring and its types say."""
    description = " ".join((fn.__doc__ or "").split())
    tool = Served.from_function(
        fn, description=description, annotations=annotations, structured_output=True
    )
    assert isinstance(tool, Served)
    arguments = tool.fn_metadata.arg_model
    arguments.model_config["extra"] = "forbid"
    arguments.model_rebuild(force=True)
    tool.parameters = slim(tool.parameters) | {"additionalProperties": False}
    tool.fn_metadata.output_schema = slim(tool.fn_metadata.output_schema)
    tool._office, tool._narrate = office, narrate
    return tool


def slim(schema: Any) -> Any:
    """A schema without what says nothing to a model: it is read anew in every conversation.

    Names repeated as titles go; so does that what may be left out may be null as well.
    """
    if isinstance(schema, list):
        return [slim(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in ("title", "default")}
    if schema.get("default") is not None:
        kept["default"] = schema["default"]
    choices = kept.get("anyOf", [])
    if len(choices) == 2 and {"type": "null"} in choices:
        del kept["anyOf"]
        kept |= next(one for one in choices if one != {"type": "null"})
    named = ("properties", "$defs")
    return {
        key: {name: slim(one) for name, one in value.items()} if key in named else slim(value)
        for key, value in kept.items()
    }


def _wrong_arguments(tool: Tool, error: ValidationError) -> Iterator[str]:
    """Each argument that is wrong, and which there are."""
    for one in error.errors()[:8]:
        at = ".".join(str(part) for part in one["loc"])
        yield f"{tool.name}: '{at}': {one['msg']}"
    yield f"{HINT}its arguments are: {', '.join(tool.parameters['properties'])}"


def _in_short(made: Answer) -> str:
    said = next(
        (v for k in ("what", "outcome", "phase", "file") if (v := getattr(made, k, None))), ""
    )
    run = getattr(made, "run", "")
    return foreign(f"{run} {said}" if run and run not in str(said) else str(said), 160).strip()


def _each_text(value: Any, hide: Callable[[str], str]) -> Any:
    """A value whose texts have no secrets, no escapes and nothing that no JSON can hold."""
    match value:
        case str():
            return hide(printable(value)).encode("utf-8", "replace").decode()
        case list() | tuple():
            return [_each_text(one, hide) for one in value]
        case dict():
            return {str(key): _each_text(one, hide) for key, one in value.items()}
        case _:
            return value
