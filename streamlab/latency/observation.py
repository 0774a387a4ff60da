"""What one call was like: raw times and counts, from which everything else is derived."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Annotated, Protocol

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter

from streamlab.latency.plan import PromptLength, Way
from streamlab.text.tables import harmless

DIGITS = 6  # microseconds: no clock of a network is finer

Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Moment = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Positive = Annotated[int, Field(ge=1, le=10**12)]


class Sided(Protocol):
    """What belongs to one side of a comparison."""

    @property
    def model(self) -> str: ...
    @property
    def way(self) -> Way: ...
    @property
    def prompt_length(self) -> int | None: ...
    @property
    def repeated(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: who was asked, how, and for a long prompt how long and whether once more."""

    model: str
    way: Way
    prompt_length: int | None = None
    repeated: bool = False


def side_of(one: Sided) -> Side:
    return Side(one.model, one.way, one.prompt_length, one.repeated)


@dataclass(frozen=True, slots=True)
class Observation:
    """One call. Times are seconds since just before the request, by a monotonic clock, to the microsecond.

    No text of the answer is kept, for it may be private. A failed call keeps the times that it came to, has an
    `error` and no `e2e`.

    - `pair`: 1, 2, 3 …; 0 for a warm-up
    - `ttfe`: the first event of any kind, such as a chunk that only names the role; through a gateway, of the run,
      but for the one that says that work has begun
    - `ttft`: the first text
    - `e2e`: the end of a stream, when its iterator ended: after the last text, the usage, `[DONE]` and the rest of the
      body; or the return of invoke, whose `ttfe` and `ttft` are the same
    - `chunk_times`, `chunk_characters`: one for each chunk with text; a gateway's events may each hold several
    - `tokens`: of the visible text; `tokens_estimated` from it when the server did not say, also when it told what it
      wrote and not how much of that was reasoning
    - `reading`: how long people take to read the text
    - `streamed`: what went over the wire was an event stream, whatever the program asked for
    - `waits`: how often the next bytes of the body had to be waited for; the rest lay ready
    - `error`: a code of `models.failures`, one that begins with `gateway_`, `client_broke` where
      the stock client could not read the answer, or `no_text` for one without any
    - `late`: how late a thread woke that sleeps for 10 ms at a time, 95th percentile over the call
    - `written`: when the server wrote each chunk, or the body, by its own account; None when that is not known. What
      comes through a gateway is late by what the gateway takes, so there it is no measure of error, and None
    - `thought`: the stream brought reasoning, whatever the program was given of it
    - `sent_tokens`: all that the stream brought, as the server reported it: text, calls, and reasoning where `thought`
    - `prompt_length`: the tokens, as estimated, to which the prompt was made long; None where it was asked as it is
    - `repeated`: it was the prompt of the call just before, which a prefix cache may have had
    - `prompt_tokens`: those of the prompt, as the server reported them, and of these `cached_tokens` were in its cache

    What former versions did not write is None, and not known; their `e2e` is the last event of the stream.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    pair: Count
    way: Way
    model: str
    warm_up: bool
    ttfe: Seconds | None
    ttft: Seconds | None
    e2e: Seconds | None
    chunk_times: tuple[Seconds, ...]
    chunk_characters: tuple[Positive, ...]
    tokens: Count | None
    tokens_estimated: bool
    reading: Seconds
    streamed: bool
    waits: Count
    error: Annotated[str, Field(pattern="^[a-z_]{1,40}$")] | None
    late: Seconds
    written: tuple[Moment, ...] | None
    thought: bool | None = None
    sent_tokens: Count | None = None
    prompt_length: PromptLength | None = None
    repeated: bool = False
    prompt_tokens: Count | None = None
    cached_tokens: Count | None = None

    @property
    def last_text(self) -> float | None:
        """When the last text came."""
        return self.chunk_times[-1] if self.chunk_times else None

    @property
    def gaps(self) -> list[float]:
        """Seconds between neighbouring chunks."""
        return [after - before for before, after in pairwise(self.chunk_times)]

    @property
    def usable(self) -> bool:
        """Whether its figures count: it came to its end, and an invoke that streamed underneath is no invoke."""
        return self.error is None and not self.streamed_underneath

    @property
    def streamed_underneath(self) -> bool:
        return self.way == "invoke" and self.streamed

    @property
    def too_long(self) -> bool:
        """Whether a prompt that was made long did not fit into the model's context, which is no failure of the call."""
        return self.prompt_length is not None and self.error == "context_too_long"


def counted(observations: Iterable[Observation], side: Side) -> list[Observation]:
    """Return the calls of one side, without the warm-ups."""
    return [seen for seen in observations if not seen.warm_up and side_of(seen) == side]


_ADAPTER = TypeAdapter(Observation)


def encode_observation(observation: Observation) -> bytes:
    """Write one line of JSON, without its end."""
    return json.dumps(asdict(observation), ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


def decode_observation(line: bytes) -> Observation:
    """Read one line of JSON, strictly. Raises ValueError, also for times that cannot follow each other."""
    observation = _ADAPTER.validate_json(line)
    check_times(observation)
    return observation


def check_times(observation: Observation) -> None:
    """Check the order of the times. Raises ValueError for one that no call can have had."""
    times = observation.chunk_times
    moments = [time for time in (observation.ttfe, *times, observation.e2e) if time is not None]
    holds = (
        moments == sorted(moments)
        and len(times) == len(observation.chunk_characters)
        and observation.ttft == (times[0] if times else None)
        and (observation.ttfe is not None or not times)
        and (observation.e2e is None) == (observation.error is not None)
        and (observation.error is not None or bool(times))
        and observation.warm_up == (observation.pair == 0)
        and (observation.way != "invoke" or (len(set(moments)) <= 1 and len(times) <= 1))  # all came at one moment
        and list(observation.written or ()) == sorted(observation.written or ())
    )
    if not holds:
        raise ValueError("times out of order")


def write_lines(observations: Iterable[Observation]) -> bytes:
    r"""Write JSON lines in UTF-8, each ended by "\n"."""
    return b"".join(encode_observation(observation) + b"\n" for observation in observations)


def write_csv(observations: Iterable[Observation]) -> bytes:
    """Write a table in UTF-8, a row for each call. Lists are told by count, sum, median and 95th percentile."""
    text = io.StringIO()
    writer = csv.writer(text)
    lists = ("chunk_times", "chunk_characters", "written")
    names = [field.name for field in fields(Observation) if field.name not in lists]
    writer.writerow([*names, "last_text", "chunks", "characters", "gap_p50", "gap_p95"])
    for observation in observations:
        single = (getattr(observation, name) for name in names)
        values = [harmless(value) if isinstance(value, str) else value for value in single]
        gaps = observation.gaps
        middle, high = (round(float(np.percentile(gaps, share)), DIGITS) if gaps else None for share in (50, 95))
        characters = sum(observation.chunk_characters)
        writer.writerow([*values, observation.last_text, len(observation.chunk_times), characters, middle, high])
    return text.getvalue().encode("utf-8", "backslashreplace")
