"""What a program uses: a client of one server, for threads or for an event loop."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import anyio

from streamlab_client.credentials import AsyncTokenSource, Credentials, TokenSource
from streamlab_client.errors import StreamlabError
from streamlab_client.patience import Backoff, Patience
from streamlab_client.reader import Ask, Reader
from streamlab_client.runs import RunState, StartedRun
from streamlab_client.stream import AsyncStream, AsyncTextStream, Stream, TextStream
from streamlab_client.transport import AsyncTransport, ProtocolName, Transport, async_transport_of, transport_of

HEARTBEAT = 15.0  # seconds, the server's

Question = str | Sequence[Mapping[str, str]]
Answer = TypeVar("Answer")


class Client:
    """A context manager. `url` is the server's, with its `/api`; with `protocol="grpc"` the gRPC port's, `host:port`
    (`https://host:port` for TLS). `token` is an access token, or a function that gives one: it is called when one is
    needed, and once more when that one is refused. `heartbeat` is the server's, in seconds: a connection that is
    silent for 2.5 of them is given up. May be used by several threads, each stream by one.
    """

    def __init__(
        self,
        url: str,
        token: TokenSource = None,
        *,
        protocol: ProtocolName = "sse",
        heartbeat: float = HEARTBEAT,
        backoff: Backoff | None = None,
    ) -> None:
        self._credentials = Credentials(token)
        self._backoff = backoff or Backoff()
        self._transport: Transport = transport_of(protocol, url, heartbeat)

    def chat(
        self,
        question: Question,
        *,
        model: str | None = None,
        agent: bool = False,
        temperature: float | None = None,
        conversation: str | None = None,
        key: str | None = None,
    ) -> Stream:
        """Ask, when the loop over it begins. `question` is a text, or the messages of a conversation that ends with one
        (`[{"role": "user", "content": …}]`). `agent` answers with tools. The same `key` asks for the same run.
        """
        asked = _asked(question, model, agent, temperature, conversation)
        return Stream(self._transport, Reader(Ask(asked, key or uuid4().hex)), self._patience())

    def text(
        self,
        question: Question,
        *,
        model: str | None = None,
        agent: bool = False,
        temperature: float | None = None,
        conversation: str | None = None,
        key: str | None = None,
    ) -> TextStream:
        """The same, of which only the text is handed on."""
        return TextStream(
            self.chat(question, model=model, agent=agent, temperature=temperature, conversation=conversation, key=key)
        )

    def follow(self, run_id: str, *, after: str | None = None) -> Stream:
        """A run from its beginning, or after a resume token."""
        return Stream(self._transport, Reader(run_id=run_id, after=after), self._patience())

    def start(
        self,
        question: Question,
        *,
        model: str | None = None,
        agent: bool = False,
        temperature: float | None = None,
        conversation: str | None = None,
        key: str | None = None,
    ) -> StartedRun:
        """Ask, and follow later. Raises StreamlabError, as do the next two."""
        asked = Ask(_asked(question, model, agent, temperature, conversation), key or uuid4().hex)
        return self._repeated(lambda token: self._transport.start(asked, token))

    def stop(self, run_id: str) -> bool:
        """Stop the run at its model. Whether it was live until now."""
        return self._repeated(lambda token: self._transport.stop(run_id, token))

    def run(self, run_id: str) -> RunState:
        """What the run has come to by now. Not offered over gRPC."""
        return self._repeated(lambda token: self._transport.look(run_id, token))

    def close(self) -> None:
        """Close all connections; the runs go on."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _patience(self) -> Patience:
        return Patience(self._backoff, self._credentials)

    def _repeated(self, send: Callable[[str | None], Answer]) -> Answer:
        """Until there is an answer, or no use in asking again."""
        patience = self._patience()
        while True:
            try:
                answer = send(self._credentials.get())
            except StreamlabError as error:
                wait = patience.wait(error)
            else:
                self._credentials.accepted()
                return answer
            time.sleep(wait)


class AsyncClient:
    """The same on an event loop. The function that gives a token may be a coroutine function."""

    def __init__(
        self,
        url: str,
        token: AsyncTokenSource = None,
        *,
        protocol: ProtocolName = "sse",
        heartbeat: float = HEARTBEAT,
        backoff: Backoff | None = None,
    ) -> None:
        self._credentials = Credentials(token)
        self._backoff = backoff or Backoff()
        self._transport: AsyncTransport = async_transport_of(protocol, url, heartbeat)

    def chat(
        self,
        question: Question,
        *,
        model: str | None = None,
        agent: bool = False,
        temperature: float | None = None,
        conversation: str | None = None,
        key: str | None = None,
    ) -> AsyncStream:
        asked = _asked(question, model, agent, temperature, conversation)
        return AsyncStream(self._transport, Reader(Ask(asked, key or uuid4().hex)), self._patience())

    def text(
        self,
        question: Question,
        *,
        model: str | None = None,
        agent: bool = False,
        temperature: float | None = None,
        conversation: str | None = None,
        key: str | None = None,
    ) -> AsyncTextStream:
        return AsyncTextStream(
            self.chat(question, model=model, agent=agent, temperature=temperature, conversation=conversation, key=key)
        )

    def follow(self, run_id: str, *, after: str | None = None) -> AsyncStream:
        return AsyncStream(self._transport, Reader(run_id=run_id, after=after), self._patience())

    async def start(
        self,
        question: Question,
        *,
        model: str | None = None,
        agent: bool = False,
        temperature: float | None = None,
        conversation: str | None = None,
        key: str | None = None,
    ) -> StartedRun:
        asked = Ask(_asked(question, model, agent, temperature, conversation), key or uuid4().hex)
        return await self._repeated(lambda token: self._transport.start(asked, token))

    async def stop(self, run_id: str) -> bool:
        return await self._repeated(lambda token: self._transport.stop(run_id, token))

    async def run(self, run_id: str) -> RunState:
        return await self._repeated(lambda token: self._transport.look(run_id, token))

    async def aclose(self) -> None:
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _patience(self) -> Patience:
        return Patience(self._backoff, self._credentials)

    async def _repeated(self, send: Callable[[str | None], Awaitable[Answer]]) -> Answer:
        patience = self._patience()
        while True:
            try:
                answer = await send(await self._credentials.aget())
            except StreamlabError as error:
                wait = patience.wait(error)
            else:
                self._credentials.accepted()
                return answer
            await anyio.sleep(wait)


def _asked(
    question: Question, model: str | None, agent: bool, temperature: float | None, conversation: str | None
) -> dict[str, Any]:
    """The body of a question, of which only what was said is sent."""
    asked: dict[str, Any] = {
        "message": question if isinstance(question, str) else None,
        "messages": None if isinstance(question, str) else [dict(message) for message in question],
        "model": model,
        "agent": agent or None,
        "temperature": temperature,
        "conversation": conversation,
    }
    return {name: value for name, value in asked.items() if value is not None}
