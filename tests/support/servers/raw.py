"""A server without the library: quick to start, and able to do what no server should.

    python raw.py [MODE]

MODE is how it greets and lists; what else it does is done by its tools, by their names.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

MODE = sys.argv[1] if len(sys.argv) > 1 else "plain"
TOOLS = (
    *("echo", "env", "die", "hang", "big", "notify", "noise", "fork", "ask", "fail", "wrong"),
    *("escape", "pid", "where", "long"),
)


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tool(name: str, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return {"name": name, "description": f"Does {name}.", "inputSchema": schema, **more}


def listed(cursor: str | None) -> dict[str, Any]:
    match MODE:
        case "million":
            one = json.dumps(tool("t")) + ","
            sys.stdout.write('{"jsonrpc": "2.0", "id": 1, "result": {"tools": [' + one * 1_000_000)
            raise SystemExit
        case "pages":
            at = int(cursor or 0)
            tools = [tool(f"t{at + number}") for number in range(10)]
            return {"tools": tools, "nextCursor": str(at + 10)}
        case "many":
            return {
                "tools": [tool(f"t{number:03}", description="x" * 500) for number in range(200)]
            }
        case "shuffled":
            names = sorted(TOOLS, key=lambda _: os.urandom(4))
            return {"tools": [tool(name) for name in names]}
        case _:
            return {"tools": [tool(name) for name in TOOLS]}


def called(identity: Any, name: str, arguments: dict[str, Any]) -> None:
    text = str(arguments.get("text", ""))
    match name:
        case "die":
            sys.stderr.write("out of luck\n")
            sys.stderr.flush()
            os._exit(7)
        case "hang":
            time.sleep(600)
        case "big":
            sys.stdout.write('{"jsonrpc": "2.0", "id": 1, "result": {"content": [{"text": "')
            for _ in range(100):
                sys.stdout.write("x" * 1_000_000)
            return
        case "notify":
            line = json.dumps(
                {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info"}}
            )
            for _ in range(1_000_000):
                sys.stdout.write(line + "\n")
        case "noise":
            print("this is no message")
        case "env":
            text = json.dumps(dict(os.environ))
        case "where":
            text = os.getcwd()
        case "long":
            text = "x" * 200_000
        case "pid":
            text = str(os.getpid())
        case "fork":
            stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
            child = subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True)
            text = str(child.pid)
        case "ask":
            say({"id": "mine", "method": "sampling/createMessage", "params": {"messages": []}})
            text = sys.stdin.readline()
        case "escape":
            text = "\x1b[2Jred\x1b[0m \u202egnp"
        case "fail":
            say({"id": identity, "result": {"content": [{"type": "text", "text": "no such row"}],
                                            "isError": True}})  # fmt: skip
            return
        case "busy" | "closed":
            message = "try again later" if name == "busy" else "Connection closed"
            say({"id": identity, "error": {"code": -32000, "message": message}})
            return
        case "wrong":
            say({"id": identity, "result": {"content": "what"}})
            return
        case "echo":
            pass
        case _:
            say({"id": identity, "error": {"code": -32602, "message": f"no tool {name}"}})
            return
    say({"id": identity, "result": {"content": [{"type": "text", "text": text}]}})


def main() -> None:
    if MODE == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MODE == "gone":
        sys.stderr.write("no configuration\n")
        sys.exit(3)
    for line in sys.stdin:
        said = json.loads(line)
        identity, method = said.get("id"), said.get("method")
        params = said.get("params") or {}
        if MODE == "silent" or identity is None:
            continue
        if method == "initialize" and MODE == "tells":
            message = "x" * 290 + os.environ["DB_PASSWORD"]
            say({"id": identity, "error": {"code": -32000, "message": message}})
        elif method == "initialize":
            version = "1999-01-01" if MODE == "old" else "2025-06-18"
            if "CAPABILITIES_FILE" in os.environ:
                with open(os.environ["CAPABILITIES_FILE"], "w") as file:
                    json.dump(params, file)
            info = {"name": "raw", "version": "1"}
            capabilities: dict[str, Any] = {"tools": {}}
            result = {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
            say({"id": identity, "result": result})
        elif method == "tools/list":
            say({"id": identity, "result": listed(params.get("cursor"))})
        elif method == "tools/call":
            called(identity, params["name"], params.get("arguments") or {})
        else:
            say({"id": identity, "error": {"code": -32601, "message": "Method not found"}})
    if MODE == "stubborn":
        time.sleep(600)


if __name__ == "__main__":
    main()
