"""Making the calls of a plan one after the other, and taking down each."""

import asyncio
import gc
import time
from collections.abc import Generator
from contextlib import ExitStack, closing

from streamlab.demo_model import is_demo
from streamlab.latency.client import Client, Taken
from streamlab.latency.observation import DIGITS, Observation
from streamlab.latency.plan import Call, Plan, order
from streamlab.latency.reading import reading_seconds
from streamlab.latency.ticker import Ticker
from streamlab.latency.truth import Truth
from streamlab.models import endpoint
from streamlab.settings import Settings
from streamlab.tokens import estimate_tokens

REPEATS = 3  # of a call that met the provider's rate limit
LONGEST_PAUSE = 60.0  # seconds, whatever the provider asks for


def measure(plan: Plan, settings: Settings, demo_url: str) -> Generator[Observation]:
    """One observation for each call of `order(plan)`, as soon as it is made. Close it to end early.

    A failed call is an observation too, and the next follows; but when the first round (the warm-ups, or without
    them the first pair) fails whole, it is the last. Blocks; not to be used where an event loop runs.
    """
    with ExitStack() as stack:
        bench = stack.enter_context(closing(_Bench(plan, settings, demo_url)))
        ticker = stack.enter_context(Ticker())
        gc.freeze()  # what is loaded stays: a collection before each call need not look at it
        stack.callback(gc.unfreeze)
        trial = True
        calls = order(plan)
        for call in calls:
            if call.pair > calls[0].pair and trial:
                return
            observation = bench.observe(call, ticker)
            trial = trial and observation.error is not None
            yield observation


class _Bench:
    """A client for each model, on one event loop that lasts for all calls."""

    def __init__(self, plan: Plan, settings: Settings, demo_url: str) -> None:
        self._runner = asyncio.Runner()
        self._truth = Truth(demo_url)
        self._clients = {
            model: Client(model, plan, *endpoint(model, settings, demo_url), self._runner) for model in plan.models
        }

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._truth.close()
        self._runner.close()

    def observe(self, call: Call, ticker: Ticker) -> Observation:
        """The call, repeated while the provider's rate limit is met; only the last try is told of."""
        client = self._clients[call.model]
        for repeat in range(REPEATS + 1):
            ticker.restart()
            taken = client.take(call.way)
            late = ticker.late
            if not (taken.failure and taken.failure.code == "rate_limited") or repeat == REPEATS:
                break
            wait = taken.failure.retry_after
            time.sleep(min(LONGEST_PAUSE, 2.0**repeat if wait is None else wait))
        return _observation(call, taken, late, client, self._truth)


def _observation(call: Call, taken: Taken, late: float, client: Client, truth: Truth) -> Observation:
    chunks = [(_since(taken, at), len(text)) for at, text in taken.arrivals if text]
    text = "".join(text for _, text in taken.arrivals)
    error = _error(taken, text)
    return Observation(
        pair=call.pair,
        way=call.way,
        model=call.model,
        warm_up=call.warm_up,
        ttfe=_since(taken, taken.arrivals[0][0]) if taken.arrivals else None,
        ttft=chunks[0][0] if chunks else None,
        e2e=None if error else _since(taken, taken.arrivals[-1][0]),
        chunk_times=tuple(time for time, _ in chunks),
        chunk_characters=tuple(characters for _, characters in chunks),
        tokens=_tokens(taken, text),
        tokens_estimated=taken.reported is None and bool(text),
        reading=round(reading_seconds(text), DIGITS),
        streamed=client.wire.streamed,
        waits=client.wire.waits,
        error=error,
        late=round(late, DIGITS),
        written=None if error or not is_demo(call.model) else _written(taken, client, truth),
    )


def _since(taken: Taken, at: float) -> float:
    return round(at - taken.start, DIGITS)


def _error(taken: Taken, text: str) -> str | None:
    """An answer that was withheld, or has no text, is none that could be compared."""
    if taken.failure:
        return taken.failure.code
    if taken.filtered:
        return "content_filtered"
    return None if text else "no_text"


def _tokens(taken: Taken, text: str) -> int | None:
    if taken.reported is not None:
        return taken.reported
    return estimate_tokens(text) if text else None


def _written(taken: Taken, client: Client, truth: Truth) -> tuple[float, ...] | None:
    written = truth.written(client.wire.answer_id, taken.start, taken.arrivals[-1][0])
    return None if written is None else tuple(_since(taken, at) for at in written)
