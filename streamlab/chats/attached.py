"""What goes with questions: kept beside the conversations' documents, by what it holds, for as long as they are."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from streamlab.attachments.files import BYTES, File
from streamlab.chats.chat import KEPT, Attachment
from streamlab.hub.shared import Documents, DocumentType, Shared

UNDO_SECONDS = 300.0  # for which what was deleted with a conversation can be brought back
CAPACITY = 128 * 1024 * 1024  # bytes of all of them that one process holds
TOLD_AGAIN = BYTES  # of former questions' files that a model is sent with another question, the newest first

FILES = DocumentType[bytes]("attachment", bytes, bytes, KEPT, CAPACITY, len, lasting=True)
_DELETED = DocumentType[bytes]("deleted_attachment", bytes, bytes, UNDO_SECONDS, CAPACITY, len)


class Attached:
    """The files of conversations, each once in each. Every method raises HubUnreachable."""

    def __init__(self, shared: Shared) -> None:
        self._files = shared.documents(FILES)
        self._deleted = shared.documents(_DELETED)

    async def keep(self, chat_id: str, files: Sequence[File]) -> tuple[Attachment, ...]:
        """Keep the files of a question in this conversation."""
        attachments = tuple(
            Attachment(file.name, file.media_type, len(file.data), _key(chat_id, file.data)) for file in files
        )
        for attachment, file in zip(attachments, files, strict=True):
            await self._files.put(attachment.key, file.data)
        return attachments

    async def find(self, attachment: Attachment) -> File | None:
        """Return the file as it went with the question; None where the store had to let it go."""
        known = await self._files.get(attachment.key)
        return File(attachment.name, attachment.media_type, known.document) if known else None

    async def found(self, attachments: Iterable[Attachment]) -> dict[str, File]:
        """Return those that are there, by their keys."""
        found = {each.key: await self.find(each) for each in attachments}
        return {key: file for key, file in found.items() if file}

    async def forget(self, attachments: Iterable[Attachment]) -> None:
        for each in attachments:
            await self._files.remove(each.key)

    async def set_aside(self, attachments: Iterable[Attachment]) -> None:
        """Delete files, which for UNDO_SECONDS can be brought back."""
        await _move(self._files, self._deleted, attachments)

    async def bring_back(self, attachments: Iterable[Attachment]) -> None:
        await _move(self._deleted, self._files, attachments)


async def _move(place: Documents[bytes], other: Documents[bytes], attachments: Iterable[Attachment]) -> None:
    for each in attachments:
        if known := await place.get(each.key):
            await other.put(each.key, known.document)
            await place.remove(each.key)


def _key(chat_id: str, data: bytes) -> str:
    return sha256(chat_id.encode() + b"\0" + data).hexdigest()
