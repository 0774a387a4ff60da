"""Whether the machine was quiet enough for the figures to be true."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from streamlab.latency.figures import Spread, spread
from streamlab.latency.observation import Observation

MEDIAN_ERROR = 0.005  # seconds
P95_ERROR = 0.015
P95_LATE = 0.015

Reason = Literal["ttft_error", "gap_error", "late"]


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
        found: list[Reason] = []
        if _beyond(self.ttft_error):
            found.append("ttft_error")
        if _beyond(self.gap_error):
            found.append("gap_error")
        if self.late is not None and self.late > P95_LATE:
            found.append("late")
        return tuple(found)

    @property
    def noisy(self) -> bool:
        return bool(self.reasons)


def noise(observations: Sequence[Observation]) -> Noise:
    """Of all calls that are no warm-up and came to their end."""
    counted = [seen for seen in observations if not seen.warm_up and seen.error is None]
    late = float(np.percentile([seen.late for seen in counted], 95)) if counted else None
    return Noise(
        spread([error for seen in counted if (error := first_error(seen)) is not None]),
        spread([error for seen in counted for error in gap_errors(seen)]),
        late,
    )


def first_error(observation: Observation) -> float | None:
    """Seconds from the first write to the first text, absolute."""
    if not observation.written or observation.ttft is None:
        return None
    return abs(observation.ttft - observation.written[0])


def gap_errors(observation: Observation) -> list[float]:
    """Of each gap, when chunk for chunk is known."""
    written = observation.written or ()
    if len(written) != len(observation.chunk_times):
        return []
    there = [after - before for before, after in pairwise(written)]
    return [abs(here - truth) for here, truth in zip(observation.gaps, there, strict=True)]


def _beyond(error: Spread | None) -> bool:
    return error is not None and (error.median > MEDIAN_ERROR or error.p95 > P95_ERROR)
