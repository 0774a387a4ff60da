"""When to try again, and when to give up. No input or output happens here."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from streamlab_client.credentials import Credentials
from streamlab_client.errors import AuthError, StreamlabError

CONNECTING = 10.0  # seconds until a connection that cannot be made is given up
BEATS = 2.5  # heartbeats of silence after which a connection is given up
LARGEST = 32 * 1024 * 1024  # bytes of one event: a final answer may have all text of a run
LONGEST_WAIT = 60.0  # seconds that a server may ask to wait; beyond that the caller is told


@dataclass(frozen=True, slots=True)
class Backoff:
    """Up to `attempts` in a row without anything new; seconds between them at random from 0 to `first`, twice that for
    the next, at most `longest` (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """

    attempts: int = 8
    first: float = 0.5
    longest: float = 10.0

    def wait(self, misses: int, at_least: float | None) -> float:
        """Seconds until the next attempt, of which so many in a row have missed."""
        return (at_least or 0.0) + random.uniform(0, min(self.longest, self.first * 2**misses))


class Patience:
    """Counts the attempts of one call or one stream."""

    def __init__(self, backoff: Backoff, credentials: Credentials) -> None:
        self._backoff = backoff
        self.credentials = credentials
        self._misses = 0

    def wait(self, error: StreamlabError, *, progress: bool = False) -> float:
        """Seconds until the next attempt after this failure. Raises the error when there shall be none."""
        if isinstance(error, AuthError) and error.status == 401 and self.credentials.drop():
            return 0.0
        if not error.passing or (error.retry_after or 0.0) > LONGEST_WAIT:
            raise error
        self._misses = 0 if progress else self._misses + 1
        if self._misses >= self._backoff.attempts:
            raise error
        return self._backoff.wait(self._misses, error.retry_after)


def seconds_of(retry_after: str | None) -> float | None:
    """What a Retry-After header says, seconds or a date; None for nothing that can be read."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after)) if retry_after[0].isdigit() else _until(retry_after)
    except (ValueError, OverflowError):
        return None


def _until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
