"""The access token of a client: given, or asked for when it is needed, and again when it was refused."""

import inspect
from collections.abc import Awaitable, Callable

TokenSource = str | Callable[[], str] | None
AsyncTokenSource = str | Callable[[], str | Awaitable[str]] | None


class Credentials:
    """Shared by all that a client does. Its token is in no message, error or representation."""

    def __init__(self, source: AsyncTokenSource) -> None:
        self._ask = source if callable(source) else None
        self._token = source if isinstance(source, str) else None
        self._untried = False

    def get(self) -> str | None:
        """Raises what the callback raises."""
        if self._ask and self._token is None:
            self._token = _checked(self._ask())
        return self._token

    async def aget(self) -> str | None:
        """The same, of a callback that may be awaited."""
        if self._ask and self._token is None:
            answer = self._ask()
            self._token = _checked(await answer if inspect.isawaitable(answer) else answer)
        return self._token

    def accepted(self) -> None:
        """The server took it."""
        self._untried = False

    def drop(self) -> bool:
        """Whether another one will be asked for; not when this one was asked for because the last one was refused."""
        if self._ask is None or (self._untried and self._token is not None):
            return False
        self._token, self._untried = None, True
        return True


def _checked(token: object) -> str:
    if not isinstance(token, str):
        raise TypeError(f"the callback for the token gave {type(token).__name__}, not a string")
    return token
