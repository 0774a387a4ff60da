"""Publishes a workload to nchan by HTTP, over one connection: `publisher.py PORT CHANNEL COUNT RATE TURNS BEGAN`.

Paced, each event is sent when it is due. As fast as possible, so many requests are under way that nchan never waits.
"""

import socket
import sys
import time
from collections.abc import Iterator

from benchmarks.apps.workload import Workload
from streamlab.events.event import Done, StreamEvent, encode

UNDER_WAY = 64  # requests
_ANSWER = b"HTTP/1.1 "


def main(argv: list[str]) -> None:
    port, channel, count, rate, turns, began = argv
    workload = Workload(int(count), float(rate), turns=turns == "True")
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting = 0
        for pause, event in _events(workload, float(began)):
            connection.sendall(_request(channel, event))
            waiting += 1
            if workload.rate or waiting >= UNDER_WAY:
                waiting -= _answers(connection)
            if pause:
                time.sleep(pause)
        while waiting > 0:
            waiting -= _answers(connection)


def _events(workload: Workload, began: float) -> Iterator[tuple[float, StreamEvent]]:
    def clock() -> float:
        return time.monotonic() - began

    yield from workload.events(clock)
    yield 0, Done("completed", seq=workload.count + 1, at=clock())


def _request(channel: str, event: StreamEvent) -> bytes:
    body = encode(event)
    head = (
        f"POST /publish?id={channel} HTTP/1.1\r\nHost: localhost\r\nX-EventSource-Event: {event.type}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _answers(connection: socket.socket) -> int:
    """Count the answers received. An answer is far smaller than a packet, and none is cut in its first word."""
    return connection.recv(64 * 1024).count(_ANSWER)


if __name__ == "__main__":
    main(sys.argv[1:])
