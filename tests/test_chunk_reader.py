"""The one form that a stream is brought into, whatever the shape of what came."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from streamlab.models.usage import told_usage
from tests.conftest import http, provider, raw_endpoint
from tests.wire import CASES, HI, STOP, call_piece, chunk, events, piece, read

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


# What the stock client takes, we take

SHAPES: dict[str, bytes] = {
    "plain": events(HI, STOP),
    "role": events(chunk({"role": "assistant", "content": ""}), HI, STOP),
    "null content": events(chunk({"role": "assistant", "content": None}), HI, STOP),
    "null delta": events({**HI, "choices": [{"index": 0, "delta": None, "finish_reason": None}]}, HI, STOP),
    "no choices": events({"id": "x", "choices": []}, HI, STOP),
    "text and finish in one": events(chunk({"content": "Hi"}, "stop")),
    "usage apart": events(HI, STOP, {"id": "x", "choices": [], "usage": USAGE}),
    "usage with the end": events(HI, {**STOP, "usage": USAGE}),
    "null usage": events({**HI, "usage": None}, STOP),
    "null error": events({**HI, "error": None}, STOP),
    "no finish but an end": events(HI),
    "comments": b": ping\n\n" + events(HI) + b": ping\n\n",
    "retry and id": b"retry: 3000\nid: 7\nevent: message\n" + events(HI, STOP),
    "no space": events(HI, STOP).replace(b"data: ", b"data:"),
    "line feeds and returns": events(HI, STOP).replace(b"\n", b"\r\n"),
    "returns alone": events(HI, STOP).replace(b"\n", b"\r"),
    "several lines of data": events(json.dumps(HI, indent=1).replace("\n", "\ndata: "), STOP),
    "an unknown field": b"charset: utf-8\n" + events(HI, STOP),
    "unknown members": events({**HI, "obfuscation": "xyz", "service_tier": "default", "p": 1}, STOP),
    "logprobs": events({**HI, "choices": [{**HI["choices"][0], "logprobs": {"content": []}}]}, STOP),
    "a call in pieces": events(
        call_piece(piece("", name="f", index=0, id="a", type="function")),
        call_piece(piece('{"x":', index=0)),
        call_piece(piece(" 1}", index=0)),
        chunk(finish="tool_calls"),
    ),
    "two calls, in turn": events(
        call_piece(piece('{"x":', name="f", index=0, id="a")),
        call_piece(piece('{"y":', name="g", index=1, id="b")),
        call_piece(piece("2}", index=1), piece("1}", index=0)),
        chunk(finish="tool_calls"),
    ),
    "a name in parts": events(
        call_piece(piece("", name="calc", index=0, id="a")),
        call_piece(piece("{}", name="ulate", index=0)),
        chunk(finish="tool_calls"),
    ),
    "a call and text": events(HI, call_piece(piece("{}", name="f", index=0, id="a")), chunk(finish="tool_calls")),
}


def heard(model: Any) -> AIMessageChunk:
    message: AIMessageChunk | None = None
    for part in model.stream("hi"):
        message = part if message is None else message + part
    assert message is not None
    return message


def said(message: AIMessageChunk) -> tuple[Any, ...]:
    calls = [(call["name"], call["args"], call["id"]) for call in message.tool_calls]
    return message.text, calls, message.usage_metadata, message.response_metadata.get("finish_reason")


@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_stock_client_takes_is_taken(shape: str) -> None:
    """Text, calls, usage and reason are the same; a new version of the client that takes less or more shows here."""
    with raw_endpoint(http(SHAPES[shape])) as endpoint, provider(endpoint.base_url) as models:
        stock = ChatOpenAI(
            model="m", base_url=endpoint.base_url, api_key=SecretStr("none"), max_retries=0, stream_usage=True
        )
        theirs, ours = heard(stock), heard(models.chat_model("m", 1.0))
    assert said(ours) == said(theirs)
    assert said(ours)[0] or said(ours)[1]


# Beyond: one meaning, many shapes


def choices(*given: Any) -> dict[str, Any]:
    return {"id": "x", "model": "m", "choices": list(given)}


@pytest.mark.parametrize(
    "body",
    [
        events(choices({"delta": {"content": "Hi"}}), choices({"finish_reason": "stop"})),
        events(choices({"index": None, "delta": {"content": "Hi"}}), choices({"index": None, "finish_reason": "stop"})),
        events(choices({"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"})),
        events(choices({"delta": {}, "message": {"content": "Hi"}}), STOP),
        events(choices({"text": "Hi", "finish_reason": "stop"})),
        events({"choices": None}, {}, None, {"type": "ping"}, HI, STOP),
        events({"choices": {"index": 0, "delta": {"content": "Hi"}}}, STOP),
        events([HI, STOP]),
        events(chunk({"content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}), STOP),
        events(chunk({"content": {"type": "text", "text": "Hi"}}), STOP),
        events(choices({"delta": "", "finish_reason": None}), HI, STOP),
        events(chunk({"role": "user", "content": "Hi"}), STOP),
        events(choices(None, {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"})),
        events(HI, chunk(finish="stop"), done=False),
        events(HI, chunk(finish="eos")),
        events(HI, choices({"index": 0, "delta": {}, "finishReason": "STOP"})),
        events(HI, STOP, done=False).rstrip(b"\n"),
        events(HI, STOP).replace(b"\n\n", b"\n"),
        b"\xef\xbb\xbf" + events(HI, STOP),
        events(HI, STOP) + events(chunk({"content": " no"}), STOP),
        json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": {"content": "Hi"}}]}).encode(),
        json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}, indent=2).encode(),
        json.dumps(HI).encode() + b"\n" + json.dumps(STOP).encode() + b"\n",
        events(HI, STOP, done=False) + b"upstream said something\n\n",
        events(HI, STOP, done=False) + b'data: {"choices": [], "usage": {"prompt_tok',
        events(HI, choices({"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"})),
        events(choices({"index": 1, "delta": {"role": "assistant"}}), HI, STOP),
        events(
            choices({"index": 1, "delta": {"content": "B"}}, {"index": 0, "delta": {"content": "Hi"}}), STOP, done=False
        ),
        events({**HI, "choices": [HI["choices"][0], {"index": 1, "delta": {"content": "other"}}]}, STOP),
        events(HI, {**HI, "choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]}, STOP),
    ],
)
def test_text_in_any_shape(body: bytes) -> None:
    """No or null `delta`, `choices`, `index`; a `message` instead; lists; lines that end otherwise; several choices."""
    found = read(body)
    assert (found.text, found.failure, found.calls) == ("Hi", None, [])


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning": {"content": "hm"}},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}, {"type": "reasoning.encrypted"}]},
        {"thinking": "hm"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        {"content": "<think>hm</think>"},
    ],
)
def test_reasoning_in_any_shape(delta: dict[str, Any]) -> None:
    """It is told apart from the answer, and told once."""
    found = read(events(chunk(delta), HI, STOP))
    assert (found.thoughts, found.text) == ("hm", "Hi")


@pytest.mark.parametrize(
    ("deltas", "kind", "text"),
    [
        ([{"refusal": "I "}, {"refusal": "can't."}], "refusal", "I can't."),
        ([{"content": None, "refusal": "No."}], "refusal", "No."),
        ([{"audio": {"id": "a", "transcript": "He"}}, {"audio": {"transcript": "llo"}}], "transcript", "Hello"),
        ([{"audio": {"data": "AAAA"}}, {"audio": {"transcript": "Hi", "data": "AA"}}], "transcript", "Hi"),
    ],
)
def test_what_was_said_elsewhere_is_shown_and_marked(deltas: list[Any], kind: str, text: str) -> None:
    """Once, whatever the number of pieces."""
    found = read(events(*map(chunk, deltas), STOP))
    assert (found.text, found.kinds) == (text, [kind])


@pytest.mark.parametrize(
    "bad",
    [-1, 2**53 + 1, 0.5, math.inf, -math.inf, math.nan, "3", None, True, [], {"n": 1}],
)
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
def test_what_is_no_count_counts_as_not_reported(bad: Any, name: str) -> None:
    """One that cannot be makes the other doubtful."""
    assert read(events({**HI, "usage": {**USAGE, name: bad}}, STOP)).usage is None


@pytest.mark.parametrize(
    ("usages", "right"),
    [
        ([USAGE], (7, 3)),
        ([{"prompt_tokens": 7.0, "completion_tokens": 3.0}], (7, 3)),
        ([{"input_tokens": 7, "output_tokens": 3}], (7, 3)),
        ([{**USAGE, "completion_tokens": 1}, {**USAGE, "completion_tokens": 2}, USAGE], (7, 3)),
        ([USAGE, None, {}], (7, 3)),
        ([USAGE, {**USAGE, "completion_tokens": -1}], None),
        ([{"prompt_tokens": 0, "completion_tokens": 0}], None),
        ([{"prompt_tokens": 2**53, "completion_tokens": 3}], (2**53, 3)),
    ],
)
def test_the_last_report_counts(usages: list[Any], right: tuple[int, int] | None) -> None:
    """Not the sum; that nothing was written is no report where something was."""
    found = read(events(*({**HI, "usage": usage} for usage in usages), STOP)).usage
    assert (found and (found["prompt_tokens"], found["completion_tokens"])) == right


@pytest.mark.parametrize("place", ["choice", "x_groq"])
def test_usage_in_another_place(place: str) -> None:
    """In the choice, as Moonshot has it, or in a member of its own, as Groq has it."""
    in_choice = choices({**STOP["choices"][0], "usage": USAGE})
    last = {**STOP, "x_groq": {"usage": USAGE}} if place == "x_groq" else in_choice
    found = read(events(HI, last)).usage
    assert found is not None
    assert found["completion_tokens"] == 3


@pytest.mark.parametrize(("told", "kept"), [(2, 2), (3, 3), (4, 4), (-1, None), ("2", None), (None, None)])
def test_tokens_of_the_reasoning(told: Any, kept: int | None) -> None:
    """As many as the server says, if there can be as many."""
    found = read(
        events({**HI, "usage": {**USAGE, "completion_tokens_details": {"reasoning_tokens": told}}}, STOP)
    ).usage
    assert found is not None
    assert found.get("completion_tokens_details", {}).get("reasoning_tokens") == kept


CACHED: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "not told": ({}, {}),
    "OpenAI": ({"prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 0}}, {"cached_tokens": 5}),
    "OpenAI, none": ({"prompt_tokens_details": {"cached_tokens": 0}}, {"cached_tokens": 0}),
    "OpenAI, written": (
        {"prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 4}},
        {"cached_tokens": 1, "cache_write_tokens": 4},
    ),
    "by the names of responses": ({"input_tokens_details": {"cached_tokens": 5}}, {"cached_tokens": 5}),
    "DeepSeek": ({"prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 2}, {"cached_tokens": 5}),
    "Moonshot": ({"cached_tokens": 5}, {"cached_tokens": 5}),
    "null, as vLLM": ({"prompt_tokens_details": None}, {}),
    "no count": ({"prompt_tokens_details": {"cached_tokens": "5"}}, {}),
    "no details": ({"prompt_tokens_details": [5], "prompt_cache_hit_tokens": -1}, {}),
}


@pytest.mark.parametrize("case", CACHED)
def test_tokens_out_of_a_cache(case: str) -> None:
    """Wherever the server says it, if there can be as many."""
    told, kept = CACHED[case]
    found = read(events({**HI, "usage": USAGE | told}, STOP)).usage
    assert found is not None
    assert found.get("prompt_tokens_details", {}) == kept
    usage = told_usage(found)
    assert (usage.cached_tokens, usage.cache_write_tokens) == (
        kept.get("cached_tokens"),
        kept.get("cache_write_tokens"),
    )


@pytest.mark.parametrize(
    "said", ["length", "MAX_TOKENS", "max_new_tokens", "model_context_window_exceeded", "limit_reached"]
)
def test_a_length_by_any_name(said: str) -> None:
    """What each server calls it."""
    assert read(events(HI, chunk(finish=said))).finish == "length"


# However it is cut


def cuts(body: bytes) -> st.SearchStrategy[list[bytes]]:
    return st.sets(st.integers(0, len(body)), max_size=12).map(
        lambda places: [body[a:b] for a, b in zip([0, *sorted(places)], [*sorted(places), len(body)], strict=True)]
    )


BODIES = [path.read_bytes() for path in sorted(CASES.iterdir())] + list(SHAPES.values())


@given(st.sampled_from(BODIES).flatmap(lambda body: st.tuples(st.just(body), cuts(body))))
def test_any_cut_of_a_body_reads_alike(given: tuple[bytes, list[bytes]]) -> None:
    """Wherever the network cuts it, down to each byte; ids that are made up differ."""
    body, parts = given
    found, whole = read(*parts), read(body)
    found.ids = whole.ids = []
    assert found == whole
    if len(body) < 2_000:
        single = read(*(body[at : at + 1] for at in range(len(body))))
        single.ids = []
        assert single == whole


def test_a_long_line_costs_no_more_than_its_length() -> None:
    """Ten megabytes on one line, in pieces as a network gives them."""
    body = events(chunk({"content": "x" * 10_000_000}), STOP)
    found = read(*(body[at : at + 16_384] for at in range(0, len(body), 16_384)))
    assert len(found.text) == 10_000_000


@pytest.mark.parametrize("index", ["0", None, 1.5, [], {}])
def test_a_choice_with_an_odd_number_is_the_first(index: Any) -> None:
    """What is no number stands for none."""
    first = choices({"index": index, "delta": {"content": "Hi"}})
    assert read(events(first, choices({"index": 1, "delta": {"content": "other"}}), STOP)).text == "Hi"


@pytest.mark.parametrize("words", [{"error": {"message": "[" * 100_000}}, "[" * 100_000])
def test_json_that_is_too_deep_is_a_failure_like_any_other(words: Any) -> None:
    """Wherever it stands: in the words of an error, or alone."""
    failure = read(events(HI, words)).failure
    assert failure is not None
    assert failure.code in ("provider_unavailable", "connection_lost")
