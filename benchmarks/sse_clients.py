"""Clients of an event stream, so lean that they are not what is measured: sockets, read by one loop.

They do not parse. Each notes when the marks of the end came and, if asked to keep, what came when; what that was is
looked at afterwards.
"""

import re
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

RECEIVE = 256 * 1024
END = b"event: done"
_EVENT = re.compile(rb'"type":"(\w+)","seq":(\d+),"at":([0-9.e+-]+),[^\n]*\n')
_FROM = re.compile(rb'"seq_from":(\d+)')


class Arrival(NamedTuple):
    """One event in a client's hands: it stands for `events` events of the log, the newest `at` seconds into the run."""

    received: float
    at: float
    events: int


@dataclass
class Client:
    """`pieces`: when each came, by the monotonic clock, and what it held, from the answer's head on."""

    connection: socket.socket
    keep: bool
    head: bool = False
    ended: float | None = None
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    _tail: bytes = b""

    def take(self, piece: bytes, now: float) -> None:
        if self.keep:
            self.pieces.append((now, piece))
        joined = self._tail + piece
        self.head = self.head or b"\r\n\r\n" in joined
        if END in joined:
            self.ended = now
        self._tail = joined[-len(END) :]

    def arrivals(self) -> Iterator[Arrival]:
        """Of the text events that came, without those that no text is in."""
        rest = b""
        for received, piece in self.pieces:
            rest += piece
            end = 0
            for match in _EVENT.finditer(rest):
                end = match.end()
                if match[1] in (b"text_delta", b"thinking"):
                    first, newest = _FROM.search(match[0]), int(match[2])
                    yield Arrival(received, float(match[3]), newest - int(first[1] if first else newest) + 1)
            rest = rest[end:]


class Clients:
    """`number` clients of one stream; a context manager. With `window` each takes at most so many bytes unread."""

    def __init__(self, port: int, path: str, number: int, *, keep: bool = False, window: int | None = None) -> None:
        self._port = port
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode()
        self._number = number
        self._keep = keep
        self._window = window
        self._selector = selectors.DefaultSelector()
        self.clients: list[Client] = []

    def __enter__(self) -> Self:
        for _ in range(self._number):
            self._connect()
        self.read(lambda: all(client.head for client in self.clients))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self.clients:
            client.connection.close()
        self._selector.close()

    def _connect(self) -> None:
        connection = socket.socket()
        if self._window:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
        connection.connect(("127.0.0.1", self._port))
        connection.sendall(self._request)
        connection.setblocking(False)
        client = Client(connection, self._keep)
        self.clients.append(client)
        self._selector.register(connection, selectors.EVENT_READ, client)

    @property
    def ended(self) -> bool:
        return all(client.ended for client in self.clients)

    def read(self, enough: Callable[[], bool], patience: float = 300) -> None:
        """Read until it is enough. Raises TimeoutError after `patience` seconds, and ConnectionError if a client is
        lost.
        """
        deadline = time.monotonic() + patience
        while not enough():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not enough in {patience:g} s")
            for key, _ in self._selector.select(1):
                client: Client = key.data
                piece = client.connection.recv(RECEIVE)
                client.take(piece, time.monotonic())
                if not piece:
                    self._selector.unregister(client.connection)
                    if not client.ended:
                        raise ConnectionError("the server closed a stream before its end")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
