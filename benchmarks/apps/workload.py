"""Text events at a pace, without a model: what each measured server delivers."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streamlab.events.event import StreamEvent, TextDelta, Thinking
from streamlab.runs.chain import Clock

WORDS = ("Each ", "token ", "is ", "sent ", "while ", "the ", "next ", "comes ")  # five characters on average


@dataclass(frozen=True, slots=True)
class Workload:
    """`count` text events, `rate` a second; 0: as fast as they are taken.

    Events of one step may be merged for a reader that lags; in `turns` of two steps none ever is.
    """

    count: int
    rate: float = 0.0
    type: Literal["text_delta", "thinking"] = "text_delta"
    turns: bool = False

    def events(self, clock: Clock) -> Iterator[tuple[float, StreamEvent]]:
        """Yield each event, made at that moment, with the seconds until the next is due."""
        kind = TextDelta if self.type == "text_delta" else Thinking
        began = clock()
        words = itertools.cycle(WORDS)
        for number in range(1, self.count + 1):
            now = clock()
            due = began + number / self.rate if self.rate else now
            step = 1 + number % 2 if self.turns else 1
            yield max(0.0, due - now), kind(next(words), seq=number, at=now, step=step)
