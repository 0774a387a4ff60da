"""Conversations with the demo model."""

import anyio

from streamlab.chats.chat import Chat
from streamlab.chats.chats import Chats
from streamlab.models.options import Options
from tests.conftest import PATIENCE

HISTORY = 1_000


async def settled(chats: Chats, chat: Chat) -> Chat:
    """Return the conversation once its live answer has ended."""
    with anyio.fail_after(PATIENCE):
        while (chat := await chats.get(chat.id)).live:  # noqa: ASYNC110 # nothing tells of it
            await anyio.sleep(0.01)
    return chat


async def ask(chats: Chats, chat: Chat | None, question: str, options: Options) -> Chat:
    return await settled(chats, await chats.ask(chat.id if chat else None, question, options))
