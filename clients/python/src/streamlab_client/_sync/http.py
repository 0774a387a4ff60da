# Made by `make unasync` from _async/http.py: change that file, not this one.
"""The calls of a server over HTTP, and its streams as server-sent events."""

from collections.abc import Generator, Iterator

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
        self.client = httpx2.Client(**client_options(url, heartbeat))

    def close(self) -> None:
        self.client.close()

    def messages(self, request: Request, token: str | None) -> Generator[Message]:
        with translated_errors():
            with self.client.stream(**request_options(request, token)) as response:
                if not response.is_success:
                    response.read()
                    raise error_from_response(response, self.url)
                for message in head_messages(response, self.url):
                    yield message
                if response.status_code == NO_CONTENT:
                    return
                body = _NormalizedBody(response)
                normalized = httpx2.Response(200, headers=NORMALIZED, stream=body, request=response.request)
                for event in httpx2.EventSource(normalized, max_event_size=MAX_MESSAGE):
                    if event.data:
                        yield parse_message(event.event, event.id, event.data)

    def start(self, start: StartRequest, token: str | None) -> StartedRun:
        answer = self._send("POST", "runs", start_headers(start, token), start.body)
        return parsed(answer, self.url, parse_started_run)

    def state(self, run_id: str, token: str | None) -> RunState:
        return parsed(self._send("GET", run_path(run_id), bearer(token)), self.url, parse_run_state)

    def stop(self, run_id: str, token: str | None) -> bool:
        return was_live(self._send("DELETE", run_path(run_id), bearer(token)), self.url)

    def _send(self, method: str, url: str, headers: dict[str, str], json: Json | None = None) -> httpx2.Response:
        with translated_errors():
            return self.client.request(method, url, headers=headers, json=json)


class _NormalizedBody(httpx2.SyncByteStream):
    """The body of a response, with the ends of its lines normalized."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        lines = LineNormalizer()
        for piece in self._response.iter_bytes():
            yield lines.feed(piece)
