"""The code that opens the models that cost money: compared, guessed at, and kept by a browser as a signed ticket."""

import hmac
import secrets
import threading
import time
import unicodedata
from collections import deque
from hashlib import sha256

from itsdangerous import BadData, URLSafeTimedSerializer

SHORTEST, LONGEST = 6, 200  # characters of a code
GUESSES, WINDOW = 10, 60.0  # wrong guesses of everybody together, and the seconds in which so many are heard
TICKET_SECONDS = 24 * 3600  # how long a browser need not be asked again


class TooManyGuesses(RuntimeError):
    """No guess is heard now, not even a right one; `wait` seconds from now one is."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"too many wrong guesses; the next is heard in {wait:.0f} s")
        self.wait = wait


def as_typed(text: str) -> str:
    """Normalise a code as it is compared.

    Full-width characters, which a Japanese keyboard writes, count as the plain ones.
    """
    return unicodedata.normalize("NFKC", text).strip()


class AccessCode:
    """One code for everybody, and the tickets of the browsers that gave it. For any thread.

    Neither holds nor tells the code. `secret` signs the tickets; without one they end with the process.
    """

    def __init__(self, code: str, secret: str | None = None) -> None:
        self._digest = _digest(code)
        # With the code in the key, a ticket ends when the code is changed.
        key = f"{secret or secrets.token_urlsafe(32)}:{self._digest.hex()}"
        self._signer = URLSafeTimedSerializer(key, salt="streamlab access")
        self._wrong: deque[float] = deque()  # when, by a monotonic clock
        self._lock = threading.Lock()

    def fits(self, text: str) -> bool:
        """Tell whether this is the code, in a time that does not tell how much of it is. Raises TooManyGuesses."""
        with self._lock:
            now = time.monotonic()
            while self._wrong and now - self._wrong[0] >= WINDOW:
                self._wrong.popleft()
            if len(self._wrong) >= GUESSES:
                raise TooManyGuesses(self._wrong[0] + WINDOW - now)
            right = len(text) <= 2 * LONGEST and hmac.compare_digest(self._digest, _digest(text))
            if not right:
                self._wrong.append(now)
            return right

    def issue(self) -> str:
        """Issue a ticket that says that the code was given. It holds nothing of the code."""
        return self._signer.dumps("given")

    def knows(self, ticket: object) -> bool:
        """Tell whether this is a ticket of ours that is still good."""
        if not isinstance(ticket, str):
            return False
        try:
            return bool(self._signer.loads(ticket, max_age=TICKET_SECONDS) == "given")
        except BadData:
            return False


def _digest(text: str) -> bytes:
    """Hash a text to bytes whose length does not tell its own."""
    return sha256(as_typed(text).encode("utf-8", "surrogatepass")).digest()
