"""What a run's timeline shows, from its events alone: spans, rows and totals.

All of it takes a run that is live or finished, whole or without its beginning. Times are seconds since the run began.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, pairwise
from typing import Any, Literal, assert_never

from streamlab.events import (
    PIECES,
    Done,
    Error,
    EventType,
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
from streamlab.events.timings import timings
from streamlab.text.tokens import estimate_tokens

Kind = Literal["waiting", "thinking", "writing", "tool"]
SpanStatus = Literal["completed", "failed", "stopped", "running"]

MODEL = "model"  # the model's lane
STRETCHES = 6  # of thinking and writing in one turn of the model; what alternates more often belongs to the last one
PREVIEW = 80  # characters of a row's preview


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in one lane; the spans of a lane never overlap.

    `lane` is "model" or the tool's name, with " 2", " 3" … while a lane of that name is taken. `start` and `end` are
    seconds since the run began. `seqs` are the first and the last event; for a wait, those that began and ended it.
    """

    lane: str
    kind: Kind
    start: float
    end: float
    step: int
    status: SpanStatus
    call_id: str | None
    tool: str | None
    input: Any
    result: Any
    seqs: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One event. `at` is seconds since the run began, `since` since the event before; `preview` is one short line."""

    seq: int
    at: float
    since: float
    type: EventType
    tool: str | None
    preview: str


@dataclass(frozen=True, slots=True)
class StepTotals:
    """One step over all its attempts. `seconds` count parallel time once; `tokens` are estimated."""

    step: int
    seconds: float
    tokens: int
    calls: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Seconds, but for the counts.

    `ttft` is that of `events.timings.Timings`, and None when the run's beginning is missing. `in_tools` counts
    parallel time once; `waiting` is the part of `in_model` without text or thinking. `characters` are those of the
    text, also of attempts that failed; `events` counts a merged delta as the deltas that it stands for.
    """

    total: float
    ttft: float | None
    in_model: float
    in_tools: float
    waiting: float
    characters: int
    events: int
    calls: int
    failed_calls: int
    retries: int
    steps: tuple[StepTotals, ...]


def spans(events: Sequence[StreamEvent], now: float | None = None) -> list[Span]:
    """Return the run's spans by their start.

    Those still open end at `now` (seconds since the run began), or the last event.

    A stretch of thinking or writing lasts until the next one or the end; before a tool_call, until its last delta:
    the rest is a wait, as a model that writes arguments emits nothing. A merged delta counts from its last part on.
    There are at most STRETCHES + 2 spans for each turn of the model and one for each call, however many the deltas; a
    turn ends with its calls, a retry, another step or the run.
    """
    return _read(events, now).spans


def until(some: Sequence[Span], now: float) -> list[Span]:
    """Return the spans as far as they were at `now` (seconds since the run began): what was open then is running."""
    return [
        span if span.end <= now else replace(span, end=now, status="running", result=None)
        for span in some
        if span.start <= now
    ]


def overlapping_calls(some: Sequence[Span]) -> bool:
    """Tell whether two calls went on at the same time."""
    calls = sorted((span.start, span.end) for span in some if span.kind == "tool")
    return any(following[0] < call[1] for call, following in pairwise(calls))


def row(events: Sequence[StreamEvent], index: int) -> Row:
    """Return an event as one row of a table."""
    event = events[index]
    before = events[index - 1].at if index else event.at if _cut(events) else 0.0
    since = max(0.0, event.at - before)
    tool = event.tool if isinstance(event, ToolCall | ToolResult) else None
    return Row(event.seq, event.at, since, event.type, tool, short(_preview(event), PREVIEW))


def totals(events: Sequence[StreamEvent], now: float | None = None) -> Totals:
    """Sum up the run in figures; `now` as for `spans`."""
    read = _read(events, now)
    model = [span for span in read.spans if span.lane == MODEL]
    tools = [span for span in read.spans if span.kind == "tool"]
    return Totals(
        total=read.clock,
        ttft=None if _cut(events) else timings(events).ttft,
        in_model=_covered(model),
        in_tools=_covered(tools),
        waiting=_covered(span for span in model if span.kind == "waiting"),
        characters=sum(len(event.content) for event in events if isinstance(event, TextDelta)),
        events=sum(event.seq - first_seq(event) + 1 for event in events),
        calls=len(tools),
        failed_calls=sum(span.status == "failed" for span in tools),
        retries=sum(isinstance(event, Retry) for event in events),
        steps=_steps(events, read.spans),
    )


# Spans


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

    def _span(self, kind: Kind, start: float, end: float, status: SpanStatus, seqs: tuple[int, int]) -> Span:
        return Span(MODEL, kind, start, end, self.step, status, None, None, None, None, seqs)


@dataclass
class _Call:
    lane: str
    start: float
    event: ToolCall

    def span(self, end: float, seq: int, status: SpanStatus, result: Any = None) -> Span:
        call = self.event
        seqs = (call.seq, seq)
        return Span(
            self.lane, "tool", self.start, end, call.step, status, call.call_id, call.tool, call.input, result, seqs
        )


