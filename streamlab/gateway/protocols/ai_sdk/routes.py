"""Where the AI SDK's chat asks: `useChat` with `/api/ai-sdk/chat` as its `api`."""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, cast

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import PlainTextResponse

from streamlab.completions.prompt import Prompt
from streamlab.gateway.access import Grant
from streamlab.gateway.errors import Refusal
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.last_runs import LastRuns, check_name
from streamlab.gateway.parameters import FullAccess, IdempotencyKey, TheGateway
from streamlab.gateway.protocols.ai_sdk.chat import CHAT, Chat
from streamlab.gateway.protocols.ai_sdk.message import Version
from streamlab.gateway.protocols.ai_sdk.request import SentChat, UIMessage
from streamlab.gateway.protocols.ai_sdk.writer import HEADERS, MessageWriter
from streamlab.gateway.protocols.sse import EventStream
from streamlab.gateway.requests import LimitedRoute
from streamlab.gateway.submissions import Started
from streamlab.hub import Log

ReaderVersion = Annotated[int, Query(alias="version", ge=5, le=7, description="the major version of `ai`")]

router = APIRouter(prefix="/ai-sdk", route_class=LimitedRoute, redirect_slashes=False, include_in_schema=False)


def refused(refusal: Refusal, field: str | None) -> Response:
    """Answer a refusal as one sentence: a chat shows the body of any error as its message."""
    return PlainTextResponse(f"{refusal.details.message} {refusal.details.hint}".rstrip(), refusal.status)


@router.post("/chat")
async def ask(
    sent: SentChat,
    request: Request,
    gateway: TheGateway,
    grant: FullAccess,
    key: IdempotencyKey = None,
    version: ReaderVersion = 5,
) -> Response:
    """Answer the last message. What is still being answered in the chat is stopped: its page follows it no more."""
    check_name(sent.id)
    prompt = replace(sent.prompt(), request=await request.body())
    started = await gateway.engine.hub.shared.finish(_begin(gateway, sent, prompt, grant, key))
    log = await gateway.log(started.run_id, grant)
    replayed = {"idempotency-replayed": "true"} if started.repeated else {}
    return await _stream(request, gateway, log, grant, version, replayed)


@router.get("/chat/{chat_id:path}/stream")
async def resume(
    chat_id: str,
    request: Request,
    gateway: TheGateway,
    grant: FullAccess,
    version: ReaderVersion = 5,
    ended: Annotated[bool, Query(description="also when the answer has ended, for as long as it is kept")] = False,
) -> Response:
    """Tell the chat's answer from its beginning, and what was asked, while it is being written."""
    chat, log = await _last(gateway, chat_id, grant)
    if log is None or (log.done and not ended):
        return Response(status_code=204)
    return await _stream(request, gateway, log, grant, version, chat=chat)


@router.post("/chat/{chat_id:path}/stop")
async def stop(chat_id: str, gateway: TheGateway, grant: FullAccess) -> Response:
    """Stop what is being answered in the chat, for all who follow it; 204 where nothing is."""
    _, log = await _last(gateway, chat_id, grant)
    if log is None or log.done:
        return Response(status_code=204)
    gateway.stop(log)
    return Response(status_code=202)


async def _begin(gateway: Gateway, sent: SentChat, prompt: Prompt, grant: Grant, key: str | None) -> Started:
    started = await gateway.complete(prompt, grant, key)
    chat = _asked(sent.question, started.run_id)
    former = await LastRuns(CHAT, gateway.engine.hub.shared).put(grant, sent.id, chat)
    if former:
        with suppress(Refusal):
            gateway.stop(await gateway.log(former.run, grant))
    return started


def _asked(question: UIMessage, run: str) -> Chat:
    """Note the question under its message's id, or where that is missing under one of the run's."""
    id = question.id if isinstance(question.id, str) and question.id else f"question-{run}"
    return Chat(run, id, question.text)


async def _last(gateway: Gateway, chat_id: str, grant: Grant) -> tuple[Chat | None, Log | None]:
    """Find what the chat was asked last, and open the log of that; None where there is none. Raises Refusal."""
    chat = await LastRuns(CHAT, gateway.engine.hub.shared).get(grant, chat_id)
    if chat is None:
        return None, None
    try:
        return chat, await gateway.log(chat.run, grant)
    except Refusal as refusal:
        if refusal.status == 404:
            return chat, None
        raise


async def _stream(
    request: Request,
    gateway: Gateway,
    log: Log,
    grant: Grant,
    version: int,
    more: dict[str, str] | None = None,
    chat: Chat | None = None,
) -> Response:
    """Send the run from its beginning; to a page that takes it up also the question, which it may not have."""
    writer = MessageWriter(cast(Version, version), chat)
    delivery = gateway.deliver(log, grant, writer.name)
    location = f"{request.scope['root_path']}/runs/{log.run_id}"
    headers = HEADERS | {"x-run-id": log.run_id, "location": location} | (more or {})
    return EventStream(delivery, writer, await gateway.opening(log, grant), headers)
