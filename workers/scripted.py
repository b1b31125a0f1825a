"""A worker that does what a file says: for demonstrations, rehearsals and tests.

    [worker.scripted]
    kind = "command"
    command = "orch-scripted /path/to/SCRIPT.toml"

The script is a list of steps. Every step that applies is done, in order; a step applies when all
that it asks for holds. Nothing that applies: exit 0 and an unchanged tree.

    [[step]]
    task = "types-*"                      # asks: the task's id, with * and ?
    attempt = 1                           # asks: the attempt, or [1, 2]
    round = [1, 2]                        # asks: the round
    if_feedback = "mypy"                  # asks: the feedback contains it; "" asks for any feedback
    unless_feedback = "mypy"              # asks: it does not; "" asks for none
    sleep_s = 0.5                         # does, in this order: wait,
    print = "working on {task}"           # print a line,
    write = { "src/a.py" = "x = 1\\n" }    # write files, with their folders,
    append = { "log.txt" = "{round}\\n" }  # append to files,
    replace = { "a.py" = ["old", "new"] } # replace text that must be there,
    delete = ["b.py"]                     # delete files or folders that must be there,
    chmod = { "run.sh" = "755" }          # set permissions,
    exit = 1                              # and end at once with this exit code.

`{task}`, `{attempt}` and `{round}` are filled in everywhere in texts and paths. Paths are relative
to the workspace and stay in it. A script that is wrong ends with exit 2 and says where.
"""

from __future__ import annotations

import os
import sys
import time
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NoReturn

_KEYS: dict[str, tuple[type, ...]] = {
    "task": (str,),
    "attempt": (int, list),
    "round": (int, list),
    "if_feedback": (str,),
    "unless_feedback": (str,),
    "sleep_s": (int, float),
    "print": (str,),
    "write": (dict,),
    "append": (dict,),
    "replace": (dict,),
    "delete": (list,),
    "chmod": (dict,),
    "exit": (int,),
}
_WORDS = {
    str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "a table"
}  # fmt: skip


class ScriptError(Exception):
    """The script is wrong: what and where."""


def main(argv: list[str], environ: dict[str, str], tree: Path) -> int:
    """Do what the script says for this task, attempt and round; the exit code."""
    if len(argv) != 1:
        return _refuse("usage: orch-scripted SCRIPT.toml")
    try:
        steps = load_script(Path(argv[0]))
        for number, step in enumerate(steps, 1):
            if _applies(step, environ):
                try:
                    _do(step, environ, tree)
                except (ScriptError, OSError, UnicodeError) as error:
                    raise ScriptError(f"{argv[0]}: step {number}: {error}") from error
                if "exit" in step:
                    return int(step["exit"])
    except ScriptError as error:
        return _refuse(str(error))
    return 0


def load_script(path: Path) -> list[dict[str, Any]]:
    """The steps of a script; ScriptError names the first thing that is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScriptError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise ScriptError(f"{path}: {error}") from error
    steps = document.pop("step", [])
    if document:
        raise ScriptError(f"{path}: unknown '{next(iter(document))}'; a script is [[step]] only")
    if not isinstance(steps, list):
        raise ScriptError(f"{path}: write [[step]], with two brackets")
    for number, step in enumerate(steps, 1):
        if not isinstance(step, dict):
            raise ScriptError(f"{path}: step {number} is no table")
        for key, value in step.items():
            if problem := _problem(key, value):
                raise ScriptError(f"{path}: step {number}: {problem}")
    return steps


def _problem(key: str, value: Any) -> str | None:
    if key not in _KEYS:
        import difflib  # here, like shutil: this must start fast

        nearest = difflib.get_close_matches(key, _KEYS, 1)
        return f"unknown key '{key}'" + (f"; did you mean '{nearest[0]}'?" if nearest else "")
    of_kind: bool = isinstance(value, _KEYS[key])  # a name of its own: `value` stays unnarrowed
    if not of_kind or isinstance(value, bool):
        return f"'{key}' must be {' or '.join(_WORDS[kind] for kind in _KEYS[key])}"
    if key in ("attempt", "round") and isinstance(value, list):
        good = all(type(item) is int for item in value)
        return None if good else f"'{key}' must list whole numbers"
    if key in ("write", "append"):
        good = all(isinstance(text, str) for text in value.values())
        return None if good else f"'{key}' must map paths to texts"
    if key == "replace":
        good = all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(t, str) for t in pair)
            for pair in value.values()
        )
        return None if good else "'replace' must map paths to [old, new]"
    if key == "delete":
        return None if all(isinstance(p, str) for p in value) else "'delete' must list paths"
    if key == "chmod":
        good = all(isinstance(m, str) and m and set(m) <= set("01234567") for m in value.values())
        return None if good else "'chmod' must map paths to octal texts such as \"755\""
    return None


def _applies(step: dict[str, Any], environ: dict[str, str]) -> bool:
    if not fnmatchcase(environ.get("ORCH_TASK", ""), step.get("task", "*")):
        return False
    for key in ("attempt", "round"):
        if key in step:
            wanted = step[key] if isinstance(step[key], list) else [step[key]]
            if int(environ.get(f"ORCH_{key.upper()}", "1")) not in wanted:
                return False
    feedback = None
    if "ORCH_FEEDBACK_FILE" in environ:
        feedback = Path(environ["ORCH_FEEDBACK_FILE"]).read_text("utf-8", "replace")
    if "if_feedback" in step and (feedback is None or step["if_feedback"] not in feedback):
        return False
    return not (
        "unless_feedback" in step and feedback is not None and step["unless_feedback"] in feedback
    )


def _do(step: dict[str, Any], environ: dict[str, str], tree: Path) -> None:
    def filled(text: str) -> str:
        for name in ("task", "attempt", "round"):
            text = text.replace(f"{{{name}}}", environ.get(f"ORCH_{name.upper()}", ""))
        return text

    def inside(name: str) -> Path:
        path = tree / filled(name)
        if not path.resolve().is_relative_to(tree.resolve()):
            raise ScriptError(f"'{name}' leaves the workspace")
        return path

    time.sleep(step.get("sleep_s", 0))
    if "print" in step:
        print(filled(step["print"]), flush=True)
    for key, mode in (("write", "w"), ("append", "a")):
        for name, text in step.get(key, {}).items():
            path = inside(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, mode, encoding="utf-8", newline="") as file:
                file.write(filled(text))
    for name, (old, new) in step.get("replace", {}).items():
        path = inside(name)
        text = path.read_bytes().decode()
        if filled(old) not in text:
            raise ScriptError(f"'{filled(name)}' does not contain {filled(old)!r}")
        path.write_bytes(text.replace(filled(old), filled(new)).encode())
    for name in step.get("delete", ()):
        path = inside(name)
        if path.is_dir() and not path.is_symlink():
            import shutil

            shutil.rmtree(path)
        else:
            path.unlink()
    for name, octal in step.get("chmod", {}).items():
        inside(name).chmod(int(octal, 8))


def _refuse(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


def run() -> NoReturn:
    """What the installed `orch-scripted` runs."""
    sys.exit(main(sys.argv[1:], dict(os.environ), Path.cwd()))


if __name__ == "__main__":
    run()
