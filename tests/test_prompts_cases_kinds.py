"""Tables as people have them: every kind is read as it was meant, or refused with the row and the reason."""

import codecs
import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.prompts.cases import BrokenCases, Table, read_cases
from streamlab.prompts.checks import Check, Contains, Equals
from streamlab.text.encodings import ENCODINGS, UnknownEncoding, decode

FILES = Path(__file__).parent / "cases" / "csv"
TEA = ("topic", "tone"), (("tea", "dry"),)
TEA_AND_COFFEE = ("topic", "tone"), (("tea", "dry"), ("coffee", "warm"))

READ: dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    "cases_bare_quote": (("topic", "size"), (("monitor", '27" wide'), ("tv", '55" flat'))),
    "cases_comment": TEA,
    "cases_cr_only": TEA_AND_COFFEE,
    "cases_dotted": (("user_name", "first_name", "topic"), (("Ann", "Bo", "tea"),)),
    "cases_euc_jp": (("質問", "答え"), (("天気は", "晴れ"),)),
    "cases_index_col": TEA_AND_COFFEE,
    "cases_pipe": TEA,
    "cases_promptfoo": (
        ("topic", "expected_contains", "expected_icontains", "expected_equals"),
        (("tea", "tea", "cup", ""), ("coffee", "", "", "coffee")),
    ),
    "cases_sep_line": TEA,
    "cases_short_rows": (("topic", "tone", "note"), (("tea", "dry", ""), ("coffee", "warm", "x"))),
    "cases_space_after_comma": (("topic", "text"), (("tea", "hot, sweet"),)),
    "cases_utf16le_nobom": TEA,
    "cases_windows1252": (("name", "text"), (("résumé tips", "Café déjà vu"), ("naïve", "crème brûlée"))),
    "cases_windows1252_semicolon": (("Prénom", "Ville"), (("Andréa", "Orléans"), ("Hélène", "Béziers"))),
}


@pytest.mark.parametrize("path", sorted(FILES.iterdir()), ids=lambda path: path.stem)
def test_each_file_is_read_as_it_was_meant(path: Path) -> None:
    """None is garbled, and none refused that people would read."""
    assert read_cases(path.read_bytes()) == Table(*READ[path.stem])


def told(data: bytes | str, **choice: str) -> list[tuple[Any, ...]]:
    return [(remark.code, *remark.rows, *remark.names) for remark in read_cases(data, **choice).remarks]


def test_what_is_read_otherwise_is_told() -> None:
    """With its rows or its names, so that nobody looks for them."""
    found = {path.stem: told(path.read_bytes()) for path in FILES.iterdir()}
    assert {name: remarks for name, remarks in found.items() if remarks} == {
        "cases_comment": [("remarks", 1)],
        "cases_dotted": [("renamed", "user.name → user_name", "first name → first_name")],
        "cases_index_col": [("index_column", "1")],
        "cases_promptfoo": [("directives", "__description", "__metadata:tag")],
        "cases_short_rows": [("short_rows", 2)],
    }


def test_expectations_become_checks() -> None:
    """Where one says the same; the others are told with their rows."""
    table = read_cases((FILES / "cases_promptfoo.csv").read_bytes())
    expected: tuple[Check, ...] = (
        Contains(value="{expected_contains}"),
        Contains(value="{expected_icontains}", ignore_case=True),
        Equals(value="{expected_equals}"),
    )
    assert table.checks == expected
    table = read_cases('q,__expected\na,javascript: 1\nb,llm-rubric: is nice\nc,C\nd,"contains: {q}"\n')
    assert [(each.code, each.place, each.detail) for each in table.left_out] == [
        ("code", "__expected (2)", "javascript"),
        ("assertion", "__expected (3)", "llm-rubric"),
    ]
    assert table.checks == (Equals(value="{expected_equals}"), Contains(value="{expected_contains}"))


# Encodings

