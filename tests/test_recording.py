"""The laws of recordings: what is written is read back whole, and what is broken is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.events import recording
from streamlab.events.event import Done, StreamEvent, TextDelta, encode
from streamlab.events.recording import BrokenRecording, RecordingErrorCode, read_recording, write_recording
from tests.recordings import runs
from tests.test_events import values


def refusal(data: bytes) -> tuple[int, str] | None:
    """The line and the code; None for a recording that is accepted, which can then be written and read again."""
    try:
        events = read_recording(data)
    except BrokenRecording as broken:
        return broken.line, broken.code
    written = write_recording(events)  # where times are rounded
    assert write_recording(read_recording(written)) == written
    return None


# Reading and writing


@given(runs())
def test_reading_gives_what_was_written(events: list[StreamEvent]) -> None:
    """Nothing of a run is changed or lost in a recording."""
    assert read_recording(write_recording(events)) == events


@given(runs())
def test_an_event_is_a_line_that_ends(events: list[StreamEvent]) -> None:
    """Every line ends with a newline, the last too, so that recordings can be counted and searched by line."""
    assert write_recording(events).split(b"\n") == [*map(encode, events), b""]


@given(runs(), st.lists(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\n \t\r\n"]), min_size=1), st.booleans())
def test_what_editors_do_to_a_file_is_accepted(events: list[StreamEvent], ends: list[bytes], bom: bool) -> None:
    """A byte order mark, CRLF and blank lines change nothing; neither does a last line without an end."""
    written = b"\xef\xbb\xbf" if bom else b""
    for number, event in enumerate(events):
        written += encode(event) + ends[number % len(ends)]
    assert read_recording(written) == events
    assert read_recording(written.rstrip()) == events


def test_a_long_run_is_read_whole() -> None:
    """As many events as a log may hold, and more."""
    events: list[StreamEvent] = [TextDelta("wörd ", seq=seq, at=seq / 50) for seq in range(1, 12_000)]
    events.append(Done("completed", seq=12_000, at=240))
    assert read_recording(write_recording(events)) == events


# Damage


@given(runs(), st.data())
def test_a_changed_byte_is_refused_at_its_line_or_where_it_shows(
    events: list[StreamEvent], data: st.DataObject
) -> None:
    """Never before that line, and never with anything but a refusal. A line that cannot be read is itself the one."""
    lines = [*map(encode, events)]
    number = data.draw(st.integers(1, len(lines)))
    line = lines[number - 1]
    place = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != ord("\n")))
    lines[number - 1] = line[:place] + bytes([byte]) + line[place + 1 :]
    if refused := refusal(b"\n".join(lines)):
        where, code = refused
        assert where >= number
        assert where == number or code in ("out_of_order", "result_without_call")


@given(runs(), st.data())
def test_a_file_cut_anywhere_is_refused_at_its_last_line(events: list[StreamEvent], data: st.DataObject) -> None:
    """A download that broke off is never taken for a whole run."""
    written = write_recording(events)
    kept = written[: data.draw(st.integers(0, len(written) - 2))]
    whole, _, rest = kept.rpartition(b"\n")
    last = whole.count(b"\n") + bool(whole)
    if not kept:
        assert refusal(kept) == (1, "empty")
    elif not rest or rest in map(encode, events):
        assert refusal(kept) == (last + bool(rest), "no_done")
    else:
        assert refusal(kept) in ((last + 1, "not_json"), (last + 1, "not_text"))


@given(runs().filter(lambda run: len(run) > 2), st.data())
def test_a_missing_line_is_refused_where_the_next_one_stands(events: list[StreamEvent], data: st.DataObject) -> None:
    """Only the first may be missing: a recording begins at any seq."""
    number = data.draw(st.integers(2, len(events)))
    kept = events[: number - 1] + events[number:]
    expected = (number, "out_of_order") if number < len(events) else (number - 1, "no_done")
    assert refusal(write_recording(kept)) == expected


@given(runs().filter(lambda run: len(run) > 1), st.data())
def test_lines_in_another_order_are_refused(events: list[StreamEvent], data: st.DataObject) -> None:
    """At the first that is not where it belongs; when that is the first of all, at the one after it."""
    number = data.draw(st.integers(1, len(events) - 1))
    events[number - 1 : number + 1] = reversed(events[number - 1 : number + 1])
    refused = refusal(write_recording(events))
    assert refused
    if number > 1:
        assert refused == (number, "out_of_order")
    else:
        assert refused in ((2, "out_of_order"), (2, "after_done"), (1, "result_without_call"))


@given(runs(), st.data())
def test_a_line_twice_is_refused(events: list[StreamEvent], data: st.DataObject) -> None:
    """At its second place."""
    number = data.draw(st.integers(1, len(events)))
    events.insert(number, events[number - 1])
    code = "out_of_order" if number < len(events) - 1 else "after_done"
    assert refusal(write_recording(events)) == (number + 1, code)


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.lists(values).map(lambda lines: "\n".join(map(json.dumps, lines)).encode())
)
def test_whatever_comes_there_is_one_error_to_expect(data: bytes) -> None:
    """No other exception leaves the reader, and nothing that is no recording is taken for one."""
    assert refusal(data)


# Each code


DONE = '{"type":"done","seq":2,"at":1,"status":"completed"}'


def first(**fields: Any) -> str:
    """A line before DONE; a field that is None is left out."""
    event = {"type": "text_delta", "seq": 1, "at": 0.5, "step": 1, "content": "a"} | fields
    return json.dumps({name: value for name, value in event.items() if value is not None})


def test_the_line_of_the_examples_is_accepted() -> None:
    """So that each of them is refused for what it changes."""
    events = read_recording(f"{first()}\n{DONE}".encode())
    assert events == [
        TextDelta("a", seq=1, at=0.5),
        Done("completed", seq=2, at=1),
    ]


OF_ANOTHER_TYPE = [
    {"seq": True},
    {"seq": 1.0},
    {"seq": "1"},
    {"seq": 0},
    {"seq": None},
    {"at": False},
    {"at": "0"},
    {"at": -0.1},
    {"at": None},
    {"at": float("nan")},
    {"at": float("inf")},
    {"at": 10**400},
    {"step": True},
    {"step": 0},
    {"step": 1.5},
    {"seq_from": 2},
    {"seq_from": 0},
    {"seq_from": True},
    {"seq_from": 1, "type": "final_answer"},
    {"content": 1},
    {"content": ["a"]},
    {"content": None},
    {"type": None},
    {"type": "speech"},
    {"type": ["text_delta"]},
    {"type": "tool_call", "tool": "weather"},
    {"type": "tool_call", "call_id": "a"},
    {"type": "tool_call", "tool": 1, "call_id": "a"},
    {"type": "tool_call", "tool": "weather", "call_id": 1},
    {"type": "tool_call", "tool": "weather", "call_id": "a", "input": {"celsius": float("-inf")}},
    {"type": "tool_result", "tool": "weather", "result": 1},
    {"type": "retry"},
    {"type": "retry", "code": "timeout", "wait": "1"},
    {"type": "retry", "code": "timeout", "wait": -1},
    {"type": "error"},
    {"type": "error", "code": 500},
    {"type": "error", "code": "internal", "message": {}},
    {"type": "done"},
    {"type": "done", "status": "great"},
    {"type": "done", "status": ["completed"]},
    {"type": "done", "status": "completed", "usage": {}},
    {"type": "done", "status": "completed", "usage": 0},
    {"type": "done", "status": "completed", "usage": []},
    {"type": "done", "status": "completed", "usage": {"input_tokens": 1}},
    {"type": "done", "status": "completed", "usage": {"input_tokens": 1, "output_tokens": 1.5}},
    {"type": "done", "status": "completed", "usage": {"input_tokens": True, "output_tokens": 1}},
    {"type": "done", "status": "completed", "usage": {"input_tokens": -1, "output_tokens": 1}},
    {"type": "done", "status": "completed", "usage": {"input_tokens": 1, "output_tokens": 1, "estimated": 1}},
    {"type": "done", "status": "completed", "usage": {"input_tokens": 1, "output_tokens": 1, "price": 1}},
    {"volume": 11},
]


@pytest.mark.parametrize("fields", OF_ANOTHER_TYPE, ids=str)
def test_a_field_of_another_type_is_no_event(fields: dict[str, Any]) -> None:
    """Every field that is set holds what its readers count on, and what the event's type needs is set."""
    assert refusal(f"{first(**fields)}\n{DONE}".encode()) == (1, "not_an_event")


