"""What has to be there."""

from typing import TypeVar

T = TypeVar("T")


def present(item: T | None) -> T:
    """Return the item that was found; None is an AssertionError."""
    assert item is not None
    return item
