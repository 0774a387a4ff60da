"""The demo model over real HTTP, from its real child process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from markdown_it import MarkdownIt
from pydantic import BaseModel, SecretStr

from streamlab.demo_model.chunks import cut, synthetic
from streamlab.demo_model.log import KEPT, FaultCounter
from streamlab.demo_model.notes import Language, topics
from streamlab.demo_model.process import DemoModel
from streamlab.text.tokens import estimate_tokens

FAST = "demo?first=0&rate=100000"
MIXED = "Streaming は、届いた順に。\n\n🙂 **OK**?  "


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoModel]:
    with DemoModel() as model:
        yield model


@pytest.fixture
def client(demo: DemoModel) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=demo.base_url, timeout=10) as client:
        yield client


@pytest.fixture
def chat(demo: DemoModel) -> Callable[..., ChatOpenAI]:
    def build(model: str = FAST, **settings: Any) -> ChatOpenAI:
        defaults: dict[str, Any] = {"max_retries": 0, "temperature": 0, "timeout": 10}
        return ChatOpenAI(model=model, base_url=demo.base_url, api_key=SecretStr("demo"), **(defaults | settings))

    return build


def body(text: str = "What is streaming?", *, system: str | None = None, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": text})
    return {"model": FAST, "messages": messages, "temperature": 0} | fields


def post(client: httpx2.Client, text: str = "What is streaming?", **fields: Any) -> httpx2.Response:
    return client.post("/chat/completions", json=body(text, **fields))


def say(client: httpx2.Client, text: str, **fields: Any) -> str:
    content = post(client, text, **fields).raise_for_status().json()["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


def chunks(response: httpx2.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def contents(response: httpx2.Response) -> list[str]:
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(response) if chunk["choices"]]
    return [delta["content"] for delta in deltas if delta.get("content")]


def record(client: httpx2.Client, model: str) -> dict[str, Any]:
    """The newest request to a model."""
    records = client.get("../requests").json()
    return next(record for record in reversed(records) if record["model"] == model)


def record_when(client: httpx2.Client, model: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = record(client, model)
        if condition(found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain: {found}")


def unique(options: str = "first=0&rate=100000") -> str:
    return f"demo-{uuid4().hex[:8]}?{options}"


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


# Options


def test_field_wins_over_name(client: httpx2.Client) -> None:
    assert say(client, "Hi", model=FAST + "&text=name", demo={"text": "field"}) == "field"
    assert say(client, "Hi", model=FAST + "&text=name") == "name"


def test_pace_follows_the_schedule(client: httpx2.Client) -> None:
    """No chunk is written before it is due, and jitter does not add up."""
    model = unique("first=0.1&rate=100&jitter=0&chunks=20")
    post(client, model=model, stream=True)
    seen = record(client, model)
    due = [seen["received"] + 0.1 + index / 100 for index in range(20)]
    assert all(written >= time - 0.002 for written, time in zip(seen["written"], due, strict=True))
    model = unique("first=0.1&rate=100&jitter=1&chunks=20&seed=1")
    post(client, model=model, stream=True)
    assert record(client, model)["written"][-1] - seen["received"] >= 0.18


def test_invoke_waits_as_long_as_the_stream(client: httpx2.Client) -> None:
    model = unique("first=0.1&rate=100&jitter=0&chunks=20")
    post(client, model=model)
    seen = record(client, model)
    assert len(seen["written"]) == 1
    assert seen["written"][0] - seen["received"] >= 0.295


def test_size_sets_the_characters_of_a_chunk(client: httpx2.Client) -> None:
    pieces = contents(post(client, stream=True, demo={"text": "あいうえおかき", "size": 3}))
    assert pieces == ["あいう", "えおか", "き"]


def test_default_chunks_are_word_like() -> None:
    assert cut("Hello, big world", None) == ["Hello", ",", " big", " world"]
    assert cut("漢字とひらがなとカタカナ", None) == ["漢字", "とひら", "がなと", "カタカ", "ナ"]
    for text in ("", MIXED, "a" * 50, " \n\t "):
        assert "".join(cut(text, None)) == text


def test_synthetic_text_has_the_size_asked_for(client: httpx2.Client) -> None:
    pieces = contents(post(client, stream=True, demo={"chunks": 30, "size": 7, "paragraph": 50}))
    assert [len(piece) for piece in pieces] == [7] * 30
    assert [len(paragraph) for paragraph in "".join(pieces).split("\n\n")] == [48, 48, 48, 48, 10]
    assert synthetic(20, None) == "word1 word2 word3 wo"


def test_reasoning_comes_before_the_answer(client: httpx2.Client) -> None:
    response = post(client, stream=True, demo={"reasoning": 1, "text": "Yes."})
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(response)]
    kinds = ["reasoning" if "reasoning_content" in delta else "text" for delta in deltas[1:-1]]
    assert kinds == sorted(kinds)
    assert kinds[0] == "reasoning"
    answer = post(client, demo={"reasoning": 1, "text": "Yes."}).json()
    thought = "".join(delta.get("reasoning_content", "") for delta in deltas)
    assert answer["choices"][0]["message"]["reasoning_content"] == thought
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == estimate_tokens(thought)


# langchain-openai dumps the chunk through a model of openai-python that knows only strings.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
def test_blocks(client: httpx2.Client, chat: Callable[..., ChatOpenAI]) -> None:
    model = chat(FAST + "&blocks=1&size=4", extra_body={"demo": {"text": MIXED}})
    pieces = list(model.stream("Hi"))
    assert pieces[1].content == [{"type": "text", "text": MIXED[:4]}]
    assert "".join(piece.text for piece in pieces) == MIXED
    message = post(client, demo={"blocks": 1, "text": MIXED}).json()["choices"][0]["message"]
    assert message["content"] == [{"type": "text", "text": MIXED}]


def test_empty_first_and_no_role(client: httpx2.Client) -> None:
    first, second, *_ = chunks(post(client, stream=True, demo={"empty_first": 1, "role_only": 0}))
    assert first["choices"] == []
    assert second["choices"][0]["delta"]["content"]


@pytest.mark.parametrize("options", ["", "&crlf=1", "&comments=1", "&split=1", "&crlf=1&comments=1&split=1&size=1"])
def test_odd_wires_carry_the_same_text(client: httpx2.Client, chat: Callable[..., ChatOpenAI], options: str) -> None:
    model = FAST + options
    text = {"text": MIXED}
    assert "".join(piece.text for piece in chat(model, extra_body={"demo": text}).stream("Hi")) == MIXED
    raw = post(client, model=model, stream=True, demo=text).content
    assert (b"\r\n\r\n" in raw) == ("crlf" in options)
    assert (b": comment" in raw) == ("comments" in options)


def test_split_cuts_inside_characters(client: httpx2.Client) -> None:
    request = body(stream=True, demo={"text": "語" * 5, "split": 1})
    with client.stream("POST", "/chat/completions", json=request) as response:
        pieces = list(response.iter_raw())
    assert any(piece.endswith(b"\xe8") for piece in pieces)
    assert "".join(contents(httpx2.Response(200, content=b"".join(pieces)))) == "語" * 5


# Faults


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("key", openai.AuthenticationError, "invalid_api_key"),
        ("rate_limit", openai.RateLimitError, "rate_limit_exceeded"),
        ("error", openai.InternalServerError, None),
        ("context", openai.BadRequestError, "context_length_exceeded"),
    ],
)
def test_faults_before_the_answer(
    client: httpx2.Client,
    chat: Callable[..., ChatOpenAI],
    fault: str,
    error: type[openai.APIStatusError],
    code: str | None,
) -> None:
    model = unique(f"fault={fault}&retry_after=1.5")
    with pytest.raises(error) as caught:
        list(chat(model).stream("Hi"))
    assert caught.value.code == code
    assert caught.value.response.headers.get("retry-after") == ("1.5" if fault == "rate_limit" else None)
    assert record(client, model)["ended"] == f"fault:{fault}"


@pytest.mark.parametrize("stream", [True, False])
def test_filter_ends_early(client: httpx2.Client, stream: bool) -> None:
    model = unique("first=0&rate=10000&fault=filter&after=3")
    response = post(client, model=model, stream=stream, demo={"text": "abcdef", "size": 1})
    if stream:
        assert contents(response) == ["a", "b", "c"]
        choice = chunks(response)[-1]["choices"][0]
    else:
        choice = response.json()["choices"][0]
        assert choice["message"]["content"] == "abc"
    assert choice["finish_reason"] == "content_filter"
    assert record(client, model)["ended"] == "fault:filter"


@pytest.mark.parametrize("stream", [True, False])
def test_cut_aborts_the_connection(client: httpx2.Client, stream: bool) -> None:
    model = unique("first=0&rate=10000&fault=cut&after=3")
    request = body(model=model, stream=stream, demo={"text": "abcdef", "size": 1})
    with client.stream("POST", "/chat/completions", json=request) as response:
        arriving = response.iter_raw()
        received = next(arriving)
        with pytest.raises(httpx2.RemoteProtocolError):
            received += b"".join(arriving)
    assert received
    assert b"[DONE]" not in received
    seen = record(client, model)
    assert seen["ended"] == "fault:cut"
    assert len(seen["written"]) == (3 if stream else 1)


def test_garbage_is_not_json(client: httpx2.Client, chat: Callable[..., ChatOpenAI]) -> None:
    model = unique("first=0&rate=10000&fault=garbage&after=2")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        list(chat(model).stream("Hi"))
    assert record(client, model)["ended"] == "fault:garbage"
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        post(client, model=model).json()


def test_empty_answer(client: httpx2.Client) -> None:
    model = unique("first=0&fault=empty")
    assert contents(post(client, model=model, stream=True)) == []
    assert say(client, "Hi", model=model) == ""
    assert record(client, model)["ended"] == "fault:empty"


@pytest.mark.parametrize(
    ("options", "chunks_before"),
    [("fault=silent", 0), ("fault=stall&after=2&first=0", 2), ("first=60", 0), ("first=0&rate=0.01", 1)],
)
def test_disconnect_is_seen_while_waiting(client: httpx2.Client, options: str, chunks_before: int) -> None:
    """A client that leaves is noticed at once, although nothing is being written."""
    model = unique(options)
    with httpx2.Client(base_url=client.base_url, timeout=0.4) as impatient, pytest.raises(httpx2.ReadTimeout):
        post(impatient, model=model, stream=True)
    seen = record_when(client, model, lambda seen: seen["ended"] != "running")
    assert seen["ended"] == "disconnected"
    assert len(seen["written"]) == chunks_before


def test_disconnect_is_seen_while_writing(client: httpx2.Client) -> None:
    model = unique("first=0&rate=1000&chunks=100000")
    with client.stream("POST", "/chat/completions", json=body(model=model, stream=True)) as response:
        arriving = response.iter_raw()
        next(arriving)
        assert record(client, model)["ended"] == "running"
    seen = record_when(client, model, lambda seen: seen["ended"] == "disconnected")
    assert 0 < len(seen["written"]) < 100_000


def test_langchain_retries_until_the_fault_has_passed(client: httpx2.Client, chat: Callable[..., ChatOpenAI]) -> None:
    model = unique("first=0&rate=10000&fault=rate_limit&retry_after=0.01&times=2")
    assert chat(model, max_retries=3).invoke("What is SSE?").text
    ends = [record["ended"] for record in client.get("../requests").json() if record["model"] == model]
    assert ends == ["fault:rate_limit", "fault:rate_limit", "completed"]


def test_times_counts_by_id(client: httpx2.Client) -> None:
    options = {"fault": "error", "times": 1, "id": uuid4().hex}
    statuses = [post(client, model=unique(), demo=options).status_code for _ in range(3)]
    assert statuses == [500, 200, 200]
    assert post(client, demo=options | {"id": uuid4().hex}).status_code == 500


def test_fault_counter_is_bounded() -> None:
    """The id used longest ago is forgotten, not the one used last."""
    counter = FaultCounter()
    ids = [str(number) for number in range(KEPT)]
    assert all(counter.strikes(id, 1) for id in ids)
    assert not counter.strikes("0", 1)
    assert counter.strikes("new", 1)
    assert not counter.strikes("0", 1)
    assert counter.strikes("1", 1)


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


# Answers


@pytest.mark.parametrize(
    ("question", "heading"),
    [
        ("What is streaming?", "What streaming an answer means"),
        ("What is the time to first token?", "Time to first token"),
        ("SSE or WebSocket?", "SSE, WebSocket or gRPC?"),
        ("How do I stop streaming?", "Stopping an answer"),
        ("ストリーミングとは？", "ストリーミングとは"),
        ("ＳＳＥとは", "SSE、WebSocket、gRPCの使い分け"),
        ("日本語のトークンについて", "日本語とストリーミング"),
        ("Streamlitで再読み込みすると？", "Streamlitで再読み込みすると何が起きるか"),
    ],
)
def test_questions_find_their_note_in_their_language(client: httpx2.Client, question: str, heading: str) -> None:
    assert f"## {heading}\n" in say(client, question)


def test_unknown_topics_and_small_talk(client: httpx2.Client) -> None:
    unknown = say(client, "Who won the cup?")
    assert "scripted demo model" in unknown
    assert all(topic.notes["en"].title in unknown for topic in topics())
    assert "台本" in say(client, "明日の天気は？")
    assert say(client, "Hi!").startswith("Hello!")
    assert say(client, "ありがとう").startswith("どういたしまして")


def test_follow_ups_use_the_history(client: httpx2.Client) -> None:
    def conversation(*questions: str) -> str:
        return say(client, "", messages=[{"role": "user", "content": question} for question in questions])

    assert topics()[2].notes["en"].more in conversation("What is TTFT?", "Thanks!", "more")
    assert topics()[3].notes["en"].main in conversation("What is TTFT?", "more", "go on")
    assert topics()[2].notes["ja"].more in conversation("TTFTとは", "例は？")
    assert "scripted demo model" in conversation("more")
    detailed = conversation("Explain streaming in detail")
    assert len(detailed.split()) > 650
    assert topics()[0].notes["en"].main in detailed


def test_system_prompt_is_honoured(client: httpx2.Client) -> None:
    short = say(client, "What is streaming?", system="Keep it brief.")
    assert "\n" not in short
    assert short.startswith("A language model")
    assert "## ストリーミングとは" in say(client, "What is streaming?", system="Always answer in Japanese.")
    assert "## What streaming" in say(client, "ストリーミングとは？", system="必ず英語で答えてください。")
    assert "\n" not in say(client, "ストリーミングとは？", system="簡潔に答えること。")


def test_temperature_varies_by_seed(client: httpx2.Client) -> None:
    assert len({say(client, "What is SSE?", temperature=0, seed=seed) for seed in range(5)}) == 1
    assert len({say(client, "What is SSE?", temperature=1, seed=seed) for seed in range(8)}) > 1
    assert len({say(client, "What is SSE?", temperature=1, seed=7) for _ in range(3)}) == 1
    assert len({say(client, "What is SSE?", temperature=1) for _ in range(12)}) > 1


class Step(BaseModel):
    title: str
    minutes: int


class Lesson(BaseModel):
    title: str
    summary: str
    steps: list[Step]
    level: int | None
    next: "Lesson | None"


def test_json_answers(client: httpx2.Client, chat: Callable[..., ChatOpenAI]) -> None:
    answer = json.loads(say(client, "SSEとは？", response_format={"type": "json_object"}))
    assert answer["language"] == "ja"
    lesson = chat().with_structured_output(Lesson, method="json_schema").invoke("What is backpressure?")
    assert isinstance(lesson, Lesson)
    assert lesson.title.startswith("Backpressure")
    assert "faster than it is read" in lesson.summary
    assert len(lesson.steps) == 3
    assert lesson.next is not None
    assert lesson.next.next is None


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": ["string", "null"], "maxLength": 5},
        {"type": "array", "items": {"$ref": "#"}},
        {"$ref": "#/nowhere"},
        {"anyOf": [{"type": "null"}, {"enum": ["a", "b"]}]},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/b"}, "b": {"$ref": "#/properties/a"}}},
        {"type": "number", "minimum": 1, "maximum": 2},
    ],
)
def test_any_schema_gets_valid_json(client: httpx2.Client, schema: dict[str, Any]) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    json.loads(say(client, "What is SSE?", response_format=wanted))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_notes_are_sound_markdown(language: Language) -> None:
    """Nothing is left of the markup: emphasis next to Japanese punctuation often is not recognised."""
    markdown = MarkdownIt().enable("table")
    for topic in topics():
        note = topic.notes[language]
        assert note.title
        assert note.more
        for token in markdown.parse(f"{note.main}\n\n{note.more}"):
            plain = "".join(child.content for child in token.children or [] if child.type == "text")
            assert "*" not in plain, note.title
            assert "`" not in plain, note.title


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("日本語", 3), ("日本 go", 3)]
)
def test_estimate_tokens(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


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
