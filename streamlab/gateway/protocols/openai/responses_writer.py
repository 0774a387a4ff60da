"""Responses as a stream: the numbered events, from the beginning or after one of them."""

from collections.abc import Sequence
from itertools import accumulate

from streamlab.gateway.control import Close, Drain, Open
from streamlab.gateway.feed import Frame
from streamlab.gateway.protocols.openai.chat_writer import DONE, leaving
from streamlab.gateway.protocols.openai.response import Head, Line, ResponseDraft, ResponseState
from streamlab.gateway.protocols.openai.text import json_of
from streamlab.gateway.protocols.sse import STILL_HERE, Body, packet
from streamlab.gateway.writer import Packet, Writer


class Written:
    """The lines of a frame, joined; whoever has some of them gets the rest."""

    def __init__(self, lines: Sequence[Line], events: int) -> None:
        self._numbers = [line.number for line in lines]
        self._ends = list(accumulate(len(line.data) for line in lines))
        self._body = b"".join(line.data for line in lines)
        self._events = events
        self._whole = [packet(self._body, events)] if lines else []

    def after(self, number: int) -> Sequence[Packet[Body]]:
        """Give what comes after the event of this number."""
        known = sum(each <= number for each in self._numbers) if self._numbers and self._numbers[0] <= number else 0
        if not known:
            return self._whole
        rest = self._body[self._ends[known - 1] :]
        return [packet(rest, self._events)] if rest else []


class ResponsesWriter(Writer[Body]):
    """Writes every event from the log's first on, so that their numbers are right, and sends those `after` a number.

    Its delivery must not be merged.
    """

    name = "openai-responses"

    def __init__(self, head: Head, after: int = -1) -> None:
        self._after = after
        self._state = ResponseState(head)

    def opening(self, event: Open) -> Sequence[Packet[Body]]:
        draft = ResponseDraft(self._state)
        draft.open()
        self._state = draft.state
        return Written(draft.lines, 0).after(self._after)

    def frame(self, frame: Frame) -> Sequence[Packet[Body]]:
        written, self._state = frame.form(_write, self._state)
        return written.after(self._after)

    def sign_of_life(self) -> Sequence[Packet[Body]]:
        return STILL_HERE

    def closing(self, event: Drain | Close | None) -> Sequence[Packet[Body]]:
        if event is None:
            return [packet(DONE)]
        last = max(0, self._state.sequence - 1)  # for whoever goes on after it
        error = {"type": "error", "sequence_number": last} | _told(event)
        return [packet(b"event: error\ndata: %s\n\n" % json_of(error))]


def _told(event: Drain | Close) -> dict[str, str | None]:
    error = leaving(event)
    return {name: error[name] for name in ("code", "message", "param")}


def _write(frame: Frame, state: ResponseState) -> tuple[Written, ResponseState]:
    draft = ResponseDraft(state)
    for item in frame.items:
        draft.add(item)
    return Written(draft.lines, frame.events), draft.state
