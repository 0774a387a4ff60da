"""WebSocket: the events of a run as JSON texts, each `{"id": token, "event": type, "data": {…}}`.

The client may send `{"type": "stop"}`; what is refused is answered with a `refused` event, and the stream goes on.
Close codes: 1000 the run has ended, 1012 the server is draining, 4401 the token's time is over, and 4000 + the status
that HTTP would have answered where the stream was refused. A client that does not read is cut off (1006).
"""

import asyncio
import json
from collections.abc import Sequence
from functools import partial

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamlab.gateway.access import Grant
from streamlab.gateway.control import Close, Drain, Open, Refused
from streamlab.gateway.delivery import Delivery, EndReason, alongside
from streamlab.gateway.errors import Refusal, read_only
from streamlab.gateway.feed import Entry, Frame, control_entry
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.protocols.uvicorn_socket import abort, send_at_once
from streamlab.gateway.requests import caller_of, gateway_of
from streamlab.gateway.writer import Packet, Writer, write_stream
from streamlab.hub import Log, Position

REFUSED = 4000
CLOSE_CODES: dict[EndReason | None, int] = {"ended": 1000, "drained": 1012, "expired": 4401, "revoked": 4401}


def encode_message(entry: Entry) -> str:
    """Encode an event as one message."""
    id = f'"id":"{entry.token}",' if entry.token else ""
    return f'{{{id}"event":"{entry.name}","data":{entry.data.decode()}}}'


class TextWriter(Writer[str]):
    """Writes each event as one message."""

    name = "websocket"

    def opening(self, event: Open) -> Sequence[Packet[str]]:
        return [_packet(control_entry(event))]

    def frame(self, frame: Frame) -> Sequence[Packet[str]]:
        return frame.form(_packets)

    def sign_of_life(self) -> Sequence[Packet[str]]:
        return []  # the server's pings are

    def closing(self, event: Drain | Close | None) -> Sequence[Packet[str]]:
        return [_packet(control_entry(event))] if event else []


def _packets(frame: Frame) -> list[Packet[str]]:
    return [_packet(entry) for entry in frame.entries()]


def _packet(entry: Entry) -> Packet[str]:
    message = encode_message(entry)
    return Packet(message, len(message.encode()), int(entry.token is not None))


class FollowSocket:
    """`WS /runs/{run_id}/ws?after=&token=`. An ASGI application, because a slow client's connection is to be found."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        gateway, caller = gateway_of(socket), caller_of(socket)
        try:
            gateway.access.admit(caller)
            gateway.welcome()  # before it is accepted: a balancer then asks elsewhere
        except Refusal as refusal:
            await socket.send_denial_response(JSONResponse(refusal.as_json(), refusal.status))
            return
        try:
            send_at_once(receive)
            await socket.accept()
            try:
                run_id = socket.path_params["run_id"]
                grant = gateway.access.allow_reading(caller, run_id)
                log = await gateway.log(run_id, grant)
                after = gateway.position(socket.query_params.get("after"))
                await self._follow(socket, receive, gateway, grant, log, after)
            except Refusal as refusal:
                await socket.close(REFUSED + refusal.status, refusal.code)
        except (WebSocketDisconnect, OSError):
            pass  # it has gone, and the delivery has said so

    async def _follow(
        self, socket: WebSocket, receive: Receive, gateway: Gateway, grant: Grant, log: Log, after: Position | None
    ) -> None:
        writer = TextWriter()
        with gateway.deliver(log, grant, writer.name, after) as delivery:
            delivery.abort = partial(abort, receive, asyncio.current_task())
            with alongside(asyncio.create_task(_listen(socket, gateway, delivery))):
                opening = await gateway.opening(log, grant)
                if await write_stream(delivery, writer, opening, socket.send_text):
                    await socket.close(CLOSE_CODES[delivery.reason], delivery.reason)


async def _listen(socket: WebSocket, gateway: Gateway, delivery: Delivery) -> None:
    """Do what the client says, until it leaves."""
    try:
        while True:
            try:
                _act(await socket.receive_text(), gateway, delivery)
            except Refusal as refusal:
                await socket.send_text(encode_message(control_entry(Refused(refusal.details))))
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
        raise Refusal(422, "unknown_message", "The message is not one that the server knows.", 'Send {"type":"stop"}.')
    if not delivery.grant.full:
        raise read_only()
    gateway.stop(delivery.log)
