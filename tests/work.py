"""Counts work by the calls that it makes: a number that no busy machine changes."""

import sys
from collections.abc import Callable


def calls(function: Callable[[], object]) -> int:
    """Count what a function calls, of Python's own and of C's, itself included."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count
