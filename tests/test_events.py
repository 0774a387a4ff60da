"""The laws of events: their written form loses nothing, and merging loses nothing."""

import json
import math
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.events.event import (
    ENVELOPE,
    EVENTS,
    MERGED_CHARACTERS,
    PIECES,
    Done,
    Error,
    FinalAnswer,
    Retry,
    Status,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    decode,
    encode,
    is_piece,
    merge_deltas,
    numbered,
    wire_size,
)
from tests.events import content, span

texts = st.text(st.characters(exclude_categories=()))  # any code point, lone surrogates too
awkward = st.sampled_from(
    ["", "\ud800", "\udc00\ud800", "\u2028\u2029", "\r\n\n", "\0", '"\\', "日本語", "🙂", "data: "]
)
strings = texts | awkward
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=8,
)
counts = st.integers(0, 10**9)
times = st.integers(0, 10**11).map(lambda microseconds: microseconds / 1e6)
ALL_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "seq": st.integers(1, 10**15),
    "at": times,
    "step": st.integers(1, 1000),
    "seq_from": st.none() | st.just(1),
    "content": strings,
    "tool": strings,
    "call_id": strings,
    "input": values,
    "result": values,
    "code": strings,
    "message": strings,
    "detail": st.none() | strings,
    "wait": st.none() | times,
    "state": st.none() | st.just("begun"),
    "status": st.sampled_from(get_args(Status)),
    "usage": st.none() | st.builds(Usage, counts, counts, st.booleans(), st.none() | counts),
}


def any_of(kind: type[StreamEvent]) -> st.SearchStrategy[StreamEvent]:
    """Make events of one type with everything that may stand in its fields."""
    return st.builds(kind, **{field.name: ALL_FIELDS[field.name] for field in fields(kind)})


events = st.one_of(*map(any_of, EVENTS.values()))


@pytest.mark.parametrize("said", [None, "\ud800"])
def test_numbers_that_json_does_not_have_are_strings(said: str | None) -> None:
    """A browser could not read the line otherwise. What a tool gives is not ours to choose."""
    result = {"a": [math.inf, -math.inf, {"b": (math.nan, 1.5)}], math.inf: 1}
    line = encode(ToolResult("a", said or "1", result, seq=1))
    data = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert data["result"] == {"a": ["inf", "-inf", {"b": ["nan", 1.5]}], "inf": 1}
    assert data["call_id"] == (said or "1")


@given(events)
def test_decode_gives_what_encode_took(event: StreamEvent) -> None:
    """Nothing that an event holds is changed or lost on the wire; times to the microsecond."""
    assert decode(encode(event)) == event
    assert decode(encode(event).decode()) == event


@given(events, st.integers(1, 10**15))
def test_a_numbered_event_is_the_same_but_for_its_seq(event: StreamEvent, seq: int) -> None:
    """Also for a field that was added to events later."""
    assert numbered(event, seq) == replace(event, seq=seq)


@given(st.text(st.characters(exclude_characters='"\\', exclude_categories=("Cc", "Cs"))), st.integers(1, 10_000))
def test_the_size_of_text_is_known_without_encoding_it(text: str, seq: int) -> None:
    """Within what the envelope may differ by, for text that needs no escapes."""
    event = TextDelta(text, seq=seq, at=12.345678)
    assert 0 <= wire_size(event) - len(encode(event)) <= ENVELOPE


@given(events)
def test_an_event_is_one_line_of_json(event: StreamEvent) -> None:
    """Neither a newline nor a carriage return stands in it, so that SSE and JSON lines can carry it."""
    line = encode(event)
    assert b"\n" not in line
    assert b"\r" not in line
    assert isinstance(json.loads(line), dict)


@given(st.text().filter(lambda text: not text.isascii()))
def test_non_ascii_text_stays_readable(text: str) -> None:
    """A person who looks at the wire reads the text, not escapes."""
    shown = "".join(character for character in text if ord(character) > 127)
    assert shown in encode(TextDelta(shown, seq=1, at=0)).decode()


