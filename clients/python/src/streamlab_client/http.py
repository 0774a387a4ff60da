"""HTTP: one client of httpx for each of ours, its errors as ours, and the calls that answer at once."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import quote

import httpx2

from streamlab_client.errors import ProtocolError, StreamlabError, broken, error_of, lost, no_json
from streamlab_client.events import Json
from streamlab_client.patience import BEATS, CONNECTING, LARGEST, seconds_of
from streamlab_client.reader import Ask
from streamlab_client.runs import RunState, StartedRun, started_of, state_of

NOTHING = (202, 204)  # statuses that come without a body


def options(url: str, heartbeat: float) -> dict[str, Any]:
    """Of a client of httpx whose addresses are relative to the server's."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"the address of a server begins with http:// or https://, not {url[:40]!r}")
    timeout = httpx2.Timeout(CONNECTING, read=heartbeat * BEATS)
    return {"base_url": url.rstrip("/") + "/", "timeout": timeout, "follow_redirects": True, "verify": _tls()}


@cache
def _tls() -> ssl.SSLContext:
    """Made once, for it reads every certificate that the system trusts."""
    return httpx2.create_ssl_context()


def bearer(token: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def run_path(run_id: str, end: str = "") -> str:
    return f"runs/{quote(run_id, safe='')}{end}"


def refusal(response: httpx2.Response) -> StreamlabError:
    """Of a response that was read."""
    return error_of(response.status_code, _json_of(response), seconds_of(response.headers.get("retry-after")))


@contextmanager
def told() -> Iterator[None]:
    """What httpx raises, as our errors."""
    try:
        yield
    except httpx2.TooManyRedirects as error:
        raise ProtocolError("The server redirects without end.", "Check the address.") from error
    except httpx2.SSEError as error:
        raise broken(f"an event has more than {LARGEST:,} bytes") from error
    except (httpx2.RequestError, httpx2.StreamError) as error:
        raise lost(error) from error


class Http:
    """Single calls of one server. They raise the errors of the family."""

    def __init__(self, url: str, heartbeat: float) -> None:
        self.client = httpx2.Client(**options(url, heartbeat))

    def close(self) -> None:
        self.client.close()

    def start(self, ask: Ask, token: str | None) -> StartedRun:
        return started_of(_checked(self._send("POST", "runs", _asking(ask, token), ask.question)))

    def look(self, run_id: str, token: str | None) -> RunState:
        return state_of(_checked(self._send("GET", run_path(run_id), bearer(token))))

    def stop(self, run_id: str, token: str | None) -> bool:
        return _stopped(self._send("DELETE", run_path(run_id), bearer(token)))

    def _send(self, method: str, url: str, headers: dict[str, str], json: Json | None = None) -> httpx2.Response:
        with told():
            return self.client.request(method, url, headers=headers, json=json)


class AsyncHttp:
    """The same on an event loop."""

    def __init__(self, url: str, heartbeat: float) -> None:
        self.client = httpx2.AsyncClient(**options(url, heartbeat))

    async def close(self) -> None:
        await self.client.aclose()

    async def start(self, ask: Ask, token: str | None) -> StartedRun:
        return started_of(_checked(await self._send("POST", "runs", _asking(ask, token), ask.question)))

    async def look(self, run_id: str, token: str | None) -> RunState:
        return state_of(_checked(await self._send("GET", run_path(run_id), bearer(token))))

    async def stop(self, run_id: str, token: str | None) -> bool:
        return _stopped(await self._send("DELETE", run_path(run_id), bearer(token)))

    async def _send(self, method: str, url: str, headers: dict[str, str], json: Json | None = None) -> httpx2.Response:
        with told():
            return await self.client.request(method, url, headers=headers, json=json)


def _asking(ask: Ask, token: str | None) -> dict[str, str]:
    return bearer(token) | {"idempotency-key": ask.key}


def _json_of(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _checked(response: httpx2.Response) -> Json:
    """The JSON object of an answer. Raises what the status amounts to."""
    if not response.is_success:
        raise refusal(response)
    body = _json_of(response)
    if not isinstance(body, dict):
        raise no_json(response.headers.get("content-type", ""))
    return body


def _stopped(response: httpx2.Response) -> bool:
    """Whether it was live until now."""
    if response.status_code not in NOTHING:
        raise refusal(response)
    return response.status_code == 202
