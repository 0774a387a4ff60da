"""Files of measurements: read as they were written, and refused at the line that is broken."""

import csv
import io
import json
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.latency import measurement
from streamlab.latency.disturbance import noise
from streamlab.latency.measurement import BrokenMeasurement, read_measurement, write_measurement
from streamlab.latency.observation import Observation, write_csv, write_lines
from streamlab.latency.summary import as_json
from tests.observations import failed, measurements, plan_of, streamed


def document(seen: list[Observation], **fields: Any) -> bytes:
    return write_measurement(seen, plan_of(**fields), datetime(2025, 1, 31, 9, 30, tzinfo=UTC), complete=True)


@given(measurements)
def test_reading_gives_what_was_written(seen: list[Observation]) -> None:
    """As a document and as JSON lines, also after an editor put a byte order mark and CRLF into it."""
    assert list(read_measurement(document(seen)).observations) == seen
    assert list(read_measurement(write_lines(seen)).observations) == seen
    edited = b"\xef\xbb\xbf" + write_lines(seen).replace(b"\n", b"\r\n\r\n")
    assert list(read_measurement(edited).observations) == seen


def test_a_document_says_how_it_was_made() -> None:
    """Plan, time, machine and whether it came to its end are read back, and are JSON as promised."""
    data = document([streamed([0.1, 0.2]), failed(pair=2)], pairs=2, target=0.5)
    read = read_measurement(data)
    assert read.plan == plan_of(pairs=2, target=0.5)
    assert read.made_at == datetime(2025, 1, 31, 9, 30, tzinfo=UTC)
    assert read.machine
    assert read.machine.python.startswith("3.")
    assert read.complete is True
    plain = json.loads(data)
    assert list(plain) == ["version", "plan", "made_at", "machine", "complete", "observations", "summary"]
    assert plain["summary"] == as_json(read.summary)
    assert plain["observations"][0] | {"chunk_times": (0.1, 0.2), "chunk_characters": (5, 5)} == asdict(
        streamed([0.1, 0.2])
    )


def test_a_summary_in_a_file_is_not_believed() -> None:
    """It is made again of the observations."""
    plain = json.loads(document([streamed([0.1, 0.2])]))
    honest = read_measurement(json.dumps(plain).encode()).summary
    plain["summary"] = {"figures": "all splendid"}
    assert read_measurement(json.dumps(plain).encode()).summary == honest
    assert honest.figures[0].ttft
    assert honest.figures[0].ttft.median == 0.1


def line(**fields: Any) -> bytes:
    return json.dumps(asdict(streamed([0.1, 0.2])) | fields).encode()


