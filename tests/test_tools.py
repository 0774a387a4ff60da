"""The agent's tools: what each tells a model, and how its calls run."""

import asyncio
import json
from typing import Any

import pytest

from streamlab.agent.tools import TIMEOUTS, TOOLS, calculate, query_sales, search_notes


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
