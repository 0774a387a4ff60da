"""The one process: the pages and the gateway and, on the same event loop, the engine that they follow."""

import gc
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

# Streamlit loads these two at the first write_stream: seconds in which the first answer would not be seen.
import pandas  # type: ignore[import-untyped] # noqa: F401
import pyarrow  # type: ignore[import-untyped] # noqa: F401
import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute, websocket_session

import components
from components.middleware.browser_cookie import BrowserCookie
from components.middleware.content_policy import API, ContentPolicy
from components.middleware.deep_addresses import DeepAddresses
from components.middleware.doors import Doors
from components.middleware.first_paint import FirstPaint
from components.middleware.host_config import HostConfig
from components.middleware.known_hosts import KnownHosts
from components.middleware.uploads import Uploads
from components.page.folder import folder
from streamlab.engine import Engine, open_engine
from streamlab.gateway.changes import PATH, tell_changes
from streamlab.gateway.http import create_app, routes_at
from streamlab.gateway.protocols.uvicorn_connection import TimedConnections
from streamlab.gateway.protocols.uvicorn_socket import GoneWhenClosed
from streamlab.gateway.serving import serving
from streamlab.hub import StoreRefused
from streamlab.hub.sqlite.file import check_store
from streamlab.settings import STORE, SettingsError, load_settings

# The page of several clients has the project's own Python client at work, from where its source lies: who runs the app
# needs to install no second package. At the end of the path, so that it stands in nobody's way.
sys.path.append(str(Path(__file__).parent / "clients/python/src"))
logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
try:
    settings = load_settings(STORE)
    check_store(settings.store_file)
except SettingsError as error:
    sys.exit(f"Streaming Lab cannot start. In the environment or .env:\n{error}")
except StoreRefused as error:
    sys.exit(f"Streaming Lab cannot start. {error}")
# What a first visit would import is loaded before there are streams, all of which it would hold up.
for module in walk_packages(components.__path__, "components."):
    if module.name != "components.frame":  # the script that draws the pages
        import_module(module.name)
api = create_app(settings)
changes = GoneWhenClosed(websocket_session(tell_changes))
folders = {"", folder()}  # a proxy may hand this server nothing but what is beneath the pages' folder


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:
    async with open_engine(settings) as engine, serving(api, engine):
        Engine.running = engine
        gc.freeze()  # what is imported stays; a collection need not look at it again and hold up every stream
        try:
            yield {"engine": engine}
        finally:
            Engine.running = None


app = st.App(
    "components/frame.py",
    lifespan=lifespan,
    routes=[route for base in folders for route in (*routes_at(base + API, api), WebSocketRoute(base + PATH, changes))],
    middleware=[
        Middleware(TimedConnections),
        Middleware(ContentPolicy),
        Middleware(KnownHosts, hosts=settings.lab_hosts),
        Middleware(Doors),
        Middleware(Uploads),
        Middleware(BrowserCookie),
        Middleware(FirstPaint),
        Middleware(HostConfig),
        Middleware(DeepAddresses),
    ],
)
