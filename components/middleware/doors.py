"""Streamlit's own addresses: the pages' are open, and whatever else it serves is not there.

Checked with streamlit 1.67. `tests/test_strangers_doors.py` fails when another version has a route that is not decided.
"""

from http import HTTPStatus

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from components.page.folder import folder

OPEN = (
    "_stcore/health",  # tells "ok"
    "_stcore/host-config",  # tells what is the same for everyone
    "_stcore/stream",  # the WebSocket of a page
    "_stcore/upload_file",  # takes files of a session, for who knows its id; components/middleware/uploads.py bounds it
    "_stcore/bidi-components",  # the scripts of components that are installed
)
# With all that is beneath. The figures of the process and of its sessions, a run of the script for everyone who asks,
# what programs may do with pages (each answers also while it is off), logins, components of the former kind.
CLOSED = ("_stcore", "app", "auth", "component", "oauth2callback")


class Doors:
    """Answers at what is closed as where nothing is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_open(scope["path"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("Not Found", HTTPStatus.NOT_FOUND)(scope, receive, send)


def is_open(path: str) -> bool:
    """Tell whether something may be served at this path, which may be beneath the pages' folder."""
    inner = f"{path.removeprefix(folder()).lstrip('/')}/"
    return any(inner.startswith(f"{door}/") for door in OPEN) or not any(
        inner.startswith(f"{door}/") for door in CLOSED
    )
