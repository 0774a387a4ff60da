"""What a client has of a run by now, and what to ask for next. No input or output happens here."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from streamlab_client.errors import broken
from streamlab_client.events import LOGGED, Done, Event, Json, Status, StepText, event_of, gap_of, snapshot_of

CONTROL = frozenset({"open", "gap", "snapshot", "drain", "close"})


class Message(NamedTuple):
    """One entry as a protocol brought it: its name, its resume token (empty for none) and its JSON."""

    name: str
    token: str
    data: Any


ENDED = Message("ended", "", None)  # there is nothing after the token


def message_of(name: str, token: str, text: str) -> Message:
    """Of an entry whose data are text. What is not known may be anything. Raises ProtocolError."""
    try:
        return Message(name, token, json.loads(text))
    except (ValueError, RecursionError):
        if name in LOGGED or name in CONTROL:
            raise broken(f"the data of a {name} are not JSON") from None
        return Message(name, token, None)


def opened(run_id: str, conversation: str | None = None, model: str | None = None) -> Message:
    """What `open` says, where a protocol tells it before."""
    return Message("open", "", {"run_id": run_id, "conversation": conversation, "model": model})


@dataclass(frozen=True, slots=True)
class Ask:
    """Start a run. The same key asks for the same run, so that it may be said twice."""

    question: Json
    key: str


@dataclass(frozen=True, slots=True)
class Follow:
    """Go on with a run after the token, or at the beginning."""

    run_id: str
    after: str | None


Call = Ask | Follow


class Reader:
    """Takes one message after another, from as many connections as it needs, and gives each event once and in order."""

    def __init__(self, ask: Ask | None = None, run_id: str | None = None, after: str | None = None) -> None:
        self.run_id = run_id
        self.conversation: str | None = None
        self.model: str | None = None
        self.token = after
        self.status: Status | None = None
        self.code: str | None = None
        self.ended = False
        self.connected = False
        self.connections = 0
        self.progressed = False  # whether this connection brought an event of the log that is new
        self.expired = False  # whether the server said that the access token's time is over
        self._ask = ask
        self._seq = _seq_of(after) if after else 0
        self._text = StepText()

    @property
    def text(self) -> str:
        return str(self._text)

    def connect(self) -> Call:
        """What to ask the server. A new connection begins."""
        self.progressed = False
        if self.run_id is not None:
            return Follow(self.run_id, self.token)
        assert self._ask
        return self._ask

    def take(self, message: Message) -> Event | None:
        """The event to hand on, if it is one. Raises ProtocolError when the connection is of no use any more."""
        if not self.connected:
            self.connected = True
            self.connections += 1
        if message is ENDED:
            self.ended = self.token is not None and not self.progressed
            return None
        name, token, data = message
        try:
            if name in LOGGED or (token and isinstance(data, dict) and "at" in data):
                return self._logged(name, token, data)
            return self._control(name, data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise broken(f"a {name[:40]} without what it needs") from error

    def _logged(self, name: str, token: str, data: Json) -> Event | None:
        seq: int = data["seq"]
        first: int = data.get("seq_from") or seq
        if self._seq is not None:
            if seq <= self._seq:
                return None
            if first != self._seq + 1:
                raise broken(f"event {self._seq} is followed by event {first}")
        event = event_of(name, data) if name in LOGGED else None
        self._seq = seq
        self.token = token or self.token
        self.progressed = True
        if event is None:
            return None
        self._text.take(event)
        if isinstance(event, Done):
            self.status, self.code, self.ended = event.status, event.code, True
        return event

    def _control(self, name: str, data: Json) -> Event | None:
        match name:
            case "open":
                self.run_id = self.run_id or data["run_id"]
                self.conversation = data.get("conversation") or self.conversation
                self.model = data.get("model") or self.model
            case "gap":
                gap = gap_of(data)
                self._seq = gap.seq
                return gap
            case "snapshot":
                snapshot = snapshot_of(data)
                self._seq = snapshot.seq
                self._text.take(snapshot)
                return snapshot
            case "close":
                self.expired = True
        return None


def _seq_of(token: str) -> int | None:
    """The seq that the next event follows on; None when the token does not tell."""
    seq = token.rpartition("-")[2]
    return int(seq) if seq.isascii() and seq.isdecimal() and len(seq) <= 15 else None


class Anew(str):
    """A piece of text that begins anew: the pieces before it count no longer. It may be empty."""

    __slots__ = ()


class Pieces:
    """Events -> pieces of text. Since the last Anew, joined, they are the text that counts."""

    def __init__(self) -> None:
        self._text = StepText()
        self._shown = False

    def take(self, event: Event) -> str | None:
        """The piece to hand on, if there is one."""
        void = self._text.take(event) and self._shown
        piece = event.content if event.type == "text_delta" else event.text if event.type == "snapshot" else ""
        if not void and not piece:
            return None
        self._shown = bool(piece)
        return Anew(piece) if void else piece
