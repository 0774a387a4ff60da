"""A run in OpenAI's two forms: the laws of both over every conformance case and over runs of any content."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel

from clients.conformance.server import load_cases
from streamlab.completions.responses import summary
from streamlab.events.event import (
    Done,
    Event,
    StreamEvent,
    event_of,
    first_seq,
    merge_deltas,
)
from streamlab.gateway.protocols.openai.chat_writer import ChatWriter
from streamlab.gateway.protocols.openai.response import response_of
from streamlab.gateway.protocols.openai.responses_writer import ResponsesWriter
from streamlab.hub import Gap, Item, Snapshot
from streamlab.hub.log import Bounds
from tests.conftest import shown
from tests.openai_streams import (
    BEGUN,
    CALLS,
    FORM,
    HANDING,
    HEAD,
    OPEN,
    PLAIN,
    THOUGHT,
    Json,
    chat,
    check_response,
    completed,
    cut,
    final,
    frames,
    log_of,
    numbered,
    numbers,
    respond,
    text,
    texts,
)
from tests.recordings import runs

# As the package has them, which itself checks nothing of what it reads.
EVENTS: dict[str, type[BaseModel]] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(get_args(ResponseStreamEvent)[0])
}


def items_of(case: Json) -> list[Item]:
    """The run that a case's server sends, put together from its answers."""
    items: list[Item] = []
    for step in (step for part in case["script"] for step in part["do"] if "data" in step):
        data, last = step["data"], items[-1].seq if items else 0
        if step["event"] == "gap":
            items.append(Gap(**data))
        elif step["event"] == "snapshot":
            items.append(Snapshot(data["seq"], data["step"], data["text"], ()))
        elif data.get("content") and "fill" in step:
            data = data | {"content": data["content"] * step["fill"]}
        with suppress(ValueError):  # of types and fields that only a later version has
            event = event_of(data)
            if first_seq(event) == last + 1 or not items:
                items.append(event)
    return items


CASES = {
    name: items for name, case in load_cases().items() if (items := items_of(case)) and isinstance(items[-1], Done)
}


# Laws


@pytest.mark.parametrize("name", CASES)
def test_every_conformance_case_is_an_answer(name: str) -> None:
    check(CASES[name], range(len(CASES[name])))


@given(events=runs(), places=st.lists(st.integers(0, 30), max_size=8))
def test_every_run_is_an_answer_wherever_it_is_cut(events: list[StreamEvent], places: list[int]) -> None:
    check(events, places)


def check(items: Sequence[Item], places: Any) -> None:
    """Check what holds for both forms of any run, whichever frames it came in."""
    assert len(CASES) > 20
    whole, pieces = frames(items), cut(items, list(places))
    one, other = chat(whole), chat(pieces)
    assert one == other
    for chunk in one.chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    roles = ["role" in delta for delta in one.deltas]
    assert roles == [True] + [False] * (len(roles) - 1)
    assert (len(one.finish), one.whole) == ((0, False) if one.error else (1, True))
    events = respond(whole)
    assert events == respond(pieces)
    for event in events:
        check_known(event)
    response = check_response(events)
    assert (response["status"] == "failed") == bool(response["error"]) == bool(one.error)
    answer = final(items)
    if answer is not None and not one.error and answer == shown(items):
        assert one.last_step == json.loads(json.dumps(answer))
        assert (texts(response)[-1:] or [""])[0] in (one.last_step, "")


def check_known(event: Json) -> None:
    """Check an event by the package's types. OpenAI says two codes of errors that these do not have."""
    error = event.get("response", {}).get("error") or {}
    if error.get("code") in ("insufficient_quota", "context_length_exceeded"):
        error["code"] = "server_error"
    EVENTS[event["type"]].model_validate(event)


