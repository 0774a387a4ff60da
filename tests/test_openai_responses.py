"""Responses over HTTP, asked by OpenAI's own clients: streamed, kept, cut, come back to."""

import asyncio
import json
from typing import Any

import openai as package
import pytest
from openai import AsyncOpenAI

from streamlab.gateway.protocols.openai import responses_routes
from streamlab.hub import Log
from tests.access import BEARER, OTHER, SECRET
from tests.conftest import demo_model, until
from tests.gateway import Served
from tests.openai_clients import WEATHER, in_thread, lab, openai, openai_client
from tests.openai_streams import check_response, data_of, numbers
from tests.test_foreign_npm_clients import Way

__all__ = ["lab", "openai"]

pytestmark = pytest.mark.anyio

TEXT = "Text that arrives while it is written."
TOOL: Any = {"type": "function", "strict": False, **WEATHER}
SLOW = {"rate": 20, "chunks": 400}


async def ended(openai: AsyncOpenAI, response_id: str) -> Any:
    """Look at a response until it is over, as OpenAI's guide does."""
    while (response := await openai.responses.retrieve(response_id)).status == "in_progress":  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return response


async def raw_events(lab: Served, response_id: str, **params: Any) -> list[dict[str, Any]]:
    response = await lab.client.get(
        f"/openai/v1/responses/{response_id}", params={"stream": "true", **params}, headers=BEARER
    )
    assert response.status_code == 200
    *events, done = data_of(response.content)
    assert done == "[DONE]"
    return [json.loads(event) for event in events]


def text_of(item: Any) -> str:
    text: str = item.content[0].text
    return text


def log_of(lab: Served, response_id: str) -> Log:
    return lab.engine.hub.log(response_id.removeprefix("resp_"))


# Answers


async def test_streamed_or_not_kept_or_looked_at_it_is_the_same_response(lab: Served, openai: AsyncOpenAI) -> None:
    """But for its ids and times. The stream has numbers without gaps."""
    model = demo_model(text=TEXT, reasoning=True)
    asked: dict[str, Any] = {"model": model, "input": "Hi", "metadata": {"a": "b"}, "instructions": "Be brief."}
    whole = await openai.responses.create(**asked)
    assert (whole.output_text, whole.status, whole.metadata) == (TEXT, "completed", {"a": "b"})
    assert [item.type for item in whole.output] == ["reasoning", "message"]
    assert whole.usage
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens
    async with openai.responses.stream(**asked) as stream:
        streamed = [event async for event in stream]
        final = await stream.get_final_response()
    assert [event.sequence_number for event in streamed] == list(range(len(streamed)))
    assert final.output_text == TEXT
    assert (await openai.responses.retrieve(final.id)).to_dict() == final.to_dict() | {"output": streamed_output(final)}
    in_a_thread = await in_thread(lab, lambda client: client.responses.create(**asked))
    assert in_a_thread.output_text == TEXT
    events = await raw_events(lab, final.id)
    assert numbers(events) == list(range(len(streamed)))
    assert check_response(events)["id"] == final.id
    async with openai.responses.stream(response_id=final.id, starting_after=5) as again:
        assert [event.sequence_number async for event in again] == list(range(6, len(streamed)))


def streamed_output(response: Any) -> list[Any]:
    """The output without what the client's helper has parsed."""
    output: list[Any] = response.to_dict()["output"]
    for item in output:
        for part in item.get("content") or ():
            part.pop("parsed", None)
    return output


async def test_what_was_said_before_is_told_and_instructions_are_not(lab: Served, openai: AsyncOpenAI) -> None:
    """Answers of three turns; the model hears of each former one as a question and an answer."""
    models = [demo_model(text=TEXT) for _ in range(3)]
    first = await openai.responses.create(model=models[0], input="One", instructions="Be brief.")
    second = await openai.responses.create(
        model=models[1], input=[{"role": "user", "content": "Two"}], previous_response_id=first.id
    )
    third = await openai.responses.create(
        model=models[2], input="Three", instructions="Be long.", previous_response_id=second.id
    )
    records = (await lab.client.get(f"{lab.engine.models.demo_url}/../requests")).json()
    heard = [next(each["prompt"] for each in records if each["model"] == model) for model in models]
    assert [each["messages"] for each in heard] == [2, 3, 6]
    assert heard[2]["user"] == "Three"
    assert third.previous_response_id == second.id
    items = [item async for item in await openai.responses.input_items.list(third.id)]
    assert [text_of(item) for item in items] == ["Three"]


