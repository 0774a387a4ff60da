"""Cases from spreadsheets and clipboards: every usual form is read, and what is broken is refused by its row."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.prompts import cases
from streamlab.prompts.cases import BrokenCases, CasesErrorCode, Table, read_cases

cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["=1+1", "a,b", "a;b", "a\tb", 'say "hi"', "two\nlines", "two\r\nlines", "東京", "😀", " padded "]
)


def refusal(data: bytes | str) -> tuple[CasesErrorCode, int | None] | None:
    try:
        read_cases(data)
    except BrokenCases as broken:
        return broken.code, broken.row
    return None


@given(st.sampled_from(",\t;"), st.lists(st.tuples(cells, cells, st.just("x")), min_size=1), st.sampled_from("\r\n"))
def test_what_a_spreadsheet_wrote_is_read_back(
    delimiter: str, rows: list[tuple[str, str, str]], first_end: str
) -> None:
    """Quotes, line breaks within quotes, and every delimiter within a text."""
    out = io.StringIO(newline="")
    if first_end == "\r":
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    else:  # where lines end without one, a carriage return is quoted only from Python 3.13 on
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("question", "答え", "c"), *rows])
    table = read_cases(out.getvalue().encode())
    assert table == Table(("question", "答え", "c"), tuple(rows))
    assert table.cases()[0] == dict(zip(table.columns, rows[0], strict=True))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp932"])
def test_every_usual_encoding_is_read(encoding: str) -> None:
    """Also what only Microsoft's Shift_JIS has. UTF-16 needs its byte order mark."""
    text = "都市,説明\r\n東京,①髙島屋～\r\n"
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    assert read_cases((mark + text).encode(encoding)) == Table(("都市", "説明"), (("東京", "①髙島屋～"),))


def test_what_is_pasted_may_begin_with_a_mark() -> None:
    """A byte order mark is no part of the first name."""
    assert read_cases("\ufeffa\tb\n1\t2").columns == ("a", "b")


def test_rows_without_text_are_dropped() -> None:
    """At the end as spreadsheets leave them, and in between. Names are trimmed, texts are not."""
    table = read_cases("\n a , b \n\n1, 2\n,\n  ,\n\n3,4\n,,\n".replace(",,\n", ",\n"))
    assert table == Table(("a", "b"), (("1", " 2"), ("3", "4")))


def test_a_table_may_have_one_column() -> None:
    """Then no delimiter has to be there."""
    assert read_cases("q\nWhat?\nWhy?").rows == (("What?",), ("Why?",))


def test_a_formula_stays_the_text_that_it_is() -> None:
    """It goes to a model, not to a spreadsheet."""
    assert read_cases("a\n=SUM(A1:A9)\n").rows == (("=SUM(A1:A9)",),)


@pytest.mark.parametrize(
    ("data", "code", "row"),
    [
        (b"", "no_rows", None),
        (b"\xef\xbb\xbf\r\n", "no_rows", None),
        ("a,b\n", "no_rows", None),
        ("a,b\n,\n", "no_rows", None),
        (b"a\n\x81\xff\x8d\xfe\x90\xfd\x9d", "undecodable", 2),
        (b"\xff\xfea", "undecodable", 1),
        ("a\n1\n\0", "nul", 3),
        (b"a,b\nx\0y,2", "nul", 2),
        ('a\n"1', "quotes", 2),
        ('a\n"1"2', "quotes", 2),
        ('"a\n1', "quotes", 1),
        ("a,,c\n1,2,3", "empty_header", 1),
        ("\n\na, \n1,2", "empty_header", 3),
        ("a, a\n1,2", "duplicate_header", 1),
        ("x" * 61 + "\n1", "long_header", 1),
        (",".join(map(str, range(21))) + "\n" + "x" + "," * 20, "too_many_columns", 1),
        ("a\n" + "x" * 32_001, "cell_too_long", 2),
        ("a\n" + "x" * 200_000, "cell_too_long", 2),
        ("a\n" + "1\n" * 1_001, "too_many_rows", 1_002),
        (b"a\n" + b"1\n" * 2**20, "too_large", None),
    ],
)
def test_each_flaw_has_its_code_and_its_row(data: bytes | str, code: CasesErrorCode, row: int | None) -> None:
    """Rows are those of the spreadsheet: the header is row 1."""
    assert refusal(data) == (code, row)


@pytest.mark.parametrize(("line", "got"), [("1,2,3", 3), ('1,"2,3",4,5', 4)])
def test_a_ragged_row_is_refused_with_its_fields(line: str, got: int) -> None:
    """Which row, how many fields it has, and how many it should. A quoted line break begins no row."""
    with pytest.raises(BrokenCases) as broken:
        read_cases(f'a,b\n"1\n1",2\n{line}\n')
    assert (broken.value.code, broken.value.row) == ("ragged", 3)
    assert (broken.value.got, broken.value.expected) == (got, 2)


def test_200_cases_are_read() -> None:
    """As many as a comparison is made for, and up to a thousand."""
    assert len(read_cases("a\n" + "1\n" * 200).rows) == 200
    assert len(read_cases("a\n" + "1\n" * cases.MAX_ROWS).rows) == cases.MAX_ROWS


@given(st.binary() | st.text(st.sampled_from('a"\r\n,;\t\0あ'), max_size=30))
def test_whatever_comes_there_is_one_error_to_expect(data: bytes | str) -> None:
    """What is read has a text for every column of every row."""
    try:
        table = read_cases(data)
    except BrokenCases:
        return
    assert table.rows
    assert {len(row) for row in table.rows} == {len(table.columns)}
