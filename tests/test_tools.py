"""The agent's tools: what they find and count, and that nothing a model may send them gets further than a sentence."""

import asyncio
import hashlib
import json
import sqlite3
import string
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from scripts.make_sales import write
from streamlab.agent.tools import TIMEOUTS, TOOLS, calculate, query_sales, sales, search_notes
from streamlab.agent.tools.notes import _passages
from streamlab.demo_model.answers import JAPANESE

PROMPT = timedelta(seconds=5)  # for a call that takes milliseconds


def value(expression: str) -> Any:
    return calculate.invoke({"expression": expression})["value"]


def hits(query: str, limit: int = 5) -> list[dict[str, str]]:
    found = search_notes.invoke({"query": query, "limit": limit})
    assert found["query"] == query
    return list(found["hits"])


def rows(sql: str) -> list[list[Any]]:
    table = query_sales.invoke({"sql": sql})
    assert table["row_count"] == len(table["rows"])
    assert all(len(row) == len(table["columns"]) for row in table["rows"])
    return list(table["rows"])


def refusal(sql: str) -> str:
    with pytest.raises(ToolException) as caught:
        query_sales.invoke({"sql": sql})
    return str(caught.value)


# All tools


def test_every_tool_tells_a_model_what_it_is_for() -> None:
    """A description, described and typed arguments, and a time after which to give it up."""
    assert set(TIMEOUTS) == {tool.name for tool in TOOLS}
    for tool in TOOLS:
        schema: dict[str, Any] = tool.tool_call_schema.model_json_schema()  # type: ignore[union-attr]
        assert len(tool.description) > 100
        assert all(argument["description"] and argument["type"] for argument in schema["properties"].values())


@pytest.mark.anyio
async def test_calls_run_at_once() -> None:
    """Eight calls in parallel, each with its own result."""
    calls = [
        *(search_notes.ainvoke({"query": query}) for query in ("backpressure", "バックプレッシャー", "トークン")),
        *(calculate.ainvoke({"expression": f"{number} * 2"}) for number in (1, 2)),
        *(query_sales.ainvoke({"sql": f"SELECT {number}"}) for number in (1, 2, 3)),
    ]
    *found, one, two, first, second, third = await asyncio.gather(*calls)
    assert [result["hits"][0]["language"] for result in found] == ["en", "ja", "ja"]
    assert [one["value"], two["value"]] == [2, 4]
    assert [table["rows"] for table in (first, second, third)] == [[[1]], [[2]], [[3]]]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search_notes", {"query": "再接続"}),
        ("calculate", {"expression": "15% of 80"}),
        ("query_sales", {"sql": "SELECT name_ja FROM products LIMIT 1"}),
    ],
)
def test_a_result_becomes_a_readable_message(name: str, arguments: dict[str, Any]) -> None:
    """LangChain makes JSON of it for the model; Japanese stays readable."""
    (tool,) = (tool for tool in TOOLS if tool.name == name)
    message = tool.invoke({"type": "tool_call", "id": "1", "name": name, "args": arguments})
    assert json.loads(message.content) == tool.invoke(arguments)
    assert "\\u" not in message.content


# search_notes


@pytest.mark.parametrize(
    ("query", "source"),
    [
        ("backpressure", "notes/en/05_backpressure.md"),
        ("How does backpressure work?", "notes/en/05_backpressure.md"),
        ("BACKPRESSURE", "notes/en/05_backpressure.md"),
        ("reconnect", "notes/en/06_resume.md"),
        ("WebSocket gRPC browser", "notes/en/04_transports.md"),
        ("バックプレッシャー", "notes/ja/05_backpressure.md"),
        ("ﾊﾞｯｸﾌﾟﾚｯｼｬｰ", "notes/ja/05_backpressure.md"),
        ("バックプレッシャーとは何ですか", "notes/ja/05_backpressure.md"),
        ("再接続", "notes/ja/06_resume.md"),
        ("再接続の仕組み", "notes/ja/06_resume.md"),
        ("遅延を測る方法", "notes/ja/11_latency.md"),
        ("SSEとWebSocketの違い", "notes/ja/04_transports.md"),
        ("Last-Event-ID 再開", "notes/ja/04_transports.md"),
    ],
)
def test_a_question_finds_its_note(query: str, source: str) -> None:
    """In the language of the question, whatever its width and case."""
    assert hits(query)[0]["source"] == source


