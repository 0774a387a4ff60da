"""WebSocket: the events of a run as JSON texts, each `{"id": token, "event": type, "data": {…}}`.

The client may send `{"type": "stop"}`; what is refused is answered with a `refused` event, and the stream goes on.
Close codes: 1000 the run has ended, 1012 the server is draining, 4401 the token's time is over, and 4000 + the status
that HTTP would have answered where the stream was refused. A client that does not read is cut off (1006).
"""

import asyncio
import json
from functools import partial

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamlab.events import Event
from streamlab.gateway.access import Grant
from streamlab.gateway.delivery import Delivery, Reason, alongside, farewell
from streamlab.gateway.errors import Refused, read_only
from streamlab.gateway.feed import Entry, control
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.protocols.uvicorn_socket import abort, send_at_once
from streamlab.gateway.requests import caller_of, gateway_of
from streamlab.hub import Log, Position

REFUSED = 4000
CLOSE_CODES: dict[Reason | None, int] = {"ended": 1000, "drained": 1012, "expired": 4401, "revoked": 4401}


def encode_message(entry: Entry) -> str:
    id = f'"id":"{entry.token}",' if entry.token else ""
    return f'{{{id}"event":"{entry.name}","data":{entry.data.decode()}}}'


def _messages(entries: list[Entry]) -> list[str]:
    """A frame as it is sent; all clients share it."""
    return [encode_message(entry) for entry in entries]


class FollowSocket:
    """`WS /runs/{run_id}/ws?after=&token=`. An ASGI application, because a slow client's connection is to be found."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        gateway, caller = gateway_of(socket), caller_of(socket)
        try:
            gateway.access.admit(caller)
        except Refused as refused:
            await socket.send_denial_response(JSONResponse(refused.as_json(), refused.status))
            return
        try:
            send_at_once(receive)
            await socket.accept()
            try:
                run_id = socket.path_params["run_id"]
                grant = gateway.access.allow_reading(caller, run_id)
                log = await gateway.log(run_id)
                after = gateway.position(socket.query_params.get("after"))
                await self._follow(socket, receive, gateway, grant, log, after)
            except Refused as refused:
                await socket.close(REFUSED + refused.status, refused.code)
        except (WebSocketDisconnect, OSError):
            pass  # it has gone, and the delivery has said so

    async def _follow(
        self, socket: WebSocket, receive: Receive, gateway: Gateway, grant: Grant, log: Log, after: Position | None
    ) -> None:
        with gateway.deliver(log, grant, "websocket", after) as delivery:
            delivery.abort = partial(abort, receive, asyncio.current_task())
            with alongside(asyncio.create_task(_listen(socket, gateway, delivery))):
                await _send(
                    socket, delivery, encode_message(Entry(None, "open", control(await gateway.opening(log, grant))))
                )
                while (frame := await delivery.next()) is not None:
                    messages = frame.form(_messages)
                    for message, item in zip(messages, frame.items, strict=True):
                        await _send(socket, delivery, message, events=int(isinstance(item, Event)))
                if delivery.reason not in ("client", "slow"):
                    last = farewell(delivery.reason)
                    if last:
                        await _send(socket, delivery, encode_message(Entry(None, last[0], control(last[1]))))
                    await socket.close(CLOSE_CODES[delivery.reason], delivery.reason)


async def _send(socket: WebSocket, delivery: Delivery, text: str, events: int = 0) -> None:
    await delivery.send(socket.send_text(text), len(text.encode()), events)


async def _listen(socket: WebSocket, gateway: Gateway, delivery: Delivery) -> None:
    """What the client says, until it leaves."""
    try:
        while True:
            try:
                _act(await socket.receive_text(), gateway, delivery)
            except Refused as refused:
                await socket.send_text(encode_message(Entry(None, "refused", control(refused.as_json()))))
            except KeyError:  # bytes, which Starlette does not expect here
                continue
    except (WebSocketDisconnect, OSError):
        delivery.end("client")


def _act(text: str, gateway: Gateway, delivery: Delivery) -> None:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if message != {"type": "stop"}:
        raise Refused(422, "unknown_message", "The message is not one that the server knows.", 'Send {"type":"stop"}.')
    if not delivery.grant.full:
        raise read_only()
    gateway.stop(delivery.log)
