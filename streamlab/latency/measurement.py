"""A measurement as a file: written whole, read strictly. It may come from anywhere."""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from streamlab.latency.observation import Observation, Side, check_times, decode_observation, side_of
from streamlab.latency.plan import MOST_CALLS, Plan
from streamlab.latency.summary import Summary, as_json, summarize

VERSION = 1
MAX_BYTES = 20 * 1024 * 1024
MAX_OBSERVATIONS = MOST_CALLS

MeasurementProblem = Literal[
    "too_large", "not_text", "not_json", "empty", "not_a_measurement", "unknown_version", "not_an_observation",
    "times_out_of_order", "called_twice", "too_many",
]  # fmt: skip


class BrokenMeasurement(ValueError):
    """What is wrong, as a `code` to make a sentence of, and the 1-based `line` of JSON lines; None in a document."""

    def __init__(self, code: MeasurementProblem, line: int | None = None) -> None:
        super().__init__(code if line is None else f"line {line}: {code}")
        self.code: str = code
        self.line = line

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be pickled: what it was made of, and what it knows."""
        return type(self), (self.code, self.line), self.__dict__


class Machine(BaseModel):
    """What it was measured on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    python: Annotated[str, Field(max_length=200)]
    platform: Annotated[str, Field(max_length=200)]
    cpus: Annotated[int, Field(ge=1, le=100_000)] | None

    @classmethod
    def this(cls) -> Self:
        return cls(python=platform.python_version(), platform=platform.platform()[:200], cpus=os.cpu_count())


@dataclass(frozen=True, slots=True)
class Measurement:
    """Observations, and what is known of how they were made: of JSON lines, nothing.

    `complete`: every call of the plan was made.
    """

    observations: tuple[Observation, ...]
    plan: Plan | None = None
    made_at: datetime | None = None
    machine: Machine | None = None
    complete: bool | None = None

    @property
    def summary(self) -> Summary:
        """Always of the observations, whatever a file says that they amount to. Takes a moment."""
        target: float = self.plan.target if self.plan else Plan.model_fields["target"].default
        return summarize(self.observations, target, self.plan.models if self.plan else ())


def write_measurement(
    observations: Sequence[Observation], plan: Plan, made_at: datetime, *, complete: bool, summary: bool = True
) -> bytes:
    """Write the document as UTF-8, an observation a line. The `summary` takes a moment, and nobody reads it back."""
    head = {
        "version": VERSION,
        "plan": plan.model_dump(mode="json"),
        "made_at": made_at.astimezone(UTC).isoformat(timespec="seconds"),
        "machine": Machine.this().model_dump(),
        "complete": complete,
    }
    parts = [f'"{name}": {_json(value)}' for name, value in head.items()]
    lines = ",\n".join(_json(asdict(observation)) for observation in observations)
    parts.append(f'"observations": [\n{lines}\n]')
    if summary:
        parts.append(f'"summary": {_json(as_json(summarize(observations, plan.target, plan.models)))}')
    return ("{" + ",\n".join(parts) + "}\n").encode("utf-8", "backslashreplace")


def read_measurement(data: bytes, most: float = MAX_BYTES) -> Measurement:
    """Read the document, or JSON lines of observations. Raises BrokenMeasurement for anything else.

    It comes from anywhere, so it may have `most` so many bytes; what was written here may have any number.
    """
    if len(data) > most:
        raise BrokenMeasurement("too_large")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenMeasurement("not_text", data.count(b"\n", 0, error.start) + 1) from None
    if not text.strip():
        raise BrokenMeasurement("empty")
    document = _document(text)
    return _read_lines(text) if document is None else _read_document(document)


def check_measurement(data: bytes) -> None:
    """Read it as `read_measurement` does. Raises BrokenMeasurement."""
    read_measurement(data)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _document(text: str) -> dict[str, Any] | None:
    """Parse the text as one document; return None when it is JSON lines, also a single one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        with suppress(ValueError, RecursionError):
            if "\n" in text and isinstance(json.loads(text.strip().partition("\n")[0]), dict):
                return None
        raise BrokenMeasurement("not_json") from None
    if not isinstance(value, dict):
        raise BrokenMeasurement("not_a_measurement")
    return None if "pair" in value else value


def _read_lines(text: str) -> Measurement:
    lines = enumerate(text.split("\n"), 1)
    return Measurement(tuple(_each_once((number, _decoded(line, number)) for number, line in lines if line.strip())))


def _decoded(line: str, number: int) -> Observation:
    try:
        return decode_observation(line.encode())
    except ValidationError as error:
        invalid = error.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid"
        raise BrokenMeasurement("not_json" if invalid else "not_an_observation", number) from None
    except ValueError:
        raise BrokenMeasurement("times_out_of_order", number) from None


def _each_once(numbered: Iterable[tuple[int | None, Observation]]) -> Iterator[Observation]:
    """Yield the observations. A call of a pair is made once; of warm-ups there may be several."""
    seen: set[tuple[int, Side]] = set()
    for count, (line, observation) in enumerate(numbered, 1):
        if count > MAX_OBSERVATIONS:
            raise BrokenMeasurement("too_many", line)
        key = (observation.pair, side_of(observation))
        if not observation.warm_up and key in seen:
            raise BrokenMeasurement("called_twice", line)
        seen.add(key)
        yield observation


class _Document(BaseModel):
    """The summary is accepted and not read."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: Literal[1]
    plan: Plan
    made_at: AwareDatetime
    machine: Machine
    complete: bool
    observations: tuple[Observation, ...]
    summary: Any = None


def _read_document(document: dict[str, Any]) -> Measurement:
    if document.get("version") != VERSION or isinstance(document.get("version"), bool):
        raise BrokenMeasurement("unknown_version" if "version" in document else "not_a_measurement")
    try:
        # Through JSON again: only there is a list a tuple to a strict reader.
        read = _Document.model_validate_json(json.dumps({**document, "summary": None}))
    except ValidationError as error:
        place = error.errors(include_url=False, include_input=False)[0]["loc"]
        raise BrokenMeasurement("not_an_observation" if "observations" in place else "not_a_measurement") from None
    except (ValueError, RecursionError):
        raise BrokenMeasurement("not_a_measurement") from None
    try:
        for observation in _each_once((None, each) for each in read.observations):
            check_times(observation)
    except BrokenMeasurement:
        raise
    except ValueError:
        raise BrokenMeasurement("times_out_of_order") from None
    return Measurement(read.observations, read.plan, read.made_at, read.machine, read.complete)
