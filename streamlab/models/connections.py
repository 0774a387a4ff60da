"""The HTTP client under the models, whose waiting reads another thread can end.

A chain's `.stream()` blocks its thread in a socket read. To stop a run at the model, at any moment, the sockets of
its requests must be known: the transport names each one as it connects, and shutting a socket down ends the read.

This is also the file that leans on the inside of httpcore2. Checked with 2.16.2: a connection over HTTP/1.1 reads by
`read` of the very stream that a response names as its `network_stream`. The extension and the method are documented,
that there is only the one stream is not. If that changes, answers come as they can, more chunks and more work but the
same text, and it is logged. `tests/test_upstream.py` fails when it does.

The public way is a network backend. httpx2's transport takes none, and one of our own would lose the proxies, which
httpx2 sets up only for its own transport.
"""

import contextlib
import logging
import re
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import httpx2

from streamlab.models.network import async_client_options, client_options

logger = logging.getLogger(__name__)

LIMITS = httpx2.Limits(max_connections=1_000, max_keepalive_connections=0)
TIMEOUT = httpx2.Timeout(connect=10, read=None, write=30, pool=10)  # how long a read may take is the run's to say

# seconds that a stream gathers: with few streams, for each stream, with many
SHORTEST, FOR_EACH, LONGEST = 0.03, 0.004, 0.11
AT_ONCE = 3  # reads: a first text is not to wait, also after a role
ONE_READ = 64 * 1024  # bytes: what httpcore2 asks for at most; a longer body takes another read

_SAID = re.compile(rb'"(?:text|content|thinking|reasoning|reasoning_content)"\s*:\s*"[^"]')
"""A text in an event, as the protocols of all providers have it. Within a call's arguments its quotes are escaped."""

_current: ContextVar["Connections | None"] = ContextVar("connections", default=None)
_next: ContextVar["NextStream | None"] = ContextVar("next stream", default=None)


class Connections:
    """The sockets that requests of one attempt have opened."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._ended = False

    def adopt(self) -> None:
        """Take the requests that are made from here on, in this context."""
        _current.set(self)

    def end(self) -> None:
        """Shut all of them down; also those that open later. For any thread."""
        self._ended = True
        for open_socket in self._sockets:
            _shut_down(open_socket)

    def trace(self, name: str, info: dict[str, Any]) -> None:
        """Note each connection that stands, or TLS over it: httpcore2's `trace` extension."""
        if name.endswith(("connect_tcp.complete", "start_tls.complete")):
            opened = info["return_value"].get_extra_info("socket")
            self._sockets.append(opened)
            if self._ended:
                _shut_down(opened)


def http_client() -> httpx2.Client:
    """Make a client that tells each request's connections to the attempt it belongs to.

    Connections are not kept for reuse: a reused one would be unknown to its new owner until the answer begins, and
    a pause between two questions is mostly longer than the usual 5 s for which one is kept.
    """
    hooks: dict[str, list[Any]] = {"request": [_tell, _limit], "response": [_Gathering().respond]}
    return httpx2.Client(**client_options(LIMITS), timeout=TIMEOUT, event_hooks=hooks, follow_redirects=True)


def async_http_client() -> httpx2.AsyncClient:
    """Make one for what runs on the event loop, where a cancelled task closes its connection by itself."""
    hooks: dict[str, list[Any]] = {"request": [_alimit]}
    return httpx2.AsyncClient(**async_client_options(LIMITS), timeout=TIMEOUT, event_hooks=hooks, follow_redirects=True)


def _limit(request: httpx2.Request) -> None:
    """Let no request connect for ever: Google's client asks without any limit where it is given none in seconds."""
    if not any(request.extensions.get("timeout", {}).values()):
        request.extensions["timeout"] = TIMEOUT.as_dict()


