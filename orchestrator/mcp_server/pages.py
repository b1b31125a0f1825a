"""The resources: plans, runs, reports and ledgers, to be read in pages.

1. A page has at most 16 kB. Where there is more, its last line names the next page.
2. A ledger is its events, one JSON value a line; a page begins after an event, by its number, and
   ends between two. An event too large for a page is cut in its body and says so.
3. What is not there is no resource (`-32602`); what went wrong else is told in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from ledger.export import event_as_json
from orchestrator.faces import faces_of
from orchestrator.mcp_server.looking import report_of
from orchestrator.mcp_server.office import Office
from orchestrator.mcp_server.planning import plan_path, version_of
from orchestrator.planning.plan_file import PLANS_FOLDER
from orchestrator.runs import read_facts
from worktree.names import quoted

PAGE_BYTES = 16_000
LINE_BYTES = 4_000
LISTED = 50


class Pages:
    """What can be read."""

    def __init__(self, office: Office) -> None:
        self.office = office

    def plans(self) -> str:
        """The plans of this repository, the newest first, with what to read."""
        with self._told():
            folder = self.office.workplace().checkout / PLANS_FOLDER
            files = [path for path in folder.glob("*.toml") if path.is_file()]
            newest = sorted(files, key=lambda path: -path.stat().st_mtime_ns)
            lines = [f"orch://plan/{quote(path.stem)}" for path in newest[:LISTED]]
            return self._hidden("\n".join([*lines, *_more(len(newest))]) or "no plan yet")

    def runs(self) -> str:
        """The runs of this repository, the newest first, with what to read."""
        with self._told():
            store = self.office.workplace().existing_store()
            if store is None:
                return "no run yet"
            with store:
                runs = store.runs()
            lines = [f"orch://run/{one.run}/report  {quoted(one.goal[:120])}" for one in runs]
            return self._hidden("\n".join([*lines[:LISTED], *_more(len(lines))]) or "no run yet")

    def plan(self, name: str, offset: int = 0) -> str:
        """A plan's text, as it is in its file."""
        with self._told():
            raw = plan_path(self.office.workplace(), name).read_bytes()
            head = f"# version {version_of(raw)}\n" if offset == 0 else ""
            text = head + raw.decode("utf-8", "replace")
            return self._page(text, offset, f"orch://plan/{quote(name)}", "# ")

    def report(self, run: str, offset: int = 0) -> str:
        """A run's report, in Markdown."""
        with self._told(), self.office.looking(run) as sight:
            return self._page(report_of(sight), offset, f"orch://run/{sight.run}/report", "\n")

    def ledger(self, run: str, after: int = 0) -> str:
        """A run's events, one JSON value a line, after the event of that number."""
        with self._told(), self.office.looking(run) as sight:
            redact = self.office.redactor().redact_text
            lines: list[str] = []
            size, last = 0, after
            for seq, at, fact in read_facts(sight.store, sight.run, after):
                body = event_as_json(sight.run, seq, at, fact)
                line = _bounded(redact(json.dumps(body, ensure_ascii=False)), body)
                size += len(line.encode("utf-8", "replace")) + 1
                if size > PAGE_BYTES - 200:
                    more = f"orch://run/{sight.run}/ledger?after={last}"
                    lines.append(json.dumps({"next": more}))
                    break
                lines.append(line)
                last = seq
            return "\n".join(lines).encode("utf-8", "replace").decode()

    def _page(self, text: str, offset: int, address: str, mark: str) -> str:
        # Hidden before it is cut: half a secret is none that could be found.
        whole = self._hidden(text)
        page = whole[offset:].encode()[: PAGE_BYTES - 200].decode("utf-8", "ignore")
        end = offset + len(page)
        if end >= len(whole):
            return page
        return f"{page}\n{mark}goes on: {address}?offset={end}\n"

    def _hidden(self, text: str) -> str:
        hidden = self.office.redactor().redact_text(text)
        return hidden.encode("utf-8", "replace").decode()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong is told in words."""
        try:
            yield
        except Exception as error:
            faces = faces_of(error, self.office.environ)
            said = "; ".join(f"{one.what} ({one.hint})" if one.hint else one.what for one in faces)
            missing = all(face.exit_code == 2 for face in faces)
            kind = ResourceNotFoundError if missing else ResourceError
            raise kind(self._hidden(said)) from error


def _more(count: int) -> list[str]:
    return [f"... and {count - LISTED} more"] if count > LISTED else []


def _bounded(line: str, body: dict[str, Any]) -> str:
    if len(line.encode("utf-8", "replace")) <= LINE_BYTES:
        return line
    short = {key: value for key, value in body.items() if key != "body"}
    return json.dumps(short | {"cut": True, "begins": line[: LINE_BYTES // 4]}, ensure_ascii=False)
