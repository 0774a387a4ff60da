"""The signals that end a server, for who has something to do first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)

End = Callable[[], object]
Handler = Callable[[int, FrameType | None], object]


@contextmanager
def taking_signals(take: Callable[[End], None]) -> Iterator[None]:
    """Call `take` for each of these signals within the block, with what would have been done instead."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears of signals, and its owner deals with them
        return
    former: dict[int, Handler] = {
        number: handler for number in SIGNALS if callable(handler := signal.getsignal(number))
    }

    def hear(number: int, frame: FrameType | None) -> None:
        take(lambda: former[number](number, None))

    for number in former:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number, handler in former.items():
            if signal.getsignal(number) == hear:
                signal.signal(number, handler)
