"""The laws of replays: every event once, in order and never early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.events.event import Done, StreamEvent, TextDelta
from streamlab.events.recording import Replay
from tests.recordings import runs

speeds = st.none() | st.floats(1e-3, 1e3)
elapsed = st.lists(st.floats(0, 1e5), max_size=12).map(sorted)


def time_of(event: StreamEvent, speed: float | None) -> float:
    return 0 if speed is None else event.at / speed


@given(runs(), speeds, elapsed)
def test_every_event_plays_once_in_order_and_never_early(
    events: list[StreamEvent], speed: float | None, times: list[float]
) -> None:
    """However often one asks: what is due is given, and nothing else."""
    replay = Replay(events, speed)
    given: list[StreamEvent] = []
    for time in times:
        given += replay.due(time)
        assert given == [event for event in events if time_of(event, speed) <= time]
        assert replay.due(time) == []
    assert given + replay.due(float("inf")) == events


@given(runs(), speeds, elapsed)
def test_who_waits_as_long_as_told_misses_nothing(
    events: list[StreamEvent], speed: float | None, times: list[float]
) -> None:
    """The wait is until the next event is due, 0 when it is due already, and over after the last."""
    replay = Replay(events, speed)
    left = events
    for time in times:
        wait = replay.wait(time)
        assert wait == (max(0.0, time_of(left[0], speed) - time) if left else None)
        due = replay.due(time)
        assert bool(due) == (wait == 0 and bool(left))
        left = left[len(due) :]
    replay.due(float("inf"))
    assert replay.wait(0) is None


def test_time_begins_with_the_run() -> None:
    """The wait for the first token is a part of what is shown."""
    replay = Replay([Done("completed", seq=1, at=3.0)], 2)
    assert replay.wait(0) == 1.5
    assert replay.due(1.4) == []
    assert [event.seq for event in replay.due(1.5)] == [1]


def test_without_a_speed_all_is_due_at_once() -> None:
    """For who wants the end and not the way."""
    events: list[StreamEvent] = [TextDelta("a", seq=1, at=5), Done("completed", seq=2, at=9)]
    assert Replay(events, None).wait(0) == 0
    assert Replay(events, None).due(0) == events


def test_a_replay_keeps_its_events() -> None:
    """What the caller does to its list afterwards, or to an answer, does not change what plays."""
    events: list[StreamEvent] = [TextDelta("a", seq=1, at=0), Done("completed", seq=2, at=1)]
    replay = Replay(events, 1)
    events.clear()
    replay.due(0).clear()
    assert [event.seq for event in replay.due(1)] == [2]


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf")])
def test_a_speed_is_above_zero(speed: float) -> None:
    """Nothing plays at a standstill, nor backwards."""
    with pytest.raises(ValueError, match="above 0"):
        Replay([], speed)
