"""What can be asked over HTTP: each address, what it takes and what it answers."""

from importlib.resources import files
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response, Security
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.responses import FileResponse

from streamlab.gateway.access import Grant
from streamlab.gateway.errors import ErrorBody, draining, unavailable
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.headers import page_policy
from streamlab.gateway.page import EventPage, page_of
from streamlab.gateway.protocols.sse import EventStream, EventWriter
from streamlab.gateway.requests import LimitedRoute, caller_of, gateway_of
from streamlab.gateway.schema import EVENT_SCHEMAS
from streamlab.gateway.state import RunState, state_of
from streamlab.gateway.submissions import ChatRequest, Started
from streamlab.hub import Log, Position

EXAMPLE = files("examples") / "browser.html"
EXAMPLE_POLICY = page_policy(EXAMPLE.read_text("utf-8"))


bearer = HTTPBearer(
    auto_error=False, description="one of the server's GATEWAY_TOKENS, or to read one run a follow token"
)
access_code = APIKeyHeader(
    name="X-Access-Code", auto_error=False, description="where no tokens are set: opens the models that cost money"
)
follow_token = APIKeyQuery(name="token", auto_error=False, description="a follow token; reads one run")


async def _identify(
    request: Request, _: Annotated[object, Security(bearer)], __: Annotated[object, Security(access_code)]
) -> Grant:
    return gateway_of(request).access.identify(caller_of(request))


async def _allow_metrics(request: Request, _: Annotated[object, Security(bearer)]) -> None:
    gateway_of(request).access.allow_metrics(caller_of(request))


async def _allow_reading(
    request: Request,
    run_id: str,
    _: Annotated[object, Security(bearer)],
    __: Annotated[object, Security(follow_token)],
) -> Grant:
    return gateway_of(request).access.allow_reading(caller_of(request), run_id)


async def _the_gateway(request: Request) -> Gateway:
    return gateway_of(request)


TheGateway = Annotated[Gateway, Depends(_the_gateway)]
FullAccess = Annotated[Grant, Depends(_identify)]
ReadAccess = Annotated[Grant, Depends(_allow_reading)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="the same key and body within 24 hours answer with the same run",
    ),
]


class Links(BaseModel):
    run: str
    events: str
    websocket: str
    token: str


class StartedRun(BaseModel):
    id: str
    conversation: str = Field(description="send it with the next question to go on")
    model: str
    links: Links


class FollowToken(BaseModel):
    token: str = Field(description="for `?token=`; reads this run and nothing else")
    expires_in: int = Field(description="seconds")


class Health(BaseModel):
    status: Literal["ok", "ready"]


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorBody} for status in (400, 401, 403, 422, 500, 503, *statuses)}


def _event_of(name: str, data: dict[str, Any]) -> dict[str, Any]:
    line = {"contentMediaType": "application/json", "contentSchema": data}
    return {"title": name, "properties": {"event": {"const": name}, "data": line}}


STREAM: dict[str, Any] = {
    "description": "The events of the run.",
    "content": {
        "text/event-stream": {
            "schema": {
                "type": "object",
                "description": "one event",
                "properties": {
                    "id": {"type": "string", "description": "the resume token; control events have none"},
                    "event": {"type": "string"},
                    "data": {"type": "string", "description": "one line of JSON"},
                },
                "required": ["event", "data"],
                "oneOf": [_event_of(name, data) for name, data in EVENT_SCHEMAS.items()],
            },
            "example": 'event: text_delta\ndata: {"type":"text_delta","seq":1,"at":0.21,"step":1,"content":"Hi"}\n'
            "id: 0123456789abcdef-1\n\n",
        }
    },
}

router = APIRouter(route_class=LimitedRoute, redirect_slashes=False)


@router.post(
    "/chat",
    responses=_errors(404, 409, 413, 429) | {200: STREAM, 204: {"description": "You have all of that run."}},
    response_class=Response,
)
async def chat(
    asked: ChatRequest,
    request: Request,
    gateway: TheGateway,
    grant: FullAccess,
    key: IdempotencyKey = None,
    last_event_id: Annotated[
        str | None, Header(description="goes on with the run that it is of, and asks nothing")
    ] = None,
) -> Response:
    """Ask, and get the answer as server-sent events. The run goes on when you leave; `Location` is where it is."""
    position = gateway.position(last_event_id)
    started, log = await gateway.asked_or_begun(asked, grant, key, position)
    return await _stream(gateway, log, grant, position, _headers(request, started) | {"x-run-id": started.run_id})


@router.post("/runs", status_code=201, responses=_errors(404, 409, 413, 429))
async def start(
    asked: ChatRequest,
    request: Request,
    response: Response,
    gateway: TheGateway,
    grant: FullAccess,
    key: IdempotencyKey = None,
) -> StartedRun:
    """Ask, and get the id of the run to follow. A run that nobody follows for a minute is stopped."""
    started = await gateway.ask(asked, grant, key)
    await gateway.log(started.run_id, grant)  # from here on every gateway knows it
    response.headers.update(_headers(request, started) | {"x-run-id": started.run_id})
    return StartedRun(
        id=started.run_id,
        conversation=started.conversation,
        model=started.model,
        links=_links(request, started.run_id),
    )


