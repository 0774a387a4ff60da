"""Conversations that are shown to people who are to read them, and to ask nothing in them."""

from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256

from streamlab.chats.chat import IDS, KEPT, Chat
from streamlab.chats.chats import Chats
from streamlab.hub.shared import DocumentType, Shared

PREFIX = "read-"  # no conversation's own id begins so: of 22 random letters that would be one in a billion
READERS = DocumentType("reader", str.encode, bytes.decode, KEPT, IDS, lasting=True)


class Readers:
    """The ids for reading. Belongs to one event loop.

    Every method raises HubUnreachable when the store does not answer.

    An id for reading is a digest of the conversation's own, which cannot be told from it. It is no conversation's id:
    whatever asks, answers anew, rates or stops knows of no such conversation.
    """

    def __init__(self, chats: Chats, shared: Shared) -> None:
        self._chats = chats
        self._readers = shared.documents(READERS)

    async def share(self, chat_id: str) -> str:
        """Return the id under which the conversation can only be read. Raises UnknownChat."""
        await self._chats.get(chat_id)
        digest = urlsafe_b64encode(sha256(f"streamlab reader {chat_id}".encode()).digest())
        reader_id = f"{PREFIX}{digest.decode()[:22]}"
        await self._readers.put(reader_id, chat_id)
        return reader_id

    async def chat_id(self, id: str) -> str:
        """Return the own id of the conversation that this id, of either kind, shows."""
        known = await self._readers.get(id) if is_reader(id) else None
        return known.document if known else id

    async def read(self, id: str) -> Chat:
        """Return the conversation by an id of either kind; who only reads learns neither its id nor whose it is.

        Raises UnknownChat.
        """
        chat = await self._chats.get(await self.chat_id(id))
        return replace(chat, id=id, browser="", owner="") if is_reader(id) else chat


def is_reader(id: str) -> bool:
    """Tell whether the id is one for reading only."""
    return id.startswith(PREFIX)
