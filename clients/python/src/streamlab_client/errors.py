"""One family of errors, one type for each cause. None of them holds a token or anything else that was sent."""

from collections.abc import Mapping
from typing import Any, ClassVar

MAX_TEXT = 500  # characters of a server's sentence that are kept


class StreamlabError(Exception):
    """`code` is what programs tell apart within a kind, `message` a sentence, `hint` what to do next (may be empty).

    `status` is HTTP's, where there is one; `retry_after` is seconds.
    """

    kind: ClassVar[str] = "error"
    default_message: ClassVar[str] = "The server refused."  # where it does not say more itself
    transient: ClassVar[bool] = False  # whether another attempt may succeed

    def __init__(
        self, message: str, hint: str = "", code: str = "", status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code or self.kind
        self.message = message
        self.hint = hint
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return " ".join(filter(None, [self.message, self.hint, f"[{self.code}]"]))


class AuthError(StreamlabError):
    """The token is missing, wrong or over (401), or does not allow this (403)."""

    kind = "auth"
    default_message = "The server does not accept the token for this."


class InvalidRequest(StreamlabError):
    """What was asked cannot be done, now or ever: a wrong field, a busy conversation, a body that is too large."""

    kind = "invalid_request"
    default_message = "The server cannot do what was asked."


class NotFound(StreamlabError):
    """There is no such run or conversation, or no longer: a run is kept for a few minutes after its end."""

    kind = "not_found"
    default_message = "The server has no such run or conversation, or no longer."


class RateLimited(StreamlabError):
    """The token has too many runs. `retry_after` says when to come back."""

    kind = "rate_limited"
    default_message = "The server has as many runs of this token as it may."
    transient = True


class Unavailable(StreamlabError):
    """The server failed, is leaving, is full, or is not there behind its proxy."""

    kind = "unavailable"
    default_message = "The server cannot answer now."
    transient = True


class ProtocolError(StreamlabError):
    """What answered does not speak the protocol: a proxy's page, or a server of another kind."""

    kind = "protocol"
    transient = True


class ConnectionLost(StreamlabError):
    """The connection could not be made, broke, or was silent for too long."""

    kind = "connection_lost"
    transient = True


class RunFailed(StreamlabError):
    """The run itself ended without an answer. `code` says why. Only readers of the text alone get it as an error."""

    kind = "run_failed"


_BY_STATUS: dict[int, type[StreamlabError]] = {
    401: AuthError,
    403: AuthError,
    404: NotFound,
    410: NotFound,
    408: Unavailable,
    429: RateLimited,
}


def error_from_status(status: int, body: Any = None, retry_after: float | None = None) -> StreamlabError:
    """Make the error that an HTTP status stands for, in the server's own words where its JSON body has them."""
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = Unavailable if status >= 500 else InvalidRequest if status >= 400 else ProtocolError
    error = body.get("error") if isinstance(body, Mapping) else None
    words = error if isinstance(error, Mapping) else {}
    message = _text(words, "message") or kind.default_message
    return kind(message, _text(words, "hint"), _text(words, "code"), status, retry_after)


def wrong_media_type(found: str, wanted: str) -> ProtocolError:
    """Make the error for an answer of another media type than the protocol's."""
    return ProtocolError(
        f"The answer is {found[:100] or 'without a type'}, not {wanted}.",
        "Check the address: something else than the server may answer there.",
    )


def broken_stream(what: str) -> ProtocolError:
    """Make the error for events that cannot be read or do not follow on those before; they are asked for again."""
    return ProtocolError(f"The stream is broken: {what}.")


def connection_lost(error: BaseException | None = None) -> ConnectionLost:
    """Make the error for a connection that has gone. The library's own may quote an address: only its type is named."""
    reason = f" ({type(error).__name__})" if error else ""
    return ConnectionLost(f"The connection to the server was lost{reason}.", "Check the address and the network.")


def _text(words: Mapping[Any, Any], name: str) -> str:
    value = words.get(name)
    return value[:MAX_TEXT] if isinstance(value, str) else ""