@router.get("/runs/{run_id}", responses=_errors(404))
async def look(run_id: str, gateway: TheGateway, grant: ReadAccess) -> RunState:
    """Look at what the run has come to by now."""
    return state_of(await gateway.log(run_id, grant))


@router.get(
    "/runs/{run_id}/events",
    responses=_errors(404)
    | {
        200: STREAM | {"model": EventPage, "description": "The events of the run, or a page of them."},
        204: {"description": "The run has ended, and you have all of it."},
    },
    response_class=Response,
)
async def follow(
    run_id: str,
    gateway: TheGateway,
    grant: ReadAccess,
    after: Annotated[str | None, Query(description="a resume token: the id of the last event that you have")] = None,
    last_event_id: Annotated[str | None, Header(description="the same, from an EventSource; it wins")] = None,
    accept: Annotated[str, Header(description="application/json asks for a page")] = "*/*",
    limit: Annotated[int, Query(ge=1, le=1_000, description="how many events a page has")] = 100,
) -> Response:
    """Follow the run from any point: live as server-sent events, or as a page of JSON of what is there by now."""
    log = await gateway.log(run_id, grant)
    position = gateway.position(last_event_id or after)
    if "application/json" in accept and "text/event-stream" not in accept:
        return Response(page_of(log, position, limit), media_type="application/json")
    return await _stream(gateway, log, grant, position)


@router.delete(
    "/runs/{run_id}",
    status_code=202,
    responses=_errors(404) | {204: {"description": "It had ended already."}},
    response_class=Response,
)
async def stop(run_id: str, gateway: TheGateway, grant: FullAccess) -> Response:
    """Stop the run at the model. What it wrote so far stays, and its log gets its end."""
    log = await gateway.log(run_id, grant)
    if log.done:
        return Response(status_code=204)
    gateway.stop(log)
    return Response(status_code=202)


@router.post("/runs/{run_id}/token", status_code=201, responses=_errors(404))
async def issue_token(run_id: str, gateway: TheGateway, grant: ReadAccess) -> FollowToken:
    """Get a token for a browser's EventSource or WebSocket, or for somebody who shall only watch.

    A follow token gets one that ends when it does itself.
    """
    log = await gateway.log(run_id, grant)
    issued = grant.issued or gateway.access.now()
    age = (gateway.access.now() - issued) // 10**9
    return FollowToken(token=gateway.access.issue(log.run_id, issued), expires_in=gateway.access.seconds - age)


@router.delete("/runs/{run_id}/token", status_code=204, responses=_errors(404), response_class=Response)
async def revoke_tokens(run_id: str, gateway: TheGateway, grant: FullAccess) -> Response:
    """End every follow token of the run; the streams that they opened end too."""
    log = await gateway.log(run_id, grant)
    await gateway.revoke(log)
    return Response(status_code=204)


@router.get(
    "/metrics",
    dependencies=[Depends(_allow_metrics)],
    responses=_errors() | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def metrics(gateway: TheGateway) -> Response:
    """Read the figures of this process, for Prometheus. GATEWAY_METRICS_TOKEN reads them too, and nothing else."""
    return Response(gateway.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/examples/browser",
    responses=_errors() | {200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    response_class=FileResponse,
)
async def browser_example() -> FileResponse:
    """Open a page that asks and shows the answer with what every browser has; its source is the example."""
    return FileResponse(str(EXAMPLE), media_type="text/html", headers={"content-security-policy": EXAMPLE_POLICY})


@router.get("/healthz", responses={500: {"model": ErrorBody}})
async def healthz() -> Health:
    """Ask whether the process is alive."""
    return Health(status="ok")


@router.get("/readyz", responses={500: {"model": ErrorBody}, 503: {"model": ErrorBody}})
async def readyz(gateway: TheGateway) -> Health:
    """Ask whether the process takes new callers; 503 while it starts and as soon as it is told to end."""
    if not gateway.ready:
        raise draining() if gateway.leaving else unavailable()
    return Health(status="ready")


async def _stream(
    gateway: Gateway, log: Log, grant: Grant, after: Position | None, headers: dict[str, str] | None = None
) -> Response:
    if after and log.follow(after).ended:
        return Response(status_code=204, headers=headers)  # a browser's EventSource then stops coming back
    writer = EventWriter()
    delivery = gateway.deliver(log, grant, writer.name, after)
    return EventStream(delivery, writer, await gateway.opening(log, grant), headers)


def _headers(request: Request, started: Started) -> dict[str, str]:
    headers = {"location": f"{request.scope['root_path']}/runs/{started.run_id}"}
    return headers | ({"idempotency-replayed": "true"} if started.repeated else {})


def _links(request: Request, run_id: str) -> Links:
    run = f"{request.scope['root_path']}/runs/{run_id}"
    return Links(run=run, events=f"{run}/events", websocket=f"{run}/ws", token=f"{run}/token")
