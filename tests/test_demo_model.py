"""The demo model over real HTTP, from its real child process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI

from streamlab.demo_model.process import DemoModel
from streamlab.text.tokens import estimate_tokens
from tests import model_client
from tests.model_client import body, chunks, contents, post, record, say, unique

chat, client = model_client.chat, model_client.client  # fixtures are found by their names


# Protocol


def test_models_lists_demo(client: httpx2.Client) -> None:
    assert [model["id"] for model in client.get("/models").json()["data"]] == ["demo"]


def test_stream_and_invoke_say_the_same(client: httpx2.Client) -> None:
    """At temperature 0 the joined chunks are the answer that is not streamed."""
    streamed = post(client, stream=True)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert "".join(contents(streamed)) == say(client, "What is streaming?")
    first, *_, last = chunks(streamed)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert last["choices"][0]["finish_reason"] == "stop"


def test_langchain_streams_and_reports_usage(chat: Callable[..., ChatOpenAI]) -> None:
    model = chat(stream_usage=True)
    pieces = list(model.stream("What is a token?"))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    invoked = model.invoke("What is a token?")
    assert isinstance(invoked, AIMessage)
    assert whole.text == invoked.text
    assert whole.usage_metadata is not None
    assert invoked.usage_metadata is not None
    expected = {"input_tokens": estimate_tokens("What is a token?"), "output_tokens": estimate_tokens(whole.text)}
    assert {name: whole.usage_metadata[name] for name in expected} == expected  # type: ignore[literal-required]
    assert invoked.usage_metadata["total_tokens"] == sum(expected.values())


async def _read(model: ChatOpenAI) -> str:
    return "".join([chunk.text async for chunk in model.astream("ストリーミングとは？")])


@pytest.mark.anyio
async def test_langchain_streams_asynchronously(chat: Callable[..., ChatOpenAI]) -> None:
    assert "## ストリーミングとは" in await _read(chat())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_usage_is_sent_when_asked_for(client: httpx2.Client) -> None:
    asked: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    *before, last = chunks(post(client, **asked))
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == last["usage"]["prompt_tokens"] + last["usage"]["completion_tokens"]
    assert all(chunk["usage"] is None for chunk in before)
    assert all("usage" not in chunk for chunk in chunks(post(client, stream=True)))
    assert not any(chunk.get("usage") for chunk in chunks(post(client, demo={"usage": 0}, **asked)))
    assert "usage" not in post(client, demo={"usage": 0}).json()


def test_limits_end_an_answer(client: httpx2.Client) -> None:
    text = {"text": "one two three four"}
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"max_tokens": 2}, "one two ", "length"),
        ({"max_completion_tokens": 100}, "one two three four", "stop"),
        ({"stop": " three"}, "one two", "stop"),
        ({"stop": ["four", " two"]}, "one", "stop"),
        ({"stop": []}, "one two three four", "stop"),
    ]
    for fields, expected, finish in cases:
        choice = post(client, demo=text, **fields).json()["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (expected, finish)


def test_unknown_model_and_route_are_refused_in_openai_shape(
    client: httpx2.Client, chat: Callable[..., ChatOpenAI]
) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        chat("gpt-4o").invoke("Hello")
    assert caught.value.code == "model_not_found"
    assert client.get("/nothing").json()["error"]["message"] == "Not Found"
    assert client.get("/chat/completions").status_code == 405


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"model": "demo"}',
        b'{"model": "demo", "messages": []}',
        b'{"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "n": 2}',
        b'{"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 0}',
        b'{"model": "demo", "messages": [{"role": "user", "content": "\\ud800"}]}',
    ],
)
def test_bad_bodies_are_refused(client: httpx2.Client, content: bytes) -> None:
    response = client.post("/chat/completions", content=content)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "options", ["frist=1", "first=soon", "first=-1", "fault=fire", "rate=0", "chunks=200000&size=9999"]
)
def test_bad_options_are_refused_with_the_allowed_ones(client: httpx2.Client, options: str) -> None:
    error = post(client, model=f"demo?{options}").json()["error"]
    assert error["code"] == "invalid_option"
    assert "retry_after" in error["message"]


def test_unusual_messages_do_not_fail(client: httpx2.Client) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "SSE?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
    ]
    assert "42" in say(client, "", messages=messages, tools=[{"type": "function", "function": {"name": "f"}}])
    assert say(client, "", messages=[{"role": "system", "content": "Hello"}])


# The list of requests


def test_requests_tell_what_was_asked(client: httpx2.Client) -> None:
    model = unique()
    answer = post(client, "Hello", model=model, system="Be kind.").json()
    before, now = record(client, model)["received"], time.monotonic()
    assert now - 30 < before < now
    seen = client.get("../requests", params={"last": 1}).json()
    assert len(seen) == 1
    assert seen[0] == {
        "id": answer["id"],
        "model": model,
        "stream": False,
        "received": before,
        "written": seen[0]["written"],
        "ended": "completed",
        "calls": [],
        "prompt": {"messages": 2, "user": "Hello"},
    }
    assert client.get("../requests", params={"last": "x"}).status_code == 400


# The process


def test_child_lives_as_long_as_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    model = DemoModel()
    assert not model.alive
    with pytest.raises(RuntimeError, match="not been started"):
        _ = model.base_url
    with model:
        assert model.alive
        address = model.base_url
        if sys.platform == "linux":
            assert model._child is not None
            with open(f"/proc/{model._child.pid}/environ") as environment:
                assert "secret" not in environment.read()
    assert not model.alive
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{address}/models")
    model.close()


def test_child_stops_although_an_answer_is_running() -> None:
    with DemoModel() as model:
        request = body(model="demo?fault=stall&after=1&first=0", stream=True)
        client = httpx2.Client(base_url=model.base_url)
        with client, client.stream("POST", "/chat/completions", json=request) as response:
            arriving = response.iter_raw()
            next(arriving)
            model.close()
    assert model._child is not None
    assert model._child.returncode == 0


def test_start_that_fails_says_so(demo: DemoModel, capfd: pytest.CaptureFixture[str]) -> None:
    taken = int(demo.base_url.removesuffix("/v1").rpartition(":")[2])
    with pytest.raises(RuntimeError, match="did not start"), DemoModel(taken):
        pass
    assert "Address already in use" in capfd.readouterr().err or sys.platform != "linux"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_child_quietly(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "streamlab.demo_model"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.readline()
        os.kill(child.pid, number)
        child.wait(10)
        assert child.stderr.read() == b""


def test_questions_are_plain_messages_to_langchain(chat: Callable[..., ChatOpenAI]) -> None:
    history = [HumanMessage("What is TTFT?"), AIMessage("…"), HumanMessage("more")]
    assert "monotonic" in chat().invoke(history).text
