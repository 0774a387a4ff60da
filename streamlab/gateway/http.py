"""The gateway over HTTP: requests in, JSON and server-sent events out."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import APIKeyQuery, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from streamlab.events import EventType
from streamlab.gateway import limits
from streamlab.gateway.access import Grant
from streamlab.gateway.asking import ChatRequest, Started
from streamlab.gateway.errors import ErrorBody, Refused, draining, problems, unavailable
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.page import Page, page_of
from streamlab.gateway.requests import caller_of, gateway_of
from streamlab.gateway.sse import EventStream
from streamlab.gateway.state import RunState, state_of
from streamlab.gateway.websocket import FollowSocket
from streamlab.settings import Settings

DESCRIPTION = """
An answer is a **run**: it is produced once, on the server, into an ordered log, and any number of clients follow the
log, each from where it is. Cut, come back with the id of the last event that you have, and nothing is lost or repeated.

Events: `thinking`, `text_delta`, `tool_call`, `tool_result`, `final_answer`, `retry`, `error`, and one `done` at last.
Control events, which carry no id: `open` comes first; `gap` and `snapshot` stand in for what cannot be had any more;
`drain` (the server is going, come back) and `close` (the token's time is over) come before a stream ends early.
"""
CONTROL_EVENTS = ("open", "gap", "snapshot", "drain", "close")
HEALTH = ("/healthz", "/readyz")  # answered to everyone: they tell nothing


class LimitedRequest(Request):
    """A request whose body is read up to `limits.BODY` bytes, whatever it says of its length."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            body = bytearray()
            async for piece in self.stream():
                body += piece
                if len(body) > limits.BODY:
                    raise HTTPException(413)
            self._body = bytes(body)
        return self._body


class LimitedRoute(APIRoute):
    """https://fastapi.tiangolo.com/how-to/custom-request-and-route/"""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_limited(request: Request) -> Response:
            return await handle(LimitedRequest(request.scope, request.receive))

        return handle_limited


bearer = HTTPBearer(auto_error=False, description="one of the server's GATEWAY_TOKENS")
follow_token = APIKeyQuery(name="token", auto_error=False, description="a follow token; reads one run")


async def _identify(request: Request, _: Annotated[object, Security(bearer)]) -> Grant:
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
Full = Annotated[Grant, Depends(_identify)]
Reading = Annotated[Grant, Depends(_allow_reading)]
Key = Annotated[
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


class Status(BaseModel):
    status: Literal["ok", "ready"]


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorBody} for status in (400, 401, 403, 422, 500, 503, *statuses)}


STREAM: dict[str, Any] = {
    "description": "The events of the run.",
    "content": {
        "text/event-stream": {
            "schema": {
                "type": "object",
                "description": "one event",
                "properties": {
                    "id": {"type": "string", "description": "the resume token; control events have none"},
                    "event": {"type": "string", "enum": [*get_args(EventType), *CONTROL_EVENTS]},
                    "data": {
                        "type": "string",
                        "description": "one line of JSON",
                        "contentMediaType": "application/json",
                    },
                },
                "required": ["event", "data"],
            },
            "example": 'id: 0123456789abcdef-1\nevent: text_delta\ndata: {"seq":1,"content":"Hi"}\n\n',
        }
    },
}

router = APIRouter(route_class=LimitedRoute, redirect_slashes=False)


@router.post("/chat", responses=_errors(404, 409, 413, 429) | {200: STREAM}, response_class=Response)
async def chat(asked: ChatRequest, request: Request, gateway: TheGateway, grant: Full, key: Key = None) -> Response:
    """Ask, and get the answer as server-sent events. The run goes on when you leave; `Location` is where it is."""
    started = await gateway.ask(asked, grant, key)
    log = await gateway.log(started.run_id)
    headers = _headers(request, started) | {"x-run-id": started.run_id}
    return EventStream(gateway.deliver(log, grant, "sse"), await gateway.opening(log, grant), headers)


@router.post("/runs", status_code=201, responses=_errors(404, 409, 413, 429))
async def start(
    asked: ChatRequest, request: Request, response: Response, gateway: TheGateway, grant: Full, key: Key = None
) -> StartedRun:
    """Ask, and get the id of the run to follow. A run that nobody follows for a minute is stopped."""
    started = await gateway.ask(asked, grant, key)
    await gateway.log(started.run_id)  # from here on every gateway knows it
    response.headers.update(_headers(request, started) | {"x-run-id": started.run_id})
    return StartedRun(
        id=started.run_id,
        conversation=started.conversation,
        model=started.model,
        links=_links(request, started.run_id),
    )


@router.get("/runs/{run_id}", responses=_errors(404))
async def look(run_id: str, gateway: TheGateway, grant: Reading) -> RunState:
    """What the run has come to by now."""
    return state_of(await gateway.log(run_id))


