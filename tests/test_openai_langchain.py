"""langchain-openai's model before the gateway, as a program would use it: both APIs, streamed and not, with tools."""

from typing import Any

import anyio.to_thread
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.access import SECRET
from tests.conftest import demo_model
from tests.gateway import Served
from tests.openai_clients import address, lab

__all__ = ["lab"]

pytestmark = pytest.mark.anyio

TEXT = "Text that arrives while it is written."
both = pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city}: clear sky"


class City(BaseModel):
    """A city with its country."""

    city: str
    country: str


def model_of(lab: Served, responses: bool, **options: object) -> ChatOpenAI:
    return ChatOpenAI(
        model=demo_model(**options),
        base_url=address(lab),
        api_key=SecretStr(SECRET),
        use_responses_api=responses,
        stream_usage=True,
        max_retries=0,
    )


@both
async def test_streamed_or_not_over_threads_or_a_loop_it_is_the_same_answer(lab: Served, responses: bool) -> None:
    model = model_of(lab, responses, text=TEXT)
    whole = await model.ainvoke("Hi")
    assert whole.text == TEXT
    streamed = AIMessageChunk(content="")
    async for chunk in model.astream("Hi"):
        streamed += chunk
    assert streamed.text == TEXT
    assert isinstance(whole, AIMessage)
    assert streamed.usage_metadata == whole.usage_metadata
    assert whole.usage_metadata
    in_a_thread = await anyio.to_thread.run_sync(lambda: "".join(chunk.text for chunk in model.stream("Hi")))
    assert in_a_thread == TEXT


@both
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_tool_is_called_and_its_result_answered(lab: Served, responses: bool, streamed: bool) -> None:
    model = model_of(lab, responses).bind_tools([get_weather])
    question = HumanMessage("What is the weather in Kyoto?")

    async def answer(*messages: Any) -> AIMessage:
        if not streamed:
            return await model.ainvoke(list(messages))
        joined = AIMessageChunk(content="")
        async for chunk in model.astream(list(messages)):
            assert isinstance(chunk, AIMessageChunk)
            joined += chunk
        return joined

    calling = await answer(question)
    (call,) = calling.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Kyoto"})
    told = ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"])
    assert "Kyoto: clear sky" in (await answer(question, calling, told)).text


@both
async def test_an_answer_of_a_shape_is_asked_for(lab: Served, responses: bool) -> None:
    """By the model's own way to keep a schema."""
    shaped = model_of(lab, responses).with_structured_output(City, method="function_calling")
    assert isinstance(await shaped.ainvoke("Kyoto in Japan"), City)


async def test_a_conversation_goes_on_by_the_id_of_its_last_answer(lab: Served) -> None:
    model = model_of(lab, responses=True, text=TEXT)
    first = await model.ainvoke("Hi")
    second = await model.ainvoke("And?", previous_response_id=first.response_metadata["id"])
    assert second.text == TEXT


@both
async def test_a_failure_is_raised(lab: Served, responses: bool) -> None:
    """Before the answer and in its midst."""
    model = model_of(lab, responses, fault="cut", after=2, text=TEXT)
    with pytest.raises(Exception, match="broke off"):
        await model.ainvoke("Hi")
    with pytest.raises(Exception, match="broke off"):
        async for _ in model.astream("Hi"):
            pass
