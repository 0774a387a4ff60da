"""The files that pages are given: how many the server receives and holds at once.

Streamlit holds every file until its session has ended, any number of them. A page reads a file as soon as it is there
and needs it no more, so the oldest go. Checked with streamlit 1.67, whose runtime tells where the files are;
`tests/test_strangers_uploads.py` fails when it no longer does.
"""

from collections import Counter
from http import HTTPStatus
from typing import cast

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from components.page.folder import folder

PATH = "/_stcore/upload_file/"
FILES = 5  # that a session has, the newest: one more than may go with a question, so that too many are seen to be
BYTES = 128 * 1024 * 1024  # of all sessions together
AT_ONCE = 8  # files that are being received
OF_SESSION = 5  # of these: what is attached to a question comes at once

File = tuple[str, str]
"""The ids of a session and of a file."""


class Uploads:
    """Lets few come at once, and removes the oldest when there are too many."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._coming: Counter[str] = Counter()  # by session
        self._held: list[File] = []  # the oldest first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        file = _file(scope)
        if file is None:
            await self._app(scope, receive, send)
            return
        session = file[0]
        if self._coming.total() >= AT_ONCE or self._coming[session] >= OF_SESSION:
            told = {"retry-after": "5"}
            await PlainTextResponse("Too Many Requests", HTTPStatus.TOO_MANY_REQUESTS, told)(scope, receive, send)
            return
        self._coming[session] += 1
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            pass  # who sends it has gone
        finally:
            self._coming[session] -= 1
            self._coming += Counter()  # which forgets who has none
            self._held.append(file)
            self._trim()

    def _trim(self) -> None:
        files = cast(MemoryUploadedFileManager, get_instance().uploaded_file_mgr)
        sizes = {
            (session, id): len(record.data)
            for session, records in list(files.file_storage.items())
            for id, record in list(records.items())
        }
        self._held = [file for file in dict.fromkeys(self._held) if file in sizes]
        for file in list(self._held):
            of_session = [each for each in self._held if each[0] == file[0]]
            if len(of_session) > FILES or sum(sizes[each] for each in self._held) > BYTES:
                files.remove_file(*file)
                self._held.remove(file)


def _file(scope: Scope) -> File | None:
    """Say which file is being sent, None for anything else."""
    if scope["type"] != "http" or scope["method"] != "PUT":
        return None
    path = scope["path"].removeprefix(folder())
    session, _, id = path.removeprefix(PATH).partition("/")
    return (session, id) if path.startswith(PATH) and id else None
