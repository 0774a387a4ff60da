"""What the embedded store keeps, for how long, and how it is found again."""

import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from streamlab.agent.tasks import Agents
from streamlab.chats.chat import CHATS, Chat, Turn
from streamlab.chats.chats import Chats
from streamlab.events.event import Done, FinalAnswer, StreamEvent, TextDelta, ToolCall, ToolResult, merge_deltas
from streamlab.events.outcome import outcome_of
from streamlab.gateway.access import Access, Grant
from streamlab.hub import Gap, Log, Position, Snapshot, UnknownRun
from streamlab.hub.log import Bounds
from streamlab.hub.shared import DocumentType, Membership, SteadyClock
from streamlab.hub.sqlite.cleaning import Keeping
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.runs.run import RunLimits, Runs
from tests.conftest import demo_model
from tests.logs import delta, done, drain
from tests.shared import ENDLESS, soon

pytestmark = pytest.mark.anyio

HOUR, DAY = 3_600.0, 86_400.0
WORDS = DocumentType("word", str.encode, bytes.decode, HOUR, 100)
CASES = Path(__file__).parent / "cases" / "store"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


def copied(path: Path, name: str, companions: tuple[str, ...] = ("", "-wal")) -> Path:
    """Copy the file as it stands, one part after the other."""
    copy = path.with_name(name)
    for companion in companions:
        shutil.copyfile(f"{path}{companion}", f"{copy}{companion}")
    return copy


async def finished(hub: SqliteHub, run_id: str, text: str = "text") -> Log:
    log = hub.create(run_id)
    log.append(delta(text, at=0.0))
    log.append(Done("completed", at=0.0))
    return await hub.open(run_id)


def chat(id: str, *run_ids: str) -> Chat:
    turns = tuple(Turn("q", Options("demo"), run_id, 0.0, outcome_of([done()])) for run_id in run_ids)
    return Chat(id, turns)


async def are_there(hub: SqliteHub, *run_ids: str) -> list[str]:
    """Return those of the runs whose logs are in the file."""
    found = []
    for run_id in run_ids:
        try:
            await hub.open(run_id)
        except UnknownRun:
            continue
        found.append(run_id)
    return found


# Found again


async def test_a_log_is_found_as_it_was(path: Path) -> None:
    """Every event, its epoch and its end; a reader goes on where it was, from before a restart."""
    events: list[StreamEvent] = [
        TextDelta("字 \ud800\n", at=0.1),
        ToolCall("t", "1", {"a": [1, None]}, at=0.2),
        ToolResult("t", "1", {"rows": [[1.5, "x"]]}, at=0.3),
        TextDelta("end", at=0.4, step=2),
        FinalAnswer("end", at=0.5, step=2),
        Done("completed", at=0.6, step=2),
    ]
    async with SqliteHub(path) as hub:
        log = hub.create("run")
        for event in events:
            log.append(event)
        kept = (await hub.open("run")).since(0)
    async with SqliteHub(path) as hub:
        again = await hub.open("run")
        assert again.since(0) == kept
        assert again.epoch == log.epoch
        assert await drain(again.follow(Position(log.epoch, 2))) == kept[2:]


