"""The gRPC service: protocol/streamlab/v1/streamlab.proto, which says what each status code means."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import grpc
from google.protobuf.message import DecodeError, Message
from pydantic import ValidationError

from streamlab.gateway.access import Caller, Grant, forwards, lapsed
from streamlab.gateway.delivery import EndReason
from streamlab.gateway.errors import Refusal, draining, internal, read_only
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.mistakes import mistakes, sentence_of
from streamlab.gateway.protocols.grpc_events import MessageWriter
from streamlab.gateway.state import state_of
from streamlab.gateway.submissions import ChatRequest, Started
from streamlab.gateway.writer import write_stream
from streamlab.hub import Log, Position
from streamlab.v1 import streamlab_pb2 as pb

logger = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["Streamlab"].full_name
KEY_CHARACTERS = 255
SLOW_RETRY = 1  # seconds after which a client that did not read may come back

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}

Unary = grpc.aio.ServicerContext[object, object]
Stream = grpc.aio.ServicerContext[object, bytes]
Fields = dict[str, str]
Reply = TypeVar("Reply")


class Service:
    """Answers for one gateway. Events leave as bytes, for all clients of a run share them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def handlers(self) -> grpc.GenericRpcHandler:
        """Make what is to be added to a server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Chat": grpc.unary_stream_rpc_method_handler(_read(self._chat), _reading(pb.ChatRequest)),
                "Start": grpc.unary_unary_rpc_method_handler(
                    _read(self._start), _reading(pb.ChatRequest), pb.Run.SerializeToString
                ),
                "Follow": grpc.unary_stream_rpc_method_handler(_read(self._follow), _reading(pb.FollowRequest)),
                "Look": grpc.unary_unary_rpc_method_handler(
                    _read(self._look), _reading(pb.LookRequest), pb.RunState.SerializeToString
                ),
                "Stop": grpc.unary_unary_rpc_method_handler(
                    _read(self._stop), _reading(pb.StopRequest), pb.StopResponse.SerializeToString
                ),
            },
        )

    async def _chat(self, request: pb.ChatRequest, context: Stream) -> None:
        async def answer() -> None:
            grant = self._gateway.access.identify(_caller(context))
            started = await self._ask(request, grant, context)
            log = await self._gateway.log(started.run_id, grant)
            replayed = (("idempotency-replayed", "true"),) if started.repeated else ()
            await context.send_initial_metadata((("x-run-id", started.run_id), *replayed))
            await self._deliver(context, log, grant, None)

        await _reply(context, answer)

    async def _start(self, request: pb.ChatRequest, context: Unary) -> pb.Run:
        async def answer() -> pb.Run:
            grant = self._gateway.access.identify(_caller(context))
            started = await self._ask(request, grant, context)
            id, conversation = started.run_id, started.conversation
            return pb.Run(id=id, conversation=conversation, model=started.model, replayed=started.repeated)

        return await _reply(context, answer)

    async def _follow(self, request: pb.FollowRequest, context: Stream) -> None:
        async def answer() -> None:
            grant = self._gateway.access.allow_reading(_caller(context), request.run_id)
            log = await self._gateway.log(request.run_id, grant)
            await self._deliver(context, log, grant, self._gateway.position(request.after))

        await _reply(context, answer)

    async def _look(self, request: pb.LookRequest, context: Unary) -> pb.RunState:
        async def answer() -> pb.RunState:
            grant = self._gateway.access.allow_reading(_caller(context), request.run_id)
            return pb.RunState(**state_of(await self._gateway.log(request.run_id, grant)).model_dump())

        return await _reply(context, answer)

    async def _stop(self, request: pb.StopRequest, context: Unary) -> pb.StopResponse:
        async def answer() -> pb.StopResponse:
            grant = self._gateway.access.allow_reading(_caller(context), request.run_id)
            if not grant.full:
                raise read_only()
            log = await self._gateway.log(request.run_id, grant)
            if not log.done:
                self._gateway.stop(log)
            return pb.StopResponse(ended=log.done is not None)

        return await _reply(context, answer)

    async def _ask(self, request: pb.ChatRequest, grant: Grant, context: Unary | Stream) -> Started:
        key = _fields(context).get("idempotency-key")
        if key is not None and not 0 < len(key) <= KEY_CHARACTERS:
            raise _invalid(f"idempotency-key: from 1 to {KEY_CHARACTERS} characters.")
        return await self._gateway.ask(_asked(request), grant, key)

    async def _deliver(self, context: Stream, log: Log, grant: Grant, after: Position | None) -> None:
        """Send the run to its end. Raises Refusal when the stream ends before that."""
        task = asyncio.current_task()
        assert task
        writer = MessageWriter()
        with self._gateway.deliver(log, grant, writer.name, after) as delivery:
            delivery.abort = task.cancel
            try:
                await write_stream(delivery, writer, await self._gateway.opening(log, grant), context.write)
            except asyncio.CancelledError:
                if delivery.reason != "slow" or task.uncancel():  # the client has left
                    raise
        if delivery.reason != "ended":
            raise _early(delivery.reason)


def _reading(kind: type[Message]) -> Callable[[bytes], Any]:
    """Read messages of a kind; None for what is none, which grpc would take for a failure of its own."""

    def read(data: bytes) -> Message | None:
        try:
            return kind.FromString(data)
        except DecodeError:
            return None

    return read


def _read(handler: Callable[[Any, Any], Awaitable[Reply]]) -> Callable[[Any, Any], Awaitable[Reply]]:
    """Refuse what could not be read before the handler sees it."""

    async def handle(request: Message | None, context: Unary | Stream) -> Reply:
        async def refuse() -> Reply:
            raise _invalid("The message could not be read.")

        return await (_reply(context, refuse) if request is None else handler(request, context))

    return handle


def _early(reason: EndReason | None) -> Refusal:
    """Say to a client why its stream ended before the run."""
    match reason:
        case "expired" | "revoked":
            return lapsed(reason)
        case "slow":
            hint = "Go on with the last token that you have."
            return Refusal(429, "slow", "What was sent was not read in time.", hint, retry_after=SLOW_RETRY)
    return draining()


async def _reply(context: Unary | Stream, answer: Callable[[], Awaitable[Reply]]) -> Reply:
    """Give the reply, or the status that a refusal amounts to. Of anything else that went wrong nothing is told."""
    try:
        try:
            return await answer()
        except Refusal as error:
            refusal = error
        except grpc.aio.InternalError:
            raise
        except Exception:
            logger.exception("unexpected")
            refusal = internal()
        code = CODES.get(refusal.status, grpc.StatusCode.INTERNAL)
        await context.abort(code, refusal.details.message, _trailers(refusal))
    except grpc.aio.InternalError:  # what sending raises when the client has gone
        raise asyncio.CancelledError from None


def _trailers(refusal: Refusal) -> tuple[tuple[str, str | bytes], ...]:
    details, wait = refusal.details, refusal.retry_after
    retry_after = () if wait is None else (("retry-after", f"{wait:g}"),)
    return ("error-code", details.code), ("error-hint-bin", details.hint.encode()), *retry_after


def _fields(context: Unary | Stream) -> Fields:
    """Read the call's metadata, without what is binary."""
    return {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}


