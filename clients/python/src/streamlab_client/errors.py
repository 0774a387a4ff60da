"""One family of errors, one type for each cause. None of them holds a token or anything else that was sent."""

from collections.abc import Mapping
from typing import Any, ClassVar

LONGEST = 500  # characters of a server's sentence that are kept


class StreamlabError(Exception):
    """`code` is what programs tell apart within a kind, `message` a sentence, `hint` what to do next (may be empty).

    `status` is HTTP's, where there is one; `retry_after` is seconds.
    """

    kind: ClassVar[str] = "error"
    sentence: ClassVar[str] = "The server refused."  # where it does not say more itself
    passing: ClassVar[bool] = False  # whether it may be otherwise in a moment

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
    sentence = "The server does not accept the token for this."


class InvalidRequest(StreamlabError):
    """What was asked cannot be done, now or ever: a wrong field, a busy conversation, a body that is too large."""

    kind = "invalid_request"
    sentence = "The server cannot do what was asked."


class NotFound(StreamlabError):
    """There is no such run or conversation, or no longer: a run is kept for a few minutes after its end."""

    kind = "not_found"
    sentence = "The server has no such run or conversation, or no longer."


class RateLimited(StreamlabError):
    """The token has too many runs. `retry_after` says when to come back."""

    kind = "rate_limited"
    sentence = "The server has as many runs of this token as it may."
    passing = True


class Unavailable(StreamlabError):
    """The server failed, is leaving, is full, or is not there behind its proxy."""

    kind = "unavailable"
    sentence = "The server cannot answer now."
    passing = True


class ProtocolError(StreamlabError):
    """What answered does not speak the protocol: a proxy's page, or a server of another kind."""

    kind = "protocol"
    passing = True


class ConnectionLost(StreamlabError):
    """The connection could not be made, broke, or was silent for too long."""

    kind = "connection_lost"
    passing = True


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


def error_of(status: int, body: Any = None, retry_after: float | None = None) -> StreamlabError:
    """The error that an HTTP status amounts to, told with the server's own words where its body has them."""
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = Unavailable if status >= 500 else InvalidRequest if status >= 400 else ProtocolError
    told = body.get("error") if isinstance(body, Mapping) else None
    words = told if isinstance(told, Mapping) else {}
    message = _text(words, "message") or kind.sentence
    return kind(message, _text(words, "hint"), _text(words, "code"), status, retry_after)


def no_stream(kind: str) -> ProtocolError:
    """The answer is not a stream of events, but of this media type."""
    return _foreign(kind, "a stream of events")


def no_json(kind: str) -> ProtocolError:
    return _foreign(kind, "JSON")


def _foreign(kind: str, wanted: str) -> ProtocolError:
    return ProtocolError(
        f"The answer is {kind[:100] or 'without a type'}, not {wanted}.",
        "Check the address: something else than the server may answer there.",
    )


def broken(what: str) -> ProtocolError:
    """What came cannot be gone on from; it is asked for again."""
    return ProtocolError(f"The stream is broken: {what}.")


def lost(error: BaseException | None = None) -> ConnectionLost:
    """The connection has gone; the library's own error, which may quote an address, is named only by its type."""
    reason = f" ({type(error).__name__})" if error else ""
    return ConnectionLost(f"The connection to the server was lost{reason}.", "Check the address and the network.")


def _text(words: Mapping[Any, Any], name: str) -> str:
    value = words.get(name)
    return value[:LONGEST] if isinstance(value, str) else ""
