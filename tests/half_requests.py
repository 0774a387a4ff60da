"""Connections whose requests do not come to an end, and what their server has to do for them."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

HEAD = b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
HALF_HEADS = (b"", b"G", b"GET / HTTP/1.1\r\n", HEAD, HEAD + b"x-y: " + b"z" * 4_000)
HALF_BODIES = (
    HEAD + b"content-length: 1048576\r\n\r\n",
    HEAD + b"content-length: 900000\r\n\r\n" + b'{"message": "' + b"x" * 10_000,
    HEAD + b"transfer-encoding: chunked\r\n\r\n",
    HEAD + b"transfer-encoding: chunked\r\n\r\n8\r\n" + b"x" * 4,
)


@contextmanager
def connected(port: int, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(sent)
        yield connection


def received(connection: socket.socket) -> bytes:
    """Read until the server closes."""
    whole = b""
    try:
        while piece := connection.recv(65_536):
            whole += piece
    except ConnectionResetError:
        pass
    return whole


def trickled(connection: socket.socket, piece: bytes = b"x", pause: float = 0.2) -> tuple[bytes, float]:
    """Send a little again and again until the server closes; return what it said, and after how many seconds."""
    began, whole = time.monotonic(), b""
    connection.settimeout(pause)
    while True:
        try:
            connection.sendall(piece)
            if not (read := connection.recv(65_536)):
                break
            whole += read
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return whole, time.monotonic() - began
