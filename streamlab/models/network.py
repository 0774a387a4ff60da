"""How this process reaches other machines: by the proxies and certificates that the environment names.

Every client of httpx2 takes its options from here. This machine itself is reached directly, whatever the environment
says: the demo model, local servers and our own gateway are here, and a company's proxy knows none of them. What cannot
be used stops no client from being made; who asks for an address behind it is told which variable is wrong, and never
its value, which may hold a password.
"""

import os
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import getproxies

import httpx2

from streamlab.models.failures import Failure

LOOPBACK = (
    "all://*localhost",
    "all://localhost.",
    "all://127.0.0.0/8",
    "all://[::1]",
    "all://[::ffff:127.0.0.0]/104",
    "all://0.0.0.0",  # what servers print that listen everywhere: an address of this machine, too
    "all://[::]",
)
SCHEMES = ("http", "https", "all")  # as in HTTP_PROXY, HTTPS_PROXY, ALL_PROXY
PROXY_AUTHENTICATION_REQUIRED = 407
_HOST = re.compile(r"(?:https?://)?(?:\*?\.)?([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(:\d{1,5})?/?")
# The event before TLS within a tunnel, and the one after the greetings of SOCKS.
_OPENED = ("start_tls.started", "setup_socks5_connection.complete")
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")  # how OpenSSL finds a certificate in a folder
# OpenSSL's codes of a chain that ends at nobody who is trusted.
_UNKNOWN_ISSUERS = (2, 18, 19, 20, 21)


class ProxyFailed(httpx2.ProxyError):
    """A request did not get through the proxy that `variable` names. Holds no part of the proxy's address."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable}: {reason}")
        self.variable = variable


def client_options(limits: httpx2.Limits | None = None) -> dict[str, Any]:
    """Return the options of an `httpx2.Client`."""
    return _options(_Proxied, _Refusing, limits)


def async_client_options(limits: httpx2.Limits | None = None) -> dict[str, Any]:
    """Return the options of an `httpx2.AsyncClient`."""
    return _options(_AsyncProxied, _AsyncRefusing, limits)


def network_failure(error: BaseException) -> Failure | None:
    """Name the failure of an exception that the way to a server is the cause of; None for any other."""
    match _root(error) or error:
        case ProxyFailed() as failed:
            return Failure("proxy", detail=str(failed))
        case ssl.SSLCertVerificationError() as refused:
            return Failure("certificate", detail=_certificate_detail(refused))
        # Bare, it comes from reading a refusal, or by a client that passes it on.
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.UnsupportedProtocol() | httpx2.ProxyError():
            return Failure("provider_unavailable")
        case httpx2.TimeoutException():
            return Failure("timeout")
        case httpx2.TransportError():
            return Failure("connection_lost")
    return None


def problems() -> list[str]:
    """Say in a sentence each what of the environment cannot be used."""
    unusable = [variable for variable, proxy in _proxies().values() if proxy is None]
    said = [f"{variable} is not the address of a proxy, such as http://host:port." for variable in unusable]
    return [*said, *([f"{broken}."] if (broken := _tls().problem) else [])]


def loopback(host: str) -> bool:
    """Tell whether a host is this machine, as the patterns of LOOPBACK have it."""
    name = host.lower().strip("[]").rstrip(".")
    try:
        address = ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or address.is_unspecified


# Proxies


def _options(
    through: Callable[..., Any], refusing: Callable[[str], Any], limits: httpx2.Limits | None
) -> dict[str, Any]:
    """Mount a transport for each proxy, and none for what is reached directly. httpx2 reads the same environment, but
    sends what is meant for this machine to the proxy as well, and makes no client where a variable is wrong.
    """
    tls = _tls().context
    given: dict[str, Any] = {"verify": tls, "trust_env": False} | ({"limits": limits} if limits else {})
    mounts = dict.fromkeys((*LOOPBACK, *_direct()))
    for scheme, (variable, proxy) in _proxies().items():
        mounts[f"{scheme}://"] = through(variable, proxy, **given) if proxy else refusing(variable)
    return given | {"mounts": mounts}


def _proxies() -> dict[str, tuple[str, httpx2.Proxy | None]]:
    """Read the proxy of each scheme, with its variable's name; None is one that cannot be used."""
    found = getproxies()
    if "*" in _separated(found.get("no", "")):
        return {}
    return {scheme: (_variable(scheme), _proxy(found[scheme])) for scheme in SCHEMES if found.get(scheme, "").strip()}


