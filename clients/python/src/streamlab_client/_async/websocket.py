"""Streams of a server over WebSockets, a connection for each; its calls go over HTTP."""

from collections.abc import AsyncGenerator

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streamlab_client._async.http import HttpTransport
from streamlab_client.reader import FollowRequest, Message, Request, StartRequest, open_message
from streamlab_client.websocket import address, close_messages, connect_options, parse_frame, translated_errors


class WebSocketTransport(HttpTransport):
    def __init__(self, url: str, heartbeat: float) -> None:
        super().__init__(url, heartbeat)
        self._heartbeat = heartbeat

    async def messages(self, request: Request, token: str | None) -> AsyncGenerator[Message]:
        if isinstance(request, StartRequest):
            started = await self.start(request, token)
            yield open_message(started.id, started.conversation, started.model)
            request = FollowRequest(started.id, None)
        base = str(self.client.base_url)
        options = connect_options(base, token, self._heartbeat)
        target = address(base, request)
        with translated_errors(self.url, target):
            async with connect(target, **options) as socket:
                try:
                    while True:
                        yield parse_frame(await socket.recv())
                except ConnectionClosed as closed:
                    for message in close_messages(closed):
                        yield message
