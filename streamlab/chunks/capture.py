"""A capture: one question, read in one mode, and the chunks that this gave.

The model is the provider's stock client, not the app's own, which joins what one read from the network gave: here, one
chunk is one chunk of the server.
"""

import asyncio
import contextlib
import functools
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import SystemMessage
from langchain_core.utils.json import parse_json_markdown
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

from streamlab.chunks.modes import READ_MODES, CaptureTopic, Model, ReadMode, beside_a_heartbeat
from streamlab.chunks.views import ChunkView, chunk_view
from streamlab.models.answer_body import AnswerBody
from streamlab.models.catalog import Models, classify
from streamlab.models.connections import Connections
from streamlab.models.failures import Failure
from streamlab.models.network import async_client_options, client_options
from streamlab.models.observer import MessageObserver
from streamlab.models.options import Options
from streamlab.models.provider import StockOptions

logger = logging.getLogger(__name__)

MAX_VIEWS = 2_000
MAX_CHARACTERS = 1_000_000  # of the views of one capture: each partial object holds those before it
UNPARSED = 1_000  # characters without a new object: JsonOutputParser reads all of them anew for each chunk, many times

CaptureState = Literal["running", "completed", "stopped", "failed"]
Remark = Literal["empty", "only_usage", "not_json", "broken_json", "length"]


class _Unparsable(Exception):
    """JsonOutputParser has given nothing new for UNPARSED characters."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is read. `as_json` asks the server for a JSON object; OpenAI demands that the question says so too."""

    topic: CaptureTopic
    text: str
    options: Options
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Capture:
    """One question in one read mode, as it stood at one moment. Times are seconds since just before the request.

    - `beats`: when the second task ran on the same event loop; `seconds`: how long it took, or has taken
    - `more`: chunks that came after the last that is kept
    - `code` of one that failed is one of `failures.CODES`, of one that completed a Remark or None
    """

    mode: ReadMode
    views: tuple[ChunkView, ...] = ()
    beats: tuple[float, ...] = ()
    seconds: float = 0.0
    more: int = 0
    state: CaptureState = "running"
    code: str | None = None
    detail: str | None = None


class Client:
    """The model's stock client and what it is asked. Another thread can end what it waits for."""

    def __init__(self, models: Models, question: Question, silence: float) -> None:
        self.connections = Connections()
        trace = {"trace": self.connections.trace}
        self.body = AnswerBody(models.provider(question.options.model).judge)
        self._http = DefaultHttpxClient(
            **client_options(),
            event_hooks={
                "request": [lambda request: request.extensions.update(trace)],
                "response": [self.body.respond],
            },
        )
        self._async_http = DefaultAsyncHttpxClient(
            **async_client_options(), event_hooks={"response": [self.body.arespond]}
        )
        asked = question.options
        # Without the chunk timer: in Python 3.11 asyncio.wait_for may lose a stop.
        options = StockOptions(silence, asked.temperature, as_json=question.as_json, chunk_timer=False)
        self.model: Model = models.stock_model(asked.model, options, self._http, self._async_http)
        system = [SystemMessage(asked.system)] if asked.system else []
        self.inputs = {"system": system, "question": question.text}

    async def close(self) -> None:
        self._http.close()
        await self._async_http.aclose()


