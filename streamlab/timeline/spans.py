"""A run's events as spans on a time axis.

This takes a run that is live or finished, whole or without its beginning. Times are seconds since the run began.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, pairwise
from typing import Any, Literal, assert_never

from streamlab.events.event import (
    Done,
    Error,
    FinalAnswer,
    Piece,
    Retry,
    Status,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    first_seq,
)

SpanKind = Literal["waiting", "thinking", "writing", "tool"]
SpanStatus = Literal["completed", "failed", "stopped", "running"]

MODEL = "model"  # the model's lane
STRETCHES = 6  # of thinking and writing in one turn of the model; what alternates more often belongs to the last one


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in one lane; the spans of a lane never overlap.

    `lane` is "model" or the tool's name, with " 2", " 3" … while a lane of that name is taken. `start` and `end` are
    seconds since the run began. `seqs` are the first and the last event; for a wait, those that began and ended it.
    `has_result` says of a call that it gave one, which is its last event.
    """

    lane: str
    kind: SpanKind
    start: float
    end: float
    step: int
    status: SpanStatus
    call_id: str | None
    tool: str | None
    input: Any
    result: Any
    seqs: tuple[int, int]
    has_result: bool = False

    @property
    def key(self) -> str:
        """What names it among the spans of its run, also while the run goes on."""
        return f"call {self.seqs[0]}" if self.kind == "tool" else f"{self.kind} {self.start:.6f}"


def spans(events: Sequence[StreamEvent], now: float | None = None) -> list[Span]:
    """Return the run's spans by their start.

    Those still open end at `now` (seconds since the run began), or the last event.

    A stretch of thinking or writing lasts until the next one or the end; before a tool_call, until its last delta:
    the rest is a wait, as a model that writes arguments emits nothing. A merged delta counts from its last part on.
    There are at most STRETCHES + 2 spans for each turn of the model and one for each call, however many the deltas; a
    turn ends with its calls, a retry, another step or the run.
    """
    return read(events, now).spans


def span_at(some: Sequence[Span], seq: int) -> Span | None:
    """Return the span of an event: its call, what the model wrote with it, or the wait that it ended."""
    calls = [span for span in some if span.kind == "tool"]
    owned = (
        [span for span in calls if span.seqs[0] == seq],
        # Of one without a result the last event is not its own: it was cut there.
        [span for span in calls if span.seqs[1] == seq and span.has_result],
        [span for span in some if span.kind in ("thinking", "writing") and span.seqs[0] <= seq <= span.seqs[1]],
        [span for span in some if span.kind == "waiting" and span.seqs[1] == seq],
    )
    return next((spans[0] for spans in owned if spans), None)


def returned(some: Sequence[Span]) -> list[Span]:
    """Return the calls in the order in which they ended."""
    return sorted((span for span in some if span.kind == "tool"), key=lambda span: span.seqs[1])


def overlapping_calls(some: Sequence[Span]) -> bool:
    """Tell whether two calls went on at the same time."""
    calls = sorted((span.start, span.end) for span in some if span.kind == "tool")
    return any(following[0] < call[1] for call, following in pairwise(calls))


@dataclass
class _Stretch:
    kind: Literal["thinking", "writing"]
    start: float
    last: float  # the time of its last delta
    seqs: tuple[int, int]


@dataclass
class _Turn:
    """The model at work: from the moment it is asked until it calls tools, fails or ends. `seq` is of what began it."""

    step: int
    start: float
    seq: int | None
    stretches: list[_Stretch] = field(default_factory=list)

    def write(self, event: Piece, at: float) -> None:
        kind: Literal["thinking", "writing"] = "thinking" if isinstance(event, Thinking) else "writing"
        last = self.stretches[-1] if self.stretches else None
        if last and (last.kind == kind or len(self.stretches) == STRETCHES):
            last.last, last.seqs = at, (last.seqs[0], event.seq)
            return
        if not last:
            self.start, self.step = min(self.start, at), event.step
        self.stretches.append(_Stretch(kind, at, at, (first_seq(event), event.seq)))

    def spans(self, end: float, seq: int, status: SpanStatus) -> Iterator[Span]:
        """Make the spans of what it did until `end`.

        `status` is how the last of it ended, and all before was completed.
        """
        starts = [*(stretch.start for stretch in self.stretches), end]
        first_seq = self.stretches[0].seqs[0] if self.stretches else seq
        yield from self._wait(self.start, starts[0], (self.seq, first_seq), "completed" if self.stretches else status)
        for number, stretch in enumerate(self.stretches, 1):
            how = status if number == len(self.stretches) else "completed"
            yield self._span(stretch.kind, stretch.start, starts[number], how, stretch.seqs)

    def spans_until_call(self, end: float, seq: int) -> Iterator[Span]:
        """Make the spans of a turn that ends with a tool_call: what comes after the last delta is a wait."""
        if not self.stretches:
            yield from self.spans(end, seq, "completed")
            return
        last = self.stretches[-1]
        yield from self.spans(last.last, last.seqs[1], "completed")
        yield from self._wait(last.last, end, (last.seqs[1], seq), "completed")

    def _wait(self, start: float, end: float, seqs: tuple[int | None, int], status: SpanStatus) -> Iterator[Span]:
        if end > start:
            yield self._span("waiting", start, end, status, (seqs[1] if seqs[0] is None else seqs[0], seqs[1]))

    def _span(self, kind: SpanKind, start: float, end: float, status: SpanStatus, seqs: tuple[int, int]) -> Span:
        return Span(MODEL, kind, start, end, self.step, status, None, None, None, None, seqs)


