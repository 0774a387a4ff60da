"""What a program uses: a client of one server."""

from collections.abc import Awaitable, Callable
from typing import Self, TypeVar, Unpack

import anyio

from streamlab_client._async.stream import AsyncStream, AsyncTextStream
from streamlab_client._async.transport import AsyncTransport, ProtocolName, make_transport
from streamlab_client.credentials import AsyncTokenSource, Credentials
from streamlab_client.errors import StreamlabError
from streamlab_client.reader import ChatOptions, Question, Reader, start_request
from streamlab_client.retry import Backoff, RetryPolicy
from streamlab_client.runs import RunState, StartedRun

HEARTBEAT = 15.0  # seconds, the server's

T = TypeVar("T")


class AsyncClient:
    """A client of one server, and a context manager.

    `url` is the server's, with its `/api`; with `protocol="grpc"` the gRPC port's, `host:port` (`https://host:port` for
    TLS). `token` is an access token, or a function that gives one, on an event loop also a coroutine function: it is
    called when one is needed, and once more when that one is refused. `follow_token` is the like, of one run: `follow`
    and `run` send it in the other's place. `heartbeat` is the server's, in seconds: a
    connection that is silent for 2.5 of them is given up. May be shared by threads or tasks, each stream used by one.
    """

    def __init__(
        self,
        url: str,
        token: AsyncTokenSource = None,
        *,
        follow_token: AsyncTokenSource = None,
        protocol: ProtocolName = "sse",
        heartbeat: float = HEARTBEAT,
        backoff: Backoff | None = None,
    ) -> None:
        self._credentials = Credentials(token)
        self._reading = self._credentials if follow_token is None else Credentials(follow_token)
        self._backoff = backoff or Backoff()
        self._transport: AsyncTransport = make_transport(protocol, url, heartbeat)

    def chat(self, question: Question, **options: Unpack[ChatOptions]) -> AsyncStream:
        """Ask, when the loop over the stream begins, and return the stream of events.

        `question` is a text, or the messages of a conversation that ends with one (`[{"role": "user", "content": …}]`).
        `agent` answers with tools. The same `key` asks for the same run.
        """
        return self._stream(Reader(start_request(question, **options)), self._credentials)

    def text(self, question: Question, **options: Unpack[ChatOptions]) -> AsyncTextStream:
        """Ask as `chat` does, and return a stream of only the text."""
        return AsyncTextStream(self.chat(question, **options))

    def follow(self, run_id: str, *, after: str | None = None, follow_token: AsyncTokenSource = None) -> AsyncStream:
        """Follow a run from its beginning, or after a resume token."""
        return self._stream(Reader(run_id=run_id, after=after), self._reading_credentials(follow_token))

    async def start(self, question: Question, **options: Unpack[ChatOptions]) -> StartedRun:
        """Ask now, and follow later. Raises StreamlabError, as do the next two."""
        start = start_request(question, **options)
        return await self._retried(lambda token: self._transport.start(start, token), self._credentials)

    async def stop(self, run_id: str) -> bool:
        """Stop the run at its model. Return whether it was live until now."""
        return await self._retried(lambda token: self._transport.stop(run_id, token), self._credentials)

    async def run(self, run_id: str, *, follow_token: AsyncTokenSource = None) -> RunState:
        """Return how far the run has come."""
        credentials = self._reading_credentials(follow_token)
        return await self._retried(lambda token: self._transport.state(run_id, token), credentials)

    async def aclose(self) -> None:
        """Close all connections; the runs go on."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def _reading_credentials(self, follow_token: AsyncTokenSource) -> Credentials:
        """Return what a run is read with, if one's own follow token is given or not."""
        return self._reading if follow_token is None else Credentials(follow_token)

    def _stream(self, reader: Reader, credentials: Credentials) -> AsyncStream:
        return AsyncStream(self._transport, reader, RetryPolicy(self._backoff, credentials))

    async def _retried(self, send: Callable[[str | None], Awaitable[T]], credentials: Credentials) -> T:
        """Send until there is an answer, or no use in another attempt."""
        retries = RetryPolicy(self._backoff, credentials)
        while True:
            try:
                answer = await send(await credentials.aget())
            except StreamlabError as error:
                delay = retries.delay(error)
            else:
                credentials.accepted()
                return answer
            await anyio.sleep(delay)
