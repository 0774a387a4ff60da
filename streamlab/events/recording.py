"""A recorded run: one event a line, read back strictly and played at a pace. A recording may come from anywhere."""

import codecs
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from streamlab.events.event import Done, StreamEvent, ToolCall, ToolResult, decode, encode, event_of, first_seq

MAX_EVENTS = 100_000
MAX_BYTES = 32 * 1024 * 1024
MAX_VALUES = 100_000  # in what a tool was given or gave: whoever reads a line reads them all at once

RecordingErrorCode = Literal[
    "not_text",
    "empty",
    "not_json",
    "not_an_event",
    "out_of_order",
    "after_done",
    "no_done",
    "too_many",
    "too_large",
    "result_without_call",
]


class BrokenRecording(ValueError):
    """Says what is wrong: a `code` to make a sentence of, and the `line` it shows at (1-based, blank ones counted)."""

    def __init__(self, line: int, code: RecordingErrorCode) -> None:
        super().__init__(f"line {line}: {code}")
        self.line = line
        self.code: str = code

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled: what it was made of, and what it knows."""
        return type(self), (self.line, self.code), self.__dict__


class _Refused(Exception):
    """Says what is wrong with a line, for the one who knows its number."""

    def __init__(self, code: RecordingErrorCode) -> None:
        super().__init__(code)
        self.code = code


def write_recording(events: Iterable[StreamEvent]) -> bytes:
    r"""Write the events as UTF-8 lines of JSON, each ended by "\n". Times to the microsecond; nothing is checked."""
    return b"".join(encode(event) + b"\n" for event in events)


def read_recording(data: bytes) -> list[StreamEvent]:
    """Read the events of a whole run, as `write_recording` wrote them or as another program did.

    A byte order mark, CRLF and blank lines are accepted, and any first seq. From there on the seqs are contiguous
    (merged deltas count as their range), time never goes back, a tool_result answers an open tool_call, and one done
    stands at the end. Raises BrokenRecording at the first line that breaks this, or that is no event to the last field.
    """
    if len(data) > MAX_BYTES:
        raise BrokenRecording(data.count(b"\n", 0, MAX_BYTES) + 1, "too_large")
    events: list[StreamEvent] = []
    order = _Order()
    line = 1
    for line, raw in _lines(data):
        try:
            if order.done:
                raise _Refused("after_done")
            if len(events) == MAX_EVENTS:
                raise _Refused("too_many")
            events.append(_event(raw))
            order.observe(events[-1])
        except _Refused as refused:
            raise BrokenRecording(line, refused.code) from None
    if not order.done:
        raise BrokenRecording(line, "no_done" if events else "empty")
    return events


def rewrite_recording(data: bytes) -> bytes:
    """Write anew what `read_recording` reads. Raises BrokenRecording."""
    return write_recording(read_recording(data))


def read_lines(data: bytes) -> list[StreamEvent]:
    """Read the events that `write_recording` wrote of a log, of which the first may have left."""
    return [decode(line) for line in data.split(b"\n") if line]


class Replay:
    """Plays events in their order, each once. It knows no clock: the caller says how many seconds have elapsed.

    At `speed` 2 an event comes at half its `at`, with None all come at once; any other is above 0, or a ValueError.
    Time begins at 0, as the run did, whenever the first event was.
    """

    def __init__(self, events: Sequence[StreamEvent], speed: float | None) -> None:
        if speed is not None and not 0 < speed <= sys.float_info.max:
            raise ValueError("a speed is a finite number above 0")
        self._events = list(events)
        self._speed = speed
        self._next = 0

    def due(self, elapsed: float) -> list[StreamEvent]:
        """Return the events whose time has come after `elapsed` seconds and that were not given yet."""
        first = self._next
        while (time := self._time()) is not None and time <= elapsed:
            self._next += 1
        return self._events[first : self._next]

    def wait(self, elapsed: float) -> float | None:
        """Return the seconds until the next event is due, 0 when it is; None after the last."""
        time = self._time()
        return None if time is None else max(0.0, time - elapsed)

    def _time(self) -> float | None:
        """Return the elapsed seconds at which the next event is due."""
        if self._next == len(self._events):
            return None
        return 0.0 if self._speed is None else self._events[self._next].at / self._speed


_WRITTEN = re.compile(rb"[^\r\n\t ][^\n]*")  # a line from its first character that is not blank


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Split into the lines that are not blank, with their numbers."""
    line, counted = 1, 0
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    for match in _WRITTEN.finditer(data, start):
        line += data.count(b"\n", counted, match.start())
        counted = match.start()
        yield line, match[0]


def _event(raw: bytes) -> StreamEvent:
    try:
        text = raw.decode()  # json.loads would guess an encoding, and let through what is no UTF-8
    except UnicodeDecodeError:
        raise _Refused("not_text") from None
    try:
        data = _JSON.decode(text)
    except (ValueError, RecursionError):
        raise _Refused("not_json") from None
    try:
        event = event_of(data)
    except ValueError:
        raise _Refused("not_an_event") from None
    if event.at < 0:
        raise _Refused("not_an_event")
    if raw.count(b",") > MAX_VALUES and isinstance(event, ToolCall | ToolResult) and _has_many(event):
        raise _Refused("too_large")
    return event


def _has_many(event: ToolCall | ToolResult) -> bool:
    """Tell whether its free value holds more than MAX_VALUES."""
    values: list[Any] = [event.input if isinstance(event, ToolCall) else event.result]
    for seen, value in enumerate(values):  # which grows meanwhile
        if seen > MAX_VALUES:
            return True
        if isinstance(value, dict | list):
            values += value.values() if isinstance(value, dict) else value
    return False


def _finite(text: str) -> float:
    """Refuse NaN and Infinity, which JSON has not, but Python reads, and 1e999 as the latter."""
    value = float(text)
    if not abs(value) <= sys.float_info.max:
        raise _Refused("not_an_event")
    return value


_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


class _Order:
    """Knows what the events so far allow the next to be."""

    def __init__(self) -> None:
        self.done = False
        self._last: StreamEvent | None = None
        self._open_calls: set[str] = set()

    def observe(self, event: StreamEvent) -> None:
        if self._last and (first_seq(event) != self._last.seq + 1 or event.at < self._last.at):
            raise _Refused("out_of_order")
        if isinstance(event, ToolCall):
            self._open_calls.add(event.call_id)
        if isinstance(event, ToolResult):
            if event.call_id not in self._open_calls:
                raise _Refused("result_without_call")
            self._open_calls.remove(event.call_id)
        self.done = isinstance(event, Done)
        self._last = event
