"""Responses that are asked for wrongly, over HTTP: what is wrong is named, and nothing asked or kept."""

import json

import openai as package
import pytest
from openai import AsyncOpenAI

from tests.access import BEARER
from tests.conftest import demo_model
from tests.gateway import Served
from tests.openai_clients import lab, openai
from tests.openai_refused import RESPONSES, check_refused
from tests.openai_streams import numbers
from tests.test_openai_responses import SLOW, TEXT, raw_events

__all__ = ["lab", "openai"]

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("body", "field"), RESPONSES.values(), ids=RESPONSES)
async def test_what_cannot_be_honoured_is_refused(lab: Served, body: object, field: str | None) -> None:
    """With the field's name and a sentence; nothing is asked, and nothing kept."""
    before = lab.engine.runs.started
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await lab.client.post("/openai/v1/responses", content=content, headers=BEARER)
    check_refused(response, field)
    assert lab.engine.runs.started == before


@pytest.mark.parametrize("params", [{"stream": "true", "starting_after": "x"}, {"starting_after": "-1"}])
async def test_what_cannot_be_read_of_an_address_is_refused(lab: Served, params: dict[str, str]) -> None:
    response = await lab.client.get("/openai/v1/responses/resp_x", params=params, headers=BEARER)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "starting_after"


async def test_nobody_stands_behind_the_end_of_a_response(lab: Served, openai: AsyncOpenAI) -> None:
    """Whoever has its last event gets the end alone; with a live one, another server may be ahead."""
    response = await openai.responses.create(model=demo_model(text=TEXT), input="Hi")
    last = numbers(await raw_events(lab, response.id))[-1]
    assert await raw_events(lab, response.id, starting_after=last) == []
    assert len(await raw_events(lab, response.id, starting_after=last - 1)) == 1
    for beyond in (last + 1, 10**12, 10**30):
        with pytest.raises(package.BadRequestError) as refused:
            await openai.responses.retrieve(response.id, stream=True, starting_after=beyond)
        assert refused.value.param == "starting_after"
        assert f"at most {last}" in str(refused.value)
    live = await openai.responses.create(model=demo_model(**SLOW), input="Hi", background=True)
    waiting = await openai.responses.retrieve(live.id, stream=True, starting_after=10**9)
    await openai.responses.cancel(live.id)
    assert [event async for event in waiting] == []
