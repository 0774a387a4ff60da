"""How the lab opens: beside the open port, and what needs it waits.

To load the engine, the gateway and what pages draw with takes seconds. Meanwhile the page's document and Streamlit's
scripts are served, which a browser is busy with for about as long.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING

import anyio
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

import components
from components.page.folder import folder
from streamlab.hub.errors import StoreRefused
from streamlab.process.permanent import permanent
from streamlab.process.signals import End, taking_signals
from streamlab.settings import Settings

if TYPE_CHECKING:  # what is loaded beside the open port
    from streamlab.browsers.browsers import Browsers
    from streamlab.gateway.lab import Lab

logger = logging.getLogger(__name__)

FAILED = 3  # the exit status of a server whose application does not start: uvicorn's
LEAVING = 1012  # the code of a WebSocket that is closed by a server that is to come back
# In pieces, so that a server that is told to end meanwhile does so soon.
ENGINE = ("openai", "langchain_openai", "langchain.agents", "streamlab.engine", "streamlab.gateway.lab")
# Streamlit loads these two at the first write_stream: seconds in which the first answer would not be seen.
LATE = ("pandas", "pyarrow")
SCRIPT = "components.frame"  # draws a page when it is imported


class Opening:
    """Opens the lab once, and closes it. A signal that ends the server meanwhile ends the opening, too."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lab: Lab | None = None
        self._decided = asyncio.Event()  # it is open, or it will not be
        self._leaving = asyncio.Event()

    @asynccontextmanager
    async def lifespan(self, _: object) -> AsyncIterator[None]:
        """Open the lab while the block, which is entered at once, goes on; close it at the block's end."""
        loop = asyncio.get_running_loop()

        def take(end: End) -> None:
            loop.call_soon_threadsafe(self._give_up)
            end()

        with taking_signals(take):
            opening = asyncio.create_task(self._open(), name="opening")
            try:
                yield
            except asyncio.CancelledError:
                if not opening.done():  # else it has said why the process ends
                    raise
            finally:
                self._leaving.set()
                with suppress(SystemExit):  # by which it has ended the process already
                    await opening

    async def lab(self) -> "Lab | None":
        """Wait until it is open, and return it; None if it will not be, or is closed."""
        await self._decided.wait()
        return self._lab

    def browsers(self) -> "Browsers | None":
        """Return what knows browsers, as soon as something does."""
        return self._lab and self._lab.engine.browsers

    async def _open(self) -> None:
        """Open it until the server leaves. What fails ends the process, as it would end its start."""
        failed: str | int | None = None
        try:
            async with AsyncExitStack() as stack:
                try:
                    with permanent():
                        lab = await self._load(stack)
                except StoreRefused as error:
                    failed = f"Streaming Lab cannot start. {error}"
                except Exception:
                    logger.exception("Streaming Lab cannot start.")
                    failed = FAILED
                else:
                    await self._serve(lab)
        finally:
            self._give_up()
        if failed is not None:
            sys.exit(failed)

    async def _load(self, stack: AsyncExitStack) -> "Lab | None":
        """Enter the lab, and load what pages draw with meanwhile. Stop midway if the server leaves."""
        await anyio.to_thread.run_sync(self._import, ENGINE)
        if self._leaving.is_set():
            return None
        from streamlab.gateway.lab import open_lab  # which is there by now

        loading = asyncio.create_task(anyio.to_thread.run_sync(self._import, _drawing()))
        opened = await stack.enter_async_context(open_lab(self._settings))
        await loading
        return opened

    async def _serve(self, lab: "Lab | None") -> None:
        if not self._leaving.is_set():
            self._lab = lab
            self._decided.set()
        await self._leaving.wait()
        self._lab = None

    def _import(self, names: Iterable[str]) -> None:
        """Import modules, none after the server has been told to end."""
        for name in names:
            if self._leaving.is_set():
                return
            import_module(name)

    def _give_up(self) -> None:
        """Let go of who waits, unless the lab is open: then its gateway has seen to everyone."""
        if not self._decided.is_set():
            self._leaving.set()
            self._decided.set()


def _drawing() -> Iterator[str]:
    """Name what a first visit would import, before there are streams, all of which it would hold up."""
    yield from LATE
    for module in walk_packages(components.__path__, "components."):
        if module.name != SCRIPT:
            yield module.name


class Held:
    """Holds what is asked until the lab is open, for one of its applications."""

    def __init__(self, opening: Opening, application: Callable[["Lab"], ASGIApp]) -> None:
        self._opening = opening
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if lab := await self._opening.lab():
            await self._application(lab)(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": LEAVING})
        else:
            later = PlainTextResponse("Service Unavailable", HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": "1"})
            await later(scope, receive, send)


class HeldPages:
    """Lets the documents of pages and Streamlit's scripts through, and holds what runs a page."""

    def __init__(self, app: ASGIApp, opening: Opening) -> None:
        self._app = app
        self._held = Held(opening, lambda _: app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._held if _runs_pages(scope) else self._app)(scope, receive, send)


def _runs_pages(scope: Scope) -> bool:
    path: str = scope.get("path", "")  # which the lifespan has not
    return path.removeprefix(folder()).startswith("/_stcore/")
