"""What a timeline shows of a run, by examples."""

from typing import Any

import pytest

from streamlab.events.event import EVENTS, StreamEvent, merge_deltas
from streamlab.timeline.diagram import MESSAGES, diagram
from streamlab.timeline.pieces import MOST, TextPiece, text_pieces
from streamlab.timeline.rows import PREVIEW, row
from streamlab.timeline.spans import STRETCHES, Span, returned, span_at, spans
from streamlab.timeline.totals import StepTotals, totals

LABELS = {"answer": "answer", "thinking": "thinking", "retry": "retry", "error": "error", "stopped": "stopped"}


def run(*events: tuple[Any, ...]) -> list[StreamEvent]:
    """Events from (type, at, step, fields)."""
    return [
        EVENTS[type_](**(rest[0] if rest else {}), seq=seq, at=at, step=step)
        for seq, (type_, at, step, *rest) in enumerate(events, 1)
    ]


def text(at: float, content: str = "x", step: int = 1) -> tuple[Any, ...]:
    return ("text_delta", at, step, {"content": content})


def call(at: float, call_id: str, tool: str = "weather", step: int = 1, **arguments: Any) -> tuple[Any, ...]:
    return ("tool_call", at, step, {"tool": tool, "call_id": call_id, "input": arguments})


def result(
    at: float, call_id: str, tool: str = "weather", step: int = 1, status: str = "completed", said: Any = None
) -> tuple[Any, ...]:
    return ("tool_result", at, step, {"tool": tool, "call_id": call_id, "status": status, "result": said})


def done(at: float, step: int = 1, status: str = "completed") -> tuple[Any, ...]:
    return ("done", at, step, {"status": status})


def brief(some: list[Span]) -> list[tuple[str, str, float, float, str]]:
    return [(span.lane, span.kind, span.start, span.end, span.status) for span in some]


PLAIN = run(
    ("thinking", 1, 1, {"content": "hm"}),
    text(2, "Hel"),
    text(3, "lo"),
    ("final_answer", 4, 1, {"content": "Hello"}),
    done(4),
)
PARALLEL = run(
    call(1, "a", city="Oslo"),
    call(1, "b", city="大阪"),
    call(1, "c", "search", q="x"),
    result(3, "b", said={"t": 20}),
    result(4, "a"),
    result(2 + 3, "c", "search"),
    text(6, step=2),
    ("final_answer", 7, 2, {"content": "x"}),
    done(7, 2),
)


# Spans


def test_a_plain_answer_is_a_wait_its_thinking_and_its_writing() -> None:
    """One after the other, from the run's beginning to its end."""
    assert brief(spans(PLAIN)) == [
        ("model", "waiting", 0, 1, "completed"),
        ("model", "thinking", 1, 2, "completed"),
        ("model", "writing", 2, 4, "completed"),
    ]
    assert [span.seqs for span in spans(PLAIN)] == [(1, 1), (1, 1), (2, 3)]


def test_calls_that_overlap_have_a_lane_each_and_the_model_waits_for_the_last() -> None:
    """The second call of the same tool has a number; the next step begins when all have returned."""
    assert brief(spans(PARALLEL)) == [
        ("model", "waiting", 0, 1, "completed"),
        ("weather", "tool", 1, 4, "completed"),
        ("weather 2", "tool", 1, 3, "completed"),
        ("search", "tool", 1, 5, "completed"),
        ("model", "waiting", 5, 6, "completed"),
        ("model", "writing", 6, 7, "completed"),
    ]
    second = spans(PARALLEL)[2]
    assert (second.call_id, second.tool, second.input, second.result) == ("b", "weather", {"city": "大阪"}, {"t": 20})
    assert (second.step, second.seqs) == (1, (2, 4))