@pytest.mark.parametrize("query", ["再開", "待", "8", "切断"])
def test_a_word_shorter_than_a_trigram_is_found(query: str) -> None:
    """Two kanji are a word."""
    found = hits(query)
    assert found
    assert any(query in hit["passage"] or query in hit["title"] for hit in found)


def test_short_words_are_found_whole() -> None:
    """AI is not in "wait"."""
    assert hits("ai") == []


@pytest.mark.parametrize(("query", "first"), [("WebSocket gRPC", "en"), ("WebSocketとgRPC", "ja")])
def test_both_languages_are_searched_and_the_querys_comes_first(query: str, first: str) -> None:
    languages = [hit["language"] for hit in hits(query, 20)]
    assert set(languages) == {"en", "ja"}
    assert languages == sorted(languages, reverse=first == "ja")


def test_all_words_come_before_some() -> None:
    """Only when no passage holds all words are those found that hold one."""
    both = hits("vocabulary probability")
    assert both
    assert all("vocabulary" in hit["passage"] and "probability" in hit["passage"] for hit in both)
    assert hits("backpressure zebra")[0]["source"] == "notes/en/05_backpressure.md"


@pytest.mark.parametrize("query", ["quantum chromodynamics", "量子色力学", "what is a zebra", "つながらない猫"])
def test_no_hit_is_a_result(query: str) -> None:
    assert hits(query) == []


@pytest.mark.parametrize("query", ["", "  ", "!?", "→", "。", "x" * 501])
def test_a_query_without_a_word_or_an_end_is_refused(query: str) -> None:
    with pytest.raises(ToolException, match=r"Give a few keywords\.$"):
        search_notes.invoke({"query": query})


@pytest.mark.parametrize(
    "query",
    [
        'token" OR title:*',
        "token AND",
        "NOT token",
        "NEAR(token chunk, 2)",
        "^token",
        "title : token",
        "-token",
        "tok*",
        "{title text} : token",
        "token'; DROP TABLE passages; --",
        "%",
        "__",
        "token\0",
    ],
)
def test_search_syntax_is_only_text(query: str) -> None:
    """What FTS5, LIKE or SQL would read as an operator is a word like any other, or none."""
    with suppress(ToolException):
        search_notes.invoke({"query": query})
    assert hits("token")


def test_limit_is_kept() -> None:
    assert [len(hits("token", limit)) for limit in (1, 3, 20)] == [1, 3, 20]


def test_passages_hold_all_of_the_notes() -> None:
    """About 600 characters each, in one language, none with half a code block."""
    passages = list(_passages())
    assert {passage.language for passage in passages} == {"en", "ja"}
    assert all(0 < len(passage.text) < 1_000 for passage in passages)
    assert all(passage.text.count("```") % 2 == 0 for passage in passages)
    assert all(bool(JAPANESE.search(passage.title + passage.text)) for passage in passages if passage.language == "ja")


@settings(max_examples=150, deadline=PROMPT)
@given(st.text(max_size=600), st.integers(1, 20))
def test_any_query_has_an_answer(query: str, limit: int) -> None:
    """A result that UTF-8 can carry, or a sentence."""
    try:
        found = search_notes.invoke({"query": query, "limit": limit})
    except ToolException:
        return
    assert len(found["hits"]) <= limit
    json.dumps(found, ensure_ascii=False).encode()


