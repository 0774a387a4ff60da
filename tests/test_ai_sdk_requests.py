"""What the AI SDK's chat may send, and what the model is told of it."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import SecretStr, ValidationError

from streamlab.gateway.errors import Refusal
from streamlab.gateway.limits import BODY
from streamlab.gateway.protocols.ai_sdk.request import SentChat
from tests.access import BEARER, SECRET
from tests.ai_sdk import chat, check_sentence, said, text
from tests.conftest import demo_model
from tests.gateway import FAST, Served, served

pytestmark = pytest.mark.anyio

TEXT = "An answer of several words."
ENDLESS = demo_model(chunks=100_000, rate=20)

Json = dict[str, Any]


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(FAST, gateway_tokens=(SecretStr(f"ada:{SECRET}"),), gateway_runs_per_minute=10_000) as lab:
        lab.client.headers.update(BEARER)
        yield lab


def called(state: str = "output-available", **more: Any) -> Json:
    part = {"type": "dynamic-tool", "toolName": "add", "toolCallId": "c1", "state": state, "input": {"a": 1}}
    return part | ({"output": 3} if state == "output-available" else {}) | more


def told(*messages: Json, **more: Any) -> tuple[BaseMessage, ...]:
    return SentChat.model_validate(chat(*messages, **more)).prompt().messages


# What the model is told


HISTORY = [
    said(text("Be brief."), role="system"),
    said(text("Add."), {"type": "data-mood", "data": 1}, text("Please.")),
    said(
        {"type": "step-start"},
        {"type": "reasoning", "text": "secret"},
        text("I add. "),
        called(),
        called("output-error", type="tool-sub", toolCallId="c2", toolName=None, input="x", errorText="no"),
        called("input-available", toolCallId="c3"),
        {"type": "step-start"},
        text("Half"),
        {"type": "data-retry", "data": {}},
        {"type": "step-start"},
        {"type": "source-url", "sourceId": "s", "url": "u"},
        text("It is 3."),
        role="assistant",
    ),
    said(role="assistant"),
    said(text("Thanks.")),
]


def test_what_a_model_with_tools_is_told() -> None:
    """Its calls as they were; nothing that was void, unfinished, or only for the reader."""
    system, asked, calls, three, no, answer, thanks = told(*HISTORY, agent=True)
    assert (system, asked) == (SystemMessage("Be brief."), HumanMessage("Add.\n\nPlease."))
    assert isinstance(calls, AIMessage)
    assert calls.text == "I add. "
    assert [(call["id"], call["name"], call["args"]) for call in calls.tool_calls] == [
        ("c1", "add", {"a": 1}),
        ("c2", "sub", {"input": "x"}),
    ]
    assert three == ToolMessage("3", tool_call_id="c1", name="add", status="success")
    assert no == ToolMessage("no", tool_call_id="c2", name="sub", status="error")
    assert (answer, thanks) == (AIMessage("It is 3."), HumanMessage("Thanks."))


def test_what_a_model_without_tools_is_told() -> None:
    """The same in words, one message for each answer."""
    *_, answer, thanks = told(*HISTORY)
    assert answer == AIMessage(
        'I add. \n\n[The tool add, called with {"a": 1}, gave 3]\n\n'
        '[The tool sub, called with "x", failed: no]\n\nIt is 3.'
    )
    assert thanks == HumanMessage("Thanks.")


@pytest.mark.parametrize("agent", [True, False])
def test_text_after_a_call_of_its_step_stays_after_it(agent: bool) -> None:
    """As some apps keep it."""
    history = said(text("a"), called(), text("b"), role="assistant")
    messages = told(said(text("q")), history, said(text("q")), agent=agent)[1:-1]
    assert [message.type for message in messages] == (["ai", "tool", "ai"] if agent else ["ai"])
    assert messages[-1].text.endswith("b")


def test_instructions_of_the_page_come_first() -> None:
    """Some front ends send them beside the messages."""
    assert told(said(text("q")), system="Be brief.") == (SystemMessage("Be brief."), HumanMessage("q"))


def test_an_answer_that_is_wanted_anew_is_left_out() -> None:
    """`useChat` does so itself; whoever sends it says by the trigger what is meant."""
    sent = chat(said(text("q")), said(text("a"), role="assistant"), trigger="regenerate-message")
    assert SentChat.model_validate(sent).prompt().messages == (HumanMessage("q"),)


PARTS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.sampled_from(["text", "tool-x", "data-x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "state", "toolCallId", "input", "output"]), inner)
    ),
    max_leaves=6,
)


@given(st.lists(PARTS, max_size=4), st.sampled_from(["user", "assistant", "system"]), st.booleans())
def test_any_parts_are_read_or_refused(parts: list[Any], role: str, agent: bool) -> None:
    """Nothing else can happen."""
    with suppress(ValidationError, Refusal):
        assert told(said(*parts, role=role), said(text("q")), agent=agent)[-1] == HumanMessage("q")


# What is refused


def test_what_is_too_deep_to_be_told_again_is_refused() -> None:
    """Also where it was not too deep to be read."""
    nested: Any = 1
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(ValidationError, match="must be nested less deeply"):
        SentChat.model_validate(chat(said(text("q")), made_up=nested))


def deep(levels: int) -> bytes:
    part = json.dumps(called(input=0)).replace('"input": 0', f'"input": {"[" * levels}{"]" * levels}')
    return json.dumps(chat(said("PART", role="assistant"), said(text("q")))).replace('"PART"', part).encode()


NO_PART = "messages.0.parts.0 must be an object of a type that is known here"
REFUSED: dict[str, tuple[Any, str]] = {
    "nothing": (b"", "The body is required."),
    "no JSON": (b"{", "The body must be JSON."),
    "no text": (b"\xff", "The request could not be read."),
    "a list": ([], "The body must be an object."),
    "an empty object": ({}, "id is required; messages is required."),
    "no chat": (chat(id=None), "id must be a string."),
    "a number as the chat": (chat(id=5), "id must be a string."),
    "an empty chat": (chat(id=""), "id must not be empty."),
    "a long chat": (chat(id="x" * 501), "id must have at most 500 characters."),
    "no messages": (chat(messages=[]), "messages must not be empty."),
    "null as messages": (chat(messages=None), "messages must be a list."),
    "too many messages": (chat(*[said(text("q"))] * 1_001), "messages must have at most 1,000 entries."),
    "a message of before 5": (chat({"role": "user", "content": "q"}), "messages.0.parts is required."),
    "another role": (chat(said(text("q"), role="tool")), "messages.0.role must be 'system', 'user' or 'assistant'."),
    "a word as a part": (chat(said("q")), NO_PART),
    "a part without a type": (
        chat(said({"text": "q"})),
        NO_PART,
    ),
    "an unknown part": (
        chat(said({"type": "hologram"})),
        NO_PART,
    ),
    "a text without text": (chat(said({"type": "text"})), "messages.0.parts.0.text is required."),
    "null as text": (chat(said(text(None))), "messages.0.parts.0.text must be a string."),  # type: ignore[arg-type]
    "a call without its id": (
        chat(said({"type": "tool-x", "state": ""})),
        "messages.0.parts.0.toolCallId is required.",
    ),
    "a call of no tool": (chat(said(called(type="tool-", toolName=None))), "messages.0.parts.0 must name its tool"),
    "a call of a tool without a name": (chat(said(called(toolName=""))), "messages.0.parts.0 must name its tool"),
    "a deep value": (deep(200), "messages.0.parts.0.input must be nested in at most 100 levels."),
    "a value without end": (b"[" * 100_000, "The request could not be read."),
    "a picture": (
        chat(said({"type": "file", "mediaType": "image/png", "url": "https://example.com/a.png"})),
        "fetches nothing from elsewhere",
    ),
    "no picture": (
        chat(said({"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,eHg="})),
        "an attachment is no image that can be read",
    ),
    "no question": (chat(said(text(" \n"))), "The question is empty."),
    "a question of data": (chat(said({"type": "data-x"})), "The question is empty."),
    "an answer last": (chat(said(text("a"), role="assistant")), "The last message must be the user's"),
    "another trigger": (chat(trigger="resume"), "trigger must be 'submit-message' or 'regenerate-message'."),
    "another model": (chat(model="gpt-99"), "The server has no model of this name."),
    "a number as the model": (chat(model=4), "model must be a string."),
    "yes as the agent": (chat(agent="yes"), "agent must be true or false."),
    "heat": (chat(temperature=2.1), "temperature must be at most 2."),
    "no number": (json.dumps(chat(temperature=float("nan"))).encode(), "temperature must be a finite number."),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_bad_input_is_answered_with_a_sentence(lab: Served, name: str) -> None:
    """As plain text, which a chat shows; and nothing is asked."""
    body, sentence = REFUSED[name]
    runs = lab.engine.runs.started
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await lab.client.post("/ai-sdk/chat", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert sentence in answer.text
    check_sentence(answer)
    assert lab.engine.runs.started == runs


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ai-sdk/chat", 405),
        ("GET", "/ai-sdk/chat/c/stop", 405),
        ("DELETE", "/ai-sdk/chat/c/stream", 405),
        ("GET", "/ai-sdk/nothing", 404),
        ("GET", "/ai-sdk", 404),
        ("POST", "/ai-sdk/chat?version=4", 422),
        ("POST", "/ai-sdk/chat?version=next", 422),
        ("GET", "/ai-sdk/chat/c/stream?version=8", 422),
    ],
)
async def test_other_addresses(lab: Served, method: str, path: str, status: int) -> None:
    answer = await lab.client.request(method, path, json=chat() if method == "POST" else None)
    assert answer.status_code == status
    check_sentence(answer)
    assert ("allow" in answer.headers) == (status == 405)


async def test_long_histories(lab: Served) -> None:
    """Up to the bound of a body, which is told."""
    for size, status in ((BODY - 2_000, 200), (BODY + 2, 413)):
        sent = chat(said(text("x " * (size // 2)), role="assistant"), said(text("q")), model=demo_model(text=TEXT))
        answer = await lab.client.post("/ai-sdk/chat", json=sent)
        assert answer.status_code == status
    check_sentence(answer)


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", None])
async def test_another_content_type(lab: Served, kind: str | None) -> None:
    """Is refused, whatever the body is."""
    headers = {"content-type": kind} if kind else {}
    answer = await lab.client.post("/ai-sdk/chat", content=json.dumps(chat()).encode(), headers=headers)
    assert answer.status_code == 422
    check_sentence(answer)


async def test_strangers(lab: Served) -> None:
    """Are told what is wanted, as of every address of the gateway."""
    async with httpx2.AsyncClient(base_url=lab.url) as stranger:
        answer = await stranger.post("/ai-sdk/chat", json=chat())
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        check_sentence(answer)
        answer = await stranger.post("/ai-sdk/chat", json=chat(), headers=BEARER | {"origin": "https://evil.example"})
        assert answer.status_code == 403
        check_sentence(answer)


async def test_too_many_runs() -> None:
    """The page is told when to ask again."""
    async with served(FAST, gateway_runs_per_minute=1) as lab:
        first = await lab.client.post("/ai-sdk/chat", json=chat(model=demo_model(text=TEXT)))
        answer = await lab.client.post("/ai-sdk/chat", json=chat(model=demo_model(text=TEXT)))
    assert (first.status_code, answer.status_code) == (200, 429)
    assert float(answer.headers["retry-after"]) > 0
    check_sentence(answer)