def test_only_what_is_set_is_written() -> None:
    """A text delta costs its own fields, not those of every type."""
    assert encode(TextDelta("a", seq=3, at=1.25)) == (b'{"type":"text_delta","seq":3,"at":1.25,"step":1,"content":"a"}')


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "1", "null", "{}", '{"type": "speech"}', '{"type": "done"}', '{"type": "done", "x": 1}']
)
def test_decode_refuses_what_encode_did_not_write(line: str) -> None:
    """Anything else is a ValueError, never a half-read event."""
    with pytest.raises(ValueError, match=r".+"):
        decode(line)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_decode_fails_only_with_value_error(value: Any) -> None:
    """Whatever JSON comes, the caller has one exception to expect."""
    for data in (value, {"type": "done", "seq": 1, "at": 0.0, "usage": value}):
        try:
            decode(json.dumps(data))
        except ValueError:
            continue


steps = st.integers(1, 2)
deltas = st.one_of(*(st.builds(kind, texts, at=times, step=steps) for kind in PIECES))
others = st.one_of(
    st.builds(Thinking, st.just(""), at=times, step=steps, state=st.just("begun")),
    st.builds(ToolCall, st.just("a"), st.just("1"), at=times, step=steps),
    st.builds(ToolResult, st.just("a"), st.just("1"), at=times, step=steps),
    st.builds(FinalAnswer, texts, at=times, step=steps),
    st.builds(Retry, st.just("timeout"), at=times, step=steps),
    st.builds(Error, st.just("timeout"), at=times, step=steps),
    st.builds(Done, st.just("completed"), at=times, step=steps),
)
long = st.builds(
    lambda length, step: TextDelta("x" * length, at=0, step=step),
    st.sampled_from([MERGED_CHARACTERS // 2, MERGED_CHARACTERS - 1, MERGED_CHARACTERS, MERGED_CHARACTERS + 1]),
    st.integers(1, 2),
)


def in_a_row(events: list[StreamEvent]) -> list[StreamEvent]:
    return [replace(event, seq=seq) for seq, event in enumerate(events, 1)]


logs = st.lists(deltas | deltas | others | long, max_size=30).map(in_a_row)


@given(logs, st.integers(0, 30))
def test_merging_keeps_every_seq_and_every_character(log: list[StreamEvent], cut: int) -> None:
    """The ranges of the merged events join without gap or overlap, also of what was merged in parts before."""
    merged = merge_deltas([*merge_deltas(log[:cut]), *merge_deltas(log[cut:])])
    assert [seq for event in merged for seq in span(event)] == [event.seq for event in log]
    for event in merged:
        covered = [log[seq - 1] for seq in span(event)]
        if len(covered) == 1:
            assert event is covered[0]
        else:
            assert {(each.type, each.step) for each in covered} == {(event.type, event.step)}
            assert isinstance(event, PIECES)
            assert event.content == "".join(content(each) for each in covered)


@given(logs)
def test_merging_twice_is_merging_once(log: list[StreamEvent]) -> None:
    """A gateway may merge what a hub has merged."""
    once = merge_deltas(log)
    assert merge_deltas(once) == once


@given(logs)
def test_merging_stays_below_the_bound_and_leaves_nothing_to_merge(log: list[StreamEvent]) -> None:
    """No merged delta grows beyond its bound, and two neighbours stay apart only where it would have."""
    merged = merge_deltas(log)
    assert all(len(content(event)) <= MERGED_CHARACTERS for event in merged if len(span(event)) > 1)
    for left, right in pairwise(merged):
        if left.type == right.type and is_piece(left) and is_piece(right) and left.step == right.step:
            first = log[span(right)[0] - 1]
            assert len(left.content) + len(content(first)) > MERGED_CHARACTERS
