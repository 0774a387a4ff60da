"""Changes of a conversation, a comparison or a room, told to the pages that show it: that there is one, and no more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing, suppress
from typing import Protocol

from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamlab.engine import Engine
from streamlab.hub import HubUnreachable
from streamlab.rooms.rooms import Told

AWAY = 1012  # the server leaves, and the page may come back
CROWD_PAUSE = 0.25  # seconds between two versions of what many change at once


class Changing(Protocol):
    """Things by id that pages show."""

    def watch(self, id: str) -> AbstractContextManager[asyncio.Event]:
        """Yield an event that is set whenever the thing may have changed, here or in another process."""

    async def version(self, id: str) -> str:
        """Return another text after each change; "" for what is not there. Raises HubUnreachable."""


async def versions(things: Changing, id: str, pause: float = 0.0) -> AsyncGenerator[str]:
    """Yield the thing's version as it is now and after each change; none while the hub does not answer.

    What changes more often than once in `pause` seconds is looked at only so often.
    """
    told = None
    with things.watch(id) as changed:
        while True:
            changed.clear()
            with suppress(HubUnreachable):
                version = await things.version(id)
                if version != told:
                    told = version
                    yield version
            await asyncio.sleep(pause)
            await changed.wait()


async def tell_changes(socket: WebSocket) -> None:
    """Serve `WS /changes`: send the version of what its address names, again after each change, until the page leaves.

    That is `?chat=`, `?comparison=`, `?room=` (all that happens in it) or `?said=` (what a room's teacher says). Who
    knows its address may read it, so nothing else is asked for.
    """
    await socket.accept()
    engine = Engine.running
    if engine is None:
        await socket.close(AWAY)
        return
    try:
        told = await _named(engine, socket.query_params)
    except HubUnreachable:
        await socket.close(AWAY)
        return
    sending = asyncio.create_task(_send(socket, told))
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, KeyError):  # it has gone, or sent bytes, which nobody expects
        sending.cancel()
        await asyncio.wait([sending])


async def _named(engine: Engine, address: QueryParams) -> AsyncGenerator[str]:
    """Return the versions of what the address names."""
    if comparison := address.get("comparison"):
        return versions(engine.comparisons, comparison)
    if room := address.get("room"):
        return versions(engine.rooms, room, CROWD_PAUSE)
    if told := address.get("said"):
        return versions(Told(engine.rooms), told, CROWD_PAUSE)
    return versions(engine.chats, await engine.readers.chat_id(address.get("chat", "")))


async def _send(socket: WebSocket, told: AsyncGenerator[str]) -> None:
    with suppress(WebSocketDisconnect, OSError):  # which is heard of where the page is listened to
        async with aclosing(told):
            async for version in told:
                await socket.send_text(version)