JAPANESE = [
    "お題,例\r\n宇宙,星\r\n",
    "題材\r\nストリーミング\r\n",
    "質問,回答\r\n日本で一番高い山は？,富士山\r\n",
    "学年,組,氏名\r\n3,B,渡邉 翔太\r\n",
    "商品名;価格\r\nりんご;120円\r\n",
    "作品;作者\r\n坊っちゃん;夏目漱石\r\n",
    "題材,口調\r\nお茶,ていねい\r\n",
    "国名,首都\r\n日本,東京\r\n",
]
FRENCH = [
    "élève,note\r\nChloé,15\r\n",
    "mot\r\nça\r\n",
    "topic,tone\r\ncafé,dry\r\n",
    "thème\r\nla révolution française\r\n",
    "Où,Là\r\nNoël,à\r\n",
]
GERMAN = ["Straße\r\nGroßer Weg\r\n", "Thema;Ton\r\nÜbung;höflich\r\n", "topic,tone\r\nKäse,dry\r\n"]
POLISH = ["pytanie,odpowiedź\r\nco to jest źródło?,początek rzeki\r\n", "miasto\r\nŁódź\r\nGdańsk\r\n"]
RUSSIAN = ["вопрос,ответ\r\nчто такое поток?,данные\r\n", "слово\r\nМосква\r\n"]
THAI = ["คำถาม,คำตอบ\r\nเมืองหลวงของไทย,กรุงเทพฯ\r\n"]
KINDS = [
    ("cp932", [*JAPANESE, "①～⑩,㎡\r\n髙橋,﨑\r\n", "topic,x\r\n猫,dry\r\n", "ｶﾅ,x\r\nｱｲｳ,y\r\n"]),
    ("euc_jp", JAPANESE),
    ("iso2022_jp", [text for text in JAPANESE if "邉" not in text]),
    ("utf-16-le", [*JAPANESE, *FRENCH]),
    ("utf-16-be", [*JAPANESE, *FRENCH]),
    ("utf-32-le", JAPANESE),
    ("utf-8", [*JAPANESE, *FRENCH, *POLISH, *RUSSIAN]),
    ("cp1252", [*FRENCH, *GERMAN, "“smart” quotes,it’s\r\nyes – no,a…\r\n", "prix;TVA\r\n12,50 €;20 %\r\n"]),
    ("iso8859-15", [*FRENCH, *GERMAN, "prix;œuvre\r\n5 €;œuf\r\n"]),
    ("mac_roman", [*FRENCH, *GERMAN]),
    ("cp1250", POLISH),
    ("iso8859-2", POLISH),
    ("cp1251", RUSSIAN),
    ("koi8_r", RUSSIAN),
    ("gb18030", ["问题,语气\r\n什么是流式传输？,简单\r\n", "城市\r\n上海\r\n北京\r\n"]),
    ("big5", ["問題,語氣\r\n什麼是串流？,簡單\r\n", "城市\r\n高雄\r\n"]),
    ("cp949", ["질문,어조\r\n스트리밍이란?,친근하게\r\n"]),
]


@pytest.mark.parametrize(("encoding", "text"), [(encoding, text) for encoding, texts in KINDS for text in texts])
def test_every_usual_encoding_is_found(encoding: str, text: str) -> None:
    """In a table of two lines, without any mark; one that has the same bytes for the text is as good."""
    found = decode(text.encode(encoding))
    assert found.text == text
    assert found.encoding in ENCODINGS
    assert found.certain == (encoding in ("utf-8", "iso2022_jp"))


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_mark_decides(mark: bytes, encoding: str) -> None:
    """And is no part of the first name."""
    table = read_cases(mark + "質問,答え\r\n天気は,①\r\n".encode(encoding))
    assert (table.columns, table.encoding, table.certain) == (("質問", "答え"), encoding, True)


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=4)


@given(texts.map(lambda text: f"a\n{text}"))
def test_what_is_utf_8_is_read_as_utf_8(text: str) -> None:
    """Whatever its characters are, but for one or two that another encoding has as well."""
    found = decode(text.encode())
    assert found.text == text.removeprefix("\ufeff") or (not found.certain and len(text) < 20)


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "cp1252", "utf-16-be"])
def test_the_end_that_dos_writes_is_no_case(encoding: str) -> None:
    """Where that byte is one; the last one of a text in UTF-16 stays."""
    text = "質問,答え\r\n猫,会" if encoding != "cp1252" else "thème,x\r\nété,à"
    end = b"" if encoding == "utf-16-be" else b"\r\n\x1a"
    assert read_cases(text.encode(encoding) + end) == read_cases(text)


