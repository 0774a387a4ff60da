"""The HTTP client under the models, whose waiting reads another thread can end.

A chain's `.stream()` blocks its thread in a socket read. To stop a run at the model, at any moment, the sockets of
its requests must be known: the transport names each one as it connects, and shutting a socket down ends the read.
"""

import contextlib
import socket
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import httpx2

LIMITS = httpx2.Limits(max_connections=1_000, max_keepalive_connections=0)
TIMEOUT = httpx2.Timeout(connect=10, read=None, write=30, pool=10)  # how long a read may take is the run's to say

GATHER = 0.03  # seconds
WAITED = 0.0005  # seconds; what lay ready comes sooner
AT_ONCE = 3  # times: a first text is not to wait, also after a role

_current: ContextVar["Connections | None"] = ContextVar("connections", default=None)


class Connections:
    """The sockets that requests of one attempt have opened."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._ended = False

    def adopt(self) -> None:
        """Requests made from here on, in this context, belong to these connections."""
        _current.set(self)

    def end(self) -> None:
        """Shut all of them down; also those that open later. For any thread."""
        self._ended = True
        for open_socket in self._sockets:
            _shut_down(open_socket)

    def trace(self, name: str, info: dict[str, Any]) -> None:
        """httpcore's `trace` extension: a connection, or TLS over it, stands."""
        if name.endswith(("connect_tcp.complete", "start_tls.complete")):
            opened = info["return_value"].get_extra_info("socket")
            self._sockets.append(opened)
            if self._ended:
                _shut_down(opened)


def http_client() -> httpx2.Client:
    """A client that tells each request's connections to the attempt it belongs to.

    Connections are not kept for reuse: a reused one would be unknown to its new owner until the answer begins, and
    a pause between two questions is mostly longer than the usual 5 s for which one is kept.
    """
    hooks: dict[str, list[Any]] = {"request": [_tell], "response": [_gather]}
    return httpx2.Client(limits=LIMITS, timeout=TIMEOUT, event_hooks=hooks, follow_redirects=True)


def async_http_client() -> httpx2.AsyncClient:
    """The same for what runs on the event loop, where a cancelled task closes its connection by itself."""
    return httpx2.AsyncClient(limits=LIMITS, timeout=TIMEOUT, follow_redirects=True)


def _tell(request: httpx2.Request) -> None:
    if connections := _current.get():
        request.extensions["trace"] = connections.trace


class _Gathered(httpx2.SyncByteStream):
    """Lets a stream gather for `GATHER` seconds each time it had to be waited for, but for the first few times.

    To wake a thread for every chunk costs several times what is then done with it.
    """

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        waits = 0
        asked_at = time.monotonic()
        for part in self._stream:
            waited = time.monotonic() - asked_at > WAITED
            yield part
            waits += waited
            if waited and waits > AT_ONCE:
                time.sleep(GATHER)
            asked_at = time.monotonic()

    def close(self) -> None:
        self._stream.close()


def _gather(response: httpx2.Response) -> None:
    stream = response.stream
    if isinstance(stream, httpx2.SyncByteStream) and "event-stream" in response.headers.get("content-type", ""):
        response.stream = _Gathered(stream)


def _shut_down(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        opened.shutdown(socket.SHUT_RDWR)
