"""The demo model calls tools and answers from their results, over real HTTP."""

import ast
import json
import operator
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI
from markdown_it import MarkdownIt
from pydantic import BaseModel, SecretStr

from streamlab.demo_model.process import DemoModel
from streamlab.text.tokens import estimate_tokens

FAST = "demo?first=0&rate=100000"
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


# The tools


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


# A client


@pytest.fixture
def client(demo: DemoModel) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=demo.base_url, timeout=10) as client:
        yield client


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
        """The final answer."""
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


def deltas(response: httpx2.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line)["choices"][0] for line in lines]


def ask(client: httpx2.Client, question: str, **fields: Any) -> httpx2.Response:
    body = {"model": FAST, "temperature": 0, "messages": [{"role": "user", "content": question}], "tools": offer()}
    return client.post("/chat/completions", json=body | fields)


def say(client: httpx2.Client, **fields: Any) -> str:
    content = ask(client, "", **fields).raise_for_status().json()["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


def calls(response: httpx2.Response) -> list[tuple[str, str]]:
    message = response.raise_for_status().json()["choices"][0]["message"]
    return [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])]


# Questions

SUM, SALES, BOTH = [["calculate"]], [["query_sales"]], [["query_sales", "calculate"]]
COMPARISON = [["query_sales", "query_sales"]]


@pytest.mark.parametrize(
    ("question", "names", "expected"),
    [
        ("What is 17.5 % of 2,480?", SUM, ["**434**"]),
        ("How much is 1,234 × 5,678?", SUM, ["**7,006,652**"]),
        ("Calculate 3 * (4 + 5)", SUM, ["**27**"]),
        ("100 divided by 8", SUM, ["**12.5**"]),
        ("2^10 = ?", SUM, ["**1,024**"]),
        ("Calculate (2 * (3 + 4)) / 7 (roughly)", SUM, ["**2**"]),
        ("1234*5678 は？", SUM, ["**7,006,652**"]),
        ("2,480の17.5%はいくつ？", SUM, ["**434**"]),
        ("(820-350)/23 を計算して", SUM, ["**20.4348**"]),
        ("２＋３は？", SUM, ["**5**"]),
        ("Sales by region in 2025", SALES, ["in 2025: **Tokyo** comes first with **¥36,000**", "| Osaka | 31,200 |"]),
        ("monthly sales", SALES, ["| 2025-01 | 4,100 |", "| 2025-12 | 6,100 |"]),
        ("Show me quarterly revenue", SALES, ["| Q1 | 12,300 |", "| Q4 | 18,300 |"]),
        ("top 5 products", SALES, ["| Bag | 66,000 |", "| Pen | 1,200 |"]),
        ("Which are our top three months?", SALES, ["comes first with **¥6,100**"]),
        ("Which product sold worst in Q4?", SALES, ["**Pen** comes last with **¥300**"]),
        ("How many units did we sell by category?", SALES, ["| Leather | 66 |", "| Category | Units sold |"]),
        ("How many orders were there in March?", SALES, ["Orders in March 2025: **3**."]),
        ("What were the sales from January to March 2025?", SALES, ["January 2025 to March 2025: **¥12,300**."]),
        ("What were the total sales in 2024?", SALES, ["There are no sales figures in 2024."]),
        ("地域別の売上", SALES, ["**Tokyo** が **36,000円** で1位です。", "| Osaka | 31,200 |"]),
        ("月別の売上を教えて", SALES, ["| 2025-01 | 4,100 |", "| 月 | 売上（円） |"]),
        ("最も売れた月は？", SALES, ["| 2025-12 | 6,100 |"]),
        ("売れ筋商品トップ5は？", SALES, ["| かばん | 66,000 |", "| ペン | 1,200 |"]),
        ("カテゴリ別の販売数", SALES, ["| Leather | 66 |"]),
        ("2025年の総売上は？", SALES, ["2025年の売上は **67,200円** です。"]),
        ("1〜3月の売上は？", SALES, ["2025年1月から2025年3月までの売上は **12,300円** です。"]),
        ("上半期の注文数は？", SALES, ["2025年上半期の注文件数は **18** です。"]),
        ("Compare our sales in Q1 and Q2 2025", COMPARISON, ["**¥6,000** (48.8 %) above Q1", "| Q2 2025 | 18,300 |"]),
        (
            "2025年の第1四半期と第2四半期の売上を比べて",
            COMPARISON,
            ["**6,000円** （48.8%）多く", "| 2025年第2四半期 | 18,300 |"],
        ),
        ("What is 17 * 23, and which products sold best?", BOTH, ["**391**", "| Bag | 66,000 |"]),
        ("17 * 23 はいくつですか。また、最も売れた商品は何ですか。", BOTH, ["**391**", "| かばん | 66,000 |"]),
        ("What is 17 * 23? Use the calculator.", SUM, ["**391**"]),
        ("17 * 23 は？電卓を使ってください。", SUM, ["**391**"]),
        ("How do the sales of North and South compare, and what is 839320 / 12?", BOTH, ["¥67,200", "**69,943.3333**"]),
    ],
)
def test_questions_are_answered_from_results(
    client: httpx2.Client, question: str, names: list[list[str]], expected: list[str]
) -> None:
    """Also those of the examples and the benchmarks. Calls that need no other result come at once."""
    agent = Agent(client, question)
    answer = agent.run()
    assert agent.names == names
    for part in expected:
        assert part in answer


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("Search the notes for resume tokens", "resume tokens"),
        ("What do the notes say about backpressure?", "backpressure"),
        ("Please look up SSE in the notes.", "SSE"),
        ("Look up the meaning of TTFT", "TTFT"),
        ("バックプレッシャーについてノートを調べて", "バックプレッシャー"),
        ("ノートで再開トークンを検索して", "再開トークン"),
        ("再試行について、ノートには何と書いてありますか？", "再試行"),
        ("TTFTって何？ノートで調べて", "TTFT"),
    ],
)
def test_notes_are_searched_and_quoted(client: httpx2.Client, question: str, topic: str) -> None:
    """The best hit in the language of the question is quoted."""
    agent = Agent(client, question)
    answer = agent.run()
    assert agent.steps == [[("search_notes", {"query": topic})]]
    assert topic in answer.splitlines()[0]
    if question.isascii():
        quote = "> Send the address.\n> All see it live.\n>\n> — **Sharing** (share.md)\n\nSee also: Following."
    else:
        quote = "> 住所を送れば、全員が同時に見られます。\n>\n> — **共有** (ja/share.md)"
    assert answer.endswith(f"\n\n{quote}")