@given(st.sampled_from([*ENCODINGS]), st.sampled_from([*JAPANESE, *FRENCH, *POLISH, *RUSSIAN, *THAI]))
def test_the_encoding_that_is_chosen_is_taken(encoding: str, text: str) -> None:
    """Also where the bytes would be something in another one."""
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        return
    assert decode(data, encoding).text == text


@pytest.mark.parametrize(
    ("data", "encoding", "row"),
    [
        ("名前,答え\r\nAさん,晴れ\r\nBさん,".encode() + b"\xff\xfe\r\n", None, 3),
        ("a\r\n猫\r\n".encode("cp932"), "utf-8", 2),
        ("a\r\nb\r\né\r\n".encode("cp1252"), "cp932", 3),
    ],
)
def test_what_is_in_no_encoding_is_refused_with_its_row(data: bytes, encoding: str | None, row: int) -> None:
    """Damaged UTF-8 is not read as something else, in which all the rest would be rubbish."""
    with pytest.raises(BrokenCases) as broken:
        read_cases(data, encoding)
    assert (broken.value.code, broken.value.row) == ("undecodable", row)


@given(st.binary())
def test_any_bytes_are_a_text_or_refused(data: bytes) -> None:
    """And a text can be written back to bytes that are the same text; Windows' Japanese has some characters twice."""
    try:
        found = decode(data)
    except UnknownEncoding:
        return
    assert found.text.encode(found.encoding).decode(found.encoding) == found.text


# Delimiters, rows and names


