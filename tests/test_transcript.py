import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from streamlit.testing.v1 import AppTest

from components.answer import transcript
from components.markdown.blocks import MarkdownBlocks
from tests.browser import needs_chromium, opened

# Each is one top-level block (two lists side by side may become one), whatever comes before and after.
CONSTRUCTS = [
    "One line of words.",
    "Two lines\nof words, **bold** and `code`.",
    "**Bold** first.",
    "1984 was a year.",
    "これは日本語の段落です。\n二行目もあります。",
    "# Heading",
    "Setext\n======",
    "Setext too\nsecond line\n---",
    "---",
    "- - -",
    "***",
    "- tight\n- list",
    "- loose\n\n- list\n\n  with a paragraph\n\n      and code",
    "* other\n\n* marker",
    "1. one\n\n   continued\n\n2. two\n   - nested\n\n     deeper\n   - nested",
    "10) ten\n\n11) eleven",
    "- item\n\n  ```\n  code\n\n  code\n  ```",
    "- [ ] open\n- [x] done",
    "```python\nx = 1\n\n# no heading\n\n- no list\n```",
    "~~~\n```\n\nno end\n\n~~~",
    "````\n```\n\ninside\n````",
    "    indented\n\n    code",
    "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |",
    "> quoted\nlazily\n> - list",
    "> quote\n>\n> two",
    "<script>\nlet a = 1;\n</script>",
    "<!-- a comment\nover lines -->",
    "<?php\necho 1;\n?>",
    "<!DOCTYPE\nhtml>",
    "<![CDATA[\ntext\n]]>",
    "<div>\nwords\n</div>",
    "<custom-tag>\nwords",
    "$$\na = b\n\nc = d\n$$",
    ":::note\ninside\n:::",
    "[link]: https://example.org 'Title'",
    "With a [link] and a note[^1].",
    "[^1]: The note\n\n    goes on.\n\n    - here",
    ":red[coloured] :material/home: :smile:",
]

LINES = [
    *[""] * 12,
    *["words", "- item", "-", "--", "---", "* * *", "+ other", "1. one", "2) two", "3", "  two", "    four", "\tcode"],
    *[
        "```",
        "~~~ x",
        "- ```",
        "> quote",
        "# head",
        "===",
        "| a |",
        "|---|",
        "<div>",
        "</div>",
        "<script>",
        "</script>",
    ],
    *["<!--", "-->", "[a]: /url", "[a]:", "'title'", "**bold**", "  - nested", "   1. nested", "> - both", "日本語"],
]


def oracle(document: str) -> list[tuple[int, int]]:
    """The lines that the top-level blocks of the whole document hold, by a parser with the plugins as published."""
    parser = MarkdownIt("commonmark").enable("table").disable("html_block").use(dollarmath_plugin)
    return [(token.map[0], token.map[1]) for token in parser.parse(document) if token.map and token.level == 0]


def elements(chunks: list[str]) -> list[str]:
    """What each element holds after the chunks were fed one by one; the text held back is not in any."""
    blocks = MarkdownBlocks()
    shown = [""]
    for chunk in chunks:
        finished, opened = blocks.feed(chunk)
        if finished:
            shown[-1] = finished
            shown.append("")
        shown[-1] = opened
    return shown


def cut(text: str, sizes: list[int]) -> list[str]:
    """The text in chunks of these sizes, again and again."""
    chunks: list[str] = []
    while text:
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(text[:size])
        text = text[size:]
    return chunks


documents = some.lists(some.sampled_from(CONSTRUCTS), min_size=1, max_size=8)
chunk_sizes = some.lists(some.integers(1, 30), min_size=1, max_size=10)
line_ends = some.sampled_from(["\n", "\r\n"])
gaps = some.sampled_from(["\n\n", "\n\n\n", "\n  \n"])


@given(documents, chunk_sizes, line_ends, gaps)
def test_the_pieces_are_the_text_but_for_a_marker_held_back(
    constructs: list[str], sizes: list[int], line_end: str, gap: str
) -> None:
    """Nothing is lost, repeated or moved; what is held back is at most the start of a line."""
    document = gap.join(constructs).replace("\n", line_end)
    shown = "".join(elements(cut(document, sizes)))
    assert document.startswith(shown)
    assert set(document[len(shown) :]) <= set("-+*0123456789.) \t")
    assert (
        "".join(elements([*cut(document, sizes), f"{line_end}end{line_end}"])) == f"{document}{line_end}end{line_end}"
    )


