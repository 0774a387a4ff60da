"""An application's gateway, for as long as its server runs."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from streamlab.engine import Engine
from streamlab.gateway.drain import draining_on_signals
from streamlab.gateway.gateway import Gateway, open_gateway


@asynccontextmanager
async def serving(api: FastAPI, engine: Engine, *, shared: bool = False) -> AsyncIterator[Gateway]:
    """Have the application serve this engine's runs within the block, part of a web server's lifespan.

    Over gRPC too, where a port is set; if it is `shared`, it is that of several processes.
    """
    async with open_gateway(engine) as gateway, AsyncExitStack() as stack:
        if port := engine.settings.lab_grpc_port:
            from streamlab.gateway.protocols.grpc_server import grpc_port  # which takes a while to load

            listening = grpc_port(gateway, engine.settings.lab_grpc_host, port, shared=shared)
            gateway.grpc_port = await stack.enter_async_context(listening)
        api.state.gateway = Gateway.running = gateway
        try:
            with draining_on_signals(gateway):
                yield gateway
        finally:
            api.state.gateway = Gateway.running = None
