"""The first event of every run says that work has begun: it is no part of the reasoning, wherever events are read."""

import json
from collections.abc import Callable
from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given

from components.answer.answer import _readable
from components.answer.reader import AnswerReader
from components.faults.attempts import _meaning, _rows
from components.page.texts import t
from streamlab.events.event import Done, Error, StreamEvent, TextDelta, Thinking, decode, encode, is_piece, merge_deltas
from streamlab.events.outcome import outcome_of
from streamlab.events.recording import read_recording, write_recording
from streamlab.events.timings import timings
from streamlab.faults.trials import phases
from streamlab.gateway.feed import Feed
from streamlab.hub import Item, Log
from streamlab.latency.client import CallRecord
from streamlab.latency.gateway import _take_down
from streamlab.timeline.diagram import diagram
from streamlab.timeline.rows import row
from streamlab.timeline.spans import spans
from streamlab.timeline.totals import totals
from tests.conftest import PATIENCE, Lab, demo_model
from tests.recordings import runs
from tests.test_timeline import LABELS

BEGUN = Thinking("", state="begun", seq=1, at=0.0)
ANSWER: list[StreamEvent] = [TextDelta("Hi", seq=2, at=0.5), Done("completed", seq=3, at=0.6)]
THOUGHT: list[StreamEvent] = [Thinking("Hm.", seq=2, at=0.2), Done("completed", seq=3, at=0.6)]


def whole(events: list[StreamEvent]) -> list[StreamEvent]:
    """Number the run from its beginning, which a recording need not have, and as if nothing was merged."""
    numbered = [replace(event, seq=seq) for seq, event in enumerate(events, 1)]
    return [replace(event, seq_from=None) if is_piece(event) else event for event in numbered]


def begun(events: list[StreamEvent]) -> list[StreamEvent]:
    """Put what says so before the others, as a run does."""
    return [BEGUN, *(replace(event, seq=event.seq + 1) for event in events)]


def test_on_the_wire_it_says_its_state_and_nothing_else_does() -> None:
    """A piece of the reasoning is as it ever was."""
    assert encode(BEGUN) == b'{"type":"thinking","seq":1,"at":0.0,"step":1,"content":"","state":"begun"}'
    assert decode(encode(BEGUN)) == BEGUN
    assert "state" not in json.loads(encode(Thinking("Hm.", seq=2, at=0.1)))
    with pytest.raises(ValueError, match="state"):
        decode(encode(BEGUN).replace(b'"begun"', b'"asleep"'))


@pytest.mark.parametrize("piece", [Thinking("Hm.", seq=2, at=0.1), TextDelta("Hi", seq=2, at=0.1)])
def test_it_is_merged_with_nothing(piece: Thinking | TextDelta) -> None:
    """Whoever lags is told as well, by an event of its own."""
    pieces = [piece, replace(piece, seq=3)]
    assert merge_deltas([BEGUN, *pieces]) == [BEGUN, replace(pieces[1], content=piece.content * 2, seq_from=2)]


def said(events: list[StreamEvent]) -> list[tuple[str, str, str | None, str]]:
    """What the diagram tells, without the numbers of the events."""
    blocks = diagram(events, LABELS).blocks
    shown = [message for block in blocks for branch in block for message in branch]
    return [(each.kind, each.source, each.target, each.text) for each in shown]


@given(runs())
def test_a_run_is_read_alike_with_it_and_without_it(events: list[StreamEvent]) -> None:
    """Its figures, its text and its reasoning, its spans and its diagram; and both recordings can be opened."""
    before = whole(events)
    after = begun(before)
    assert read_recording(write_recording(after)) == after
    assert read_recording(write_recording(before)) == before
    assert timings(after) == timings(before)
    assert outcome_of(after) == outcome_of(before)
    assert [(span.kind, span.start, span.end, span.status) for span in spans(after)] == [
        (span.kind, span.start, span.end, span.status) for span in spans(before)
    ]
    assert said(after) == said(before)
    assert replace(totals(after), events=0) == replace(totals(before), events=0)
    assert phases(after) == phases(before)


def test_before_anything_else_the_model_is_waited_for() -> None:
    """The timeline of a run that has just begun is a wait."""
    assert [(span.kind, span.end, span.status) for span in spans([BEGUN], 2.0)] == [("waiting", 2.0, "running")]
    assert row([BEGUN], 0).preview == "begun"


@pytest.mark.parametrize("events", [[Error("auth", seq=2, at=0.1)], ANSWER, THOUGHT])
def test_the_page_waits_until_there_is_something_to_read(events: list[StreamEvent]) -> None:
    """It shows what it does before an answer, and no empty thoughts; the rest is drawn as ever."""
    assert not _readable(BEGUN)
    thoughts: list[str] = []
    batches: list[list[Item]] = [[BEGUN], [*events]]
    reader = AnswerReader(iter(batches), thoughts.append, lambda event: None, lambda: None)
    text = "".join(reader.stretch())
    assert text == "".join(event.content for event in events if isinstance(event, TextDelta))
    assert thoughts == [event.content for event in events if isinstance(event, Thinking)]


def test_the_log_of_a_trial_says_that_work_has_begun() -> None:
    """In a row of its own, which counts no characters of thoughts."""
    rows = list(_rows([BEGUN, Thinking("Hm.", seq=2, at=0.1), Thinking("So.", seq=3, at=0.2)]))
    assert [meaning for _, meaning in rows] == [t("faults.row_begun"), t("faults.row_thinking", characters="6")]
    assert _meaning([BEGUN], 1, shown=False) == t("faults.row_begun")


class Sent:
    """A server-sent event as a client reads it."""

    def __init__(self, event: StreamEvent) -> None:
        self.event, self.data = event.type, encode(event).decode()


@pytest.mark.parametrize(("events", "thought"), [(ANSWER, False), (THOUGHT, True)])
def test_a_measurement_counts_what_the_model_sent(events: list[StreamEvent], thought: bool) -> None:
    """Neither as an arrival nor as reasoning."""
    record = CallRecord()
    _take_down(record, [Sent(event) for event in [BEGUN, *events]])  # type: ignore[misc]
    assert len(record.arrivals) == len(events)
    assert record.thought is thought


@pytest.mark.anyio
@pytest.mark.parametrize(
    "options", [{}, {"reasoning": True}, {"fault": "cut", "after": 3, "times": 1}, {"fault": "key"}]
)
async def test_every_run_begins_with_it(lab: Lab, options: dict[str, object]) -> None:
    """Once, however many attempts it takes and however it ends."""
    events = await lab.run(demo_model(**options))
    assert [event for event in events if isinstance(event, Thinking) and event.state] == events[:1]


class Woken:
    """Reads a feed, and knows how often it was woken."""

    def __init__(self) -> None:
        self.times = 0

    def wake(self) -> None:
        self.times += 1


@pytest.mark.anyio
async def test_the_first_text_does_not_wait_for_it() -> None:
    """What gathers for a frame's time is what comes after it."""
    log, woken = Log("run"), Woken()
    feed = Feed(log, interval=10 * PATIENCE)
    feed.join(woken)
    appended: list[Callable[[], object]] = [lambda: log.append(BEGUN), lambda: log.append(ANSWER[0])]
    try:
        for times, append in enumerate(appended, 1):
            await anyio.lowlevel.checkpoint()
            append()
            with anyio.fail_after(PATIENCE):
                while woken.times < times:  # noqa: ASYNC110
                    await anyio.sleep(0.001)
    finally:
        feed.leave(woken)
