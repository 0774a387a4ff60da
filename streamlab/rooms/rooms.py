"""The rooms of all processes that share the hub: opened, found, joined, written and read."""

import asyncio
import secrets
import unicodedata
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from streamlab.hub.lru import LRU
from streamlab.hub.shared import Membership, Shared
from streamlab.hub.watched import Watchers
from streamlab.rooms.board import LIMIT, Board, Guess
from streamlab.rooms.code import new_code, read_code
from streamlab.rooms.event import AnyRoomEvent, Ended, Guessed, Joined, Left, LimitSet, decode, encode
from streamlab.rooms.guesses import fits
from streamlab.rooms.names import display_name
from streamlab.rooms.room import (
    DESKS,
    KEPT,
    MOST_PARTICIPANTS,
    NAME_CHARACTERS,
    ROOMS,
    SEATS,
    Plan,
    Room,
    RoomRefused,
    Seat,
    digest_of,
)

EVENTS = 50_000  # of a room
PER_MINUTE = 60  # events of one participant that a process takes; the teacher's are not counted
MINUTE = 60.0
OPENED = 20  # rooms that a browser may open in an hour
WRONG_CODES = 60  # in a minute from one address, behind which may be a class
WRONG_PINS = 5  # in ten minutes for one name
READ = 200_000  # events of the boards that one process keeps read
TICK = 1e-6  # seconds by which an event is later than what its writer has seen


@dataclass(frozen=True, slots=True)
class _Reading:
    """A board, and the number of the last entry that is in it."""

    board: Board = field(default_factory=Board)
    number: int = 0


