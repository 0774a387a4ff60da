"""The gRPC server: its port, health, reflection, draining, and the command."""

import asyncio
import logging
import signal
import socket
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from streamlab_client.generated.streamlab.v1 import streamlab_pb2 as client_pb

from benchmarks.harness import free_port
from streamlab.engine import open_engine
from streamlab.gateway.http import create_app
from streamlab.gateway.protocols.grpc_server import grpc_port
from streamlab.gateway.protocols.grpc_service import SERVICE
from streamlab.gateway.serving import serving
from streamlab.settings import Settings
from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1 import streamlab_pb2_grpc
from tests import grpc_gateway
from tests.conftest import demo_model, until
from tests.gateway import FAR_AHEAD, delta
from tests.grpc_gateway import Lab, cut, lab_of, refused, seqs, slow_model, types, whole
from tests.test_gateway_command import LEAVE, needs_signals, running

lab = grpc_gateway.lab  # fixtures are found by their names

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[1]


async def health_of(lab: Lab, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(lab.channel)
    status: int = (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status
    return status


async def test_draining_says_so() -> None:
    """Not serving first; then `drain` and UNAVAILABLE. Who comes after finds no server, and may be led to another."""
    async with lab_of() as lab:
        log = lab.http.log(delta(at=FAR_AHEAD))
        await until(lambda: lab.http.gateway.ready)
        reading = asyncio.create_task(cut(lab.stub.Follow(pb.FollowRequest(run_id=log.run_id))))
        watch = health_pb2_grpc.HealthStub(lab.channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        await until(lambda: log.followers == 1)
        draining = asyncio.create_task(lab.http.gateway.drain(1.0))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not reading.done()
        await draining
        events, error = await reading
        assert types(events) == ["open", "text_delta", "drain"]
        assert refused(error) == (grpc.StatusCode.UNAVAILABLE, "draining")
        watch.cancel()
        _, late = await cut(lab.stub.Follow(pb.FollowRequest(run_id=log.run_id)))
        assert late.code() == grpc.StatusCode.UNAVAILABLE
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", lab.port), 1)


async def test_health_and_reflection_name_the_service(lab: Lab) -> None:
    """What grpcurl and balancers ask, without a token. The client's own copy of the messages may be loaded beside."""
    assert client_pb.DESCRIPTOR is pb.DESCRIPTOR
    assert await health_of(lab, SERVICE) == health_pb2.HealthCheckResponse.SERVING
    stub = reflection_pb2_grpc.ServerReflectionStub(lab.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
    ]
    services, file = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    assert SERVICE in [service.name for service in services.list_services_response.service]
    assert pb.DESCRIPTOR.serialized_pb in file.file_descriptor_response.file_descriptor_proto


async def test_a_taken_port_is_told_and_the_rest_runs(caplog: pytest.LogCaptureFixture) -> None:
    """A warning that says what to set; HTTP is served as ever."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = Settings(_env_file=None, lab_grpc_port=port)
        api = create_app(settings)
        async with open_engine(settings) as engine, serving(api, engine) as gateway:
            assert gateway.ready
            assert api.state.gateway is gateway
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert str(port) in warnings[0]
    assert "LAB_GRPC_PORT" in warnings[0]


async def test_the_port_of_the_settings_is_served() -> None:
    """For as long as the gateway is."""
    port = free_port()
    settings = Settings(_env_file=None, lab_grpc_port=port)
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        async with open_engine(settings) as engine, serving(create_app(settings), engine):
            events = await whole(
                streamlab_pb2_grpc.StreamlabStub(channel).Chat(pb.ChatRequest(message="hi", model=demo_model()))
            )
            assert events[-1].done.status == "completed"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="this system cannot share ports")
async def test_processes_that_know_each_other_s_runs_share_a_port(lab: Lab) -> None:
    """Only where they are told to."""
    async with grpc_port(lab.http.gateway, "127.0.0.1", 0, shared=True) as first:
        assert first
        async with grpc_port(lab.http.gateway, "127.0.0.1", first, shared=True) as second:
            assert second == first
        async with grpc_port(lab.http.gateway, "127.0.0.1", first) as alone:
            assert alone is None


@needs_signals
def test_the_command_serves_grpc_and_leaves_in_peace(tmp_path: Path) -> None:
    """A real process on the set port: SIGTERM ends the run, and so the stream, then the process."""
    port, grpc_port = free_port(), free_port()
    command = running("streamlab.gateway", "--port", str(port), port=port, cwd=tmp_path, LAB_GRPC_PORT=str(grpc_port))
    with command as (process, log), grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        stub = streamlab_pb2_grpc.StreamlabStub(channel)
        events = [*stub.Chat(pb.ChatRequest(message="hi", model=demo_model()))]
        assert events[-1].done.status == "completed"
        call = stub.Chat(pb.ChatRequest(message="hi", model=slow_model()))
        events = [next(call), next(call)]
        process.send_signal(signal.SIGTERM)
        events.extend(call)
        assert call.code() == grpc.StatusCode.OK
        assert (events[-1].done.status, events[-1].done.code) == ("stopped", "shutdown")
        assert seqs(events) == list(range(1, events[-1].seq + 1))
        assert process.wait(LEAVE) in (0, -signal.SIGTERM)
        logged = log.read_text()
        assert "Traceback" not in logged
        assert logged.count("reason=ended") == 2


@pytest.mark.soak
def test_without_a_port_grpc_is_not_loaded() -> None:
    """It takes memory and time; 0 turns it off."""
    code = """
import asyncio, sys
from streamlab.engine import open_engine
from streamlab.gateway.http import create_app
from streamlab.gateway.serving import serving
from streamlab.settings import Settings

async def main():
    settings = Settings(_env_file=None, lab_grpc_port=0)
    async with open_engine(settings) as engine, serving(create_app(settings), engine) as gateway:
        print(gateway.ready, "grpc" in sys.modules)

if __name__ == "__main__":
    asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["True", "False"]
