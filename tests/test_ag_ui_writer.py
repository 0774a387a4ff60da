"""Runs in AG-UI's words, as its own client reads them: its parser, its checker of the order, its messages."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from ag_ui.core import (
    MessagesSnapshotEvent,
    RunErrorEvent,
    RunFinishedEvent,
    RunStartedEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.conformance.server import load_cases
from streamlab.events.event import (
    EVENTS,
    Done,
    Error,
    FinalAnswer,
    Retry,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    event_of,
    is_piece,
)
from streamlab.gateway.control import Close, Drain
from streamlab.gateway.protocols.ag_ui.conversation import Conversation
from streamlab.hub import Gap, Item, Log, Position, Snapshot
from streamlab.hub.log import Bounds
from tests.ag_ui_streams import (
    FOLDER,
    SAID,
    Json,
    Reader,
    frame,
    handed_back,
    lawful_runs,
    replayed,
    told,
)
from tests.events import of
from tests.javascript import install, needs_node
from tests.recordings import runs


@pytest.fixture(scope="module")
def client() -> None:
    install(FOLDER)


def log_of(events: Sequence[StreamEvent], bounds: Bounds | None = None) -> Log:
    log = Log("run", bounds)
    for event in events:
        log.append(event)
    return log


def text_of(outcome: Json) -> str:
    """The text that was written last; reasoning may stand after it."""
    texts = [each.get("content") for each in outcome["messages"][len(SAID) :] if each["role"] == "assistant"]
    return texts[-1] or "" if texts else ""


def clean(outcome: Json) -> Json:
    """Check that the client had nothing against what it read."""
    assert outcome["error"] is None
    assert outcome["warnings"] == []
    assert outcome["messages"][: len(SAID)] == SAID
    return outcome


def by_id(outcome: Json) -> Json:
    """Leave the order out: the client keeps its own for what it has, and appends what is new to it."""
    return {message["id"]: message for message in outcome["messages"]}


# Conformance


def items_of(delivered: Sequence[Json]) -> list[Item]:
    """What a case's client is told in the end."""
    items: list[Item] = []
    for data in delivered:
        fields = {name: value for name, value in data.items() if name not in ("type", "length")}
        if "length" in data:
            fields["content"] = "x" * data["length"]
        if data["type"] == "gap":
            items.append(Gap(**fields))
        elif data["type"] == "snapshot":
            items.append(Snapshot(**fields | {"tools": tuple(map(event_of, fields["tools"]))}))
        elif data["type"] in EVENTS:
            unsaid = {"status": "completed"} if data["type"] == "done" else {}
            items.append(event_of({"type": data["type"], "at": 0} | unsaid | fields))
    return items


CASES = {name: case["deliver"] | {"items": items_of(case["deliver"]["events"])} for name, case in load_cases().items()}
TOLD = [name for name, case in CASES.items() if case["items"]]


def written(items: Sequence[Item], cuts: int) -> list[bytes]:
    """Write them, so many to a frame; where they end without an end, the server leaves."""
    reader = Reader(log_of([item for item in items if not isinstance(item, Gap | Snapshot)]))
    for begin in range(0, len(items), cuts):
        part = items[begin : begin + cuts]
        reader.take(frame(part, Position(reader.log.epoch, part[-1].seq)))
    end = None if isinstance(items[-1], Done) else Drain()
    return [*reader.written, *(packet.data.message["body"] for packet in reader.writer.closing(end))]


@pytest.fixture(scope="module")
def played(client: None) -> dict[tuple[str, int], Json]:
    """What the client made of each case, with frames of one, two and all events."""
    keys = [(name, cuts) for name in TOLD for cuts in (1, 2, 99)]
    return dict(zip(keys, replayed([[written(CASES[name]["items"], cuts)] for name, cuts in keys]), strict=True))


