"""A run in AG-UI's words, as server-sent events that have nothing but data."""

import json
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from ag_ui.core import (
    PROTOCOL_VERSION,
    BaseEvent,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedOutcome,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    TokenUsage,
)
from pydantic_core import PydanticSerializationError, to_json

from streamlab.events.codes import sentence_of
from streamlab.events.event import Done, Usage
from streamlab.gateway.control import Close, Drain, Open
from streamlab.gateway.feed import Frame
from streamlab.gateway.protocols.ag_ui.conversation import Conversation
from streamlab.gateway.protocols.ag_ui.messages import Messages, said, summed_up
from streamlab.gateway.protocols.ag_ui.telling import Content, Restated, Standing, Telling, Told
from streamlab.gateway.protocols.sse import STILL_HERE, Body, packet
from streamlab.gateway.writer import Packet, Writer
from streamlab.hub import Log, Position


class Anew(NamedTuple):
    """Where a client is told all messages anew: those before the run, which are its own, and those of the run until
    `seq`, where they are not `told`.
    """

    seq: int
    told: bytes | None = None


Pieces: TypeAlias = list[Packet[Body] | Anew]


class AgUiWriter(Writer[Body]):
    """Writes a run for one client from the beginning; for one that takes it up, all messages so far and what follows.

    A client that is sent away hears that as an error: it would take a mere end for the run's.
    """

    name = "ag-ui"

    def __init__(self, log: Log, conversation: Conversation, *, taken_up: bool = False) -> None:
        self._log = log
        self._conversation = conversation
        self._begin = self._standing = Standing(log.run_id, conversation.handed, frozenset(conversation.calls))
        self.after: Position | None = None
        """Where in the log the frames are to begin."""
        self._entered: list[bytes] = []
        if taken_up:
            self.after = Position(log.epoch, log.seq)
            messages, self._standing = summed_up(log, self._begin, log.seq)
            self._entered = [self._snapshot(said(messages)), *map(_line, self._standing.entered())]

    def opening(self, event: Open) -> Sequence[Packet[Body]]:
        started = RunStartedEvent(
            thread_id=self._conversation.thread_id,
            run_id=self._conversation.run_id,
            protocol_version=PROTOCOL_VERSION,
            metadata={"run": event.run_id, "model": event.model},
        )
        return [packet(b"".join([_line(started), *self._entered]))]

    def frame(self, frame: Frame) -> Sequence[Packet[Body]]:
        pieces, self._standing = frame.form(_pieces, self._standing)
        return [piece if isinstance(piece, Packet) else self._anew(frame, piece) for piece in pieces]

    def sign_of_life(self) -> Sequence[Packet[Body]]:
        return STILL_HERE

    def closing(self, event: Drain | Close | None) -> Sequence[Packet[Body]]:
        match event:
            case Drain():
                last = RunErrorEvent(message="The server is leaving, and the run goes on: take it up.", code="drain")
            case Close():
                last = RunErrorEvent(message="The right to read this is over.", code=event.code)
            case None:
                return [packet(_line(self._end()))]
        return [packet(_line(last))]

    def _end(self) -> BaseEvent:
        end, failure = self._standing.end or Done("lost"), self._standing.failure
        usage = _usage(end.usage)
        if end.status in ("failed", "lost"):
            code = failure.code if failure else end.code or "producer_lost"
            return RunErrorEvent(message=failure.message if failure else sentence_of(code), code=code, usage=usage)
        reason = end.code or (end.status if end.status == "stopped" else None)
        return RunFinishedEvent(
            thread_id=self._conversation.thread_id,
            run_id=self._conversation.run_id,
            outcome=self._outcome(end) if self._conversation.version else None,
            usage=usage,
            metadata={"finishReason": reason} if reason else None,
        )

    def _outcome(self, end: Done) -> RunFinishedOutcome:
        """Say how the run ended. To a client of before 1.0 an outcome with what it does not know is a failure."""
        if end.status == "stopped":
            return RunFinishedCancelledOutcome()
        return RunFinishedSuccessOutcome(pending_tool_call_ids=[id for _, id in self._standing.calls] or None)

    def _anew(self, frame: Frame, anew: Anew) -> Packet[Body]:
        told = anew.told if anew.told is not None else frame.form(_told_until, self._log, self._begin, anew.seq)
        return packet(self._snapshot(told))

    def _snapshot(self, told: bytes) -> bytes:
        """Tell all messages: the client drops what is not among them, so those before the run are, too."""
        arrays = self._conversation.said.encode("utf-8", "surrogatepass"), told
        return b'data: {"type":"MESSAGES_SNAPSHOT","messages":[%s]}\n\n' % b",".join(a[1:-1] for a in arrays if a[2:])


def _pieces(frame: Frame, standing: Standing) -> tuple[Pieces, Standing]:
    """Write what all clients are sent of a frame that stand there; its first packet counts its events."""
    telling = Telling(standing)
    telling.tell_all(frame.items)
    pieces: Pieces = []
    lines: list[bytes] = []
    events = frame.events
    for told in (*telling.told, None):
        if isinstance(told, Content | BaseEvent):
            lines.append(_line(told))
            continue
        if lines:
            pieces.append(packet(b"".join(lines), events))
            lines, events = [], 0
        if told:
            pieces.append(_place(told))
    return pieces, telling.standing


def _place(restated: Restated) -> Anew:
    if restated.anew is None:
        return Anew(restated.seq)
    messages = Messages()
    messages.add(restated)
    return Anew(restated.seq, said(list(messages)))


def _told_until(frame: Frame, log: Log, begin: Standing, seq: int) -> bytes:
    return said(summed_up(log, begin, seq)[0])


def _line(told: Told) -> bytes:
    assert not isinstance(told, Restated)
    return b"data: %s\n\n" % (_content(told) if isinstance(told, Content) else _event(told))


def _content(content: Content) -> bytes:
    """Write a piece of text several times as fast as its model would."""
    fields = {"type": f"{content.part.upper()}_MESSAGE_CONTENT", "messageId": content.message, "delta": content.delta}
    try:
        return to_json(fields)
    except PydanticSerializationError:  # a lone surrogate
        return json.dumps(fields, separators=(",", ":")).encode()


def _event(event: BaseEvent) -> bytes:
    try:
        return event.model_dump_json(by_alias=True).encode()
    except (UnicodeEncodeError, PydanticSerializationError):
        return json.dumps(event.model_dump(mode="json", by_alias=True), separators=(",", ":")).encode()


def _usage(usage: Usage | None) -> list[TokenUsage] | None:
    """Tell the tokens that the model's server has counted; of an estimate AG-UI has no word."""
    if usage is None or usage.estimated:
        return None
    counted = TokenUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cached_input_tokens=usage.cached_tokens,
        cache_write_input_tokens=usage.cache_write_tokens,
    )
    return [counted]
