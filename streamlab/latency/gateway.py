"""A client of one model behind a gateway, which records what came when. It knows only the gateway's address."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, get_args
from urllib.parse import parse_qsl

import httpx2

from streamlab.demo_model import is_demo
from streamlab.events.event import Done, Error, EventType, Retry, TextDelta, Thinking, decode
from streamlab.latency.client import LIMITS, CallRecord, undisturbed
from streamlab.latency.clock import now
from streamlab.latency.plan import GatewayAddress, Plan
from streamlab.latency.progress import Tell, untold
from streamlab.latency.wire import Wire
from streamlab.models.failures import CODES
from streamlab.models.network import client_options
from streamlab.models.options import DEFAULT_TEMPERATURE

LOGGED = get_args(EventType)  # what a run's log holds; the rest is between the gateway and its client
KNOWN = (*CODES, "gateway_access", "gateway_refused", "gateway_unavailable")
ASIDE = 2.0  # seconds for what is asked beside the calls
NOT_REACHED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.SSEError,  # something answered, but with no event stream
    ValueError,  # or with one of something else
)


class _Failed(Exception):
    """The call came to nothing that could be compared, for the reason of this `code`."""

    def __init__(self, code: str | None, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code if code in KNOWN else "internal"
        self.retry_after = retry_after


class GatewayClient:
    """Asks by `POST /chat` and reads the run's events from the answer, over a connection that is kept.

    A run repeats what failed; here nothing is repeated, or the pauses would be measured as part of the answer. A
    `retry` is the end of the call, for the reason that it tells, and the run is stopped.
    """

    def __init__(self, model: str, plan: Plan, address: GatewayAddress) -> None:
        self.wire = Wire()
        self._address = address
        self._asked = _asked(model, plan)
        self._timeout = plan.timeout
        self._http = httpx2.Client(
            **client_options(LIMITS),
            base_url=address.url,
            headers=address.headers,
            timeout=plan.timeout,
            event_hooks={"request": [self.wire.request], "response": [self.wire.response]},
        )

    def close(self) -> None:
        self._http.close()

    def take(self, tell: Tell = untold) -> CallRecord:
        """Make one call, to the end of its run or to its failure."""
        with suppress(httpx2.HTTPError):  # a server drops a connection that idles: it is opened anew before the call
            self._http.get("/healthz", timeout=ASIDE)
        self.wire.restart(self._timeout)
        record = CallRecord(tell=tell)
        try:
            with undisturbed():
                self._chat(record)
        except _Failed as failed:
            record.error, record.retry_after = failed.code, failed.retry_after
        except NOT_REACHED:
            record.error = "gateway_unavailable"
        except (TimeoutError, httpx2.TimeoutException):
            record.error = "timeout"
        except httpx2.HTTPError:
            record.error = "connection_lost"
        return record

    def _chat(self, record: CallRecord) -> None:
        record.start = now()
        with self._http.stream("POST", "/chat", json=self._asked) as response:
            try:
                if response.status_code != httpx2.codes.OK:
                    raise _refused(response)
                _take_down(record, httpx2.EventSource(response))
            except BaseException:  # else the run would go on for a minute, and tokens cost money
                if run_id := response.headers.get("x-run-id"):
                    self._stop(run_id)
                raise

    def _stop(self, run_id: str) -> None:
        address = self._address
        with (
            suppress(httpx2.HTTPError),
            httpx2.Client(**client_options(), base_url=address.url, headers=address.headers, timeout=ASIDE) as http,
        ):
            http.delete(f"/runs/{run_id}")


def _take_down(record: CallRecord, stream: Iterable[httpx2.ServerSentEvent]) -> None:
    """Record a run from its events. Each is an arrival, also one without text; what tells nothing of the model is
    none: that work has begun, and what the gateway says besides, such as `open`.

    Raises _Failed when the call cannot be compared, ValueError for what is no event.
    """
    completed = False
    for sent in stream:
        at = now()
        if sent.event == "gap":  # some of its events cannot be had any more
            raise _Failed("connection_lost")
        if sent.event not in LOGGED:
            continue
        event = decode(sent.data)
        if isinstance(event, Thinking) and event.state:  # of the run, before the model was asked
            continue
        record.arrive(at, event.content if isinstance(event, TextDelta) else "")
        match event:
            case Thinking():
                record.thought = True
            case Retry():
                raise _Failed(event.code, event.wait)
            case Error():
                raise _Failed(event.code)
            case Done():
                completed = event.status == "completed"
                if completed and event.usage and not event.usage.estimated:
                    record.usage = event.usage
    record.end = now()
    if not completed:  # the stream ended before the run, or somebody else or the end of its server stopped it
        raise _Failed("connection_lost")


def issued(url: str, follow_token: str, run_id: str) -> bool:
    """Tell whether the gateway at this address issued the token. There need be no such run."""
    try:
        with httpx2.Client(**client_options(), timeout=ASIDE) as http:
            answer = http.get(f"{url}/runs/{run_id}", params={"token": follow_token})
    except httpx2.HTTPError:
        return False
    return answer.is_success or _error_code(answer) == "unknown_run"


def _asked(model: str, plan: Plan) -> dict[str, Any]:
    """Make the request's body. The demo model is told its seed, as by the other clients, but in its name."""
    messages = [{"role": "system", "content": plan.system}] if plan.system.strip() else []
    asked: dict[str, Any] = {
        "model": _seeded(model, plan.seed) if is_demo(model) else model,
        "messages": [*messages, {"role": "user", "content": plan.prompt}],
    }
    return asked if plan.temperature == DEFAULT_TEMPERATURE else asked | {"temperature": plan.temperature}


def _seeded(model: str, seed: int) -> str:
    name, _, options = model.partition("?")
    if "seed" in dict(parse_qsl(options)):
        return model
    return f"{name}?{options}&seed={seed}" if options else f"{name}?seed={seed}"


def _refused(response: httpx2.Response) -> _Failed:
    response.read()
    status = response.status_code
    if status == httpx2.codes.TOO_MANY_REQUESTS:
        wait = response.headers.get("retry-after", "")
        return _Failed("rate_limited", float(wait) if wait.isdecimal() else None)
    if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        return _Failed("gateway_access")
    if _error_code(response) == "unknown_model":
        return _Failed("model_not_found")
    return _Failed("gateway_refused" if response.is_client_error else "gateway_unavailable")


def _error_code(response: httpx2.Response) -> str | None:
    """Return the code of an error in the gateway's shape; None for any other."""
    with suppress(ValueError, KeyError, TypeError):
        return str(response.json()["error"]["code"])
    return None
