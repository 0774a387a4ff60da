"""Whether something between the model and the reader holds the stream back."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamlab.latency.observation import Observation
from streamlab.latency.plan import Way

FEWEST_CHUNKS = 10  # fewer may well lie in one packet
CHUNKS_A_WAIT = 5  # a server that writes each chunk as it is made is read in ones and twos
HELD = 0.2  # seconds: a reader does not notice less


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
    mine = [
        seen
        for seen in observations
        if (seen.model, seen.way, seen.warm_up) == (model, way, False) and seen.usable and _can_tell(seen)
    ]
    return Buffering(model, way, len(mine), sum(map(is_held, mine)))


def is_held(observation: Observation) -> bool:
    """The stream came in bunches: after a wait of 0.2 s or more, and five chunks or more for each wait on the network.

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