def test_three_steps_share_the_lane_of_a_tool_that_does_not_overlap() -> None:
    """Text before a call is writing up to its last delta, and then a wait: arguments that are written emit nothing."""
    events = run(
        text(1),
        text(2),
        call(3, "a"),
        result(4, "a"),
        call(6, "b", step=2),
        result(7, "b", step=2),
        text(8, step=3),
        done(9, 3),
    )
    assert brief(spans(events)) == [
        ("model", "waiting", 0, 1, "completed"),
        ("model", "writing", 1, 2, "completed"),
        ("model", "waiting", 2, 3, "completed"),
        ("weather", "tool", 3, 4, "completed"),
        ("model", "waiting", 4, 6, "completed"),
        ("weather", "tool", 6, 7, "completed"),
        ("model", "waiting", 7, 8, "completed"),
        ("model", "writing", 8, 9, "completed"),
    ]
    assert [span.step for span in spans(events)] == [1, 1, 1, 1, 2, 2, 3, 3]


def test_calls_of_one_step_one_after_another_have_no_wait_of_the_model_between() -> None:
    """The model asked for both at once."""
    events = run(call(1, "a"), result(2, "a"), call(3, "b"), result(4, "b"), done(4))
    assert [span.lane for span in spans(events)] == ["model", "weather", "weather"]


def test_a_tool_that_fails_has_a_span_that_failed() -> None:
    """The run goes on."""
    events = run(call(1, "a"), result(2, "a", status="failed", said="no such city"), text(3, step=2), done(4, 2))
    failed = spans(events)[1]
    assert (failed.status, failed.result) == ("failed", "no such city")
    assert spans(events)[-1].status == "completed"


def test_a_run_stopped_within_a_tool_ends_with_the_tool() -> None:
    """The model was not asked again, so that it does not wait."""
    events = run(call(1, "a"), result(2, "a", status="stopped"), done(2.5, status="stopped"))
    assert brief(spans(events))[1:] == [("weather", "tool", 1, 2, "stopped")]


def test_a_retry_ends_a_stretch_as_failed_and_the_next_wait_begins_after_its_own() -> None:
    """Nobody works in the seconds between."""
    events = run(text(1), text(2), ("retry", 3, 1, {"code": "timeout", "wait": 2.0}), text(6), done(7))
    assert brief(spans(events)) == [
        ("model", "waiting", 0, 1, "completed"),
        ("model", "writing", 1, 3, "failed"),
        ("model", "waiting", 5, 6, "completed"),
        ("model", "writing", 6, 7, "completed"),
    ]


@pytest.mark.parametrize(("status", "shown"), [("stopped", "stopped"), ("failed", "failed"), ("lost", "failed")])
def test_what_is_open_at_the_end_ends_as_the_run_did(status: str, shown: str) -> None:
    """A call without a result, too, where the producer was lost."""
    assert brief(spans(run(text(1), done(3, status=status))))[-1] == ("model", "writing", 1, 3, shown)
    open_call = spans(run(call(1, "a"), done(3, status=status)))[-1]
    assert (open_call.end, open_call.status) == (3, "failed" if status == "lost" else "stopped")


def test_a_live_run_is_open_until_now() -> None:
    """Or until its last event, when that is later or no time is given."""
    assert brief(spans([], now=2)) == [("model", "waiting", 0, 2, "running")]
    assert brief(spans(PLAIN[:2], now=5))[-1] == ("model", "writing", 2, 5, "running")
    assert brief(spans(PLAIN[:3], now=1))[-1] == ("model", "writing", 2, 3, "running")
    assert brief(spans(PARALLEL[:4], now=9))[1:] == [
        ("weather", "tool", 1, 9, "running"),
        ("weather 2", "tool", 1, 3, "completed"),
        ("search", "tool", 1, 9, "running"),
    ]
    assert spans(PLAIN, now=99) == spans(PLAIN)
    assert spans([]) == []


def test_merged_deltas_make_the_same_spans_from_their_last_part_on() -> None:
    """When the first of them came is not known any more."""
    merged = merge_deltas(PLAIN)
    assert len(merged) < len(PLAIN)
    assert brief(spans(merged)) == [
        ("model", "waiting", 0, 1, "completed"),
        ("model", "thinking", 1, 3, "completed"),
        ("model", "writing", 3, 4, "completed"),
    ]
    assert spans(merged)[-1].seqs == (2, 3)
    assert totals(merged).events == totals(PLAIN).events == len(PLAIN)