# calculate


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("2 ** 10", 1024),
        ("2^10", 1024),
        ("-2 ** 2", -4),
        ("7 // 2 + 7 % 4", 6),
        ("6 / 2", 3),
        ("1 / 3", 0.333333333333333),
        ("0.1 + 0.2", 0.3),
        ("19.99 * 100", 1999),
        ("15% of 80", 12),
        ("2.5 % OF 1000 + 1", 26),
        ("100 - 15% of 100", 85),
        ("(1200 - 980) / 980 * 100", 22.4489795918367),
        ("sqrt(2) ** 2", 2),
        ("round(2 / 3, 2)", 0.67),
        ("round(1234, -2)", 1200),
        ("max(1, 5, 3) - min([4, 2])", 3),
        ("sum(1, 2, 3) + sum([1, 2, 3])", 12),
        ("mean(1, 2)", 1.5),
        ("log(8, 2) + log10(1000) + log(e)", 7),
        ("pow(2, -1)", 0.5),
        ("pi", 3.14159265358979),
        ("1_000 + 1e3", 2000),
        ("１２×３÷２−１", 17),
        ("2\n+ 2", 4),
        ("2 ** 64", 2**64),
        ("1.7976931348623157e308", 1.7976931348623157e308),
    ],
)
def test_calculate(expression: str, expected: float) -> None:
    """Without the noise of binary fractions, and whole numbers as such."""
    result = value(expression)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("1 / 0", "divides by zero"),
        ("0 ** -1", "divides by zero"),
        ("5 % 0", "divides by zero"),
        ("9 ** 9 ** 9", "larger than"),
        ("9.0 ** 9999", "larger than"),
        ("10 ** 308 * 10", "larger than"),
        ("1e999", "larger than"),
        ("exp(1000)", "larger than"),
        ("9" * 400, "larger than"),
        ("sqrt(-1)", "no real value"),
        ("log(0)", "no real value"),
        ("(-8) ** (1 / 3)", "no real value"),
        ("two + 2", "name two is unknown"),
        ("factorial(3)", "name factorial is unknown"),
        ("1,234 + 1", "without thousands separators"),
        ("50%", "percentages as 15% of 80"),
        ("2 +", "not an arithmetic expression"),
        ("", "not an arithmetic expression"),
        ("3²", "not an arithmetic expression"),
        ("2pi", "sign between them"),
        ("1j", "sign between them"),
        ("round(1, -10 ** 9)", "take numbers"),
        ("round(1.5, 0.5)", "take numbers"),
        ("max()", "take numbers"),
        ("sqrt(1, 2)", "take numbers"),
        ("sqrt", "take numbers"),
        ("+ ".join(["1"] * 300), "longer than 500"),
        ("-" * 499 + "1", "nested too deeply"),
        ("(" * 250, "not an arithmetic expression"),
    ],
)
def test_what_has_no_value_is_said_in_a_sentence(expression: str, sentence: str) -> None:
    with pytest.raises(ToolException, match=sentence):
        value(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('id')",
        "__import__",
        "().__class__",
        "(1).__class__.__bases__[0].__subclasses__()",
        "(1).real",
        "sqrt.__globals__",
        "sqrt.__self__",
        "open('/etc/passwd').read()",
        "eval('1')",
        "exec('a = 1')",
        "getattr(1, 'real')",
        "globals()",
        "lambda: 1",
        "(lambda: 1)()",
        "[x for x in [1, 2]]",
        "sum([x for x in [1, 2]])",
        "{1: 2}",
        "{x for x in (1, 2)}",
        "'a' * 10 ** 9",
        "b'a'",
        "'%s' % 1",
        "f'{1}'",
        "[1] * 10 ** 9",
        "[[1]] + [2]",
        "[1, 2][0]",
        "max(*[1, 2])",
        "max([1, 2], key=abs)",
        "1 if True else 2",
        "1if 1else 2",
        "True + 1",
        "None",
        "...",
        "1 < 2",
        "1 and 2",
        "not 1",
        "~1",
        "1 << 10 ** 9",
        "1 | 2",
        "a = 1",
        "a := 1",
        "(a := 1)",
        "1; 2",
        "import os",
        "max",
        "rand()",
        "str(1)",
        "list(1)",
        "max(max)",
        "await 1",
        "(yield)",
        "\\x41",
        "\ud800",
        "1\0",
    ],
)
def test_only_arithmetic_is_evaluated(expression: str) -> None:
    """No code, no names of Python, no value that is not a number."""
    with pytest.raises(ToolException):
        value(expression)


TOKENS = [
    *"0123456789.,()[]+-*/%_^",
    "**",
    "//",
    " ",
    "e",
    "pi",
    "sqrt(",
    "round(",
    "sum(",
    "pow(",
    "1e308",
    "% of",
    "if",
]


@settings(max_examples=400, deadline=PROMPT)
@given(st.text(max_size=80) | st.text(string.printable, max_size=80) | st.lists(st.sampled_from(TOKENS)).map("".join))
def test_any_expression_has_an_answer(expression: str) -> None:
    """A number that is finite, or a sentence."""
    try:
        result = value(expression)
    except ToolException:
        return
    json.dumps(result, allow_nan=False)
    assert type(result) in (int, float)


# query_sales


def test_the_description_is_the_databases_own() -> None:
    """Tables, meanings and ranges as they are."""
    description = query_sales.description
    for (sql,) in rows("SELECT sql FROM sqlite_master"):
        assert sql in description
    ((count, first, last),) = rows("SELECT count(*), min(ordered_on), max(ordered_on) FROM orders")
    assert f"{count:,} orders from {first} to {last}" in description
    for (name,) in rows("SELECT category FROM products UNION SELECT region FROM orders"):
        assert name in description


