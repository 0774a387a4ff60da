"""The laws of logs and followers: everything once and in order, and never wrong data."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlab.events.event import (
    Done,
    Error,
    Event,
    FinalAnswer,
    Retry,
    StreamEvent,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    merge_deltas,
    wire_size,
)
from streamlab.hub import Follower, Gap, HubFull, Item, Log, LogFull, MemoryHub, Position, Snapshot, UnknownRun
from streamlab.hub import parse_token as parse
from streamlab.hub.log import CHAPTER, LAG_EVENTS, LAG_SECONDS, Bounds
from streamlab.hub.redis.hub import RedisHub
from tests.conftest import shown
from tests.events import content, span

SMALL = Bounds(events=5, size=700)
FOREVER = 1e9  # seconds: no follower lags behind an event of this time
LONG_AGO = -1e9  # seconds: every follower does


def delta(text: str = "x", at: float = FOREVER, step: int = 1) -> StreamEvent:
    return TextDelta(text, at=at, step=step)


def done(status: Any = "completed") -> StreamEvent:
    return Done(status, at=FOREVER)


def seqs(items: list[Item]) -> list[int]:
    """The seqs that a reader was given, those of merged deltas one by one."""
    return [seq for item in items if isinstance(item, Event) for seq in span(item)]


async def drain(follower: Follower) -> list[Item]:
    """All that is there now, without waiting for more."""
    items: list[Item] = []
    with follower, anyio.move_on_after(0.01):
        while batch := await follower.batch():
            items += batch
    return items


# Engines


@dataclass(frozen=True)
class Engine:
    """Where logs are kept, and who reads them: who writes them, or another process over the same store."""

    url: str | None
    elsewhere: bool

    @property
    def examples(self) -> int:
        return 30 if self.url else 100

    @asynccontextmanager
    async def written(self, bounds: Bounds | None = None) -> AsyncIterator["Written"]:
        if self.url is None:
            yield Written(MemoryHub(bounds=bounds), MemoryHub(), elsewhere=False)
            return
        async with RedisHub(self.url, bounds=bounds) as here, RedisHub(self.url, bounds=bounds) as there:
            yield Written(here, there, self.elsewhere)


class Written:
    """A log that is written."""

    def __init__(self, here: MemoryHub, there: MemoryHub, elsewhere: bool) -> None:
        self.log = here.create(uuid4().hex)
        self.append = self.log.append
        self._here, self._there, self._elsewhere = here, there, elsewhere

    async def read(self) -> Log:
        """The log as followers have it, with all that was appended until now."""
        log = await self._here.open(self.log.run_id)
        return await self._there.open(self.log.run_id) if self._elsewhere else log


@pytest.fixture(params=["memory", "redis", "redis, read elsewhere"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "memory":
        return Engine(None, elsewhere=False)
    return Engine(request.getfixturevalue("redis_server").url, elsewhere=request.param != "redis")


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


# Tokens


@given(st.text("0123456789abcdef", min_size=16, max_size=16), st.integers(0, 10**15 - 1))
def test_a_token_names_its_position(epoch: str, seq: int) -> None:
    """The way to the client and back changes nothing."""
    assert parse(str(Position(epoch, seq))) == Position(epoch, seq)


@given(
    st.text()
    | st.from_regex(r"[0-9a-fA-F٣]{14,17}-?[-+]?[0-9_٣]{0,16}\s?", fullmatch=True)
    | st.builds("{}-{}".format, st.just("0123456789abcdef"), st.text(max_size=4))
)
def test_only_what_a_log_wrote_is_a_token(token: str) -> None:
    """A client may send anything: it is either a position as `str` writes it, but for leading zeros, or refused."""
    try:
        position = parse(token)
    except ValueError:
        return
    epoch, seq = token.split("-")
    assert (position.epoch, position.seq) == (epoch, int(seq))
    assert token.isascii()
    assert len(epoch) == 16
    assert seq.isdecimal()


@pytest.mark.parametrize(
    "token",
    [
        *["", "-", "7", "0123456789abcdef", "0123456789abcdef-", "0123456789abcdef--1", "0123456789abcdef-1\n"],
        *["0123456789ABCDEF-1", "0123456789abcdef-٣", "0123456789abcdef-1e3", " 0123456789abcdef-1", "x" * 10_000],
        *["0123456789abcdef-" + "9" * 16, "0123456789abcde-1", "0123456789abcdef0-1", "0123456789abcdef-1-2"],
    ],
)
def test_a_malformed_token_is_refused(token: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="resume token"):
        parse(token)


@pytest.mark.anyio
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("evicted", [False, True])
@pytest.mark.parametrize("where", ["foreign", "foreign beyond", "ahead"])
async def test_a_position_that_is_not_of_this_log_is_a_gap(
    engine: Engine, where: str, evicted: bool, ended: bool
) -> None:
    """After a restart a reader hears that what follows is no continuation, and gets all of it."""
    async with engine.written(Bounds(events=3) if evicted else None) as written:
        for letter in "abcdef":
            written.append(delta(letter))
        if ended:
            written.append(done())
        log = await written.read()
    epoch = log.epoch if where == "ahead" else "0" * 16
    position = Position(epoch, 2 if where == "foreign" else 99)
    follower = log.follow(position)
    assert not follower.ended
    assert follower.position == position, "one who leaves before reading comes back to the same gap"
    items = await drain(follower)
    gap, snapshot, *rest = items
    assert gap == Gap(position.seq, log.first - 1)
    assert snapshot == Snapshot(log.first - 1, 1, "abcdef"[: log.first - 1], ())
    assert seqs(rest) == list(range(log.first, log.seq + 1))
    assert shown(items) == "abcdef"
    assert follower.position == Position(log.epoch, log.seq)


@pytest.mark.anyio
async def test_a_foreign_position_is_a_gap_also_in_a_log_that_is_empty() -> None:
    """The reader must not keep showing what a former run wrote."""
    log = Log("run")
    assert await drain(log.follow(Position("0" * 16, 0))) == [Gap(0, 0), Snapshot(0, 1, "", ())]


# Lag


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("count", "age", "merged"),
    [(LAG_EVENTS, 0.0, False), (LAG_EVENTS + 1, 0.0, True), (2, LAG_SECONDS / 50, False), (2, LAG_SECONDS * 2, True)],
)
async def test_only_a_follower_that_lags_gets_merged_deltas(count: int, age: float, merged: bool) -> None:
    """By the number of events that wait for it, or by how long the first of them has waited."""
    log = Log("run")
    log.began += 60  # no time passes for this log while the test runs
    for _ in range(count):
        log.append(delta(at=-60 - age if age else FOREVER))
    items = await drain(log.follow())
    assert len(items) == (1 if merged else count)
    assert seqs(items) == list(range(1, count + 1))


# Waking


@pytest.mark.anyio
async def test_a_burst_wakes_each_follower_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred appends in one go cost each of fifty followers one pass, and one callback of the loop."""
    log = Log("run")
    batches: list[list[list[Item]]] = [[] for _ in range(50)]

    async def follow(got: list[list[Item]]) -> None:
        with log.follow() as follower:
            while batch := await follower.batch():
                got.append(batch)

    async with anyio.create_task_group() as group:
        for got in batches:
            group.start_soon(follow, got)
        await anyio.wait_all_tasks_blocked()
        assert log.followers == 50
        scheduled = count_callbacks(monkeypatch)
        for _ in range(LAG_EVENTS):
            log.append(delta())
        assert len(scheduled) == 1
        await anyio.wait_all_tasks_blocked()
        assert [len(got) for got in batches] == [1] * 50
        log.append(delta())
        log.append(done())
    assert [[seqs(batch) for batch in got] for got in batches] == [[[*range(1, 65)], [65, 66]]] * 50
    assert log.followers == 0