@dataclass
class SpanReader:
    """Takes a run's events in their order. `clock` is the time of the newest, and never goes back."""

    turn: _Turn | None
    clock: float = 0.0
    seq: int = 0
    ended: bool = False
    spans: list[Span] = field(default_factory=list)
    _open: list[Span] = field(default_factory=list)  # of calls
    _called: int | None = None  # the step of the last call of this attempt

    def observe(self, event: StreamEvent) -> None:
        self.clock, self.seq = max(self.clock, event.at), event.seq
        match event:
            case FinalAnswer() | Error() | Thinking(state="begun"):
                pass
            case Thinking() | TextDelta():
                self._written(event)
            case ToolCall():
                self._call(event)
            case ToolResult():
                self._returned(event)
            case Retry():
                self._retried(event)
            case Done():
                self.ended = True
                self._close(*_ENDS[event.status])
            case _:
                assert_never(event)

    def finish(self, now: float | None) -> None:
        """Close what is open: in a run without its end, which is live, it lasts until `now`."""
        if not self.ended:
            self.clock = max(self.clock, now or 0.0)
            self._close("running", "running")
        self.spans.sort(key=lambda span: (span.start, span.seqs, span.end))

    def _written(self, event: Piece) -> None:
        turn = self.turn
        if turn and turn.stretches and turn.step != event.step:
            last = turn.stretches[-1]
            self.spans += turn.spans(last.last, last.seqs[1], "completed")
            turn = _Turn(event.step, last.last, last.seqs[1])
        self.turn = turn or _Turn(event.step, self.clock, None)
        self.turn.write(event, self.clock)

    def _call(self, event: ToolCall) -> None:
        turn = self.turn
        if turn and (turn.stretches or event.step != self._called):  # else the model was not asked in between
            turn.step = event.step
            turn.start = min(turn.start, self.clock)
            self.spans += turn.spans_until_call(self.clock, event.seq)
        self.turn, self._called = None, event.step
        lane, seqs, at = self._free_lane(event.tool or "tool"), (event.seq, event.seq), self.clock
        call = Span(lane, "tool", at, at, event.step, "running", event.call_id, event.tool, event.input, None, seqs)
        self._open.append(call)

    def _free_lane(self, tool: str) -> str:
        taken = {MODEL, *(call.lane for call in self._open)}
        names = (tool if number == 1 else f"{tool} {number}" for number in count(1))
        return next(name for name in names if name not in taken)

    def _returned(self, event: ToolResult) -> None:
        call = next((call for call in self._open if call.call_id == event.call_id), None)
        if call:
            self._open.remove(call)
            self.spans.append(replace(self._ended(call, result_status(event)), result=event.result, has_result=True))
        if not self._open and not self.turn and event.status != "stopped":
            self.turn = _Turn(event.step + 1, self.clock, event.seq)

    def _ended(self, call: Span, status: SpanStatus) -> Span:
        return replace(call, end=self.clock, status=status, seqs=(call.seqs[0], self.seq))

    def _retried(self, event: Retry) -> None:
        if self.turn:
            self.spans += self.turn.spans(self.clock, event.seq, "failed")
        self.turn, self._called = _Turn(event.step, self.clock + (event.wait or 0.0), event.seq), None

    def _close(self, model: SpanStatus, tools: SpanStatus) -> None:
        if self.turn:
            self.spans += self.turn.spans(self.clock, self.seq, model)
        self.spans += [self._ended(call, tools) for call in self._open]
        self.turn = None
        self._open.clear()


# How the run ended -> how the model's open span ended, and that of a call without a result
_ENDS: dict[Status, tuple[SpanStatus, SpanStatus]] = {
    "completed": ("completed", "stopped"),
    "stopped": ("stopped", "stopped"),
    "failed": ("failed", "stopped"),
    "lost": ("failed", "failed"),
}


def read(events: Sequence[StreamEvent], now: float | None) -> SpanReader:
    reader = SpanReader(None if is_cut(events) else _Turn(1, 0.0, None))
    for event in events:
        reader.observe(event)
    reader.finish(now)
    return reader


def is_cut(events: Sequence[StreamEvent]) -> bool:
    """Tell whether the run's beginning is missing."""
    return bool(events) and first_seq(events[0]) > 1


def result_status(result: ToolResult) -> SpanStatus:
    return "failed" if result.status == "lost" else result.status
