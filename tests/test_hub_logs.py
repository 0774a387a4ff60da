"""The laws of logs and followers: everything once and in order, and never wrong data."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.events.event import (
    Error,
    Event,
    FinalAnswer,
    Retry,
    StreamEvent,
    Thinking,
    ToolCall,
    ToolResult,
    merge_deltas,
    wire_size,
)
from streamlab.hub import Follower, Gap, Item, Log, LogFull, Position, Snapshot
from streamlab.hub import parse_token as parse
from streamlab.hub.log import CHAPTER, LAG_EVENTS, Bounds
from tests import logs
from tests.conftest import shown
from tests.events import content
from tests.logs import FOREVER, LONG_AGO, Engine, delta, done, seqs

engine = logs.engine  # fixtures are found by their names

SMALL = Bounds(events=5, size=700)


# One log, any followers


@dataclass
class Reader:
    """A client that leaves and comes back with nothing but a token."""

    log: Log
    token: str | None = None
    items: list[Item] = field(default_factory=list)
    follower: Follower | None = None

    def come(self) -> None:
        if not self.follower:
            self.follower = self.log.follow(parse(self.token) if self.token else None)
            self.follower.__enter__()

    def leave(self) -> None:
        if self.follower:
            self.token = str(self.follower.position)
            self.follower.__exit__(None, None, None)
            self.follower = None

    async def read(self) -> None:
        self.come()
        assert self.follower
        with anyio.move_on_after(0):  # cut at once, when there is nothing to read
            self.items += await self.follower.batch()

    async def finish(self) -> None:
        """To the end of the log."""
        self.come()
        assert self.follower
        while batch := await self.follower.batch():
            self.items += batch
        assert self.follower.ended
        self.leave()

    @property
    def text(self) -> str:
        return shown(self.items)


READERS = 3
times = st.sampled_from([FOREVER, LONG_AGO])
steps, call_ids = st.integers(1, 3), st.sampled_from(["a", "b"])
appended = st.one_of(
    st.builds(delta, st.text(max_size=3) | st.just("x" * 99), times, steps),
    st.builds(Retry, st.just("timeout"), at=times, step=steps),
    st.builds(ToolCall, st.just("t"), call_ids, at=times, step=steps),
    st.builds(ToolResult, st.just("t"), call_ids, at=times, step=steps),
    st.builds(Thinking, st.text(max_size=3), at=times, step=steps),
)
bursts = st.lists(appended, min_size=1, max_size=12) | st.just([delta()] * (LAG_EVENTS + 6))
visits = st.tuples(st.sampled_from(["come", "read", "leave"]), st.integers(0, READERS - 1))
plays = st.lists(visits | bursts | st.just("turn"), max_size=40)


def play(engine: Engine, acts: list[Any], bounds: Bounds | None) -> tuple[list[StreamEvent], list[Reader]]:
    """Append and read as the acts say; then the run ends and every reader reads to the end."""
    history: list[StreamEvent] = []

    async def act() -> list[Reader]:
        async with engine.written(bounds) as written:
            log = await written.read()
            readers = [Reader(log) for _ in range(READERS)]
            for step in acts:
                match step:
                    case "turn":
                        await asyncio.sleep(0)
                    case ("come", number):
                        readers[number].come()
                    case ("leave", number):
                        readers[number].leave()
                    case ("read", number):
                        await written.read()
                        await readers[number].read()
                    case events:
                        history.extend(written.append(event) for event in events)
            # From here on some wait and some come late, while the rest of the run is written.
            with anyio.fail_after(20):
                async with anyio.create_task_group() as group:
                    for reader in readers:
                        group.start_soon(reader.finish)
                    await asyncio.sleep(0)
                    history.append(written.append(delta("the")))
                    await asyncio.sleep(0)
                    history.append(written.append(delta(" end")))
                    history.append(written.append(done()))
            return readers

    return history, asyncio.run(act())


def test_every_reader_gets_every_event_once_and_in_order(engine: Engine) -> None:
    """However often a reader is cut and comes back, lags or waits; merged deltas stand for their range."""

    @settings(max_examples=engine.examples)
    @given(plays)
    def law(acts: list[Any]) -> None:
        history, readers = play(engine, acts, None)
        for reader in readers:
            assert not [item for item in reader.items if not isinstance(item, Event)]
            assert seqs(reader.items) == [event.seq for event in history]
            for item in reader.items:
                assert isinstance(item, Event)
                whole = [history[seq - 1] for seq in seqs([item])]
                assert item in whole or content(item) == "".join(content(event) for event in whole)

    law()


def test_after_eviction_a_reader_has_the_same_text(engine: Engine) -> None:
    """What was evicted is a gap with its sum: the reader knows what it missed, and its text is the whole history's."""

    @settings(max_examples=engine.examples)
    @given(plays)
    def law(acts: list[Any]) -> None:
        history, readers = play(engine, acts, SMALL)
        results = [event for event in history if event.type == "tool_result"]
        for reader in readers:
            assert reader.text == shown(history)
            cursor, tools = 0, []
            for index, item in enumerate(reader.items):
                match item:
                    case Gap():
                        assert item.after == cursor
                        cursor = item.seq
                        snapshot = reader.items[index + 1]
                        assert isinstance(snapshot, Snapshot)
                        assert snapshot.seq == item.seq
                        assert snapshot.text == shown(history[: item.seq])
                        tools = list(snapshot.tools)
                    case Snapshot():
                        assert isinstance(reader.items[index - 1], Gap)
                    case Event():
                        assert seqs([item])[0] == cursor + 1, "a gap that was not announced"
                        cursor = item.seq
                        tools += [item] if item.type == "tool_result" else []
            assert cursor == history[-1].seq
            assert tools == results

    law()


