"""Runs over gRPC: protocol/streamlab/v1/streamlab.proto. The stub's calls are named by their path, for the compiler's
Python stub would import a package of the server's name.
"""

from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.protobuf.json_format import MessageToDict

from streamlab_client.errors import InvalidRequest, ProtocolError, StreamlabError, error_of, lost
from streamlab_client.events import Json
from streamlab_client.generated.streamlab.v1 import streamlab_pb2 as pb
from streamlab_client.patience import BEATS, LARGEST, seconds_of
from streamlab_client.reader import ENDED, Ask, Call, Message, opened
from streamlab_client.runs import RunState, StartedRun

SERVICE = f"/{pb.DESCRIPTOR.services_by_name['Streamlab'].full_name}"
CONTROL = frozenset({"open", "gap", "snapshot", "drain", "close"})
STATUSES = {
    grpc.StatusCode.INVALID_ARGUMENT: 422,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.INTERNAL: 500,
}

Metadata = tuple[tuple[str, str], ...]


class Grpc:
    """Runs of one server, over one channel."""

    def __init__(self, url: str, heartbeat: float) -> None:
        target, secure = _target(url)
        self._timeout = heartbeat * BEATS
        options = _options(heartbeat)
        self._channel = (
            grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
            if secure
            else grpc.insecure_channel(target, options)
        )

    def close(self) -> None:
        self._channel.close()

    def messages(self, call: Call, token: str | None) -> Generator[Message]:
        """What the server sends, until it ends or breaks. Closing it ends the call."""
        method, request = _request(call)
        stream = self._channel.unary_stream(
            f"{SERVICE}/{method}", request_serializer=_bytes, response_deserializer=pb.Event.FromString
        )
        running = stream(request, metadata=_metadata(call, token))
        try:
            yield from _started(running.initial_metadata())
            for event in running:
                if event.type:
                    yield message_of(event)
            yield ENDED
        except grpc.RpcError as error:
            raise _refusal(error) from error
        finally:
            running.cancel()

    def start(self, ask: Ask, token: str | None) -> StartedRun:
        run = self._answer("Start", _chat_request(ask.question), pb.Run.FromString, _metadata(ask, token))
        return StartedRun(run.id, run.conversation, run.model)

    def look(self, run_id: str, token: str | None) -> RunState:
        raise _no_look()

    def stop(self, run_id: str, token: str | None) -> bool:
        answer = self._answer("Stop", pb.StopRequest(run_id=run_id), pb.StopResponse.FromString, _metadata(None, token))
        return not answer.ended

    def _answer(self, method: str, request: Any, read: Any, metadata: Metadata) -> Any:
        call = self._channel.unary_unary(f"{SERVICE}/{method}", request_serializer=_bytes, response_deserializer=read)
        try:
            return call(request, metadata=metadata, timeout=self._timeout)
        except grpc.RpcError as error:
            raise _refusal(error) from error


class AsyncGrpc:
    """The same on an event loop, which must be asyncio's. The channel belongs to the loop that uses it first."""

    def __init__(self, url: str, heartbeat: float) -> None:
        self._target, self._secure = _target(url)
        self._timeout = heartbeat * BEATS
        self._options = _options(heartbeat)
        self._channel: grpc.aio.Channel | None = None

    async def close(self) -> None:
        """Close the channel; another one is opened when it is needed."""
        if channel := self._channel:
            self._channel = None
            await channel.close()

    async def messages(self, call: Call, token: str | None) -> AsyncGenerator[Message]:
        method, request = _request(call)
        stream = self._open().unary_stream(
            f"{SERVICE}/{method}", request_serializer=_bytes, response_deserializer=pb.Event.FromString
        )
        running: Any = stream(request, metadata=_metadata(call, token))
        try:
            for message in _started(await running.initial_metadata()):
                yield message
            async for event in running:
                if event.type:
                    yield message_of(event)
            yield ENDED
        except grpc.RpcError as error:
            raise _refusal(error) from error
        finally:
            running.cancel()

    async def start(self, ask: Ask, token: str | None) -> StartedRun:
        run = await self._answer("Start", _chat_request(ask.question), pb.Run.FromString, _metadata(ask, token))
        return StartedRun(run.id, run.conversation, run.model)

    async def look(self, run_id: str, token: str | None) -> RunState:
        raise _no_look()

    async def stop(self, run_id: str, token: str | None) -> bool:
        answer = await self._answer(
            "Stop", pb.StopRequest(run_id=run_id), pb.StopResponse.FromString, _metadata(None, token)
        )
        return not answer.ended

    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            self._channel = (
                grpc.aio.secure_channel(self._target, grpc.ssl_channel_credentials(), self._options)
                if self._secure
                else grpc.aio.insecure_channel(self._target, self._options)
            )
        return self._channel

    async def _answer(self, method: str, request: Any, read: Any, metadata: Metadata) -> Any:
        call = self._open().unary_unary(f"{SERVICE}/{method}", request_serializer=_bytes, response_deserializer=read)
        try:
            return await call(request, metadata=metadata, timeout=self._timeout)
        except grpc.RpcError as error:
            raise _refusal(error) from error


