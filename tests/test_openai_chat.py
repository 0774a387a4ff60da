"""Chat completions over HTTP, asked by OpenAI's own clients."""

import json
from typing import Any

import openai as package
import pytest
from openai import AsyncOpenAI

from streamlab.gateway.limits import BODY
from tests.access import BEARER, SECRET
from tests.conftest import demo_model
from tests.gateway import Served
from tests.openai_clients import (
    CHAT,
    QUESTION,
    WEATHER_QUESTION,
    WEATHER_TOOL,
    address,
    headers_of,
    in_thread,
    lab,
    openai,
)
from tests.openai_refused import CHATS, USER, check_refused

__all__ = ["lab", "openai"]

pytestmark = pytest.mark.anyio

TEXT = "Text that arrives while it is written."


async def post(lab: Served, body: object) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await lab.client.post(CHAT, content=content, headers=headers_of())


# Answers


async def test_streamed_or_not_over_threads_or_a_loop_it_is_the_same_answer(lab: Served, openai: AsyncOpenAI) -> None:
    model = demo_model(text=TEXT, reasoning=True)
    whole = await openai.chat.completions.create(model=model, messages=QUESTION)
    message = whole.choices[0].message
    assert (message.content, whole.choices[0].finish_reason, whole.model) == (TEXT, "stop", model)
    async with openai.chat.completions.stream(
        model=model, messages=QUESTION, stream_options={"include_usage": True}
    ) as stream:
        streamed = await stream.get_final_completion()
    assert streamed.choices[0].message.content == TEXT
    assert streamed.usage == whole.usage
    assert whole.usage
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    in_a_thread = await in_thread(lab, lambda client: client.chat.completions.create(model=model, messages=QUESTION))
    assert in_a_thread.choices == whole.choices
    chunks = await in_thread(
        lab, lambda client: list(client.chat.completions.create(model=model, messages=QUESTION, stream=True))
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    thoughts = [getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks]
    assert "".join(thoughts) == getattr(message, "reasoning_content", None) != ""


async def test_what_the_gateway_adds_stands_in_headers(lab: Served, openai: AsyncOpenAI) -> None:
    """The run can be followed natively, by the same token."""
    for stream in (False, True):
        raw = await openai.chat.completions.with_raw_response.create(
            model=demo_model(text=TEXT), messages=QUESTION, stream=stream
        )
        run_id = raw.headers["x-run-id"]
        assert raw.headers["location"] == f"/api/runs/{run_id}"
        assert raw.headers["x-request-id"] == run_id
        state = await lab.client.get(f"/runs/{run_id}", headers=BEARER)
        assert state.json()["id"] == run_id


async def test_models_are_listed_and_found(openai: AsyncOpenAI) -> None:
    """A scripted name is a model, too. One that nobody has is not."""
    assert [model.id async for model in await openai.models.list()] == ["demo"]
    name = "demo?rate=50&text=a/b c"
    assert (await openai.models.retrieve(name)).id == name
    with pytest.raises(package.NotFoundError) as refused:
        await openai.models.retrieve("nobody/has-it")
    assert refused.value.code == "model_not_found"


async def test_those_who_measure_are_told_that_the_server_is_there(lab: Served) -> None:
    """They ask beside `v1` before they begin."""
    assert (await lab.client.get("/openai/health")).status_code == 200


async def test_calls_are_handed_back_and_their_results_answered(openai: AsyncOpenAI) -> None:
    """Streamed and not; the history goes to the model as it is."""
    model = demo_model()
    asked: dict[str, Any] = {"model": model, "tools": [WEATHER_TOOL], "parallel_tool_calls": False}
    whole = await openai.chat.completions.create(messages=WEATHER_QUESTION, **asked)
    assert whole.choices[0].finish_reason == "tool_calls"
    message = whole.choices[0].message
    assert message.tool_calls
    async with openai.chat.completions.stream(messages=WEATHER_QUESTION, **asked) as stream:
        streamed = (await stream.get_final_completion()).choices[0]
    assert streamed.finish_reason == "tool_calls"
    assert streamed.message.tool_calls
    (one,), (other,) = message.tool_calls, streamed.message.tool_calls
    assert one.type == other.type == "function"
    assert one.function.name == other.function.name == "get_weather"
    assert json.loads(one.function.arguments) == json.loads(other.function.arguments) == {"city": "Kyoto"}
    said = [*WEATHER_QUESTION, message.model_dump(exclude_none=True)]
    told: Any = {"role": "tool", "tool_call_id": one.id, "content": "clear sky"}
    after = await openai.chat.completions.create(messages=[*said, told], **asked)
    assert "clear sky" in (after.choices[0].message.content or "")
    assert after.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("choice", "calls"),
    [
        ("none", False),
        ("required", True),
        ({"type": "function", "function": {"name": "get_weather"}}, True),
    ],
)
async def test_how_tools_are_chosen_is_for_the_caller_to_say(openai: AsyncOpenAI, choice: Any, calls: bool) -> None:
    answer = await openai.chat.completions.create(
        model=demo_model(), messages=WEATHER_QUESTION, tools=[WEATHER_TOOL], tool_choice=choice
    )
    assert bool(answer.choices[0].message.tool_calls) == calls


