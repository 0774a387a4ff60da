"""What holds at the address of every protocol that front ends of others speak."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from streamlab.completions.prompt import MESSAGES, TOOLS
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