def message_of(event: pb.Event) -> Message:
    """With the data that the other protocols send as JSON."""
    name = event.type
    if not event.HasField("body"):  # of a type that is not known here
        return Message(name, event.token, {"seq": event.seq, "at": event.at, "step": event.step})
    data = _body(name, getattr(event, event.WhichOneof("body") or ""))
    if name not in CONTROL:
        data |= {"seq": event.seq, "at": event.at, "step": event.step}
        if event.HasField("seq_from"):
            data["seq_from"] = event.seq_from
    return Message(name, event.token, data)


def _body(name: str, body: Any) -> dict[str, Any]:
    match name:
        case "text_delta" | "thinking" | "final_answer":
            return {"content": body.content}
        case "tool_call":
            return {"tool": body.tool, "call_id": body.call_id, "input": _value(body, "input")}
        case "tool_result":
            result = {"tool": body.tool, "call_id": body.call_id, "result": _value(body, "result")}
            return result | ({"status": body.status} if body.HasField("status") else {})
        case "done":
            usage = body.usage
            tokens = (usage.input_tokens, usage.output_tokens, usage.estimated) if body.HasField("usage") else None
            named = dict(zip(("input_tokens", "output_tokens", "estimated"), tokens, strict=True)) if tokens else None
            return {"status": body.status, "code": body.code or None, "usage": named}
        case "snapshot":
            tools = [message_of(tool).data for tool in body.tools]
            return {"seq": body.seq, "step": body.step, "text": body.text, "tools": tools}
    return {field.name: value for field, value in body.ListFields()} | _numbers(name, body)


def _numbers(name: str, body: Any) -> dict[str, Any]:
    """A zero is not listed among the fields that are set."""
    return {"after": body.after, "seq": body.seq} if name == "gap" else {}


def _value(body: Any, name: str) -> Any:
    """A free value; whole numbers, which come as doubles, as whole numbers."""
    return _whole(MessageToDict(getattr(body, name))) if body.HasField(name) else None


def _whole(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_whole(each) for each in value]
        case dict():
            return {name: _whole(each) for name, each in value.items()}
    return value


def _target(url: str) -> tuple[str, bool]:
    """`host:port`, and whether by TLS. Raises ValueError."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    if parts.scheme not in ("", "http", "https") or not parts.hostname or not parts.port:
        raise ValueError(f"the address of a gRPC server is host:port, not {url[:40]!r}")
    return parts.netloc.rpartition("@")[2], parts.scheme == "https"


def _options(heartbeat: float) -> Sequence[tuple[str, int]]:
    """https://grpc.github.io/grpc/core/group__grpc__arg__keys.html

    Pings find out a connection that is silently dead. A channel would itself wait longer and longer before it connects
    again; here the one who asks does.
    """
    return [
        ("grpc.max_receive_message_length", LARGEST),
        ("grpc.keepalive_time_ms", round(heartbeat * 1000)),
        ("grpc.keepalive_timeout_ms", round(heartbeat * (BEATS - 1) * 1000)),
        ("grpc.http2.ping_timeout_ms", round(heartbeat * (BEATS - 1) * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.enable_retries", 0),
    ]


def _bytes(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _request(call: Call) -> tuple[str, Any]:
    if isinstance(call, Ask):
        return "Chat", _chat_request(call.question)
    return "Follow", pb.FollowRequest(run_id=call.run_id, after=call.after or "")


def _chat_request(question: Json) -> pb.ChatRequest:
    try:
        return pb.ChatRequest(**question)
    except (TypeError, ValueError) as error:
        raise InvalidRequest("The question has a field that cannot be sent.", str(error)) from error


def _metadata(call: Call | None, token: str | None) -> Metadata:
    authorization = (("authorization", f"Bearer {token}"),) if token else ()
    return (*authorization, ("idempotency-key", call.key)) if isinstance(call, Ask) else authorization


def _started(metadata: Any) -> list[Message]:
    return [opened(str(value)) for name, value in metadata or () if name == "x-run-id"]


def _no_look() -> StreamlabError:
    return InvalidRequest("gRPC has no call for the state of a run.", "Follow it, or ask over HTTP.")


def _refusal(error: grpc.RpcError) -> StreamlabError:
    """The error that a call's status amounts to, told in the server's own words."""
    call: Any = error
    code = call.code()
    trailers = dict(call.trailing_metadata() or ())
    if "error-code" in trailers and code in STATUSES:
        hint = trailers.get("error-hint-bin", b"")
        words = {"code": trailers["error-code"], "message": call.details(), "hint": hint.decode(errors="replace")}
        return error_of(STATUSES[code], {"error": words}, seconds_of(trailers.get("retry-after")))
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return ProtocolError("The server does not offer this service.", "Check the address.")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return InvalidRequest("A message is too large.", "Send less.", "too_large", 413)
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND):
        return error_of(STATUSES[code])  # of a proxy
    return lost()
