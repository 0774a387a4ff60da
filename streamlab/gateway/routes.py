"""What can be asked over HTTP: each address, what it takes and what it answers."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field

from streamlab.gateway.access import Grant
from streamlab.gateway.errors import refusals
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.page import EventPage, page_of
from streamlab.gateway.parameters import FullAccess, IdempotencyKey, ReadAccess, TheGateway
from streamlab.gateway.protocols.sse import EventStream, EventWriter
from streamlab.gateway.requests import LimitedRoute
from streamlab.gateway.schema import STREAM, ref
from streamlab.gateway.state import RunState, state_of
from streamlab.gateway.submissions import ChatRequest, Started
from streamlab.hub import Log, Position

LAST_EVENT_ID = "Last-Event-ID"


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


STREAMED: dict[str, Any] = {"description": "The events of the run.", "content": {"text/event-stream": STREAM}}
STREAMED_OR_PAGE: dict[str, Any] = {
    "description": "The events of the run, or a page of them.",
    # A page first: generators make a type of what is first, and none of a stream.
    "content": {"application/json": {"schema": ref("EventPage")}, "text/event-stream": STREAM},
    "model": EventPage,
}

router = APIRouter(route_class=LimitedRoute, redirect_slashes=False, tags=["runs"])


@router.post(
    "/chat",
    responses=refusals(404, 409, 413) | {200: STREAMED, 204: {"description": "You have all of that run."}},
    response_class=Response,
)
async def chat(
    asked: ChatRequest,
    request: Request,
    gateway: TheGateway,
    grant: FullAccess,
    key: IdempotencyKey = None,
    last_event_id: Annotated[
        str | None, Header(alias=LAST_EVENT_ID, description="goes on with the run that it is of, and asks nothing")
    ] = None,
) -> Response:
    """Ask, and get the answer as server-sent events. The run goes on when you leave; `Location` is where it is."""
    position = gateway.position(last_event_id)
    started, log = await gateway.asked_or_begun(asked, grant, key, position)
    return await _stream(gateway, log, grant, position, _headers(request, started) | {"x-run-id": started.run_id})


@router.post("/runs", status_code=201, responses=refusals(404, 409, 413))
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


@router.get("/runs/{run_id}", responses=refusals(404))
async def look(run_id: str, gateway: TheGateway, grant: ReadAccess) -> RunState:
    """Look at what the run has come to by now."""
    return state_of(await gateway.log(run_id, grant))


@router.get(
    "/runs/{run_id}/events",
    responses=refusals(404)
    | {
        200: STREAMED_OR_PAGE,
        204: {"description": "The run has ended, and you have all of it."},
    },
    response_class=Response,
)
async def follow(
    run_id: str,
    gateway: TheGateway,
    grant: ReadAccess,
    after: Annotated[str | None, Query(description="a resume token: the id of the last event that you have")] = None,
    last_event_id: Annotated[
        str | None, Header(alias=LAST_EVENT_ID, description="the same, from an EventSource; it wins")
    ] = None,
    accept: Annotated[str | None, Header(description="`application/json` asks for a page of JSON")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="how many events a page has")] = 100,
) -> Response:
    """Follow the run from any point: live as server-sent events, or as a page of JSON of what is there by now."""
    log = await gateway.log(run_id, grant)
    position = gateway.position(last_event_id or after)
    if accept and "application/json" in accept and "text/event-stream" not in accept:
        return Response(page_of(log, position, limit), media_type="application/json")
    return await _stream(gateway, log, grant, position)


@router.delete(
    "/runs/{run_id}",
    status_code=202,
    responses=refusals(404) | {204: {"description": "It had ended already."}},
    response_class=Response,
)
async def stop(run_id: str, gateway: TheGateway, grant: FullAccess) -> Response:
    """Stop the run at the model. What it wrote so far stays, and its log gets its end."""
    log = await gateway.log(run_id, grant)
    if log.done:
        return Response(status_code=204)
    gateway.stop(log)
    return Response(status_code=202)


@router.post("/runs/{run_id}/token", status_code=201, responses=refusals(404))
async def issue_token(run_id: str, gateway: TheGateway, grant: ReadAccess) -> FollowToken:
    """Get a token for a browser's EventSource or WebSocket, or for somebody who shall only watch.

    A follow token gets one that ends when it does itself.
    """
    log = await gateway.log(run_id, grant)
    issued = grant.issued or gateway.access.now()
    age = (gateway.access.now() - issued) // 10**9
    return FollowToken(token=gateway.access.issue(log.run_id, issued), expires_in=gateway.access.seconds - age)


@router.delete("/runs/{run_id}/token", status_code=204, responses=refusals(404), response_class=Response)
async def revoke_tokens(run_id: str, gateway: TheGateway, grant: FullAccess) -> Response:
    """End every follow token of the run; the streams that they opened end too."""
    log = await gateway.log(run_id, grant)
    await gateway.revoke(log)
    return Response(status_code=204)


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
