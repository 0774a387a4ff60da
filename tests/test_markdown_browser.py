"""A model's Markdown, read back from a browser's page."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from benchmarks.harness import chromium, streamlit_server
from tests.browser import needs_chromium
from tests.markdown_documents import AS_SENT, cases, documents

ARRIVING = [
    ("It costs $5 and $", "It costs $5 and $"),
    ("Set $x = 2", "Set $x = 2"),
    ("Set $x = 2$ an", "Set ⟦x = 2⟧ an"),
    ("So\n\n$$\nx = 1", "So $$ x = 1"),
    ("**bold te", "<B>bold te</B>"),
    ("a *b **c", "a <I>b <B>c</B></I>"),
    ("これは**「重", "これは<B>「重</B>"),
    ("run `git checkout --", "run `git checkout --`"),
    ("see [the page](https://x.o", "see the page"),
    ("see ![a picture](https://x.o", "see a picture"),
    ("see ![a pic", "see ![a pic"),
    ("a:b[c", "a:b[c"),
    ("Title\n=", "Title"),
    ("So \\[\nx = 1\n- ", "So [ x = 1"),
    ("__「重", "<B>「重</B>"),
]

pytestmark = needs_chromium

APP = """
import json
from pathlib import Path
import streamlit as st
from components.answer import transcript
from components.answer.markdown import draw_markdown
from components.page.texts import plain

for number, (how, text) in enumerate(json.loads((Path(__file__).parent / "documents.json").read_text("utf-8"))):
    with st.container(key=f"document{number}"):
        if how == "streamed":
            transcript.write(st.empty(), (text[at : at + 7] for at in range(0, len(text), 7)), frames=0)
        elif how == "label":
            st.expander(plain(text))
            st.caption(f"**{plain(text)}**")
        else:
            draw_markdown(text, unfinished=how == "unfinished")
st.text("Complete")
"""

READ = """() => [...document.querySelectorAll('[class*="st-key-document"]')].map(element => {
    const around = (name, before, after) => element.querySelectorAll(name).forEach(found => {
        found.prepend(before(found)); found.append(after(found));
    });
    element.querySelectorAll('a[aria-label="Link to heading"]').forEach(found => found.remove());
    for (const found of element.querySelectorAll('br')) found.replaceWith('⏎ ');
    for (const found of element.querySelectorAll('.katex')) if (found.querySelector('.newline')) found.replaceWith('⏎');
    element.querySelectorAll('.katex').forEach(found =>
        found.replaceWith(`⟦${found.querySelector('annotation').textContent}⟧`));
    for (const [name, mark] of [['strong', 'B'], ['em', 'I'], ['del', 'S']]) {
        around(name, () => `<${mark}>`, () => `</${mark}>`);
    }
    element.querySelectorAll('[data-testid=stIconMaterial]').forEach(found => found.remove());
    around('code', () => '`', () => '`');
    around('a', () => '<', found => `|${found.getAttribute('href')}>`);
    element.querySelectorAll('img').forEach(found => found.replaceWith(`PICTURE ${found.src}`));
    return element.innerText.replaceAll(/\\s+/g, ' ').trim();
})"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("markdown")


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Page]:
    script = folder / "app.py"
    script.write_text(APP, "utf-8")
    (folder / "documents.json").write_text("[]", "utf-8")
    with streamlit_server(script) as server, chromium() as browser:
        page = browser.new_page()
        page.goto(server.url)
        yield page


def draw(page: Page, folder: Path, texts: list[tuple[str, str]]) -> None:
    """Draw these, each in its way."""
    (folder / "documents.json").write_text(json.dumps(texts), "utf-8")
    page.reload()
    page.get_by_text("Complete").wait_for(timeout=60_000)
    page.locator("[data-testid=stSkeleton]").first.wait_for(state="detached")  # the parts for formulas load when needed


def differences(page: Page, folder: Path, expected: list[tuple[str, str]], how: str) -> list[tuple[str, str, str]]:
    draw(page, folder, [(how, source) for source, _ in expected])
    rows = zip(expected, page.evaluate(READ), strict=True)
    return [(source, right, got) for (source, right), got in rows if got != right]


def test_what_is_read_is_what_was_meant(page: Page, folder: Path) -> None:
    """The cases, and 200 documents of every kind of text in both languages."""
    assert differences(page, folder, cases() + documents(200), "finished") == []


def test_a_streamed_answer_ends_the_same(page: Page, folder: Path) -> None:
    """However it was cut while it arrived."""
    assert differences(page, folder, cases() + documents(12), "streamed") == []


def test_what_arrives_is_shown_as_far_as_it_is_certain(page: Page, folder: Path) -> None:
    """A formula once it is closed, money never as one, no address of a link or a picture that is not there yet."""
    assert differences(page, folder, ARRIVING, "unfinished") == []


def test_a_label_shows_a_name_as_it_is(page: Page, folder: Path) -> None:
    """In an expander's label, and in bold within a text; addresses too."""
    names = [
        *AS_SENT,
        "__init__",
        "a_b *c* `d`",
        "1. a",
        "- b",
        "x &amp; y",
        "\\(a\\)",
        "[a](b)",
        "**「a」**",
    ]
    expected = [(name, f"{name} <B>{name}</B>") for name in names]
    assert differences(page, folder, expected, "label") == []


@pytest.mark.soak
@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"{'  ' * depth}- item" for depth in range(2_000)),
        ">" * 20_000 + " quoted",
        "word " * 2_000_000,
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 20_000,
        "|1|2|\n|-|-|\n" + "|1|2|\n" * 1_000,
        "|1|2|\n|-|-|\n" + "|1|2|\n" * 9_900,
        "|**1**|`2`|\n" + "|-|-|\n" + "|**1**|`2`|\n" * 500,
        "$$\nx = \\frac{a}{b}\n$$\n\n" * 200,
        "So $x_1$ is.\n\n" * 210,
        "- a\n" * 1_400,
        "# a\n\n" * 340,
        "".join(f"Words **and** `code` of [number]({number}).\n\n" for number in range(980)),
        "```python\n" + "x = foo(1, 'a')\n" * 6_200 + "```",
        "**Words** in a paragraph. " * 300 + "\n\n" + "日本語の文章です。" * 8_000,
    ],
    ids=[
        "lists",
        "quotes",
        "10 MB",
        "table",
        "cells",
        "more cells",
        "bold cells",
        "displayed",
        "formulas",
        "items",
        "headings",
        "marks",
        "code",
        "words",
    ],
)
def test_no_text_costs_a_page_more_than_two_seconds(page: Page, folder: Path, text: str) -> None:
    """The time that the browser's main thread is busy, the page's own included."""
    performance = page.context.new_cdp_session(page)
    performance.send("Performance.enable")
    busy = []
    for _ in range(3):  # other tests may be at work at the same time
        draw(page, folder, [("finished", text)])
        page.wait_for_timeout(500)
        figures = performance.send("Performance.getMetrics")["metrics"]
        busy.append(next(figure["value"] for figure in figures if figure["name"] == "TaskDuration"))
    assert min(busy) < 2
