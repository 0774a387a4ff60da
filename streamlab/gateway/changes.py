"""Changes of a conversation or a comparison, told to the pages that show it: that there is one, and nothing of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing, suppress
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from streamlab.engine import Engine
from streamlab.hub import HubUnreachable

AWAY = 1012  # the server leaves, and the page may come back


class Changing(Protocol):
    """Things by id that pages show."""

    def watch(self, id: str) -> AbstractContextManager[asyncio.Event]:
        """Yield an event that is set whenever the thing may have changed, here or in another process."""

    async def version(self, id: str) -> str:
        """Return another text after each change; "" for what is not there. Raises HubUnreachable."""


async def versions(things: Changing, id: str) -> AsyncGenerator[str]:
    """Yield the thing's version as it is now and after each change; none while the hub does not answer."""
    told = None
    with things.watch(id) as changed:
        while True:
            changed.clear()
            with suppress(HubUnreachable):
                version = await things.version(id)
                if version != told:
                    told = version
                    yield version
            await changed.wait()


async def tell_changes(socket: WebSocket) -> None:
    """Serve `WS /changes?chat=` and `?comparison=`: send its version, again after each change, until the page leaves.

    Who knows its address may read it, so nothing else is asked for.
    """
    await socket.accept()
    engine = Engine.running
    if engine is None:
        await socket.close(AWAY)
        return
    comparison = socket.query_params.get("comparison")
    things: Changing = engine.chats if comparison is None else engine.comparisons
    try:
        id = comparison or await engine.readers.chat_id(socket.query_params.get("chat", ""))
    except HubUnreachable:
        await socket.close(AWAY)
        return
    sending = asyncio.create_task(_send(socket, things, id))
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, KeyError):  # it has gone, or sent bytes, which nobody expects
        sending.cancel()
        await asyncio.wait([sending])


async def _send(socket: WebSocket, things: Changing, id: str) -> None:
    with suppress(WebSocketDisconnect, OSError):  # which is heard of where the page is listened to
        async with aclosing(versions(things, id)) as told:
            async for version in told:
                await socket.send_text(version)