@pytest.mark.parametrize(
    "question",
    ["Look up what TTFT means and compute (820-350)/23", "TTFTの意味を調べて、(820-350)/23 を計算して"],
)
def test_independent_tools_are_called_at_once(client: httpx2.Client, question: str) -> None:
    agent = Agent(client, question)
    answer = agent.run()
    assert agent.steps == [[("search_notes", {"query": "TTFT"}), ("calculate", {"expression": "(820-350)/23"})]]
    assert "**20.4348**" in answer
    assert ("> — **Sharing**" if question.isascii() else "> — **共有**") in answer


# Three steps


@pytest.mark.parametrize(
    ("question", "lead", "expected"),
    [
        (THREE_STEPS, "Let me look at the sales first.", "Tokyo has **53.6 %** of the total of ¥67,200."),
        (THREE_STEPS_JA, "まず売上を確認します。", "Tokyoは全体（67,200円）の **53.6%** にあたります。"),
    ],
)
def test_a_step_works_with_the_results_of_the_one_before(
    client: httpx2.Client, question: str, lead: str, expected: str
) -> None:
    """What is said before a call is no part of the answer."""
    agent = Agent(client, question)
    answer = agent.run()
    assert agent.names == [["query_sales", "query_sales"], ["calculate"], ["search_notes"]]
    assert agent.steps[1] == [("calculate", {"expression": "36000 / 67200 * 100"})]
    assert [text is not None for text in agent.texts] == [True, False, True]
    assert agent.texts[0] == lead
    assert expected in answer
    assert ("> — **Sharing**" if question.isascii() else "> — **共有**") in answer
    assert not any(text in answer for text in agent.texts if text)


@pytest.mark.parametrize("question", [THREE_STEPS, THREE_STEPS_JA, "Compare sales in Q1, Q2 and Q3", "地域別の売上"])
def test_answers_are_sound_markdown(client: httpx2.Client, question: str) -> None:
    for token in MarkdownIt().enable("table").parse(Agent(client, question).run()):
        plain = "".join(child.content for child in token.children or [] if child.type == "text")
        assert "*" not in plain
        assert "|" not in plain


# What is offered


