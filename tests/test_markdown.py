import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as some
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from streamlit.testing.v1 import AppTest

from components.answer.export import to_markdown
from components.markdown.blocks import MarkdownBlocks
from components.markdown.bounds import is_too_much
from components.markdown.document import Code, rewrite
from components.page.texts import plain
from streamlab.chats.chat import Chat, Turn
from streamlab.events.outcome import UNKNOWN, Outcome
from streamlab.events.timings import Timings
from streamlab.models.options import Options
from tests.markdown_documents import AS_SENT, BLOCKS, INLINE, cases
from tests.work import calls

MARKS = "*_~`$:[]!<>|\\#-= \n(){}&x5あ「。"
PICTURES = ["![p](//x.org/p.png)", "![p][r]", "[r]: //x.org/q.png\n", "https://x.org/", "www.x.org/", "<me@x.org>"]
BEGIN = ["> ", "+ ", "1. ", "[^1]: ", "    ", "```\n", "\n\n", "\\(", "\\)", "\\[", "\\]", "$$", "](", "<br>", "``"]
PIECES = [*(source for source, _ in [*INLINE, *BLOCKS, *cases()]), *MARKS, *PICTURES, *BEGIN]
pieces = some.lists(some.sampled_from(PIECES), max_size=12).map("".join)
sizes = some.lists(some.integers(1, 9), min_size=1, max_size=5)


def joined(texts: list[str]) -> str:
    """All Markdown and code of these, without blank lines."""
    lines = "\n".join(part.text for text in texts for part in rewrite(text)).split("\n")
    return "\n".join(line for line in lines if line.strip() and line != "[//]: #")


@given(some.lists(some.sampled_from([source for source, _ in [*INLINE, *BLOCKS]]), min_size=1, max_size=6), sizes)
def test_the_blocks_of_a_stream_are_written_as_the_whole(paragraphs: list[str], sizes: list[int]) -> None:
    """However a text arrives, its finished blocks, one after the other, are what the finished answer is.

    But for what is defined only later, which a finished block cannot know.
    """
    text = "\n\n".join(paragraphs)
    assume("]: " not in text)
    blocks, finished, opened, at, turn = MarkdownBlocks(), [], "", 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        done, opened = blocks.feed(text[at : at + size])
        finished += [done] if done else []
        at, turn = at + size, turn + 1
    assert joined([*finished, opened]) == joined([text])


@example("\\``` code", 3)
@example("`![a](//x.org/p.png)\\( a\n+ b \\)", 100)
@example("https://x.org/a->b![p](//x.org/p.png)", 100)
@example("[a](https://x.org/a\\>b![p](//x.org/p.png))", 100)
@example("\\https://x.org/![p](//x.org/p.png)", 100)
@example("www.x.org/![p](//x.org/p.png)https://x.org/", 100)
@example("\\(a = $$![p](//x.org/p.png)_\\)", 100)
@example("\\begin{align}a = $$![p](//x.org/p.png)$$\\end{align}", 100)
@example("\\(a = ![p](//x.org/p.png)$\\)", 100)
@example("a\n$$> ![p](//x.org/p.png)$$\n\nb", 100)
@example("[a](</a\\>b![p](//x.org/p.png)>)", 100)
@given(pieces, some.integers(0, 200))
def test_any_text_can_be_written_at_any_moment(text: str, end: int) -> None:
    """No text fails, finished or not, and none becomes a picture that is loaded."""
    for unfinished in (True, False):
        for part in rewrite(text[:end], unfinished=unfinished):
            assert isinstance(part, Code) or all(at.startswith("data:") for at in pictures(part.text))


STICK = MarkdownIt("gfm-like", {"linkify": False}).use(dollarmath_plugin, double_inline=True).use(footnote_plugin)


def pictures(text: str) -> list[str]:
    """Find the addresses of the pictures that Markdown shows, but for what is a formula in the browser."""
    text = re.sub(r"^\s*\$\$\n(?:.*\n)*?\s*\$\$$", "", text, flags=re.MULTILINE)
    blocks = STICK.parse(text)
    inline = [token for block in blocks for token in block.children or ()]
    return [str(token.attrs["src"]) for token in inline if token.type == "image"]


