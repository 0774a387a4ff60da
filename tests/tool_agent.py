"""An agent of the demo model's, which runs the tools that it is asked to run."""

import ast
import json
import operator
import sqlite3
from collections.abc import Callable
from typing import Any

import httpx2

from tests.model_client import FAST

THREE_STEPS = (
    "Which region sold most in 2025, what share of the total is that, "
    "and what do the notes say about sharing results live?"
)
THREE_STEPS_JA = (
    "2025年に最も売れた地域はどこですか？全体に占める割合は？"
    "また、結果をライブで共有することについてノートには何と書いてありますか？"
)
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def calculate(expression: str) -> str:
    """Work out an arithmetic expression."""

    def value(node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.UnaryOp():
                return -value(node.operand)
            case ast.BinOp():
                return OPERATORS[type(node.op)](value(node.left), value(node.right))
        raise ValueError(f"not arithmetic: {expression}")

    return json.dumps({"expression": expression, "value": value(ast.parse(expression, mode="eval").body)})


def search_notes(query: str, limit: int = 5) -> str:
    """Search the notes."""
    hits = [
        {
            "title": "共有",
            "language": "ja",
            "passage": "住所を送れば、全員が同時に見られます。",
            "source": "ja/share.md",
        },
        {"title": "Sharing", "language": "en", "passage": "Send the address.\nAll see it live.", "source": "share.md"},
        {"title": "Following", "language": "en", "passage": "Read from any event.", "source": "follow.md"},
    ]
    return json.dumps({"query": query, "hits": [] if "weather" in query or "天気" in query else hits[:limit]})


def query_sales(sql: str) -> str:
    """Query the sales database."""
    try:
        cursor = database().execute(sql)
    except sqlite3.Error as error:
        return f"The query was refused: {error}"
    rows = cursor.fetchall()
    return json.dumps({"columns": [column[0] for column in cursor.description], "rows": rows, "row_count": len(rows)})


def database() -> sqlite3.Connection:
    """Each month, Tokyo sells three bags (3,000 yen), Osaka a bag and a pen (1,100 yen), two more from April."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        """
        CREATE TABLE products (id INTEGER PRIMARY KEY, name, name_ja, category, unit_price);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, ordered_on, region, product_id, quantity, amount);
        INSERT INTO products VALUES (1, 'Bag', 'かばん', 'Leather', 1000), (2, 'Pen', 'ペン', 'Paper', 100);
        """
    )
    for month in range(1, 13):
        bags = 1 if month < 4 else 3
        orders = [("Tokyo", 1, 3, 3000), ("Osaka", 1, bags, 1000 * bags), ("Osaka", 2, 1, 100)]
        values = [(f"2025-{month:02}-28", *order) for order in orders]
        connection.executemany(
            "INSERT INTO orders (ordered_on, region, product_id, quantity, amount) VALUES (?, ?, ?, ?, ?)", values
        )
    return connection


FUNCTIONS: dict[str, Callable[..., str]] = {
    "search_notes": search_notes,
    "calculate": calculate,
    "query_sales": query_sales,
}


def offer(*names: str) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": name}} for name in names or FUNCTIONS]


class Agent:
    """Asks, runs the tools that it is asked to run, and hands their results back."""

    def __init__(
        self, client: httpx2.Client, question: str, *, tools: list[dict[str, Any]] | None = None, **fields: Any
    ):
        self._client = client
        self._fields = {"model": FAST, "temperature": 0, "tools": offer() if tools is None else tools} | fields
        self.functions: dict[str, Callable[..., str]] = FUNCTIONS
        self.messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
        self.steps: list[list[tuple[str, dict[str, Any]]]] = []
        self.texts: list[str | None] = []

    def step(self) -> dict[str, Any]:
        body = self._fields | {"messages": self.messages}
        response = self._client.post("/chat/completions", json=body).raise_for_status().json()
        choice: dict[str, Any] = response["choices"][0]
        self.messages.append(choice["message"])
        return choice

    def run(self, most: int = 8) -> str:
        """Run until the final answer."""
        for _ in range(most):
            choice = self.step()
            message = choice["message"]
            if not message.get("tool_calls"):
                assert choice["finish_reason"] == "stop"
                assert isinstance(message["content"], str)
                return message["content"]
            assert choice["finish_reason"] == "tool_calls"
            self.texts.append(message["content"])
            self.steps.append([self._call(call) for call in message["tool_calls"]])
        raise AssertionError("no answer")

    @property
    def names(self) -> list[list[str]]:
        return [[name for name, _ in step] for step in self.steps]

    def _call(self, call: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
        result = self.functions[name](**arguments)
        self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
        return name, arguments


def ask(client: httpx2.Client, question: str, **fields: Any) -> httpx2.Response:
    body = {"model": FAST, "temperature": 0, "messages": [{"role": "user", "content": question}], "tools": offer()}
    return client.post("/chat/completions", json=body | fields)


def calls(response: httpx2.Response) -> list[tuple[str, str]]:
    message = response.raise_for_status().json()["choices"][0]["message"]
    return [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])]