@pytest.mark.parametrize(
    ("data", "code", "at"),
    [
        (b"", "empty", None),
        (b" \n\n", "empty", None),
        (b"\xff", "not_text", 1),
        (line() + b"\n\xff\xfe", "not_text", 2),
        (b"{", "not_json", None),
        (b"[" * 100_000, "not_json", None),
        (b"1" * 5_000, "not_json", None),
        (b"pair,way\n1,stream", "not_json", None),
        (b"[]", "not_a_measurement", None),
        (b"null", "not_a_measurement", None),
        (b"{}", "not_a_measurement", None),
        (b'{"version": 2}', "unknown_version", None),
        (b'{"version": true}', "unknown_version", None),
        (b'{"version": 1}', "not_a_measurement", None),
        (line() + b"\n\n{", "not_json", 3),
        (line() + b"\n[]", "not_an_observation", 2),
        (line() + b"\n" + line(), "called_twice", 2),
        (line(pair="1"), "not_an_observation", 1),
        (line(pair=True), "not_an_observation", 1),
        (line(way="batch"), "not_an_observation", 1),
        (line(ttft=None), "times_out_of_order", 1),
        (line(ttft=0.15), "times_out_of_order", 1),
        (line(ttfe=-0.1), "not_an_observation", 1),
        (line(ttfe=0.11), "times_out_of_order", 1),
        (line(e2e=float("nan")), "not_an_observation", 1),
        (line(e2e=float("inf")), "not_an_observation", 1),
        (line(e2e=0.15), "times_out_of_order", 1),
        (line(e2e=None), "times_out_of_order", 1),
        (line(chunk_times=[0.1, 0.05]), "times_out_of_order", 1),
        (line(chunk_times=[0.1]), "times_out_of_order", 1),
        (line(chunk_times=[], chunk_characters=[], ttft=None), "times_out_of_order", 1),
        (line(chunk_characters=[5, 0]), "not_an_observation", 1),
        (line(written=[0.2, 0.1]), "times_out_of_order", 1),
        (line(written=[float("nan")]), "not_an_observation", 1),
        (line(warm_up=True), "times_out_of_order", 1),
        (line(error="auth"), "times_out_of_order", 1),
        (line(error="Incorrect API key sk-123"), "not_an_observation", 1),
        (line(way="invoke"), "times_out_of_order", 1),
        (line(text="private"), "not_an_observation", 1),
        (line(tokens=1.5), "not_an_observation", 1),
    ],
)  # fmt: skip
def test_each_flaw_has_its_code_and_its_line(data: bytes, code: str, at: int | None) -> None:
    """What is no measurement is refused, and the reader told where to look."""
    with pytest.raises(BrokenMeasurement) as broken:
        read_measurement(data)
    assert (broken.value.code, broken.value.line) == (code, at)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("plan", {}, "not_a_measurement"),
        ("plan", None, "not_a_measurement"),
        ("made_at", "yesterday", "not_a_measurement"),
        ("made_at", "2025-01-31T09:30:00", "not_a_measurement"),
        ("machine", {"python": "3.11"}, "not_a_measurement"),
        ("complete", 1, "not_a_measurement"),
        ("observations", {}, "not_an_observation"),
        ("observations", [{}], "not_an_observation"),
        ("observations", [json.loads(line(e2e=0.15))], "times_out_of_order"),
        ("observations", [json.loads(line())] * 2, "called_twice"),
        ("author", "me", "not_a_measurement"),
    ],
)
def test_each_field_of_a_document_is_checked(name: str, value: Any, code: str) -> None:
    """Fields, types, and what the observations say of each other."""
    plain = json.loads(document([streamed([0.1, 0.2])]))
    with pytest.raises(BrokenMeasurement) as broken:
        read_measurement(json.dumps(plain | {name: value}).encode())
    assert broken.value.code == code


@given(measurements, st.data())
def test_whatever_is_changed_there_is_one_error_to_expect(seen: list[Observation], data: st.DataObject) -> None:
    """A byte changed or the end cut off: read, or refused by a code."""
    written = data.draw(st.sampled_from([document(seen), write_lines(seen)]))
    place = data.draw(st.integers(0, len(written) - 1))
    byte = bytes([data.draw(st.integers(0, 255))])
    for damaged in (written[:place], written[:place] + byte + written[place + 1 :]):
        with suppress(BrokenMeasurement):
            noise(read_measurement(damaged).observations)


def test_there_is_a_largest_size_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before anything is read, and at the line that is one too many."""
    data = write_lines([streamed([0.1], pair=number) for number in (1, 2, 3)])
    monkeypatch.setattr(measurement, "MAX_OBSERVATIONS", 2)
    with pytest.raises(BrokenMeasurement, match=r"^line 3: too_many$"):
        read_measurement(data)
    with pytest.raises(BrokenMeasurement, match=r"^too_large$"):
        read_measurement(data, len(data) - 1)


def test_a_table_has_a_row_for_each_call() -> None:
    """Times as they are, lists by their count and percentiles; a name is never a spreadsheet's formula."""
    table = write_csv([streamed([0.1, 0.2, 0.4], model="=1+1"), failed(pair=2)]).decode()
    first, second = csv.DictReader(io.StringIO(table))
    assert (first["ttft"], first["e2e"], first["chunks"], first["characters"]) == ("0.1", "0.4", "3", "15")
    assert (first["gap_p50"], first["gap_p95"]) == ("0.15", "0.195")
    assert first["model"] == "'=1+1"
    assert (second["error"], second["e2e"], second["gap_p50"]) == ("auth", "", "")