@pytest.mark.anyio
async def test_a_wait_that_is_given_up_loses_nothing() -> None:
    """Not even in the moment in which an event comes: the cancelled reader's cursor has not moved."""
    log = Log("run")
    with log.follow() as follower:
        for number in range(1, 20):
            reading = asyncio.create_task(follower.batch())
            await asyncio.sleep(0)
            log.append(delta())
            for _ in range(number % 3):
                await asyncio.sleep(0)
            reading.cancel()
            got = (await asyncio.gather(reading, return_exceptions=True))[0]
            items = [] if isinstance(got, asyncio.CancelledError) else got
            assert isinstance(items, list)
            if not items:
                items = await follower.batch()
            assert seqs(items) == [number]


def count_callbacks(monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., object]]:
    """A list that grows with every callback that the running loop is given from here on."""
    loop = asyncio.get_running_loop()
    call_soon, scheduled = loop.call_soon, list[Callable[..., object]]()

    def counted(callback: Callable[..., object], *args: Any, **options: Any) -> asyncio.Handle:
        scheduled.append(callback)
        return call_soon(callback, *args, **options)

    monkeypatch.setattr(loop, "call_soon", counted)
    return scheduled


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


# The hub


def filled(hub: MemoryHub, run_id: str, *, end: bool = True, at: float = FOREVER) -> Log:
    log = hub.create(run_id)
    log.append(delta("x" * 100))
    if end:
        log.append(Done("completed", at=at))
    return log