@given(plays, st.integers(1, 4))
def test_a_log_stays_within_its_bounds(acts: list[Any], events: int) -> None:
    """The newest are kept, the oldest leave; what is kept is as large as it says."""
    bounds = Bounds(events=events, size=300)

    async def act() -> None:
        log = Log("run", bounds)
        for step in acts:
            if isinstance(step, list):
                for event in step:
                    log.append(event)
                    kept = log.since(0)
                    assert len(kept) <= bounds.events
                    assert log.size == sum(wire_size(each) for each in kept) <= bounds.size
                    assert [each.seq for each in kept] == list(range(log.first, log.seq + 1))

    asyncio.run(act())


@given(st.integers(0, 12), st.integers(-3, 15))
def test_since_gives_what_is_kept_after_a_seq(count: int, seq: int) -> None:
    """From either end of the log, also for a seq that is not in it."""

    async def act() -> None:
        log = Log("run", Bounds(events=7))
        for _ in range(count):
            log.append(delta())
        assert [event.seq for event in log.since(seq)] == list(range(max(seq + 1, log.first), log.seq + 1))

    asyncio.run(act())


rows = st.lists(st.tuples(appended, st.integers(1, 2 * CHAPTER)), max_size=12)


@given(rows, st.integers(CHAPTER // 2, 4 * CHAPTER), st.floats(0, 1))
def test_who_comes_late_gets_the_same_merged(rows: list[tuple[StreamEvent, int]], kept: int, part: float) -> None:
    """From any seq, whatever was merged before and whatever has left since."""
    log = Log("run", Bounds(events=kept))
    for event, count in rows:
        for _ in range(count):
            log.append(event)
    seq = int(part * log.seq)
    whole = {event.seq: event for event in log.since(seq)}
    merged = log.merged_since(seq)
    assert [number for item in merged for number in seqs([item])] == list(whole)
    assert merge_deltas(merged) == merged, "nothing is left to merge"
    for item in merged:
        covered = [whole[number] for number in seqs([item])]
        assert [item] == covered or content(item) == "".join(content(event) for event in covered)


# The end


@pytest.mark.anyio
async def test_nothing_is_appended_after_done(engine: Engine) -> None:
    """The end of a log is its end."""
    async with engine.written() as written:
        written.append(done())
        for event in (delta(), done(), Error("internal")):
            with pytest.raises(RuntimeError, match="after done"):
                written.append(event)
        log = await written.read()
        assert [event.type for event in log.since(0)] == ["done"]


@pytest.mark.anyio
async def test_a_follower_at_the_end_of_a_finished_log_has_nothing_to_wait_for(engine: Engine) -> None:
    """It ends at once, whether it read everything or came with the last position."""
    async with engine.written() as written:
        written.append(done("stopped"))
        log = await written.read()
    with anyio.fail_after(5):
        with log.follow(Position(log.epoch, 1)) as late:
            assert late.ended
            assert await late.batch() == []
        with log.follow() as early:
            assert not early.ended
            assert seqs(await early.batch()) == [1]
            assert early.ended
            assert await early.batch() == []


# Bounds of one event


@pytest.mark.anyio
async def test_an_event_that_is_too_large_is_refused_and_leaves_no_trace(engine: Engine) -> None:
    """The log goes on as if nothing had been tried."""
    async with engine.written(Bounds(event_size=100)) as written:
        written.append(delta("a"))
        with pytest.raises(LogFull):
            written.append(delta("x" * 100))
        assert written.append(delta("b")).seq == 2
        log = await written.read()
    assert [content(event) for event in log.since(0)] == ["a", "b"]
    assert log.size == sum(wire_size(event) for event in log.since(0))


@pytest.mark.anyio
async def test_a_final_answer_may_be_larger_than_one_event(engine: Engine) -> None:
    """It is the sum of many, and a log without it would have no end."""
    async with engine.written(Bounds(event_size=100)) as written:
        assert written.append(FinalAnswer("x" * 1_000, at=0)).seq == 1
        assert [content(event) for event in (await written.read()).since(0)] == ["x" * 1_000]
