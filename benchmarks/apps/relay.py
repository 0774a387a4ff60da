"""The peer: a relay of the usual kind, sse-starlette with a queue for each client. Its routes are those of the
gateway's application; an event is encoded once, the rest is the library's.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.apps.workload import Workload
from streamlab.events.event import Done, StreamEvent, encode

Queue = asyncio.Queue[tuple[StreamEvent, str]]


class Relay:
    def __init__(self) -> None:
        self._workload = Workload(0)
        self._queues: set[Queue] = set()
        self._task: asyncio.Task[None] | None = None

    async def prepare(self, request: Request) -> Response:
        self._workload = Workload(**await request.json())
        return JSONResponse({"path": "/events", "run": ""})

    async def go(self, request: Request) -> Response:
        began = time.monotonic()
        self._task = asyncio.create_task(self._publish(began))
        return JSONResponse({"began": began})

    async def follow(self, request: Request) -> Response:
        queue: Queue = asyncio.Queue()
        self._queues.add(queue)
        return EventSourceResponse(self._read(queue))

    async def _read(self, queue: Queue) -> AsyncIterator[ServerSentEvent]:
        try:
            done = False
            while not done:
                event, data = await queue.get()
                done = event.type == "done"
                yield ServerSentEvent(data=data, event=event.type, id=str(event.seq))
        finally:
            self._queues.discard(queue)

    async def _publish(self, began: float) -> None:
        def clock() -> float:
            return time.monotonic() - began

        for pause, event in self._workload.events(clock):
            self._put(event)
            await asyncio.sleep(pause)
        self._put(Done("completed", seq=self._workload.count + 1, at=clock()))

    def _put(self, event: StreamEvent) -> None:
        data = encode(event).decode()
        for queue in self._queues:
            queue.put_nowait((event, data))


def application() -> Starlette:
    relay = Relay()
    return Starlette(
        routes=[
            Route("/prepare", relay.prepare, methods=["POST"]),
            Route("/go", relay.go, methods=["POST"]),
            Route("/events", relay.follow),
        ]
    )
