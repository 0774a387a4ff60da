"""An application's gateway, for as long as its server runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from streamlab.engine import Engine
from streamlab.gateway.drain import draining_on_signals
from streamlab.gateway.gateway import Gateway, open_gateway
from streamlab.gateway.privacy import hide_tokens


@asynccontextmanager
async def serving(api: FastAPI, engine: Engine) -> AsyncIterator[Gateway]:
    """The application serves this engine's runs within the block, which is part of a web server's lifespan."""
    hide_tokens()
    async with open_gateway(engine) as gateway:
        api.state.gateway = gateway
        try:
            with draining_on_signals(gateway):
                yield gateway
        finally:
            api.state.gateway = None
