"""The names by which the pages are meant to be reached.

A page elsewhere can have its own name lead to this machine (DNS rebinding): the browser then takes what it asks here
for its own, and lets it ask paid questions and read the answers. What it cannot change is the name that it asks for.
"""

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from components.middleware.content_policy import is_api
from components.page.texts import LANGUAGES, texts

LOOPBACK = "localhost"


class KnownHosts:
    """Refuses requests, and WebSockets, for other names and from pages of other names. The gateway has its own rule."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._named = {host.lower() for host in hosts}
        self._hosts = {LOOPBACK, *self._named, *_own_names()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or is_api(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._is_known(host) and all(self._is_ours(origin, host) for origin in _origins(scope, headers)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            told = "\n\n".join(texts(language)["app.unknown_host"] for language in LANGUAGES)
            await PlainTextResponse(told, HTTPStatus.MISDIRECTED_REQUEST)(scope, receive, send)

    def _is_known(self, host: str) -> bool:
        """Tell whether it is one of ours, or an address: these are no names that could be made to lead elsewhere."""
        name = _hostname(f"//{host}")
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        return True

    def _is_ours(self, origin: str, host: str) -> bool:
        """Tell whether the page that asks came from here, perhaps through a proxy that says another host."""
        return origin.lower().partition("//")[2] == host.lower() or _hostname(origin) in self._named


def _own_names() -> Iterator[str]:
    """Yield the address that the server listens on, and the machine's name where that is every address."""
    address = (st.get_option("server.address") or "").lower()
    if address:
        yield address
    if address in ("", "0.0.0.0", "::"):
        name = socket.gethostname().lower()
        yield from (name, f"{name}.local", socket.getfqdn().lower())


def _origins(scope: Scope, headers: Headers) -> list[str]:
    """Return the origin that a browser names where something is asked that does more than show a page."""
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return []
    return headers.getlist("origin")


def _hostname(address: str) -> str:
    """Read the name in an address, without its port; empty for none."""
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""
