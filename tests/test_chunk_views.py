"""The laws of chunk views: nothing is hidden, what belongs together is joined, and everything can be shown."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.prompt_values import StringPromptValue

from streamlab.chunks.views import ChunkView, Kind, as_json, chunk_view, joined, joined_text, readable

texts = st.text(st.characters())
halves = st.text(st.characters(categories=["Cs"]) | st.sampled_from("aé日👩"))  # whole characters and lone surrogates


def views(kind: Kind, chunks: Sequence[Any]) -> list[ChunkView]:
    return [chunk_view(kind, number, number / 10, chunk) for number, chunk in enumerate(chunks, 1)]


def events(*chunks: str) -> list[dict[str, Any]]:
    """What `astream_events` gives for these texts: of the model, the parser and the chain."""
    told: list[dict[str, Any]] = [{"event": "on_chain_start", "data": {"input": "hi"}, "parent_ids": []}]
    for chunk in chunks:
        told += [
            {"event": "on_chat_model_stream", "data": {"chunk": AIMessageChunk(content=chunk)}, "parent_ids": ["1"]},
            {"event": "on_chain_stream", "data": {"chunk": chunk}, "parent_ids": []},
        ]
    return told


def encodable(value: Any) -> bool:
    """As the browser's JSON and as UTF-8."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode() is not None


@given(halves)
def test_any_text_can_be_shown(text: str) -> None:
    """Also one with half a character, which has no UTF-8 form; and what is shown once is not changed again."""
    shown = readable(text)
    assert encodable(shown)
    assert readable(shown) == shown


@given(st.text())
def test_whole_text_is_shown_as_it_is(text: str) -> None:
    """Only what is broken is written otherwise."""
    assert readable(text) == text


def test_half_a_character_is_written_as_its_escape() -> None:
    """It is seen for what it is, in the text and in everything else."""
    half = "😀".encode("utf-16-be").decode("utf-16-be", "surrogatepass")
    high = "\ud83d"
    assert half == "😀"
    made = chunk_view("text", 1, 0, f"a{high}")
    assert (made.text, made.detail) == ("a\\ud83d", "a\\ud83d")
    assert as_json({high: [high]}) == {"\\ud83d": ["\\ud83d"]}


@given(st.text(min_size=1).map(lambda text: text + "👩‍🚀日本語"), st.data())
def test_text_cut_anywhere_is_joined_again(text: str, data: st.DataObject) -> None:
    """Between characters and within the UTF-16 pair of one, as text and as messages."""
    units = text.encode("utf-16-le")
    places = sorted(data.draw(st.lists(st.integers(0, len(units) // 2), max_size=8)))
    cuts = [0, *(2 * place for place in places), len(units)]
    pieces = [units[start:end].decode("utf-16-le", "surrogatepass") for start, end in pairwise(cuts)]
    assert joined(views("text", pieces)) == text
    messages = views("message", [AIMessageChunk(content=piece) for piece in pieces])
    assert joined(messages)["content"] == text
    assert joined_text(messages) == text
    assert joined(views("event", events(*pieces))) == text
    assert all(encodable(made.detail) and encodable(made.text) for made in messages)


def test_everything_in_a_message_is_shown() -> None:
    """Content, tool-call pieces, usage, finish reason, metadata, and what the provider sent beside them."""
    usage = UsageMetadata(input_tokens=3, output_tokens=4, total_tokens=7)
    piece = {"name": "weather", "args": '{"ci', "id": "c1", "index": 0, "type": "tool_call_chunk"}
    chunk = AIMessageChunk(
        content=[{"type": "text", "text": "Hi"}],
        additional_kwargs={"reasoning_content": "Hm"},
        response_metadata={"finish_reason": "stop", "model_name": "m"},
        usage_metadata=usage,
        tool_call_chunks=[piece],
        id="run-1",
        chunk_position="last",
    )
    made = chunk_view("message", 1, 0, chunk)
    detail = made.detail
    assert encodable(detail)
    assert detail["content"] == [{"type": "text", "text": "Hi"}]
    assert {"type": "text", "text": "Hi"} in detail["content_blocks"]
    assert detail["tool_call_chunks"] == [piece]
    assert detail["usage_metadata"] == usage
    assert detail["response_metadata"] == {"finish_reason": "stop", "model_name": "m"}
    assert detail["additional_kwargs"] == {"reasoning_content": "Hm"}
    assert (detail["id"], detail["chunk_position"]) == ("run-1", "last")
    assert (made.text, made.carries_usage) == ("Hi", True)


def test_only_the_message_with_usage_carries_it() -> None:
    """Neither one without, nor an object that has a key of that name."""
    assert not chunk_view("message", 1, 0, AIMessageChunk(content="a")).carries_usage
    assert not chunk_view("object", 1, 0, {"usage_metadata": {"input_tokens": 1}}).carries_usage


def test_pieces_of_tool_calls_are_joined_to_whole_calls() -> None:
    """What no chunk holds alone, the message that they add up to does."""
    chunks = [
        AIMessageChunk(content="", tool_call_chunks=[{"name": "add", "args": '{"a":', "id": "c1", "index": 0}]),
        AIMessageChunk(content="", tool_call_chunks=[{"name": None, "args": " 1}", "id": None, "index": 0}]),
    ]
    made = views("message", chunks)
    assert [each.text for each in made] == ['add{"a":', " 1}"]
    assert joined(made)["tool_calls"] == [{"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]


def test_the_last_object_counts() -> None:
    """Each partial object holds those before it; a text that is a JSON value is an object here."""
    made = views("object", [{}, {"a": "x"}, {"a": "x 日"}])
    assert joined(made[:2]) == {"a": "x"}
    assert joined(made) == {"a": "x 日"}
    assert made[2].text == '{"a":"x 日"}'
    assert joined(views("object", ["ju", "just"])) == "just"


def test_an_event_shows_its_name_and_holds_the_rest() -> None:
    """Also what JSON does not know, such as messages and prompts."""
    event = {
        "event": "on_prompt_end",
        "data": {"output": StringPromptValue(text="x"), "chunk": AIMessageChunk(content="y")},
        "parent_ids": ("1",),
    }
    made = chunk_view("event", 1, 0, event)
    assert made.text == "on_prompt_end"
    assert made.detail["data"]["output"]["text"] == "x"
    assert made.detail["data"]["chunk"]["content"] == "y"
    assert made.detail["parent_ids"] == ["1"]


def test_nothing_is_joined_to_nothing() -> None:
    """Before the first chunk there is no answer."""
    assert joined([]) is None
    assert joined_text([]) == ""


@given(st.floats())
def test_any_number_can_be_shown(number: float) -> None:
    """Python reads NaN and Infinity out of JSON, which browsers refuse."""
    assert encodable(as_json({"number": number}))


def test_an_endless_nest_ends() -> None:
    """What is nested deeper than anyone looks is left out."""
    nest: list[Any] = []
    for _ in range(5_000):
        nest = [nest]
    assert json.dumps(as_json(nest)).count("[") < 100
    assert "…" in chunk_view("object", 1, 0, nest).text