@pytest.mark.parametrize("bounds", [Bounds(events=10), Bounds(size=1_000)])
async def test_of_a_long_log_the_file_holds_what_the_memory_does(path: Path, bounds: Bounds) -> None:
    """And what left it in sum; the file does not grow with what left."""
    async with SqliteHub(path, bounds=bounds) as hub:
        log = hub.create("run")
        for number in range(500):
            log.append(delta(f"{number} ", at=0.0, step=1 + number // 300))
            if number % 7 == 0:
                log.append(ToolResult("t", f"{number}", number, at=0.0))
                await hub.open("run")
        copy = copied(path, "live")
        log.append(done())
        with anyio.fail_after(20):  # a busy machine may take longer than who opens a log waits
            while not log.done:
                await log.grown()
        whole = log.snapshot(), log.since(0)
    async with SqliteHub(path, bounds=bounds) as hub:
        again = await hub.open("run")
        assert (again.snapshot(), again.since(0)) == whole
        gap, snapshot, *rest = await drain(again.follow())
        assert isinstance(gap, Gap)
        assert snapshot == whole[0]
        read = [event for event in rest if isinstance(event, StreamEvent)]
        assert merge_deltas(read) == merge_deltas(whole[1])  # for who lags they may be merged already
    async with SqliteHub(copy, bounds=bounds) as hub:
        lost = await hub.open("run")
        assert isinstance(lost.snapshot(), Snapshot)
        assert [event.type for event in lost.since(0)][-2:] == ["error", "done"]
        assert lost.snapshot().tools == whole[0].tools[: len(lost.snapshot().tools)]


async def test_a_live_conversation_is_ended_as_lost_and_answered_anew(path: Path, models: Models) -> None:
    """With the text that was there; by whoever looks at it first."""
    async with SqliteHub(path) as hub:
        runs = Runs(hub, RunLimits())
        chats = Chats(runs, models, Agents(runs, models, hub, 1_000), hub, 1_000)
        asked = await chats.ask(None, "q", Options(demo_model(**ENDLESS)))
        log = await hub.open(asked.turns[-1].run_id)
        with anyio.fail_after(20):
            while log.seq < 10:
                await log.grown()
        seen = "".join(event.content for event in log.since(0) if isinstance(event, TextDelta))
        copy = copied(path, "killed")
        await runs.close()
    async with SqliteHub(copy) as hub:
        runs = Runs(hub, RunLimits())
        chats = Chats(runs, models, Agents(runs, models, hub, 1_000), hub, 1_000)
        lost = (await chats.get(asked.id)).turns[-1].outcome
        assert lost
        assert (lost.status, lost.code) == ("lost", "producer_lost")
        assert lost.text.startswith(seen)
        assert hub.taken_over == 1
        await chats.regenerate(asked.id, Options(demo_model(text="new")))

        async def answered() -> bool:
            return (await chats.get(asked.id)).live is None

        await soon(answered)
        (turn,) = (await chats.get(asked.id)).turns
        assert turn.outcome
        assert turn.outcome.text == "new"
        await runs.close()


async def test_a_copy_made_at_any_moment_opens_and_is_a_prefix(path: Path) -> None:
    """As after a loss of power, whichever part of the file was copied first."""
    async with SqliteHub(path) as hub, anyio.create_task_group() as group:
        logs = [hub.create(f"run {number}") for number in range(5)]

        async def write(log: Log) -> None:
            for number in range(200):
                log.append(delta(f"{number} ", at=0.0))
                await anyio.sleep(0.002)

        for log in logs:
            group.start_soon(write, log)
        for number in range(20):
            await anyio.sleep(random.uniform(0, 0.05))
            copied(path, f"copy {number}", random.choice([("", "-wal"), ("-wal", "")]))
    for number in range(20):
        async with SqliteHub(path.with_name(f"copy {number}")) as hub:
            assert hub.notice is None
            for log in logs:
                for run_id in await are_there(hub, log.run_id):
                    *events, error, end = (await hub.open(run_id)).since(0)
                    assert events == log.since(0)[: len(events)]
                    assert (error.type, end.type) == ("error", "done")


async def test_a_file_of_the_first_version_is_read(path: Path) -> None:
    """Written by the first version of the format that there was, and read by every later one."""
    for companion in ("", "-wal"):
        shutil.copyfile(f"{CASES / 'version-1.sqlite3'}{companion}", f"{path}{companion}")
    async with SqliteHub(path, keeping=Keeping(seconds=1_000 * DAY)) as hub:
        known = await hub.shared.documents(CHATS).get("chat")
        assert known
        (turn,) = known.document.turns
        log = await hub.open(turn.run_id)
        assert log.epoch == "0123456789abcdef"
        assert [event.type for event in log.since(0)] == ["text_delta", "text_delta", "final_answer", "done"]
        lost = await hub.open("live")
        assert [event.type for event in lost.since(0)] == ["text_delta", "error", "done"]
        assert set(await hub.shared.names(Membership("members", HOUR))) == {"ada"}


# Kept


async def test_a_log_stays_for_as_long_as_a_conversation_holds_it(path: Path) -> None:
    """The others go after their time; with a conversation that is deleted its logs go at once, for good."""
    async with SqliteHub(path, kept=0.0, keeping=Keeping(unheld=0.0)) as hub:
        chats = hub.shared.documents(CHATS)
        await chats.put("one", chat("one", "held by one", "held by both"))
        await chats.put("two", chat("two", "held by both"))
        for run_id in ("held by one", "held by both", "unheld"):
            await finished(hub, run_id, text=f"secret of {run_id}")
    async with SqliteHub(path, keeping=Keeping(unheld=0.0)) as hub:
        await cleaned(hub)
        assert await are_there(hub, "held by one", "held by both", "unheld") == ["held by one", "held by both"]
        await hub.shared.documents(CHATS).remove("one")
    async with SqliteHub(path) as hub:
        assert await are_there(hub, "held by one", "held by both") == ["held by both"]


async def cleaned(hub: SqliteHub) -> None:
    """Wait until a hub that was just opened has looked for what is too old: that is queued before these."""
    for _ in range(5):
        await hub.shared.documents(WORDS).get("nothing")


async def test_what_is_deleted_is_nowhere_in_the_file(path: Path) -> None:
    """Neither in the file nor beside it, once the store had a pause."""
    secret = uuid4().hex
    async with SqliteHub(path) as hub:
        words = hub.shared.documents(WORDS)
        await words.put("key", secret * 1_000)
        assert secret.encode() in _all_bytes(path)
        await words.remove("key")
        await soon(lambda: _is_gone(path, secret))


def _all_bytes(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.iterdir())


async def _is_gone(path: Path, secret: str) -> bool:
    return secret.encode() not in _all_bytes(path)


async def test_of_too_much_the_oldest_goes_first_and_what_is_live_never(path: Path) -> None:
    """Logs before what was made of them; and the file becomes smaller."""
    async with SqliteHub(path) as hub:
        live = hub.create("live")
        live.append(delta("".join(uuid4().hex for _ in range(3_000)), at=0.0))
        chats = hub.shared.documents(CHATS)
        for number in range(60):
            await chats.put(f"{number}", chat(f"{number}", f"run {number}"))
            await finished(hub, f"run {number}", "".join(uuid4().hex for _ in range(3_000)))
        copy = copied(path, "smaller")
    async with SqliteHub(copy, keeping=Keeping(size=1024 * 1024)) as hub:
        await soon(lambda: is_small(copy))
        runs = [f"run {number}" for number in range(60)]
        left = await are_there(hub, *runs)
        assert left == runs[-len(left) :]
        assert len(left) > 5
        assert await are_there(hub, "live") == ["live"]
        assert await hub.shared.documents(CHATS).get("0")


async def is_small(path: Path) -> bool:
    return os.path.getsize(path) < 2.2 * 1024 * 1024  # noqa: ASYNC240 # in a test


# The clock


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the machine's clock so many seconds ahead, or back."""
    real = time.time

    def set_to(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return set_to


@pytest.mark.parametrize("jumps", [(-HOUR,), (DAY,), (DAY, 0.0), (-HOUR, DAY, -HOUR), (DAY, -HOUR)])
@pytest.mark.parametrize("restarts", [False, True])
async def test_a_jump_of_the_clock_takes_nothing_and_brings_nothing_back(
    path: Path, jumps: tuple[float, ...], restarts: bool, set_clock: Callable[[float], None]
) -> None:
    """What is kept for weeks stays, what was over is over, and a revoked token is revoked."""
    lasting = replace(WORDS, name="lasting", lasting=True)
    revoked = Membership("revoked", 2 * DAY)
    hub = SqliteHub(path)
    await hub.__aenter__()
    access = Access({"ada": "secret"}, secret="s" * 32, seconds=600, clock=hub.shared.now)
    issued = access.now()
    await hub.shared.documents(lasting).put("key", "word")
    await hub.shared.documents(WORDS).add("over", "word", 0.001)
    await hub.shared.enter([revoked], f"{access.revoke('run')}:run")
    latest = hub.shared.now()
    await anyio.sleep(0.01)
    for jump in jumps:
        set_clock(jump)
        if restarts:
            await hub.__aexit__(None, None, None)
            hub = SqliteHub(path)
            await hub.__aenter__()
            access = Access({"ada": "secret"}, secret="s" * 32, seconds=600, clock=hub.shared.now)
            for name in await hub.shared.names(revoked):
                at, _, run_id = name.partition(":")
                access.revoke(run_id, int(at))
        assert hub.shared.now() >= latest
        latest = hub.shared.now()
        assert await hub.shared.documents(lasting).get("key")
        assert await hub.shared.documents(WORDS).get("over") is None
        assert access.lapsed(Grant("follower", "run", issued))
        if not restarts:
            assert access.lapsed(Grant("follower", "other", issued)) is None
        assert access.lapsed(Grant("follower", "other", access.now())) is None
    await hub.__aexit__(None, None, None)


def test_a_steady_clock_begins_where_it_must_and_goes_on_evenly(set_clock: Callable[[float], None]) -> None:
    """At the machine's time or later."""
    clock = SteadyClock()
    assert abs(clock() - time.time()) < 60
    before = clock()
    set_clock(-HOUR)
    assert 0 <= clock() - before < 60
    assert SteadyClock(before)() >= before