@needs_node
@pytest.mark.parametrize("name", TOLD)
def test_every_conformance_case_is_told(played: dict[tuple[str, int], Json], name: str) -> None:
    """The client's text is the final answer, however the events are cut into frames."""
    outcomes = [clean(played[name, cuts]) for cuts in (1, 2, 99)]
    assert outcomes[0]["messages"] == outcomes[1]["messages"] == outcomes[2]["messages"]
    ends = outcomes[0]["ends"]
    assert ends == outcomes[1]["ends"] == outcomes[2]["ends"]
    assert len(ends) == 1
    text = CASES[name]["text"]
    heard = text_of(outcomes[0])
    assert ({"length": len(heard)} if isinstance(text, dict) else heard) == text
    completed = [done for done in of(CASES[name]["items"], Done) if done.status in ("completed", "stopped")]
    assert ends[0]["type"] == ("RUN_FINISHED" if completed else "RUN_ERROR")


# Generated runs


def whole(events: Sequence[StreamEvent], frames: int) -> list[bytes]:
    """Write a run whose events come so many at a time."""
    reader = Reader(Log("run"))
    for number, event in enumerate(events):
        reader.log.append(event)
        if number % frames == 0:
            reader.read()
    return reader.end()


def taken_up(events: Sequence[StreamEvent], cut: int, missed: int) -> list[list[bytes]]:
    """Write a run for a client that is lost after so many events, and comes back when it has missed some."""
    before = Reader(log_of(events[:cut]))
    before.read()
    for event in events[cut : cut + missed]:
        before.log.append(event)
    after = Reader(before.log, taken_up=True)
    for event in events[cut + missed :]:
        before.log.append(event)
        after.read()
    return [before.written, after.end()]


@needs_node
def test_a_run_that_is_cut_anywhere_comes_to_the_same(client: None) -> None:
    """Taken up after any event, it leaves the client with the same messages, ids and all, and the same end."""
    examples: list[tuple[list[StreamEvent], int, list[list[list[bytes]]]]] = []

    @settings(max_examples=15)
    @given(lawful_runs(), st.integers(1, 4), st.integers(0, 4))
    def collect(events: list[StreamEvent], frames: int, missed: int) -> None:
        streams = [[whole(events, frames)]]
        streams += [taken_up(events, cut, missed) for cut in range(len(events) + 1)]
        examples.append((events, frames, streams))

    collect()
    outcomes = iter(replayed([each for _, _, streams in examples for each in streams]))
    for events, _, streams in examples:
        first = clean(next(outcomes))
        assert len(first["ends"]) == 1
        for answer in of(events, FinalAnswer):
            assert text_of(first) == answer.content or not answer.content
        for _ in streams[1:]:
            outcome = clean(next(outcomes))
            assert by_id(outcome) == by_id(first)
            assert outcome["ends"][-1:] == first["ends"]