async def _alimit(request: httpx2.Request) -> None:
    _limit(request)


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
        """Gather the reads of an event stream: httpx2's response hook."""
        stream = response.stream
        is_event_stream = "event-stream" in response.headers.get("content-type", "")
        if not isinstance(stream, httpx2.SyncByteStream) or not is_event_stream:
            return
        if (reads := _gathered(response, self.seconds)) is None:
            return
        response.extensions["reads"] = reads
        self._open.add(reads)
        if stream_awaited := _next.get():
            stream_awaited.take(reads)

        def closed() -> None:
            if reads not in self._open:
                return
            self._open.discard(reads)
            if not reads.used and response.num_bytes_downloaded > ONE_READ:
                _not_gathered("it is read by another way")

        response.stream = _Closing(stream, closed)

    def seconds(self) -> float:
        """Say how long a stream gathers now."""
        return min(LONGEST, SHORTEST + len(self._open) * FOR_EACH)


class _GatheredReads:
    """A network stream's `read`, at most once in `seconds()`; the last text that it finds is given apart."""

    def __init__(self, read: Callable[..., bytes], seconds: Callable[[], float]) -> None:
        self._read = read
        self._seconds = seconds
        self._count = 0
        self._last = 0.0
        self.longest: float | None = None  # seconds that one may take, if less than the request's
        self.ready: deque[bytes] = deque()

    @property
    def used(self) -> bool:
        return self._count > 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read as the network stream does."""
        if not self.ready:
            self._count += 1
            if self._count > AT_ONCE:
                time.sleep(max(0.0, self._last + self._seconds() - time.monotonic()))
            data = self._read(max_bytes, timeout if self.longest is None else self.longest)
            self._last = time.monotonic()
            self.ready.extend(_last_text_apart(data))
        return self.ready.popleft()


def _gathered(response: httpx2.Response, seconds: Callable[[], float]) -> _GatheredReads | None:
    """Put gathered reads in the place of the connection's own; None where that cannot be done."""
    connection = response.extensions.get("network_stream")
    try:
        reads = _GatheredReads(connection.read, seconds)  # type: ignore[union-attr]
        connection.read = reads.read  # type: ignore[union-attr]
    except AttributeError as error:
        _not_gathered(str(error))
        return None
    return reads


def _not_gathered(why: str) -> None:
    logger.warning("a stream's reads cannot be gathered, each chunk costs its full price: %s", why)


class _Closing(httpx2.SyncByteStream):
    """A stream, and who wants to know of its end."""

    def __init__(self, stream: httpx2.SyncByteStream, closed: Callable[[], None]) -> None:
        self._stream = stream
        self._closed = closed

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        finally:
            self._closed()  # not every client closes what it has not read to its end

    def close(self) -> None:
        self._closed()
        self._stream.close()


def wait_no_longer(response: httpx2.Response, seconds: float) -> None:
    """Let no further read of this stream take longer than so many seconds: then it raises ReadTimeout."""
    if reads := response.extensions.get("reads"):
        reads.longest = seconds


def more_lies_ready(response: httpx2.Response) -> bool:
    """Tell whether more text of this stream can be had without waiting."""
    reads = response.extensions.get("reads")
    return bool(reads and reads.ready)


class NextStream:
    """The event stream that this context begins next, for who does not see its response."""

    def __init__(self) -> None:
        self._reads: _GatheredReads | None = None
        _next.set(self)

    def take(self, reads: _GatheredReads) -> None:
        """Be the stream that is read so; only the first is meant."""
        self._reads = self._reads or reads

    def more_lies_ready(self) -> bool:
        """Tell whether more text of it can be had without waiting; of a stream that is not gathered none can."""
        return bool(self._reads and self._reads.ready)


def _last_text_apart(data: bytes) -> list[bytes]:
    """Cut what was read before its last text: whoever has what stands before can count on more without waiting.

    So it must be whole, and what follows it, such as a ping or half an event, may say nothing.
    """
    start = data.rfind(b"\ndata:")
    while start >= 0:
        end = data.find(b"\n", start + 1)
        if data.startswith((b"\n", b"\r\n"), end + 1) and end > 0 and _SAID.search(data, start, end):
            return [data[: start + 1], data[start + 1 :]]
        start = data.rfind(b"\ndata:", 0, start)
    return [data]


def _shut_down(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may be closed already
        opened.shutdown(socket.SHUT_RDWR)
