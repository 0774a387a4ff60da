# Made by `make unasync` from _async/grpc.py: change that file, not this one.
"""The calls and streams of a server over gRPC: protocol/streamlab/v1/streamlab.proto

The stub's calls are named by their path, for the compiler's Python stub would import a package of the server's name.
"""

import threading
from collections.abc import Generator
from typing import Any

import grpc

from streamlab_client.generated.streamlab.v1 import streamlab_pb2 as pb
from streamlab_client.grpc_messages import (
    SERVICE,
    Metadata,
    channel_options,
    chat_request,
    error_from_call,
    head_messages,
    metadata_of,
    parse_event_message,
    parse_state,
    parse_target,
    serialize,
    stream_call,
)
from streamlab_client.reader import ENDED, Message, Request, StartRequest
from streamlab_client.retry import MISSED_HEARTBEATS
from streamlab_client.runs import RunState, StartedRun
from streamlab_client.silence import WatchedCall


class GrpcTransport:
    """Over one channel, opened by the first call: on an event loop the channel belongs to the loop that opens it."""

    def __init__(self, url: str, heartbeat: float) -> None:
        self._target, self._secure = parse_target(url)
        self._timeout = heartbeat * MISSED_HEARTBEATS
        self._options = channel_options(self._target, heartbeat)
        self._opening = threading.Lock()
        self._channel: grpc.Channel | None = None

    def close(self) -> None:
        """Close the channel; another one is opened when it is needed."""
        if channel := self._channel:
            self._channel = None
            channel.close()

    def messages(self, request: Request, token: str | None) -> Generator[Message]:
        method, message = stream_call(request)
        stream = self._open().unary_stream(
            f"{SERVICE}/{method}", request_serializer=serialize, response_deserializer=pb.Event.FromString
        )
        call = WatchedCall(stream(message, metadata=metadata_of(request, token)), self._timeout)
        try:
            for head in head_messages(call.initial_metadata()):
                yield head
            for event in call:
                if event.type:
                    yield parse_event_message(event)
            yield ENDED
        except grpc.RpcError as error:
            raise error_from_call(error, self._target) from error
        finally:
            call.cancel()

    def start(self, start: StartRequest, token: str | None) -> StartedRun:
        run = self._answer("Start", chat_request(start.body), pb.Run.FromString, metadata_of(start, token))
        return StartedRun(run.id, run.conversation, run.model)

    def state(self, run_id: str, token: str | None) -> RunState:
        request, read = pb.LookRequest(run_id=run_id), pb.RunState.FromString
        return parse_state(self._answer("Look", request, read, metadata_of(None, token)))

    def stop(self, run_id: str, token: str | None) -> bool:
        request, read = pb.StopRequest(run_id=run_id), pb.StopResponse.FromString
        answer = self._answer("Stop", request, read, metadata_of(None, token))
        return not answer.ended

    def _open(self) -> grpc.Channel:
        with self._opening:
            if self._channel is None:
                self._channel = (
                    grpc.secure_channel(self._target, grpc.ssl_channel_credentials(), self._options)
                    if self._secure
                    else grpc.insecure_channel(self._target, self._options)
                )
            return self._channel

    def _answer(self, method: str, request: Any, read: Any, metadata: Metadata) -> Any:
        call = self._open().unary_unary(f"{SERVICE}/{method}", request_serializer=serialize, response_deserializer=read)
        try:
            return call(request, metadata=metadata, timeout=self._timeout)
        except grpc.RpcError as error:
            raise error_from_call(error, self._target) from error
