"""What came of a set: who wins on what, and tables that are safe to open."""

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from streamlab.prompts.checks import Contains, Json, Verdict
from streamlab.prompts.exports import MARKDOWN_WORDS, to_csv, to_markdown
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.results import Cell, SummaryRow, summary
from streamlab.text.tables import harmless

GOOD = Verdict(True, "contained")
BAD = Verdict(False, "not_contained")
OPEN = Verdict(None, "too_complex")
WORDS = {word: f"<{word}>" for word in MARKDOWN_WORDS}


def a_set(count: int = 2, **fields: Any) -> PromptSet:
    variants = tuple(Variant(name=f"v{n}", template="Hi {a}", model="demo") for n in range(count))
    cases = ({"a": "1"}, {"a": "2"}, {"a": "3"})
    return PromptSet(**{"variants": variants, "columns": ("a",), "cases": cases, "checks": (Json(),)} | fields)


def done(variant: int, case: int = 0, repeat: int = 0, **fields: Any) -> Cell:
    return replace(Cell(variant, case, repeat, status="completed"), **fields)


def row(criterion: str, *cells: Cell, count: int = 2) -> SummaryRow:
    return next(row for row in summary(a_set(count), cells) if row.criterion == criterion)


def test_the_better_median_wins() -> None:
    """Less is better for times and tokens, and one slow answer does not decide."""
    times = [(0, 1.0), (0, 9.0), (0, 1.2), (1, 2.0), (1, 2.0), (1, 2.0)]
    cells = [
        done(variant, case % 3, ttft=time, total=2 * time, output_tokens=7)
        for case, (variant, time) in enumerate(times)
    ]
    assert row("ttft", *cells) == SummaryRow("ttft", (1.2, 2.0), (3, 3), (0,), False)
    assert row("total", *cells) == SummaryRow("total", (2.4, 4.0), (3, 3), (0,), False)
    assert row("output_tokens", *cells) == SummaryRow("output_tokens", (7, 7), (3, 3), (), False)


def test_several_can_win_and_when_all_are_equal_nobody_does() -> None:
    """A tie is named, not broken."""
    cells = [done(0, ttft=1), done(1, ttft=1), done(2, ttft=2)]
    assert row("ttft", *cells, count=3).winners == (0, 1)
    assert row("ttft", *cells[:2], count=3).winners == ()


def test_what_is_unknown_never_wins() -> None:
    """Nor does the only one that is known."""
    assert row("ttft", done(0), done(1, ttft=3)) == SummaryRow("ttft", (None, 3), (0, 1), (), False)
    assert row("ttft", done(0), done(1, ttft=3), done(2, ttft=4), count=3).winners == (1,)
    assert row("ttft") == SummaryRow("ttft", (None, None), (0, 0), (), False)


def test_answers_that_failed_have_no_part_in_the_times() -> None:
    """Whoever fails fast is not fast, and the number of answers is there to see."""
    cells = [done(0, ttft=2), done(0, 1, ttft=2), done(1, ttft=3), Cell(1, 1, 0, status="failed", ttft=0.1)]
    assert row("ttft", *cells) == SummaryRow("ttft", (2, 3), (2, 1), (0,), True)
    assert row("good", *cells) == SummaryRow("good", (1, 0.5), (2, 2), (0,), False)


def test_waiting_and_running_cells_are_no_answers_yet() -> None:
    """The table can be looked at while it fills."""
    cells = [done(0), Cell(0, 1, 0), Cell(1, 0, 0, status="running", text="half", ttft=0.1)]
    assert row("good", *cells) == SummaryRow("good", (1, None), (1, 0), (), False)
    assert row("ttft", *cells).values == (None, None)


