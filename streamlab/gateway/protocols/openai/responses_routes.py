"""What can be asked of OpenAI's API here: responses, live and kept."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Query, Request, Response
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import TypeAdapter
from starlette.responses import JSONResponse

from streamlab.completions.responses import KeptResponse, summary
from streamlab.events.outcome import outcome_of
from streamlab.gateway.access import Grant
from streamlab.gateway.errors import Refusal, unavailable
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.parameters import FullAccess, IdempotencyKey, TheGateway
from streamlab.gateway.protocols.openai.answers import EndingWithItsReader, WholeAnswer
from streamlab.gateway.protocols.openai.chat_writer import DONE, handed_back
from streamlab.gateway.protocols.openai.errors import FieldRefusal
from streamlab.gateway.protocols.openai.messages import call, joined, read
from streamlab.gateway.protocols.openai.response import PREFIX, Head, response_json, response_of
from streamlab.gateway.protocols.openai.responses_request import AskedResponse, InputItem, messages_of
from streamlab.gateway.protocols.openai.responses_writer import ResponsesWriter
from streamlab.gateway.protocols.openai.routes import began, failed, run_headers
from streamlab.gateway.protocols.openai.text import arguments_of, json_of
from streamlab.gateway.protocols.sse import HEADERS, EventStream
from streamlab.gateway.requests import LimitedRoute
from streamlab.gateway.submissions import Started
from streamlab.hub import HubUnreachable, Log

BEFORE = 4 * 1024 * 1024  # bytes of all that is gone on from by previous_response_id; each may have as many as a body
STOPPING = 10.0  # seconds that a run has to end when it is cancelled, before that is answered

_INPUT = TypeAdapter(list[InputItem])

router = APIRouter(
    prefix="/openai/v1/responses", route_class=LimitedRoute, redirect_slashes=False, include_in_schema=False
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A response with what was asked."""

    document: KeptResponse
    members: dict[str, Any]  # of its object, those that stay the same
    input: list[dict[str, Any]]
    hands_back: bool

    @classmethod
    def of(cls, document: KeptResponse) -> "Kept":
        return cls(document, **json.loads(document.asked))

    @property
    def head(self) -> Head:
        run_id, created = self.document.run_id, int(self.members["created_at"])
        return Head(run_id, created, json_of(self.members)[1:-1], self.hands_back)

    @property
    def as_json(self) -> bytes:
        """Return the object as it stands. Its output is in it when it is whole."""
        if self.document.live:
            return response_json(self.head, "in_progress")
        return response_of(self.head, self.document.recorded)[0]

    @property
    def said(self) -> list[BaseMessage]:
        """Return the messages that tell of it: what was put in, and what came of it."""
        events = self.document.recorded
        text = outcome_of(events).text
        calls = handed_back(events) if self.hands_back else []
        answer = [AIMessage(text)] if text else []
        called = [call(each.tool, arguments_of(each.input), each.call_id) for each in calls]
        return joined([*messages_of(_INPUT.validate_python(self.input)), *answer, *called])


@router.post("")
async def respond(request: Request, gateway: TheGateway, grant: FullAccess, key: IdempotencyKey = None) -> Response:
    """Answer as OpenAI does; when the client leaves, its run ends, unless it is in the background or has a key."""
    asked = read(AskedResponse, await request.body())
    asked.check()
    prompt = asked.asked(await _before(gateway, grant, asked.previous_response_id))
    started = await gateway.complete(replace(prompt, request=await request.body()), grant, key)
    log = await gateway.log(started.run_id, grant)
    kept = await _keep(gateway, grant, asked, started, log)
    headers = run_headers(request, started)
    if asked.background and not asked.stream:
        return Response(kept.as_json, media_type="application/json", headers=headers)
    delivery = gateway.deliver(log, grant, ResponsesWriter.name, merged=False)
    answer: Response
    if asked.stream:
        answer = EventStream(delivery, ResponsesWriter(kept.head), await gateway.opening(log, grant), headers)
    else:
        answer = WholeAnswer(delivery, lambda: _whole(kept.head, log, repeatable=key is None), headers)
    return answer if asked.background or key else EndingWithItsReader(answer, delivery, gateway)


