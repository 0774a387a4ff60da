"""The command: the gateway without pages."""

import argparse
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from streamlab.hub import StoreRefused
from streamlab.hub.sqlite.file import check_store
from streamlab.process.permanent import permanent
from streamlab.settings import GATEWAY_STORE, SettingsError, load_settings

GOOD, WRONG = 0, 2
PREFIX = "/api"  # as beside the pages, so that a client need not know which of the two it talks to
LEAVING = 10  # seconds after which a server that was told to end ends, whoever is still connected
PING = 15  # seconds between signs of life on a WebSocket


def main(given: Sequence[str] | None = None) -> int:
    """Serve until told to end; return the exit status. Raises SystemExit for --help and unknown arguments."""
    arguments = _parser().parse_args(given)
    try:
        settings = load_settings(GATEWAY_STORE)
        check_store(settings.store_file)
    except SettingsError as error:
        return _complain(f"The gateway cannot start. In the environment or .env:\n{error}")
    except StoreRefused as error:
        return _complain(f"The gateway cannot start. {error}")
    if arguments.workers > 1 and not settings.redis_url:
        return _complain(
            "--workers needs REDIS_URL: without it each worker has runs of its own, and a client that comes back to "
            "another worker would not find its run."
        )
    if arguments.workers > 1 and not settings.gateway_secret:
        return _complain("--workers needs GATEWAY_SECRET, so that every worker knows the others' follow tokens.")
    uvicorn.run(
        f"streamlab.gateway.command:{'worker' if arguments.workers > 1 else 'standalone'}",
        factory=True,
        host=arguments.host,
        port=arguments.port,
        workers=arguments.workers,
        access_log=False,
        http="h11",  # httptools drops the body of a request that offers to go on in HTTP/2, as Java's client does
        ws="websockets-sansio",
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,  # a stream of small messages gains little by it, and each client pays for it
        timeout_graceful_shutdown=LEAVING,
    )
    return GOOD


def standalone() -> Starlette:
    """Make the application of one process, with an engine of its own."""
    return _application(shared=False)


def worker() -> Starlette:
    """Make the application of one of several processes, which share their ports."""
    return _application(shared=True)


def _application(*, shared: bool) -> Starlette:
    # Here, for loading it takes seconds, and wrong arguments are to be told at once.
    with permanent():
        from streamlab.engine import open_engine
        from streamlab.gateway.entrance import routes_at
        from streamlab.gateway.http import create_app, on_elsewhere
        from streamlab.gateway.protocols.uvicorn_connection import TimedConnections
        from streamlab.gateway.serving import serving

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load_settings(GATEWAY_STORE)
    api = create_app(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_engine(settings) as engine, serving(api, engine, shared=shared):
            yield

    return Starlette(
        routes=routes_at(PREFIX, api),
        lifespan=lifespan,
        middleware=[Middleware(TimedConnections)],
        exception_handlers={404: partial(on_elsewhere, PREFIX)},
    )


def _complain(problem: str) -> int:
    print(problem, file=sys.stderr)
    return WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m streamlab.gateway",
        description="Serve runs over HTTP, WebSocket and gRPC, without pages. Settings are in the environment or .env. "
        f"Everything is under {PREFIX}; the description is at {PREFIX}/docs.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_number(0, 65_535), default=8600, help="port to listen on (default: %(default)s)"
    )
    parser.add_argument("--workers", type=_number(1, 64), default=1, help="processes (default: %(default)s)")
    return parser


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"a whole number from {low} to {high}")
        return int(text)

    return read
