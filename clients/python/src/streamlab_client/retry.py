"""When to try again, and when to give up. No I/O happens here."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from streamlab_client.credentials import Credentials
from streamlab_client.errors import AuthError, StreamlabError

CONNECT_TIMEOUT = 10.0  # seconds
MISSED_HEARTBEATS = 2.5  # of silence, after which a connection is given up
MAX_MESSAGE = 32 * 1024 * 1024  # bytes of one event: a final answer may have all text of a run
MAX_RETRY_AFTER = 60.0  # seconds that a server may ask to wait; beyond that the caller is told


@dataclass(frozen=True, slots=True)
class Backoff:
    """Up to `attempts` in a row without anything new; seconds between them at random from 0 to `first`, twice that for
    the next, at most `longest` (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """

    attempts: int = 8
    first: float = 0.5
    longest: float = 10.0

    def delay(self, failures: int, at_least: float | None) -> float:
        """Return the seconds until the next attempt after so many `failures` in a row."""
        return (at_least or 0.0) + random.uniform(0, min(self.longest, self.first * 2**failures))


class RetryPolicy:
    """Decides on each failure of one call or one stream whether there is another attempt, and when."""

    def __init__(self, backoff: Backoff, credentials: Credentials) -> None:
        self._backoff = backoff
        self.credentials = credentials
        self._failures = 0

    def delay(self, error: StreamlabError, *, progress: bool = False) -> float:
        """Return the seconds until the next attempt, or raise the error when there shall be none.

        `progress`: this attempt brought something new, so the failures before it count no longer.
        """
        if isinstance(error, AuthError) and error.status == 401 and self.credentials.drop():
            return 0.0
        if not error.transient or (error.retry_after or 0.0) > MAX_RETRY_AFTER:
            raise error
        self._failures = 0 if progress else self._failures + 1
        if self._failures >= self._backoff.attempts:
            raise error
        return self._backoff.delay(self._failures, error.retry_after)


def parse_retry_after(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, by number or date; None when it cannot be read."""
    if not header:
        return None
    try:
        return max(0.0, float(header)) if header[0].isdigit() else _seconds_until(header)
    except (ValueError, OverflowError):
        return None


def _seconds_until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