@router.get("/{response_id}")
async def find(
    response_id: str,
    gateway: TheGateway,
    grant: FullAccess,
    stream: bool = False,
    starting_after: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Look at a response, or follow it: from the beginning, or after the event of this number."""
    kept = await _find(gateway, grant, response_id)
    if not stream:
        return Response(kept.as_json, media_type="application/json")
    try:
        log = await gateway.log(kept.document.run_id, grant)
    except Refusal as refusal:
        if refusal.status != 404 or kept.document.live:
            raise
        return _replay(kept, starting_after)
    if log.done and starting_after is not None:
        _check_number(starting_after, response_of(kept.head, summary(log))[1][-1].number)
    delivery = gateway.deliver(log, grant, ResponsesWriter.name, merged=False)
    writer = ResponsesWriter(kept.head, -1 if starting_after is None else starting_after)
    return EventStream(delivery, writer, await gateway.opening(log, grant))


@router.post("/{response_id}/cancel")
async def cancel(response_id: str, gateway: TheGateway, grant: FullAccess) -> Response:
    """Stop the run, and answer with what the response has come to."""
    kept = await _find(gateway, grant, response_id)
    if kept.document.live:
        await _stop(gateway, grant, kept)
        kept = await _find(gateway, grant, response_id)
    return Response(kept.as_json, media_type="application/json")


@router.delete("/{response_id}")
async def delete(response_id: str, gateway: TheGateway, grant: FullAccess) -> Response:
    """Delete a response; one that is live is stopped before."""
    kept = await _find(gateway, grant, response_id)
    if kept.document.live:
        await _stop(gateway, grant, kept)
    with _store():
        await gateway.engine.responses.remove(kept.document.run_id)
    return JSONResponse({"id": response_id, "object": "response", "deleted": True})


@router.get("/{response_id}/input_items")
async def list_input(
    response_id: str,
    gateway: TheGateway,
    grant: FullAccess,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
) -> Response:
    """List what was put in, a page at a time, the last item first unless it is asked for otherwise."""
    items = (await _find(gateway, grant, response_id)).input
    if order == "desc":
        items = items[::-1]
    place = next((number for number, item in enumerate(items, 1) if item["id"] == after), 0)
    page = items[place : place + limit]
    ids = [item["id"] for item in page] or [None]
    more = len(items) > place + limit
    return JSONResponse({"object": "list", "data": page, "first_id": ids[0], "last_id": ids[-1], "has_more": more})


# Kept responses


@contextmanager
def _store() -> Iterator[None]:
    """Refuse what the store does not answer."""
    try:
        yield
    except HubUnreachable:
        raise unavailable() from None


async def _keep(gateway: Gateway, grant: Grant, asked: AskedResponse, started: Started, log: Log) -> Kept:
    """Keep what was asked, unless it is not to be."""
    responses = gateway.engine.responses
    members = asked.told(started.run_id, started.model, began(log))
    told = {"members": members, "input": asked.items(), "hands_back": bool(asked.tools)}
    kept = responses.begun(started.run_id, grant.name, asked.previous_response_id or "", json_of(told))
    if asked.kept:
        try:
            with _store():
                kept = await responses.keep(kept)
        except Refusal:
            gateway.stop(log)  # nobody could find it
            raise
    return Kept.of(kept)


async def _find(gateway: Gateway, grant: Grant, response_id: str) -> Kept:
    """Find a response of the caller's. Raises Refusal, also for another caller's."""
    with _store():
        kept = await gateway.engine.responses.find(response_id.removeprefix(PREFIX))
    if not response_id.startswith(PREFIX) or not kept or not gateway.access.reaches(grant, kept.owner):
        hint = "It never was, was not stored, or its time is over."
        raise Refusal(404, "not_found", "There is no response of this id.", hint)
    return Kept.of(kept)


async def _before(gateway: Gateway, grant: Grant, response_id: str | None) -> list[BaseMessage]:
    """Return what was said until this response, its answer included. Raises Refusal."""
    turns: list[list[BaseMessage]] = []
    left = BEFORE
    while response_id:
        try:
            kept = await _find(gateway, grant, response_id)
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            raise _no_previous("there is no response of this id.", "previous_response_not_found") from None
        if kept.document.live:
            raise _no_previous("the response is still being answered.", "previous_response_in_progress")
        left -= kept.document.size
        if left < 0:
            raise _no_previous("what was said before is longer than can be gone on from.", "context_length_exceeded")
        turns.append(kept.said)
        response_id = kept.document.previous
    return [*chain(*reversed(turns))]


def _no_previous(sentence: str, code: str) -> FieldRefusal:
    return FieldRefusal("previous_response_id", f"previous_response_id: {sentence}", code)


async def _stop(gateway: Gateway, grant: Grant, kept: Kept) -> None:
    """Stop the run, and give it some time to end."""
    log = await gateway.log(kept.document.run_id, grant)
    gateway.stop(log)
    with anyio.move_on_after(STOPPING):
        while not log.done:
            await log.grown()


# Answers


def _replay(kept: Kept, starting_after: int | None) -> Response:
    """Tell the whole stream of a response whose log is gone; where in it somebody stood is not known any more."""
    if starting_after is not None:
        sentence = "starting_after: the pieces of this response are gone, so fetch it whole, without stream."
        raise FieldRefusal("starting_after", sentence)
    lines = response_of(kept.head, kept.document.recorded)[1]
    return Response(b"".join(line.data for line in lines) + DONE, headers=HEADERS)


def _check_number(starting_after: int, last: int) -> None:
    """Refuse a number that no event of a response has which has ended. Raises FieldRefusal."""
    if starting_after > last:
        sentence = f"starting_after must be at most {last}, the number of this response's last event."
        raise FieldRefusal("starting_after", sentence)


def _whole(head: Head, log: Log, *, repeatable: bool) -> Response:
    events = summary(log)
    answer = failed(events, repeatable=repeatable)
    return answer or Response(response_of(head, events)[0], media_type="application/json")
