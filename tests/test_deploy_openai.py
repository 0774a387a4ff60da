"""OpenAI's API through the project's nginx, before two gateways on one Redis."""

import signal
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests import stack as deployment
from tests.conftest import demo_model
from tests.stack import TOKEN, GatewayProcess, Stack, needs_nginx

image, running_stack, stack = deployment.image, deployment.running_stack, deployment.stack

pytestmark = [pytest.mark.soak, pytest.mark.anyio, needs_nginx]


def client(url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/openai/v1", api_key=TOKEN, max_retries=0, timeout=120)


async def test_a_whole_answer_may_take_longer_than_a_stream_may_be_silent(stack: Stack) -> None:
    """nginx waits for it, as long as a run may take."""
    model = demo_model(chunks=60, rate=1)
    async with client(stack.url) as openai:
        answer = await openai.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])
    assert len(answer.choices[0].message.content or "") == 300


async def test_a_response_is_gone_on_with_when_the_gateway_that_told_it_was_killed(stack: Stack) -> None:
    """The other one writes it: the reader that was cut comes back through nginx, and nothing is lost or repeated."""
    producer, victim = stack.gateways
    model = demo_model(chunks=300, rate=30)
    async with client(producer.url) as here, client(victim.url) as there, client(stack.url) as through:
        response = await here.responses.create(model=model, input="Hi", background=True)
        events = await _until_killed(there, response.id, victim)
        last = events[-1].sequence_number
        rest = await through.responses.retrieve(response.id, stream=True, starting_after=last)
        events += [event async for event in rest]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert events[-1].type == "response.completed"
        assert (await through.responses.retrieve(response.id)).output_text == events[-1].response.output_text


async def _until_killed(openai: AsyncOpenAI, response_id: str, gateway: GatewayProcess) -> list[Any]:
    """Follow a response, kill the gateway that tells it in its midst, and return what came until then."""
    events: list[Any] = []
    stream = await openai.responses.retrieve(response_id, stream=True)
    with pytest.raises(Exception, match=r"."):  # noqa: PT012 # whatever the client makes of a broken connection
        async for event in stream:
            events.append(event)
            if len(events) == 20:
                gateway.signal(signal.SIGKILL)
                gateway.wait()
    assert events[-1].type != "response.completed"
    return events
