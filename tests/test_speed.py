"""How fast an answer was written: what counts, from when until when, and what is not claimed."""

from typing import Any, cast

import pytest
from hypothesis import given
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from streamlab.events.event import (
    Done,
    FinalAnswer,
    Retry,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
)
from streamlab.events.outcome import Outcome, outcome_of
from streamlab.events.timings import Timings, timings
from streamlab.models.usage import added, estimated_usage, reported_usage
from tests.recordings import runs


def thoughts(*times: float) -> list[StreamEvent]:
    return [Thinking("hm ", at=time) for time in times]


def words(*times: float) -> list[StreamEvent]:
    return [TextDelta("word ", at=time) for time in times]


def came_to(written: list[StreamEvent], usage: Usage, end: float = 9.0) -> Outcome:
    return outcome_of([*written, FinalAnswer("", at=end), Done("completed", usage=usage, at=end)])


THOUGHT = [*thoughts(1.0, 2.0, 3.0), *words(4.0, 5.0)]
PLAIN = words(1.0, 2.0, 5.0)

# What was written, its usage, and then: tokens a second, and the tokens that can be seen.
SPEEDS: dict[str, tuple[list[StreamEvent], Usage, float | None, int | None]] = {
    "text alone": (PLAIN, Usage(7, 41, reasoning_tokens=0), 10.0, 41),
    "text alone, without details": (PLAIN, Usage(7, 41), 10.0, None),
    "reasoning that was sent counts from its first event": (THOUGHT, Usage(7, 41, reasoning_tokens=30), 10.0, 11),
    "without details nothing is said of the visible": (THOUGHT, Usage(7, 41), 10.0, None),
    "reasoning was sent, and none of it counted": (THOUGHT, Usage(7, 41, reasoning_tokens=0), 10.0, None),
    "reasoning that was hidden was written before": (PLAIN, Usage(7, 1041, reasoning_tokens=1000), 10.0, 41),
    "reasoning alone": (thoughts(1.0, 5.0), Usage(7, 41, reasoning_tokens=41), 10.0, 0),
    "estimated": (THOUGHT, Usage(7, 41, estimated=True, reasoning_tokens=30), 10.0, 11),
    "all at one moment": (words(3.0), Usage(7, 41, reasoning_tokens=0), None, 41),
    "in one burst": (words(3.0, 3.0001, 3.001), Usage(7, 523, reasoning_tokens=0), None, 523),
    "in one burst, of few tokens": (words(3.0, 3.04), Usage(7, 5, reasoning_tokens=0), None, 5),
    "in one burst, long and slowly read": (words(3.0, 3.3), Usage(7, 50_001, reasoning_tokens=0), None, 50_001),
    "thoughts in one burst": ([*thoughts(3.0), *words(3.01)], Usage(7, 41, reasoning_tokens=30), None, 11),
    "fast and real": (words(3.0, 3.125, 3.25), Usage(7, 501, reasoning_tokens=0), 2000.0, 501),
    "one token": (PLAIN, Usage(7, 1, reasoning_tokens=0), None, 1),
    "nothing": ([], Usage(7, 0, reasoning_tokens=0), None, 0),
    "a call is written too": (
        [ToolCall("add", "1", {}, at=1.0), ToolResult("add", "1", 3, at=2.0), *words(3.0, 5.0)],
        Usage(7, 41, reasoning_tokens=0),
        10.0,
        41,
    ),
    "only the attempt that is shown": (
        [*thoughts(0.1), *words(0.2), Retry("timeout", 0.5, at=0.3), *THOUGHT],
        Usage(7, 41, reasoning_tokens=30),
        10.0,
        11,
    ),
}


@pytest.mark.parametrize("case", SPEEDS)
def test_speed_counts_what_was_written(case: str) -> None:
    """Over the time in which it was; the end of the stream, long after it, changes nothing."""
    written, usage, rate, visible = SPEEDS[case]
    for end in (5.0, 60.0):
        outcome = came_to(written, usage, end)
        assert (outcome.tokens_per_second, outcome.visible_tokens) == (rate, visible)


def test_the_first_text_is_not_the_first_thing_written() -> None:
    """TTFT stays what people wait for."""
    assert timings([*THOUGHT, Done("completed", at=9.0)]) == Timings(4.0, 9.0, 1.0, 5.0)