class CaptureReader:
    """Reads in one mode, in a thread and on an event loop of its own."""

    def __init__(self, mode: ReadMode, client: Client, limit: float) -> None:
        self._mode = mode
        self._client = client
        self._observer = _Observer(self._arrive)
        # What has been taken down so far; the reader's thread writes it, any other may read it.
        self._views: list[ChunkView] = []
        self._beats: list[float] = []
        self._characters = self._more = 0
        self._unparsed = 0
        self._began = time.monotonic()
        self._ended: tuple[float, CaptureState, str | None, str | None] | None = None
        self._why: tuple[CaptureState, str | None] | None = None  # why it was told to end
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._limit = threading.Timer(limit, self._end, ("failed", "timeout"))
        self._limit.daemon = True
        self._thread = threading.Thread(target=self._work, name="capture", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._limit.start()

    def stop(self) -> None:
        self._end("stopped", None)

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    @property
    def running(self) -> bool:
        return self._ended is None

    @property
    def capture(self) -> Capture:
        seconds, state, code, detail = self._ended or (self._clock(), "running", None, None)
        return Capture(self._mode, tuple(self._views), tuple(self._beats), seconds, self._more, state, code, detail)

    def _clock(self) -> float:
        return time.monotonic() - self._began

    def _end(self, state: CaptureState, code: str | None) -> None:
        """End the waiting of either kind: a blocked read by its socket, a task by cancelling it."""
        self._why = self._why or (state, code)
        self._client.connections.end()
        if self._loop and self._task:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _work(self) -> None:
        state: CaptureState = "completed"
        code: str | None = None
        detail: str | None = None
        failure: Failure | None = None
        with asyncio.Runner() as runner:
            try:
                runner.run(self._read())
                code = self._observer.remark(self._mode, gave_nothing=not self._views)
                failure = self._client.body.judge().failure
            except _Unparsable:
                code = "broken_json" if self._views else "not_json"
            except BaseException as error:  # also one that was cancelled: the thread ends here in any case
                broke = classify(error) if isinstance(error, Exception) else Failure("internal")
                failure = self._client.body.judge().failure_of(broke)
            if failure:
                state, code, detail = "failed", failure.code, failure.detail
            if self._why and state == "failed":
                (state, code), detail = self._why, None
            self._ended = (self._clock(), state, code, detail)
            self._limit.cancel()
            with contextlib.suppress(Exception):  # a connection that was shut down
                runner.run(self._client.close())
        logger.info("capture %s %s chunks=%d code=%s", self._mode, state, len(self._views), code)

    async def _read(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._why:
            raise asyncio.CancelledError
        make_chain, read, _ = READ_MODES[self._mode]
        chain = make_chain(self._client.model)
        self._began = time.monotonic()
        await beside_a_heartbeat(
            lambda: read(chain, self._client.inputs, self._take, {"callbacks": [self._observer]}),
            lambda: self._beats.append(self._clock()),
        )

    def _take(self, chunk: Any) -> None:
        at, self._unparsed = self._clock(), 0
        if self._more or len(self._views) == MAX_VIEWS:
            self._more += 1
            return
        made = chunk_view(READ_MODES[self._mode][2], len(self._views) + 1, at, chunk)
        self._characters += len(made.text)
        if self._characters > MAX_CHARACTERS and self._views:
            self._more += 1
        else:
            self._views.append(made)

    def _arrive(self, characters: int) -> None:
        """Count characters as the model sends them, before any parser."""
        self._unparsed += characters
        if self._mode == "json" and self._unparsed > UNPARSED:
            raise _Unparsable


class _Observer(MessageObserver):
    """What the model sends, before any parser: each text, and the whole message when it is complete."""

    raise_error = True

    def __init__(self, arrive: Callable[[int], None]) -> None:
        super().__init__()
        self._arrive = arrive

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        self._arrive(len(token))

    def remark(self, mode: ReadMode, *, gave_nothing: bool) -> Remark | None:
        """Find what is to be said of an answer that came to its end."""
        message, finish = self.message, self.finish
        if message is None:
            return "empty"
        if not (message.text or message.tool_calls or message.invalid_tool_calls):
            return "only_usage" if message.usage_metadata and not finish else "empty"
        if finish == "length":
            return "length"
        if mode == "json" and not _is_json(message.text):
            return "not_json" if gave_nothing else "broken_json"
        return None


def _is_json(text: str) -> bool:
    """Tell whether it is to the last character. JsonOutputParser gives what it can read, silent about the rest."""
    try:
        parse_json_markdown(text, parser=functools.partial(json.loads, strict=False))
    except json.JSONDecodeError:
        return False
    return True
