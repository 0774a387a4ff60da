"""HTTP without I/O: the options and headers of requests, and what answers and errors mean."""

import ipaddress
import json
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx2

from streamlab_client.errors import (
    ProtocolError,
    StreamlabError,
    broken_stream,
    connection_lost,
    error_from_status,
    error_words,
    foreign_answer,
    silent_too_long,
)
from streamlab_client.events import Json
from streamlab_client.reader import StartRequest
from streamlab_client.retry import CONNECT_TIMEOUT, MAX_MESSAGE, MISSED_HEARTBEATS, parse_retry_after

logger = logging.getLogger(__name__)

T = TypeVar("T")

STOPPED, ALREADY_ENDED = 202, 204  # what a request to stop a run is answered with


def client_options(url: str, heartbeat: float) -> dict[str, Any]:
    """Return the options of a client of httpx whose addresses are relative to the server's. Raises ValueError."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"the address of a server begins with http:// or https://, not {url[:40]!r}")
    return {
        "base_url": url.rstrip("/") + "/",
        "timeout": httpx2.Timeout(CONNECT_TIMEOUT, read=heartbeat * MISSED_HEARTBEATS),
        "follow_redirects": True,
        "verify": _tls(),
        "trust_env": not is_loopback(urlsplit(url).hostname or ""),
    }


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, which is reached directly, whatever proxies the environment names."""
    name = host.lower().strip("[]").rstrip(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


@cache
def _tls() -> ssl.SSLContext:
    """Make the context once for all clients, because it reads every certificate that the system trusts.

    Where SSL_CERT_FILE or SSL_CERT_DIR cannot be read, nobody is trusted: a server without TLS is reached all the same.
    """
    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        logger.warning("the certificates in SSL_CERT_FILE or SSL_CERT_DIR cannot be read: %s", error.strerror)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def bearer(token: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def start_headers(start: StartRequest, token: str | None) -> dict[str, str]:
    return bearer(token) | {"idempotency-key": start.key}


def run_path(run_id: str, end: str = "") -> str:
    return f"runs/{quote(run_id, safe='')}{end}"


def json_body(content: bytes | bytearray | None) -> Any:
    """Read a body as JSON; None when it is none."""
    try:
        return json.loads(content or b"")
    except (ValueError, RecursionError):
        return None


def error_from_response(response: httpx2.Response, url: str) -> StreamlabError:
    """Make the error that a response of the server at `url` stands for. Its body is looked at if it was read."""
    wait = parse_retry_after(response.headers.get("retry-after"))
    body = json_body(response.content) if response.is_closed else None
    if error_words(body):
        return error_from_status(response.status_code, body, wait)
    media_type = response.headers.get("content-type", "")
    return foreign_answer(url, str(response.url), response.status_code, media_type, wait)


def parsed(response: httpx2.Response, url: str, parse: Callable[[Json], T]) -> T:
    """Return what an answer says in JSON. Raises the error that it stands for if it says something else."""
    body = json_body(response.content)
    if not response.is_success or not isinstance(body, dict):
        raise error_from_response(response, url)
    try:
        return parse(body)
    except ProtocolError:
        raise error_from_response(response, url) from None


def was_live(response: httpx2.Response, url: str) -> bool:
    """Return whether the run was live until it was stopped. Raises the error that the answer stands for."""
    if response.status_code not in (STOPPED, ALREADY_ENDED):
        raise error_from_response(response, url)
    return response.status_code == STOPPED


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise errors of the family in place of those of httpx."""
    try:
        yield
    except httpx2.TooManyRedirects as error:
        raise ProtocolError("The server redirects without end.", "Check the address.") from error
    except httpx2.SSEError as error:
        raise broken_stream(f"an event has more than {MAX_MESSAGE:,} bytes") from error
    except httpx2.ReadTimeout as error:
        raise silent_too_long() from error
    except (httpx2.RequestError, httpx2.StreamError) as error:
        raise connection_lost(error) from error
