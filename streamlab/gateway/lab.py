"""The engine and the gateway of a process that has pages as well, and what is served by them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from starlette.routing import websocket_session
from starlette.types import ASGIApp

from streamlab.engine import Engine, open_engine
from streamlab.gateway.changes import tell_changes
from streamlab.gateway.http import create_app
from streamlab.gateway.protocols.uvicorn_socket import GoneWhenClosed
from streamlab.gateway.serving import serving
from streamlab.settings import Settings


class Lab(NamedTuple):
    engine: Engine
    api: ASGIApp
    changes: ASGIApp


@asynccontextmanager
async def open_lab(settings: Settings) -> AsyncIterator[Lab]:
    """Have the process's engine run, and be served, within the block."""
    api = create_app(settings)
    async with open_engine(settings) as engine, serving(api, engine):
        Engine.running = engine
        try:
            yield Lab(engine, api, GoneWhenClosed(websocket_session(tell_changes)))
        finally:
            Engine.running = None
