"""A conversation as a document: its questions, and what the runs that answer them came to."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal, Self, get_args

from streamlab.attachments.images import MEDIA_TYPES
from streamlab.events.event import Status
from streamlab.events.outcome import UNKNOWN, Outcome
from streamlab.events.timings import Timings
from streamlab.hub.shared import DocumentType, json_form
from streamlab.models.options import Options

KEPT = 24 * 3600.0  # seconds after the last use, where the hub keeps nothing longer
CAPACITY = 64 * 1024 * 1024  # characters of all conversations together that one process holds
NOTE_CHARACTERS = 2_000  # of what is noted with a thumb
IDS = 10_000  # runs of which one process remembers the conversation

LOST = Outcome("lost", "producer_lost", None, "", "", UNKNOWN, Timings(None, 0.0), 0)


class UnknownChat(KeyError):
    """No conversation of this id is here: it never was, or its time is over."""


class Busy(RuntimeError):
    """The conversation's last question is still being answered."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a reader thought of an answer."""

    thumb: Literal["up", "down"]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that went with a question. `key` finds what is in it, and is no way to its conversation."""

    name: str
    media_type: str
    size: int
    key: str

    @property
    def is_image(self) -> bool:
        return self.media_type in MEDIA_TYPES


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and the run that answers it; `outcome` is None for as long as the run is live."""

    question: str
    options: Options
    run_id: str
    asked_at: float  # seconds since the epoch, for people
    outcome: Outcome | None = None
    feedback: Feedback | None = None
    attachments: tuple[Attachment, ...] = ()

    @property
    def title(self) -> str:
        """Return the question, or where nothing was typed what went with it."""
        return self.question if self.question.strip() else ", ".join(each.name for each in self.attachments)


@dataclass(frozen=True, slots=True)
class Aside:
    """A turn on another branch than that of the last question, after the turn of the run `after`; "" for none."""

    after: str
    turn: Turn


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation as it stood at one moment; it is replaced, never changed, so any thread may read it."""

    id: str
    turns: tuple[Turn, ...] = ()
    browser: str = ""  # the one that began it
    title: str = ""  # if it was given one
    owner: str = ""  # the caller that began it over the gateway
    asides: tuple[Aside, ...] = ()

    @property
    def all_turns(self) -> tuple[Turn, ...]:
        """Return the turns of its branch, and then those of the others."""
        return (*self.turns, *(aside.turn for aside in self.asides))

    def rated(self, run_id: str, feedback: Feedback | None) -> Self:
        """Return the conversation with this feedback on the answer of a run."""

        def rated(turn: Turn) -> Turn:
            return replace(turn, feedback=feedback) if turn.run_id == run_id else turn

        asides = tuple(replace(aside, turn=rated(aside.turn)) for aside in self.asides)
        return replace(self, turns=tuple(map(rated, self.turns)), asides=asides)

    @property
    def live(self) -> Turn | None:
        """Return the turn that is being answered."""
        return self.turns[-1] if self.turns and self.turns[-1].outcome is None else None

    @property
    def version(self) -> str:
        """Return a digest of what a page shows of it, another one after each change."""
        outcome = self.turns[-1].outcome if self.turns else None
        return self._version(outcome.status if outcome else None)

    @property
    def versions(self) -> tuple[str, ...]:
        """Return the version, and those in which the live answer has ended, which a page that follows it shows too."""
        return (self.version, *(self._version(status) for status in get_args(Status) if self.live))

    def _version(self, ending: Status | None) -> str:
        turns = [(turn.run_id, turn.outcome and turn.outcome.status, turn.feedback) for turn in self.turns[:-1]]
        last = [(turn.run_id, ending, turn.feedback) for turn in self.turns[-1:]]
        asides = [(aside.after, aside.turn.run_id, aside.turn.feedback) for aside in self.asides]
        return sha256(repr((self.title, turns, last, asides)).encode()).hexdigest()[:16]

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """Return what went with any question on any branch, each file once."""
        return tuple({each.key: each for turn in self.all_turns for each in turn.attachments}.values())

    @property
    def size(self) -> int:
        return sum(map(_turn_size, self.all_turns))


def _turn_size(turn: Turn) -> int:
    note = len(turn.feedback.note) if turn.feedback else 0
    attached = sum(len(each.name) + len(each.key) for each in turn.attachments)
    return len(turn.question) + attached + len(turn.options.system) + note + _outcome_size(turn.outcome)


def _outcome_size(outcome: Outcome | None) -> int:
    if outcome is None:
        return 0
    return len(outcome.text) + len(outcome.thinking) + sum(len(str(tool.result)) for tool in outcome.tools)


CHATS = DocumentType(
    "chat",
    *json_form(Chat),
    KEPT,
    CAPACITY,
    lambda chat: chat.size,
    lambda chat: chat.live is not None,
    lasting=True,
    holds=lambda chat: (turn.run_id for turn in chat.all_turns),
)
CHAT_IDS = DocumentType("run", str.encode, bytes.decode, KEPT, IDS, lasting=True)
