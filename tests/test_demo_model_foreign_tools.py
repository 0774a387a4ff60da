"""The demo model calls tools that it has never seen, with arguments that fit their schemas."""

import json
from typing import Any

import httpx2
import pytest

from tests import model_client
from tests.tool_agent import FUNCTIONS, THREE_STEPS, Agent, ask, calls, offer

client = model_client.client  # fixtures are found by their names


def function(name: str, *required: str, **properties: Any) -> dict[str, Any]:
    """Describe a tool. Properties are given as JSON schemas or by their types."""
    schemas = {key: {"type": value} if isinstance(value, str) else value for key, value in properties.items()}
    parameters = {"type": "object", "properties": schemas, "required": list(required)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


CITIES = {"type": "array", "items": {"type": "string"}}
UNIT = {"enum": ["celsius", "fahrenheit"], "default": "celsius"}
MONEY = {"enum": ["EUR", "JPY", "USD"]}
WEATHER = function("get_weather", "city", city="string", unit=UNIT, days={"type": "integer", "maximum": 7})
CONVERT = function("convertCurrency", "amount", "source", "target", amount="number", source=MONEY, target=MONEY)
EMAIL = function("send_email", "to", "urgent", to="string", urgent="boolean")
PLACE = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string", "default": "Japan"}},
}
BOOK = function(
    "book", "day", "place", "note", day={"type": "string", "format": "date"}, place=PLACE, note={"const": 1}
)


@pytest.mark.parametrize(
    ("question", "tool", "arguments"),
    [
        ("What is the weather in New York?", WEATHER, {"city": "New York"}),
        ("Weather in Oslo for 3 days, in fahrenheit", WEATHER, {"city": "Oslo", "days": 3, "unit": "fahrenheit"}),
        ("Will there be rain in Rome for 30 days?", WEATHER, {"city": "Rome", "days": 1}),
        ("東京の天気を教えて", WEATHER, {"city": "東京"}),
        (
            "Compare the weather in Oslo and Rome",
            function("weather", "cities", cities=CITIES),
            {"cities": ["Oslo", "Rome"]},
        ),
        ("東京と大阪の天気は？", function("weather", "cities", cities=CITIES), {"cities": ["東京", "大阪"]}),
        ("Convert 2,500.5 USD to JPY", CONVERT, {"amount": 2500.5, "source": "USD", "target": "JPY"}),
        ("Send an email to Bob, not urgent", EMAIL, {"to": "Bob", "urgent": False}),
        ("「田中さん」にメールを送って", EMAIL, {"to": "田中さん", "urgent": True}),
        (
            "Book 2025-05-01 in Kyoto",
            BOOK,
            {"day": "2025-05-01", "place": {"city": "Kyoto", "country": "Japan"}, "note": 1},
        ),
        ("What is 17 plus 23?", function("add", "a", "b", a="integer", b="integer"), {"a": 17, "b": 23}),
        ("What is 17 * 23?", function("reckon", "expression", expression="string"), {"expression": "17 * 23"}),
        (
            "ノートで再接続を検索して",
            function("lookup", "query", "n", query="string", n=UNIT),
            {"query": "再接続", "n": "celsius"},
        ),
    ],
)
def test_a_named_tool_is_called_with_what_the_question_says(
    client: httpx2.Client, question: str, tool: dict[str, Any], arguments: dict[str, Any]
) -> None:
    """By its schema: numbers, values of an enum, phrases, defaults. Its result stands in the answer as it is."""
    name = tool["function"]["name"]
    agent = Agent(client, question, tools=[tool])
    agent.functions = {name: lambda **_: "Sunny, 20 degrees"}
    answer = agent.run()
    assert agent.steps == [[(name, arguments)]]
    assert f"`{name}`" in answer
    assert "\nSunny, 20 degrees\n" in answer


def test_each_sentence_calls_the_tool_that_it_names(client: httpx2.Client) -> None:
    """All at once, beside the tools that the model knows; a failure is told as one."""
    question = "What is the weather in Oslo? And the weather in Rome? What is 2 + 3?"
    agent = Agent(client, question, tools=[WEATHER, *offer("calculate")])
    agent.functions = FUNCTIONS | {"get_weather": lambda city: "Sunny" if city == "Oslo" else '{"error": "No idea."}'}
    answer = agent.run()
    cities = [("get_weather", {"city": city}) for city in ("Oslo", "Rome")]
    assert agent.steps == [[("calculate", {"expression": "2 + 3"}), *cities]]
    assert all(part in answer for part in ("**5**", "\nSunny\n", "brought no result. It said: No idea."))


def test_a_foreign_tool_has_its_turn_among_steps(client: httpx2.Client) -> None:
    agent = Agent(client, f"{THREE_STEPS} What is the weather in Oslo?", tools=[WEATHER, *offer()])
    agent.functions = FUNCTIONS | {"get_weather": lambda city: f"Sunny in {city}"}
    assert "Sunny in Oslo" in agent.run()
    assert agent.names == [["query_sales", "query_sales"], ["calculate"], ["search_notes"], ["get_weather"]]


def test_a_tool_by_its_description(client: httpx2.Client) -> None:
    """Two words of it in the question are enough, one is not."""
    tool = function("f", "place", place="string")
    tool["function"]["description"] = "Tell the height of a mountain."
    assert calls(ask(client, "What is the height of the mountain in Bern?", tools=[tool])) == [
        ("f", '{"place": "Bern"}')
    ]
    assert calls(ask(client, "What is the height of a house?", tools=[tool])) == []


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_foreign_tool_is_called_when_it_must_be(client: httpx2.Client, choice: Any) -> None:
    assert calls(ask(client, "Hello", tools=[WEATHER], tool_choice=choice)) == [("get_weather", '{"city": "Hello"}')]
    assert calls(ask(client, "Weather in Rome?", tools=[WEATHER], tool_choice="none")) == []


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array", "items": {"$ref": "#"}},
        {"$ref": "#/nowhere"},
        {"properties": {"a": {"enum": [{"x": 1}, ["y"], None, "Rome"]}, "b": 7}, "required": ["a", "b", "c"]},
        {"properties": {"a": {"type": ["integer", "null"], "minimum": 9, "maximum": 5}, "b": {"items": {"$ref": "#"}}}},
    ],
)
def test_any_schema_gets_a_call(client: httpx2.Client, schema: dict[str, Any]) -> None:
    """Also one that makes no sense, and a question without an end."""
    tool = {"type": "function", "function": {"name": "odd", "parameters": schema}}
    for question in ("The odd weather in Rome for 3 days", "", "in Rome, 1" * 3_000):
        ((name, arguments),) = calls(ask(client, question, tools=[tool], tool_choice="required"))
        assert name == "odd"
        assert isinstance(json.loads(arguments), dict)


@pytest.mark.parametrize("tools", [[], offer(), [WEATHER]])
@pytest.mark.parametrize(
    ("question", "offers"),
    [
        ("Who won in 1998?", ["What is 17 × 23?", "Sales by region"]),
        ("富士山の高さは？", ["地域別の売上", "ノートを調べて"]),
    ],
)
def test_a_question_that_fits_none_is_answered_with_what_can_be_asked(
    client: httpx2.Client, tools: list[dict[str, Any]], question: str, offers: list[str]
) -> None:
    answer = Agent(client, question, tools=tools).run()
    assert all(offer in answer for offer in offers)