MARKDOWN = [
    "| topic | tone |\n|---|---|\n| tea | dry |\n| coffee | warm |\n",
    "|topic|tone|\n|:--|:-:|\n|tea|dry|\n|coffee|warm|",
    "topic | tone\n--- | ---\ntea | dry\ncoffee | warm\n",
    "\n# Cases\n\n  | topic  | tone |\n  | ------ | ---: |\n  | tea    | dry  |\n\n  | coffee | warm |\n",
    "| topic | tone |\n|-------+------|\n| tea | dry |\n| coffee | warm |\n",
    " topic  | tone \n--------+------\n tea    | dry\n coffee | warm\n",
    "+--------+------+\n| topic  | tone |\n+--------+------+\n| tea    | dry  |\n| coffee | warm |\n+-------+------+\n",
]


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("a\tb\n1\t2,5\n", ("a", "b"), (("1", "2,5"),)),
        ("name;price\ntea;1,50\ncoffee;2,00\n", ("name", "price"), (("tea", "1,50"), ("coffee", "2,00"))),
        ("name;price, net\ntea;1,50\ncoffee;2,00\n", ("name", "price_net"), (("tea", "1,50"), ("coffee", "2,00"))),
        ('sep=|\na|"b;c"\n1|2\n', ("a", "b_c"), (("1", "2"),)),
        ('"sep=;"\r\na;b\r\n1;2\r\n', ("a", "b"), (("1", "2"),)),
        ('a,b\n"two\nlines",2\n', ("a", "b"), (("two\nlines", "2"),)),
        ('a,b\n"say ""hi""",2\n', ("a", "b"), (('say "hi"', "2"),)),
        ("a,b\n“x”,‘y’\n", ("a", "b"), (("“x”", "‘y’"),)),
        ("a,b,\n1,2,\n", ("a", "b"), (("1", "2"),)),
        ("a;b;\n1;2;\n3;4;\n", ("a", "b"), (("1", "2"), ("3", "4"))),
        ("a,b\n1,2,,\n", ("a", "b"), (("1", "2"),)),
        ("\n\na,b\n\n1,2\n\n", ("a", "b"), (("1", "2"),)),
        ("# x\n# y\na,b\n# later\n1,2\n", ("a", "b"), (("1", "2"),)),
        ("#,topic\n1,tea\n", ("column", "topic"), (("1", "tea"),)),
        ("a,b\n# note, x\n1,2\n", ("a", "b"), (("1", "2"),)),
        ("a,b,c\n# note, x\n1,2,3\n", ("a", "b", "c"), (("1", "2", "3"),)),
        ('a,b\n"# Title, long",x\n#tag,y\n', ("a", "b"), (("# Title, long", "x"), ("#tag", "y"))),
        ("a,b\n1,2\n\x1a", ("a", "b"), (("1", "2"),)),
        ("a,b\n1,2\x1a\x1a\n", ("a", "b"), (("1", "2"),)),
        *((text, *TEA_AND_COFFEE) for text in MARKDOWN),
        ("| q |\n|---|\n| a \\| b |\n", ("q",), (("a | b",),)),
        (
            '| a | b |\n|---|---|\n| - | |\n| | - |\n| 1, 2 | "x |\n',
            ("a", "b"),
            (("-", ""), ("", "-"), ("1, 2", '"x')),
        ),
        ("a|b\n-|x\n", ("a", "b"), (("-", "x"),)),
        ("q\nWhat, if?\nWhy\n", ("q",), (("What, if?",), ("Why",))),
        ('a, b\n"1", "2, 3"\n', ("a", "b"), (("1", "2, 3"),)),
        ("1st,user.name,user name\na,b,c\n", ("column_1st", "user_name", "user_name_2"), (("a", "b", "c"),)),
        (",q\n1,a\n2,b\n", ("q",), (("a",), ("b",))),
    ],
)
def test_every_usual_form_is_read(text: str, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> None:
    """With any line end that there is."""
    for end in ("\n", "\r\n", "\r"):
        assert read_cases(text.replace("\r\n", "\n").replace("\n", end)) == Table(
            columns, tuple(tuple(field.replace("\n", end) for field in row) for row in rows)
        )


@pytest.mark.parametrize(
    ("data", "code", "row", "name"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00", "other_file", 1, "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "other_file", 1, "Excel"),
        (b"%PDF-1.7\n", "other_file", 1, "PDF"),
        (b'[{"q": "a"},\n {"q": "b"}]', "other_file", 1, "JSON"),
        (b'{"q": "a"}\n{"q": "b"}\n', "other_file", 1, "JSON"),
        (b"<!DOCTYPE html><table>", "other_file", 1, "HTML"),
        (b"a,b\nx\0y,2\n", "nul", 2, ""),
        (b"a,b\n1,2,3\n", "ragged", 2, ""),
        (b"a,,c\n1,2,3\n", "empty_header", 1, "2"),
        (b"a,a\n1,2\n", "duplicate_header", 1, "a"),
        (b"1,2\n3,4\n", "no_header", 1, ""),
        (b"topic,tone\n", "no_rows", None, ""),
        (b"My cases\ntopic,tone\ntea,dry\ncoffee,warm\n", "ragged", 2, ""),
        (b'a,b\n"1,2\n', "quotes", 2, ""),
    ],
)
def test_what_cannot_be_read_is_refused_by_row_and_reason(data: bytes, code: str, row: int | None, name: str) -> None:
    """Also a file of another kind that is called a table."""
    with pytest.raises(BrokenCases) as broken:
        read_cases(data)
    assert (broken.value.code, broken.value.row, broken.value.name) == (code, row, name)


def test_the_delimiter_can_be_chosen() -> None:
    """Where what was found is wrong."""
    text = "a,b;c\n1,2;3\n"
    assert read_cases(text, delimiter=",").rows == (("1", "2;3"),)
    assert read_cases(text, delimiter=";").rows == (("1,2", "3"),)


fields = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).map(
    lambda text: f"x{text}"
)


@given(st.sampled_from(",;\t|"), st.lists(st.lists(fields, min_size=3, max_size=3), min_size=1, max_size=5))
def test_what_was_written_with_any_delimiter_is_read_back(delimiter: str, rows: list[list[str]]) -> None:
    """By Python's own writer."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([("q", "w", "e"), *rows])
    assert read_cases(out.getvalue().encode(), "utf-8") == Table(("q", "w", "e"), tuple(map(tuple, rows)))
