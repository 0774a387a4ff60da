"""A client of one model as a program of one's own would have it, which records what came when."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient
from pydantic import SecretStr

from streamlab.demo_model import is_demo
from streamlab.latency.clock import now
from streamlab.latency.plan import Direct, Plan
from streamlab.latency.wire import Wire
from streamlab.models.failures import classify
from streamlab.models.options import DEFAULT_TEMPERATURE

# Longer than the usual 5 s: a connection must outlast the calls of the other ways, or its set-up would be measured.
LIMITS = httpx2.Limits(max_connections=10, max_keepalive_connections=10, keepalive_expiry=60)

PROMPT = ChatPromptTemplate([MessagesPlaceholder("system"), ("human", "{question}")])

Chain = Runnable[dict[str, Any], str]


@dataclass(slots=True)
class CallRecord:
    """A call as it was recorded. Times are the clock's; `arrivals` holds every event, also those without text."""

    start: float = 0.0
    arrivals: list[tuple[float, str]] = field(default_factory=list)
    error: str | None = None
    retry_after: float | None = None
    """Seconds after which a call that met a rate limit may be made again, when the server said."""
    reported: int | None = None
    """Tokens of the visible text, when the server said."""
    filtered: bool = False


class Client:
    """Stock ChatOpenAI in a chain of prompt, model and parser, over connections that are kept from call to call.

    `runner` is the event loop of `astream`; it outlives the client, which is closed by `close`.
    """

    def __init__(self, model: str, plan: Plan, base_url: str, key: SecretStr, runner: asyncio.Runner) -> None:
        self.wire = Wire()
        self._plan = plan
        self._runner = runner
        self._http = DefaultHttpxClient(
            limits=LIMITS, event_hooks={"request": [self.wire.request], "response": [self.wire.response]}
        )
        self._async_http = DefaultAsyncHttpxClient(
            limits=LIMITS, event_hooks={"request": [self.wire.arequest], "response": [self.wire.aresponse]}
        )
        self._inputs = {"system": [("system", plan.system)] if plan.system.strip() else [], "question": plan.prompt}
        self._streaming = self._chain(model, base_url, key, streaming=True)
        # Said explicitly, for then no callback and no later default makes invoke stream underneath.
        self._whole = self._chain(model, base_url, key, streaming=False)

    def close(self) -> None:
        self._http.close()
        self._runner.run(self._async_http.aclose())

    def take(self, way: Direct) -> CallRecord:
        """Make one call, to its end or its failure. The caller must not keep its text."""
        self.wire.restart(self._plan.timeout)
        record, observer = CallRecord(), _Observer()
        config: RunnableConfig = {"callbacks": [observer]}
        try:
            with undisturbed():
                match way:
                    case "invoke":
                        self._invoke(record, config)
                    case "stream":
                        self._stream(record, config)
                    case "astream":
                        self._runner.run(self._astream(record, config))
        except Exception as error:
            failure = classify(error)
            record.error, record.retry_after = failure.code, failure.retry_after
        except BaseException:
            self.wire.abandon()
            raise
        record.reported, record.filtered = observer.tokens, observer.finish == "content_filter"
        return record

    def _chain(self, model: str, base_url: str, key: SecretStr, *, streaming: bool) -> Chain:
        chat = ChatOpenAI(
            model=model,
            base_url=base_url,
            api_key=key,
            temperature=None if self._plan.temperature == DEFAULT_TEMPERATURE else self._plan.temperature,
            max_tokens=self._plan.max_tokens,
            seed=self._plan.seed if is_demo(model) else None,  # not every provider accepts one
            streaming=streaming,
            stream_usage=True,
            max_retries=0,  # a retry would be measured as part of the call
            timeout=self._plan.timeout,
            http_client=self._http,
            http_async_client=self._async_http,
        )
        return cast(Chain, PROMPT | chat | StrOutputParser())

    def _invoke(self, record: CallRecord, config: RunnableConfig) -> None:
        record.start = now()
        text = self._whole.invoke(self._inputs, config)
        record.arrivals.append((now(), text))

    def _stream(self, record: CallRecord, config: RunnableConfig) -> None:
        arrivals = record.arrivals
        record.start = now()
        for text in self._streaming.stream(self._inputs, config):
            arrivals.append((now(), text))

    async def _astream(self, record: CallRecord, config: RunnableConfig) -> None:
        arrivals = record.arrivals
        record.start = now()
        async for text in self._streaming.astream(self._inputs, config):
            arrivals.append((now(), text))


class _Observer(BaseCallbackHandler):
    """Keeps what the parser drops: the tokens, and why the model stopped. Called once, after the last chunk."""

    run_inline = True  # else each event of astream goes through a thread

    def __init__(self) -> None:
        self.tokens: int | None = None
        self.finish: str | None = None

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: without this method LangChain turns the prompt into one string for another event."""

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        generation = response.generations[0][0]
        if not (isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage)):
            return
        self.finish = generation.message.response_metadata.get("finish_reason")
        if usage := generation.message.usage_metadata:
            hidden = usage.get("output_token_details", {}).get("reasoning") or 0
            self.tokens = max(0, usage["output_tokens"] - hidden)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back garbage collection: one takes as long as some dozens of chunks."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
