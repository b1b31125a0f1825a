"""A tracker's server without the library: it says of each ticket what a file says that it shall.

    python tracker.py FILE

FILE is JSON, by keys: `{"say": TEXT}`, `{"error": TEXT}`, or `{"do": ...}` for what no server
should do.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("tracker_get_issue", "tracker_get_number")


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def described(name: str) -> dict[str, Any]:
    kind = "integer" if name.endswith("number") else "string"
    known = {"issue_key": {"type": kind}, "fields": {"type": "string"}}
    return {"name": name, "inputSchema": {"type": "object", "properties": known}}


def told(asked: dict[str, Any]) -> dict[str, Any]:
    """The result of a call."""
    said = json.loads(Path(sys.argv[1]).read_text())[str(asked["issue_key"])]
    match said.get("do"):
        case "die":
            sys.stderr.write("out of luck\n")
            sys.stderr.flush()
            os._exit(7)
        case "hang":
            time.sleep(600)
        case "flood":
            sys.stdout.write('{"jsonrpc": "2.0", "id": 3, "result": "')
            for _ in range(10):
                sys.stdout.write("x" * 1_000_000)
            raise SystemExit
        case "arguments":
            said = {"say": json.dumps({"title": "asked", "body": json.dumps(asked)})}
        case "secret":
            # A sign that is left out later must not keep it from being found.
            token = os.environ["TRACKER_TOKEN"]
            said = {"say": f"a title\n{token} {token[:9]}\0{token[9:]}"}
        case "touch":
            try:
                Path("made").write_text("x")
                said = {"say": "it may write"}
            except OSError as error:
                there = sorted(one.name for one in Path().iterdir())
                said = {"say": f"{error.strerror}\n{there} {os.environ['HOME']}"}
    text = {"type": "text", "text": said.get("say", said.get("error"))}
    return {"content": [text], "isError": "error" in said}


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        identity, params = message.get("id"), message.get("params") or {}
        match message.get("method"):
            case "initialize":
                result: dict[str, Any] = {"protocolVersion": "2025-06-18"}
                result |= {"capabilities": {"tools": {}}}
                result |= {"serverInfo": {"name": "tracker", "version": "1"}}
            case "tools/list":
                result = {"tools": [described(name) for name in NAMES]}
            case "tools/call":
                result = told(params["arguments"])
            case _ if identity is None:
                continue
            case _:
                say({"id": identity, "error": {"code": -32601, "message": "Method not found"}})
                continue
        say({"id": identity, "result": result})


if __name__ == "__main__":
    main()
