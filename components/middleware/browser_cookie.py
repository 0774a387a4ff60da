"""The cookie by which a browser is known again, so that what it made is listed for it."""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.middleware.content_policy import is_api
from components.middleware.host_config import PATH as HOST_CONFIG
from components.page.folder import folder
from streamlab.browsers.browsers import SECONDS, Browsers, cookie_name
from streamlab.hub import HubUnreachable


class BrowserCookie:
    """Sets it with each page that is served to a browser that has none, or an old one. No script can read it.

    Before anything knows browsers a page is served without it. Then what its script asks for, before it has the server
    run the page, brings the cookie.
    """

    def __init__(self, app: ASGIApp, browsers: Callable[[], Browsers | None]) -> None:
        self._app = app
        self._browsers = browsers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                browsers = self._browsers()
                if browsers and _is_page(scope, message["status"], headers):
                    await _set_cookie(browsers, HTTPConnection(scope), headers)
            await send(message)

        serves = scope["type"] == "http" and scope["method"] == "GET" and not is_api(scope["path"])
        await self._app(scope, receive, send_with_cookie if serves else send)


def _is_page(scope: Scope, status: int, headers: MutableHeaders) -> bool:
    """Tell whether a page is served, or one that the browser has still is the page, or what each page's script asks."""
    if status == HTTPStatus.NOT_MODIFIED:
        return "text/html" in Headers(scope=scope).get("accept", "")
    if scope["path"] == f"{folder()}{HOST_CONFIG}":
        return True
    return headers.get("content-type", "").startswith("text/html")


async def _set_cookie(browsers: Browsers, request: HTTPConnection, headers: MutableHeaders) -> None:
    name, ticket = cookie_name(request.headers.get("host")), None
    with suppress(HubUnreachable):
        ticket = await browsers.renewed(request.cookies.get(name))
    if ticket:
        secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
        written = Response()
        written.set_cookie(name, ticket, max_age=SECONDS, secure=secure, httponly=True, samesite="lax")
        headers.append("set-cookie", written.headers["set-cookie"])
        headers["cache-control"] = "private, no-cache"  # no proxy may give one browser's to another
