"""What is asked in OpenAI's form, read: whatever is sent, it is a prompt or a refusal that names the field."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from streamlab.completions.prompt import Prompt
from streamlab.gateway.protocols.openai.chat_request import ChatCompletion
from streamlab.gateway.protocols.openai.errors import FieldRefusal
from streamlab.gateway.protocols.openai.messages import read
from streamlab.gateway.protocols.openai.responses_request import AskedResponse

CHAT_FIELDS = [*ChatCompletion.model_fields]
RESPONSE_FIELDS = [*AskedResponse.model_fields]
WORDS = [
    "role", "content", "type", "text", "name", "function", "arguments", "tool_calls", "tool_call_id", "id", "call_id",
    "output", "input", "schema", "format", "parameters", "json_schema", "effort", "lc", "kwargs",
]  # fmt: skip
SAID = [
    "user", "assistant", "tool", "system", "message", "function", "function_call", "function_call_output", "reasoning",
    "text", "input_text", "image_url", "json_schema", "required", "auto", "{}", "[1]", "a", "",
]  # fmt: skip

leaves = st.none() | st.booleans() | st.integers(-3, 10**30) | st.floats(allow_nan=False) | st.sampled_from(SAID)
garbage = st.recursive(
    leaves | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)


def chat(body: Any) -> Prompt:
    return read(ChatCompletion, json.dumps(body).encode()).prompt


def response(body: Any) -> Prompt:
    asked = read(AskedResponse, json.dumps(body).encode())
    asked.check()
    json.dumps([asked.told("run", "demo", 1), asked.items()])
    return asked.asked([])


def check(ask: Callable[[Any], Prompt], body: dict[str, Any]) -> None:
    """Check that it is read, to something that can be told apart, or refused with a sentence."""
    try:
        prompt = ask(body)
    except FieldRefusal as error:
        refusal = error
    else:
        assert len(prompt.fingerprint) == 64
        assert prompt.retries == "before_text"
        return
    assert refusal.status == 400
    assert str(refusal).endswith(".")
    assert (refusal.field or "input").partition(".")[0].partition("[")[0] in {"messages", "input", *body}


@given(body=st.dictionaries(st.sampled_from(CHAT_FIELDS), garbage, max_size=4), messages=garbage)
def test_any_chat_is_a_prompt_or_a_refusal(body: dict[str, Any], messages: Any) -> None:
    check(chat, {"messages": messages} | body)
    check(chat, body | {"messages": [{"role": "user", "content": "Hi"}]})


@given(body=st.dictionaries(st.sampled_from(RESPONSE_FIELDS), garbage, max_size=4), said=garbage)
def test_any_response_is_a_prompt_or_a_refusal(body: dict[str, Any], said: Any) -> None:
    check(response, {"input": said} | body)
    check(response, body | {"input": "Hi"})


def told(messages: tuple[BaseMessage, ...]) -> list[tuple[type[BaseMessage], Any]]:
    return [(type(message), message.content) for message in messages]


FUNCTION = {"name": "f", "arguments": '{"a": 1}'}
BROKEN = {"name": "g", "arguments": "{broken"}


def test_a_chat_is_read_as_it_was_said() -> None:
    """Texts in parts are joined; calls stand in the message that made them, also those that are no JSON."""
    prompt = chat(
        {
            "model": "demo",
            "temperature": 0,
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]},
                {
                    "role": "assistant",
                    "content": "Well.",
                    "tool_calls": [{"id": "a", "function": FUNCTION}, {"id": "b", "function": BROKEN}],
                },
                {"role": "tool", "tool_call_id": "b", "content": "2"},
                {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
                {"role": "user", "content": ""},
            ],
        }
    )
    kinds = [SystemMessage, HumanMessage, AIMessage, ToolMessage, ToolMessage, AIMessage, HumanMessage]
    contents = ["Be brief.", "One\nTwo", "Well.", "2", "1", "No.", ""]
    assert told(prompt.messages) == list(zip(kinds, contents, strict=True))
    calling = prompt.messages[2]
    assert isinstance(calling, AIMessage)
    assert [(call["id"], call["args"]) for call in calling.tool_calls] == [("a", {"a": 1})]
    assert [(call["id"], call["args"]) for call in calling.invalid_tool_calls] == [("b", "{broken")]
    assert (prompt.model, prompt.temperature, prompt.detached) == ("demo", 0, False)


def test_items_are_read_as_they_were_said() -> None:
    """What was put out before may be put in again as it is; what was thought is not told."""
    prompt = response(
        {
            "instructions": "Be brief.",
            "background": True,
            "input": [
                {"role": "user", "content": "One"},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
                {
                    "type": "message",
                    "id": "msg_1",
                    "status": "completed",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Well.", "annotations": []}],
                },
                {"type": "function_call", "id": "fc_1", "call_id": "a", "status": "completed", **FUNCTION},
                {"type": "function_call", "call_id": "b", **BROKEN},
                {"type": "function_call_output", "call_id": "a", "output": "1"},
                {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "2"}]},
            ],
        }
    )
    kinds = [SystemMessage, HumanMessage, AIMessage, ToolMessage, ToolMessage]
    assert told(prompt.messages) == list(zip(kinds, ["Be brief.", "One", "Well.", "1", "2"], strict=True))
    calling = prompt.messages[2]
    assert isinstance(calling, AIMessage)
    assert (len(calling.tool_calls), len(calling.invalid_tool_calls)) == (1, 1)
    assert prompt.detached


SCHEMA = {"name": "city", "schema": {"type": "object"}, "strict": True}


@pytest.mark.parametrize(
    ("asked", "given_on"),
    [
        ({"max_output_tokens": 3, "top_p": 0.5}, {"max_completion_tokens": 3, "top_p": 0.5}),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, {"verbosity": "low"}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        (
            {"text": {"format": {"type": "json_schema", **SCHEMA}}},
            {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        ),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {}),
        (
            {"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "f"}},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        ({"include": ["reasoning.encrypted_content"], "service_tier": "auto", "made_up": {"a": 1}}, {}),
    ],
)
def test_a_responses_fields_go_to_the_model_as_chats_have_them(asked: Any, given_on: Any) -> None:
    """What asks for nothing here is ignored."""
    assert response({"input": "Hi"} | asked).parameters == given_on
