"""The address of a compatible server, as it was given and as the server answers it."""

import logging
import re
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import httpx2

from streamlab.models.network import loopback

logger = logging.getLogger(__name__)

TIMEOUT = 5.0  # seconds for each address that is tried
TRY_AGAIN = 30.0  # seconds after a server did not answer at all
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_VERSION = re.compile(r"/v\d+\w*$")
_CALLS = re.compile(r"/(chat/completions|completions|responses|embeddings|models)$")
_PRIVATE_ENDINGS = (".local", ".internal", ".lan", ".home.arpa")
_REFUSED = (401, 403)


def candidates(given: str) -> list[str]:
    """List the addresses that may be meant by one, the likeliest first; each has a scheme and no slash at its end."""
    return list(dict.fromkeys(f"{scheme}{address}" for scheme in _schemes(given) for address in _addresses(given)))


def shown_address(address: str) -> str:
    """Leave out what may be a secret: the user's name and password, the query."""
    scheme, place, path, _, _ = urlsplit(address if _SCHEME.match(address) else f"//{address}")
    return urlunsplit((scheme, place.rpartition("@")[2], path, "", "")).removeprefix("//").rstrip("/")


def root_address(given: str) -> str:
    """Return the address beneath which a provider's own client looks for a version of its API."""
    return f"{_schemes(given)[0]}{_VERSION.sub('', given.rstrip('/'))}"


def named_version(given: str) -> str | None:
    """Return the version with which an address ends, None for one without."""
    found = _VERSION.search(given.rstrip("/"))
    return found[0][1:] if found else None


class Place(NamedTuple):
    """What others are told of a server: its address without what may be a secret, and the variable of its key."""

    address: str
    key_variable: str | None
    """None for a server that is asked without a key."""


class Endpoint:
    """The server at an address that somebody typed. For any thread.

    An address that ends in its version, as the documentation of servers has it, is used as it stands. Any other is
    tried, and mended where the server answers at another: once, and again after a while if no server answered.
    `variable` is what it was typed into.
    """

    def __init__(self, given: str, key: str, http: httpx2.Client, variable: str = "OPENAI_BASE_URL") -> None:
        self._candidates = candidates(given)
        self._key = key
        self._http = http
        self._variable = variable
        self._lock = threading.Lock()
        self._settled = bool(_SCHEME.match(given) and _VERSION.search(urlsplit(given).path.rstrip("/")))
        self._try_at = 0.0
        # Sent only where it would have been sent without our guess: nobody asked to tell a public server in clear text.
        self._in_clear = bool(_SCHEME.match(given)) or _is_private(given)
        self._address = self._candidates[0]

    @property
    def shown(self) -> str:
        """The address that is used now, without what may be a secret."""
        return shown_address(self._address)

    def address(self) -> str:
        """Return the address to use. Blocks while it is tried."""
        with self._lock:
            if not self._settled and time.monotonic() >= self._try_at:
                self._try()
                self._try_at = time.monotonic() + TRY_AGAIN
        return self._address

    def _try(self) -> None:
        """Ask each address for its models, until one answers as a server of this protocol does."""
        silent: set[str] = set()
        answered = False
        for address in self._candidates:
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(address))
            if origin in silent:
                continue
            try:
                response = self._ask(address)
            except (httpx2.HTTPError, httpx2.InvalidURL):
                silent.add(origin)
                continue
            answered = answered or response.status_code < 500
            if _is_compatible(response):
                self._settle(_arrived(address, response))
                return
        self._settled = answered  # it may have no list of models, and yet answer

    def _ask(self, address: str) -> httpx2.Response:
        told = self._in_clear or address.startswith("https:")
        headers = {"authorization": f"Bearer {self._key}"} if told else {}
        return self._http.get(_models(address), headers=headers, timeout=TIMEOUT)

    def _settle(self, address: str) -> None:
        self._settled = True
        if address != self._address:
            shown = shown_address(address)
            logger.warning("%s: the server answers at %s, which is used", self._variable, shown)
            self._address = address


def _schemes(given: str) -> tuple[str, ...]:
    if _SCHEME.match(given):
        return ("",)
    return ("http://", "https://") if _is_private(given) else ("https://", "http://")


def _addresses(given: str) -> Iterator[str]:
    address, mark, query = given.partition("?")
    address = address.rstrip("/")
    bare = _CALLS.sub("", address)
    for each in (address, bare) if _VERSION.search(bare) else (address, bare, f"{bare}/v1"):
        yield f"{each}{mark}{query}"


def _models(address: str) -> str:
    address, mark, query = address.partition("?")
    return f"{address}/models{mark}{query}"


def _is_private(given: str) -> bool:
    """Tell whether an address is likely one of this machine or of a network without certificates."""
    host = urlsplit(given if _SCHEME.match(given) else f"//{given}").hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return loopback(host) or "." not in host or host.endswith(_PRIVATE_ENDINGS)


def _is_compatible(response: httpx2.Response) -> bool:
    """Tell whether a list of models, or the refusal of one, is what such a server sends."""
    try:
        body = response.json()
    except ValueError:  # also of bytes that are no text
        return False
    if response.is_success:
        listed = isinstance(body, dict) and (isinstance(body.get("data"), list) or body.get("object") == "list")
        return listed or isinstance(body, list)
    return response.status_code in _REFUSED and isinstance(body, dict)


def _arrived(address: str, response: httpx2.Response) -> str:
    """Follow a redirect on the same host: a question that is redirected would arrive without its words."""
    asked, came = urlsplit(address), urlsplit(str(response.url))
    if not response.history or asked.hostname != came.hostname or not came.path.endswith("/models"):
        return address
    return urlunsplit((came.scheme, came.netloc, came.path.removesuffix("/models"), asked.query, ""))
