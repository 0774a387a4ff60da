# Made by `make unasync` from _async/websocket.py: change that file, not this one.
"""Streams of a server over WebSockets, a connection for each; its calls go over HTTP."""

from collections.abc import Generator

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from streamlab_client._sync.http import HttpTransport
from streamlab_client.reader import FollowRequest, Message, Request, StartRequest, open_message
from streamlab_client.websocket import address, close_messages, connect_options, parse_frame, translated_errors


class WebSocketTransport(HttpTransport):
    def __init__(self, url: str, heartbeat: float) -> None:
        super().__init__(url, heartbeat)
        self._heartbeat = heartbeat

    def messages(self, request: Request, token: str | None) -> Generator[Message]:
        if isinstance(request, StartRequest):
            started = self.start(request, token)
            yield open_message(started.id, started.conversation, started.model)
            request = FollowRequest(started.id, None)
        base = str(self.client.base_url)
        options = connect_options(base, token, self._heartbeat)
        target = address(base, request)
        with translated_errors(self.url, target):
            with connect(target, **options) as socket:
                try:
                    while True:
                        yield parse_frame(socket.recv())
                except ConnectionClosed as closed:
                    for message in close_messages(closed):
                        yield message
