"""What a browser made, to come back to: listed, searched, given other titles, deleted and brought back."""

import asyncio
import time
from dataclasses import replace
from functools import partial

from streamlab.browsers.tombstones import Tombstones
from streamlab.chats.attached import UNDO_SECONDS
from streamlab.chats.chat import CHATS, Chat, UnknownChat
from streamlab.chats.chats import Chats
from streamlab.hub.listing import Entry, shortened
from streamlab.hub.shared import DocumentType, Shared

ENDING = 2.0  # seconds that a live answer is given to end when its conversation is deleted

CONVERSATIONS = CHATS.name  # a kind is named after its documents
# Each is gone, with its logs, when its time is over, whoever is there to see to it.
_DELETED = DocumentType(
    "deleted_chat", CHATS.encode, CHATS.decode, UNDO_SECONDS, CHATS.capacity, CHATS.size, holds=CHATS.holds
)


class History:
    """The conversations of each browser, as far as they are listed. Belongs to one event loop.

    Every method raises HubUnreachable when the store does not answer.
    """

    def __init__(self, chats: Chats, shared: Shared) -> None:
        self._chats = chats
        self._shared = shared
        self._deleted = shared.documents(_DELETED)
        self._tombstones = Tombstones(shared)
        chats.on_changed = self._changed
        chats.on_asked = self._asked

    async def entries(self, browser: str, kind: str, words: str = "", limit: int = 1_000) -> list[Entry]:
        """Return what the browser made of a kind that holds all the words, the newest first."""
        return await self._shared.listing.entries(browser, kind, words, limit)

    async def deleted(self, browser: str) -> list[Entry]:
        """Return what the browser deleted and can bring back, the last first; each is of the moment of its deletion."""
        listing, since = self._shared.listing, self._shared.now() - _DELETED.seconds
        entries = await listing.entries(browser, _DELETED.name)
        for entry in entries:
            if entry.at <= since:
                await listing.remove(browser, _DELETED.name, entry.key)
        return [entry for entry in entries if entry.at > since]

    async def rename(self, chat_id: str, title: str) -> Chat:
        """Give the conversation another title; without one it has that of its first question. Raises UnknownChat."""
        await self._chats.get(chat_id)
        while known := await self._chats.documents.get(chat_id):
            renamed = replace(known.document, title=shortened(title))
            if await self._chats.documents.replace(chat_id, known, renamed):
                self._chats.on_changed(renamed)
                return renamed
        raise UnknownChat(chat_id)

    async def delete(self, browser: str, chat_id: str) -> Chat:
        """End the conversation's answer and delete it; for some minutes it can be restored.

        Raises UnknownChat, also for one that the browser did not begin; then it is no longer listed for it.
        """
        await self._shared.listing.remove(browser, CONVERSATIONS, chat_id)
        if (await self._chats.get(chat_id)).browser != browser:
            raise UnknownChat(chat_id)
        await self._chats.stop(chat_id)
        chat = await self._settled(chat_id)
        await self._deleted.put(chat_id, chat)
        entry = Entry(chat_id, title_of(chat), self._shared.now())
        await self._shared.listing.put(browser, _DELETED.name, entry, seconds=_DELETED.seconds)
        await self._tombstones.put(chat_id, chat.browser)
        await self._chats.attached.set_aside(chat.attachments)
        await self._chats.documents.remove(chat_id)
        await self._shared.listing.remove(browser, CONVERSATIONS, chat_id)
        return chat

    async def restore(self, chat_id: str) -> bool:
        """Bring a deleted conversation back, if nobody was faster; False when it is too late."""
        known = await self._deleted.get(chat_id)
        if not known:
            return await self._chats.documents.get(chat_id) is not None
        await self._chats.attached.bring_back(known.document.attachments)
        await self._chats.documents.add(chat_id, known.document)
        await self._tombstones.remove(chat_id)
        await self._list(chat_id)
        await self._shared.listing.remove(known.document.browser, _DELETED.name, chat_id)
        await self._deleted.remove(chat_id)
        return True

    async def is_deleted(self, chat_id: str) -> bool:
        """Tell whether a person has deleted the conversation."""
        return await self._tombstones.has(chat_id)

    async def _settled(self, chat_id: str) -> Chat:
        """Return the conversation when its last answer has ended, or has not for too long."""
        until = time.monotonic() + ENDING
        while (chat := await self._chats.get(chat_id)).live and time.monotonic() < until:  # noqa: ASYNC110 # of any process
            await asyncio.sleep(0.02)
        return chat

    async def _asked(self, chat: Chat) -> None:
        """List the conversation before who asked is told: a page draws the list once, before the answer."""
        if chat.browser:
            await self._shared.now_or_later(partial(self._list, chat.id))

    def _changed(self, chat: Chat) -> None:
        if chat.browser:
            self._shared.later(partial(self._list, chat.id))

    async def _list(self, chat_id: str) -> None:
        """List the conversation as it is now, unless it is gone."""
        if known := await self._chats.documents.get(chat_id):
            chat = known.document
            entry = Entry(chat.id, title_of(chat), chat.turns[-1].asked_at)
            await self._shared.listing.put(chat.browser, CONVERSATIONS, entry, text_of(chat))
            if not await self._chats.documents.get(chat_id):  # deleted meanwhile
                await self._shared.listing.remove(chat.browser, CONVERSATIONS, chat_id)


def title_of(chat: Chat) -> str:
    return chat.title or shortened(chat.turns[0].title)


def text_of(chat: Chat) -> str:
    """Return the questions and answers, the newest first: of a very long conversation its end is found."""
    turns = sorted(chat.all_turns, key=lambda turn: turn.asked_at, reverse=True)
    return "\n".join(
        "\n".join((turn.question, *(each.name for each in turn.attachments), turn.outcome.text if turn.outcome else ""))
        for turn in turns
    )
