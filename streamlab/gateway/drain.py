"""Leaving in peace: a signal that ends the server first ends its runs and then its streams.

So clients have their run's end, or go on elsewhere.

The web server waits for open responses before it tells the application that it ends, and a stream does not end by
itself. So the signal is taken first, and handed on when everyone has gone.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from streamlab.gateway.gateway import NOTICE, Gateway

SIGNALS = (signal.SIGTERM, signal.SIGINT)

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def draining_on_signals(gateway: Gateway, notice: float = NOTICE) -> Iterator[None]:
    """Drain the gateway first when a signal ends the server within the block. A second one is not kept waiting."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears of signals, and its owner deals with them
        return
    loop = asyncio.get_running_loop()
    servers: dict[int, Handler] = {
        number: handler for number in SIGNALS if callable(handler := signal.getsignal(number))
    }
    drains: set[asyncio.Task[None]] = set()  # which the loop itself would let go

    def take(number: int, frame: FrameType | None) -> None:
        if gateway.leaving:
            servers[number](number, None)
        else:
            gateway.leaving = True
            loop.call_soon_threadsafe(leave, number)

    def leave(number: int) -> None:
        task = asyncio.create_task(gateway.drain(notice), name="drain")
        task.add_done_callback(lambda done: done.cancelled() or servers[number](number, None))
        drains.add(task)

    for number in servers:
        signal.signal(number, take)
    try:
        yield
    finally:
        for drain in drains:  # a second signal did not wait for it
            drain.cancel()
        for number, server in servers.items():
            if signal.getsignal(number) == take:
                signal.signal(number, server)