@given(documents, chunk_sizes, line_ends, gaps)
def test_an_element_ends_only_where_a_top_level_block_ends(
    constructs: list[str], sizes: list[int], line_end: str, gap: str
) -> None:
    """Judged on the whole document, which the streaming side never sees, and by how the document was put together."""
    document = gap.join(constructs).replace("\n", line_end)
    spans = oracle(document)
    starts = {len(gap.join([*constructs[:number], ""]).replace("\n", line_end)) for number in range(len(constructs))}
    offset = 0
    for element in elements(cut(document, sizes))[:-1]:
        offset += len(element)
        line = document[:offset].count("\n")
        assert offset in starts
        assert not [span for span in spans if span[0] < line < span[1]]


@given(documents, chunk_sizes, gaps)
def test_what_stands_in_an_element_is_parsed_there_as_in_the_whole(
    constructs: list[str], sizes: list[int], gap: str
) -> None:
    """The elements' blocks, one after the other, are the blocks of the document."""
    document = gap.join(constructs)
    blocks = []
    first_line = 0
    for element in elements([*cut(document, sizes), "\nend\n"]):
        blocks += [(start + first_line, end + first_line) for start, end in oracle(element)]
        first_line += element.count("\n")
    whole = oracle(document + "\nend\n")
    assert [start for start, _ in blocks] == [start for start, _ in whole]


@given(some.lists(some.sampled_from(LINES), min_size=2, max_size=25), chunk_sizes)
def test_no_element_ends_inside_a_block_of_any_lines(lines: list[str], sizes: list[int]) -> None:
    """Also where blocks are left open, interrupt each other or are not what they look like."""
    document = "\n".join(lines)
    spans = oracle(document)
    line = 0
    for element in elements(cut(document, sizes))[:-1]:
        line += element.count("\n")
        assert not [span for span in spans if span[0] < line < span[1]]


@given(some.lists(some.integers(40, 600), min_size=2, max_size=12), chunk_sizes)
def test_with_ordinary_paragraphs_one_block_is_open(lengths: list[int], sizes: list[int]) -> None:
    """Every paragraph becomes an element of its own, so that what is sent again never exceeds one."""
    paragraphs = [("word " * length)[:length].strip() + "\n\n" for length in lengths]
    assert elements(cut("".join(paragraphs), sizes)) == paragraphs


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (["1. a\n\n", "2", ".", " b\n\n", "x"], ["1. a\n\n2. b\n\n", "x"]),
        (["1. a\n\n", "2", "0 people"], ["1. a\n\n", "20 people"]),
        (["- a\n\n", "-", " b"], ["- a\n\n- b"]),
        (["- a\n\n", "-", "--", "\n"], ["- a\n\n", "---\n"]),
        (["- a\n\n", "- - -", " b"], ["- a\n\n- - - b"]),
        (["* a\n\n", "*", "*b**"], ["* a\n\n", "**b**"]),
        (["a\n\n<scr", "ipt>\n\nb", "\n</script>\n\nc"], ["a\n\n", "<script>\n\n", "b\n</script>\n\n", "c"]),
        (["a\n\n`", "``\n\nb\n\n``", "`", "\n\nc"], ["a\n\n", "```\n\nb\n\n```\n\n", "c"]),
        (["```\na\n\n```", "python\n\nb"], ["```\na\n\n```python\n\nb"]),
        (["a\n\nTitle", "\n=", "==\n\nb"], ["a\n\n", "Title\n===\n\n", "b"]),
        (["- a\n\n", "  ", "b\n\n", "c"], ["- a\n\n  b\n\n", "c"]),
        (["a\n\n", "    code\n\n", "b"], ["a\n\n    code\n\n", "b"]),
        (["a\r", "\nb\r", "\n\r", "\nc"], ["a\r\nb\r\n\r\n", "c"]),
        (["a\r\rb"], ["a\r\r", "b"]),
        (["$", "$\na\n\nb\n$", "$\n\nc"], ["$$\na\n\nb\n$$\n\n", "c"]),
        (["$$ a\n\nb $$\n\nc"], ["$$ a\n\nb $$\n\n", "c"]),
        (["::", ":note\n\na\n\n::", ":\n\nb"], [":::note\n\na\n\n", ":::\n\n", "b"]),
        (["a\n:::\n\n```\n:::\n\nb\n```\n\nc"], ["a\n:::\n\n```\n:::\n\nb\n```\n\n", "c"]),
        (["[^1]: a\n\n", "    b\n\n", "c\n\n", "d"], ["[^1]: a\n\n    b\n\n", "c\n\n", "d"]),
        (["a\n\n[b]: /url", " is text\n\nc"], ["a\n\n[b]: /url is text\n\n", "c"]),
        (["\n\na"], ["\n\na"]),
        (["", "a", "", "\n\n", "", "b"], ["a\n\n", "b"]),
        (["a\n\nb\n\nc\n\nd"], ["a\n\nb\n\nc\n\n", "d"]),
    ],
)
def test_a_cut_waits_until_it_is_certain(chunks: list[str], expected: list[str]) -> None:
    """Markers that arrive in halves, blank lines that end nothing, line ends of every kind."""
    assert elements(chunks) == expected


