"""Forges on loopback: they do what the real ones do, and keep what they are sent.

1. Real HTTP on a port of this machine; what is answered follows from what was asked before, or is
   the next of `troubles`, raw.
2. Everything that came is kept: method, path, query, headers, body.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
GITLAB_TOKEN = "glpat-" + "Zx9Yw8Vu7Ts6Rq5Po4Nm"


GITLAB_PAGE = "/".join(("https://gitlab.example.com/group/sub/tea", "-"))
"""Where GitLab shows what belongs to a project."""


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Trouble:
    """An answer that is given instead."""

    status: int
    body: str | dict[str, Any] = ""
    headers: dict[str, str] = field(default_factory=dict)
    on: str = ""
    """Only for requests of this method; empty: the next, whatever it is."""
    does: bool = False
    """What was asked is done all the same."""
    silent: bool = False
    """No answer at all: the line is cut."""


@dataclass
class Pull:
    """A pull request that the forge holds."""

    number: int
    branch: str
    target: str
    title: str
    body: str
    draft: bool
    paths: tuple[str, ...] = ()
    fork: str = ""
    """Whose fork it comes from; empty: from the repository itself."""


class LoopbackForge:
    """What GitHub and GitLab have in common here."""

    kind = ""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.troubles: list[Trouble] = []
        self.pulls: list[Pull] = []
        self.issues: dict[str, dict[str, Any]] = {}
        self.url = ""

    def called(self, method: str) -> list[Asked]:
        return [one for one in self.asked if one.method == method]

    def answer(self, asked: Asked) -> tuple[int, Any]:
        raise NotImplementedError

    def _next_trouble(self, method: str) -> Trouble | None:
        for trouble in self.troubles:
            if trouble.on in ("", method):
                self.troubles.remove(trouble)
                return trouble
        return None


class GitHubDouble(LoopbackForge):
    """GitHub, for ada/tea."""

    kind = "github"

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}
        root = "/repos/ada/tea"
        match asked.method, asked.path.removeprefix(root):
            case "GET", "/pulls":
                owner, _, branch = asked.query.get("head", "").partition(":")
                found = [p for p in self.pulls if not owner or (owner, p.branch) == ("ada", branch)]
                return 200, [self._pull(one) for one in found]
            case "POST", "/pulls":
                wanted = asked.body
                if any(one.branch == wanted["head"] and not one.fork for one in self.pulls):
                    why = f"A pull request already exists for ada:{wanted['head']}."
                    said = {"message": "Validation Failed", "errors": [{"message": why}]}
                    return 422, said
                made = Pull(
                    len(self.pulls) + 1,
                    *(wanted[key] for key in ("head", "base", "title", "body", "draft")),
                )
                self.pulls.append(made)
                return 201, self._pull(made)
            case "PATCH", path if path.startswith("/pulls/"):
                pull = self.pulls[int(path.split("/")[2]) - 1]
                pull.body = asked.body.get("body", pull.body)
                return 200, self._pull(pull)
            case "GET", path if path.endswith("/files"):
                pull = self.pulls[int(path.split("/")[2]) - 1]
                return 200, [{"filename": name} for name in pull.paths]
            case "GET", path if path.startswith("/issues/"):
                issue = self.issues.get(path.split("/")[2])
                return (200, issue) if issue else (404, {"message": "Not Found"})
        return 404, {"message": "Not Found"}

    def _pull(self, one: Pull) -> dict[str, Any]:
        return {
            "number": one.number,
            "html_url": f"https://github.example.com/ada/tea/pull/{one.number}",
            "head": {"ref": one.branch, "sha": "0" * 40, "user": {"login": one.fork or "Ada"}},
            "body": one.body,
            "draft": one.draft,
            "more": {"that": "nobody asked for"},
        }


class GitLabDouble(LoopbackForge):
    """GitLab, for group/sub/tea."""

    kind = "gitlab"

    def answer(self, asked: Asked) -> tuple[int, Any]:
        if asked.headers.get("authorization") != f"Bearer {GITLAB_TOKEN}":
            return 401, {"message": "401 Unauthorized"}
        match asked.method, asked.path.removeprefix("/projects/group%2Fsub%2Ftea"):
            case "GET", "/merge_requests":
                wanted = asked.query.get("source_branch")
                found = [p for p in self.pulls if wanted in (None, p.branch)]
                return 200, [self._merge(one) for one in found]
            case "POST", "/merge_requests":
                body = asked.body
                source = body["source_branch"]
                if any(one.branch == source and not one.fork for one in self.pulls):
                    return 409, {"message": ["Another open merge request already exists: !1"]}
                made = Pull(
                    len(self.pulls) + 1,
                    body["source_branch"],
                    body["target_branch"],
                    body["title"],
                    body["description"],
                    body["title"].startswith("Draft:"),
                )
                self.pulls.append(made)
                return 201, self._merge(made)
            case "PUT", path if path.startswith("/merge_requests/"):
                pull = self.pulls[int(path.split("/")[2]) - 1]
                pull.body = asked.body["description"]
                return 200, self._merge(pull)
            case "GET", path if path.endswith("/diffs"):
                pull = self.pulls[int(path.split("/")[2]) - 1]
                return 200, [{"old_path": name, "new_path": name} for name in pull.paths]
            case "GET", path if path.startswith("/issues/"):
                issue = self.issues.get(path.split("/")[2])
                return (200, issue) if issue else (404, {"message": "404 Not found"})
        return 404, {"message": "404 Not Found"}

    def _merge(self, one: Pull) -> dict[str, Any]:
        return {
            "iid": one.number,
            "web_url": f"{GITLAB_PAGE}/merge_requests/{one.number}",
            "source_branch": one.branch,
            "description": one.body,
            "draft": one.draft,
            "source_project_id": 8 if one.fork else 7,
            "target_project_id": 7,
        }


@contextmanager
def served_forge(forge: LoopbackForge) -> Iterator[LoopbackForge]:
    """Serves it; its address is in `url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _all(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            raw = self.rfile.read(length)
            asked = Asked(
                self.command,
                parts.path,
                {key: values[0] for key, values in parse_qs(parts.query).items()},
                {key.lower(): value for key, value in self.headers.items()},
                json.loads(raw) if raw else None,
            )
            forge.asked.append(asked)
            trouble = forge._next_trouble(self.command)
            if trouble is None or trouble.does:
                status, said = forge.answer(asked)
                headers = {"content-type": "application/json"}
                body = json.dumps(said).encode()
            if trouble is not None and trouble.silent:
                self.close_connection = True
                self.connection.close()
                return
            if trouble is not None:
                status, headers = trouble.status, trouble.headers
                text = trouble.body if isinstance(trouble.body, str) else json.dumps(trouble.body)
                body = text.encode()
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = _all

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    forge.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
