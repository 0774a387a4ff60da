"""A request that offers to go on in HTTP/2 (`Upgrade: h2c`), as some clients do by default, keeps its body."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.harness import free_port
from tests.test_gateway_command import running

BODY = json.dumps({"message": "What is streaming?", "model": "demo?first=0&rate=5000&text=upgraded"})
PATIENCE = 60.0

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="needs a JDK")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway as a program of its own."""
    port = free_port()
    command = ("streamlab.gateway", "--port", str(port))
    with running(*command, port=port, cwd=tmp_path_factory.mktemp("gateway"), LAB_GRPC_PORT="0", LAB_STORE="memory:"):
        yield f"http://127.0.0.1:{port}/api"


@pytest.fixture(params=["gateway", "shared_app"])
def api(request: pytest.FixtureRequest) -> str:
    """The gateway's address: alone, and beside the pages."""
    url: str = request.getfixturevalue(request.param)
    return url if url.endswith("/api") else f"{url.rstrip('/')}/api"


def test_raw_bytes(api: str) -> None:
    """Also in two pieces, and the connection can be used again."""
    host, _, port = api.removeprefix("http://").removesuffix("/api").partition(":")
    head = (
        f"POST /api/chat HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), PATIENCE) as client:
        for pieces in ([head + BODY], [head, BODY]):
            for part in pieces:
                client.sendall(part.encode())
            got = b""
            while b"\r\n0\r\n\r\n" not in got:
                piece = client.recv(65_536)
                assert piece, got
                got += piece
            assert got.startswith(b"HTTP/1.1 200")
            assert b"upgraded" in got
            assert b"event: done" in got


@needs_curl
def test_curl(api: str) -> None:
    command = ["curl", "-sS", "--http2", "--json", BODY, f"{api}/chat"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert "upgraded" in told
    assert "event: done" in told


@needs_java
def test_java(api: str) -> None:
    source = Path(__file__).parent / "java" / "Ask.java"
    command = ["java", "-XX:TieredStopAtLevel=1", str(source), f"{api}/chat", BODY]
    told = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert told.startswith("200\n")
    assert "upgraded" in told
    assert "event: done" in told
