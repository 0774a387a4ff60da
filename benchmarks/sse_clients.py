"""The runs of the servers in `apps`, and clients that cost little themselves: sockets, read by one loop.

The clients do not parse. Each notes when the end came and, if asked to keep, what came when, to be parsed afterwards.
"""

import re
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, Self

from benchmarks.apps.workload import Workload
from benchmarks.harness import Server, post

RECEIVE = 256 * 1024
END = b"event: done"
_EVENT = re.compile(rb'"type":"(\w+)","seq":(\d+),"at":([0-9.e+-]+),[^\n]*\n')
_BEGUN = b'"state":"begun"'
_FROM = re.compile(rb'"seq_from":(\d+)')


class PreparedRun:
    """A run of one of the servers in `apps`: clients follow it at `path`, and it writes from `go` on."""

    def __init__(self, server: Server, workload: Workload) -> None:
        self._url = server.url
        answer = post(f"{self._url}/prepare", asdict(workload))
        self.path, self._run = str(answer["path"]), answer["run"]

    def go(self) -> float:
        """Start it; return the time of the monotonic clock from which its events count theirs."""
        return float(post(f"{self._url}/go", {"run": self._run})["began"])


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
    end: bytes = END
    head: bool = False
    ended: float | None = None
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    _tail: bytes = b""

    def receive(self, piece: bytes, now: float) -> None:
        if self.keep:
            self.pieces.append((now, piece))
        joined = self._tail + piece
        self.head = self.head or b"\r\n\r\n" in joined
        if self.end in joined:
            self.ended = now
        self._tail = joined[-len(self.end) :]

    def deliveries(self) -> Iterator[Delivery]:
        """Yield the deliveries of events with text."""
        rest = b""
        for received, piece in self.pieces:
            rest += piece
            end = 0
            for match in _EVENT.finditer(rest):
                end = match.end()
                if match[1] in (b"text_delta", b"thinking") and _BEGUN not in match[0]:
                    first, newest = _FROM.search(match[0]), int(match[2])
                    yield Delivery(received, float(match[3]), newest - int(first[1] if first else newest) + 1)
            rest = rest[end:]


class Clients:
    """A context manager for `number` clients of one stream, which `asked` otherwise than by its path may end with
    something else; `window` limits the bytes that each leaves unread.
    """

    def __init__(
        self,
        port: int,
        path: str,
        number: int,
        *,
        keep: bool = False,
        window: int | None = None,
        asked: bytes = b"",
        end: bytes = END,
    ) -> None:
        self._address = ("127.0.0.1", port)
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        self._request = asked or request.encode()
        self._window = window
        self._selector = selectors.DefaultSelector()
        self.clients = [Client(socket.socket(), keep, end) for _ in range(number)]

    def __enter__(self) -> Self:
        for client in self.clients:
            if self._window:
                client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
            client.connection.connect(self._address)
            client.connection.sendall(self._request)
            client.connection.setblocking(False)
            self._selector.register(client.connection, selectors.EVENT_READ, client)
        self.read(lambda: all(client.head for client in self.clients))
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.connection.close()
        self._selector.close()

    @property
    def ended(self) -> bool:
        return all(client.ended for client in self.clients)

    def lags(self, began: float, events: int, number: int) -> list[float]:
        """Return the lag of each delivery to the first `number` clients, in seconds.

        Raise RuntimeError unless each of them has got so many events.
        """
        deliveries = [delivery for client in self.clients[:number] for delivery in client.deliveries()]
        if (count := sum(delivery.events for delivery in deliveries)) != events * number:
            raise RuntimeError(f"{count} deliveries of {events * number}")
        return [delivery.received - began - delivery.at for delivery in deliveries]

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
