"""This browser as the teacher's of a room: every page can be shown to the class from it."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from components.page.lab import engine
from components.page.seat import browser_key
from components.page.session import session
from components.page.texts import t
from streamlab.hub import HubUnreachable
from streamlab.rooms.board import Board
from streamlab.rooms.event import AnyRoomEvent
from streamlab.rooms.room import Room, RoomRefused


@dataclass(frozen=True, slots=True)
class Desk:
    """A teacher's room, as it stands, and the token that opens the teacher's page."""

    room: Room
    board: Board
    token: str


def find() -> Desk | None:
    """Return the room that this browser teaches, if there is one."""
    state, lab = session(), engine()
    with suppress(HubUnreachable):  # asked again at the next drawing
        if not state.desk_sought:
            state.desk = lab.portal.call(lab.rooms.desk, browser_key())
            state.desk_sought = True
        if state.desk:
            try:
                room = lab.portal.call(lab.rooms.taught, state.desk)
                return Desk(room, lab.portal.call(lab.rooms.board, room.code), state.desk)
            except RoomRefused:
                state.desk = None
    return None


def take(token: str) -> None:
    """Teach this room from now on, on each page of this browser."""
    state, lab = session(), engine()
    if state.desk != token:
        lab.portal.call(lab.rooms.teach, browser_key(), token)
        state.desk, state.desk_sought = token, True


def say(code: str, event: AnyRoomEvent) -> bool:
    """Tell the class something; say so and return False where that cannot be."""
    return do(engine().rooms.add, code, event)


def do(work: Callable[..., Awaitable[object]], *args: object) -> bool:
    """Change the room; say so and return False where that cannot be."""
    try:
        engine().portal.call(work, *args)
    except RoomRefused as refusal:
        session().notice = t(f"room.refused_{refusal.code}")
    except HubUnreachable:
        session().notice = t("notice.unreachable")
    else:
        return True
    return False
