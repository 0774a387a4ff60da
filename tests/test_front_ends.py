"""What holds at the address of every protocol that front ends of others speak."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any, get_args

import httpx2
import pytest
from pydantic_core.core_schema import ErrorType

from streamlab.completions.prompt import MESSAGES, TOOLS
from streamlab.gateway.mistakes import mistakes, sentence_of
from tests.conftest import demo_model
from tests.gateway import Served, served

pytestmark = pytest.mark.anyio

Body = dict[str, Any]
CUT = "half \ud83d"  # of an emoji, which JavaScript cuts in two


def ai_sdk(name: str = "c", text: str = "Hello", messages: int = 1) -> Body:
    parts = [{"type": "text", "text": text}]
    said = [{"id": str(number), "role": "user", "parts": parts} for number in range(messages)]
    return {"id": name, "messages": said, "model": demo_model()}


def chat(name: str = "c", text: str = "Hello", messages: int = 1) -> Body:
    return {"user": name, "messages": [{"role": "user", "content": text}] * messages, "model": demo_model()}


def response(name: str = "c", text: str = "Hello", messages: int = 1) -> Body:
    return {"user": name, "input": [{"role": "user", "content": text}] * messages, "model": demo_model()}


def ag_ui(name: str = "c", text: str = "Hello", messages: int = 1) -> Body:
    said = [{"id": str(number), "role": "user", "content": text} for number in range(messages)]
    asked = {"threadId": name, "runId": "r", "messages": said, "tools": [], "context": [], "state": {}}
    return asked | {"forwardedProps": {"model": demo_model()}}


ADDRESSES = {
    "/ai-sdk/chat": ai_sdk,
    "/openai/v1/chat/completions": chat,
    "/openai/v1/responses": response,
    "/ag-ui": ag_ui,
}
NAMES = {"/ai-sdk/chat": "id", "/ag-ui": "threadId"}  # else OpenAI's `user`
every_address = pytest.mark.parametrize("address", ADDRESSES)


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(gateway_max_runs=100, gateway_runs_per_minute=10_000) as lab:
        yield lab


async def ask(lab: Served, address: str, body: Body, key: str | None = None) -> httpx2.Response:
    headers = {"content-type": "application/json"} | ({"idempotency-key": key} if key else {})
    return await lab.client.post(address, content=json.dumps(body).encode(), headers=headers, timeout=30)


@every_address
async def test_a_key_stands_for_all_of_a_request(lab: Served, address: str) -> None:
    """Also for what the model is not told: whose conversation it is."""
    body = ADDRESSES[address]("one")
    first, again = await ask(lab, address, body, address), await ask(lab, address, body, address)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.headers["x-run-id"] == again.headers["x-run-id"]
    before = lab.engine.runs.started
    other = await ask(lab, address, body | {NAMES.get(address, "user"): "two"}, address)
    assert other.status_code == 409
    assert lab.engine.runs.started == before


@every_address
async def test_half_a_character_is_replaced(lab: Served, address: str) -> None:
    answer = await ask(lab, address, ADDRESSES[address](text=CUT))
    assert answer.status_code == 200
    log = lab.engine.hub.log(answer.headers["x-run-id"])
    assert log.done
    assert log.done.status == "completed"


@every_address
async def test_more_than_may_be_is_refused_and_nothing_asked(lab: Served, address: str) -> None:
    before = lab.engine.runs.started
    answer = await ask(lab, address, ADDRESSES[address](messages=MESSAGES + 1))
    assert answer.status_code in (400, 422)
    assert lab.engine.runs.started == before


@pytest.mark.parametrize("address", ["/openai/v1/chat/completions", "/openai/v1/responses", "/ag-ui"])
async def test_more_tools_than_may_be_are_refused(lab: Served, address: str) -> None:
    function: Body = {"name": "f", "description": "", "parameters": {"type": "object"}}
    tool = {"type": "function", "function": function} if address.endswith("completions") else function
    tool = {"type": "function", **function} if address.endswith("responses") else tool
    before = lab.engine.runs.started
    answer = await ask(lab, address, ADDRESSES[address]() | {"tools": [tool] * (TOOLS + 1)})
    assert answer.status_code in (400, 422)
    assert lab.engine.runs.started == before


@pytest.mark.parametrize("name", [".", "..", "a\nb", "\r\nx: y", "\0"], ids=ascii)
@pytest.mark.parametrize("address", NAMES)
async def test_a_name_that_no_address_can_have_is_refused(lab: Served, address: str, name: str) -> None:
    """Or its answer could not be stopped."""
    before = lab.engine.runs.started
    answer = await ask(lab, address, ADDRESSES[address](name))
    assert answer.status_code == 422
    assert lab.engine.runs.started == before


@every_address
async def test_another_method_is_told_which_may_be(lab: Served, address: str) -> None:
    answer = await lab.client.put(address)
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


LONG: dict[str, Body] = {
    "context": {"context": [{}] * (MESSAGES + 1)},
    "messages": {"messages": [{"id": "1", "role": "user", "content": [{}] * (MESSAGES + 1)}]},
}


@pytest.mark.parametrize("name", LONG)
async def test_no_list_of_ag_ui_is_longer_than_may_be(lab: Served, name: str) -> None:
    """Its package has no bounds: it would look at each of them first, while nobody else is served."""
    answer = await ask(lab, "/ag-ui", ag_ui() | LONG[name])
    assert answer.status_code == 422
    assert f"{name}: More than 1,000 were sent." in answer.text


# What is said of a body that is wrong


def native(name: str = "c", text: str = "Hello", messages: int = 1) -> Body:
    return {"messages": [{"role": "user", "content": text}] * messages, "model": demo_model()}


EVERYTHING: list[Any] = [None, 5, -1, 1.5, True, "", "x", [], {}, [5], [None], [{}], ["x"], {"x": 5}, {"type": "x"}]
FIELDS = {
    "/chat": "message messages model agent temperature conversation made_up",
    "/runs": "message messages model agent temperature conversation made_up",
    "/ai-sdk/chat": "id messages trigger model system agent temperature",
    "/ag-ui": "threadId runId messages tools context resume",
    "/openai/v1/chat/completions": "messages model stream stream_options temperature tools tool_choice agent stop n "
    "response_format metadata logit_bias max_tokens top_p seed user functions audio modalities reasoning_effort",
    "/openai/v1/responses": "input model instructions previous_response_id stream store background temperature tools "
    "tool_choice text reasoning metadata truncation include conversation prompt stream_options max_output_tokens",
}
SAID: Body = {"id": "1", "role": "user", "content": "Hi"}
TOOL: Body = {"name": "f", "description": ""}
NO_MODELS: list[Any] = [5, True, [5], {"x": 5}]  # and nothing that has a model answer
NO_SCHEMAS: list[Any] = [5, "x", [], {"type": "x"}, {"type": "string"}]
NO_WISHES: list[Body] = [{"model": 5}, {"agent": 5}, {"temperature": "x"}, {"temperature": 5}]
NO_PARTS: list[Body] = [{"text": 5}, {"type": 5}, {"type": "tool-x"}, {"type": "tool-x", "toolCallId": 5, "state": ""}]
WITHIN: dict[str, list[Body]] = {
    "/ai-sdk/chat": [{"messages": [{"role": "user", "parts": [{"type": "text"} | each]}]} for each in NO_PARTS],
    "/ag-ui": [
        *({"messages": [SAID | {name: value}]} for name in ("id", "role", "content") for value in (5, None, ["x"])),
        {"messages": [SAID | {"role": "x"}]},
        {"messages": [SAID | {"content": [{"type": 5}]}]},
        *({"tools": [TOOL | {"name": name}]} for name in ("a b", "", 5, None, "x" * 65)),
        *({"tools": [TOOL | {"parameters": each}]} for each in NO_SCHEMAS),
        {"tools": [TOOL, TOOL]},
        *({"forwardedProps": each} for each in NO_WISHES),
    ],
    "/chat": [{"messages": [each]} for each in ({"role": "user"}, {"role": "x", "content": ""}, {"content": 5})],
}
PYDANTICS = re.compile(
    r"(?i)input (should|tag)|field required|extra inputs|should (have|match|be)|value error|unable to|instance of"
    r"|discriminator|validation|literal\[|function-|_type|_error"
)


def sentence_in(address: str, answer: httpx2.Response) -> str:
    """Read what a refusal says, in the form of its protocol."""
    if address == "/ai-sdk/chat":
        assert answer.headers["content-type"].startswith("text/plain")
        return answer.text
    if address == "/ag-ui":
        assert answer.json()["type"] == "RUN_ERROR"
        return str(answer.json()["message"])
    error = answer.json()["error"]
    if address.startswith("/openai"):
        assert set(error) == {"message", "type", "param", "code"}
        assert error["param"] is None or error["param"].partition(".")[0].partition("[")[0] in error["message"]
    return str(error["message"])


def wrong_bodies(address: str) -> list[tuple[str, Body]]:
    """Make bodies with one field that is anything, and the name of that."""
    good = ADDRESSES.get(address, native)() | {"model": "nobody's"}
    if "forwardedProps" in good:
        good["forwardedProps"] = {"model": good.pop("model")}
    bodies = [
        (name, good | {name: value})
        for name in FIELDS[address].split()
        for value in (NO_MODELS if name == "model" else EVERYTHING)
    ]
    needed = [name for name in good if name != "model" and name in FIELDS[address].split()]
    bodies += [(name, {key: good[key] for key in good if key != name}) for name in needed]
    return bodies + [(next(iter(each)), good | each) for each in WITHIN.get(address, [])]


@pytest.mark.parametrize("address", FIELDS)
async def test_a_refusal_says_which_field_is_wrong_and_what_belongs_there(lab: Served, address: str) -> None:
    """In one sentence of ours, in the protocol's own form."""
    refused = 0
    for name, body in wrong_bodies(address):
        answer = await ask(lab, address, body)
        assert answer.status_code in (400, 404, 422), (body, answer.text)
        said = sentence_in(address, answer).partition(" See ")[0]
        if said.startswith("The server has no model of this name."):
            continue
        refused += 1
        assert not PYDANTICS.search(said), (body, said)
        assert name in said, (body, said)
        assert said.endswith("."), said
    assert refused > len(FIELDS[address].split()) * 5