def test_a_sum_of_fewer_answers_is_not_cheaper() -> None:
    """Nor is one with an unknown in it; free is known."""
    cells = [done(0, cost=2.0), done(0, 1, cost=2.0), done(1, cost=3.0), Cell(1, 1, 0, status="failed", cost=0.0)]
    assert row("cost", *cells) == SummaryRow("cost", (4.0, 3.0), (2, 1), (), True)
    cells[3] = done(1, 1)
    assert row("cost", *cells) == SummaryRow("cost", (4.0, None), (2, 2), (), False)
    cells[3] = done(1, 1, cost=0.5)
    assert row("cost", *cells) == SummaryRow("cost", (4.0, 3.5), (2, 2), (1,), False)
    assert row("cost", done(0, cost=0.0), done(1, cost=1.0)).winners == (0,)


def test_checks_are_shares_of_what_could_be_decided() -> None:
    """An answer whose checks could not be decided counts neither way; the counts are those of the verdicts."""
    cells = [
        done(0, verdicts=(GOOD, GOOD)),
        done(0, 1, verdicts=(GOOD, BAD)),
        done(1, verdicts=(GOOD, OPEN)),
        done(1, 1, verdicts=(OPEN, OPEN)),
    ]
    assert row("passed", *cells) == SummaryRow("passed", (0.75, 1), (4, 1), (1,), True)
    assert row("failed", *cells) == SummaryRow("failed", (0.25, 0), (4, 1), (1,), True)


def test_thumbs_are_those_up_less_those_down() -> None:
    """Of the answers that were judged."""
    cells = [done(0, thumb="up"), done(0, 1, thumb="down"), done(0, 2), done(1, thumb="up")]
    assert row("thumbs", *cells) == SummaryRow("thumbs", (0, 1), (2, 1), (1,), True)


def test_the_spread_is_over_repeats() -> None:
    """How many different answers a case has, and how far apart in time; a case with one answer has no spread."""
    cells = [
        done(0, 0, 0, text="a", total=1.0),
        done(0, 0, 1, text="a ", total=3.0),
        done(0, 0, 2, text="b", total=2.0),
        done(0, 1, 0, text="x", total=5.0),
        done(0, 1, 1, text="x", total=9.0),
        done(1, 0, 0, text="y", total=1.0),
        done(1, 1, 0, text="z", total=2.0),
    ]
    assert row("answers", *cells) == SummaryRow("answers", (1.5, None), (5, 2), (), False)
    assert row("total_range", *cells) == SummaryRow("total_range", (3.0, None), (5, 2), (), False)


cells = st.builds(
    Cell,
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 2),
    status=st.sampled_from(["waiting", "running", "completed", "stopped", "failed", "lost"]),
    text=st.text(max_size=5),
    ttft=st.none() | st.floats(0, 9),
    total=st.none() | st.floats(0, 9),
    output_tokens=st.none() | st.integers(0, 9),
    cost=st.none() | st.floats(0, 9),
    verdicts=st.lists(st.sampled_from([GOOD, BAD, OPEN]), max_size=1).map(tuple),
    thumb=st.sampled_from([None, "up", "down"]),
)


@given(st.lists(cells, max_size=20))
def test_a_winner_has_a_value_that_another_has_not(found: list[Cell]) -> None:
    """Whatever the answers so far are."""
    for one in summary(a_set(3), found):
        best = [value for place in one.winners if (value := one.values[place]) is not None]
        assert len(best) == len(one.winners)
        assert max(best, default=0) - min(best, default=0) <= 0.01, "only what is shown as equal ties"
        assert len(one.winners) < 3
        if one.winners:
            assert any(value is not None and value not in best for value in one.values)
        for value, count in zip(one.values, one.counts, strict=True):
            assert value is None or count > 0


# Tables to take away

FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "＋1",
    "－1",
    "＠1",
    '=HYPERLINK("http://x")',
]


