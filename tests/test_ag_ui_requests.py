"""What AG-UI's front ends send: what a model is told of it, and how it is refused."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from ag_ui.core import RunErrorEvent
from langchain_core.messages import AIMessage, BaseMessage

from streamlab.gateway import limits
from streamlab.gateway.errors import Refusal
from streamlab.gateway.protocols.ag_ui.request import Asked
from tests.conftest import demo_model, until
from tests.gateway import Served, served
from tests.javascript import needs_node
from tests.test_ag_ui import ONE, TOKENS, TWO, WEATHER, clients_at

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
USER: Json = {"id": "u", "role": "user", "content": "Hi"}
FUNCTION = {"name": "add", "arguments": '{"a": 1}'}
CALL: Json = {"id": "c1", "type": "function", "function": FUNCTION}
CALLING: Json = {"id": "a", "role": "assistant", "toolCalls": [CALL]}
RESULT: Json = {"id": "r", "role": "tool", "toolCallId": "c1", "content": "3"}


def sent(*messages: Any, **changes: Any) -> Json:
    return {"threadId": "t", "runId": "r", "messages": list(messages or [USER])} | changes


def asked(*messages: Any, **changes: Any) -> Asked:
    return Asked(json.dumps(sent(*messages, **changes)).encode())


def told(*messages: Any, **changes: Any) -> list[tuple[str, str]]:
    """What the model is told, by whom."""
    return [(message.type, message.text) for message in asked(*messages, **changes).prompt.messages]


# What a model is told


def test_the_messages_are_told_in_their_order() -> None:
    """Instructions wherever they stand, texts in parts as one; what was thought and done is not told."""
    parts = [{"type": "text", "text": "One."}, {"type": "text", "text": "Two.", "metadata": [1]}]
    messages = [
        {"id": "1", "role": "system", "content": "Be brief."},
        {"id": "2", "role": "developer", "content": "Be kind."},
        {"id": "3", "role": "user", "content": parts, "name": "Ann"},
        {"id": "4", "role": "reasoning", "content": "Hm.", "encryptedValue": "x"},
        {"id": "5", "role": "activity", "activityType": "search", "content": {"done": True}},
        {"id": "6", "role": "assistant", "content": "Three."},
        {"id": "7", "role": "assistant", "content": ""},
        {"id": "8", "role": "user", "content": ""},
    ]
    assert told(*messages) == [
        ("system", "Be brief."),
        ("system", "Be kind."),
        ("human", "One.\nTwo."),
        ("ai", "Three."),
        ("human", ""),
    ]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([USER], [("system", "The page:\n/home\n\nThe time:\nnoon"), ("human", "Hi")]),
        (
            [{"id": "s", "role": "system", "content": "Be brief."}, USER],
            [("system", "Be brief.\n\nThe page:\n/home\n\nThe time:\nnoon"), ("human", "Hi")],
        ),
    ],
)
def test_the_context_is_told_as_instructions(messages: list[Json], expected: list[tuple[str, str]]) -> None:
    """With those of the application, for some models take one message of that kind."""
    context = [{"description": "The page", "value": "/home"}, {"description": "The time", "value": "noon"}]
    assert told(*messages, context=context) == expected


def calls(message: BaseMessage) -> list[str | None]:
    assert isinstance(message, AIMessage)
    return [call["id"] for call in (*message.tool_calls, *message.invalid_tool_calls)]


@pytest.mark.parametrize(
    "messages",
    [
        [USER, CALLING, RESULT],
        [USER, RESULT, CALLING, USER],  # whatever order a client keeps them in
        [USER, CALLING, {"id": "a2", "role": "assistant", "content": "Wait."}, RESULT],
        [USER, CALLING, USER],  # a run that was stopped, a call that nobody answered
        [RESULT, USER, CALLING, RESULT],
    ],
)
def test_each_call_has_its_result(messages: list[Json]) -> None:
    """Models refuse anything else: right behind what called, one for each call, and none without."""
    prompt = asked(*messages).prompt.messages
    number = next(number for number, message in enumerate(prompt) if message.type == "ai")
    assert calls(prompt[number]) == ["c1"]
    assert [(each.type, getattr(each, "tool_call_id", None)) for each in prompt if each.type == "tool"] == [
        ("tool", "c1")
    ]
    assert prompt[number + 1].type == "tool"
    assert prompt[number + 1].text == ("3" if RESULT in messages else "There is no result.")


def test_a_failed_tool_says_why() -> None:
    parts = [{"type": "text", "text": "half"}]
    message = asked(USER, CALLING, RESULT | {"content": parts, "error": "timeout"}).prompt.messages[-1]
    assert (message.text, getattr(message, "status", None)) == ("half\ntimeout", "error")


@pytest.mark.parametrize("arguments", ["", "no JSON", "[1]", "[" * 100_000, '{"a": NaN'])
def test_arguments_that_are_no_object_stay_as_they_were_written(arguments: str) -> None:
    """The model is told what it wrote, and what came of it."""
    call = CALL | {"function": {"name": "add", "arguments": arguments}}
    answer = asked(USER, CALLING | {"toolCalls": [call]}, RESULT).prompt.messages[1]
    assert isinstance(answer, AIMessage)
    assert [(each["args"], each["id"]) for each in answer.invalid_tool_calls] == [(arguments, "c1")]


def test_what_is_wanted_of_the_answer_comes_beside_the_messages() -> None:
    """Applications put more there, and other things than objects; functions are told as OpenAI has them."""
    props = {"model": "demo", "agent": False, "temperature": 0, "own": {"model": 1}}
    prompt = asked(tools=[WEATHER, {"name": "now", "description": ""}], forwardedProps=props).prompt
    assert (prompt.model, prompt.agent, prompt.temperature) == ("demo", False, 0)
    assert [tool["function"] for tool in prompt.tools] == [
        WEATHER,
        {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}},
    ]
    others: list[Any] = [None, [], "x", {"model": None, "agent": None, "temperature": None}]
    for other in others:
        prompt = asked(forwardedProps=other, state=[1], tools=None, context=None).prompt
        assert (prompt.model, prompt.agent, prompt.temperature, prompt.tools) == ("", False, None, ())


def test_half_a_character_is_no_obstacle() -> None:
    """A browser cuts texts where it likes; what was said is told to it again as it was, and the model something that
    can be sent.
    """
    half = USER | {"content": "a\ud83d"}
    assert json.loads(asked(half).conversation.said)[0]["content"] == "a\ud83d"
    assert told(half | {"content": "a\ud83d ü😀"}) == [("human", "a? ü😀")]


# Refusals

IMAGE = {"type": "image", "source": {"type": "url", "value": "https://example.com/secret.png"}}
DEEP: Any = 1
for _ in range(400):
    DEEP = [DEEP]

WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "JSON"),
    "no bytes of text": (b'"\xff"', "JSON"),
    "numbers that JSON does not have": (json.dumps(sent(state=float("nan"))).encode(), "JSON"),
    "brackets without end": (b"[" * 500_000, "deep"),
    "nothing": (b"", "JSON"),
    "another thing": ([], "The body must be an object."),
    "null": (None, "The body must be an object."),
    "no thread": ({"runId": "r", "messages": [USER]}, "threadId"),
    "null for a thread": (sent(threadId=None), "threadId"),
    "an empty thread": (sent(threadId=""), "threadId"),
    "a long thread": (sent(threadId="x" * 1_001), "threadId"),
    "no run": ({"threadId": "t", "messages": [USER]}, "runId"),
    "an empty run": (sent(runId=""), "runId"),
    "no messages": (sent() | {"messages": []}, "messages"),
    "messages that are none": (sent(1, "x", None), "messages.0"),
    "a role that nobody has": (sent({"id": "u", "role": "sec" * 1_000, "content": "Hi"}), "role"),
    "no role": (sent({"id": "u", "content": "Hi"}), "messages.0"),
    "no id": (sent({"role": "user", "content": "Hi"}), "messages.0.id"),
    "a number for a text": (sent(USER | {"content": 5}), "messages.0.content"),
    "an unknown part": (sent(USER | {"content": [{"type": "sec", "text": "x"}]}), "messages.0.content"),
    "an image": (sent(USER | {"content": [IMAGE]}), "messages.0.content: Files must come as data"),
    "an image from a tool": (sent(USER, CALLING, RESULT | {"content": [IMAGE]}), "messages.2.content"),
    "an answer at last": (sent(USER, {"id": "a", "role": "assistant", "content": "Hi"}), "messages"),
    "instructions alone": (sent({"id": "s", "role": "system", "content": "Hi"}), "messages"),
    "a call without a function": (sent(USER, CALLING | {"toolCalls": [{"id": "c"}]}, USER), "toolCalls.0.function"),
    "a tool without a name": (sent(tools=[{"description": ""}]), "tools.0.name"),
    "a tool with a schema that is none": (sent(tools=[WEATHER | {"parameters": [1]}]), "tools.0.parameters"),
    "a tool with a name of words": (
        sent(tools=[WEATHER | {"name": "the weather"}]),
        "tools.0.name must be",
    ),
    "a tool without letters": (sent(tools=[WEATHER | {"name": ""}]), "tools.0.name must be"),
    "two tools of one name": (sent(tools=[WEATHER, WEATHER]), "tools must have functions of different names."),
    "a tool of a text": (
        sent(tools=[WEATHER | {"parameters": {"type": "string"}}]),
        "tools.0.parameters must",
    ),
    "a tool of no type": (
        sent(tools=[WEATHER | {"parameters": {"type": "object", "properties": {"a": {"type": "x"}}}}]),
        "tools.0.parameters must be a JSON schema, in which each type is one of array,",
    ),
    "a tool that is deep": (
        sent(tools=[WEATHER | {"parameters": {"default": DEEP}}]),
        "parameters must be nested",
    ),
    "tools that are none": (sent(tools={"a": 1}), "tools"),
    "a context without a value": (sent(context=[{"description": "x"}]), "context.0.value"),
    "an answer to an interrupt": (sent(resume=[{"interruptId": "i", "status": "resolved"}]), "resume"),
    "a model that is no name": (sent(forwardedProps={"model": 5}), "model"),
    "an unknown model": (sent(forwardedProps={"model": "sec"}), "no model"),
    "a temperature that is none": (sent(forwardedProps={"temperature": "hot"}), "temperature"),
    "a temperature too high": (sent(forwardedProps={"temperature": 3}), "temperature"),
    "an agent that is neither": (sent(forwardedProps={"agent": "yes"}), "agent"),
    "both kinds of tools": (sent(tools=[WEATHER], forwardedProps={"agent": True}), "not both"),
}


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(gateway_tokens=TOKENS, gateway_max_runs=2, gateway_origins="https://page.example") as lab:
        yield lab


def error_of(response: httpx2.Response) -> RunErrorEvent:
    """Decode it by the package: it is what a run says that failed."""
    assert response.headers["content-type"] == "application/json"
    error = RunErrorEvent.model_validate(response.json())
    assert not error.model_extra
    assert error.message.endswith(".")
    assert len(error.message) < 600
    assert "sec" not in error.message.replace("second", "")
    return error


@pytest.mark.parametrize("name", WRONG)
async def test_what_cannot_be_honoured_is_refused_in_a_sentence(lab: Served, name: str) -> None:
    """Nothing of it is asked, and nothing of what was sent is said again."""
    content, place = WRONG[name]
    before = lab.engine.runs.started
    written = content if isinstance(content, bytes) else json.dumps(content).encode()
    response = await lab.client.post("/ag-ui", content=written, headers=ONE)
    assert response.status_code == 422
    error = error_of(response)
    assert place in error.message
    assert error.code in ("invalid_request", "unknown_model")
    assert lab.engine.runs.started == before


@pytest.mark.parametrize("depth", [10, 100, 200, 300, 500, 900, 1_100, 5_000, 200_000])
def test_what_is_nested_too_deeply_is_refused_or_told_again(depth: int) -> None:
    """However deep: it is never anything else."""
    nested = f"{'[' * depth}1{']' * depth}"
    message = f'{{"id":"u","role":"user","content":"Hi","metadata":{{"a":{nested}}}}}'
    said = "deep"
    try:
        said = Asked(f'{{"threadId":"t","runId":"r","messages":[{message}]}}'.encode()).conversation.said
    except Refusal as refusal:
        nested = refusal.details.message
    assert nested in said or said in nested


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/ag-ui", ONE, 405, "method_not_allowed"),
        ("DELETE", "/ag-ui/t/stop", ONE, 405, "method_not_allowed"),
        ("GET", "/ag-ui/t/nothing", ONE, 404, "not_found"),
        ("POST", "/ag-ui", {}, 401, None),
        ("GET", "/ag-ui/t/stream", {}, 401, None),
        ("POST", "/ag-ui/t/stop", {"authorization": "Bearer wrong"}, 401, None),
        ("POST", "/ag-ui", ONE | {"origin": "https://other.example"}, 403, None),
        ("GET", "/ag-ui/t/stream", ONE | {"origin": "https://other.example"}, 403, None),
    ],
)
async def test_every_refusal_is_in_the_protocol_s_own_form(
    lab: Served, method: str, path: str, headers: Json, status: int, code: str | None
) -> None:
    """Whatever is wrong with a request beneath the prefix."""
    response = await lab.client.request(method, path, headers=headers)
    assert response.status_code == status
    error = error_of(response)
    assert code is None or error.code == code
    assert ("www-authenticate" in response.headers) == (status == 401)


async def test_a_long_history_is_taken_and_a_longer_one_refused(lab: Served) -> None:
    """Up to the bound of every body; what the page is told again is as long."""
    long = [
        USER | {"id": f"u{number}", "content": "x" * 1_000}
        for number in range(limits.BODY // 1_100)
    ]  # fmt: skip
    model = {"model": demo_model(text="Yes.")}
    response = await lab.client.post("/ag-ui", json=sent(*long, forwardedProps=model), headers=TWO)
    assert response.status_code == 200
    assert b"RUN_FINISHED" in response.content
    taken_up = await lab.client.get("/ag-ui/t/stream", headers=TWO)
    assert len(taken_up.content) > limits.BODY * 0.9
    response = await lab.client.post("/ag-ui", json=sent(*long, *long), headers=TWO)
    assert (response.status_code, error_of(response).code) == (413, "too_large")


@needs_node
async def test_the_client_is_told_what_was_wrong(lab: Served) -> None:
    """Its error has our sentence, and the body beside it; also where there are too many runs."""
    async with clients_at(lab.url) as clients:
        refused = await clients.go("a", "t", say="Hi", parameters={"forwardedProps": {"model": "none"}})
        assert (refused["status"], refused["payload"]["code"]) == (422, "unknown_model")
        assert refused["payload"]["type"] == "RUN_ERROR"
        assert "The server has no model of this name." in refused["error"]
        slow = {"forwardedProps": {"model": demo_model(chunks=900, rate=20)}}
        threads = [clients.go("a", thread, say="Hi", parameters=slow) for thread in ("one", "two")]
        await until(lambda: len(lab.gateway.deliveries) == 2)
        refused = await clients.go("b", "three", say="Hi", parameters=slow)
        assert (refused["status"], refused["payload"]["code"]) == (429, "too_many_live_runs")
        for thread in ("one", "two"):
            assert (await lab.client.post(f"/ag-ui/{thread}/stop", headers=ONE)).status_code == 202
        assert [(await each)["events"][-1]["type"] for each in threads] == ["RUN_FINISHED"] * 2


@pytest.mark.parametrize("origin", ["https://page.example", "https://other.example"])
async def test_a_page_of_another_origin_may_ask_where_that_is_set(lab: Served, origin: str) -> None:
    """A browser asks first whether it may send what the client sends."""
    headers = {"origin": origin, "access-control-request-method": "POST"}
    headers["access-control-request-headers"] = "accept, authorization, content-type"
    response = await lab.client.request("OPTIONS", "/ag-ui", headers=headers)
    assert (response.headers.get("access-control-allow-origin") == origin) == (origin == "https://page.example")