@pytest.mark.parametrize("address", FIELDS)
@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"x"', b"{", b"", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused_in_the_same_way(lab: Served, address: str, body: bytes) -> None:
    answer = await lab.client.post(address, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    said = sentence_in(address, answer)
    assert not PYDANTICS.search(said)
    assert re.match("The (body|request) ", said), said


@pytest.mark.parametrize("type", ["text/plain", "application/x-www-form-urlencoded", "nonsense", None])
@pytest.mark.parametrize("address", ["/chat", "/runs", "/ai-sdk/chat"])
async def test_a_body_that_is_not_said_to_be_json_is_told_so(lab: Served, address: str, type: str | None) -> None:
    """As what curl sends of itself. OpenAI and AG-UI take it as what it is."""
    headers = {"content-type": type} if type else {}
    answer = await lab.client.post(address, content=json.dumps(ADDRESSES.get(address, native)()), headers=headers)
    assert answer.status_code == 422
    assert sentence_in(address, answer).startswith("The body must be JSON, and sent with Content-Type:")


BESIDES = [
    ("GET", "/openai/v1/responses/resp_x", {"starting_after": "x"}, "starting_after must be a whole number."),
    ("GET", "/openai/v1/responses/resp_x", {"starting_after": "-1"}, "starting_after must be at least 0."),
    ("GET", "/openai/v1/responses/resp_x", {"stream": "maybe"}, "stream must be true or false."),
    ("GET", "/openai/v1/responses/resp_x/input_items", {"limit": "101"}, "limit must be at most 100."),
    ("GET", "/openai/v1/responses/resp_x/input_items", {"order": "up"}, "order must be 'asc' or 'desc'."),
    ("POST", "/ai-sdk/chat", {"version": "4"}, "version must be at least 5."),
    ("GET", "/ai-sdk/chat/c/stream", {"version": "next"}, "version must be a whole number."),
    ("GET", "/ai-sdk/chat/c/stream", {"ended": "perhaps"}, "ended must be true or false."),
    ("GET", "/runs/x/events", {"limit": "many"}, "limit must be a whole number."),
]


@pytest.mark.parametrize(("method", "address", "params", "sentence"), BESIDES)
async def test_what_is_wrong_in_an_address_is_told_like_that(
    lab: Served, method: str, address: str, params: dict[str, str], sentence: str
) -> None:
    answer = await lab.client.request(method, address, params=params, json=ai_sdk() if method == "POST" else None)
    assert answer.status_code in (400, 422)
    assert sentence in answer.text


@every_address
async def test_what_is_wrong_in_a_header_is_told_like_that(lab: Served, address: str) -> None:
    answer = await ask(lab, address, ADDRESSES[address](), "x" * 256)
    assert answer.status_code in (400, 422)
    assert sentence_in(address, answer).startswith("Idempotency-Key must have at most 255 characters.")


@pytest.mark.parametrize("type", get_args(ErrorType))
def test_no_error_of_pydantics_is_told_in_its_words(type: str) -> None:
    """Also of types that no field has today."""
    context = dict.fromkeys(("gt", "ge", "lt", "le", "min_length", "max_length", "expected", "expected_tags"), 3)
    error = {"type": type, "loc": ("a", "str", "b"), "msg": "Input should be x", "ctx": context}
    if type.startswith("union_tag"):
        error["ctx"] = context | {"discriminator": "'kind'"}
    if type == "string_pattern_mismatch":
        error["ctx"] = context | {"pattern": "^a$"}
    ours = type in ("value_error", "assertion_error")
    said = sentence_of(mistakes([error], {"a": {"b": 1}}))
    assert said.startswith("a.b")
    assert ours or not PYDANTICS.search(said)
