"""Leaving in peace: a signal that ends the server first ends its runs and then its streams.

So clients have their run's end, or go on elsewhere.

The web server waits for open responses before it tells the application that it ends, and a stream does not end by
itself. So the signal is taken first, and handed on when everyone has gone.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from streamlab.gateway.gateway import NOTICE, Gateway
from streamlab.process.signals import End, taking_signals


@contextmanager
def draining_on_signals(gateway: Gateway, notice: float = NOTICE) -> Iterator[None]:
    """Drain the gateway first when a signal ends the server within the block. A second one is not kept waiting."""
    loop = asyncio.get_running_loop()
    drains: set[asyncio.Task[None]] = set()  # which the loop itself would let go

    def take(end: End) -> None:
        if gateway.leaving:
            end()
        else:
            gateway.leaving = True
            loop.call_soon_threadsafe(leave, end)

    def leave(end: End) -> None:
        task = asyncio.create_task(gateway.drain(notice), name="drain")
        task.add_done_callback(lambda done: done.cancelled() or end())
        drains.add(task)

    try:
        with taking_signals(take):
            yield
    finally:
        for drain in drains:  # a second signal did not wait for it
            drain.cancel()
