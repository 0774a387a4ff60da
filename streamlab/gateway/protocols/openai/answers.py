"""Answers over HTTP besides streams: one that comes whole, and one whose run ends with its reader."""

import asyncio
from collections.abc import Callable
from functools import partial

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streamlab.gateway.delivery import Delivery, alongside
from streamlab.gateway.errors import draining
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.protocols.openai.errors import refused
from streamlab.gateway.protocols.sse import watch
from streamlab.gateway.protocols.uvicorn_socket import abort


class WholeAnswer(Response):
    """Follows a run to its end, and then sends what is made of it."""

    def __init__(self, delivery: Delivery, make: Callable[[], Response], headers: dict[str, str]) -> None:
        super().__init__()
        self._delivery = delivery
        self._make = make
        self._more = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._delivery as delivery, alongside(asyncio.create_task(watch(receive, delivery))):
            while await delivery.next():
                pass
            if delivery.reason == "client":
                return
            response = self._make() if delivery.reason == "ended" else refused(draining())
            response.headers.update(self._more)
            sending = asyncio.create_task(response(scope, receive, send))
            delivery.abort = partial(abort, receive, sending)
            try:
                await delivery.send(sending, len(response.body), delivery.log.seq)
            except OSError:  # what some servers raise when the client has gone
                delivery.end("client")


class EndingWithItsReader(Response):
    """Sends an answer to whom nobody else could give it: when the reader leaves, its run ends, unless others follow."""

    def __init__(self, answer: Response, delivery: Delivery, gateway: Gateway) -> None:
        super().__init__()
        self._answer = answer
        self._delivery = delivery
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        finally:
            log = self._delivery.log
            if self._delivery.reason in ("client", "slow") and not log.done and not log.followers:
                self._gateway.stop(log)
