"""How the command is interrupted: by Ctrl-C, or by a signal to terminate."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | signal.Handlers

INTERRUPTED = 130  # the exit status: 128 and the number of SIGINT

_SIGNALS = [signal.SIGINT, signal.SIGTERM, *filter(None, [getattr(signal, "SIGBREAK", None)])]  # the last on Windows


@contextmanager
def interruptible() -> Iterator[Event]:
    """Raise KeyboardInterrupt inside the block for Ctrl-C and the signals to terminate, and set the event.

    Also where asyncio would take Python's own handler of SIGINT for its: that cancels a task instead, which may just
    have ended. The event is set because an exception may be lost.
    """
    asked = Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        asked.set()
        raise KeyboardInterrupt

    with _handled(interrupt), _dropped_in_silence():
        yield asked


@contextmanager
def _dropped_in_silence() -> Iterator[None]:
    """Suppress the traceback that Python prints when KeyboardInterrupt is raised while it frees memory, and dropped."""
    before = sys.unraisablehook

    def hook(dropped: "sys.UnraisableHookArgs") -> None:
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            before(dropped)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def uninterrupted() -> AbstractContextManager[None]:
    """Ignore termination signals inside the block."""
    return _handled(signal.SIG_IGN)


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    before = [(number, signal.signal(number, handler)) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, earlier in before:
            signal.signal(number, earlier)
