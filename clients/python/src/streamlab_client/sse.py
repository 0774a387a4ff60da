"""Server-sent events without I/O: https://html.spec.whatwg.org/multipage/server-sent-events.html

httpx's reader of them holds an end of line that is a CR back until the next byte comes, takes the end of the stream
for one, does not skip a byte order mark, and believes a charset that is not UTF-8. So it is given a stream with LF for
every end of line, without the mark, as UTF-8. Checked with httpx2 2.16.
"""

from collections.abc import Iterator
from typing import Any

import httpx2

from streamlab_client.http import bearer, error_from_response, run_path, start_headers
from streamlab_client.reader import ENDED, Message, Request, StartRequest, open_message

MEDIA_TYPE = "text/event-stream"
NORMALIZED = {"content-type": f"{MEDIA_TYPE}; charset=utf-8"}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NO_CONTENT = 204


class LineNormalizer:
    """Fed with the bytes of a stream in any pieces, gives them with LF for every CRLF and CR, and without the mark."""

    def __init__(self) -> None:
        self._head: bytes | None = b""  # what may become the mark; None once that is known
        self._after_cr = False

    def feed(self, piece: bytes) -> bytes:
        """Return what can be passed on by now."""
        if self._head is not None:
            piece = self._head + piece
            if len(piece) < len(BYTE_ORDER_MARK) and BYTE_ORDER_MARK.startswith(piece):
                self._head = piece
                return b""
            self._head, piece = None, piece.removeprefix(BYTE_ORDER_MARK)
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        if b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return piece


def request_options(request: Request, token: str | None) -> dict[str, Any]:
    """Return the arguments of httpx's `stream` for a request."""
    headers = {"accept": MEDIA_TYPE, "cache-control": "no-store"}
    if isinstance(request, StartRequest):
        headers |= start_headers(request, token)
        return {"method": "POST", "url": "chat", "json": request.body, "headers": headers}
    headers |= bearer(token)
    if request.after is not None:
        headers["last-event-id"] = request.after
    return {"method": "GET", "url": run_path(request.run_id, "/events"), "headers": headers}


def head_messages(response: httpx2.Response, url: str) -> Iterator[Message]:
    """Return what the head of an answer tells. Raises ProtocolError when no stream of events will follow."""
    if response.status_code == NO_CONTENT:
        yield ENDED
        return
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise error_from_response(response, url)
    if run_id := response.headers.get("x-run-id"):
        yield open_message(run_id)
