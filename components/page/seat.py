"""This browser's place in a room: who it is there. The room is told on which page it is, and what it has done."""

import time
from contextlib import suppress
from dataclasses import dataclass

from components.page.browser import browser
from components.page.changes import draw_changes
from components.page.lab import engine
from components.page.session import session
from components.page.texts import t
from streamlab.hub import HubUnreachable
from streamlab.rooms.board import Board, Participant
from streamlab.rooms.event import AnyRoomEvent, Moved, TaskDone
from streamlab.rooms.room import Room, RoomRefused, Seat

AGAIN = 60.0  # seconds after which the room is told anew that somebody does something on the same page


@dataclass(frozen=True, slots=True)
class Place:
    """A participant's room, as it stands."""

    room: Room
    board: Board
    seat: Seat

    @property
    def person(self) -> Participant:
        return self.board.people[self.seat.who]


def browser_key() -> str:
    """Return what a place belongs to: the browser, or the session of one that keeps no cookies."""
    return browser() or session().id


def find() -> Place | None:
    """Return this browser's place, if it has one in a room that is there."""
    state, lab = session(), engine()
    try:
        if not state.seat_sought:
            seat = lab.portal.call(lab.rooms.seat, browser_key())
            state.seat_sought = True
            if seat:
                take(seat)
                shown = lab.portal.call(lab.rooms.board, seat.code).presented
                # Who opens another page, or this one anew, is not led away from it.
                state.led = shown.id if shown else None
        if state.seat:
            return Place(*lab.portal.call(lab.rooms.seated, state.seat), state.seat)
    except RoomRefused:
        state.seat, state.notice = None, t("room.gone")
    except HubUnreachable:
        pass  # asked again at the next drawing
    return None


def take(seat: Seat) -> None:
    """Sit down there, and leave another room. What was done there before is done in this session, too."""
    state, lab = session(), engine()
    if state.seat and state.seat.code != seat.code:
        give_up()
    state.seat, state.seat_sought, state.moved = seat, True, ("", 0.0)
    done = lab.portal.call(lab.rooms.board, seat.code).people[seat.who].done
    state.reported = set(done)
    report()
    state.tried |= done


def give_up() -> None:
    """Leave the room."""
    state, lab = session(), engine()
    seat, state.seat = state.seat, None
    with suppress(RoomRefused, HubUnreachable):
        if seat:
            lab.portal.call(lab.rooms.leave, browser_key(), seat)


def arrive(place: Place, page: str) -> None:
    """Tell the room on which page this browser is, and have its script run when the teacher says something."""
    state, now = session(), time.monotonic()
    before, when = state.moved
    if (page != before or now - when > AGAIN) and say(Moved(who=place.seat.who, page=page)):
        state.moved = page, now
    report()
    who = place.seat.who
    draw_changes("said", f"{place.room.code}-{who}", place.board.told(who))


def report() -> None:
    """Tell the room, if there is one, which tasks were done that it does not know of."""
    state = session()
    for page in state.tried - state.reported:
        if state.seat and say(TaskDone(who=state.seat.who, page=page)):
            state.reported.add(page)


def say(event: AnyRoomEvent) -> bool:
    """Write down in this browser's room what happened; tell whether the room took it."""
    state, lab = session(), engine()
    with suppress(RoomRefused, HubUnreachable):
        if state.seat:
            lab.portal.call(lab.rooms.add, state.seat.code, event)
            return True
    return False