@pytest.mark.parametrize(
    "question", ["What is backpressure?", "Hello!", "Thanks", "ストリーミングとは？", "Is 24/7 enough for an order?"]
)
def test_other_questions_are_answered_without_tools(client: httpx2.Client, question: str) -> None:
    """Word for word as if no tools had been offered."""
    assert Agent(client, question).run() == Agent(client, question, tools=[]).run()


@pytest.mark.parametrize("choice", [{"tools": []}, {"tools": offer("get_weather")}, {"tool_choice": "none"}])
def test_tools_that_are_not_offered_are_not_called(client: httpx2.Client, choice: dict[str, Any]) -> None:
    assert calls(ask(client, THREE_STEPS, **choice)) == []


def test_a_part_that_has_no_tool_stays_open(client: httpx2.Client) -> None:
    agent = Agent(client, THREE_STEPS, tools=offer("query_sales"))
    answer = agent.run()
    assert agent.names == [["query_sales", "query_sales"]]
    assert "**Tokyo** comes first" in answer
    assert "the tool `calculate` was not available" in answer
    assert "the tool `search_notes` was not available" in answer


def test_results_are_used_although_no_more_calls_are_allowed(client: httpx2.Client) -> None:
    agent = Agent(client, THREE_STEPS)
    agent.run()
    assert "**Tokyo** comes first" in say(client, messages=agent.messages[:4], tool_choice="none")
    assert say(client, messages=agent.messages[:-1], tool_choice="none") == agent.messages[-1]["content"]


def test_one_call_at_a_time(client: httpx2.Client) -> None:
    agent = Agent(client, THREE_STEPS, parallel_tool_calls=False)
    assert "**53.6 %**" in agent.run()
    assert agent.names == [["query_sales"], ["query_sales"], ["calculate"], ["search_notes"]]


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_a_named_tool_is_called_whatever_the_question(client: httpx2.Client, name: str) -> None:
    choice = {"type": "function", "function": {"name": name}}
    ((called, arguments),) = calls(ask(client, "What is backpressure?", tool_choice=choice))
    assert called == name
    assert "error" not in json.loads(FUNCTIONS[name](**json.loads(arguments)))
    assert {called for called, _ in calls(ask(client, THREE_STEPS, tool_choice=choice))} == {name}


def test_required_calls_a_tool(client: httpx2.Client) -> None:
    assert [name for name, _ in calls(ask(client, "2^10 = ?", tool_choice="required"))] == ["calculate"]
    assert [name for name, _ in calls(ask(client, "Hello", tool_choice="required"))] == ["search_notes"]


def test_later_questions_start_afresh(client: httpx2.Client) -> None:
    agent = Agent(client, THREE_STEPS)
    agent.run()
    agent.messages.append({"role": "user", "content": "1234*5678 は？"})
    assert "計算結果は **7,006,652** です。" in agent.run()
    agent.messages.append({"role": "user", "content": "What is SSE?"})
    assert "## SSE, WebSocket or gRPC?" in agent.run()


def test_a_json_format_holds_the_results(client: httpx2.Client) -> None:
    agent = Agent(client, "地域別の売上", response_format={"type": "json_object"})
    assert "36,000円" in json.loads(agent.run())["answer"]


# Tools of other clients


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


# Results that are of no use


@pytest.mark.parametrize(
    "failure", ["Division by zero is not defined.", json.dumps({"error": "Division by zero."}), ""]
)
@pytest.mark.parametrize("question", ["What is 1/0?", "1/0 はいくつ？"])
def test_failed_tools_are_named(client: httpx2.Client, question: str, failure: str) -> None:
    agent = Agent(client, question)
    agent.functions = FUNCTIONS | {"calculate": lambda expression: failure}
    answer = agent.run()
    assert agent.names == [["calculate"]]
    assert "`calculate`" in answer
    assert ("Division by zero" in answer) == bool(failure)


def test_refused_queries_are_given_up(client: httpx2.Client) -> None:
    agent = Agent(client, THREE_STEPS)
    agent.functions = FUNCTIONS | {"query_sales": lambda sql: '{"error": {"message": "The database is away."}}'}
    answer = agent.run()
    assert agent.names == [["query_sales", "query_sales"], ["search_notes"]]
    assert answer.count("The database is away.") == 1
    assert "Sharing" in answer


