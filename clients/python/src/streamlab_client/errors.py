"""One family of errors, one type for each cause. None of them holds a token or anything else that was sent."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit, urlunsplit

MAX_TEXT = 500  # characters of a server's sentence that are kept
NETWORK_HINT = "Check the address and the network."


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
    kind = _kind_of(status)
    words = error_words(body)
    message = _text(words, "message") or kind.default_message
    return kind(message, _text(words, "hint"), _text(words, "code"), status, retry_after)


def error_words(body: Any) -> Mapping[Any, Any]:
    """Return what a body says of an error in the form that the server has for it; nothing if it is not of that form."""
    error = body.get("error") if isinstance(body, Mapping) else None
    return error if isinstance(error, Mapping) and isinstance(error.get("code"), str) else {}


def foreign_answer(
    url: str, tried: str, status: int, media_type: str, retry_after: float | None = None
) -> StreamlabError:
    """Make the error for an answer that is not the server's. `url` is what the caller gave, `tried` what was asked."""
    said = media_type.strip()[:100] or "nothing"
    message = f"What answers at {_bare(tried)} is not a gateway: status {status}, {said}."
    return _kind_of(status)(message, address_hint(url), status=status, retry_after=retry_after)


def foreign_protocol(url: str, tried: str) -> ProtocolError:
    """Make the error for what answers with something else than HTTP/1.1."""
    return ProtocolError(
        f"What answers at {_bare(tried)} is not a gateway: it speaks something else.", address_hint(url)
    )


def address_hint(url: str) -> str:
    """Say which address may be meant: the gateway's path ends with `/api`, wherever it is mounted."""
    path = urlsplit(url).path
    if path.rstrip("/").endswith("/api"):
        return "Check the address, and what stands between."
    before, mounted, _ = path.partition("/api/")
    return f"Is it {_bare(urljoin(url, f'{before}/api' if mounted else 'api'))}?"


def _bare(url: str) -> str:
    """Return an address without what may be secret in it."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _kind_of(status: int) -> type[StreamlabError]:
    if kind := _BY_STATUS.get(status):
        return kind
    return Unavailable if status >= 500 else InvalidRequest if status >= 400 else ProtocolError


def broken_stream(what: str) -> ProtocolError:
    """Make the error for events that cannot be read or do not follow on those before; they are asked for again."""
    return ProtocolError(f"The stream is broken: {what}.")


def silent_too_long() -> ConnectionLost:
    """Make the error for a connection on which nothing came for so long that it counts as lost."""
    return ConnectionLost("The server has been silent for too long.", NETWORK_HINT)


def connection_lost(error: BaseException | None = None) -> ConnectionLost:
    """Make the error for a connection that has gone. The library's own may quote an address: only its type is named."""
    reason = f" ({type(error).__name__})" if error else ""
    return ConnectionLost(f"The connection to the server was lost{reason}.", NETWORK_HINT)


def _text(words: Mapping[Any, Any], name: str) -> str:
    value = words.get(name)
    return value[:MAX_TEXT] if isinstance(value, str) else ""
