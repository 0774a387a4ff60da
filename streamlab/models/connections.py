"""The HTTP client under the models, whose waiting reads another thread can end.

A chain's `.stream()` blocks its thread in a socket read. To stop a run at the model, at any moment, the sockets of
its requests must be known: the transport names each one as it connects, and shutting a socket down ends the read.
"""

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import httpx2

LIMITS = httpx2.Limits(max_connections=1_000, max_keepalive_connections=0)
TIMEOUT = httpx2.Timeout(connect=10, read=None, write=30, pool=10)  # how long a read may take is the run's to say

# seconds that a stream gathers: with few streams, for each stream, with many
SHORTEST, FOR_EACH, LONGEST = 0.03, 0.004, 0.11
AT_ONCE = 3  # reads: a first text is not to wait, also after a role


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
    hooks: dict[str, list[Any]] = {"request": [_tell], "response": [_Gathering().respond]}
    return httpx2.Client(limits=LIMITS, timeout=TIMEOUT, event_hooks=hooks, follow_redirects=True)


def async_http_client() -> httpx2.AsyncClient:
    """The same for what runs on the event loop, where a cancelled task closes its connection by itself."""
    return httpx2.AsyncClient(limits=LIMITS, timeout=TIMEOUT, follow_redirects=True)


def _tell(request: httpx2.Request) -> None:
    if connections := _current.get():
        request.extensions["trace"] = connections.trace


class _Gathering:
    """Lets what arrives gather, the longer the more streams there are: each read costs, and so does what follows it.

    The first `AT_ONCE` reads of a stream come as soon as they can, and so does whatever comes after a longer pause.
    """

    def __init__(self) -> None:
        self._open: set[object] = set()

    def respond(self, response: httpx2.Response) -> None:
        """httpx's response hook."""
        stream = response.stream
        if not isinstance(stream, httpx2.SyncByteStream) or not _is_event_stream(response):
            return
        connection = response.extensions["network_stream"]
        reads = _GatheredReads(connection.read, self.seconds)
        # The way into httpcore that needs none of its private names: the connection's stream is its reader's own.
        connection.read = reads.read
        response.extensions["reads"] = reads
        self._open.add(reads)
        response.stream = _Closing(stream, lambda: self._open.discard(reads))

    def seconds(self) -> float:
        return min(LONGEST, SHORTEST + len(self._open) * FOR_EACH)


class _GatheredReads:
    """A network stream's `read`, at most once in `seconds()`; the last event that it found is given apart."""

    def __init__(self, read: Callable[..., bytes], seconds: Callable[[], float]) -> None:
        self._read = read
        self._seconds = seconds
        self._count = 0
        self._last = 0.0
        self.ready: deque[bytes] = deque()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self.ready:
            self._count += 1
            if self._count > AT_ONCE:
                time.sleep(max(0.0, self._last + self._seconds() - time.monotonic()))
            data = self._read(max_bytes, timeout)
            self._last = time.monotonic()
            self.ready.extend(_last_apart(data))
        return self.ready.popleft()


class _Closing(httpx2.SyncByteStream):
    """A stream, and who wants to know of its end."""

    def __init__(self, stream: httpx2.SyncByteStream, closed: Callable[[], None]) -> None:
        self._stream = stream
        self._closed = closed

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        self._closed()
        self._stream.close()


def more_lies_ready(response: httpx2.Response) -> bool:
    """Whether another event of this stream can be had without waiting."""
    reads = response.extensions.get("reads")
    return bool(reads and reads.ready)


def _last_apart(data: bytes) -> list[bytes]:
    """What was read, its last event apart."""
    start = data.rfind(b"\ndata:") + 1
    return [data[:start], data[start:]] if start else [data]


def _is_event_stream(response: httpx2.Response) -> bool:
    return "event-stream" in response.headers.get("content-type", "")


def _shut_down(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        opened.shutdown(socket.SHUT_RDWR)
