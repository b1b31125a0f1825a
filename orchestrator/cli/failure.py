"""What a person is told when a command could not be done: on stderr, with an exit code.

What an error says is in `orchestrator.faces`; `--debug` shows the traceback of any at once.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping

from orchestrator.cli import output


def answer_error(error: BaseException, environ: Mapping[str, str], debug: bool = False) -> int:
    """Tell a person what went wrong; the exit code."""
    from orchestrator.faces import faces_of, gravest

    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    faces = faces_of(error, environ, debug)
    for face in faces:
        output.narrate(f"{output.colour_narration('error:', 'bad')} {face.what}")
        if face.hint:
            output.narrate(f"  hint: {face.hint}")
    if debug:
        output.narrate("".join(traceback.format_exception(error)).rstrip())
    return gravest(faces)
