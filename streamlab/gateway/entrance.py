"""Where the gateway is served: the address itself and what is beneath it, and beside it the changes of what pages show.

These are known before anything that serves there is loaded.
"""

from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

CHANGES = "/changes"


def routes_at(path: str, api: ASGIApp) -> list[BaseRoute]:
    """Serve the application at a path and beneath it. A mount alone would leave the path itself to others."""
    return [Route(path, _Entrance(path, api)), Mount(path, api)]


class _Entrance:
    """Serves the root of an application at the path at which it is mounted, which has no slash at its end."""

    def __init__(self, path: str, api: ASGIApp) -> None:
        self._path = path
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        below = {"root_path": scope.get("root_path", "") + self._path, "path": f"{scope['path']}/"}
        await self._api({**scope, **below}, receive, send)
