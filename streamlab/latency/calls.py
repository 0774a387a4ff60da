"""The calls of a plan, made one after the other and observed."""

import asyncio
import gc
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from functools import partial

from streamlab.demo_model import is_demo
from streamlab.latency.client import CallRecord, Client
from streamlab.latency.clock import ServerLog, Ticker
from streamlab.latency.figures import reading_seconds
from streamlab.latency.gateway import GatewayClient
from streamlab.latency.long_prompt import LongPrompts
from streamlab.latency.observation import DIGITS, Observation
from streamlab.latency.plan import GatewayAddress, Plan, PlannedCall, order
from streamlab.latency.progress import CallProgress, Tell
from streamlab.latency.wire import Wire
from streamlab.models.catalog import Models
from streamlab.models.thoughts import Thoughts
from streamlab.settings import Settings
from streamlab.text.tokens import estimate_tokens

REPEATS = 3  # of a call that met the provider's rate limit
LONGEST_PAUSE = 60.0  # seconds, whatever the provider asks for


def measure(
    plan: Plan,
    settings: Settings,
    demo_url: str,
    gateway: GatewayAddress | None = None,
    tell: Callable[[CallProgress], object] = lambda progress: None,
) -> Generator[Observation]:
    """Make each call of `order(plan)`, and yield its observation as soon as it is made. Close it to end early.

    `gateway` is asked where the plan says so. Raises ValueError when it says so and there is none. `tell` is told of
    each call when it begins, and when its first text is there.

    A failed call is an observation too, and the next follows; but when the first round (the warm-ups, or without
    them the first pair) fails whole, it is the last. Blocks; not to be used where an event loop runs.
    """
    with ExitStack() as stack:
        bench = _Bench(plan, settings, demo_url, gateway, stack)
        ticker = stack.enter_context(Ticker())
        gc.freeze()  # what is loaded stays: a collection before each call need not look at it
        stack.callback(gc.unfreeze)
        trial = True
        calls = order(plan)
        for number, call in enumerate(calls):
            if call.pair > calls[0].pair and trial:
                return
            observation = bench.observe(call, ticker, partial(_tell, tell, number))
            trial = trial and observation.error is not None
            yield observation


def _tell(tell: Callable[[CallProgress], object], call: int, first: float | None) -> None:
    tell(CallProgress(call, first))


class _Bench:
    """A client for each model, on one event loop that lasts for all calls, and one for each behind the gateway.

    `stack` closes them.
    """

    def __init__(
        self, plan: Plan, settings: Settings, demo_url: str, gateway: GatewayAddress | None, stack: ExitStack
    ) -> None:
        if plan.relayed and gateway is None:
            raise ValueError("no gateway to ask")
        self._prompts = LongPrompts(plan)
        runner = stack.enter_context(asyncio.Runner())
        models = stack.enter_context(closing(Models(settings, demo_url)))
        self._server_log = stack.enter_context(closing(ServerLog(demo_url)))
        self._clients = {model: Client(models, model, plan, runner) for model in plan.models}
        self._relayed = {model: GatewayClient(model, plan, gateway) for model in plan.models} if gateway else {}
        clients: list[Client | GatewayClient] = [*self._clients.values(), *self._relayed.values()]
        for client in clients:
            stack.callback(client.close)

    def observe(self, call: PlannedCall, ticker: Ticker, tell: Tell) -> Observation:
        """Make the call, again while the provider's rate limit is met, and observe the last try."""
        for repeat in range(REPEATS + 1):
            tell(None)
            ticker.restart()
            record, wire = self._take(call, tell)
            late = ticker.late
            if record.error != "rate_limited" or repeat == REPEATS:
                break
            wait = record.retry_after
            time.sleep(min(LONGEST_PAUSE, 2.0**repeat if wait is None else wait))
        return _observation(call, record, late, wire, self._server_log)

    def _take(self, call: PlannedCall, tell: Tell) -> tuple[CallRecord, Wire]:
        if call.way == "gateway":
            relayed = self._relayed[call.model]
            return relayed.take(tell), relayed.wire
        client = self._clients[call.model]
        return client.take(call.way, self._prompts.of(call), tell), client.wire


def _observation(call: PlannedCall, record: CallRecord, late: float, wire: Wire, log: ServerLog) -> Observation:
    shown = _visible(record.arrivals)
    chunks = [(_since(record, at), len(text)) for at, text in shown if text]
    text = "".join(text for _, text in shown)
    error = record.error or (None if text else "no_text")  # without any, it cannot be compared
    usage, thought = record.usage, record.thought
    visible = usage.visible(thought=thought) if usage else None
    estimated = estimate_tokens(text) if text else None
    written = None
    if not error and is_demo(call.model) and call.way != "gateway":
        written = log.written(wire.answer_id, record.start, record.arrivals[-1][0])
    return Observation(
        pair=call.pair,
        way=call.way,
        model=call.model,
        warm_up=call.warm_up,
        ttfe=_since(record, record.arrivals[0][0]) if record.arrivals else None,
        ttft=chunks[0][0] if chunks else None,
        e2e=None if error else _since(record, record.end),
        chunk_times=tuple(time for time, _ in chunks),
        chunk_characters=tuple(characters for _, characters in chunks),
        tokens=estimated if visible is None else visible,
        tokens_estimated=visible is None and bool(text),
        reading=round(reading_seconds(text), DIGITS),
        streamed=wire.streamed,
        waits=wire.waits,
        error=error,
        late=round(late, DIGITS),
        written=None if written is None else tuple(_since(record, at) for at in written),
        thought=thought,
        sent_tokens=usage.sent(thought=thought) if usage else None,
        prompt_length=call.prompt_length,
        repeated=call.repeated,
        prompt_tokens=usage.input_tokens if usage else None,
        cached_tokens=usage.cached_tokens if usage else None,
    )


def _visible(arrivals: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Leave out the thoughts that a model writes into its answer."""
    thoughts = Thoughts()
    visible = [(at, thoughts.part(text)[1]) for at, text in arrivals]
    if visible:
        at, text = visible[-1]
        visible[-1] = (at, text + thoughts.rest()[1])
    return visible


def _since(record: CallRecord, at: float) -> float:
    return round(at - record.start, DIGITS)