def ids(hub: MemoryHub, *candidates: str) -> list[str]:
    def there(run_id: str) -> bool:
        try:
            return hub.log(run_id).run_id == run_id
        except UnknownRun:
            return False

    return [run_id for run_id in candidates if there(run_id)]


@pytest.mark.anyio
async def test_when_the_hub_is_full_finished_runs_leave_first_and_oldest_first() -> None:
    """Those that are not finished stay, and a reader of one that leaves reads on to its end."""
    hub = MemoryHub(capacity=600)
    live = filled(hub, "live", end=False)
    first = filled(hub, "first")
    filled(hub, "second")
    with first.follow() as follower:
        while hub.size < 600:
            live.append(delta("x" * 100))
        hub.create("new")
        assert ids(hub, "live", "first", "second", "new") == ["live", "second", "new"]
        assert seqs(await follower.batch()) == [1, 2]
    with pytest.raises(UnknownRun):
        hub.follow("first")


@pytest.mark.anyio
async def test_a_hub_full_of_live_runs_refuses_new_ones() -> None:
    """With a clear error, and nothing of what is live is lost."""
    hub = MemoryHub(capacity=500)
    for run_id in "ab":
        filled(hub, run_id, end=False).append(delta("x" * 100))
    with pytest.raises(HubFull, match=r"\d+ bytes"):
        hub.create("c")
    assert ids(hub, "a", "b", "c") == ["a", "b"]
    hub.log("a").append(done())
    assert hub.create("c").seq == 0
    assert ids(hub, "a", "b", "c") == ["b", "c"]


@pytest.mark.anyio
async def test_sweeping_keeps_what_is_live_followed_or_young() -> None:
    """A finished run leaves when its time is over and nobody reads it."""
    hub = MemoryHub(kept=60)
    filled(hub, "live", end=False, at=LONG_AGO)
    filled(hub, "young", at=0)
    filled(hub, "old", at=-61)
    with filled(hub, "followed", at=-61).follow():
        hub.sweep()
        assert ids(hub, "live", "young", "old", "followed") == ["live", "young", "followed"]
    hub.sweep()
    assert ids(hub, "live", "young", "followed") == ["live", "young"]
    assert len(hub) == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=20), st.integers(100, 2_000))
def test_the_hub_never_begins_a_run_above_its_capacity(runs: list[tuple[bool, int]], capacity: int) -> None:
    """After every `create` there is room; after every refusal there is nothing finished that could have left."""

    async def act() -> None:
        hub = MemoryHub(capacity=capacity)
        names: list[str] = []
        for number, (finished, count) in enumerate(runs):
            try:
                log = hub.create(f"run {number}")
            except HubFull:
                assert all(not hub.log(name).done for name in ids(hub, *names))
                assert hub.size >= capacity
                continue
            assert hub.size < capacity
            names.append(log.run_id)
            for _ in range(count):
                log.append(delta("x" * 100))
            if finished:
                log.append(done())

    asyncio.run(act())


def test_an_unknown_run_is_a_key_error_that_names_it() -> None:
    """It never was, or it was evicted."""
    with pytest.raises(UnknownRun, match="nobody"):
        MemoryHub().follow("nobody")
