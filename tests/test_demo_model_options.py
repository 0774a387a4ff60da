"""The options in the demo model's name: pace, size, reasoning, and how its stream is written."""

from collections.abc import Callable

import httpx2
import pytest
from langchain_openai import ChatOpenAI

from streamlab.demo_model.chunks import cut, synthetic
from streamlab.text.tokens import estimate_tokens
from tests import model_client
from tests.model_client import FAST, body, chunks, contents, post, record, say, unique

chat, client = model_client.chat, model_client.client  # fixtures are found by their names

MIXED = "Streaming は、届いた順に。\n\n🙂 **OK**?  "


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
