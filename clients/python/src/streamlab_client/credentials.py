"""The access token of a client: given, or asked for when it is needed, and again when it was refused."""

import inspect
from collections.abc import Awaitable, Callable

TokenSource = str | Callable[[], str] | None
AsyncTokenSource = str | Callable[[], str | Awaitable[str]] | None


class Credentials:
    """Shared by all that a client does. Its token is in no message, error or representation."""

    def __init__(self, source: AsyncTokenSource) -> None:
        self._callback = source if callable(source) else None
        self._token = source if isinstance(source, str) else None
        self._retried = False  # whether the token was asked for because the last one was refused

    def get(self) -> str | None:
        """Return the token, from the callback if need be. Raises what the callback raises."""
        if self._callback and self._token is None:
            self._token = _checked(self._callback())
        return self._token

    async def aget(self) -> str | None:
        """Return the token as `get` does; the callback may be awaitable."""
        if self._callback and self._token is None:
            answer = self._callback()
            self._token = _checked(await answer if inspect.isawaitable(answer) else answer)
        return self._token

    def accepted(self) -> None:
        """Note that the server accepted the token."""
        self._retried = False

    def drop(self) -> bool:
        """Forget the token, so that another is asked for; return False when that is of no use.

        It is of none without a callback, and when this token was itself asked for because the last one was refused.
        """
        if self._callback is None or (self._retried and self._token is not None):
            return False
        self._token, self._retried = None, True
        return True


def _checked(token: object) -> str:
    if not isinstance(token, str):
        raise TypeError(f"the callback for the token gave {type(token).__name__}, not a string")
    return token
