"""Files that come from anywhere, read where nobody else feels it: a large one in a process of its own.

What reads a file may take seconds for what somebody made for that, and a process has one interpreter lock for all its
streams. A file of a few lines is read at once; to start a process takes a second.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

SMALL = 2 * 1024  # bytes that are read here; what was made to be slow takes 0.2 s then
SECONDS = 30.0  # that the reading of a larger file may take; the largest set that is honest takes 3
MEMORY = 2 * 1024**3  # bytes that it may take
AT_ONCE = 2

_places = threading.BoundedSemaphore(AT_ONCE)


class TooSlow(Exception):
    """The file takes longer to read, or more memory, than any that was meant to be read."""


def read_apart(read: Callable[..., T], data: bytes | str, *options: Any) -> T:
    """Return `read(data, *options)`, or raise what that raises. Raise TooSlow for what takes too much.

    `read` is a function of a module, and what goes in and comes out of it can be pickled. Blocks its thread.
    """
    if len(data) <= SMALL:
        return read(data, *options)
    if not _places.acquire(timeout=SECONDS):
        raise TooSlow
    try:
        done = subprocess.run(
            [sys.executable, "-m", "streamlab.text.reader"],
            input=pickle.dumps((read, data, options)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        raise TooSlow from None
    finally:
        _places.release()
    returned, raised = pickle.loads(done.stdout)  # of our own process
    if raised:
        raise raised
    return returned  # type: ignore[no-any-return] # what `read` returned


def _main() -> None:
    """Read what standard input holds, behind everyone else, and write what came of it."""
    if sys.platform != "win32":
        import resource

        os.nice(5)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    read, data, options = pickle.load(sys.stdin.buffer)  # of our own process
    outcome: tuple[Any, ValueError | None]
    try:
        outcome = read(data, *options), None
    except ValueError as error:  # as what is wrong with a file is told
        outcome = None, error
    pickle.dump(outcome, sys.stdout.buffer)


if __name__ == "__main__":
    _main()
