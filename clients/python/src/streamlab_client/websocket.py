"""WebSocket streams without I/O: addresses, options, messages, and what a close means."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus, WebSocketException

from streamlab_client.errors import (
    broken_stream,
    connection_lost,
    error_from_status,
    error_words,
    foreign_answer,
    foreign_protocol,
)
from streamlab_client.http import bearer, is_loopback, json_body, run_path
from streamlab_client.reader import ENDED, FollowRequest, Message
from streamlab_client.retry import MAX_MESSAGE, MISSED_HEARTBEATS, parse_retry_after

STATUS_OFFSET = 4000  # a close code is this and the status that HTTP would have answered
# What a close may say of a follow token, in the words that HTTP has: a close's reason is too short for them.
_HINT = "Ask for a new one and go on where you were."
_EXPIRED = {"code": "expired_follow_token", "message": "The follow token's time is over.", "hint": _HINT}
_REVOKED = {"code": "revoked_follow_token", "message": "The follow token was revoked.", "hint": _HINT}
LAPSES = {"expired": _EXPIRED, "revoked": _REVOKED, _EXPIRED["code"]: _EXPIRED, _REVOKED["code"]: _REVOKED}
CLOSE_TIMEOUT = 1.0  # seconds that a server has to answer a close


def address(base: str, request: FollowRequest) -> str:
    query = f"?{urlencode({'after': request.after})}" if request.after is not None else ""
    return f"ws{base.removeprefix('http')}{run_path(request.run_id, '/ws')}{query}"


def connect_options(base: str, token: str | None, heartbeat: float) -> dict[str, Any]:
    """Return the options of a connection.

    Silence is found out by pings, because the library does not hand the server's own pings on.
    """
    return {
        "additional_headers": bearer(token),
        "compression": None,
        "max_size": MAX_MESSAGE,
        "open_timeout": heartbeat * MISSED_HEARTBEATS,
        "ping_interval": heartbeat,
        "ping_timeout": heartbeat * (MISSED_HEARTBEATS - 1),
        "close_timeout": CLOSE_TIMEOUT,
        "proxy": None if is_loopback(urlsplit(base).hostname or "") else True,
    }


def parse_frame(text: str | bytes) -> Message:
    """Read one message. Raises ProtocolError."""
    try:
        message = json.loads(text)
        return Message(message["event"], message.get("id", ""), message["data"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise broken_stream("a message is not one of an event") from None


def close_messages(closed: ConnectionClosed) -> list[Message]:
    """Return what the server's close tells. Raises the error that its code stands for."""
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
    if STATUS_OFFSET < code < STATUS_OFFSET + 1000:
        raise error_from_status(code - STATUS_OFFSET, {"error": LAPSES.get(reason) or {"code": reason}})
    return [ENDED] if (code, reason) == (1000, "ended") else []


@contextmanager
def translated_errors(url: str, target: str) -> Iterator[None]:
    """Raise errors of the family in place of those of the library. `url` is the server's, as the caller gave it."""
    try:
        yield
    except InvalidStatus as refused:
        response = refused.response
        wait = parse_retry_after(response.headers.get("retry-after"))
        body = json_body(response.body)
        if error_words(body):
            raise error_from_status(response.status_code, body, wait) from refused
        media_type = response.headers.get("content-type", "")
        raise foreign_answer(url, target, response.status_code, media_type, wait) from refused
    except InvalidMessage as error:
        if isinstance(error.__cause__, OSError | EOFError):
            raise connection_lost(error) from error
        raise foreign_protocol(url, target) from error
    except (OSError, EOFError, WebSocketException) as error:
        raise connection_lost(error) from error
