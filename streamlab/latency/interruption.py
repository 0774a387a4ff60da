"""How the command is asked to end: Ctrl-C, or the signals that are as good."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | signal.Handlers

INTERRUPTED = 130  # the exit status: 128 and the number of SIGINT

_POLITE = [signal.SIGTERM, *filter(None, [getattr(signal, "SIGBREAK", None)])]  # the latter on Windows


@contextmanager
def interruptible() -> Iterator[Event]:
    """Whatever asks raises KeyboardInterrupt, and sets the event: the exception is lost where a garbage collection
    runs a callback just then."""
    asked = Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        asked.set()
        raise KeyboardInterrupt

    with _handled(dict.fromkeys([signal.SIGINT, *_POLITE], interrupt)):
        yield asked


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Whatever asks meanwhile is not heard."""
    with _handled(dict.fromkeys([signal.SIGINT, *_POLITE], signal.SIG_IGN)):
        yield


@contextmanager
def _handled(handlers: Mapping[int, Handler]) -> Iterator[None]:
    before = [(number, signal.signal(number, handler)) for number, handler in handlers.items()]
    try:
        yield
    finally:
        for number, earlier in before:
            signal.signal(number, earlier)
