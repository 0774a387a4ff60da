"""What happens in a room: one type for each kind of event, with just its fields. Encoding and decoding live only here.

A room's event is no event of a run: it is written by many, so it has an id of its own, and may be written twice.
"""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomEvent:
    """Has what every entry of a room's ledger has.

    `id` is random, and the same when the event is written again. `at` is seconds since the epoch, later than all that
    its writer had seen of the room. `who` is the participant's id, "" for the teacher.
    """

    id: str = ""
    at: float = 0.0
    who: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(RoomEvent):
    """A participant came in. `by` says why this browser may be who it says: the name was free, or it knew the pin.

    `browser` is a digest that is good for this room alone.
    """

    type: Literal["joined"] = "joined"
    name: str
    browser: str
    by: Literal["name", "pin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(RoomEvent):
    type: Literal["left"] = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved(RoomEvent):
    """The participant is at a page, or is still there and does something."""

    type: Literal["moved"] = "moved"
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDone(RoomEvent):
    """The page noticed that what it proposes to try was done."""

    type: Literal["task_done"] = "task_done"
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand(RoomEvent):
    """The participant raised a hand, with a word, or lowered it (which the teacher may do, too: `of`)."""

    type: Literal["hand"] = "hand"
    of: str
    up: bool
    word: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented(RoomEvent):
    """The teacher shows a page with its state, which is its path and query; "" for nothing any more.

    With `at_once` it opens by itself, else with a click.
    """

    type: Literal["presented"] = "presented"
    address: str
    at_once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessAsked(RoomEvent):
    """The teacher asks for a guess; the event's id is the question's. `choices` are empty for a number.

    One that comes with the lesson is named by `lesson`, and each page says it in its own language.
    """

    type: Literal["guess_asked"] = "guess_asked"
    text: str = ""
    lesson: str = ""
    unit: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guessed(RoomEvent):
    """A participant's guess, the last of which counts: a number, or the number of a choice from 0."""

    type: Literal["guessed"] = "guessed"
    question: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealed(RoomEvent):
    """The guesses and the truth may be seen. `value` is None where nothing was measured."""

    type: Literal["revealed"] = "revealed"
    question: str
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAway(RoomEvent):
    """The question is over: it is shown no more, and no guess counts."""

    type: Literal["put_away"] = "put_away"
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSet(RoomEvent):
    """So many participants may be in from now on."""

    type: Literal["limit_set"] = "limit_set"
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(RoomEvent):
    """The teacher ended the lesson: nobody comes in any more, and what is there can be read."""

    type: Literal["ended"] = "ended"


AnyRoomEvent: TypeAlias = (
    Joined | Left | Moved | TaskDone | Hand | Presented | GuessAsked | Guessed | Revealed | PutAway | LimitSet | Ended
)
_events: TypeAdapter[AnyRoomEvent] = TypeAdapter(Annotated[AnyRoomEvent, Field(discriminator="type")])


def encode(event: AnyRoomEvent) -> bytes:
    """Write an event as JSON. Any text is kept, also one that no encoding can write."""
    return json.dumps(asdict(event), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def decode(written: bytes) -> AnyRoomEvent | None:
    """Read an event; None for one of a later version, which this one passes over."""
    try:
        return _events.validate_python(json.loads(written.decode("utf-8", "surrogatepass")))
    except ValueError:
        return None
