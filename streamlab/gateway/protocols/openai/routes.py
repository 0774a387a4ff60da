"""What can be asked of OpenAI's API here: models and chat completions."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from streamlab.events.event import Done, Error, Retry, StreamEvent, TextDelta
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.parameters import FullAccess, IdempotencyKey, TheGateway
from streamlab.gateway.protocols.openai.answers import EndingWithItsReader, WholeAnswer
from streamlab.gateway.protocols.openai.chat_request import ChatCompletion
from streamlab.gateway.protocols.openai.chat_writer import ChatForm, ChatWriter, completion, ended_well
from streamlab.gateway.protocols.openai.errors import PASSING, FieldRefusal, failure
from streamlab.gateway.protocols.openai.messages import read
from streamlab.gateway.protocols.openai.text import json_of
from streamlab.gateway.protocols.sse import EventStream
from streamlab.gateway.requests import LimitedRoute
from streamlab.gateway.submissions import Started
from streamlab.hub import Log
from streamlab.models.failures import RETRIED

router = APIRouter(prefix="/openai", route_class=LimitedRoute, redirect_slashes=False, include_in_schema=False)


@router.get("/health")
async def tell_health(gateway: TheGateway) -> Response:
    """Answer whether new callers are welcome, as other servers of this API do for those who measure them."""
    return Response(status_code=200 if gateway.ready else 503)


@router.get("/v1/models")
async def list_models(gateway: TheGateway, grant: FullAccess) -> Response:
    names = await gateway.engine.models.names()
    return JSONResponse({"object": "list", "data": [_model(gateway, name) for name in names]})


@router.get("/v1/models/{name:path}")
async def find_model(name: str, gateway: TheGateway, grant: FullAccess) -> Response:
    if await gateway.engine.models.not_offered([name]):
        raise FieldRefusal("model", "The server has no model of this name.", "model_not_found", 404)
    return JSONResponse(_model(gateway, name))


def _model(gateway: Gateway, name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": gateway.engine.models.provider(name).name}


@router.post("/v1/chat/completions")
async def complete_chat(
    request: Request, gateway: TheGateway, grant: FullAccess, key: IdempotencyKey = None
) -> Response:
    """Answer as OpenAI does; when the client leaves, its run ends, unless somebody may come back to it."""
    asked = read(ChatCompletion, await request.body())
    prompt = replace(asked.prompt, request=await request.body())
    started = await gateway.complete(prompt, grant, key)
    log = await gateway.log(started.run_id, grant)
    usage = bool(asked.stream and asked.stream_options and asked.stream_options.include_usage)
    form = ChatForm(started.run_id, started.model, began(log), usage, hands_back=bool(prompt.tools))
    delivery = gateway.deliver(log, grant, ChatWriter.name)
    answer: Response
    if asked.stream:
        opening = await gateway.opening(log, grant)
        answer = EventStream(delivery, ChatWriter(form), opening, run_headers(request, started))
    else:
        whole = partial(_whole, form, log, repeatable=key is None)
        answer = WholeAnswer(delivery, whole, run_headers(request, started))
    return answer if asked.background or key else EndingWithItsReader(answer, delivery, gateway)


def _whole(form: ChatForm, log: Log, *, repeatable: bool) -> Response:
    events = log.since(0)
    answer = failed(events, repeatable=repeatable)
    return answer or Response(json_of(completion(form, log)), media_type="application/json")


def failed(events: Sequence[StreamEvent], *, repeatable: bool) -> Response | None:
    """Answer for a run that gave no answer, None for one that did.

    `repeatable`: the same request again would start another run.
    """
    *_, before, done = [None, *events]
    assert isinstance(done, Done)
    if ended_well(done):
        return None
    status, error = failure(done.code or "internal", before if isinstance(before, Error) else None)
    headers = {} if repeatable and worth_another(events, done) else {"x-should-retry": "false"}
    if done.code == "rate_limited" and (wait := _last_wait(events)) is not None:
        headers["retry-after"] = f"{max(1, math.ceil(wait))}"
    return JSONResponse({"error": error}, status, headers)


def worth_another(events: Sequence[StreamEvent], done: Done) -> bool:
    """Tell whether the request may fare better if it is sent again.

    Faults that pass were tried again here as often as may be, but not those that came after some of the text.
    """
    if done.code not in RETRIED:
        return done.code in PASSING
    last = max((place for place, event in enumerate(events) if isinstance(event, Retry)), default=0)
    return any(isinstance(event, TextDelta) for event in events[last:])


def _last_wait(events: Sequence[StreamEvent]) -> float | None:
    """Return the seconds that the provider wished for last, or that were waited for its sake."""
    return next((event.wait for event in reversed(events) if isinstance(event, Retry)), None)


def began(log: Log) -> int:
    """Return the second since the epoch in which a run began, as far as this process knows."""
    return round(time.time() - (time.monotonic() - log.began))


def run_headers(request: Request, started: Started) -> dict[str, str]:
    """Make the headers that tell of a run: where it is natively, and its id also as OpenAI's clients show it."""
    run_id = started.run_id
    location = f"{request.scope['root_path']}/runs/{run_id}"
    headers = {"x-run-id": run_id, "x-request-id": run_id, "location": location}
    return headers | ({"idempotency-replayed": "true"} if started.repeated else {})
