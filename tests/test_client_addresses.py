"""An address where no gateway is: both clients name it, and the one that may be meant."""

import http.server
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from streamlab_client import Backoff, Client, StreamlabError
from streamlab_client._async.transport import ProtocolName
from streamlab_client.errors import address_hint

from tests.python_client import SECRET, over_each, told

ONCE = Backoff(attempts=1)
CALLS = ("chat", "start", "follow", "run", "stop")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("http://localhost:8501", "Is it http://localhost:8501/api?"),
        ("http://localhost:8501/", "Is it http://localhost:8501/api?"),
        ("http://localhost:8501/chat", "Is it http://localhost:8501/api?"),
        ("http://localhost:8501/api/chat", "Is it http://localhost:8501/api?"),
        ("http://api/", "Is it http://api/api?"),
        ("https://ada:secret@lab.example/team/?x=secret", "Is it https://lab.example/team/api?"),
        ("https://lab.example/team/api/runs/x", "Is it https://lab.example/team/api?"),
        ("https://lab.example/api", "Check the address, and what stands between."),
        ("https://lab.example/team/api/", "Check the address, and what stands between."),
    ],
)
def test_the_address_that_may_be_meant_is_named(given: str, hint: str) -> None:
    """Beside the one that was given, with what is secret in it left out."""
    assert address_hint(given) == hint


def call(client: Client, name: str) -> None:
    match name:
        case "chat" | "follow":
            list(getattr(client, name)("x"))
        case _:
            getattr(client, name)("x")


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A web server of something else, which says the same to everyone."""

    protocol_version = "HTTP/1.1"
    status, kind, body = 200, "text/html", b"<html></html>"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(self.status)
        self.send_header("content-type", self.kind)
        self.send_header("content-length", str(len(self.body)))
        self.send_header("connection", "close")
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(self.body)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 # names of http.server

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def elsewhere(status: int, kind: str, body: bytes) -> Iterator[str]:
    handler = type("Handler", (Elsewhere,), {"status": status, "kind": kind, "body": body})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


ANSWERS = [
    (200, "text/html", b"<html>A page</html>"),
    (200, "application/json", b'{"object": "list", "data": []}'),
    (200, "application/json", b"[]"),
    (404, "text/html", b"<html>Not Found</html>"),
    (404, "application/json", b'{"detail": "Not Found"}'),
    (404, "application/json", b'{"error": {"message": "no route", "code": null}}'),
    (405, "text/plain", b"Method Not Allowed"),
    (403, "text/plain", b""),
    (401, "text/html", b"<html>Sign in</html>"),
    (501, "text/html", b"<html>Unsupported method</html>"),
    (502, "text/html", b"<html>Bad Gateway</html>"),
]
answers = pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{answer[0]} {answer[2].decode()[:20]}")


@answers
@pytest.mark.parametrize("protocol", ["sse", "websocket"])
def test_another_web_server_is_told_with_its_address(protocol: ProtocolName, answer: tuple[int, str, bytes]) -> None:
    """Whatever it answers, and whatever is asked; never with the token."""
    with elsewhere(*answer) as url, Client(url, SECRET, protocol=protocol, backoff=ONCE) as client:
        for name in CALLS:
            with pytest.raises(StreamlabError) as caught:
                call(client, name)
            check(caught.value.message, caught.value.hint, url)
            assert SECRET not in told(caught.value)


def check(message: str, hint: str, url: str) -> None:
    """The sentence names what was asked, the hint what may be meant."""
    place = url.partition("//")[2]
    assert re.match(rf"What answers at (http|ws)://{place}/\S* is not a gateway: status \d+, ", message)
    assert hint == f"Is it {url}/api?"


@pytest.mark.parametrize("answer", [b"HTTP/1.0 200 OK\r\n\r\n", b"220 mail ready\r\n"])
def test_what_speaks_no_http_is_told(answer: bytes) -> None:
    """To a WebSocket: over HTTP alone it counts as a connection that breaks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with Client(url, protocol="websocket", backoff=ONCE) as client, pytest.raises(StreamlabError) as caught:
            call(client, "follow")
        thread.join()
    assert caught.value.message.endswith("/runs/x/ws is not a gateway: it speaks something else.")
    assert caught.value.hint == f"Is it {url}/api?"


@pytest.mark.parametrize("end", ["", "/", "/chat", "/nowhere/"])
@pytest.mark.parametrize("protocol", ["sse", "websocket"])
def test_the_pages_address_is_told(shared_app: str, protocol: ProtocolName, end: str) -> None:
    """Streamlit's own server answers there, each time something else."""
    with Client(shared_app + end, protocol=protocol, backoff=ONCE) as client:
        for name in CALLS:
            with pytest.raises(StreamlabError) as caught:
                call(client, name)
            assert " is not a gateway: status " in caught.value.message
            assert f"{shared_app.partition('//')[2]}{end.rstrip('/')}/" in caught.value.message
            assert caught.value.hint == f"Is it {shared_app}{'/nowhere' if 'nowhere' in end else ''}/api?"


def test_beneath_the_gateway_its_own_words_are_told(shared_app: str) -> None:
    """It has some for an address that it does not know."""
    with Client(f"{shared_app}/api/nowhere", backoff=ONCE) as client, pytest.raises(StreamlabError) as caught:
        client.start("x")
    assert caught.value.code == "not_found"


@pytest.mark.parametrize("name", CALLS)
def test_the_port_of_http_is_none_for_grpc(shared_app: str, name: str) -> None:
    """Where people give it, with or without what belongs to an address of HTTP. Fails when grpc words it otherwise."""
    place = shared_app.partition("//")[2]
    for given in (place, f"{shared_app}/api"):
        with Client(given, protocol="grpc", backoff=ONCE) as client, pytest.raises(StreamlabError) as caught:
            call(client, name)
        assert caught.value.message == f"What answers at {place} is not a gateway over gRPC."
        assert "50051" in caught.value.hint


@over_each
def test_nobody_at_an_address_is_a_lost_connection(protocol: ProtocolName) -> None:
    """That is no other server."""
    given = "127.0.0.1:1" if protocol == "grpc" else "http://127.0.0.1:1/api"
    with Client(given, protocol=protocol, backoff=ONCE) as client, pytest.raises(StreamlabError) as caught:
        client.start("x")
    assert caught.value.code == "connection_lost"