def rows(data: bytes) -> list[list[str]]:
    assert data.startswith(b"\xef\xbb\xbf"), "Excel knows the encoding by the mark"
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def test_a_table_of_results_holds_everything() -> None:
    """A row for each cell, numbers as numbers, unknown as nothing."""
    cell = done(
        1, 2, 1, text='東京,\n"x"', ttft=0.12345, total=1.5, input_tokens=3, output_tokens=4, cost=1e-6, verdicts=(BAD,)
    )
    head, first, second = rows(to_csv(a_set(), [replace(cell, thumb="up"), Cell(0, 0, 0, code="timeout")]))
    found = dict(zip(head, first, strict=True))
    assert found["variant"] == "v1"
    assert (found["case"], found["repeat"], found["thumb"]) == ("3", "2", "up")
    assert (found["ttft_seconds"], found["total_seconds"], found["cost_usd"]) == ("0.1235", "1.5", "1e-06")
    assert (found["text"], found["input: a"], found["check 1: json"]) == ('東京,\n"x"', "3", "failed")
    empty = dict(zip(head, second, strict=True))
    assert (empty["status"], empty["code"]) == ("waiting", "timeout")
    assert empty["ttft_seconds"] == empty["cost_usd"] == empty["check 1: json"] == ""


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_text_is_a_formula_to_a_spreadsheet(formula: str) -> None:
    """Wherever it stands: an answer, a name, a column, a case."""
    variants = tuple(
        Variant(name=name.strip() or "x", template="{a}", model=formula) for name in (formula.strip(), "b")
    )
    prompts = a_set(variants=variants, columns=(formula.strip(),), cases=({formula.strip(): formula},))
    table = rows(to_csv(prompts, [done(0, text=formula)]))
    texts = [text for line in table for text in line if formula.strip() in text]
    assert len(texts) == 5
    assert all(text.startswith(("'", "input: ")) for text in texts)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_a_harmless_text_stays_as_it_is(text: str) -> None:
    """Only what begins like a formula is changed, by one character."""
    assert harmless(text).removeprefix("'") == text.removeprefix("'")
    assert harmless(text)[:1] not in set("=+-@\t\r\n＝＋－＠")


NASTY = [
    "a|b",
    "a\nb",
    "a\r\n\r\nb",
    "<script>alert(1)</script>",
    "`code` | x",
    "\\|",
    "[x](http://y)",
    "**b** _i_",
    "&lt;",
    "$x$",
    "東京",
]


@pytest.mark.parametrize("text", NASTY)
def test_a_text_stays_in_its_cell(text: str) -> None:
    """Pipes, line ends, markup and HTML of an answer are shown, and nothing else."""
    document = to_markdown(a_set(), [done(0, text=text), done(1, text="last")], WORDS)
    html = MarkdownIt("commonmark").enable("table").render(document)
    assert html.count("<table>") == 2
    answers = html.split("<tbody>")[2]
    assert answers.count("<tr>") == 2
    assert answers.count("<td>") == 10
    assert not any(tag in html for tag in ("<script", "<em>", "<strong>", "<a ", "<code>"))
    cell = answers.split("<td>")[5].split("</td>")[0]
    shown = cell.replace("&lt;br&gt;", "\n").replace("<br>", "\n")
    for code, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        shown = shown.replace(code, character)
    assert shown == text.replace("\r\n", "\n")


def test_the_report_says_who_wins_of_how_many() -> None:
    """In the words of the caller's language, with units."""
    found = [done(0, ttft=1.0, cost=0.5, verdicts=(GOOD,)), done(1, ttft=2.0, verdicts=(BAD,))]
    lines = to_markdown(a_set(checks=(Contains(value="x"),)), found, WORDS).splitlines()
    assert lines[0] == "## &lt;summary&gt;"
    assert lines[2] == "| &lt;criterion&gt; | v0 | v1 |"
    assert "| &lt;ttft&gt; | 1.00 s (n=1) &lt;wins&gt; | 2.00 s (n=1) |" in lines
    assert "| &lt;cost&gt; | US\\$0.500000 (n=1) | &lt;unknown&gt; |" in lines
    assert "| &lt;passed&gt; | 100% (n=1) &lt;wins&gt; | 0% (n=1) |" in lines
