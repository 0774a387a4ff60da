"""Clients of an event stream that cost little themselves: sockets, read by one loop.

They do not parse. Each notes when the end came and, if asked to keep, what came when, to be parsed afterwards.
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


class Delivery(NamedTuple):
    """An event received by a client: it stands for `events` events of the log, the newest `at` seconds into the run."""

    received: float
    at: float
    events: int


@dataclass
class Client:
    """One connection. `pieces` are the bytes received, from the answer's head on, with their monotonic times."""

    connection: socket.socket
    keep: bool
    head: bool = False
    ended: float | None = None
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    _tail: bytes = b""

    def receive(self, piece: bytes, now: float) -> None:
        if self.keep:
            self.pieces.append((now, piece))
        joined = self._tail + piece
        self.head = self.head or b"\r\n\r\n" in joined
        if END in joined:
            self.ended = now
        self._tail = joined[-len(END) :]

    def deliveries(self) -> Iterator[Delivery]:
        """Yield the deliveries of events with text."""
        rest = b""
        for received, piece in self.pieces:
            rest += piece
            end = 0
            for match in _EVENT.finditer(rest):
                end = match.end()
                if match[1] in (b"text_delta", b"thinking"):
                    first, newest = _FROM.search(match[0]), int(match[2])
                    yield Delivery(received, float(match[3]), newest - int(first[1] if first else newest) + 1)
            rest = rest[end:]


class Clients:
    """A context manager for `number` clients of one stream; `window` limits the bytes that each leaves unread."""

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

    def read(self, enough: Callable[[], bool], timeout: float = 300) -> None:
        """Read until `enough` is true.

        Raise TimeoutError after `timeout` seconds, and ConnectionError if a stream is closed before its end.
        """
        deadline = time.monotonic() + timeout
        while not enough():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not enough in {timeout:g} s")
            for key, _ in self._selector.select(1):
                client: Client = key.data
                piece = client.connection.recv(RECEIVE)
                client.receive(piece, time.monotonic())
                if not piece:
                    self._selector.unregister(client.connection)
                    if not client.ended:
                        raise ConnectionError("the server closed a stream before its end")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