@pytest.mark.parametrize(
    "result", ["{}", "[]", "null", '{"rows": 1}', '{"rows": [[]]}', '{"rows": [["x", "y"]]}', "NaN"]
)
def test_unexpected_results_do_not_fail(client: httpx2.Client, result: str) -> None:
    for question in (THREE_STEPS_JA, "Compare our sales in Q1 and Q2 2025", "2^10 = ?", "monthly sales"):
        agent = Agent(client, question)
        agent.functions = dict.fromkeys(FUNCTIONS, lambda **_: result)
        assert agent.run()


def test_nothing_found_is_said(client: httpx2.Client) -> None:
    assert "nothing about “weather in Kyoto”" in Agent(client, "Search the notes for “the weather in Kyoto”").run()
    assert "見つかりませんでした" in Agent(client, "京都の天気についてノートを調べて").run()


def test_calls_and_results_must_fit_together(client: httpx2.Client) -> None:
    """As OpenAI refuses them."""
    question = {"role": "user", "content": "Hi"}
    call = {"id": "1", "type": "function", "function": {"name": "calculate", "arguments": "{}"}}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "1", "content": "1"}
    assert ask(client, "", messages=[question, called, result]).status_code == 200
    for messages in ([question, called], [question, result], [question, called, question], [called, result, result]):
        assert ask(client, "", messages=messages).status_code == 400
    named = {"type": "function", "function": {"name": "no_such_tool"}}
    assert ask(client, "Hi", tool_choice=named).status_code == 400


# The wire


def test_parallel_arguments_interleave(client: httpx2.Client) -> None:
    """Name and id first, then pieces of one call and the other in turn; joined they are the arguments."""
    choices = deltas(ask(client, "Look up what TTFT means and compute (820-350)/23", stream=True))
    pieces = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    assert [piece["index"] for piece in pieces[:8]] == [0, 1] * 4
    assert [piece["function"].get("name") for piece in pieces[:3]] == ["search_notes", "calculate", None]
    assert len({piece["id"] for piece in pieces[:2]}) == 2
    assert not any("id" in piece for piece in pieces[2:])
    joined = [
        "".join(piece["function"]["arguments"] for piece in pieces if piece["index"] == index) for index in (0, 1)
    ]
    assert [json.loads(text) for text in joined] == [{"query": "TTFT"}, {"expression": "(820-350)/23"}]
    assert choices[-1]["finish_reason"] == "tool_calls"


def test_calls_one_after_the_other(client: httpx2.Client) -> None:
    options = {"interleave": 0, "size": 4}
    choices = deltas(ask(client, "Compare our sales in Q1 and Q2 2025", stream=True, demo=options))
    pieces = [call for choice in choices for call in choice["delta"].get("tool_calls", [])]
    indexes = [piece["index"] for piece in pieces]
    assert indexes == sorted(indexes)
    assert max(len(piece["function"]["arguments"]) for piece in pieces) == 4


def test_text_comes_before_calls(client: httpx2.Client) -> None:
    _, *choices, end = deltas(ask(client, THREE_STEPS, stream=True))
    kinds = ["tool_calls" if "tool_calls" in choice["delta"] else "content" for choice in choices]
    assert kinds == sorted(kinds)
    assert set(kinds) == {"content", "tool_calls"}
    assert end["finish_reason"] == "tool_calls"


def test_usage_counts_calls(client: httpx2.Client) -> None:
    answer = ask(client, "2^10 = ?").json()
    ((name, arguments),) = calls(ask(client, "2^10 = ?"))
    assert answer["usage"]["completion_tokens"] == estimate_tokens(name + arguments)


def test_requests_list_calls(client: httpx2.Client) -> None:
    model = f"demo-{uuid4().hex[:8]}?first=0&rate=100000"
    Agent(client, THREE_STEPS, model=model).run()
    records = [record for record in client.get("../requests").json() if record["model"] == model]
    expected = [["query_sales", "query_sales"], ["calculate"], ["search_notes"], []]
    assert [record["calls"] for record in records] == expected


@pytest.mark.parametrize("fault", ["cut", "filter", "garbage"])
def test_faults_strike_within_arguments(client: httpx2.Client, fault: str) -> None:
    body = {"model": FAST, "messages": [{"role": "user", "content": "2^10 = ?"}], "tools": offer(), "stream": True}
    received = b""
    try:
        options = {"fault": fault, "after": 3}
        with client.stream("POST", "/chat/completions", json=body | {"demo": options}) as response:
            for piece in response.iter_raw():
                received += piece
    except httpx2.RemoteProtocolError:
        assert fault == "cut"
    assert received.count(b'"tool_calls":[') == 3
    assert (b"content_filter" in received) == (fault == "filter")


