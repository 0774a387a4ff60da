"""Text events that no model makes, at a pace: what is to be delivered, for whichever server delivers it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from streamlab.events import StreamEvent, TextDelta, Thinking
from streamlab.runs.chain import Clock

WORDS = ("Each ", "token ", "is ", "sent ", "while ", "the ", "next ", "comes ")  # five characters on average


@dataclass(frozen=True, slots=True)
class Prepared:
    """`count` events, `rate` a second; 0: as fast as they are taken. Those of a step may be merged on their way to a
    reader that lags; in `turns` of two steps none ever is.
    """

    count: int
    rate: float = 0.0
    type: Literal["text_delta", "thinking"] = "text_delta"
    turns: bool = False

    def events(self, clock: Clock) -> Iterator[tuple[float, StreamEvent]]:
        """Each event, made in the moment that it is taken, and after how many seconds the next is due."""
        kind = TextDelta if self.type == "text_delta" else Thinking
        began = clock()
        words = itertools.cycle(WORDS)
        for number in range(1, self.count + 1):
            now = clock()
            due = began + number / self.rate if self.rate else now
            step = 1 + number % 2 if self.turns else 1
            yield max(0.0, due - now), kind(next(words), seq=number, at=now, step=step)
