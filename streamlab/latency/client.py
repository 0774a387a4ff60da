"""A client of one model as a program of one's own would have it, which records what came when."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

from streamlab.events.event import Usage
from streamlab.latency.clock import now
from streamlab.latency.long_prompt import Prompt
from streamlab.latency.plan import Direct, Plan
from streamlab.latency.progress import Tell, untold
from streamlab.latency.wire import Wire
from streamlab.models.catalog import Models, classify
from streamlab.models.network import async_client_options, client_options
from streamlab.models.prompt import PROMPT
from streamlab.models.provider import StockOptions

# Longer than the usual 5 s: a connection must outlast the calls of the other ways, or its set-up would be measured.
LIMITS = httpx2.Limits(max_connections=10, max_keepalive_connections=10, keepalive_expiry=60)

Inputs = dict[str, Any]
Chain = Runnable[Inputs, str]


@dataclass(slots=True)
class CallRecord:
    """A call as it was recorded. Times are the clock's; `arrivals` holds every event, also those without text.

    `end` is when the stream ended, and 0 where it did not.
    """

    start: float = 0.0
    end: float = 0.0
    arrivals: list[tuple[float, str]] = field(default_factory=list)
    error: str | None = None
    retry_after: float | None = None
    """Seconds after which a call that met a rate limit may be made again, when the server said."""
    usage: Usage | None = None
    """Tokens, when the server said."""
    thought: bool = False
    """Reasoning was sent."""
    tell: Tell = untold
    """Is told when the first text came, once."""

    def arrive(self, at: float, text: str) -> None:
        """Record an event. Who watches is told of the first text once its time is taken, before the next one is due."""
        self.arrivals.append((at, text))
        if text and self.tell is not untold:
            tell, self.tell = self.tell, untold
            tell(at - self.start)


class Client:
    """The model's stock client in a chain of prompt, model and parser, over connections kept from call to call.

    `runner` is the event loop of `astream`; it outlives the client, which is closed by `close`.
    """

    def __init__(self, models: Models, name: str, plan: Plan, runner: asyncio.Runner) -> None:
        self.wire = Wire(models.provider(name).judge)
        self._plan = plan
        self._runner = runner
        self._http = DefaultHttpxClient(
            **client_options(LIMITS), event_hooks={"request": [self.wire.request], "response": [self.wire.response]}
        )
        self._async_http = DefaultAsyncHttpxClient(
            **async_client_options(LIMITS),
            event_hooks={"request": [self.wire.arequest], "response": [self.wire.aresponse]},
        )
        self._streaming = self._chain(models, name, streaming=True)
        # Said explicitly, for then no callback and no later default makes invoke stream underneath.
        self._whole = self._chain(models, name, streaming=False)

    def close(self) -> None:
        self._http.close()
        self._runner.run(self._async_http.aclose())

    def take(self, way: Direct, prompt: Prompt, tell: Tell = untold) -> CallRecord:
        """Make one call, to its end or its failure. The caller must not keep its text."""
        inputs = {"system": [("system", prompt.system)] if prompt.system.strip() else [], "question": prompt.question}
        self.wire.restart(self._plan.timeout)
        record, failure = CallRecord(tell=tell), None
        try:
            with undisturbed():
                match way:
                    case "invoke":
                        self._invoke(record, inputs)
                    case "stream":
                        self._stream(record, inputs)
                    case "astream":
                        self._runner.run(self._astream(record, inputs))
        except Exception as error:
            failure = classify(error)
        except BaseException:
            self.wire.abandon()
            raise
        judgement = self.wire.body.judge()
        if failure := judgement.failure_of(failure):
            record.error, record.retry_after = failure.code, failure.retry_after
            if failure.code == "internal":  # what the server sent is no failure: others read it
                record.error = "client_broke"
        record.usage, record.thought = judgement.usage, judgement.thought
        return record

    def _chain(self, models: Models, name: str, *, streaming: bool) -> Chain:
        asked = self._plan.model_dump(include={"timeout", "temperature", "max_tokens", "seed"})
        options = StockOptions(**asked, streaming=streaming)
        chat = models.stock_model(name, options, self._http, self._async_http)
        return cast(Chain, PROMPT | chat | StrOutputParser())

    def _invoke(self, record: CallRecord, inputs: Inputs) -> None:
        record.start = now()
        text = self._whole.invoke(inputs)
        record.end = now()
        record.arrivals.append((record.end, text))

    def _stream(self, record: CallRecord, inputs: Inputs) -> None:
        record.start = now()
        for text in self._streaming.stream(inputs):
            record.arrive(now(), text)
        record.end = now()

    async def _astream(self, record: CallRecord, inputs: Inputs) -> None:
        record.start = now()
        async for text in self._streaming.astream(inputs):
            record.arrive(now(), text)
        record.end = now()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back garbage collection: one takes as long as some dozens of chunks."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
