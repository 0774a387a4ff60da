"""Requests that cannot be honoured, each with the field that is wrong, and what is answered."""

from typing import Any

import httpx2

from tests.openai_clients import WEATHER_TOOL


def check_refused(response: httpx2.Response, field: str | None) -> None:
    """See that it is a refusal in OpenAI's form, of this field and with a sentence."""
    assert response.status_code in (400, 404)
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", field)
    assert error["message"].endswith(".")


def said(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


def called(**call: object) -> dict[str, Any]:
    return {"role": "assistant", **call}


USER = {"role": "user", "content": "Hi"}
NAMELESS_TOOL: dict[str, Any] = {"type": "function", "function": {}}
NAMELESS = called(tool_calls=[{"id": "a", "function": {}}])
OLD_CALL = called(function_call={"name": "f", "arguments": ""})
LANGCHAINS = {"lc": 1, "type": "constructor", "id": ["AIMessage"], "kwargs": {}}
CALLING = called(tool_calls=[{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}])
CHATS: dict[str, tuple[object, str | None]] = {
    "no JSON": (b"{", None),
    "not UTF-8": (b'{"messages": "\xff"}', None),
    "deep": (b"[" * 100_000, None),
    "infinite": (b'{"messages": [{"role": "user", "content": "Hi"}], "temperature": Infinity}', None),
    "no object": ([], None),
    "null": (None, None),
    "no messages": ({}, "messages"),
    "null messages": ({"messages": None}, "messages"),
    "empty messages": ({"messages": []}, "messages"),
    "a text": ({"messages": "Hi"}, "messages"),
    "a message that is none": ({"messages": ["Hi"]}, "messages[0]"),
    "no role": ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
    "an unknown role": ({"messages": [{"role": "remove", "content": "Hi"}]}, "messages[0].role"),
    "LangChain's own form": (
        {"messages": [LANGCHAINS]},
        "messages[0].role",
    ),
    "no content": ({"messages": [{"role": "user"}]}, "messages[0]"),
    "a number": ({"messages": [said(1)]}, "messages[0].content"),
    "an image": ({"messages": [said([{"type": "image_url", "image_url": {"url": "data:"}}])]}, "messages[0].content"),
    "audio": ({"messages": [said([{"type": "input_audio", "input_audio": {}}])]}, "messages[0].content"),
    "a file": ({"messages": [said([{"type": "file", "file": {"file_id": "x"}}])]}, "messages[0].content"),
    "a part that is none": ({"messages": [said([None])]}, "messages[0].content"),
    "a part without text": ({"messages": [said([{"type": "text"}])]}, "messages[0].content"),
    "an old call": (
        {"messages": [USER, OLD_CALL]},
        "messages[1].function_call",
    ),
    "a result of no call": ({"messages": [USER, {"role": "tool", "tool_call_id": "x", "content": "1"}]}, "messages"),
    "a call without a result": ({"messages": [USER, CALLING, USER]}, "messages"),
    "a call without a name": (
        {"messages": [USER, NAMELESS]},
        "messages[1].tool_calls[0].function.name",
    ),
    "only instructions": ({"messages": [{"role": "system", "content": "Be brief."}]}, "messages"),
    "several answers": ({"messages": [USER], "n": 2}, "n"),
    "log probabilities": ({"messages": [USER], "logprobs": True}, "logprobs"),
    "spoken answers": ({"messages": [USER], "modalities": ["text", "audio"]}, "modalities"),
    "a voice": ({"messages": [USER], "audio": {"voice": "alloy"}}, "audio"),
    "old functions": ({"messages": [USER], "functions": [{"name": "f"}]}, "functions"),
    "a function by name": ({"messages": [USER], "function_call": {"name": "f"}}, "function_call"),
    "a search": ({"messages": [USER], "web_search_options": {}}, "web_search_options"),
    "heat": ({"messages": [USER], "temperature": 3}, "temperature"),
    "no tokens": ({"messages": [USER], "max_tokens": 0}, "max_tokens"),
    "a stop that is none": ({"messages": [USER], "stop": {"a": 1}}, "stop"),
    "another tool": ({"messages": [USER], "tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
    "a nameless tool": (
        {"messages": [USER], "tools": [{"type": "function", "function": {}}]},
        "tools[0].function.name",
    ),
    "a tool that is none": ({"messages": [USER], "tools": ["f"]}, "tools[0]"),
    "a tool that is not there": ({"messages": [USER], "tool_choice": "required"}, "tool_choice"),
    "an unknown choice": ({"messages": [USER], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
    "two kinds of tools": ({"messages": [USER], "agent": True, "tools": [WEATHER_TOOL]}, "agent"),
    "an agent with a limit": ({"messages": [USER], "agent": True, "max_tokens": 3}, "max_tokens"),
    "an unknown model": ({"messages": [USER], "model": "nobody's"}, "model"),
    "a model that is none": ({"messages": [USER], "model": ["demo"]}, "model"),
    "stream options": ({"messages": [USER], "stream_options": 1}, "stream_options"),
}

RESPONSES: dict[str, tuple[object, str | None]] = {
    "no JSON": (b"{", None),
    "no object": ([], None),
    "no input": ({}, "input"),
    "null input": ({"input": None}, "input"),
    "a number": ({"input": 1}, "input"),
    "no items": ({"input": []}, "input"),
    "an item that is none": ({"input": [1]}, "input[0]"),
    "an unknown item": ({"input": [{"type": "computer_call", "id": "x"}]}, "input[0]"),
    "a reference": ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
    "a message without content": ({"input": [{"role": "user"}]}, "input[0].content"),
    "an unknown role": ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
    "an image": ({"input": [said([{"type": "input_image", "image_url": "data:"}])]}, "input[0].content"),
    "a file": ({"input": [said([{"type": "input_file", "file_id": "x"}])]}, "input[0].content"),
    "a call without a name": ({"input": [{"type": "function_call", "call_id": "a"}]}, "input[0].name"),
    "a result of no call": ({"input": [{"type": "function_call_output", "call_id": "a", "output": "1"}]}, "input"),
    "a built-in tool": ({"input": "Hi", "tools": [{"type": "web_search"}]}, "tools[0].type"),
    "a tool that is not there": ({"input": "Hi", "tool_choice": {"type": "function", "name": "f"}}, "tool_choice"),
    "a conversation": ({"input": "Hi", "conversation": "conv_1"}, "conversation"),
    "a kept prompt": ({"input": "Hi", "prompt": {"id": "pmpt_1"}}, "prompt"),
    "log probabilities": ({"input": "Hi", "include": ["message.output_text.logprobs"]}, "include"),
    "top probabilities": ({"input": "Hi", "top_logprobs": 3}, "top_logprobs"),
    "in the background and not stored": ({"input": "Hi", "background": True, "store": False}, "background"),
    "large metadata": ({"input": "Hi", "metadata": {"a": "x" * 513}}, "metadata.a"),
    "metadata that is none": ({"input": "Hi", "metadata": {"a": {"b": 1}}}, "metadata.a"),
    "an unknown format": ({"input": "Hi", "text": {"format": {"type": "grammar"}}}, "text.format.type"),
    "an agent with a limit": ({"input": "Hi", "agent": True, "max_output_tokens": 3}, "max_output_tokens"),
    "an agent with a format": ({"input": "Hi", "agent": True, "text": {"format": {"type": "json_object"}}}, "text"),
    "another's previous response": ({"input": "Hi", "previous_response_id": "resp_x"}, "previous_response_id"),
    "an unknown model": ({"input": "Hi", "model": "nobody's"}, "model"),
}
