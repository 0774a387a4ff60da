"""One of two gateways behind nginx is told to end: whoever comes meanwhile is served by the other."""

import asyncio
import signal
from collections import Counter
from typing import Any

import grpc
import pytest
from websockets.asyncio.client import connect

from streamlab.v1 import streamlab_pb2 as pb
from streamlab.v1.streamlab_pb2_grpc import StreamlabStub
from tests import stack as deployment
from tests.conftest import demo_model
from tests.followers import browser, start_run
from tests.stack import BEARER, Stack, needs_nginx

pytestmark = [pytest.mark.anyio, pytest.mark.soak, needs_nginx]

image, running_stack, stack = deployment.image, deployment.running_stack, deployment.stack

OWN = [("grpc.use_local_subchannel_pool", 1)]  # a connection for each call, as from clients of their own


async def over_http(stack: Stack, run: str) -> str:
    async with browser(stack.url) as client, client.stream("GET", f"/runs/{run}/events") as response:
        return str(response.status_code)


async def over_websocket(stack: Stack, run: str) -> str:
    address = f"{stack.url.replace('http', 'ws', 1)}/runs/{run}/ws"
    async with connect(address, additional_headers=BEARER, proxy=None) as socket:
        await socket.recv()
    return "text"


async def over_grpc(stack: Stack, run: str) -> str:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.nginx.grpc_port}", OWN) as channel:
        follow: Any = StreamlabStub(channel).Follow
        call = follow(pb.FollowRequest(run_id=run), metadata=tuple(BEARER.items()))
        await call.read()
        call.cancel()
    return "text"


async def test_nobody_is_turned_away_while_one_leaves(stack: Stack) -> None:
    """Over each protocol, from the signal until the process has gone."""
    staying, leaving = stack.gateways
    run = await start_run(staying, demo_model(chunks=100_000, rate=20))
    await start_run(leaving, demo_model(chunks=100_000, rate=20))  # which it waits for
    leaving.signal(signal.SIGTERM)
    told: Counter[str] = Counter()
    while leaving.running:
        for come in (over_http, over_websocket, over_grpc):
            try:
                told[f"{come.__name__}: {await come(stack, run)}"] += 1
            except Exception as error:
                told[f"{come.__name__}: {type(error).__name__} {error}"] += 1
        await asyncio.sleep(0.1)
    assert set(told) == {"over_http: 200", "over_websocket: text", "over_grpc: text"}, told
