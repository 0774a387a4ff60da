"""Real proxies, as `scripts/proxies.sh` installs them, and a server that is not on loopback."""

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from benchmarks.harness import free_port
from streamlab.demo_model.server import create_app
from tests.conftest import PATIENCE
from tests.gateway import Server

USER, PASSWORD = "ada", "pass-word"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class Proxy:
    """A proxy that listens on loopback, and what it wrote about its connections."""

    place: str
    log: Path

    def passed(self, url: str) -> bool:
        """Tell whether a connection to the server of this address went through."""
        host, _, port = url.partition("//")[2].partition("/")[0].rpartition(":")
        text = self.log.read_text()
        return f"{host}:{port}" in text or f'"{host}"' in text


def own_address() -> str:
    """Return an address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect(("192.0.2.1", 9))  # sends nothing
        found: str = asked.getsockname()[0]
    return found


@contextmanager
def http_proxy(folder: Path, *, guarded: bool = False) -> Iterator[Proxy]:
    """Run tinyproxy; a guarded one lets USER with PASSWORD through."""
    port, log, settings = free_port(), folder / "tinyproxy.log", folder / "tinyproxy.conf"
    lines = [f"Port {port}", "Listen 127.0.0.1", f'LogFile "{log}"', "LogLevel Connect", "MaxClients 100"]
    settings.write_text("\n".join([*lines, *([f"BasicAuth {USER} {PASSWORD}"] if guarded else [])]) + "\n")
    log.touch()
    with _listening(["tinyproxy", "-d", "-c", str(settings)], port, None):
        yield Proxy(f"127.0.0.1:{port}", log)


@contextmanager
def socks_proxy(folder: Path, *, guarded: bool = False) -> Iterator[Proxy]:
    """Run microsocks likewise."""
    port, log = free_port(), folder / "microsocks.log"
    guard = ["-u", USER, "-P", PASSWORD] if guarded else []
    with _listening(["microsocks", "-i", "127.0.0.1", "-p", str(port), *guard], port, log):
        yield Proxy(f"127.0.0.1:{port}", log)


@contextmanager
def _listening(command: list[str], port: int, log: Path | None) -> Iterator[None]:
    output = log.open("wb") if log else subprocess.DEVNULL
    child = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        until = time.monotonic() + PATIENCE
        while not _accepts(port):
            assert child.poll() is None, f"{command[0]} did not start"
            assert time.monotonic() < until
            time.sleep(0.02)
        yield
    finally:
        child.terminate()
        child.wait()
        if not isinstance(output, int):
            output.close()


def _accepts(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def far_server(app: Any = None, **options: Any) -> Iterator[str]:
    """Serve the demo model, or another application, on an address that is not loopback; yield that address."""
    listener = socket.create_server((own_address(), 0))
    config = uvicorn.Config(
        app or create_app(), log_config=None, access_log=False, lifespan="off", ws="none", **options
    )
    server = Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    scheme = "https" if config.is_ssl else "http"
    try:
        yield f"{scheme}://{own_address()}:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def set_proxies(patched: pytest.MonkeyPatch, address: str) -> None:
    for name in VARIABLES:
        patched.setenv(name, address)


def proxied_environment(address: str) -> dict[str, str]:
    """Return this process's environment with all proxies at an address."""
    return {**os.environ, **dict.fromkeys(VARIABLES, address)}