def _caller(context: Unary | Stream) -> Caller:
    fields = _fields(context)
    return Caller(
        client=_address(context.peer()),
        host="localhost",  # asked for against pages that name their server as this machine; they cannot speak gRPC
        origin=fields.get("origin"),
        forwarded=forwards(fields),
        authorization=fields.get("authorization"),
        token=fields.get("follow-token"),
        code=fields.get("x-access-code"),
    )


def _address(peer: str) -> str | None:
    """Read the address out of `ipv4:127.0.0.1:50000` or `ipv6:%5B::1%5D:50000`; None for what has none."""
    family, _, place = peer.partition(":")
    return urlsplit(f"//{unquote(place)}").hostname if family in ("ipv4", "ipv6") else None


def _asked(request: pb.ChatRequest) -> ChatRequest:
    fields: dict[str, object] = {
        name: getattr(request, name)
        for name in ("message", "model", "temperature", "conversation")
        if request.HasField(name)
    }
    if request.messages:
        fields["messages"] = [{"role": each.role, "content": each.content} for each in request.messages]
    try:
        return ChatRequest.model_validate(fields | {"agent": request.agent})
    except ValidationError as error:
        raise _invalid(sentence_of(mistakes(error.errors(), fields))) from None


def _invalid(message: str) -> Refusal:
    return Refusal(422, "invalid_request", message, "See protocol/streamlab/v1/streamlab.proto for what may be sent.")
