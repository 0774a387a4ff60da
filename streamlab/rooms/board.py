"""The board of a room: the sum of its events.

The sum is the same in whatever order the events come and however often: of what replaces one another the latest counts,
by (`at`, `id`), and the rest are sets. So two processes that read a ledger at different times, or an entry that was
written twice, lead to one board. Every value is an event or a set of them; nothing is computed that is not said by one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Self, TypeVar, assert_never

from streamlab.rooms.event import (
    AnyRoomEvent,
    Ended,
    GuessAsked,
    Guessed,
    Hand,
    Joined,
    Left,
    LimitSet,
    Moved,
    Presented,
    PutAway,
    Revealed,
    RoomEvent,
    TaskDone,
)

E = TypeVar("E", bound=RoomEvent)
K = TypeVar("K")
V = TypeVar("V")

LIMIT = 30  # participants, if the teacher sets no other
STILL = 300.0  # seconds without anything done, after which the board says so


@dataclass(frozen=True, slots=True)
class Participant:
    """A participant as the events have it; `first` is None for one of whom only later events have come yet."""

    id: str
    first: Joined | None = None  # who came first by this name has it
    by_pin: frozenset[str] = frozenset()  # browsers that knew the pin
    presence: Joined | Left | None = None
    moved: Moved | None = None
    done: frozenset[str] = frozenset()  # pages
    last_hand: Hand | None = None
    seen: float = 0.0  # when the participant did anything last

    @property
    def name(self) -> str:
        return self.first.name if self.first else ""

    @property
    def here(self) -> bool:
        return isinstance(self.presence, Joined)

    @property
    def page(self) -> str:
        return self.moved.page if self.moved else ""

    @property
    def hand(self) -> str | None:
        """Return the word with which the hand is raised, which may be empty; None for no hand."""
        return self.last_hand.word if self.last_hand and self.last_hand.up else None

    def is_of(self, browser: str) -> bool:
        """Tell whether the browser, by its digest, is this participant's."""
        return browser in self.by_pin or (self.first is not None and self.first.browser == browser)

    def is_still(self, now: float) -> bool:
        return self.here and now - self.seen >= STILL


@dataclass(frozen=True, slots=True)
class Guess:
    """A question and what was guessed, by participant."""

    asked: GuessAsked | None = None
    guesses: Mapping[str, Guessed] = field(default_factory=lambda: MappingProxyType({}))
    revealed: Revealed | None = None
    over: PutAway | None = None

    @property
    def open(self) -> bool:
        """Tell whether a guess counts."""
        return self.asked is not None and not (self.revealed or self.over)


@dataclass(frozen=True, slots=True)
class Board:
    """A room as it stood at one moment; it is replaced, never changed, so any thread may read it."""

    people: Mapping[str, Participant] = field(default_factory=lambda: MappingProxyType({}))
    questions: Mapping[str, Guess] = field(default_factory=lambda: MappingProxyType({}))
    last_presented: Presented | None = None
    shown: frozenset[str] = frozenset()  # all addresses that were presented
    limit_set: LimitSet | None = None
    ended: bool = False
    at: float = 0.0  # of the latest event

    @property
    def participants(self) -> list[Participant]:
        """Return those who came in, in the order in which they did, also those who left."""
        there = [person for person in self.people.values() if person.first]
        return sorted(there, key=lambda person: _order(person.first))

    @property
    def present(self) -> list[Participant]:
        return [person for person in self.participants if person.here]

    @property
    def hands(self) -> list[Participant]:
        """Return who has a hand raised, the first to do so first."""
        up = [person for person in self.present if person.hand is not None]
        return sorted(up, key=lambda person: _order(person.last_hand))

    @property
    def limit(self) -> int:
        return self.limit_set.limit if self.limit_set else LIMIT

    @property
    def presented(self) -> Presented | None:
        """Return what the teacher shows now."""
        return self.last_presented if self.last_presented and self.last_presented.address else None

    @property
    def question(self) -> Guess | None:
        """Return the question that was asked last, until it is put away."""
        asked = [guess for guess in self.questions.values() if guess.asked]
        latest = max(asked, key=lambda guess: _order(guess.asked), default=None)
        return None if latest is None or latest.over else latest

    def told(self, who: str) -> str:
        """Return another text whenever the teacher has told the class or this participant something, and only then."""
        said = sorted(guess.asked.id for guess in self.questions.values() if guess.asked)
        guesses = self.questions.values()
        shown = sorted(event.id for guess in guesses for event in (guess.revealed, guess.over) if event)
        presented = self.last_presented and self.last_presented.id
        hand = self.people[who].last_hand if who in self.people else None
        lowered = hand.id if hand and not hand.who else None
        return sha256(repr((said, shown, presented, self.ended, lowered)).encode()).hexdigest()[:16]

    def added(self, events: Iterable[AnyRoomEvent]) -> Self:
        """Return the board with these events, too."""
        board = self
        for event in events:
            board = board._with(event)
        return board

    def _with(self, event: AnyRoomEvent) -> Self:
        board = replace(self, at=max(self.at, event.at))
        match event:
            case Joined() | Left() | Moved() | TaskDone():
                return board._person(event.who, event)
            case Hand():
                return board._person(event.of, event)
            case Presented():
                latest = _later(self.last_presented, event)
                return replace(board, last_presented=latest, shown=self.shown | {event.address})
            case GuessAsked():
                return board._question(event.id, event)
            case Guessed() | Revealed() | PutAway():
                return board._question(event.question, event)
            case LimitSet():
                return replace(board, limit_set=_later(self.limit_set, event))
            case Ended():
                return replace(board, ended=True)
            case _:
                assert_never(event)

    def _person(self, id: str, event: Joined | Left | Moved | TaskDone | Hand) -> Self:
        person = self.people.get(id) or Participant(id)
        if event.who == id:
            person = replace(person, seen=max(person.seen, event.at))
        return replace(self, people=_put(self.people, id, _changed(person, event)))

    def _question(self, id: str, event: GuessAsked | Guessed | Revealed | PutAway) -> Self:
        guess = self.questions.get(id) or Guess()
        match event:
            case GuessAsked():
                guess = replace(guess, asked=event)
            case Guessed():
                latest = _later(guess.guesses.get(event.who), event)
                guess = replace(guess, guesses=_put(guess.guesses, event.who, latest))
            case Revealed():
                guess = replace(guess, revealed=_later(guess.revealed, event))
            case PutAway():
                guess = replace(guess, over=_later(guess.over, event))
        return replace(self, questions=_put(self.questions, id, guess))


def _changed(person: Participant, event: Joined | Left | Moved | TaskDone | Hand) -> Participant:
    match event:
        case Joined() | Left():
            presence: Joined | Left = _later(person.presence, event)
            person = replace(person, presence=presence)
            if isinstance(event, Left):
                return person
            if event.by == "pin":
                return replace(person, by_pin=person.by_pin | {event.browser})
            first = person.first if person.first and _order(person.first) < _order(event) else event
            return replace(person, first=first)
        case Moved():
            return replace(person, moved=_later(person.moved, event))
        case TaskDone():
            return replace(person, done=person.done | {event.page})
        case Hand():
            return replace(person, last_hand=_later(person.last_hand, event))


def _order(event: RoomEvent | None) -> tuple[float, str]:
    return (event.at, event.id) if event else (0.0, "")


def _later(known: E | None, event: E) -> E:
    return event if known is None or _order(known) < _order(event) else known


def _put(known: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return MappingProxyType({**known, key: value})