@given(events=runs(), data=st.data())
def test_who_goes_on_after_any_event_gets_exactly_the_rest(events: list[StreamEvent], data: st.DataObject) -> None:
    """Whatever the frames are then, and however many stand at them."""
    whole = respond(frames(events))
    after = data.draw(st.sampled_from(numbers(whole)))
    places = data.draw(st.lists(st.integers(0, 30), max_size=8))
    rest = respond(cut(events, places), after=after)
    assert rest == [event for event in whole if event["sequence_number"] > after]


def test_numbers_have_no_gaps_and_do_not_depend_on_merging() -> None:
    """A merged delta has the number of the last one that it stands for."""
    unmerged = respond(frames(THOUGHT))
    assert numbers(unmerged) == list(range(len(unmerged)))
    merged = respond(frames(merge_deltas(THOUGHT)))
    assert [event for event in merged if not event["type"].endswith(".delta")] == [
        event for event in unmerged if not event["type"].endswith(".delta")
    ]
    assert merged[-1] == unmerged[-1]


@pytest.mark.parametrize("kept", range(1, 8))
def test_an_evicted_beginning_is_an_answer_still(kept: int) -> None:
    """The text so far comes as one piece, by higher numbers than any before."""
    events = [BEGUN, *(text(letter) for letter in "abcdefgh"), *completed("abcdefgh")]
    log = log_of(*events, bounds=Bounds(events=kept))
    items = log.follow().read()
    assert isinstance(items[0], Gap)
    read = chat(frames(items))
    assert ("".join(read.contents), read.finish, read.error) == ("abcdefgh", ["stop"], None)
    told = respond(frames(items))
    assert texts(check_response(told)) == ["abcdefgh"]
    assert numbers(told) == sorted(set(numbers(told)))
    assert numbers(told)[2] > numbers(respond(frames(numbered(*events))))[-1]
    assert texts(json.loads(response_of(HEAD, summary(log))[0])) == ["abcdefgh"]


def test_who_has_lagged_behind_the_eviction_gets_what_is_missing() -> None:
    """Of the same step; where what was sent is void the answer ends with an error."""
    first = numbered(BEGUN, text("abc"))
    for snapshot, error in (("abcde", None), ("abc", None), ("abX", "internal"), ("a", "internal")):
        lagged = [*first, Gap(2, 9), Snapshot(9, 1, snapshot, ()), Done("completed", seq=10)]
        read = chat(frames(lagged))
        assert (read.error or {}).get("code") == error
        assert "".join(read.contents) == (snapshot if error is None else "abc")
        response = check_response(respond(frames(lagged)))
        assert bool(response["error"]) == bool(error)


# Sharing


def test_a_frame_is_written_once_for_all_who_stand_there() -> None:
    """Also for those who go on after a number, who are sent a part of the same bytes."""
    for events in (PLAIN, THOUGHT, CALLS):
        pieces = cut(events, range(len(events)))
        readers = [ResponsesWriter(HANDING, after) for after in (-1, -1, 4, 7)]
        for reader in readers:
            reader.opening(OPEN)
        for frame in pieces:
            one, other, *_ = [reader.frame(frame) for reader in readers]
            assert one is other
            assert len(frame._forms) == 1
        chats = [ChatWriter(FORM) for _ in range(3)]
        for frame in pieces:
            same = [each.frame(frame) for each in chats]
            assert same[0] is same[1] is same[2]


def test_lone_surrogates_are_escaped() -> None:
    """Which no encoding can write, and a model may send."""
    events = numbered(text("a\ud800"), *completed("a\ud800"))
    assert "".join(chat(frames(events)).contents) == "a\ud800"
    assert texts(check_response(respond(frames(events)))) == ["a\ud800"]


def test_every_item_of_a_log_may_come() -> None:
    """Also in an order that no run has: nothing is written after the end."""
    after = numbered(text("a"), Done("completed"))
    items: list[Item] = [*after, *(replace(event, seq=3) for event in PLAIN if isinstance(event, Event))]
    assert chat(frames(items)).data == chat(frames(after)).data
    assert respond(frames(items)) == respond(frames(after))