@needs_node
def test_a_client_that_misses_what_has_left_the_log_has_the_answer(client: None) -> None:
    """A gap and its snapshot, wherever they come, are told as all messages anew."""
    examples: list[tuple[list[StreamEvent], list[bytes]]] = []

    @given(lawful_runs(), st.integers(1, 6), st.integers(1, 9), st.booleans())
    def collect(events: list[StreamEvent], kept: int, frames: int, late: bool) -> None:
        log = log_of(events[: len(events) // 2] if late else [], Bounds(events=kept))
        reader = Reader(log, taken_up=late)
        for number, event in enumerate(events[log.seq :]):
            log.append(event)
            if number % frames == 0:
                reader.read()
        examples.append((events, reader.end()))

    collect()
    for (events, _), outcome in zip(examples, replayed([[written] for _, written in examples]), strict=True):
        clean(outcome)
        for answer in of(events, FinalAnswer):
            assert text_of(outcome) == answer.content or not answer.content


@needs_node
def test_whatever_stands_in_a_log_is_in_order(client: None) -> None:
    """The client's checker has nothing against any run, also one that no server of ours would write."""
    examples: list[list[bytes]] = []

    @given(runs(), st.integers(1, 4))
    def collect(events: list[StreamEvent], frames: int) -> None:
        single = [replace(event, seq_from=None) if is_piece(event) else event for event in events]
        examples.append(whole(single, frames))

    collect()
    for outcome in replayed([[written] for written in examples]):
        assert clean(outcome)["ends"]


@given(lawful_runs(), st.integers(1, 4), st.integers(0, 30))
def test_every_event_is_one_that_the_python_package_knows(events: list[StreamEvent], frames: int, cut: int) -> None:
    """Each has the type's fields and no other; a run begins once, ends once, and nothing follows."""
    for written in (whole(events, frames), taken_up(events, min(cut, len(events)), 2)[1]):
        begin, *between, end = told(written)
        assert isinstance(begin, RunStartedEvent)
        assert isinstance(end, RunFinishedEvent | RunErrorEvent)
        assert not any(isinstance(event, RunStartedEvent | RunFinishedEvent | RunErrorEvent) for event in between)


# What is shared


@given(lawful_runs(), st.integers(0, 30), st.integers(1, 4))
def test_what_clients_are_told_is_made_once(events: list[StreamEvent], late: int, frames: int) -> None:
    """Who stands at the same place is sent the same packets, also who has taken the run up, or has another history."""
    log = Log("run")
    here, there = Reader(log), Reader(log, Conversation("other", "other", calls=("call 0",)))
    readers = [here, there]
    for number, event in enumerate(events):
        log.append(event)
        if number % frames:
            continue
        one = frame(log.follow(here.position).read(), Position(log.epoch, log.seq))
        sent = [list(reader.writer.frame(one)) for reader in readers]
        for packets in sent[1:]:
            for mine, its in zip(sent[0], packets, strict=True):
                assert mine is its or b"MESSAGES_SNAPSHOT" in mine.data.chunk
        assert sum(packet.events for packet in sent[0]) in (0, one.events)
        for reader in readers:
            reader.position = one.position
        if number >= late and len(readers) == 2:
            readers.append(Reader(log, taken_up=True))


# What each thing is in AG-UI's words


def kinds(written: Sequence[bytes]) -> list[str]:
    return [event.type.value for event in told(written)]


def test_a_run_with_reasoning_and_tools_in_words() -> None:
    """Each start has its end; a call belongs to the message before it; what failed says so."""
    events: list[StreamEvent] = [
        Thinking("", state="begun"),
        Thinking("Two tools."),
        TextDelta("Let me see."),
        ToolCall("add", "c1", {"a": 1}),
        ToolCall("time", "c2"),
        ToolResult("time", "c2", "noon"),
        ToolResult("add", "c1", {"sum": 3}, "failed"),
        TextDelta("It is ", step=2),
        TextDelta("noon.", step=2),
        FinalAnswer("It is noon.", step=2),
        Done("completed", "length", Usage(3, 4, reasoning_tokens=1), step=2),
    ]
    written = whole(events, 1)
    call = ["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"]
    assert kinds(written) == [
        "RUN_STARTED",
        "STEP_STARTED",
        *("REASONING_START", "REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT"),
        *("REASONING_MESSAGE_END", "REASONING_END"),
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"),
        *(call + call),
        *("TOOL_CALL_RESULT", "TOOL_CALL_RESULT"),
        *("STEP_FINISHED", "STEP_STARTED"),
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"),
        "STEP_FINISHED",
        "RUN_FINISHED",
    ]
    answers = [event for event in told(written) if isinstance(event, ToolCallResultEvent)]
    assert [(each.content, each.metadata) for each in answers] == [("noon", None), ('{"sum": 3}', {"status": "failed"})]
    end = told(written)[-1].model_dump(by_alias=True)
    assert end["usage"] == [{"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "reasoningTokens": 1}]
    assert (end["metadata"], end["outcome"]) == ({"finishReason": "length"}, {"type": "success"})


def test_a_retry_takes_its_text_back_and_nothing_else() -> None:
    """The messages that the client has of before, and those of earlier steps, are told again with the rest."""
    events: list[StreamEvent] = [
        TextDelta("Let me see."),
        ToolCall("add", "c1", {}),
        ToolResult("add", "c1", 3),
        TextDelta("Hel", step=2),
        Retry("connection_lost", 0.5, step=2),
        TextDelta("Three.", step=2),
    ]
    snapshots = [event for event in told(whole(events, 1)) if isinstance(event, MessagesSnapshotEvent)]
    assert len(snapshots) == 1
    messages = [message.model_dump(by_alias=True) for message in snapshots[0].messages]
    assert messages[: len(SAID)] == SAID
    called, result = messages[len(SAID) :]
    assert (called["content"], called["toolCalls"][0]["id"]) == ("Let me see.", "c1")
    assert (result["role"], result["content"]) == ("tool", "3")


def test_functions_of_the_caller_are_handed_back() -> None:
    """Their calls have no result, and the end names them; ids that the history has already are made others."""
    calls = [ToolCall("paint", "call 0", {"color": "red"}), ToolCall("paint", ""), ToolCall("paint", "", "no JSON")]
    conversation = Conversation("t", "r", calls=("call 0",), handed=True)
    reader = Reader(log_of(handed_back(calls)), conversation)
    events = told(reader.end())
    assert not [event for event in events if isinstance(event, ToolCallResultEvent)]
    ids = [event.tool_call_id for event in events if isinstance(event, ToolCallStartEvent)]
    assert (len(ids), len(set(ids)), "call 0" in ids) == (3, 3, False)
    end = events[-1].model_dump(by_alias=True)
    assert end["outcome"] == {"type": "success", "pendingToolCallIds": ids}
    assert end["metadata"] == {"finishReason": "tool_calls"}


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (Drain(), {"type": "RUN_ERROR", "code": "drain"}),
        (Close("expired"), {"type": "RUN_ERROR", "code": "expired"}),
        (Close("revoked"), {"type": "RUN_ERROR", "code": "revoked"}),
    ],
)
def test_a_client_that_is_sent_away_does_not_take_it_for_the_end(end: Drain | Close, said: Json) -> None:
    """The package would resolve a run whose stream merely ends as if it were whole."""
    reader = Reader(log_of([TextDelta("Hel")]))
    reader.read()
    (packet,) = reader.writer.closing(end)
    (event,) = told([packet.data.message["body"]])
    assert said.items() <= event.model_dump(mode="json").items()


@pytest.mark.parametrize("status", ["stopped", "failed", "lost"])
def test_how_a_run_ended_that_did_not_complete(status: Any) -> None:
    """One that was stopped was cancelled; one that failed is an error with our code; both close what is open."""
    failed = status != "stopped"
    error: list[StreamEvent] = [Error("timeout")] if failed else []
    events = told(whole([TextDelta("Hel"), *error, Done(status, "timeout" if failed else "unwatched")], 1))
    assert [event.type.value for event in events[-3:-1]] == ["TEXT_MESSAGE_END", "STEP_FINISHED"]
    end = events[-1].model_dump(mode="json", by_alias=True)
    if failed:
        assert (end["type"], end["code"]) == ("RUN_ERROR", "timeout")
        assert end["message"].endswith(".")
    else:
        assert (end["outcome"], end["metadata"]) == ({"type": "cancelled"}, {"finishReason": "unwatched"})


def test_what_no_encoding_writes_is_escaped() -> None:
    """Half a character, and numbers that JSON does not have, reach the client as something that it can read."""
    half = "\ud83d"
    events: list[StreamEvent] = [
        TextDelta(half),
        ToolCall(half, half, {"a": float("nan")}),
        ToolResult(half, half, float("inf")),
        Retry(half),
    ]
    text = b"".join(whole([*events, Error(half, half), Done("failed")], 1))
    assert b"NaN" not in text
    assert b"Infinity" not in text
    assert rb"\ud83d" in text
    assert len(told([text])) == text.count(b"data: ")
