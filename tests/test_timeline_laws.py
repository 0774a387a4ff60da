"""What a timeline shows of a run, by laws over any valid run."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamlab.events.event import EVENTS, StreamEvent, ToolCall, first_seq, is_piece, merge_deltas
from streamlab.timeline.diagram import MESSAGES, SHORT, diagram
from streamlab.timeline.pieces import MOST, text_pieces
from streamlab.timeline.rows import PREVIEW, row
from streamlab.timeline.spans import STRETCHES, span_at, spans
from streamlab.timeline.totals import totals
from tests.events import of
from tests.test_timeline import LABELS, call, run, text

HOSTILE = [
    '"; end #35;',
    "end",
    "a\nend\npar x",
    "<br>%%{init}%%",
    "気温は 20℃ です",
    "$$x$$",
    "style: #a;",
    "\ud800\x00",
    "",
]

contents = st.sampled_from(HOSTILE) | st.text(max_size=100)
steps_of_time = st.sampled_from([0.0, 0.0, 0.25, 1.0, 3.5])
tools = st.sampled_from(["weather", "search", "model", "weather 2", "end", "par x\nend"])
acts = st.lists(st.sampled_from(["text", "text", "thinking", "call", "call", "result", "retry", "step"]), max_size=40)


@st.composite
def runs(draw: st.DrawFn) -> list[StreamEvent]:
    """A run as the producer may write it: every call has its result before the end; live ones are cut anywhere."""
    events: list[StreamEvent] = []
    open_calls: list[ToolCall] = []
    at, step = 0.0, 1

    def add(type_: Any, **values: Any) -> None:
        events.append(EVENTS[type_](**{"step": step} | values, seq=len(events) + 1, at=at))

    def give(asked: ToolCall, status: Any) -> None:
        add(
            "tool_result", step=asked.step, tool=asked.tool, call_id=asked.call_id, result=draw(contents), status=status
        )

    for act in draw(acts):
        at += draw(steps_of_time)
        if act in ("text", "thinking"):
            add("text_delta" if act == "text" else "thinking", content=draw(contents))
        elif act == "call":
            call_id = str(len(events))
            add("tool_call", tool=draw(tools), call_id=call_id, input={"x": draw(contents)})
            open_calls += of(events[-1:], ToolCall)
        elif act == "result" and open_calls:
            give(
                open_calls.pop(draw(st.integers(0, len(open_calls) - 1))),
                draw(st.sampled_from(["completed", "failed"])),
            )
        elif act == "step" and not open_calls:
            step += 1
        elif act == "retry":
            while open_calls:
                give(open_calls.pop(), "stopped")
            add("retry", code="timeout", wait=draw(steps_of_time))
            step = 1
    at += draw(steps_of_time)
    while open_calls:
        give(open_calls.pop(), "stopped")
    add("done", status=draw(st.sampled_from(["completed", "stopped", "failed", "lost"])))
    kept = events[draw(st.sampled_from([0, 0, 0, 1, 5])) : draw(st.sampled_from([None, None, -1, -4]))]
    return merge_deltas(kept) if draw(st.booleans()) else kept


nows = st.none() | st.floats(0, 200)


@given(runs(), nows)
def test_spans_lie_within_the_run_and_those_of_a_lane_never_overlap(
    events: list[StreamEvent], now: float | None
) -> None:
    """And their events are the run's."""
    made = spans(events, now)
    end = totals(events, now).total
    first, last = (first_seq(events[0]), events[-1].seq) if events else (0, 0)
    reached: dict[str, float] = {}
    for span in made:
        assert 0 <= span.start <= span.end <= end
        assert span.start >= reached.get(span.lane, 0)
        assert first <= span.seqs[0] <= span.seqs[1] <= last
        reached[span.lane] = span.end
    assert [span.start for span in made] == sorted(span.start for span in made)


@given(runs(), nows)
def test_every_call_is_one_span_with_its_own_result(events: list[StreamEvent], now: float | None) -> None:
    """Whatever overlaps it."""
    made = [span for span in spans(events, now) if span.kind == "tool"]
    results = {event.call_id: event for event in events if event.type == "tool_result"}
    calls = [event for event in events if event.type == "tool_call"]
    assert sorted(span.seqs[0] for span in made) == [event.seq for event in calls]
    for span in made:
        answer = results.get(span.call_id or "")
        assert span.result == (answer.result if answer else None)
        if answer:
            assert (span.status, span.end, span.seqs[1]) == (answer.status, answer.at, answer.seq)


