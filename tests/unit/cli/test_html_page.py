"""The report as an HTML file: the same text, and nothing of anybody else's that does anything."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.review.html_page import render_page
from orchestrator.review.markdown import code, escaped

OURS = {
    *("html", "head", "meta", "title", "style", "body", "footer"),
    *("h1", "h2", "h3", "p", "br", "ul", "li", "code", "pre", "strong", "div"),
    *("table", "tr", "th", "td"),
}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class"}
EMPTY = {"meta", "br"}


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text, and whether all is closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(source)
        self.close()
        assert self.open == [], "everything is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def text(self, tag: str) -> str:
        return "".join(data for inside, data in self.texts if inside == tag)


def harmless(source: str) -> Page:
    page = Page(source)
    assert set(page.tags) <= OURS
    assert page.attributes <= ATTRIBUTES
    return page


def test_headings_lists_tables_and_commands_are_drawn() -> None:
    text = (
        "# A goal\n\n- one\n- two `code`\n  - inner\n    `more`\n- three\n\n## Landed\n\n"
        "| what | took |\n| --- | ---: |\n| `a|b` | 1 s |\n\nA line.\n\n"
        "## Type next\n\n```sh\norch accept    # <why>\n```\n\n**Bold: 2**\n"
    )
    page = harmless(render_page(text, "A goal", "orch"))
    assert page.tags.count("li") == 4 and page.tags.count("ul") == 2
    assert page.text("h1") == "A goal" and page.text("h2") == "LandedType next"
    assert page.text("th") == "whattook" and "a|b" in page.text("code")
    assert "orch accept    # <why>" in page.text("code") and page.text("strong") == "Bold: 2"
    assert 'class="good"' in render_page(text, "") and 'class="right">1 s' in render_page(text, "")


def test_the_file_stands_alone() -> None:
    source = render_page("# x\n", "x")
    assert "default-src 'none'" in source and "script" not in source
    assert "http" not in source.replace("http-equiv", "") and "url(" not in source
    assert "prefers-color-scheme:dark" in source and "width=device-width" in source


ATTACKS = (
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    "` ` <b>",
    "``` \n# not a heading",
    "a | b \\| c",
    "\\<b>",
    "&lt;b&gt; &#60;",
    "**bold** _it_ https://evil.example",
    "</code></pre><script>",
    '" onmouseover="alert(1)',
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_somebody_wrote_is_text_and_nothing_else(attack: str) -> None:
    text = f"# {escaped(attack)}\n\n- {code(attack)}: {escaped(attack)}\n  - {escaped(attack)}\n"
    text += f"\n| a | b |\n| --- | --- |\n| {code(attack)} | {escaped(attack)} |\n"
    page = harmless(render_page(text, attack))
    said = " ".join(attack.split())
    assert page.text("h1") == said and page.text("title") == attack
    assert said in page.text("li") and said in page.text("td")
    assert "script" not in page.tags and "a" not in page.tags


@settings(deadline=None)
@given(st.text(max_size=60), st.text("`*\\|<>&[]() ab-#\n", max_size=40))
def test_no_text_gets_out_of_its_place(one: str, two: str) -> None:
    text = f"# {escaped(one)}\n\n- {code(two)} {escaped(two)}\n\n| x |\n| --- |\n| {code(two)} |\n"
    page = harmless(render_page(text, one))
    assert page.tags.count("h1") == page.tags.count("table") == 1
    assert page.tags.count("li") == 1 and page.tags.count("td") == 1


@settings(deadline=None)
@given(st.text("`*\\|<>&[]()#- \nab", max_size=200))
def test_whatever_is_drawn_is_well_formed(text: str) -> None:
    harmless(render_page(text, text))
