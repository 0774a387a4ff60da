"""`python -m streamlab.demo_model --port 0`: prints `{"port": 12345}` and serves until standard input ends."""

import argparse
import json
import os
import socket
import threading
from contextlib import suppress

import uvicorn

from streamlab.demo_model.server import create_app
from streamlab.process.open_files import raise_open_files_limit


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m streamlab.demo_model", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    raise_open_files_limit()
    port = parser.parse_args().port
    with suppress(KeyboardInterrupt), socket.create_server(("127.0.0.1", port), backlog=2048) as listener:
        server = AnnouncedServer(_config())
        threading.Thread(target=_stop_at_end_of_input, args=[server], daemon=True).start()
        server.run(sockets=[listener])


class AnnouncedServer(uvicorn.Server):
    """Prints its port once it serves and handles signals."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            print(json.dumps({"port": listener.getsockname()[1]}), flush=True)


def _config() -> uvicorn.Config:
    return uvicorn.Config(
        create_app(),
        # A connection that is cut on purpose is an error to uvicorn. Real ones are logged by the app.
        log_level="critical",
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=0,
    )


def _stop_at_end_of_input(server: uvicorn.Server) -> None:
    # Not sys.stdin: its lock, held by a daemon thread, is a fatal error when the interpreter ends.
    while os.read(0, 1024):
        pass
    server.should_exit = True


if __name__ == "__main__":
    main()