def test_a_run_without_its_beginning_shows_what_is_known() -> None:
    """No wait before the first event, no time to first token; a result without its call is none."""
    events = PARALLEL[4:]
    assert brief(spans(events)) == [
        ("model", "waiting", 4, 6, "completed"),
        ("model", "writing", 6, 7, "completed"),
    ]
    assert totals(events).ttft is None
    assert row(events, 0).since == 0


def test_five_thousand_deltas_are_one_span() -> None:
    """And the same holds for text and thinking that alternate: the number of spans has a bound."""
    events = run(*(text(n / 100) for n in range(1, 5_001)), done(60))
    assert [span.kind for span in spans(events)] == ["waiting", "writing"]
    mixed = run(*((("thinking", "text_delta")[n % 2], n, 1, {"content": "x"}) for n in range(1, 500)), done(500))
    assert len(spans(mixed)) == 1 + STRETCHES
    assert spans(mixed)[-1].end == 500


def test_a_tool_named_like_the_model_or_a_lane_has_a_lane_of_its_own() -> None:
    """A model may ask for a tool of any name."""
    events = run(call(1, "a", "model"), call(1, "b", "x 2"), call(1, "c", "x"), call(1, "d", "x"), done(2))
    assert [span.lane for span in spans(events)[1:]] == ["model 2", "x 2", "x", "x 3"]


def test_an_event_belongs_to_its_call_to_what_was_written_or_to_the_wait_it_ended() -> None:
    """And each span has a key of its own; events that only tell of the run belong to none."""
    made = spans(PARALLEL)
    found = {event.seq: span_at(made, event.seq) for event in PARALLEL}
    lanes = {seq: (span.lane, span.kind) if span else None for seq, span in found.items()}
    assert lanes == {
        1: ("weather", "tool"),
        2: ("weather 2", "tool"),
        3: ("search", "tool"),
        4: ("weather 2", "tool"),
        5: ("weather", "tool"),
        6: ("search", "tool"),
        7: ("model", "writing"),
        8: None,
        9: None,
    }
    assert [span.lane for span in returned(made)] == ["weather 2", "weather", "search"]
    assert len({span.key for span in made}) == len(made)
    assert span_at(spans(PLAIN), 1) == spans(PLAIN)[1]


def test_a_span_keeps_its_key_while_the_run_goes_on() -> None:
    """So that what was chosen while it was live is chosen when it has ended."""
    for count in range(1, len(PARALLEL)):
        live = spans(PARALLEL[:count], now=PARALLEL[count - 1].at)
        assert {span.key for span in live} <= {span.key for span in spans(PARALLEL)}


# Pieces of the text


def test_pieces_count_the_letters_of_the_text_that_counts() -> None:
    """No marks of Markdown, no text of another step or of an attempt that failed."""
    events = run(text(1, "Let me see."), call(2, "a"), result(3, "a"), text(4, "**It** ", 2), text(5, "is 4.", 2))
    assert text_pieces(events) == [TextPiece(4, 4, 2), TextPiece(5, 5, 5)]
    again = run(text(1, "Half"), ("retry", 2, 1, {"code": "timeout", "wait": 0.5}), text(4, "日本語 1"))
    assert text_pieces(again) == [TextPiece(4, 3, 4)]
    assert text_pieces(run(call(1, "a"))) == []


@pytest.mark.parametrize("count", [1, MOST, MOST + 1, 5_000])
def test_the_number_of_pieces_is_bounded_and_the_last_is_the_end(count: int) -> None:
    """However long the answer is."""
    made = text_pieces(run(*(text(n / 100, "ab") for n in range(count)), done(99)))
    assert len(made) <= MOST
    assert (made[-1].seq, made[-1].letters) == (count, 2 * count)


# Rows and totals


