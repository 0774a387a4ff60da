"""What may falsify the figures: something in between that holds a stream back, or a machine that is too busy."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from streamlab.latency.figures import Spread, spread
from streamlab.latency.observation import Observation
from streamlab.latency.plan import Way

FEWEST_CHUNKS = 10  # fewer may well lie in one packet
CHUNKS_A_WAIT = 5  # a server that writes each chunk as it is made is read in ones and twos
HELD = 0.2  # seconds: a reader does not notice less

MEDIAN_ERROR = 0.005  # seconds
P95_ERROR = 0.015
P95_LATE = 0.015

Reason = Literal["ttft_error", "gap_error", "late"]


@dataclass(frozen=True, slots=True)
class Buffering:
    """`held` of `n` streams came in bunches, or whole at their end; `suspected` when most did."""

    model: str
    way: Way
    n: int
    held: int

    @property
    def suspected(self) -> bool:
        return 2 * self.held > self.n


def buffering(observations: Sequence[Observation], model: str, way: Way) -> Buffering:
    """Count the held streams of a model in one way, whatever was asked."""
    calls = [seen for seen in observations if (seen.model, seen.way, seen.warm_up) == (model, way, False)]
    mine = [seen for seen in calls if seen.usable and _can_tell(seen)]
    return Buffering(model, way, len(mine), sum(map(is_held, mine)))


def is_held(observation: Observation) -> bool:
    """Tell whether the stream came in bunches: a wait of 0.2 s or more, and five chunks or more for each wait.

    A first text that is late and gaps near zero are not evidence enough: a model may think for 2 s and then write
    for 0.2 s. But it writes chunk by chunk, so that a reader who is faster than the model waits before each. Chunks
    that lay ready together had waited somewhere, all at the answer's end or a buffer's fill at a time, and the gaps
    between them are only what it takes to read them. What this cannot tell from a buffer is a model faster than
    this reader, which takes in some 1,500 chunks a second; gaps alone would accuse every model of 500 a second.
    """
    longest = max([observation.ttft or 0.0, *observation.gaps])
    bunched = len(observation.chunk_times) >= CHUNKS_A_WAIT * max(1, observation.waits)
    return _can_tell(observation) and longest >= HELD and bunched


def _can_tell(observation: Observation) -> bool:
    return observation.streamed and len(observation.chunk_times) >= FEWEST_CHUNKS


@dataclass(frozen=True, slots=True)
class Noise:
    """Absolute errors in seconds against the server's own record, None where it keeps none; and the lateness.

    `ttft_error`: between the write of the first chunk (of an invoke: of the body) and its arrival here; `gap_error`:
    by how much a gap between chunks differs here from there; `late`: 95th percentile over the calls' own.
    """

    ttft_error: Spread | None
    gap_error: Spread | None
    late: float | None

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What was beyond its bound: 5 ms at the median or 15 ms at p95 for an error, 15 ms for the lateness."""
        found: dict[Reason, bool] = {
            "ttft_error": _beyond(self.ttft_error),
            "gap_error": _beyond(self.gap_error),
            "late": self.late is not None and self.late > P95_LATE,
        }
        return tuple(reason for reason, beyond in found.items() if beyond)

    @property
    def noisy(self) -> bool:
        return bool(self.reasons)


def noise(observations: Sequence[Observation]) -> Noise:
    """Sum up the noise in all calls that are no warm-up and came to their end."""
    good = [seen for seen in observations if not seen.warm_up and seen.error is None]
    late = spread([seen.late for seen in good])
    gaps = [error for seen in good for error in gap_errors(seen)]
    return Noise(spread(list(map(first_error, good))), spread(gaps), late.p95 if late else None)


def first_error(observation: Observation) -> float | None:
    """Return the seconds between the first write and the first text; None when one of them is not known."""
    if not observation.written or observation.ttft is None:
        return None
    return abs(observation.ttft - observation.written[0])


def gap_errors(observation: Observation) -> list[float]:
    """Return by how much each gap differs from the server's, where the server's is known chunk for chunk."""
    written = observation.written or ()
    if len(written) != len(observation.chunk_times):
        return []
    there = [after - before for before, after in pairwise(written)]
    return [abs(here - truth) for here, truth in zip(observation.gaps, there, strict=True)]


def _beyond(error: Spread | None) -> bool:
    return error is not None and (error.median > MEDIAN_ERROR or error.p95 > P95_ERROR)
