"""Where AG-UI's front ends ask: an `HttpAgent` with `/api/ag-ui` as its `url`."""

from contextlib import suppress
from dataclasses import replace

from ag_ui.core import RunErrorEvent
from fastapi import APIRouter, Request, Response

from streamlab.gateway.access import Grant
from streamlab.gateway.errors import Refusal
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.last_runs import LastRuns, check_name
from streamlab.gateway.parameters import FullAccess, IdempotencyKey, TheGateway
from streamlab.gateway.protocols.ag_ui.conversation import CONVERSATION, Conversation
from streamlab.gateway.protocols.ag_ui.request import Asked
from streamlab.gateway.protocols.ag_ui.writer import AgUiWriter
from streamlab.gateway.protocols.sse import HEADERS, EventStream
from streamlab.gateway.requests import LimitedRoute
from streamlab.gateway.submissions import Started
from streamlab.hub import Log

router = APIRouter(prefix="/ag-ui", route_class=LimitedRoute, redirect_slashes=False, include_in_schema=False)


def refused(refusal: Refusal, field: str | None) -> Response:
    """Answer a refusal as the error that a run has, which the client puts into its own, as `payload`."""
    details = refusal.details
    error = RunErrorEvent(message=f"{details.message} {details.hint}".rstrip(), code=details.code)
    return Response(error.model_dump_json(by_alias=True), refusal.status, media_type="application/json")


@router.post("")
async def run(request: Request, gateway: TheGateway, grant: FullAccess, key: IdempotencyKey = None) -> Response:
    """Answer the last message. The run goes on when the client leaves, until another is asked for in its thread."""
    asked = Asked(await request.body())
    check_name(asked.conversation.thread_id)
    started = await gateway.engine.hub.shared.finish(_begin(gateway, asked, grant, key))
    log = await gateway.log(started.run_id, grant)
    return await _stream(request, gateway, log, grant, asked.conversation, repeated=started.repeated)


@router.get("/{thread_id:path}/stream")
async def connect(thread_id: str, request: Request, gateway: TheGateway, grant: FullAccess) -> Response:
    """Take up the thread's last run: all messages so far, and what follows. Where there is none, nothing is told.

    Not with 204, which the client would take for a failure.
    """
    conversation, log = await _last(gateway, thread_id, grant)
    if conversation is None or log is None:
        return Response(headers=HEADERS)
    return await _stream(request, gateway, log, grant, conversation, taken_up=True)


@router.post("/{thread_id:path}/stop")
async def stop(thread_id: str, gateway: TheGateway, grant: FullAccess) -> Response:
    """Stop the thread's run, for all who follow it; 204 where none is live."""
    _, log = await _last(gateway, thread_id, grant)
    if log is None or log.done:
        return Response(status_code=204)
    gateway.stop(log)
    return Response(status_code=202)


async def _begin(gateway: Gateway, asked: Asked, grant: Grant, key: str | None) -> Started:
    """Start the run. One that is still live in the thread is stopped: its front end follows it no more."""
    started = await gateway.complete(asked.prompt, grant, key)
    if started.repeated:
        return started
    conversations = LastRuns(CONVERSATION, gateway.engine.hub.shared)
    conversation = replace(asked.conversation, run=started.run_id)
    if former := await conversations.put(grant, conversation.thread_id, conversation):
        with suppress(Refusal):
            gateway.stop(await gateway.log(former.run, grant))
    return started


async def _last(gateway: Gateway, thread_id: str, grant: Grant) -> tuple[Conversation | None, Log | None]:
    """Find what the thread was asked last, and open the log of that; None where there is none. Raises Refusal."""
    conversation = await LastRuns(CONVERSATION, gateway.engine.hub.shared).get(grant, thread_id)
    if conversation is None:
        return None, None
    try:
        return conversation, await gateway.log(conversation.run, grant)
    except Refusal as refusal:
        if refusal.status == 404:
            return conversation, None
        raise


async def _stream(
    request: Request,
    gateway: Gateway,
    log: Log,
    grant: Grant,
    conversation: Conversation,
    *,
    taken_up: bool = False,
    repeated: bool = False,
) -> Response:
    """Send the run from its beginning, or all messages so far and what follows; of a request that was repeated some
    client may have a part.
    """
    opening = await gateway.opening(log, grant)
    writer = AgUiWriter(log, conversation, taken_up=taken_up or repeated)
    delivery = gateway.deliver(log, grant, writer.name, writer.after)
    headers = {"x-run-id": log.run_id, "location": f"{request.scope['root_path']}/runs/{log.run_id}"}
    return EventStream(delivery, writer, opening, headers | ({"idempotency-replayed": "true"} if repeated else {}))
