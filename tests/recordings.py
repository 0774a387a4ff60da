"""Whole runs of any content, as recordings hold them."""

import json
from dataclasses import replace
from itertools import accumulate, chain
from typing import Any, get_args

from hypothesis import strategies as st

from streamlab.events.event import (
    Done,
    Error,
    FinalAnswer,
    Retry,
    Status,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    merge_deltas,
)
from tests.test_events import counts, strings, values


def as_json(value: Any) -> Any:
    """Return the value as JSON has it: two halves of a surrogate pair side by side are the character."""
    return json.loads(json.dumps(value))


texts = strings.map(as_json)
results = values.map(as_json)
deltas = texts.filter(lambda text: not "\udc00" <= text[:1] <= "\udfff")  # nor do they meet when deltas are merged


def delta(content: str) -> list[StreamEvent]:
    return [TextDelta(content, at=0)]


def calls(count: int, value: Any) -> list[StreamEvent]:
    """Make parallel calls that are answered last first. Their ids come again in later steps."""
    ids = [f"call {number}" for number in range(count)]
    asked = [ToolCall("weather", call_id, value, at=0) for call_id in ids]
    told = [ToolResult("weather", call_id, value, at=0) for call_id in ids]
    return [*asked, *reversed(told)]


acts = (
    st.builds(delta, deltas)
    | st.builds(calls, st.integers(1, 3), results)
    | st.builds(lambda text: [Thinking(text, at=0)], deltas)
    | st.builds(lambda wait: [Retry("timeout", wait, at=0)], st.floats(0, 1e9))
)
endings = st.builds(lambda text: [FinalAnswer(text, at=0)], texts) | st.sampled_from(
    [[], [Error("internal", "why", at=0)], [Error("internal", detail="why", at=0)]]
)
dones = st.builds(
    Done,
    status=st.sampled_from(get_args(Status)),
    usage=st.none() | st.builds(Usage, counts, counts, st.booleans(), st.none() | counts),
)


@st.composite
def runs(draw: st.DrawFn) -> list[StreamEvent]:
    """Draw a whole run, some of it merged, that begins at any seq."""
    events = [*chain(*draw(st.lists(acts, max_size=6))), *draw(endings), draw(dones)]
    seqs = range(draw(st.integers(1, 10**15)), 2**62)
    waits = draw(st.lists(st.integers(0, 10**7), min_size=len(events), max_size=len(events)))
    step = draw(st.integers(1, 9))
    placed = [
        replace(event, seq=seq, at=at / 1e6, step=step)
        for event, seq, at in zip(events, seqs, accumulate(waits), strict=False)
    ]
    cut = draw(st.integers(0, len(placed)))
    return [*merge_deltas(placed[:cut]), *placed[cut:]]
