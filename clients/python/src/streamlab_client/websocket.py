"""Streams over a WebSocket; what is answered at once goes over HTTP."""

import json
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import connect as aconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect

from streamlab_client.errors import broken, error_of, lost
from streamlab_client.http import AsyncHttp, Http, bearer, run_path
from streamlab_client.patience import BEATS, LARGEST, seconds_of
from streamlab_client.reader import ENDED, Ask, Call, Follow, Message, opened

REFUSED = 4000  # a close code is this and the status that HTTP would have answered
LEAVING = 1.0  # seconds that a server has to answer a close


class WebSocket(Http):
    """Runs of one server, each followed over a connection of its own."""

    def __init__(self, url: str, heartbeat: float) -> None:
        super().__init__(url, heartbeat)
        self._heartbeat = heartbeat

    def messages(self, call: Call, token: str | None) -> Generator[Message]:
        """What the server sends, until it ends or breaks. Closing it closes the connection."""
        if isinstance(call, Ask):
            started = self.start(call, token)
            yield opened(started.id, started.conversation, started.model)
            call = Follow(started.id, None)
        address = _address(str(self.client.base_url), call)
        with _told(), connect(address, **_options(token, self._heartbeat)) as socket:
            try:
                while True:
                    yield _message_of(socket.recv())
            except ConnectionClosed as closed:
                yield from _ending(closed)


class AsyncWebSocket(AsyncHttp):
    """The same on an event loop, which must be asyncio's."""

    def __init__(self, url: str, heartbeat: float) -> None:
        super().__init__(url, heartbeat)
        self._heartbeat = heartbeat

    async def messages(self, call: Call, token: str | None) -> AsyncGenerator[Message]:
        if isinstance(call, Ask):
            started = await self.start(call, token)
            yield opened(started.id, started.conversation, started.model)
            call = Follow(started.id, None)
        address = _address(str(self.client.base_url), call)
        with _told():
            async with aconnect(address, **_options(token, self._heartbeat)) as socket:
                try:
                    while True:
                        yield _message_of(await socket.recv())
                except ConnectionClosed as closed:
                    for message in _ending(closed):
                        yield message


def _address(base: str, call: Follow) -> str:
    query = f"?{urlencode({'after': call.after})}" if call.after is not None else ""
    return f"ws{base.removeprefix('http')}{run_path(call.run_id, '/ws')}{query}"


def _options(token: str | None, heartbeat: float) -> dict[str, Any]:
    """Silence is found out by pings, because the server's own signs of life are not handed on."""
    return {
        "additional_headers": bearer(token),
        "compression": None,
        "max_size": LARGEST,
        "open_timeout": heartbeat * BEATS,
        "ping_interval": heartbeat,
        "ping_timeout": heartbeat * (BEATS - 1),
        "close_timeout": LEAVING,
    }


def _message_of(text: str | bytes) -> Message:
    """Raises ProtocolError."""
    try:
        message = json.loads(text)
        return Message(message["event"], message.get("id", ""), message["data"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise broken("a message is not one of an event") from None


def _ending(closed: ConnectionClosed) -> Iterator[Message]:
    """What the server's close says. Raises the error that its code amounts to."""
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
    if code == 1000 and reason == "ended":
        yield ENDED
    elif REFUSED < code < REFUSED + 1000:
        raise error_of(code - REFUSED, {"error": {"code": reason}})


@contextmanager
def _told() -> Iterator[None]:
    """What the library raises, as our errors."""
    try:
        yield
    except InvalidStatus as refused:
        response = refused.response
        try:
            body = json.loads(response.body or b"")
        except ValueError:
            body = None
        raise error_of(response.status_code, body, seconds_of(response.headers.get("retry-after"))) from refused
    except (OSError, EOFError, WebSocketException) as error:
        raise lost(error) from error