def test_a_picture_of_another_host_is_found() -> None:
    """The measuring stick of the test above."""
    assert pictures("- a ![b](//x.org/c) `![d](e)` [f](<![g](h)>)") == ["//x.org/c"]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"{'  ' * depth}- item" for depth in range(2_000)),
        " ".join("-" for _ in range(2_000)) + " item",
        ">" * 20_000 + " quoted",
        "\n".join(">" * depth for depth in range(1, 300)),
        "word " * 2_000_000,
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 20_000,
        "1|2\n-|-\n" + "1|2\n" * 1_500,
        "|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + "|\n" * 100,
        "> - |a|b|c|\n>   |-|-|-|\n" + ">   |1|2|3|\n" * 1_000,
        "```\ncode\n```\n\n" + "|1|2|\n|-|-|\n" + "|1|2|\n" * 1_500,
        "> ```\n\n" + "|1|2|\n|-|-|\n" + "|1|2|\n" * 1_500,
        "$$\nx\n$$\n\n" * 300,
        "So $5x$ is.\n\n" * 300,
        "- a\n" * 2_000,
        "# a\n\n" * 500,
        "a\n=\n\n" * 500,
        "```\na\n```\n" * 300,
        "*a " * 20_000,
        "$x$ " * 5_000,
        "[" * 20_000,
        "a:b " * 20_000,
    ],
    ids=[
        "lists",
        "lists on a line",
        "quotes",
        "quotes on lines",
        "10 MB",
        "table",
        "cells",
        "columns",
        "cells in a list",
        "cells after code",
        "cells after a quote",
        "displayed",
        "begin as prices",
        "items",
        "headings",
        "underlined headings",
        "fences",
        "stars",
        "formulas",
        "brackets",
        "colons",
    ],
)
def test_what_would_hold_up_a_page_is_plain_text(text: str) -> None:
    """It is neither parsed on the server nor in the browser; to find out costs a moment."""
    assert calls(lambda: shown_plain(text)) < 4 * len(text)


def shown_plain(text: str) -> None:
    """See that neither a whole text nor one that arrives is taken for Markdown."""
    assert is_too_much(text)
    blocks = MarkdownBlocks()
    assert blocks.feed(text) == ("", text)


@pytest.mark.parametrize(("source", "_right"), [*INLINE, *BLOCKS])
def test_what_people_read_is_not_too_much(source: str, _right: str) -> None:
    """A long answer of ordinary parts, some hundred formulas among them, and long code, stay Markdown."""
    assert not is_too_much("\n\n".join([source] * (240 // max(3, source.count("$")))))
    code = "x_y = [a * b for a, b in z]  # note | $x$\n"
    assert not is_too_much(f"```python\n{code * 1_000}```\n")
    assert not is_too_much(f"```python\n{code * 10}```\n\nSo:\n\n" * 100)


def test_an_answer_about_money_is_not_too_much() -> None:
    """A sum of money is no formula, however many there are, in a table too."""
    assert not is_too_much("It costs $5 and $6, then US$1,000.\n\n" * 800)
    assert not is_too_much("| a | b |\n|---|---|\n" + "| one | $1,234 |\n" * 500)


def test_a_long_table_is_rewritten_in_linear_time() -> None:
    """Each frame of it while it arrives, too."""
    few, many = ("|a|b|\n|-|-|\n" + "|1|2|\n" * rows for rows in (1_000, 8_000))
    assert calls(lambda: rewrite(many, unfinished=True)) < 9 * calls(lambda: rewrite(few, unfinished=True))


def test_an_export_has_the_text_as_it_was_sent() -> None:
    """What Streamlit needs is no part of an answer."""
    text = "\n\n".join(source for source, _ in [*INLINE, *BLOCKS])
    outcome = Outcome("completed", None, None, text, "", UNKNOWN, Timings(None, 1.0), 0)
    turn = Turn("Why?", Options("demo", "", 1.0), "run", 0.0, outcome)
    assert text in to_markdown(Chat("id", (turn,)), (turn,), {})


@pytest.mark.parametrize("text", AS_SENT)
def test_a_label_escapes_what_streamlit_reads(text: str) -> None:
    """What it shows is read back in a browser elsewhere; here, no mark of Streamlit's is left bare."""
    assert not re.search(r"(?<!\\):(?!color\[\])[a-z]|(?<!\\)[$<`*~\[]", plain(text).replace(":color[]", ""))


def test_too_long_an_answer_says_why_it_is_plain() -> None:
    """Finished, and while it arrives, in one box that holds nothing else."""

    def script() -> None:
        import streamlit as st

        from components.answer import transcript

        transcript.write(st.empty(), iter(["**a**\n\n", "b\n\n", "word " * 30_000]), frames=0)

    app = AppTest.from_function(script).run()
    assert [element.value[:21] for element in app.caption] == ["Shown as plain text, "]
    assert [len(element.value) for element in app.code] == [150_010]
    assert not app.markdown
