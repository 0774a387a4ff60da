"""Rooms, wherever the hub keeps them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from streamlab.gateway.changes import versions
from streamlab.hub import Hub
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.rooms import rooms as rooms_module
from streamlab.rooms.event import AnyRoomEvent, GuessAsked, Guessed, Hand, Moved, Presented, Revealed, TaskDone
from streamlab.rooms.room import Room, RoomRefused
from streamlab.rooms.rooms import PER_MINUTE, WRONG_CODES, WRONG_PINS, Rooms, Told
from tests.redis_server import RedisServer
from tests.shared import TIMES, name

pytestmark = pytest.mark.anyio

PATIENCE = 20.0


@pytest.fixture
async def rooms(any_hub: Hub) -> Rooms:
    return Rooms(any_hub.shared)


async def opened(rooms: Rooms, **options: Any) -> Room:
    room, _ = await rooms.open(name(), "Class", "en", **options)
    return room


async def refused(work: Any) -> str:
    with pytest.raises(RoomRefused) as refusal:
        await work
    return refusal.value.code


async def test_a_teacher_opens_a_room_and_participants_find_it(rooms: Rooms) -> None:
    """By the code the one, by a link that the code does not tell the other."""
    room, token = await rooms.open(name(), "  3年2組 <b>  ", "ja")
    assert (room.name, room.language, room.plan) == ("3年2組 <b>", "ja", "lesson")
    assert await rooms.taught(token) == room
    assert await rooms.find(f" {room.code[:3].lower()}-{room.code[3:]} ") == room
    assert token.partition("-")[2] not in repr(room)
    for wrong in (room.code, f"{room.code}-", f"{token}x", token[:-1], "", "HKLMQR-x", "\ud800"):
        assert await refused(rooms.taught(wrong)) == "unknown"


async def test_the_same_name_on_the_same_browser_comes_back(rooms: Rooms) -> None:
    room, browser = await opened(rooms), name()
    seat = await rooms.join(room.code, browser, "Ken")
    await rooms.add(room.code, TaskDone(who=seat.who, page="chat"))
    assert await rooms.seat(browser) == seat
    await rooms.leave(browser, seat)
    assert await rooms.seat(browser) is None
    assert (await rooms.board(room.code)).present == []
    assert await rooms.join(room.code, browser, " ｋｅｎ ") == seat
    _, board = await rooms.seated(seat)
    person = board.people[seat.who]
    assert (person.name, person.here, list(person.done)) == ("Ken", True, ["chat"])


async def test_another_browser_needs_the_names_pin(rooms: Rooms) -> None:
    """Whatever it is typed in; whoever tries pins is let try a few."""
    room, mine, others = await opened(rooms), name(), name()
    seat = await rooms.join(room.code, mine, "Hana")
    pin = room.pin(seat.who)
    assert await refused(rooms.join(room.code, others, "hana")) == "taken"
    wrong = f"{(int(pin) + 1) % 10_000:04}"
    assert await refused(rooms.join(room.code, others, "hana", wrong)) == "wrong_pin"
    full_width = "".join(chr(ord(digit) + 0xFEE0) for digit in pin)
    assert await rooms.join(room.code, others, "hana", f" {full_width} ") == seat
    assert await rooms.join(room.code, others, "hana") == seat, "from now on it is known"
    tries = [await refused(rooms.join(room.code, name(), "hana", wrong)) for _ in range(WRONG_PINS)]
    assert tries[-1] == "too_many_tries"
    assert await refused(rooms.join(room.code, name(), "hana", pin)) == "too_many_tries"
    assert await rooms.join(room.code, mine, "Hana") == seat


async def test_of_two_that_come_by_one_name_at_once_one_has_it(rooms: Rooms) -> None:
    room = await opened(rooms)
    come = [rooms.join(room.code, name(), "Ken") for _ in range(8)]
    results = await asyncio.gather(*come, return_exceptions=True)
    refusals = [result.code for result in results if isinstance(result, RoomRefused)]
    assert refusals == ["taken"] * 7
    assert len((await rooms.board(room.code)).present) == 1


async def test_the_31st_of_30_is_told_so(rooms: Rooms) -> None:
    """Also when all come at once; a place that was given back is free, and the teacher may set another limit."""
    room = await opened(rooms, limit=3)
    browsers = [name() for _ in range(5)]
    come = [rooms.join(room.code, browser, f"name {number}") for number, browser in enumerate(browsers)]
    results = await asyncio.gather(*come, return_exceptions=True)
    seats = [each for each in results if not isinstance(each, BaseException)]
    assert len(seats) == 3
    assert [result.code for result in results if isinstance(result, RoomRefused)] == ["full"] * 2
    assert await rooms.join(room.code, browsers[results.index(seats[0])], f"name {results.index(seats[0])}") == seats[0]
    await rooms.leave(browsers[results.index(seats[0])], seats[0])
    assert await rooms.join(room.code, name(), "late")
    assert await refused(rooms.join(room.code, name(), "later")) == "full"
    assert (await rooms.set_limit(room.code, 4)).limit == 4
    assert await rooms.join(room.code, name(), "later")


async def test_only_who_is_in_writes(rooms: Rooms) -> None:
    room, browser = await opened(rooms), name()
    seat = await rooms.join(room.code, browser, "Ken")
    assert await refused(rooms.add(room.code, Moved(who="nobody", page="chat"))) == "not_in"
    await rooms.leave(browser, seat)
    assert await refused(rooms.add(room.code, Moved(who=seat.who, page="chat"))) == "not_in"
    assert await refused(rooms.add("HKLMQR", Moved(who=seat.who, page="chat"))) == "unknown"


async def test_who_floods_is_slowed_down_and_nobody_else(rooms: Rooms) -> None:
    room = await opened(rooms)
    flood, other = [await rooms.join(room.code, name(), each) for each in ("flood", "other")]
    question = (await rooms.add(room.code, GuessAsked(id="q", text="?"))).questions["q"].asked
    assert question
    for number in range(PER_MINUTE):
        await rooms.add(room.code, Guessed(who=flood.who, question="q", value=number))
    guess = Guessed(who=flood.who, question="q", value=0.0)
    assert await refused(rooms.add(room.code, guess)) == "too_fast"
    board = await rooms.add(room.code, Guessed(who=other.who, question="q", value=7.0))
    assert {who: guess.value for who, guess in board.questions["q"].guesses.items()} == {
        flood.who: PER_MINUTE - 1,
        other.who: 7.0,
    }


async def test_no_guess_counts_when_the_truth_is_out(rooms: Rooms) -> None:
    room = await opened(rooms)
    seat = await rooms.join(room.code, name(), "Ken")
    await rooms.add(room.code, GuessAsked(id="q", text="?"))
    await rooms.add(room.code, Revealed(question="q", value=7.7))
    assert await refused(rooms.add(room.code, Guessed(who=seat.who, question="q", value=7.7))) == "revealed"


async def test_a_room_takes_no_more_than_it_can(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await opened(rooms)
    monkeypatch.setattr(rooms_module, "EVENTS", 3)
    for _ in range(3):
        await rooms.add(room.code, Presented(address="chat"))
    assert await refused(rooms.add(room.code, Presented(address="chat"))) == "too_much"


async def test_what_is_added_again_counts_once(rooms: Rooms) -> None:
    room = await opened(rooms)
    event = Presented(id="1", at=5.0, address="latency?measurement=x", at_once=True)
    board = await rooms.add(room.code, event)
    assert board.presented == event
    assert await rooms.add(room.code, event) == board


async def test_an_ended_room_can_be_read(rooms: Rooms) -> None:
    """Nobody new comes in, who was in may look, and nobody writes."""
    room, browser = await opened(rooms), name()
    seat = await rooms.join(room.code, browser, "Ken")
    assert (await rooms.end(room.code)).ended
    assert await refused(rooms.join(room.code, name(), "late")) == "ended"
    assert await rooms.join(room.code, browser, "Ken") == seat
    assert await refused(rooms.add(room.code, Hand(who=seat.who, of=seat.who, up=True))) == "ended"


async def test_a_deleted_room_is_gone_for_good(rooms: Rooms) -> None:
    room, token = await rooms.open(name(), "Class", "en")
    browser = name()
    seat = await rooms.join(room.code, browser, "Ken")
    await rooms.delete(room.code)
    for work in (rooms.find(room.code), rooms.taught(token), rooms.board(room.code), rooms.seated(seat)):
        assert await refused(work) == "unknown"
    assert await rooms.version(room.code) == await Told(rooms).version(f"{room.code}-{seat.who}") == ""
    assert await rooms.seat(browser) is None


async def test_codes_cannot_be_tried_one_after_another(rooms: Rooms) -> None:
    """From one address; elsewhere, and before, a right one is found."""
    room, address = await opened(rooms), name()
    for _ in range(WRONG_CODES - 1):
        assert await refused(rooms.find("HHHHHH", address)) == "unknown"
    assert await rooms.find(room.code, address) == room
    assert await refused(rooms.find("HHHHHH", address)) == "unknown"
    assert await refused(rooms.find(room.code, address)) == "too_many_tries"
    assert await rooms.find(room.code, name()) == room


@asynccontextmanager
async def two_processes(server: RedisServer) -> AsyncIterator[list[Rooms]]:
    async with AsyncExitStack() as stack:
        hubs = [await stack.enter_async_context(RedisHub(server.url, times=TIMES)) for _ in range(2)]
        yield [Rooms(hub.shared) for hub in hubs]


async def test_two_processes_have_one_room(redis_server: RedisServer) -> None:
    """Each sees what was written over the other, and hears of it."""
    async with two_processes(redis_server) as (here, there):
        room = await opened(here)
        seats = [await rooms.join(room.code, name(), f"name {at}") for at, rooms in enumerate((here, there) * 10)]
        assert await here.board(room.code) == await there.board(room.code)
        assert len((await here.board(room.code)).present) == 20
        heard = versions(here, room.code)
        before = await anext(heard)
        with anyio.fail_after(PATIENCE):
            event: AnyRoomEvent = Moved(who=seats[1].who, page="chat")
            await there.add(room.code, event)
            while await anext(heard) == before:
                pass
        await heard.aclose()
        assert (await here.board(room.code)).people[seats[1].who].page == "chat"


async def test_a_room_goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    async with SqliteHub(tmp_path / "store") as hub:
        rooms = Rooms(hub.shared)
        room, token = await rooms.open("t", "Class", "en")
        seat = await rooms.join(room.code, "b", "Ken")
        board = await rooms.add(room.code, Hand(who=seat.who, of=seat.who, up=True, word="help"))
    async with SqliteHub(tmp_path / "store") as hub:
        rooms = Rooms(hub.shared)
        assert await rooms.board((await rooms.taught(token)).code) == board
        assert await rooms.seat("b") == seat
        assert await rooms.join(room.code, "b", "Ken") == seat