class Rooms:
    """Belongs to one event loop. Every method raises HubUnreachable when the store does not answer.

    What a room does not take is a RoomRefused with a code: `no_code` (no room can have what was typed), `unknown` (it
    never was, or its time is over), `ended`, `full`, `no_name`, `taken` (the name is another browser's, who has it
    knows a pin), `wrong_pin`, `too_many_tries`, `too_fast`, `too_much`, `too_many_rooms`, `not_in` (who writes is no
    participant), `revealed`, `no_question` (it is not asked, or over), `no_guess` (it answers another question).
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._rooms = shared.documents(ROOMS)
        self._seats = shared.documents(SEATS)
        self._desks = shared.documents(DESKS)
        self._ledger = shared.ledger(ROOMS)
        self._readings: LRU[_Reading] = LRU(READ, lambda reading: reading.number + 1)
        self._written: LRU[deque[float]] = LRU(READ, lambda times: PER_MINUTE)  # by room and participant, when
        self._watchers = Watchers(self._lengths)
        self.watch = self._watchers.watch

    async def open(
        self, browser: str, name: str, language: str, plan: Plan = "lesson", limit: int = LIMIT
    ) -> tuple[Room, str]:
        """Open a room; return it with the token of the teacher's link, which nothing else knows."""
        await self._try(Membership(f"rooms_opened:{browser}", 3_600.0, OPENED), "too_many_rooms")
        key, shown = secrets.token_urlsafe(16), display_name(name, NAME_CHARACTERS)
        while True:
            now, secret = self._shared.now(), secrets.token_hex(16)
            room = Room(new_code(), shown, language, plan, digest_of(key), secret, now)
            if await self._rooms.add(room.code, room):
                break
        if limit != LIMIT:
            await self.set_limit(room.code, limit)
        return room, f"{room.code}-{key}"

    async def find(self, typed: str, address: str = "") -> Room:
        """Return the room of a code. Whoever guesses codes, from one address, is slowed down."""
        code = read_code(typed)
        if code is None:
            raise RoomRefused("no_code")
        tries = Membership(f"room_codes:{address}", MINUTE, WRONG_CODES)
        mark = await self._try(tries, "too_many_tries")
        room = await self._room(code)
        await self._shared.leave([tries], mark)
        return room

    async def taught(self, token: str) -> Room:
        """Return the room whose teacher has this token."""
        room = await self._room(read_code(token.partition("-")[0]) or "")
        if not room.is_taught_by(token):
            raise RoomRefused("unknown")
        return room

    async def join(self, code: str, browser: str, name: str, pin: str = "") -> Seat:
        """Let whoever has this browser in by a name; one that is another browser's takes its pin."""
        room, shown = await self._room(code), display_name(name)
        if not shown:
            raise RoomRefused("no_name")
        who, digest, board = room.participant_id(shown), room.browser_digest(browser), await self.board(code)
        known = board.people.get(who)
        by_pin = known is not None and known.first is not None and not known.is_of(digest)
        if by_pin:
            await self._check_pin(room, who, pin)
        elif board.ended and not known:
            raise RoomRefused("ended")
        await self._enter(room, who, board.limit)
        event = Joined(who=who, name=shown, browser=digest, by="pin" if by_pin else "name")
        if not (known and known.here and known.is_of(digest)):
            board = await self._write(room, event, board)
        if not board.people[who].is_of(digest):  # somebody else was faster by a moment
            raise RoomRefused("taken")
        seat = Seat(code, who)
        await self._seats.put(browser, seat)
        return seat

    async def seat(self, browser: str) -> Seat | None:
        """Return the place that the browser has taken, in a room that is still there."""
        known = await self._seats.get(browser)
        if known and await self._rooms.get(known.document.code):
            board = await self.board(known.document.code)
            person = board.people.get(known.document.who)
            return known.document if person and person.here else None
        return None

    async def teach(self, browser: str, token: str) -> None:
        """Remember that the browser is the teacher's."""
        if await self.desk(browser) != token:
            await self._desks.put(browser, token)

    async def desk(self, browser: str) -> str | None:
        """Return the token of the room that the browser teaches, if that is still there."""
        known = await self._desks.get(browser)
        room = await self._rooms.get(known.document.partition("-")[0]) if known else None
        return known.document if known and room and room.document.is_taught_by(known.document) else None

    async def leave(self, browser: str, seat: Seat) -> None:
        """Give a place back; what was done from it stays on the board, and is found again by the name."""
        room = await self._room(seat.code)
        await self._write(room, Left(who=seat.who), await self.board(seat.code))
        await self._shared.leave([_places(room, None)], seat.who)
        known = await self._seats.get(browser)
        if known and known.document == seat:  # else it has gone on to another room
            await self._seats.remove(browser)

    async def seated(self, seat: Seat) -> tuple[Room, Board]:
        """Return what the participant who has this place sees."""
        room = await self._room(seat.code)
        board = (await self._read(room)).board
        if seat.who not in board.people:
            raise RoomRefused("not_in")
        return room, board

    async def add(self, code: str, event: AnyRoomEvent) -> Board:
        """Write down what happened, and return the board with it.

        Who may have to repeat it gives it an `id` and its `at`: then it counts once.
        """
        room = await self._room(code)
        board = await self.board(code)
        if event.who:
            self._check_writer(code, board, event)
        return await self._write(room, event, board)

    async def board(self, code: str) -> Board:
        """Return the board with all that was written down until now."""
        return (await self._read(await self._room(code))).board

    async def version(self, code: str) -> str:
        """Return another text after each event; "" for a room that is not there."""
        try:
            room = await self._room(code)
        except RoomRefused:
            return ""
        return f"{room.opened_at}-{(await self._read(room)).number}"

    async def set_limit(self, code: str, limit: int) -> Board:
        """Let so many participants in from now on; who is in stays."""
        return await self.add(code, LimitSet(limit=max(1, min(limit, MOST_PARTICIPANTS))))

    async def end(self, code: str) -> Board:
        """End the lesson: nobody new comes in, and nothing is written any more but by the teacher."""
        return await self.add(code, Ended())

    async def delete(self, code: str) -> None:
        """Delete the room and all in it for good."""
        room = await self._room(code)
        places = _places(room, None)
        await self._rooms.remove(code)
        await self._ledger.remove(code)
        for name in await self._shared.names(places):
            await self._shared.leave([places], name)
        self._readings.remove(_reading_key(room))
        self._watchers.tell(code)

    async def _room(self, code: str) -> Room:
        known = await self._rooms.get(code) if code else None
        if not known:
            raise RoomRefused("unknown")
        return known.document

    async def _read(self, room: Room) -> _Reading:
        key = _reading_key(room)
        known = self._readings.get(key) or _Reading()
        entries = await self._ledger.since(room.code, known.number)
        now = self._readings.get(key) or _Reading()
        fresh = entries[max(0, now.number - known.number) :]  # another has read some of them meanwhile
        if fresh or not now.number:
            events = [event for event in map(decode, fresh) if event]
            now = _Reading(now.board.added(events), now.number + len(fresh))
            self._readings.put(key, now, KEPT)
        return now

    async def _write(self, room: Room, event: AnyRoomEvent, board: Board) -> Board:
        if (await self._read(room)).number >= EVENTS:
            raise RoomRefused("too_much")
        at = max(self._shared.now(), board.at + TICK)
        written = replace(event, id=event.id or secrets.token_hex(8), at=event.at or at)
        if not await self._ledger.append(room.code, encode(written)):
            raise RoomRefused("unknown")
        self._watchers.tell(room.code)
        return (await self._read(room)).board

    def _check_writer(self, code: str, board: Board, event: AnyRoomEvent) -> None:
        person = board.people.get(event.who)
        if not (person and person.here):
            raise RoomRefused("not_in")
        if board.ended:
            raise RoomRefused("ended")
        if isinstance(event, Guessed):
            _check_guess(board.questions.get(event.question), event.value)
        now, key = self._shared.now(), f"{code} {event.who}"
        times = deque((time for time in self._written.get(key) or () if time > now - MINUTE), PER_MINUTE)
        if len(times) == PER_MINUTE:
            raise RoomRefused("too_fast", times[0] + MINUTE - now)
        times.append(now)
        self._written.put(key, times, MINUTE)

    async def _check_pin(self, room: Room, who: str, pin: str) -> None:
        if not pin.strip():
            raise RoomRefused("taken")
        await self._try(Membership(f"room_pins:{room.code}:{who}", 600.0, WRONG_PINS), "too_many_tries")
        if not secrets.compare_digest(_digits(pin), room.pin(who)):
            raise RoomRefused("wrong_pin")

    async def _enter(self, room: Room, who: str, limit: int) -> None:
        if await self._shared.enter([_places(room, limit)], who):
            raise RoomRefused("full")

    async def _try(self, tries: Membership, code: str) -> str:
        """Count one more try; return what it is counted by."""
        mark = secrets.token_hex(8)
        if (full := await self._shared.enter([tries], mark)) is not None:
            raise RoomRefused(code, full.seconds)
        return mark

    async def _lengths(self, codes: Sequence[str]) -> Sequence[int]:
        return [0] * len(codes) if self._shared.alone else await self._ledger.lengths(codes)


class Told:
    """What the teacher tells the class, as it is watched by each participant: most of what happens changes nothing.

    An id is a room's code and, after a hyphen, a participant's id.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def watch(self, id: str) -> AbstractContextManager[asyncio.Event]:
        return self._rooms.watch(id.partition("-")[0])

    async def version(self, id: str) -> str:
        """Return another text whenever this participant was told something; "" for a room that is not there."""
        code, _, who = id.partition("-")
        try:
            return (await self._rooms.board(code)).told(who)
        except RoomRefused:
            return ""


def _check_guess(guess: Guess | None, value: float) -> None:
    if guess is None or guess.asked is None or guess.over:
        raise RoomRefused("no_question")
    if guess.revealed:
        raise RoomRefused("revealed")
    if not fits(guess.asked, value):
        raise RoomRefused("no_guess")


def _digits(pin: str) -> str:
    """Return the digits of a pin, which may have been typed in full width and with anything between them."""
    return "".join(str(unicodedata.decimal(each)) for each in pin[:100] if each.isdecimal())


def _places(room: Room, limit: int | None) -> Membership:
    return Membership(f"room:{room.code}:{room.secret}", KEPT, limit)


def _reading_key(room: Room) -> str:
    return f"{room.code} {room.secret}"