@dataclass
class _Reader:
    """Takes a run's events in their order. `clock` is the time of the newest, and never goes back."""

    turn: _Turn | None
    clock: float = 0.0
    seq: int = 0
    ended: bool = False
    spans: list[Span] = field(default_factory=list)
    _open: list[_Call] = field(default_factory=list)
    _called: int | None = None  # the step of the last call of this attempt

    def observe(self, event: StreamEvent) -> None:
        self.clock, self.seq = max(self.clock, event.at), event.seq
        match event:
            case Thinking() | TextDelta():
                self._written(event)
            case ToolCall():
                self._call(event)
            case ToolResult():
                self._returned(event)
            case Retry():
                self._retried(event)
            case FinalAnswer() | Error():
                pass
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
        self._open.append(_Call(self._free_lane(event.tool or "tool"), self.clock, event))

    def _free_lane(self, tool: str) -> str:
        taken = {MODEL, *(call.lane for call in self._open)}
        names = (tool if number == 1 else f"{tool} {number}" for number in count(1))
        return next(name for name in names if name not in taken)

    def _returned(self, event: ToolResult) -> None:
        call = next((call for call in self._open if call.event.call_id == event.call_id), None)
        if call:
            self._open.remove(call)
            self.spans.append(call.span(self.clock, event.seq, result_status(event), event.result))
        if not self._open and not self.turn and event.status != "stopped":
            self.turn = _Turn(event.step + 1, self.clock, event.seq)

    def _retried(self, event: Retry) -> None:
        if self.turn:
            self.spans += self.turn.spans(self.clock, event.seq, "failed")
        self.turn, self._called = _Turn(event.step, self.clock + (event.wait or 0.0), event.seq), None

    def _close(self, model: SpanStatus, tools: SpanStatus) -> None:
        if self.turn:
            self.spans += self.turn.spans(self.clock, self.seq, model)
        self.spans += [call.span(self.clock, self.seq, tools) for call in self._open]
        self.turn = None
        self._open.clear()


# How the run ended -> how the model's open span ended, and that of a call without a result
_ENDS: dict[Status, tuple[SpanStatus, SpanStatus]] = {
    "completed": ("completed", "stopped"),
    "stopped": ("stopped", "stopped"),
    "failed": ("failed", "stopped"),
    "lost": ("failed", "failed"),
}


def _read(events: Sequence[StreamEvent], now: float | None) -> _Reader:
    reader = _Reader(None if _cut(events) else _Turn(1, 0.0, None))
    for event in events:
        reader.observe(event)
    reader.finish(now)
    return reader


def _cut(events: Sequence[StreamEvent]) -> bool:
    """Tell whether the run's beginning is missing."""
    return bool(events) and first_seq(events[0]) > 1


def result_status(result: ToolResult) -> SpanStatus:
    match result.status:
        case "failed" | "lost":
            return "failed"
        case "stopped":
            return "stopped"
        case _:
            return "completed"


# Totals


def _covered(some: Iterable[Span]) -> float:
    """Return the seconds in which there was at least one of the spans."""
    seconds = reached = 0.0
    for span in sorted(some, key=lambda span: span.start):
        seconds += max(0.0, span.end - max(span.start, reached))
        reached = max(reached, span.end)
    return seconds


def _steps(events: Iterable[StreamEvent], some: Iterable[Span]) -> tuple[StepTotals, ...]:
    by_step: dict[int, list[Span]] = {}
    texts: dict[int, list[str]] = {}
    for span in some:
        by_step.setdefault(span.step, []).append(span)
    for event in events:
        if isinstance(event, PIECES):
            texts.setdefault(event.step, []).append(event.content)
    return tuple(_step(step, by_step.get(step, []), texts.get(step, [])) for step in sorted({*by_step, *texts}))


def _step(step: int, some: list[Span], texts: list[str]) -> StepTotals:
    calls = [span for span in some if span.kind == "tool"]
    tokens = estimate_tokens("".join(texts)) + sum(estimate_tokens(_json(call.input)) for call in calls)
    return StepTotals(step, _covered(some), tokens, len(calls))


# Texts


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def plain(value: Any) -> str:
    """Write a value as text: text as it is, nothing for None, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _preview(event: StreamEvent) -> str:
    match event:
        case Thinking() | TextDelta() | FinalAnswer():
            return event.content
        case ToolCall():
            return plain(event.input)
        case ToolResult():
            return plain(event.result) or event.status
        case Retry():
            return f"{event.code} {event.wait or 0:.1f} s"
        case Error():
            return event.code
        case Done():
            return " ".join(filter(None, (event.status, event.code)))
        case _:
            assert_never(event)


def short(text: str, characters: int) -> str:
    """Write a text as one line of printable characters, its end left out where it is longer."""
    head = text.lstrip()[: 4 * characters]
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in head).split())
    whole = len(line) <= characters and len(head) == len(text.lstrip())
    return line if whole else f"{line[: characters - 1]}…"
