"""The demo model's tool calls on the wire: results of no use, deltas, faulty calls, and LangChain's agent."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from streamlab.text.tokens import estimate_tokens
from tests import model_client
from tests.model_client import FAST
from tests.tool_agent import FUNCTIONS, THREE_STEPS, THREE_STEPS_JA, Agent, ask, calculate, calls, offer

chat, client = model_client.chat, model_client.client  # fixtures are found by their names


def deltas(response: httpx2.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line)["choices"][0] for line in lines]


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
