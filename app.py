"""The one process: the pages and the gateway and, on the same event loop, the engine that they follow.

What is heavy is not imported here, but by the opening, beside the open port.
"""

import logging
import sys
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute

from components.middleware.browser_cookie import BrowserCookie
from components.middleware.content_policy import API, ContentPolicy
from components.middleware.deep_addresses import DeepAddresses
from components.middleware.doors import Doors
from components.middleware.first_paint import FirstPaint
from components.middleware.host_config import HostConfig
from components.middleware.known_hosts import KnownHosts
from components.middleware.opening import Held, HeldPages, Opening
from components.middleware.uploads import Uploads
from components.page.folder import folder
from streamlab.gateway.entrance import CHANGES, routes_at
from streamlab.gateway.protocols.uvicorn_connection import TimedConnections
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
opening = Opening(settings)
api = Held(opening, lambda lab: lab.api)
changes = Held(opening, lambda lab: lab.changes)
folders = {"", folder()}  # a proxy may hand this server nothing but what is beneath the pages' folder

app = st.App(
    "components/frame.py",
    lifespan=opening.lifespan,
    routes=[
        route for base in folders for route in (*routes_at(base + API, api), WebSocketRoute(base + CHANGES, changes))
    ],
    middleware=[
        Middleware(TimedConnections),
        Middleware(ContentPolicy),
        Middleware(KnownHosts, hosts=settings.lab_hosts),
        Middleware(Doors),
        Middleware(Uploads),
        Middleware(BrowserCookie, browsers=opening.browsers),
        Middleware(FirstPaint),
        Middleware(HostConfig),
        Middleware(DeepAddresses),
        Middleware(HeldPages, opening=opening),
    ],
)
