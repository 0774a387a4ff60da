"""gRPC without I/O: protocol/streamlab/v1/streamlab.proto as messages, options and errors."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import grpc
from google.protobuf.json_format import MessageToDict

from streamlab_client.errors import (
    InvalidRequest,
    ProtocolError,
    StreamlabError,
    connection_lost,
    error_from_status,
    silent_too_long,
)
from streamlab_client.events import Json
from streamlab_client.generated.streamlab.v1 import streamlab_pb2 as pb
from streamlab_client.http import is_loopback
from streamlab_client.reader import Message, Request, StartRequest, open_message
from streamlab_client.retry import MAX_MESSAGE, MISSED_HEARTBEATS, parse_retry_after
from streamlab_client.runs import RunState, parse_run_state

# What grpc says of a server of HTTP/1.1; checked with grpcio 1.85. Without these words its connection counts as lost.
SPEAKS_HTTP = "Trying to connect an http1.x server"
GRPC_HINT = "gRPC has a port of its own: is it 50051, which is LAB_GRPC_PORT by default?"
SERVICE = f"/{pb.DESCRIPTOR.services_by_name['Streamlab'].full_name}"
CONTROL_TYPES = frozenset({"open", "gap", "snapshot", "drain", "close"})
HTTP_STATUSES = {
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


def parse_event_message(event: pb.Event) -> Message:
    """Turn an event into the message that the other protocols send, with the data that they have as JSON."""
    name = event.type
    if not event.HasField("body"):  # of a type that is not known here
        return Message(name, event.token, {"seq": event.seq, "at": event.at, "step": event.step})
    data = _body(name, getattr(event, event.WhichOneof("body") or ""))
    if name not in CONTROL_TYPES:
        data |= {"seq": event.seq, "at": event.at, "step": event.step}
        if event.HasField("seq_from"):
            data["seq_from"] = event.seq_from
    return Message(name, event.token, data)


def _body(name: str, body: Any) -> dict[str, Any]:
    match name:
        case "tool_call":
            return {"tool": body.tool, "call_id": body.call_id, "input": _value(body, "input")}
        case "tool_result":
            result = {"tool": body.tool, "call_id": body.call_id, "result": _value(body, "result")}
            return result | ({"status": body.status} if body.HasField("status") else {})
        case "done":
            usage = _fields(body.usage) if body.HasField("usage") else None
            return {"status": body.status, "code": body.code or None, "usage": usage}
        case "snapshot":
            tools = [parse_event_message(tool).data for tool in body.tools]
            return {"seq": body.seq, "step": body.step, "text": body.text, "tools": tools}
    return _fields(body)


def _fields(message: Any) -> dict[str, Any]:
    """Return the fields that are set; one that must be there has no presence, and may be empty or 0."""
    known = [each for each in message.DESCRIPTOR.fields if not each.has_presence or message.HasField(each.name)]
    return {each.name: getattr(message, each.name) for each in known}


def _value(body: Any, name: str) -> Any:
    """Return a free value; whole numbers, which come as doubles, are whole numbers again."""
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


def parse_target(url: str) -> tuple[str, bool]:
    """Return `host:port`, and whether by TLS. Raises ValueError."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    if parts.scheme not in ("", "http", "https") or not parts.hostname or not parts.port:
        raise ValueError(f"the address of a gRPC server is host:port, not {url[:40]!r}")
    return parts.netloc.rpartition("@")[2], parts.scheme == "https"


def channel_options(target: str, heartbeat: float) -> Sequence[tuple[str, int]]:
    """Return the options of a channel: https://grpc.github.io/grpc/core/group__grpc__arg__keys.html

    Pings find out a connection that is silently dead; not a silent server behind a proxy, for which there is
    `silence`. A channel would itself wait longer and longer before it connects again; here that is left to the retry
    policy.
    """
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.keepalive_time_ms", round(heartbeat * 1000)),
        ("grpc.keepalive_timeout_ms", round(heartbeat * (MISSED_HEARTBEATS - 1) * 1000)),
        ("grpc.http2.ping_timeout_ms", round(heartbeat * (MISSED_HEARTBEATS - 1) * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.enable_retries", 0),
        ("grpc.enable_http_proxy", 0 if is_loopback(urlsplit(f"//{target}").hostname or "") else 1),
    ]


def serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def stream_call(request: Request) -> tuple[str, Any]:
    """Return the method and the message that a request for a stream is."""
    if isinstance(request, StartRequest):
        return "Chat", chat_request(request.body)
    return "Follow", pb.FollowRequest(run_id=request.run_id, after=request.after or "")


def chat_request(body: Json) -> pb.ChatRequest:
    """Make the message of a question. Raises InvalidRequest."""
    try:
        return pb.ChatRequest(**body)
    except (TypeError, ValueError) as error:
        raise InvalidRequest("The question has a field that cannot be sent.", str(error)) from error


def parse_state(state: pb.RunState) -> RunState:
    """Read the state of a run, whose fields that are not set are None."""
    unset = dict.fromkeys(each.name for each in state.DESCRIPTOR.fields)
    usage = _fields(state.usage) if state.HasField("usage") else None
    return parse_run_state(unset | _fields(state) | {"usage": usage})


def metadata_of(request: Request | None, token: str | None) -> Metadata:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    return (*metadata, ("idempotency-key", request.key)) if isinstance(request, StartRequest) else metadata


def head_messages(metadata: Any) -> list[Message]:
    """Return what the metadata at the head of a stream tell."""
    return [open_message(str(value)) for name, value in metadata or () if name == "x-run-id"]


def error_from_call(error: grpc.RpcError, target: str) -> StreamlabError:
    """Make the error that a call's status stands for, in the server's own words."""
    call: Any = error
    code = call.code()
    trailers = dict(call.trailing_metadata() or ())
    if "error-code" in trailers and code in HTTP_STATUSES:
        hint = trailers.get("error-hint-bin", b"")
        words = {"code": trailers["error-code"], "message": call.details(), "hint": hint.decode(errors="replace")}
        return error_from_status(HTTP_STATUSES[code], {"error": words}, parse_retry_after(trailers.get("retry-after")))
    if code is grpc.StatusCode.UNIMPLEMENTED or SPEAKS_HTTP in (call.details() or ""):
        return ProtocolError(f"What answers at {target} is not a gateway over gRPC.", GRPC_HINT)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return InvalidRequest("A message is too large.", "Send less.", "too_large", 413)
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND):
        return error_from_status(HTTP_STATUSES[code])  # of a proxy
    return silent_too_long() if code is grpc.StatusCode.DEADLINE_EXCEEDED else connection_lost()
