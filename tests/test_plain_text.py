"""Text for other programs, and how many tokens it may have."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from streamlab.text.tables import harmless, inline, markdown_table
from streamlab.text.tokens import estimate_tokens

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠SUM")


# Cells of a spreadsheet


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_text(text: str) -> None:
    """Behind an apostrophe; the text itself is as it was."""
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", " =1", "1-1", "'=1", "東京", "−1"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    """Also where a sign stands within it."""
    assert harmless(text) == text


@given(st.text(st.characters(codec="utf-8")))
def test_no_cell_begins_a_formula(text: str) -> None:
    """Whatever it holds; and a CSV file gives it back."""
    cell = harmless(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert cell.removeprefix("'") in (text, text.removeprefix("'"))
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow([cell, "end"])
    assert next(csv.reader(io.StringIO(stream.getvalue(), newline=""))) == [cell, "end"]


# Tables in Markdown


def cells(table: str) -> list[list[str]]:
    """Read a table as a Markdown reader shows it: the text of each cell, `<br>` for a line end."""
    found: list[list[str]] = []
    for token in MARKDOWN.parse(table):
        if token.type == "tr_open":
            found.append([])
        elif token.type == "inline":
            assert {child.type for child in token.children or []} <= {"text", "text_special", "html_inline"}
            found[-1].append("".join(child.content for child in token.children or []))
    return found


@pytest.mark.parametrize(
    "text",
    ["a|b", "**bold**", "_x_", "[a](b)", "# head", "`code`", "~~s~~", "![i](u)", "$x$", "a\\", "<b>", "&amp;", "*"],
)
def test_a_cell_is_shown_as_it_is_written(text: str) -> None:
    """Nothing of it is markup, HTML, or the end of its cell."""
    (head, row) = cells(markdown_table(["one", "two"], [[text, "end"]]))
    assert head == ["one", "two"]
    assert row == [text, "end"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_a_line_end_does_not_end_a_row(end: str) -> None:
    """It is a break within the cell, one for each."""
    assert inline(f"a{end}b") == "a<br>b"
    assert len(cells(markdown_table(["h", "i"], [[f"a{end}b", "c"], ["d", "e"]]))) == 3


plain = st.text(st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\x00"), max_size=20)


@given(st.lists(st.lists(plain, min_size=2, max_size=2), max_size=5))
def test_a_table_has_the_rows_and_columns_that_it_was_given(rows: list[list[str]]) -> None:
    """However much the cells look like one."""
    table = markdown_table(["a", "b"], rows)
    assert [len(row) for row in cells(table)] == [2] * (len(rows) + 1)


# Tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("東京", 2), ("東京 x", 3), ("🎉", 1)],
)
def test_tokens_are_estimated_by_two_kinds_of_characters(text: str, tokens: int) -> None:
    """Four of ASCII a token, one of any other."""
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text())
def test_a_text_has_as_many_tokens_as_its_parts_or_one_fewer(one: str, other: str) -> None:
    """So what was estimated bit by bit is near what is estimated whole."""
    together = estimate_tokens(one + other)
    assert together <= estimate_tokens(one) + estimate_tokens(other) <= together + 1
    assert max(estimate_tokens(one), estimate_tokens(other)) <= together


@given(st.text(min_size=1))
def test_no_text_is_free(text: str) -> None:
    """And none costs more than a token for each character."""
    assert 1 <= estimate_tokens(text) <= len(text)