@pytest.mark.parametrize("line", ["1", "null", "[]", "{}", '"done"', "NaN", first().replace("0.5", "1e999")])
def test_json_of_another_kind_is_no_event(line: str) -> None:
    """Nor is a number that no float holds."""
    assert refusal(f"{line}\n{DONE}".encode()) == (1, "not_an_event")


CALL = first(type="tool_call", content=None, tool="weather", call_id="a")
RESULT = first(type="tool_result", content=None, tool="weather", call_id="a")


def at(seq: int, line: str) -> str:
    return json.dumps(json.loads(line) | {"seq": seq})


@pytest.mark.parametrize(
    ("lines", "line", "code"),
    [
        ([], 1, "empty"),
        (["", " ", "\t", "\r"], 1, "empty"),
        (["\ufeff"], 1, "empty"),
        (["{"], 1, "not_json"),
        ([first(), "", DONE[:-1]], 3, "not_json"),
        ([first() + first(), DONE], 1, "not_json"),
        ([first() + "\r" + DONE], 1, "not_json"),
        ([first(), "\ufeff" + DONE], 2, "not_json"),
        ([first(content=0).replace("0}", "1" * 5_000 + "}"), DONE], 1, "not_json"),
        (["[" * 100_000], 1, "not_json"),
        ([first(input=0).replace("0}", "[" * 100_000 + "]" * 100_000 + "}"), DONE], 1, "not_json"),
        ([first(), first(), DONE], 2, "out_of_order"),
        ([first(), at(3, DONE)], 2, "out_of_order"),
        ([first(at=1.5), DONE], 2, "out_of_order"),
        ([first(), at(4, first(seq_from=3)), at(5, DONE)], 2, "out_of_order"),
        ([first(), at(2, first(seq_from=1)), at(3, DONE)], 2, "out_of_order"),
        ([first(), DONE, ""], None, None),
        ([first(), DONE, "", at(3, DONE)], 4, "after_done"),
        ([first(), DONE, at(3, first(at=1))], 3, "after_done"),
        ([first(), DONE, "rubbish"], 3, "after_done"),
        ([first()], 1, "no_done"),
        ([first(), "", at(2, first()), "", ""], 3, "no_done"),
        ([RESULT, DONE], 1, "result_without_call"),
        ([CALL, at(2, RESULT.replace('"a"', '"b"')), at(3, DONE)], 2, "result_without_call"),
        ([CALL, at(2, RESULT), at(3, RESULT), at(4, DONE)], 3, "result_without_call"),
        ([CALL, at(2, RESULT), at(3, CALL), at(4, RESULT), at(5, DONE)], None, None),
        ([at(7, first(seq_from=3)), at(9, first(seq_from=8)), at(10, DONE)], None, None),
        ([first(usage=None), DONE], None, None),
    ],
)
def test_each_flaw_has_its_line_and_its_code(
    lines: list[str], line: int | None, code: RecordingErrorCode | None
) -> None:
    """The reader is told where to look, and what for."""
    assert refusal("\n".join(lines).encode()) == ((line, code) if line else None)


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xff\xfe{\0}\0"])
def test_what_is_no_utf8_is_no_text(bad: bytes) -> None:
    """Other encodings are not guessed."""
    assert refusal(first().encode() + b"\r\n\r\n" + bad + b"\n" + DONE.encode()) == (3, "not_text")


def test_there_is_a_largest_number_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one beyond it is refused, unread."""
    monkeypatch.setattr(recording, "MAX_EVENTS", 2)
    assert refusal(f"{first()}\n{DONE}".encode()) is None
    assert refusal(f"{first()}\n\n{at(2, first())}\nrubbish".encode()) == (4, "too_many")


def test_there_is_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes, refused before anything is read, at the line that goes beyond it."""
    data = f"{first()}\n{DONE}".encode()
    monkeypatch.setattr(recording, "MAX_BYTES", len(data))
    assert len(read_recording(data)) == 2
    assert refusal(data + b" ") == (2, "too_large")


def test_the_message_holds_nothing_of_the_file() -> None:
    """It can be logged or shown, whatever was uploaded."""
    with pytest.raises(BrokenRecording, match=r"^line 1: not_json$"):
        read_recording(b"a secret")