def test_the_shipped_sales_are_those_the_script_makes(tmp_path: Path) -> None:
    """Row by row; the files differ with the version of SQLite."""
    write(tmp_path / "sales.sqlite")
    with (
        closing(sqlite3.connect(tmp_path / "sales.sqlite")) as made,
        closing(sqlite3.connect(sales.URI, uri=True)) as shipped,
    ):
        assert list(made.iterdump()) == list(shipped.iterdump())
    assert sales.DATABASE.stat().st_size < 200_000


def test_the_sales_make_interesting_charts() -> None:
    """About 1,500 orders whose sums are right; coffee grows; outdoor things sell in summer, tea in winter."""
    ((count, wrong),) = rows(
        "SELECT count(*), sum(amount != quantity * unit_price) FROM orders JOIN products ON products.id = product_id"
    )
    assert 1_300 < count < 1_700
    assert wrong == 0
    quarters = {
        (category, quarter): total
        for category, quarter, total in rows(
            "SELECT category, (substr(ordered_on, 6, 2) + 2) / 3, sum(amount)"
            " FROM orders JOIN products p ON p.id = product_id GROUP BY 1, 2"
        )
    }
    coffee = [quarters["Coffee", quarter] for quarter in (1, 2, 3, 4)]
    assert coffee == sorted(coffee)
    assert coffee[3] > 2 * coffee[0]
    assert quarters["Outdoor", 3] > 3 * quarters["Outdoor", 1]
    assert quarters["Tea", 1] > 1.3 * quarters["Tea", 3]


def test_sql_of_every_usual_kind_runs() -> None:
    """Joins, WITH, windows, dates, recursion; the language of the names is the asker's."""
    assert rows("SELECT name_ja FROM products WHERE name = 'Matcha, 30 g'") == [["抹茶 30g"]]
    assert rows("SELECT strftime('%m', '2025-03-04'), round(2.5, 1), upper('a') || 'b'; -- done") == [["03", 2.5, "Ab"]]
    assert rows("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i) FROM n") == [
        [6]
    ]
    months = rows(
        "WITH months AS (SELECT substr(ordered_on, 1, 7) AS month, sum(amount) AS total FROM orders GROUP BY 1)"
        " SELECT month, total - lag(total) OVER (ORDER BY month) FROM months"
    )
    assert months[0] == ["2025-01", None]
    assert len(months) == 12
    assert rows("SELECT count(*) FROM (SELECT region FROM orders GROUP BY region HAVING count(*) > 10)") == [[6]]
    assert rows("VALUES (1, 'a')") == [[1, "a"]]
    assert rows("SELECT 1 WHERE 0") == []


BYTES = hashlib.sha256(sales.DATABASE.read_bytes()).hexdigest()


@pytest.fixture
def untouched() -> Iterator[None]:
    """The database is afterwards as it was, and nothing lies beside it."""
    beside = set(sales.DATABASE.parent.iterdir())
    yield
    assert hashlib.sha256(sales.DATABASE.read_bytes()).hexdigest() == BYTES
    assert set(sales.DATABASE.parent.iterdir()) == beside


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders",
        "delete /* SELECT */ from orders",
        "-- SELECT\nDROP TABLE orders",
        "INSERT INTO products VALUES (99, 'a', 'a', 'a', 1)",
        "REPLACE INTO products VALUES (1, 'a', 'a', 'a', 1)",
        "UPDATE orders SET amount = 0",
        "WITH a AS (SELECT 1) DELETE FROM orders",
        "WITH a AS (SELECT 1) INSERT INTO orders SELECT * FROM orders",
        "WITH a AS (DELETE FROM orders RETURNING id) SELECT * FROM a",
        "EXPLAIN DELETE FROM orders",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t AS SELECT * FROM orders",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE t USING fts5(a)",
        "ALTER TABLE orders ADD COLUMN a",
        "ATTACH ':memory:' AS a",
        "ATTACH DATABASE '/etc/passwd' AS a",
        "DETACH main",
        "PRAGMA query_only = OFF",
        "PRAGMA table_info(orders)",
        "SELECT * FROM pragma_table_info('orders')",
        "SELECT count(*) FROM pragma_database_list",
        "SELECT * FROM json_each('[1]')",
        "SELECT * FROM dbstat",
        "VACUUM INTO '/tmp/copy.sqlite'",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT a",
        "SELECT load_extension('libc.so.6')",
        "SELECT writefile('/tmp/a', 'b')",
        "SELECT readfile('/etc/passwd')",
        "SELECT edit('a')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT sqlite_compileoption_get(1)",
        "SELECT randomblob(1000000000)",
        "SELECT zeroblob(1000000000)",
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM orders",
        "SELECT 1 /* ; */; DROP TABLE orders --",
        "SELECT * FROM secrets",
        "SELECT colour FROM orders",
        "SELEC 1",
        "SELECT 'open",
        "SELECT x'00'",
        "SELECT 9e999",
        "SELECT CAST(x'ff' AS TEXT)",
        "SELECT ?",
        "SELECT '\ud800'",
        "SELECT 1\0",
        "-- nothing",
        "",
    ],
)
def test_only_reading_is_allowed(sql: str) -> None:
    """Anything else is refused in a sentence that says so, and the database stays as it is."""
    sentence = refusal(sql)
    assert sentence.endswith(".")
    assert len(sentence) < 1_000


