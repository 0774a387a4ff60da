"""query_sales: only reading, within bounds, and out of reach of the process."""

import hashlib
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import ToolException

from scripts.make_sales import write
from streamlab.agent.tools import query_sales, sales


def rows(sql: str) -> list[list[Any]]:
    table = query_sales.invoke({"sql": sql})
    assert table["row_count"] == len(table["rows"])
    assert all(len(row) == len(table["columns"]) for row in table["rows"])
    return list(table["rows"])


def refusal(sql: str) -> str:
    with pytest.raises(ToolException) as caught:
        query_sales.invoke({"sql": sql})
    return str(caught.value)


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


NOT_ONLY_READING = [
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
]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("sql", NOT_ONLY_READING)
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