@given(runs())
def test_times_follow_each_other(events: list[StreamEvent]) -> None:
    """Whatever a run holds: the first thing written, the last, the end; and the first text lies between."""
    found = timings(events)
    assert (found.first is None) == (found.last is None)
    if found.first is not None and found.last is not None:
        assert found.first <= found.last <= found.total
    if found.ttft is not None:
        assert found.first is not None
        assert found.last is not None
        assert found.first <= found.ttft <= found.last


@given(runs())
def test_what_is_visible_is_part_of_what_was_written(events: list[StreamEvent]) -> None:
    """Also where a file counts more reasoning than output."""
    outcome = outcome_of(events)
    assert outcome.visible_tokens is None or 0 <= outcome.visible_tokens <= outcome.usage.output_tokens
    assert outcome.tokens_per_second is None or outcome.tokens_per_second > 0


def report(tokens_in: int, tokens_out: int, total: int | None = None, **details: int) -> UsageMetadata:
    """Tell it as LangChain does; `details` are the output's."""
    told = UsageMetadata(input_tokens=tokens_in, output_tokens=tokens_out, total_tokens=total or tokens_in + tokens_out)
    if details:
        told["output_token_details"] = cast(OutputTokenDetails, details)
    return told


def read(tokens_in: int, **details: int | None) -> UsageMetadata:
    return report(tokens_in, 4) | {"input_token_details": cast(InputTokenDetails, details)}


REPORTS: dict[str, tuple[UsageMetadata, Usage]] = {
    "no details": (report(5, 40), Usage(5, 40)),
    "details of something else": (report(5, 40, audio=3), Usage(5, 40)),
    "no reasoning": (report(5, 40, reasoning=0), Usage(5, 40, reasoning_tokens=0)),
    "within the output, as OpenAI": (report(5, 40, reasoning=30), Usage(5, 40, reasoning_tokens=30)),
    "beside it, as xAI": (report(5, 10, 45, reasoning=30), Usage(5, 40, reasoning_tokens=30)),
    "beside it, and little": (report(5, 10, 18, reasoning=3), Usage(5, 13, reasoning_tokens=3)),
    "more than the output, whatever the total": (report(5, 10, 15, reasoning=30), Usage(5, 40, reasoning_tokens=30)),
    "by a tier of service": (report(5, 40, flex=10, flex_reasoning=30), Usage(5, 40, reasoning_tokens=30)),
    "none of the input was cached": (read(9, cache_read=0, audio=2), Usage(9, 4, cached_tokens=0)),
    "some was": (read(9, cache_read=8, cache_creation=None), Usage(9, 4, cached_tokens=8)),
    "all was": (read(9, cache_read=9, cache_creation=0), Usage(9, 4, cached_tokens=9, cache_write_tokens=0)),
    "some, by a tier of service": (read(9, priority_cache_read=8, priority=1), Usage(9, 4, cached_tokens=8)),
    "put into the cache by Claude": (
        read(9, cache_read=1, cache_creation=0, ephemeral_5m_input_tokens=3, ephemeral_1h_input_tokens=2),
        Usage(9, 4, cached_tokens=1, cache_write_tokens=5),
    ),
    "more than there was to read": (read(9, cache_read=8, cache_creation=2), Usage(9, 4)),
}


@pytest.mark.parametrize("case", REPORTS)
def test_a_report_is_read_as_all_that_was_written(case: str) -> None:
    """In whatever way its server counts."""
    told, usage = REPORTS[case]
    assert reported_usage(told) == usage


@pytest.mark.parametrize("part", ["reasoning_tokens", "cached_tokens", "cache_write_tokens"])
@pytest.mark.parametrize(
    ("one", "other", "both"),
    [(None, None, None), (None, 3, None), (3, None, None), (0, 3, 3), (4, 3, 7), (0, 0, 0)],
)
def test_a_part_of_two_answers_is_known_where_it_is_of_each(
    part: str, one: int | None, other: int | None, both: int | None
) -> None:
    """What is not known of one is not known of both."""

    def usage(tokens_in: int, tokens_out: int, count: int | None) -> Usage:
        told: dict[str, Any] = {part: count}
        return Usage(tokens_in, tokens_out, **told)

    assert added(usage(5, 10, one), usage(6, 20, other)) == usage(11, 30, both)


def test_an_estimate_counts_the_reasoning_that_was_sent() -> None:
    """And says nothing of any where none was: it may have been hidden."""
    assert estimated_usage(5, "abcd", "abcdefgh") == Usage(5, 3, estimated=True, reasoning_tokens=2)
    assert estimated_usage(5, "abcd", "") == Usage(5, 1, estimated=True)
