"""`query_sales`: SQL over the shipped sales of a made-up shop (`scripts/make_sales.py`)."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Annotated, TypedDict, cast

from langchain_core.tools import ToolException, tool
from pydantic import Field

from streamlab.process.child_server import INHERITED

DATABASE = Path(str(files("streamlab") / "data" / "sales.sqlite"))
URI = f"{DATABASE.resolve().as_uri()}?mode=ro&immutable=1"
READER = files("streamlab.agent.tools") / "reader.py"

SQL_CHARACTERS = 10_000
QUERY_SECONDS = 2.0
READER_SECONDS = 8.0  # with its start on a busy machine; a statement whose preparation explodes ends here
ROWS = 1_000
RESULT_CHARACTERS = 128 * 1024  # a log takes events up to 256 KiB, and Japanese has three bytes a character


class TableSchema(TypedDict):
    columns: list[str]
    rows: list[list[str | int | float | None]]
    row_count: int


def describe(uri: str = URI) -> str:
    """Describe what a model must know to write the SQL, read from the database: tables, meanings and ranges."""
    with closing(sqlite3.connect(uri, uri=True)) as connection:

        def column(sql: str) -> list[str]:
            return [str(value) for (value,) in connection.execute(sql)]

        tables = column("SELECT sql FROM sqlite_master ORDER BY name DESC")
        categories = column("SELECT DISTINCT category FROM products ORDER BY category")
        regions = column("SELECT DISTINCT region FROM orders ORDER BY region")
        count, first, last = connection.execute(
            "SELECT count(*), min(ordered_on), max(ordered_on) FROM orders"
        ).fetchone()
    return "\n".join(
        [
            "Query the sales of a small shop in Japan: one read-only SELECT in SQLite's SQL over these tables.",
            *tables,
            f"There are {count:,} orders from {first} to {last}. Money is in yen, in whole numbers.",
            f"category is one of {', '.join(categories)}; region is one of {', '.join(regions)}.",
            "The month of an order is substr(ordered_on, 1, 7).",
            f"Aggregate in SQL: at most {ROWS:,} rows come back, after at most {QUERY_SECONDS:g} seconds.",
        ]
    )


@tool(description=describe())
def query_sales(sql: Annotated[str, Field(description="One SELECT statement; WITH is allowed")]) -> TableSchema:
    if len(sql) > SQL_CHARACTERS:
        raise ToolException(f"The statement is longer than {SQL_CHARACTERS:,} characters. Write a shorter SELECT.")
    answer = _read(sql)
    if "refused" in answer:
        raise ToolException(str(answer["refused"]))
    return cast(TableSchema, answer)


def _read(sql: str) -> dict[str, object]:
    """Run the statement in a process of its own.

    Raises ToolException when the reader had to be ended, or died at its limit of memory.
    """
    request = {"database": URI, "sql": sql, "seconds": QUERY_SECONDS, "rows": ROWS, "size": RESULT_CHARACTERS}
    try:
        child = subprocess.run(
            [sys.executable, "-I", "-S", str(READER)],
            input=json.dumps(request),
            capture_output=True,
            encoding="utf-8",
            timeout=READER_SECONDS,
            check=True,
            env={name: value for name, value in os.environ.items() if name.upper() in INHERITED},
            start_new_session=True,  # Ctrl-C in a terminal is for the parent
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise ToolException("The query is too costly to run. Write a simpler SELECT.") from error
    return cast(dict[str, object], json.loads(child.stdout))