def _variable(scheme: str) -> str:
    """Name the variable that counts. The lower case one does where both are set."""
    name = f"{scheme}_proxy"
    return name if os.environ.get(name) else name.upper()


def _proxy(address: str) -> httpx2.Proxy | None:
    address = address.strip()
    if "://" not in address:
        address = f"http://{address}"
    if address.lower().startswith("socks://"):  # as desktops write it
        address = f"socks5{address[5:]}"
    try:
        secure = address.lower().startswith("https:")
        proxy = httpx2.Proxy(address, ssl_context=_tls().context if secure else None)
        host = proxy.url.raw_host.decode()
    except (ValueError, httpx2.InvalidURL):
        return None
    sound = host and "%" not in host and (proxy.url.port is None or 0 < proxy.url.port < 65_536)
    return proxy if sound else None


def _direct() -> list[str]:
    """Read NO_PROXY as curl does: names with everything beneath them, addresses, networks, ports; commas or spaces.

    What is none of these is ignored.
    """
    return [pattern for entry in _separated(getproxies().get("no", "")) if (pattern := _pattern(entry))]


def _separated(value: str) -> list[str]:
    return [entry for entry in re.split(r"[,;\s]+", value) if entry]


def _pattern(entry: str) -> str | None:
    bare, port = entry, ""
    if bracketed := re.fullmatch(r"\[(.*)\](:\d{1,5})?", entry):
        bare, port = bracketed[1], bracketed[2] or ""
    try:
        network = ip_network(bare, strict=False)
    except ValueError:
        name = _HOST.fullmatch(entry.lower())
        return f"all://*{name[1]}{name[2] or ''}" if name else None
    host, length = str(network.network_address), network.prefixlen
    host = f"[{host}]" if network.version == 6 else host
    return f"all://{host}{port}" if length == network.max_prefixlen else f"all://{host}/{length}"


class _Opening:
    """The proxy's own part of a request, until it has opened the way. It may take as long as a connection may.

    httpcore2 gives it the time of a read, which for a model has no end. It looks up that time at each read, so that
    the time can be changed when the way is open, as its `trace` extension tells.
    """

    def __init__(self, request: httpx2.Request) -> None:
        self._trace = request.extensions.get("trace")
        self._timeout = request.extensions.get("timeout", {})
        self._read = self._timeout.get("read")
        self.open = False
        self._stream: Any = None
        self._timeout["read"] = self._timeout.get("connect")

    def trace(self, name: str, info: dict[str, Any]) -> Any:
        """Note when the way is open; what listened before goes on to."""
        if name.endswith("connect_tcp.complete"):
            self._stream = info["return_value"]
        if name.endswith(_OPENED):
            self.open = True
            self._timeout["read"] = self._read
        return self._trace(name, info) if self._trace else None

    async def atrace(self, name: str, info: dict[str, Any]) -> None:
        """Do the same for a client of the event loop."""
        if (listening := self.trace(name, info)) is not None:
            await listening

    def failed(self) -> Any:
        """Return the connection that was given up, which httpcore2 leaves open where SOCKS refuses; else None."""
        return None if self.open else self._stream


@contextmanager
def _naming(variable: str, opening: _Opening | None) -> Iterator[None]:
    """Name the variable in what the proxy itself gives rise to; what comes from beyond it passes."""
    try:
        yield
    except httpx2.ProxyError as error:
        raise ProxyFailed(variable, f"the proxy answered {error}") from error
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        if isinstance(_root(error), ssl.SSLError):
            raise
        raise ProxyFailed(variable, "the proxy does not answer") from error
    except (httpx2.ReadTimeout, httpx2.ReadError, httpx2.RemoteProtocolError) as error:
        if opening is None or opening.open:
            raise
        raise ProxyFailed(variable, "the proxy does not answer as one") from error
    except httpx2.HTTPError:
        raise
    except Exception as error:  # of the library for SOCKS, when something else answers
        raise ProxyFailed(variable, "the proxy does not answer as one") from error