@router.get(
    "/runs/{run_id}/events",
    responses=_errors(404)
    | {
        200: {"model": Page, "description": "The events of the run, or a page of them.", "content": STREAM["content"]},
        204: {"description": "The run has ended, and you have all of it."},
    },
    response_class=Response,
)
async def follow(
    run_id: str,
    gateway: TheGateway,
    grant: Reading,
    after: Annotated[str | None, Query(description="a resume token: the id of the last event that you have")] = None,
    last_event_id: Annotated[str | None, Header(description="the same, from an EventSource; it wins")] = None,
    accept: Annotated[str, Header(description="application/json asks for a page")] = "*/*",
    limit: Annotated[int, Query(ge=1, le=1_000, description="how many events a page has")] = 100,
) -> Response:
    """The run's events from any point: live as server-sent events, or what is there by now as a page of JSON."""
    log = await gateway.log(run_id)
    position = gateway.position(last_event_id or after)
    if "application/json" in accept and "text/event-stream" not in accept:
        return Response(page_of(log, position, limit), media_type="application/json")
    if position and log.follow(position).ended:
        return Response(status_code=204)  # a browser's EventSource then stops coming back
    return EventStream(gateway.deliver(log, grant, "sse", position), await gateway.opening(log, grant))


@router.delete(
    "/runs/{run_id}",
    status_code=202,
    responses=_errors(404) | {204: {"description": "It had ended already."}},
    response_class=Response,
)
async def stop(run_id: str, gateway: TheGateway, grant: Full) -> Response:
    """Stop the run at the model. What it wrote so far stays, and its log gets its end."""
    log = await gateway.log(run_id)
    if log.done:
        return Response(status_code=204)
    gateway.stop(log)
    return Response(status_code=202)


@router.post("/runs/{run_id}/token", status_code=201, responses=_errors(404))
async def issue_token(run_id: str, gateway: TheGateway, grant: Full) -> FollowToken:
    """A token for a browser's EventSource or WebSocket, or for somebody who shall only watch."""
    log = await gateway.log(run_id)
    return FollowToken(token=gateway.access.issue(log.run_id), expires_in=gateway.access.seconds)


@router.delete("/runs/{run_id}/token", status_code=204, responses=_errors(404), response_class=Response)
async def revoke_tokens(run_id: str, gateway: TheGateway, grant: Full) -> Response:
    """End every follow token of the run; the streams that they opened end too."""
    log = await gateway.log(run_id)
    await gateway.revoke(log)
    return Response(status_code=204)


@router.get(
    "/metrics",
    dependencies=[Depends(_allow_metrics)],
    responses=_errors() | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def metrics(gateway: TheGateway) -> Response:
    """Figures of this process, for Prometheus. GATEWAY_METRICS_TOKEN reads them too, and nothing else."""
    return Response(gateway.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/healthz", responses={500: {"model": ErrorBody}})
async def healthz() -> Status:
    """The process is alive."""
    return Status(status="ok")


@router.get("/readyz", responses={500: {"model": ErrorBody}, 503: {"model": ErrorBody}})
async def readyz(gateway: TheGateway) -> Status:
    """The process takes new callers; 503 while it starts and as soon as it is told to end."""
    if not gateway.ready:
        raise draining() if gateway.leaving else unavailable()
    return Status(status="ready")


def _headers(request: Request, started: Started) -> dict[str, str]:
    headers = {"location": f"{request.scope['root_path']}/runs/{started.run_id}"}
    return headers | ({"idempotency-replayed": "true"} if started.repeated else {})


def _links(request: Request, run_id: str) -> Links:
    run = f"{request.scope['root_path']}/runs/{run_id}"
    return Links(run=run, events=f"{run}/events", websocket=f"{run}/ws", token=f"{run}/token")


class Gate:
    """What holds for whatever is asked, before it is looked at: where a caller may come from."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            try:
                if not request.url.path.endswith(HEALTH):
                    gateway_of(request).access.admit(caller_of(request))
            except Refused as refused:
                await _refused(request, refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def create_app(settings: Settings) -> FastAPI:
    """The application, to be mounted anywhere. It serves once `app.state.gateway` is set."""
    app = FastAPI(
        title="Streaming Lab",
        description=DESCRIPTION,
        version="1",
        redirect_slashes=False,
        redoc_url=None,
        exception_handlers={
            Refused: _on_refused,
            RequestValidationError: _on_invalid,
            HTTPException: _on_http,
            Exception: _on_unexpected,
        },
    )
    app.include_router(router)
    app.router.routes.append(WebSocketRoute("/runs/{run_id}/ws", FollowSocket()))
    if settings.gateway_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.gateway_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["X-Run-Id", "Location", "Retry-After"],
        )
    app.add_middleware(Gate)
    return app


def _refused(request: Request, refused: Refused) -> JSONResponse:
    headers: dict[str, str] = {}
    if refused.retry_after is not None:
        headers["retry-after"] = f"{refused.retry_after:g}"
    if refused.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(refused.as_json(), refused.status, headers)


async def _on_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _refused(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _refused(
        request, Refused(422, "invalid_request", problems(error.errors()), "See /docs for what may be sent.")
    )


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, message, hint = {
        404: ("not_found", "There is nothing at this address.", "See /docs for what there is."),
        405: ("method_not_allowed", "This address takes another method.", "See /docs for which."),
        413: ("too_large", f"The body is larger than {limits.BODY:,} bytes.", "Send less."),
    }.get(error.status_code, ("bad_request", "The request could not be read.", "See /docs for what may be sent."))
    response = _refused(request, Refused(error.status_code, code, message, hint))
    response.headers.update(error.headers or {})
    return response


async def _on_unexpected(request: Request, error: Exception) -> Response:
    return _refused(request, Refused(500, "internal", "The server failed.", "Its log has the rest."))
