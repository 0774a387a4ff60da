"""The calls of a server over HTTP, and its streams as server-sent events."""

from collections.abc import AsyncGenerator, AsyncIterator

import httpx2

from streamlab_client.events import Json
from streamlab_client.http import (
    bearer,
    client_options,
    error_from_response,
    parsed,
    run_path,
    start_headers,
    translated_errors,
    was_live,
)
from streamlab_client.reader import Message, Request, StartRequest, parse_message
from streamlab_client.retry import MAX_MESSAGE
from streamlab_client.runs import RunState, StartedRun, parse_run_state, parse_started_run
from streamlab_client.sse import NO_CONTENT, NORMALIZED, LineNormalizer, head_messages, request_options


class HttpTransport:
    def __init__(self, url: str, heartbeat: float) -> None:
        self.url = url
        self.client = httpx2.AsyncClient(**client_options(url, heartbeat))

    async def close(self) -> None:
        await self.client.aclose()

    async def messages(self, request: Request, token: str | None) -> AsyncGenerator[Message]:
        with translated_errors():
            async with self.client.stream(**request_options(request, token)) as response:
                if not response.is_success:
                    await response.aread()
                    raise error_from_response(response, self.url)
                for message in head_messages(response, self.url):
                    yield message
                if response.status_code == NO_CONTENT:
                    return
                body = _NormalizedBody(response)
                normalized = httpx2.Response(200, headers=NORMALIZED, stream=body, request=response.request)
                async for event in httpx2.EventSource(normalized, max_event_size=MAX_MESSAGE):
                    if event.data:
                        yield parse_message(event.event, event.id, event.data)

    async def start(self, start: StartRequest, token: str | None) -> StartedRun:
        answer = await self._send("POST", "runs", start_headers(start, token), start.body)
        return parsed(answer, self.url, parse_started_run)

    async def state(self, run_id: str, token: str | None) -> RunState:
        return parsed(await self._send("GET", run_path(run_id), bearer(token)), self.url, parse_run_state)

    async def stop(self, run_id: str, token: str | None) -> bool:
        return was_live(await self._send("DELETE", run_path(run_id), bearer(token)), self.url)

    async def _send(self, method: str, url: str, headers: dict[str, str], json: Json | None = None) -> httpx2.Response:
        with translated_errors():
            return await self.client.request(method, url, headers=headers, json=json)


class _NormalizedBody(httpx2.AsyncByteStream):
    """The body of a response, with the ends of its lines normalized."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        lines = LineNormalizer()
        async for piece in self._response.aiter_bytes():
            yield lines.feed(piece)
