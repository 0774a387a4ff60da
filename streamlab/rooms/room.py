"""A class with one teacher. What happens in a room is a ledger beside its document; the board is the sum of it.

Everything that is to be added to rooms goes the same way, and needs no other store and no other channel:

1. an event type in `event.py` (a frozen dataclass with just its fields, in the union `AnyRoomEvent`);
2. what it does to the `Board` in `board.py`, so that neither order nor repetition counts: keep the latest by
   (`at`, `id`), or a set (`tests/test_rooms_board.py` holds it to that by its strategies);
3. `await rooms.add(code, Event(who=…, …))`, from a page as `engine().portal.call(engine().rooms.add, code, event)`;
4. who draws it reads `await rooms.board(code)`, an immutable value, and has its script run when there is another by
   `draw_changes("room", code, await rooms.version(code))` of `components/page/changes.py`. Only those who must hear
   of every event listen so (the teacher, the projector). A participant's page listens to `board.told(who)`, which is
   another only when the teacher has said something to the class or to this participant (`Presented`, `GuessAsked`,
   `Revealed`, `PutAway`, `Ended`, a lowered hand): so a class of thirty runs no script for what one of them does.
   `components/page/seat.py` does that on every page.

An address stands for whatever is shown, pushed or handed in: the pages keep their state in it. What is large is a
document of its own, as always, and the event has its address.

`Rooms` (`rooms.py`) has `open`, `find`, `taught`, `join`, `seat`, `leave`, `seated`, `teach`, `desk`, `add`, `board`,
`version`, `watch`, `set_limit`, `end`, `delete`; what it does not take is a `RoomRefused` with a code.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal

from streamlab.hub.shared import DocumentType, json_form
from streamlab.rooms.names import same_name

KEPT = 30 * 86_400.0  # seconds after the last use
ROOMS_KEPT = 1_000  # in the memory of one process
SEATS_KEPT = 10_000
NAME_CHARACTERS = 80  # of a room's name
MOST_PARTICIPANTS = 500

Plan = Literal["lesson", "free"]


class RoomRefused(Exception):  # it is what the room says, not what went wrong
    """The room does not take it. `code` says why; `seconds`, if it may be tried again, when."""

    def __init__(self, code: str, seconds: float = 0.0) -> None:
        super().__init__(code)
        self.code = code
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Room:
    """A room as it was opened. `teacher` is a digest of what the teacher's link has; `secret` makes ids and pins."""

    code: str
    name: str
    language: str
    plan: Plan
    teacher: str
    secret: str
    opened_at: float  # seconds since the epoch

    def is_taught_by(self, token: str) -> bool:
        return hmac.compare_digest(self.teacher, digest_of(token.partition("-")[2]))

    def participant_id(self, name: str) -> str:
        """Return the id of whoever has this name: who writes it otherwise, in width or case, is the same."""
        return self._digest("name", same_name(name))

    def browser_digest(self, browser: str) -> str:
        """Return what stands for a browser in this room; no other room has the same."""
        return self._digest("browser", browser)

    def pin(self, participant_id: str) -> str:
        """Return the four digits that let a participant in from another browser. They are kept nowhere."""
        return f"{int(self._digest('pin', participant_id), 16) % 10_000:04}"

    def _digest(self, what: str, value: str) -> str:
        return hmac.new(self.secret.encode(), f"{what} {value}".encode(), hashlib.sha256).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Seat:
    """Which participant of which room a browser is."""

    code: str
    who: str


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


ROOMS = DocumentType("room", *json_form(Room), KEPT, ROOMS_KEPT, lasting=True)
SEATS = DocumentType("seat", *json_form(Seat), KEPT, SEATS_KEPT, lasting=True)
DESKS = DocumentType("desk", str.encode, bytes.decode, KEPT, SEATS_KEPT, lasting=True)  # the token, for who comes back