def test_rows_say_when_and_what() -> None:
    """One line each, bounded, and never the message that is for the log's reader."""
    events = run(
        text(1, "two\nlines"),
        call(1.5, "a", city="大阪"),
        result(2, "a", said="x" * 1_000),
        ("retry", 3, 1, {"code": "timeout", "wait": 0.5}),
        ("error", 4, 1, {"code": "internal", "message": "secret"}),
        done(4, status="failed"),
    )
    made = [row(events, index) for index in range(len(events))]
    assert [row.since for row in made] == [1, 0.5, 0.5, 1, 1, 0]
    assert [row.tool for row in made] == [None, "weather", "weather", None, None, None]
    previews = [row.preview for row in made]
    assert previews[2] == "x" * (PREVIEW - 1) + "…"
    assert previews[:2] + previews[3:] == ["two lines", '{"city": "大阪"}', "timeout 0.5 s", "internal", "failed"]


def test_totals_count_parallel_time_once() -> None:
    """Each figure by hand."""
    figures = totals(PARALLEL)
    assert (figures.total, figures.ttft) == (7, 6)
    assert (figures.in_model, figures.in_tools, figures.waiting) == (3, 4, 2)
    assert (figures.characters, figures.events) == (1, 9)
    assert (figures.calls, figures.failed_calls, figures.retries) == (3, 0, 0)
    tokens = 4 + (3 + 2) + 3  # of {"city": "Oslo"}, {"city": "大阪"} and {"q": "x"}
    assert figures.steps == (StepTotals(1, 5, tokens, 3), StepTotals(2, 2, 1, 0))


# The diagram


def told(events: list[StreamEvent], labels: dict[str, str] = LABELS) -> list[list[list[tuple[Any, ...]]]]:
    return [
        [[(each.kind, each.source, each.target, each.text, each.seq) for each in branch] for branch in block]
        for block in diagram(events, labels).blocks
    ]


def test_a_diagram_tells_the_run_in_order() -> None:
    """Calls that overlap stand in one block, and what one chooses is an event."""
    labels = LABELS | {"question": "Weather?"}
    assert told(PARALLEL, labels) == [
        [[("call", "user", "model", "Weather?", None)]],
        [
            [("call", "model", ":weather", "city: Oslo", 1), ("reply", ":weather", "model", "…", 5)],
            [("call", "model", ":weather", "city: 大阪", 2), ("reply", ":weather", "model", "t: 20", 4)],
            [("call", "model", ":search", "q: x", 3), ("reply", ":search", "model", "…", 6)],
        ],
        [[("reply", "model", "user", "answer: x", 8)]],
    ]
    assert diagram(PARALLEL, labels).participants == ("user", "model", ":weather", ":search")


def test_a_diagram_marks_what_failed() -> None:
    """A tool, an attempt, the run, and what was stopped."""
    events = run(
        ("thinking", 1, 1, {"content": "a"}),
        ("thinking", 1, 1, {"content": "b"}),
        call(1, "a"),
        result(2, "a", status="failed", said="no"),
        ("retry", 3, 2, {"code": "timeout", "wait": 1.0}),
        ("error", 4, 1, {"code": "internal"}),
        done(4, status="failed"),
    )
    assert [message for block in told(events)[1:] for branch in block for message in branch] == [
        ("note", "model", None, "thinking", 1),
        ("call", "model", ":weather", "…", 3),
        ("failed", ":weather", "model", "error: no", 4),
        ("failed", "model", "model", "retry: timeout", 5),
        ("failed", "model", "user", "error: internal", 6),
    ]
    assert told(run(done(1, status="stopped")))[-1] == [[("failed", "model", "user", "stopped", 1)]]


def test_a_diagram_is_bounded_and_says_what_it_left_out() -> None:
    """A block is cut where there is no more room."""
    calls = [call(1, f"{n}", f"t{n}") for n in range(100)]
    results = [result(2, f"{n}", f"t{n}") for n in range(100)]
    made = diagram(run(*calls, *results, done(3)), LABELS)
    assert sum(len(branch) for block in made.blocks for branch in block) == MESSAGES
    assert made.left_out == 201 - MESSAGES
    assert len(made.participants) == 2 + 30
