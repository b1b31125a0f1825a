"""A report as one HTML file: the Markdown of the report, drawn. Pure.

1. The Markdown is the only source: both say the same. Of it just what our reports use is known
   (headings, lists, tables, blocks of commands, code, bold); all else is text.
2. Every character that is not a mark of ours is escaped before it is written: what somebody called
   a task can be nothing but text. Links are never made, whatever a text looks like.
3. The file stands alone. It has no script, loads nothing, and says so to the browser, which then
   refuses both. It is light or dark as its reader is, and fits a telephone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

CLASSES = {
    "Needs you": "ask",
    "Waiting for you": "ask",
    "Read this first": "ask",
    "Failed": "bad",
    "Landed": "good",
}
"""Headings of ours that are told apart by colour."""

STYLE = """
:root{color-scheme:light dark;--back:#fdfdfc;--text:#1c1e21;--faint:#62676d;--line:#dcdedb;
--box:#f2f3f0;--ask:#9a5b00;--bad:#b3261e;--good:#1b6e3c}
@media (prefers-color-scheme:dark){:root{--back:#16181a;--text:#e5e6e3;--faint:#9aa0a6;
--line:#34383b;--box:#202427;--ask:#f0b35a;--bad:#ff8a80;--good:#7fd6a0}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:48rem;padding:1.2rem 1rem 4rem;background:var(--back);
color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;
overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:.4rem 0 1rem}
h2{font-size:1.15rem;margin:2rem 0 .5rem;padding-bottom:.2rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.4rem 0 .3rem}
h2.ask{color:var(--ask)}h2.bad{color:var(--bad)}h2.good{color:var(--good)}
ul{margin:.3rem 0;padding-left:1.2rem}li{margin:.2rem 0}
code,pre{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;background:var(--box);
border-radius:4px}
code{padding:.1em .3em}pre{padding:.7rem .8rem;overflow-x:auto}pre code{padding:0;font-size:1em}
.wide{overflow-x:auto}table{border-collapse:collapse;min-width:60%}
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);
vertical-align:top}th{color:var(--faint);font-weight:600}
.right{text-align:right;font-variant-numeric:tabular-nums}
footer{margin-top:3rem;color:var(--faint);font-size:.85rem}
@media (max-width:40rem),print{pre{white-space:pre-wrap}}
@media print{body{max-width:none}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render_page(markdown: str, title: str, footer: str = "") -> str:
    """The whole file, from a report in Markdown."""
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    )
    foot = f"<footer>{html.escape(footer)}</footer>\n" if footer else ""
    return f"{head}{''.join(_blocks(markdown.splitlines()))}{foot}</body>\n</html>\n"


def _blocks(lines: list[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if heading := re.match(r"(#{1,3}) (.*)", line):
            yield _heading(len(heading[1]), heading[2])
            at += 1
        elif line.startswith("```"):
            end = next((n for n in range(at + 1, len(lines)) if lines[n] == "```"), len(lines))
            yield f"<pre><code>{html.escape(chr(10).join(lines[at + 1 : end]))}</code></pre>\n"
            at = end + 1
        elif not line.strip():
            at += 1
        else:
            end = at + 1
            while end < len(lines) and lines[end].strip() and _kind(lines[end]) == _kind(line):
                end += 1
            yield _group(_kind(line), lines[at:end])
            at = end


def _kind(line: str) -> str:
    """What a line that is neither a heading nor code belongs to."""
    if line.startswith(("#", "```")):
        return "other"
    return "table" if line.startswith("|") else "list" if line.startswith(("- ", "  ")) else "text"


def _heading(level: int, text: str) -> str:
    css = f' class="{CLASSES[text]}"' if text in CLASSES else ""
    return f"<h{level}{css}>{inline(text)}</h{level}>\n"


def _group(kind: str, lines: list[str]) -> str:
    match kind:
        case "table":
            return _table(lines)
        case "list":
            return _list(lines)
        case _:
            return f"<p>{'<br>'.join(map(inline, lines))}</p>\n"


def _list(lines: list[str]) -> str:
    """Items, items of items, and what goes on below an item."""
    parts, depth = ["<ul>\n"], 0
    for place, line in enumerate(lines):
        item = re.match(r"( *)- (.*)", line) or (None if place else re.match(r"( *)(.*)", line))
        if item is None:
            parts.append(f"<br>{inline(line.strip())}")
            continue
        inner = 1 if item[1] and place else 0
        if place and inner == depth:
            parts.append("</li>\n")
        elif inner > depth:
            parts.append("<ul>\n")
        elif place:
            parts.append("</li></ul></li>\n")
        depth = inner
        parts.append(f"<li>{inline(item[2])}")
    parts.append("</li></ul></li></ul>\n" if depth else "</li></ul>\n")
    return "".join(parts)


def _table(lines: list[str]) -> str:
    rows = [_cells(line) for line in lines]
    right = [cell.endswith(":") for cell in rows[1]] if len(rows) > 1 else []

    def row(cells: list[str], tag: str) -> str:
        made = ""
        for place, cell in enumerate(cells):
            css = ' class="right"' if place < len(right) and right[place] else ""
            made += f"<{tag}{css}>{inline(cell)}</{tag}>"
        return f"<tr>{made}</tr>\n"

    body = "".join(row(cells, "td") for cells in rows[2:])
    return f'<div class="wide"><table>\n{row(rows[0], "th")}{body}</table></div>\n'


def _cells(line: str) -> list[str]:
    """The cells of a row; a mark that is escaped, or within code, parts none."""
    cells, cell, at = [], "", 1
    while at < len(line):
        if line[at] == "\\":
            cell, at = cell + line[at : at + 2], at + 2
        elif line[at] == "`":
            span = _span(line, at)
            cell, at = cell + line[at:span], span
        elif line[at] == "|":
            cells.append(cell.strip())
            cell, at = "", at + 1
        else:
            cell, at = cell + line[at], at + 1
    return cells


def _span(text: str, at: int) -> int:
    """Where a code span that begins there ends; its fence alone where it is none."""
    found = re.match("`+", text[at:])
    fence = found[0] if found else "`"
    close = re.compile(rf"(?<!`){fence}(?!`)").search(text, at + len(fence))
    return close.end() if close else at + len(fence)


def inline(text: str) -> str:
    """One line: code, bold, and text that is nothing but text."""
    parts, at, bold = [], 0, False
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            parts.append(html.escape(text[at + 1]))
            at += 2
        elif text[at] == "`":
            end = _span(text, at)
            fence = len(text[at:end]) - len(text[at:end].lstrip("`"))
            inner = text[at + fence : end - fence]
            if inner.startswith(" ") and inner.endswith(" ") and inner.strip():
                inner = inner[1:-1]
            parts.append(f"<code>{html.escape(inner)}</code>" if inner else text[at:end])
            at = end
        elif text.startswith("**", at):
            parts.append("</strong>" if bold else "<strong>")
            bold, at = not bold, at + 2
        else:
            # What kept a forge from making links of it is no part of the text.
            parts.append(html.escape(text[at]) if text[at] != "\u200b" else "")
            at += 1
    return "".join(parts) + ("</strong>" if bold else "")
