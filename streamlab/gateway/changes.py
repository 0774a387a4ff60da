"""Changes of a conversation, told to the pages that show it: that there is one, and nothing of what it says."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace
from hashlib import sha256

from starlette.websockets import WebSocket, WebSocketDisconnect

from streamlab.chats.chat import Chat, UnknownChat
from streamlab.chats.chats import Chats
from streamlab.engine import Engine
from streamlab.hub import HubUnreachable

PATH = "/changes"
AWAY = 1012  # the server leaves, and the page may come back


def version_of(chat: Chat | None) -> str:
    """Return a digest of what a page shows of the conversation, another one after each change; "" for none."""
    if chat is None:
        return ""
    turns = [(turn.run_id, turn.outcome and turn.outcome.status) for turn in chat.turns]
    return sha256(repr((replace(chat, turns=()), turns)).encode()).hexdigest()[:16]


async def versions(chats: Chats, chat_id: str) -> AsyncGenerator[str]:
    """Yield the conversation's version as it is now and after each change; none while the hub does not answer."""
    told = None
    with chats.watch(chat_id) as changed:
        while True:
            changed.clear()
            with suppress(HubUnreachable):
                try:
                    version = version_of(await chats.get(chat_id))
                except UnknownChat:
                    version = version_of(None)
                if version != told:
                    told = version
                    yield version
            await changed.wait()


async def tell_changes(socket: WebSocket) -> None:
    """Serve `WS /changes?chat=`: send the conversation's version, again after each change, until the page leaves.

    Who knows the conversation's address may read it, so nothing else is asked for.
    """
    await socket.accept()
    engine = Engine.running
    if engine is None:
        await socket.close(AWAY)
        return
    sending = asyncio.create_task(_send(socket, engine.chats, socket.query_params.get("chat", "")))
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, KeyError):  # it has gone, or sent bytes, which nobody expects
        sending.cancel()
        await asyncio.wait([sending])


async def _send(socket: WebSocket, chats: Chats, chat_id: str) -> None:
    with suppress(WebSocketDisconnect, OSError):  # which is heard of where the page is listened to
        async with aclosing(versions(chats, chat_id)) as told:
            async for version in told:
                await socket.send_text(version)
