"""The state of a stream: what has arrived, and what to request next. No I/O happens here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict
from uuid import uuid4

from streamlab_client.errors import broken_stream
from streamlab_client.events import (
    LOG_TYPES,
    RUN_FAILED,
    Done,
    Event,
    Json,
    RunError,
    Status,
    StepText,
    parse_event,
    parse_gap,
    parse_snapshot,
)

CONTROL = frozenset({"open", "gap", "snapshot", "drain", "close"})


class Message(NamedTuple):
    """One entry as a protocol brought it: its name, its resume token (empty for none) and its JSON."""

    name: str
    token: str
    data: Any


ENDED = Message("ended", "", None)  # there is nothing after the token


def parse_message(name: str, token: str, text: str) -> Message:
    """Read an entry whose data are JSON as text. Only an unknown type may be something else. Raises ProtocolError."""
    try:
        return Message(name, token, json.loads(text))
    except (ValueError, RecursionError):
        if name in LOG_TYPES or name in CONTROL:
            raise broken_stream(f"the data of a {name} are not JSON") from None
        return Message(name, token, None)


def open_message(run_id: str, conversation: str | None = None, model: str | None = None) -> Message:
    """Make an `open` message, where a protocol tells its content otherwise, as in a header."""
    return Message("open", "", {"run_id": run_id, "conversation": conversation, "model": model})


@dataclass(frozen=True, slots=True)
class StartRequest:
    """Start a run. The same idempotency key means the same run, so that it may be sent twice."""

    body: Json
    key: str


@dataclass(frozen=True, slots=True)
class FollowRequest:
    """Read a run from its beginning, or after a resume token."""

    run_id: str
    after: str | None


Request = StartRequest | FollowRequest
Question = str | Sequence[Mapping[str, str]]


class ChatOptions(TypedDict, total=False):
    """How to answer a question, and the idempotency key."""

    model: str | None
    agent: bool
    temperature: float | None
    conversation: str | None
    key: str | None


def start_request(
    question: Question,
    *,
    model: str | None = None,
    agent: bool = False,
    temperature: float | None = None,
    conversation: str | None = None,
    key: str | None = None,
) -> StartRequest:
    """Make the request of a question, of which only what was said is sent."""
    asked = {"message": question} if isinstance(question, str) else {"messages": [*map(dict, question)]}
    options = {"model": model, "agent": agent or None, "temperature": temperature, "conversation": conversation}
    said = {name: value for name, value in options.items() if value is not None}
    return StartRequest(asked | said, key or uuid4().hex)


class Reader:
    """Turns messages, from as many connections as it takes, into events, each once and in order."""

    def __init__(self, start: StartRequest | None = None, run_id: str | None = None, after: str | None = None) -> None:
        self.run_id = run_id
        self.conversation: str | None = None
        self.model: str | None = None
        self.token = after
        self.status: Status | None = None
        self.code: str | None = None
        self.failure = RUN_FAILED
        self.ended = False
        self.connected = False
        self.connections = 0
        self.progressed = False  # whether this connection brought an event of the log that is new
        self.expired = False  # whether the server said that the access token's time is over
        self._start = start
        self._seq = _seq_of(after) if after else 0
        self._text = StepText()

    @property
    def text(self) -> str:
        return str(self._text)

    def connect(self) -> Request:
        """Begin a new connection, and return what to request over it."""
        self.progressed = False
        if self.run_id is not None:
            return FollowRequest(self.run_id, self.token)
        assert self._start
        return self._start

    def feed(self, message: Message) -> Event | None:
        """Return the event to hand on, if any. Raises ProtocolError when the connection is of no use any more."""
        if not self.connected:
            self.connected = True
            self.connections += 1
        if message is ENDED:
            self.ended = self.token is not None and not self.progressed
            return None
        name, token, data = message
        try:
            if name in LOG_TYPES or (token and isinstance(data, dict) and "at" in data):
                return self._log_event(name, token, data)
            return self._control(name, data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise broken_stream(f"a {name[:40]} without what it needs") from error

    def _log_event(self, name: str, token: str, data: Json) -> Event | None:
        seq: int = data["seq"]
        first: int = data.get("seq_from") or seq
        if self._seq is not None:
            if seq <= self._seq:
                return None
            if first != self._seq + 1:
                raise broken_stream(f"event {self._seq} is followed by event {first}")
        event = parse_event(name, data) if name in LOG_TYPES else None
        self._seq = seq
        self.token = token or self.token
        self.progressed = True
        if event is None:
            return None
        self._text.feed(event)
        if isinstance(event, Done):
            self.status, self.code, self.ended = event.status, event.code, True
        elif isinstance(event, RunError):
            self.failure = event.message
        return event

    def _control(self, name: str, data: Json) -> Event | None:
        match name:
            case "open":
                self.run_id = self.run_id or data["run_id"]
                self.conversation = data.get("conversation") or self.conversation
                self.model = data.get("model") or self.model
            case "gap":
                gap = parse_gap(data)
                self._seq = gap.seq
                return gap
            case "snapshot":
                snapshot = parse_snapshot(data)
                self._seq = snapshot.seq
                self._text.feed(snapshot)
                return snapshot
            case "close":
                self.expired = True
        return None


def _seq_of(token: str) -> int | None:
    """Return the seq that the next event follows on; None when the token does not tell."""
    seq = token.rpartition("-")[2]
    return int(seq) if seq.isascii() and seq.isdecimal() and len(seq) <= 15 else None


class Anew(str):
    """A piece of text that begins anew: the pieces before it count no longer. It may be empty."""

    __slots__ = ()


class Pieces:
    """Turns events into pieces of text. Those since the last Anew, joined, are the text that counts."""

    def __init__(self) -> None:
        self._text = StepText()
        self._shown = False

    def feed(self, event: Event) -> str | None:
        """Return the piece to hand on, if there is one."""
        void = self._text.feed(event) and self._shown
        piece = event.content if event.type == "text_delta" else event.text if event.type == "snapshot" else ""
        if not void and not piece:
            return None
        self._shown = bool(piece)
        return Anew(piece) if void else piece