async def test_the_servers_own_agent_answers_when_it_is_asked_for(openai: AsyncOpenAI) -> None:
    """Its tools are not shown. Whole, an answer has the last step's text alone."""
    question: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 17 * 23?"}]
    agent = {"agent": True}
    whole = await openai.chat.completions.create(model=demo_model(), messages=question, extra_body=agent)
    text = whole.choices[0].message.content or ""
    assert "391" in text
    assert not whole.choices[0].message.tool_calls
    async with openai.chat.completions.stream(model=demo_model(), messages=question, extra_body=agent) as stream:
        streamed = (await stream.get_final_completion()).choices[0].message.content or ""
    assert streamed.split("\n\n")[-1] == text.split("\n\n")[-1]


async def test_further_fields_are_the_models_and_unknown_ones_nobodys(openai: AsyncOpenAI) -> None:
    answer = await openai.chat.completions.create(
        model=demo_model(chunks=50),
        messages=QUESTION,
        max_tokens=3,
        seed=1,
        user="somebody",
        metadata={"a": "b"},
        store=True,
        extra_body={"chat_id": "a front end's", "custom": {"nested": [1]}, "n": 1, "logprobs": False},
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage
    assert answer.usage.completion_tokens == 3


async def test_a_key_asks_once(openai: AsyncOpenAI) -> None:
    """The same key with anything else is a conflict, which is not tried again."""
    asked: dict[str, Any] = {"model": demo_model(text=TEXT), "messages": QUESTION}
    key = {"Idempotency-Key": "chat-key"}
    one = await openai.chat.completions.with_raw_response.create(**asked, extra_headers=key)
    other = await openai.chat.completions.with_raw_response.create(**asked, extra_headers=key)
    assert one.headers["x-run-id"] == other.headers["x-run-id"]
    assert other.headers["idempotency-replayed"] == "true"
    assert other.parse().choices[0].message.content == TEXT
    with pytest.raises(package.ConflictError) as refused:
        await openai.chat.completions.create(**asked, temperature=0.5, extra_headers=key)
    assert refused.value.response.headers["x-should-retry"] == "false"


async def test_answers_are_counted_by_protocol(lab: Served) -> None:
    """Also one that came whole."""
    traffic = lab.gateway.deliveries.traffic["openai-chat"]
    for stream in (False, True):
        before = traffic.events, traffic.sent
        answer = await post(lab, {"model": demo_model(text=TEXT), "messages": QUESTION, "stream": stream})
        assert answer.status_code == 200
        assert traffic.events > before[0] + 2
        assert traffic.sent > before[1] + len(TEXT)


# Failures


async def test_a_run_is_tried_again_before_text_and_not_after_it(openai: AsyncOpenAI) -> None:
    """Nothing that was sent is void later: an answer that breaks off ends with an error, after its text."""
    model = demo_model(fault="error", times=1, text=TEXT)
    answer = await openai.chat.completions.create(model=model, messages=QUESTION)
    assert answer.choices[0].message.content == TEXT
    model = demo_model(fault="cut", after=3, times=1, text=TEXT)
    stream = await openai.chat.completions.create(model=model, messages=QUESTION, stream=True)
    texts: list[str] = []
    with pytest.raises(package.APIError) as failed:  # noqa: PT012
        async for chunk in stream:
            texts.append(chunk.choices[0].delta.content or "")
    assert failed.value.code == "connection_lost"
    assert TEXT.startswith("".join(texts))
    assert "".join(texts)


FAULTS = {
    "rate_limit": (429, "rate_limit_exceeded", {"retry_after": 0}),
    "context": (400, "context_length_exceeded", {}),
    "key": (500, "auth", {}),
    "error": (500, "provider_unavailable", {}),
    "cut": (500, "connection_lost", {"after": 1}),
}


@pytest.mark.parametrize("key", [None, "once"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_run_that_fails_has_openais_status_and_code(openai: AsyncOpenAI, fault: str, key: str | None) -> None:
    """Which says where it is of no use to ask again: the server has done that, but for what broke off in its text."""
    status, code, options = FAULTS[fault]
    own = {"Idempotency-Key": f"{fault} {key}"} if key else {}
    with pytest.raises(package.APIStatusError) as failed:
        await openai.chat.completions.create(
            model=demo_model(fault=fault, **options), messages=QUESTION, extra_headers=own
        )
    assert (failed.value.status_code, failed.value.code) == (status, code)
    headers = failed.value.response.headers
    assert headers.get("x-should-retry") == (None if fault == "cut" and not key else "false")
    assert headers.get("retry-after") == ("1" if status == 429 else None)
    assert headers["x-run-id"]


async def test_what_broke_off_is_asked_again_by_the_client(lab: Served) -> None:
    """As of OpenAI, where nobody was sent anything of it."""
    model = demo_model(fault="cut", after=1, times=1, text=TEXT)
    before = lab.engine.runs.started
    async with AsyncOpenAI(base_url=address(lab), api_key=SECRET, max_retries=2, timeout=30) as client:
        answer = await client.chat.completions.create(model=model, messages=QUESTION)
    assert answer.choices[0].message.content == TEXT
    assert lab.engine.runs.started == before + 2


@pytest.mark.parametrize(("body", "field"), CHATS.values(), ids=CHATS)
async def test_what_cannot_be_honoured_is_refused_in_openais_form(lab: Served, body: object, field: str | None) -> None:
    """With the field's name and a sentence; nothing is asked."""
    before = lab.engine.runs.started
    response = await post(lab, body)
    check_refused(response, field)
    assert lab.engine.runs.started == before


async def test_refusals_of_every_kind_have_openais_form(lab: Served) -> None:
    """Also of what is no request for a completion."""
    anybody = await lab.client.post(CHAT, json={"messages": [USER]})
    assert (anybody.status_code, anybody.json()["error"]["code"]) == (401, "invalid_api_key")
    assert anybody.headers["www-authenticate"] == "Bearer"
    large = await post(lab, {"messages": [USER] * (BODY // 20)})
    elsewhere = await lab.client.get("/openai/v1/nowhere", headers=BEARER)
    method = await lab.client.get(CHAT, headers=BEARER)
    stranger = await lab.client.get("/openai/v1/models", headers=BEARER | {"origin": "https://elsewhere.example"})
    for response, status in ((large, 413), (elsewhere, 404), (method, 405), (stranger, 403)):
        assert response.status_code == status
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_a_long_history_is_no_fault(openai: AsyncOpenAI) -> None:
    said: list[Any] = [
        message
        for number in range(490)
        for message in (
            {"role": "user", "content": f"Question {number}"},
            {"role": "assistant", "content": "An answer. " * 40},
        )
    ]
    answer = await openai.chat.completions.create(model=demo_model(text=TEXT), messages=[*said, *QUESTION])
    assert answer.choices[0].message.content == TEXT
