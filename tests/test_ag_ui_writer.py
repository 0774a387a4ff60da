"""Runs in AG-UI's words, as its own client reads them: its parser, its checker of the order, its messages."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from ag_ui.core import (
    RunErrorEvent,
    RunFinishedEvent,
    RunStartedEvent,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.conformance.server import load_cases
from streamlab.events.event import (
    EVENTS,
    Done,
    FinalAnswer,
    StreamEvent,
    event_of,
    is_piece,
)
from streamlab.gateway.control import Drain
from streamlab.gateway.protocols.ag_ui.conversation import Conversation
from streamlab.hub import Gap, Item, Log, Position, Snapshot
from streamlab.hub.log import Bounds
from tests.ag_ui_streams import (
    CLIENT,
    CONVERSATION,
    FOLDER,
    FORMER,
    SAID,
    Json,
    Reader,
    frame,
    lawful_runs,
    log_of,
    replayed,
    told,
    whole,
)
from tests.events import of
from tests.javascript import install, needs_node
from tests.recordings import runs

BEFORE = replace(CONVERSATION, version="")


@pytest.fixture(scope="module")
def client() -> None:
    install(FOLDER)


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


def written(items: Sequence[Item], cuts: int, conversation: Conversation = CONVERSATION) -> list[bytes]:
    """Write them, so many to a frame, with a sign of life after each; without an end, the server leaves."""
    reader = Reader(log_of([item for item in items if not isinstance(item, Gap | Snapshot)]), conversation)
    for begin in range(0, len(items), cuts):
        part = items[begin : begin + cuts]
        reader.take(frame(part, Position(reader.log.epoch, part[-1].seq)))
        reader.written += [packet.data.message["body"] for packet in reader.writer.sign_of_life()]
    end = None if isinstance(items[-1], Done) else Drain()
    return [*reader.written, *(packet.data.message["body"] for packet in reader.writer.closing(end))]


@pytest.fixture(scope="module")
def played(client: None) -> dict[tuple[str, int], Json]:
    """What the client made of each case, with frames of one, two and all events."""
    keys = [(name, cuts) for name in TOLD for cuts in (1, 2, 99)]
    return dict(zip(keys, replayed([[written(CASES[name]["items"], cuts)] for name, cuts in keys]), strict=True))


@needs_node
def test_every_conformance_case_is_told_to_the_client_of_before(client: None) -> None:
    """Which takes an outcome that it does not know for a failure."""
    streams = [[written(CASES[name]["items"], 2, BEFORE)] for name in TOLD]
    for name, outcome in zip(TOLD, replayed(streams, FORMER), strict=True):
        clean(outcome)
        assert CASES[name]["text"] in (text_of(outcome), {"length": len(text_of(outcome))})


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


def taken_up(
    events: Sequence[StreamEvent], cut: int, missed: int, conversation: Conversation = CONVERSATION
) -> list[list[bytes]]:
    """Write a run for a client that is lost after so many events, and comes back when it has missed some."""
    before = Reader(log_of(events[:cut]), conversation)
    before.read()
    for event in events[cut : cut + missed]:
        before.log.append(event)
    after = Reader(before.log, conversation, taken_up=True)
    for event in events[cut + missed :]:
        before.log.append(event)
        after.read()
    return [before.written, after.end()]


@needs_node
@pytest.mark.parametrize("count", [6, pytest.param(60, marks=pytest.mark.soak)])
@pytest.mark.parametrize(("package", "conversation"), [(CLIENT, CONVERSATION), (FORMER, BEFORE)])
def test_a_run_that_is_cut_anywhere_comes_to_the_same(
    client: None, package: str, conversation: Conversation, count: int
) -> None:
    """Taken up after any event, it leaves the client with the same messages, ids and all, and the same end."""
    examples: list[tuple[list[StreamEvent], int, list[list[list[bytes]]]]] = []

    @settings(max_examples=count)
    @given(lawful_runs(), st.integers(1, 4), st.integers(0, 4))
    def collect(events: list[StreamEvent], frames: int, missed: int) -> None:
        streams = [[whole(events, frames, conversation)]]
        streams += [taken_up(events, cut, missed, conversation) for cut in range(len(events) + 1)]
        examples.append((events, frames, streams))

    collect()
    outcomes = iter(replayed([each for _, _, streams in examples for each in streams], package))
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
