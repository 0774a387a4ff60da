"""A run in figures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from streamlab.events.event import Retry, StreamEvent, TextDelta, first_seq, is_piece
from streamlab.events.timings import timings
from streamlab.text.tokens import estimate_tokens
from streamlab.timeline.rows import as_json
from streamlab.timeline.spans import MODEL, Span, is_cut, read


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


def totals(events: Sequence[StreamEvent], now: float | None = None) -> Totals:
    """Sum up the run in figures; `now` as for `spans`."""
    run = read(events, now)
    model = [span for span in run.spans if span.lane == MODEL]
    tools = [span for span in run.spans if span.kind == "tool"]
    return Totals(
        total=run.clock,
        ttft=None if is_cut(events) else timings(events).ttft,
        in_model=_covered(model),
        in_tools=_covered(tools),
        waiting=_covered(span for span in model if span.kind == "waiting"),
        characters=sum(len(event.content) for event in events if isinstance(event, TextDelta)),
        events=sum(event.seq - first_seq(event) + 1 for event in events),
        calls=len(tools),
        failed_calls=sum(span.status == "failed" for span in tools),
        retries=sum(isinstance(event, Retry) for event in events),
        steps=tuple(_steps(events, run.spans)),
    )


def _covered(some: Iterable[Span]) -> float:
    """Return the seconds in which there was at least one of the spans."""
    seconds = reached = 0.0
    for span in sorted(some, key=lambda span: span.start):
        seconds += max(0.0, span.end - max(span.start, reached))
        reached = max(reached, span.end)
    return seconds


def _steps(events: Sequence[StreamEvent], some: Sequence[Span]) -> Iterator[StepTotals]:
    pieces = [event for event in events if is_piece(event)]
    for step in sorted({each.step for each in (*some, *pieces)}):
        mine = [span for span in some if span.step == step]
        calls = [span for span in mine if span.kind == "tool"]
        tokens = estimate_tokens("".join(event.content for event in pieces if event.step == step))
        tokens += sum(estimate_tokens(as_json(call.input)) for call in calls)
        yield StepTotals(step, _covered(mine), tokens, len(calls))
