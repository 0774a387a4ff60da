"""Addresses beneath a page's, such as `/chat/x`: no page has one, and what Streamlit serves there stays blank."""

from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import URL, Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from components.page.folder import folder

ADDRESS = "address"  # the root's parameter that says what was asked for
SERVED = ("_stcore", "api", "app", "auth", "component", "media", "static")  # folders beneath which there is something


class DeepAddresses:
    """Leads people from there to the root, whose script tells them that there is nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _is_deep(scope):
            await self._app(scope, receive, send)
            return
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        asked = urlencode([*query, (ADDRESS, scope["path"])])
        await RedirectResponse(URL(f"{folder()}/?{asked}"))(scope, receive, send)


def _is_deep(scope: Scope) -> bool:
    if "text/html" not in Headers(scope=scope).get("accept", ""):  # no person went there
        return False
    first, _, rest = scope["path"].removeprefix(folder()).strip("/").partition("/")
    return bool(rest) and first not in SERVED
