"""What the measuring process tells of the call that it makes: that it has begun, and that its first text is there."""

import json
from collections.abc import Callable
from dataclasses import dataclass

Tell = Callable[[float | None], None]  # None when a call begins, then the seconds after which its first text came


@dataclass(frozen=True, slots=True)
class CallProgress:
    """`call` is a call's place in the order of its plan; `first` the seconds until its first text, None before it."""

    call: int
    first: float | None = None


def untold(first: float | None) -> None:
    """Tell nobody."""


def encode_progress(progress: CallProgress) -> bytes:
    """Write one line of JSON, without its end."""
    return json.dumps({"call": progress.call, "first": progress.first}).encode()


def decode_progress(line: bytes) -> CallProgress | None:
    """Read what `encode_progress` wrote; None for a line of something else. Raises ValueError for what is no JSON."""
    found = json.loads(line)
    return CallProgress(found["call"], found["first"]) if isinstance(found, dict) and "call" in found else None