def _check(variable: str, response: httpx2.Response) -> httpx2.Response:
    if response.status_code == PROXY_AUTHENTICATION_REQUIRED:
        raise ProxyFailed(variable, "the proxy answered 407 Proxy Authentication Required")
    return response


def _opening(request: httpx2.Request, proxy: httpx2.Proxy) -> _Opening | None:
    """Return None where there is no way to open: the proxy asks in our place, and what it answers may take its time."""
    return _Opening(request) if request.url.scheme == "https" or proxy.url.scheme.startswith("socks") else None


class _Proxied(httpx2.HTTPTransport):
    def __init__(self, variable: str, proxy: httpx2.Proxy, **options: Any) -> None:
        super().__init__(proxy=proxy, **options)
        self._variable, self._proxy = variable, proxy

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if opening := _opening(request, self._proxy):
            request.extensions["trace"] = opening.trace
        try:
            with _naming(self._variable, opening):
                response = super().handle_request(request)
        except ProxyFailed:
            if opening and (stream := opening.failed()):
                stream.close()
            raise
        return _check(self._variable, response)


class _AsyncProxied(httpx2.AsyncHTTPTransport):
    def __init__(self, variable: str, proxy: httpx2.Proxy, **options: Any) -> None:
        super().__init__(proxy=proxy, **options)
        self._variable, self._proxy = variable, proxy

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if opening := _opening(request, self._proxy):
            request.extensions["trace"] = opening.atrace
        try:
            with _naming(self._variable, opening):
                response = await super().handle_async_request(request)
        except ProxyFailed:
            if opening and (stream := opening.failed()):
                await stream.aclose()
            raise
        return _check(self._variable, response)


class _Refusing(httpx2.BaseTransport):
    """In the place of a proxy that cannot be used: to go around it may be what the network forbids."""

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        raise ProxyFailed(self._variable, "it is not the address of a proxy")


class _AsyncRefusing(httpx2.AsyncBaseTransport):
    def __init__(self, variable: str) -> None:
        self._variable = variable

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise ProxyFailed(self._variable, "it is not the address of a proxy")


# Certificates


class _Tls(NamedTuple):
    """Whom TLS trusts; nobody where there is a `problem`."""

    problem: str | None
    context: ssl.SSLContext


def _tls() -> _Tls:
    """Return the one context of all clients: to make it takes longer than all the rest."""
    return _make_tls(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))


@lru_cache(maxsize=8)
def _make_tls(file: str, folder: str) -> _Tls:
    """Read the certificates as httpx2 does: of SSL_CERT_FILE, else of SSL_CERT_DIR, else of the system."""
    problem = None if file or not folder or _holds_certificates(folder) else "SSL_CERT_DIR holds no certificates"
    try:
        context = httpx2.create_ssl_context()
    except (OSError, ValueError):
        problem = "SSL_CERT_FILE is not a file of certificates" if file else "SSL_CERT_DIR cannot be read"
    return _Tls(problem, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if problem else context)


def _holds_certificates(folders: str) -> bool:
    """Look into the folders: OpenSSL says nothing of one that is empty or not there."""
    there = [Path(folder) for folder in folders.split(os.pathsep) if folder]
    try:
        return any(_HASHED.fullmatch(entry.name) for folder in there if folder.is_dir() for entry in folder.iterdir())
    except (OSError, ValueError):
        return False


def _certificate_detail(refused: ssl.SSLCertVerificationError) -> str:
    if broken := _tls().problem:
        return broken
    said = str(refused.verify_message)
    if refused.verify_code in _UNKNOWN_ISSUERS:
        return f"{said}; SSL_CERT_FILE can name a file with the certificate of who issued it"
    return said


def _root(error: BaseException | None) -> BaseException | None:
    """Find what of ours or of TLS stands behind an exception."""
    seen: set[int] = set()
    while error and id(error) not in seen:
        if isinstance(error, ProxyFailed | ssl.SSLError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__  # httpcore2 suppresses what TLS said
    return None
