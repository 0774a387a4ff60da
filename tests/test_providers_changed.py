"""A conversation with tools that another provider's model goes on with: what it is told of the turns before."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.conftest import Endpoint, http, raw_endpoint, sse
from tests.spoken import DATA, KEY, asking, attempt_at, events, next_thread

pytest.importorskip("langchain_anthropic", reason="`make providers` installs it")
pytest.importorskip("langchain_google_genai", reason="`make providers` installs it")

MODELS = {"openai": "m", "anthropic": "anthropic:claude-opus-4-7", "google": "google_genai:gemini-3.5-flash"}
CALL = {"index": 0, "id": "call_1", "function": {"name": "calculate", "arguments": '{"expression": "2+3"}'}}
ENDED = {
    "openai": sse("Both."),
    "anthropic": b"event: message_delta\ndata: "
    b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":1,"output_tokens":1}}\n\n',
    "google": b'data: {"candidates": [{"content": {"parts": [{"text": "Both."}]}, "finishReason": "STOP"}]}\n\n',
}
TOOLS = {
    "openai": sse({"reasoning": "Two sums"}, "I will count.", {"tool_calls": [CALL]}, finish="tool_calls"),
    "anthropic": (DATA / "anthropic_tools.sse").read_bytes(),
    "google": (DATA / "google_tools.sse").read_bytes(),
}
THOUGHTS = ("Two sums", "RXFvQkNrZ0lBUkFC", "EmwKAhgBEgy3va3pzix", "thinking")  # texts, signatures, what was redacted


@pytest.fixture
def servers() -> Iterator[dict[str, Endpoint]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(raw_endpoint(http(TOOLS[name]), http(ENDED[name]))) for name in MODELS}


def told(asked: dict[str, Any]) -> str:
    return json.dumps(asked.get("messages") or asked["contents"], ensure_ascii=False)


@pytest.mark.anyio
@pytest.mark.parametrize("other", MODELS)
@pytest.mark.parametrize("first", MODELS)
async def test_thoughts_and_their_signatures_are_told_to_who_had_them(
    servers: dict[str, Endpoint], first: str, other: str
) -> None:
    """And to no one else, who would refuse them; text, calls and results are told to everyone."""
    with asking(
        openai_base_url=servers["openai"].base_url,
        anthropic_api_key=KEY,
        anthropic_base_url=servers["anthropic"].base_url,
        google_api_key=KEY,
        google_gemini_base_url=servers["google"].base_url,
    ) as models:
        before = next_thread("two sums")
        await events(attempt_at(models, MODELS[first], before))
        start = len(servers[other].requests)
        await events(attempt_at(models, MODELS[other], next_thread("go on", before)))
    words = told(servers[other].requests[start])
    for known in ("two sums", "I will", "2+3", "go on"):
        assert known in words
    if first != other:
        assert not [thought for thought in THOUGHTS if thought in words]
    elif first != "openai":  # whose protocol has no place for them
        assert THOUGHTS[1] in words