# Faulty calls


def test_tool_loop_never_answers(client: httpx2.Client) -> None:
    for question in ("Hello", THREE_STEPS):
        agent = Agent(client, question, demo={"tool_loop": 1})
        with pytest.raises(AssertionError, match="no answer"):
            agent.run(10)
        assert all(agent.steps)
    assert Agent(client, "Hello", tools=[], demo={"tool_loop": 1}).run()


def test_unknown_tool_is_called_once(client: httpx2.Client) -> None:
    for question in ("2^10 = ?", "Hello"):
        agent = Agent(client, question, demo={"unknown_tool": 1})
        agent.functions = FUNCTIONS | {"no_such_tool": lambda: "no_such_tool is not a valid tool"}
        answer = agent.run()
        assert agent.names[0] == ["no_such_tool"]
        assert ("**1,024**" in answer) or ("not a valid tool" in answer)


def test_bad_arguments_are_corrected(client: httpx2.Client) -> None:
    agent = Agent(client, "Look up what TTFT means and compute 2+3", demo={"bad_arguments": 1})
    agent.functions = {
        name: lambda function=function, **given: (
            '{"error": "bad"}' if "no_such_argument" in given else function(**given)
        )
        for name, function in FUNCTIONS.items()
    }
    assert "**5**" in agent.run()
    assert agent.names == [["search_notes", "calculate"]] * 2


def test_broken_arguments_are_corrected(client: httpx2.Client, chat: Callable[..., ChatOpenAI]) -> None:
    """They stay broken for clients that complete JSON which was cut short."""
    model = chat(extra_body={"demo": {"broken_arguments": 1}}).bind_tools([calculate])
    invoked = model.invoke("2^10 = ?")
    streamed = join(model.stream("2^10 = ?"))
    for message in (invoked, streamed):
        assert isinstance(message, AIMessage)
        assert message.tool_calls == []
        (call,) = message.invalid_tool_calls
        result = ToolMessage("The arguments are not JSON.", tool_call_id=call["id"])
        (corrected,) = answer(model, [HumanMessage("2^10 = ?"), message, result]).tool_calls
        assert corrected["args"] == {"expression": "2 ** 10"}


# LangChain


@pytest.fixture
def chat(demo: DemoModel) -> Callable[..., ChatOpenAI]:
    def build(**settings: Any) -> ChatOpenAI:
        defaults: dict[str, Any] = {"model": FAST, "max_retries": 0, "temperature": 0, "timeout": 10}
        return ChatOpenAI(base_url=demo.base_url, api_key=SecretStr("demo"), **(defaults | settings))

    return build


def join(chunks: Iterator[AIMessage]) -> AIMessage:
    whole: AIMessageChunk | None = None
    for chunk in chunks:
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    return whole


def answer(model: Any, messages: list[BaseMessage]) -> AIMessage:
    message = model.invoke(messages)
    assert isinstance(message, AIMessage)
    return message


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("question", "share"), [(THREE_STEPS, "**53.6 %**"), (THREE_STEPS_JA, "**53.6%**")])
def test_langchain_agent(chat: Callable[..., ChatOpenAI], stream: bool, question: str, share: str) -> None:
    """A loop over `bind_tools` ends with the real numbers, streamed or not."""
    tools = {name: StructuredTool.from_function(function) for name, function in FUNCTIONS.items()}
    model = chat(stream_usage=True).bind_tools(list(tools.values()))
    messages: list[BaseMessage] = [HumanMessage(question)]
    counts = []
    while True:
        message = join(model.stream(messages)) if stream else answer(model, messages)
        messages.append(message)
        assert message.usage_metadata
        counts.append(len(message.tool_calls))
        if not message.tool_calls:
            break
        messages += [tools[call["name"]].invoke(call) for call in message.tool_calls]
    assert counts == [2, 1, 1, 0]
    assert share in messages[-1].text


class City(BaseModel):
    name: str
    people: int


def test_structured_output_by_a_tool(chat: Callable[..., ChatOpenAI]) -> None:
    city = chat().with_structured_output(City, method="function_calling").invoke("Invent a city")
    assert isinstance(city, City)
    assert city.name == "Invent a city"
