"""The gRPC port: the service, the standard health service and reflection. Loaded only where the port is wanted."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from streamlab.gateway import limits
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.protocols.grpc_service import SERVICE, Service

logger = logging.getLogger(__name__)

POLL = 0.2  # seconds between two looks at whether the gateway is ready
LEAVING = 60.0  # seconds, more than the gateway takes to end every delivery once it serves nobody new
GRACE = 1.0  # seconds that calls have to take their status when the server ends
STREAMS = 1_000  # calls of one connection at the same time

Health = health_pb2.HealthCheckResponse


@asynccontextmanager
async def grpc_port(gateway: Gateway, host: str, port: int, *, shared: bool = False) -> AsyncIterator[int | None]:
    """Serve gRPC there within the block; port 0 is any that is free, and the one that it got is answered.

    A port that is taken gives a warning and None. A `shared` port may be that of several processes which know each
    other's runs.
    """
    server = grpc.aio.server(options=_options(gateway, shared=shared))
    server.add_generic_rpc_handlers((Service(gateway).handlers(),))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    enable_server_reflection((SERVICE, HEALTH, REFLECTION), server)
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError:
        logger.warning(
            "gRPC is not served: %s port %d is taken or not allowed. Set LAB_GRPC_PORT to another, or to 0 for none.",
            host,
            port,
        )
        await server.stop(None)
        yield None
        return
    await server.start()
    works = (_report_health(servicer, gateway), _close_door(server, gateway))
    watches = [asyncio.create_task(work, name="grpc watch") for work in works]
    logger.info("gRPC is served on %s port %d", host, bound)
    try:
        yield bound
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await servicer.enter_graceful_shutdown()
        await server.stop(GRACE)


def _options(gateway: Gateway, *, shared: bool) -> list[tuple[str, int]]:
    """Return the server's options: https://grpc.github.io/grpc/core/group__grpc__arg__keys.html"""
    heartbeat = round(gateway.deliveries.pace.heartbeat * 1000)
    return [
        ("grpc.so_reuseport", int(shared)),
        ("grpc.max_receive_message_length", limits.BODY),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.keepalive_time_ms", heartbeat),  # a connection that is silently dead is found out
        ("grpc.keepalive_timeout_ms", heartbeat),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),  # clients may ask as well
    ]


async def _report_health(servicer: health.HealthServicer, gateway: Gateway) -> None:
    """Keep the health service up to date, for whom balancers ask."""
    told: bool | None = None
    while True:
        ready = gateway.ready
        if ready and not gateway.engine.hub.shared.alone:  # a store of this process is not written to for nothing
            ready = await gateway.why_not_ready() is None
        if told != ready:
            told = ready
            for name in ("", SERVICE):
                await servicer.set(name, Health.SERVING if told else Health.NOT_SERVING)
        await asyncio.sleep(POLL)


async def _close_door(server: grpc.aio.Server, gateway: Gateway) -> None:
    """Listen no more as soon as nobody new is served: a balancer asks elsewhere then, and not when a call is refused.

    The calls that are open get their end from their deliveries.
    """
    await gateway.drains.wait()
    await server.stop(LEAVING)
