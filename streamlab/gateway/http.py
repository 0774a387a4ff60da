"""The gateway over HTTP: requests in, JSON and server-sent events out."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Match, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from streamlab.events.event import EVENTS, Done
from streamlab.gateway import front, limits
from streamlab.gateway.docs import page
from streamlab.gateway.errors import Refusal, internal
from streamlab.gateway.headers import guarding
from streamlab.gateway.mistakes import mistakes, sentence_of
from streamlab.gateway.protocols import ag_ui, ai_sdk, openai
from streamlab.gateway.protocols.uvicorn_socket import GoneWhenClosed
from streamlab.gateway.protocols.websocket import FollowSocket
from streamlab.gateway.requests import caller_of, gateway_of
from streamlab.gateway.routes import router
from streamlab.gateway.schema import COMPONENTS
from streamlab.settings import Settings

LOGGED = ", ".join(f"`{name}`" for name in EVENTS if name != Done.type)
DESCRIPTION = f"""
An answer is a **run**: it is produced once, on the server, into an ordered log, and any number of clients follow the
log, each from where it is. Cut, come back with the id of the last event that you have, and nothing is lost or repeated.

Events: {LOGGED}, and one `{Done.type}` at last.
Control events, which carry no id: `open` comes first; `gap` and `snapshot` stand in for what cannot be had any more;
`drain` (the server is going, come back) and `close` (the token's time is over) come before a stream ends early.
"""
Form = Callable[[Refusal, str | None], Response]
"""Puts a refusal, and the name of the field that it is about, into a protocol's words."""
FRONT_ENDS: Sequence[tuple[APIRouter, Form]] = (
    (ai_sdk.router, ai_sdk.refused),
    (openai.router, openai.refused),
    (openai.responses_router, openai.refused),
    (ag_ui.router, ag_ui.refused),
)
"""The protocols that front ends of others speak: what is served beneath the prefix of each, and its refusals."""
ROUTERS = (router, front.router, page.router, *(each for each, _ in FRONT_ENDS))
HEALTH = ("/healthz", "/readyz")  # answered to everyone: they tell nothing


def admitting(app: ASGIApp) -> ASGIApp:
    """Admit callers by where they come from, before anything that they ask is looked at."""

    async def admit(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope) if scope["type"] == "http" else None
        try:
            if request and not request.url.path.endswith(HEALTH):
                gateway_of(request).access.admit(caller_of(request))
        except Refusal as refusal:
            assert request
            await _answer(request, refusal)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return admit


class Api(FastAPI):
    """The application, whose description has the events of the streams, too."""

    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        described["components"]["schemas"].update(COMPONENTS)
        return described


def create_app(settings: Settings) -> FastAPI:
    """Make the application, to be mounted anywhere. It serves once `app.state.gateway` is set."""
    app = Api(
        title="Streaming Lab",
        description=DESCRIPTION,
        version="1",
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,  # generators call what they make after it
        exception_handlers={
            Refusal: _on_refused,
            RequestValidationError: _on_invalid,
            HTTPException: _on_http,
            Exception: _on_unexpected,
        },
    )
    for each in ROUTERS:
        app.include_router(each)
    app.router.routes.append(WebSocketRoute("/runs/{run_id}/ws", GoneWhenClosed(FollowSocket())))
    if settings.gateway_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.gateway_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],  # each client of others has some of its own
            expose_headers=["X-Run-Id", "Location", "Retry-After", "X-Request-Id", "X-Should-Retry"],
        )
    app.add_middleware(admitting)
    app.add_middleware(guarding)
    return app


def _answer(request: Request, refusal: Refusal, field: str | None = None) -> Response:
    """Answer a refusal in the words of the protocol that is spoken at the address."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    form = next((form for each, form in FRONT_ENDS if f"{path}/".startswith(f"{each.prefix}/")), _as_json)
    response = form(refusal, field)
    if refusal.retry_after is not None:
        response.headers["retry-after"] = f"{refusal.retry_after:g}"
    if refusal.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def _as_json(refusal: Refusal, field: str | None) -> Response:
    return JSONResponse(refusal.as_json(), refusal.status)


async def on_elsewhere(prefix: str, request: Request, error: Exception) -> Response:
    """Answer where nothing but the gateway is served, to an address that is not beneath its prefix."""
    hint = f"See {prefix} for the way to go on."
    return _answer(request, Refusal(404, "not_found", "There is nothing at this address.", hint))


def _see(request: Request, what: str) -> str:
    """Say where something is described: beneath the path at which the gateway is served, such as `/api`."""
    return f"See {request.scope.get('root_path', '')}/docs for {what}."


async def _on_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _answer(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    sent = {
        "body": error.body,
        "query": request.query_params,
        "header": request.headers,
        "path": request.path_params,
    }
    found = [each._replace(place=each.place[1:]) for each in mistakes(error.errors(), sent)]
    said = sentence_of(found)
    if isinstance(error.body, bytes):  # which was not even looked at
        said = "The body must be JSON, and sent with Content-Type: application/json."
    refusal = Refusal(422, "invalid_request", said, _see(request, "what may be sent"))
    return _answer(request, refusal, found[0].dotted or None)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    large = f"The body is larger than {limits.BODY:,} bytes, or than {limits.WITH_FILES:,} with files."
    code, message, hint = {
        404: ("not_found", "There is nothing at this address.", _see(request, "what there is, and how to ask")),
        405: ("method_not_allowed", "This address takes another method.", _see(request, "which")),
        413: ("too_large", large, "Send less."),
    }.get(error.status_code, ("bad_request", "The request could not be read.", _see(request, "what may be sent")))
    response = _answer(request, Refusal(error.status_code, code, message, hint))
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """List what may be asked at an address, of which each route knows its own methods only."""
    every = [route for each in ROUTERS for route in each.routes]
    routes = [route for route in every if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in routes for method in getattr(route, "methods", None) or ()})


async def _on_unexpected(request: Request, error: Exception) -> Response:
    return _answer(request, internal())