@pytest.mark.parametrize(
    ("characters", "seconds"), [(0, 0.04), (200, 0.07), (400, 0.1), (2_000, 0.1), (5_000, 0.25), (20_000, 1.0)]
)
def test_a_frame_grows_with_the_open_block(characters: int, seconds: float) -> None:
    """Up to 100 ms at 400 characters; then 20,000 characters a second."""
    blocks = MarkdownBlocks()
    blocks.feed("x" * characters)
    assert blocks.frame_seconds == pytest.approx(seconds)


def test_a_frame_starts_anew_with_the_next_block() -> None:
    """A finished block is not sent again, so it slows nothing down."""
    blocks = MarkdownBlocks()
    blocks.feed("x" * 5_000 + "\n\ny")
    assert blocks.frame_seconds < 0.041


def test_each_frame_is_waited_for_after_its_text_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first text waits for nothing; an item without text, or without any to show yet, costs no frame."""
    steps: list[str | float] = []
    monkeypatch.setattr(time, "sleep", steps.append)

    def arriving() -> Iterator[str]:
        for text in ["a", "", "b", "\n\n", "-", " c"]:
            steps.append(text)
            yield text

    assert transcript.write(st.empty(), arriving()) == "ab\n\n- c"
    assert [step if isinstance(step, str) else "frame" for step in steps] == [
        *("a", "frame", "", "b", "frame", "\n\n", "frame", "-", " c", "frame")
    ]
    assert all(0 <= step <= 0.041 for step in steps if isinstance(step, float))


def test_a_stopped_answer_is_rendered_as_a_whole() -> None:
    """However much there is, one element holds it in the end, also what was held back."""

    def script() -> None:
        import streamlit as st

        from components.answer import transcript

        st.text(transcript.write(st.empty(), iter(["- a\n\n- b\n\nText\n\n", "1"])))

    app = AppTest.from_function(script).run()
    assert [element.value for element in app.markdown] == ["- a\n\n- b\n\nText\n\n1"]
    assert app.text[0].value == "- a\n\n- b\n\nText\n\n1"


def test_no_text_at_all_is_harmless() -> None:
    """A run that ends before its first token leaves nothing to see."""
    assert transcript.write(st.empty(), iter(["", ""])) == ""


def test_streamlits_own_interruption_passes_through() -> None:
    """A script that is stopped while it reads shows what it has and does not go on."""

    def script() -> None:
        from collections.abc import Iterator

        import streamlit as st

        from components.answer import transcript

        def arriving() -> Iterator[str]:
            yield "One\n\nTwo"
            st.stop()

        transcript.write(st.empty(), arriving())
        st.text("not reached")

    app = AppTest.from_function(script).run()
    assert [element.value for element in app.markdown] == ["One", "Two"]
    assert not app.text
    assert not app.exception


SAMPLE = "\n\n".join(
    [
        *CONSTRUCTS,
        "![image](https://example.org/a.png) <https://example.org> https://example.org ~~gone~~ *a* ***b*** a\\\nbreak",
        "Inline $e^{i\\pi} = -1$, :blue-background[a **background**] and <b>HTML</b> &amp; an entity.",
        "A second note[^long] and a [full][link] and a [collapsed][] reference.",
        "[^long]: Long\n    note.\n\n[collapsed]: https://example.org/c",
    ]
)

COMPARISON = f"""
import streamlit as st
from components.answer import transcript
from components.answer.markdown import draw_markdown

SAMPLE = {SAMPLE!r}
with st.container(key="whole"):
    draw_markdown(SAMPLE)
with st.container(key="streamed"):
    transcript.write(st.empty(), (SAMPLE[at : at + 17] for at in range(0, len(SAMPLE), 17)))
st.text("Complete")
"""


@needs_chromium
def test_the_finished_answer_is_the_same_html_as_one_markdown_element(tmp_path: Path) -> None:
    """Every construct, streamed in small chunks: what remains is what a finished answer draws."""
    script = tmp_path / "comparison.py"
    script.write_text(COMPARISON, encoding="utf-8")
    texts = [f".st-key-{key} [data-testid=stMarkdownContainer]" for key in ("whole", "streamed")]
    with opened(script) as page:
        page.get_by_text("Complete").wait_for(timeout=60_000)
        page.wait_for_timeout(1_000)  # the parts for formulas and emoji load when they are first needed
        whole, streamed = (page.locator(text).evaluate_all("all => all.map(one => one.innerHTML)") for text in texts)
    assert len(whole) == 1
    assert "katex" in whole[0]
    assert [without_ids(html) for html in streamed] == [without_ids(html) for html in whole]


def without_ids(html: str) -> str:
    """React numbers what it labels through the page."""
    return re.sub('":r[0-9a-z]+:"', '":r:"', html)