def test_a_refusal_says_what_is_allowed() -> None:
    assert refusal("DELETE FROM orders").endswith(
        "Allowed is one SELECT, also with WITH, that reads products and orders."
    )
    assert "randomblob is not allowed; these are: abs, avg" in refusal("SELECT randomblob(3)")
    assert "no such column: colour" in refusal("SELECT colour FROM orders")
    assert "more than one statement" in refusal("SELECT 1; SELECT 2")


def test_results_have_bounds() -> None:
    """A thousand rows and 128 KiB; the SQL itself 10,000 characters, a text 256 KiB."""
    assert len(rows("SELECT id FROM orders LIMIT 1000")) == 1_000
    assert "1,000 rows" in refusal("SELECT id FROM orders LIMIT 1001")
    assert "128 KiB" in refusal("SELECT printf('%.2000c', 'x') FROM orders LIMIT 900")
    assert "10,000 characters" in refusal("SELECT 1 -- " + "x" * 10_000)
    assert "too big" in refusal("SELECT replace(printf('%.*c', 9999, 'x'), 'x', printf('%.*c', 9999, 'y'))")
    assert rows("SELECT length(printf('%.*c', 200000, 'x'))") == [[200_000]]


COPIES = "".join(f", a{n} AS (SELECT 1 FROM a{n - 1}, a{n - 1})" for n in range(1, 40))
TERMS = "".join(f", a{n} AS (SELECT x + x + x + x AS x FROM a{n - 1})" for n in range(1, 40))


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n ORDER BY i DESC",
        "SELECT count(*) FROM orders a, orders b, orders c",
        "SELECT a.*, b.* FROM orders a, orders b, orders c ORDER BY a.amount * b.amount * c.amount",
        "SELECT sum(instr(printf('%.*c', 200000, 'x'), printf('%.*c', 100000, 'x') || a.id)) FROM orders a, orders b",
        f"WITH a0 AS (SELECT 1){COPIES} SELECT 1 FROM a39",
        f"WITH a0 AS (SELECT id AS x FROM orders){TERMS} SELECT x FROM a39",
    ],
    ids=["recursion", "recursion sorted", "cross join", "cross join sorted", "slow function", "copies", "terms"],
)
def test_a_bomb_ends_soon(sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that goes off before SQLite runs the statement, where only ending its process helps."""
    monkeypatch.setattr(sales, "QUERY_SECONDS", 0.2)
    monkeypatch.setattr(sales, "READER_SECONDS", 1.0)
    begun = time.monotonic()
    assert refusal(sql).startswith(
        ("The query took longer than 0.2 seconds.", "The query is too costly", "The query needs")
    )
    assert time.monotonic() - begun < 10


def test_the_reader_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment, it has what Python needs to start."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    given: list[dict[str, str]] = []
    run = subprocess.run

    def spy(*arguments: Any, **options: Any) -> Any:
        given.append(options["env"])
        return run(*arguments, **options)

    monkeypatch.setattr(subprocess, "run", spy)
    assert rows("SELECT 1") == [[1]]
    assert "secret" not in given[0].values()


def test_a_reader_that_dies_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the system takes its memory away."""
    monkeypatch.setattr(sales, "READER", Path("nowhere.py"))
    assert "too costly" in refusal("SELECT 1")