@given(runs(), nows)
def test_the_number_of_spans_is_bounded_without_regard_to_deltas(events: list[StreamEvent], now: float | None) -> None:
    """A turn of the model is ended by a call, a retry, another step or the end, and has its bound of spans."""
    texts = [event.step for event in events if event.type in ("text_delta", "thinking")]
    changes = sum(one != other for one, other in pairwise(texts))
    calls = sum(event.type == "tool_call" for event in events)
    retries = sum(event.type == "retry" for event in events)
    assert len(spans(events, now)) <= (STRETCHES + 2) * (1 + changes + calls + retries) + calls


@given(runs(), nows)
def test_the_parts_of_a_run_are_no_longer_than_the_run(events: list[StreamEvent], now: float | None) -> None:
    """Tools, the model, its waits, each step; and calls add up."""
    figures = totals(events, now)
    near = figures.total + 1e-6
    assert 0 <= figures.in_tools <= near
    assert 0 <= figures.waiting <= figures.in_model <= near
    assert all(0 <= step.seconds <= near and step.tokens >= 0 for step in figures.steps)
    assert sum(step.calls for step in figures.steps) == figures.calls
    assert figures.ttft is None or figures.ttft <= figures.total


@given(runs())
def test_there_is_a_row_for_each_event(events: list[StreamEvent]) -> None:
    """Of one short printable line."""
    made = [row(events, index) for index in range(len(events))]
    assert [(one.seq, one.at, one.type) for one in made] == [(event.seq, event.at, event.type) for event in events]
    for one in made:
        assert one.since >= 0
        assert len(one.preview) <= PREVIEW
        assert one.preview.isprintable()


@given(runs())
def test_a_diagram_is_of_short_lines_and_of_events_that_are_there(events: list[StreamEvent]) -> None:
    """Whatever a tool is named and says."""
    made = diagram(events, LABELS | {"question": "?"})
    shown = [message for block in made.blocks for branch in block for message in branch]
    assert len(shown) <= MESSAGES
    assert all(block and all(block) for block in made.blocks)
    assert {message.seq for message in shown[1:]} <= {event.seq for event in events}
    for message in shown:
        assert {message.source, message.target or "model"} <= set(made.participants)
        assert message.text.isprintable()
        assert 0 < len(message.text) <= SHORT + len("thinking: ")


@given(runs())
def test_what_an_event_belongs_to_is_there_and_holds_it(events: list[StreamEvent]) -> None:
    """And every call and result belongs to a call, if its beginning is known."""
    made = spans(events)
    for event in events:
        span = span_at(made, event.seq)
        assert span is None or span.seqs[0] <= event.seq <= span.seqs[1]
        if event.type == "tool_call":
            assert span
            assert span.call_id == event.call_id
        if is_piece(event):
            assert span
            assert span.kind in ("thinking", "writing")


@given(runs())
def test_pieces_grow_with_the_text(events: list[StreamEvent]) -> None:
    """In time, in events and in letters."""
    made = text_pieces(events)
    assert len(made) <= MOST
    assert all(one.seq < other.seq and one.letters <= other.letters for one, other in pairwise(made))


@given(runs(), st.floats(-5, 5))
def test_times_that_go_back_do_not_make_negative_spans(events: list[StreamEvent], by: float) -> None:
    """As when another process writes the end of a run whose producer was lost."""
    if events:
        events = [*events[:-1], replace(events[-1], at=events[-1].at + by)]
    assert all(0 <= span.start <= span.end for span in spans(events))
    assert all(row(events, index).since >= 0 for index in range(len(events)))


def test_what_a_call_was_cut_at_is_not_its_own() -> None:
    """A run that is live, or whose recording was cut: its last event may be another call, or words."""
    for last, owner in ((call(2, "b", "search"), "search"), (text(2), "model")):
        made = spans(run(call(1, "a"), last))
        found = span_at(made, 2)
        assert found
        assert found.lane == owner