async def test_what_is_gone_on_from_is_bounded(openai: AsyncOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of a thousand responses may be as long as a body, and all of them are read at once."""
    first = await openai.responses.create(model=demo_model(text=TEXT), input="x" * 3_000)
    second = await openai.responses.create(model=demo_model(text=TEXT), input="Two", previous_response_id=first.id)
    monkeypatch.setattr(responses_routes, "BEFORE", 5_000)
    await openai.responses.create(model=demo_model(text=TEXT), input="And?", previous_response_id=first.id)
    with pytest.raises(package.BadRequestError) as refused:
        await openai.responses.create(model=demo_model(text=TEXT), input="And?", previous_response_id=second.id)
    assert (refused.value.param, refused.value.code) == ("previous_response_id", "context_length_exceeded")


async def test_the_items_of_an_input_are_listed_in_pages(openai: AsyncOpenAI) -> None:
    said: list[Any] = [
        {"role": role, "content": f"{role} {number}"} for number in range(4) for role in ("user", "assistant")
    ]
    response = await openai.responses.create(model=demo_model(text=TEXT), input=[*said, *said[:1]])
    for order, expected in (("asc", [*said, said[0]]), ("desc", [said[0], *said[::-1]])):
        page = await openai.responses.input_items.list(response.id, limit=4, order=order)  # type: ignore[arg-type]
        listed = [text_of(item) async for item in page]
        assert listed == [each["content"] for each in expected]


async def test_calls_are_handed_back_and_gone_on_from(openai: AsyncOpenAI) -> None:
    """By the id of the response that called, or by all items again. Without the result it is refused."""
    asked: dict[str, Any] = {"model": demo_model(), "tools": [TOOL], "tool_choice": "auto"}
    question: list[Any] = [{"role": "user", "content": "What is the weather in Kyoto?"}]
    calling = await openai.responses.create(input=question, **asked)
    (call,) = calling.output
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Kyoto"})
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "clear sky"}
    by_id = await openai.responses.create(input=[result], previous_response_id=calling.id, **asked)
    again = [*question, call.to_dict(), result]
    by_items = await openai.responses.create(input=again, store=False, **asked)
    assert "clear sky" in by_id.output_text
    assert by_items.output_text == by_id.output_text
    with pytest.raises(package.BadRequestError):
        await openai.responses.create(input="And?", previous_response_id=calling.id, **asked)


async def test_the_agent_has_a_message_for_each_step(openai: AsyncOpenAI) -> None:
    response = await openai.responses.create(model=demo_model(), input="What is 17 * 23?", extra_body={"agent": True})
    assert {item.type for item in response.output} == {"message"}
    assert "391" in text_of(response.output[-1])


async def test_an_answer_that_is_cut_at_its_length_is_incomplete(openai: AsyncOpenAI) -> None:
    response = await openai.responses.create(model=demo_model(chunks=50), input="Hi", max_output_tokens=3)
    assert response.status == "incomplete"
    assert response.incomplete_details
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage
    assert response.usage.output_tokens == 3


async def test_a_run_that_fails_is_an_error_and_kept_as_failed(lab: Served, openai: AsyncOpenAI) -> None:
    model = demo_model(fault="cut", after=2, text=TEXT)
    with pytest.raises(package.InternalServerError) as failed:
        await openai.responses.create(model=model, input="Hi")
    assert failed.value.code == "connection_lost"
    kept = await openai.responses.retrieve(f"resp_{failed.value.response.headers['x-run-id']}")
    assert kept.status == "failed"
    assert kept.error
    assert kept.error.code == "server_error"
    assert TEXT.startswith(kept.output_text)
    stream = await openai.responses.create(model=demo_model(fault="context"), input="Hi", stream=True)
    *_, last = [event async for event in stream]
    assert last.type == "response.failed"
    assert last.response.error
    assert last.response.error.to_dict()["code"] == "context_length_exceeded"


# What is kept


async def test_what_is_not_stored_is_not_there(openai: AsyncOpenAI) -> None:
    response = await openai.responses.create(model=demo_model(text=TEXT), input="Hi", store=False)
    assert response.store is False  # type: ignore[attr-defined]
    with pytest.raises(package.NotFoundError):
        await openai.responses.retrieve(response.id)


async def test_another_callers_response_is_none(lab: Served, openai: AsyncOpenAI) -> None:
    """Whatever is asked of it, and as something to go on from."""
    response = await openai.responses.create(model=demo_model(text=TEXT), input="Hi")
    async with openai_client(lab, OTHER) as other:
        for ask in (
            lambda: other.responses.retrieve(response.id),
            lambda: other.responses.retrieve(response.id, stream=True),
            lambda: other.responses.cancel(response.id),
            lambda: other.responses.delete(response.id),
            lambda: other.responses.input_items.list(response.id)._get_page(),
        ):
            with pytest.raises(package.NotFoundError):
                await ask()
        with pytest.raises(package.BadRequestError) as refused:
            await other.responses.create(model=demo_model(), input="Hi", previous_response_id=response.id)
        assert (refused.value.param, refused.value.code) == ("previous_response_id", "previous_response_not_found")
    await openai.responses.delete(response.id)
    with pytest.raises(package.NotFoundError):
        await openai.responses.retrieve(response.id)
    with pytest.raises(package.NotFoundError):
        await openai.responses.retrieve(response.id.removeprefix("resp_"))


async def test_a_response_outlives_its_log(lab: Served, openai: AsyncOpenAI) -> None:
    """Whole, to be gone on from, and as a stream, in which nobody stands any more."""
    response = await openai.responses.create(model=demo_model(text=TEXT), input="Hi")
    live = await raw_events(lab, response.id)
    lab.engine.hub._logs.pop(response.id.removeprefix("resp_"))  # type: ignore[attr-defined] # as after five minutes
    assert (await openai.responses.retrieve(response.id)).output_text == TEXT
    events = await raw_events(lab, response.id)
    assert events[-1] == live[-1]
    check_response(events)
    with pytest.raises(package.BadRequestError) as refused:
        await openai.responses.retrieve(response.id, stream=True, starting_after=3)
    assert refused.value.param == "starting_after"
    on = await openai.responses.create(model=demo_model(text=TEXT), input="Hi", previous_response_id=response.id)
    assert on.output_text == TEXT


async def test_a_key_asks_once(openai: AsyncOpenAI) -> None:
    asked: dict[str, Any] = {"model": demo_model(text=TEXT), "input": "Hi", "extra_headers": {"Idempotency-Key": "r"}}
    one, other = await openai.responses.create(**asked), await openai.responses.create(**asked)
    assert one == other


# In the background


async def test_a_background_response_that_is_cut_goes_on_where_it_was(lab: Served) -> None:
    """Cut in the midst of an event: what comes after the last whole one is neither lost nor repeated."""
    way = Way(lab.port, [rb'"sequence_number":9,.{20}'])
    async with await asyncio.start_server(way.serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/openai/v1"
        async with AsyncOpenAI(base_url=url, api_key=SECRET, max_retries=0) as openai:
            stream = await openai.responses.create(
                model=demo_model(chunks=40, rate=100), input="Hi", stream=True, background=True
            )
            events: list[Any] = []
            with pytest.raises((package.APIConnectionError, json.JSONDecodeError)):  # noqa: PT012
                async for event in stream:
                    events.append(event)
            response_id, seen = events[0].response.id, events[-1].sequence_number
            assert seen == 8
            rest = await openai.responses.retrieve(response_id, stream=True, starting_after=seen)
            events += [event async for event in rest]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.to_dict() for event in events] == await raw_events(lab, response_id)
    assert events[-1].type == "response.completed"
    assert (
        "".join(event.delta for event in events if event.type.endswith("text.delta")) == events[-1].response.output_text
    )


async def test_a_background_response_is_there_at_once_and_looked_at_until_it_is_over(
    lab: Served, openai: AsyncOpenAI
) -> None:
    """It goes on while nobody follows, and is found whole. What it goes on from must be over."""
    response = await openai.responses.create(model=demo_model(chunks=20, rate=50), input="Hi", background=True)
    assert (response.status, response.output) == ("in_progress", [])
    with pytest.raises(package.BadRequestError) as refused:
        await openai.responses.create(model=demo_model(), input="And?", previous_response_id=response.id)
    assert refused.value.code == "previous_response_in_progress"
    assert lab.engine.runs._live[response.id.removeprefix("resp_")].limits.unwatched is None
    over = await ended(openai, response.id)
    assert over.status == "completed"
    assert len(over.output_text) == 100


async def test_a_response_can_be_cancelled(lab: Served, openai: AsyncOpenAI) -> None:
    """The run is stopped at the model, and what it wrote is kept. To cancel what is over changes nothing."""
    response = await openai.responses.create(model=demo_model(**SLOW), input="Hi", background=True)
    log = log_of(lab, response.id)
    await until(lambda: log.seq > 3)
    stream = await openai.responses.retrieve(response.id, stream=True)
    cancelled = await openai.responses.cancel(response.id)
    assert cancelled.status == "cancelled"
    assert cancelled.output_text
    assert cancelled.usage
    *_, last = [event async for event in stream]
    assert last.type == "response.incomplete"
    assert last.response.status == "cancelled"
    assert (await openai.responses.cancel(response.id)) == cancelled


async def test_deleting_a_live_response_stops_it(lab: Served, openai: AsyncOpenAI) -> None:
    response = await openai.responses.create(model=demo_model(**SLOW), input="Hi", background=True)
    log = log_of(lab, response.id)
    await openai.responses.delete(response.id)
    assert log.done
    assert log.done.status == "stopped"
    with pytest.raises(package.NotFoundError):
        await openai.responses.retrieve(response.id)


@pytest.mark.parametrize("background", [True, False])
async def test_who_leaves_ends_the_run_unless_it_is_in_the_background(
    lab: Served, openai: AsyncOpenAI, background: bool
) -> None:
    stream = await openai.responses.create(model=demo_model(**SLOW), input="Hi", stream=True, background=background)
    response_id = (await anext(aiter(stream))).response.id  # type: ignore[union-attr]
    log = log_of(lab, response_id)
    await until(lambda: log.seq > 3)
    await stream.close()
    await until(lambda: log.followers == 0)
    if background:
        seq = log.seq
        await until(lambda: log.seq > seq + 5)
        await openai.responses.cancel(response_id)
    await until(lambda: log.done is not None)
    assert (await ended(openai, response_id)).status == "cancelled"
