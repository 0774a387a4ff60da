"""Leaving in peace: a signal that ends the server first ends its streams, so that clients go on elsewhere.

The web server waits for open responses before it tells the application that it ends, and a stream does not end by
itself. So the signal is taken first, and handed on when everyone has gone.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from streamlab.gateway.gateway import NOTICE, Gateway

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def draining_on_signals(gateway: Gateway, notice: float = NOTICE) -> Iterator[None]:
    """Drain the gateway first when a signal ends the server within the block. A second one is not kept waiting."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears of signals, and its owner deals with them
        return
    handlers = [handler for number in SIGNALS if (handler := _DrainHandler(number, gateway, notice)).install()]
    try:
        yield
    finally:
        for handler in handlers:
            handler.remove()


class _DrainHandler:
    def __init__(self, number: signal.Signals, gateway: Gateway, notice: float) -> None:
        self._number = number
        self._gateway = gateway
        self._notice = notice
        self._server = signal.getsignal(number)
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None

    def install(self) -> bool:
        """Come before the server's handler; tell whether there is one."""
        if not callable(self._server):
            return False
        signal.signal(self._number, self._take)
        return True

    def remove(self) -> None:
        if signal.getsignal(self._number) == self._take:
            signal.signal(self._number, self._server)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if not self._gateway.leaving:
            self._gateway.leaving = True
            self._loop.call_soon_threadsafe(self._leave)
        else:
            self._hand_on()

    def _leave(self) -> None:
        self._task = asyncio.create_task(self._gateway.drain(self._notice), name="drain")
        self._task.add_done_callback(lambda _: self._hand_on())

    def _hand_on(self) -> None:
        if callable(self._server):
            self._server(self._number, None)
