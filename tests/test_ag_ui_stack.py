"""AG-UI's client through nginx, before gateways that die."""

import asyncio
import re
import signal

import anyio
import httpx2
import pytest

from tests import stack as deployment
from tests.conftest import demo_model
from tests.javascript import needs_node
from tests.stack import BEARER, PATIENCE, GatewayProcess, Stack, needs_nginx
from tests.test_ag_ui import Clients, clean, clients_at

image, running_stack, stack = deployment.image, deployment.running_stack, deployment.stack  # found by their names

pytestmark = [pytest.mark.anyio, needs_node, needs_nginx]


async def figure(gateway: GatewayProcess, name: str) -> float:
    async with httpx2.AsyncClient() as client:
        text = (await client.get(f"{gateway.url}/metrics", headers=BEARER)).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def idle_of(stack: Stack) -> GatewayProcess:
    """Wait for the run, and say which gateway does not produce it."""
    with anyio.fail_after(PATIENCE):
        while True:
            live = [await figure(gateway, "streamlab_runs_live") for gateway in stack.gateways]
            if any(live):
                return stack.gateways[live.index(0)]
            await asyncio.sleep(0.05)


async def follower_of(gateway: GatewayProcess, clients: Clients) -> tuple[str, "asyncio.Future[dict[str, object]]"]:
    """Have agents take the run up until nginx gives one to this gateway; say which."""
    followers = 'streamlab_followers{protocol="ag-ui"}'
    with anyio.fail_after(PATIENCE):
        for number in range(100):
            name = f"follower {number}"
            coming = clients.go(name, "t", connect=True, headers=BEARER)
            for _ in range(20):
                await asyncio.sleep(0.05)
                if await figure(gateway, followers):
                    return name, coming
    raise AssertionError


@pytest.mark.soak  # two gateways, a Redis and an nginx; an answer that takes its time
async def test_a_run_is_taken_up_when_its_gateway_has_died(stack: Stack) -> None:
    """Followed through a gateway that does not produce it, and that is killed: the client hears of a failure, takes the
    run up through the other one, and has all of the answer once.
    """
    async with clients_at(stack.url) as clients:
        parameters = {"forwardedProps": {"model": demo_model(chunks=900, rate=30)}}
        asking = clients.go("asker", "t", say="Count, please.", parameters=parameters, headers=BEARER)
        victim = await idle_of(stack)
        name, following = await follower_of(victim, clients)
        victim.signal(signal.SIGKILL)
        victim.wait()
        lost = await following
        assert lost["error"] is not None
        taken_up = clean(await clients.go(name, "t", connect=True, headers=BEARER))
        whole = clean(await asking)
        assert taken_up["messages"] == whole["messages"]
        numbers = [int(number) for number in re.findall(r"word(\d+) ", whole["messages"][-1]["content"])]
        assert numbers == list(range(1, len(numbers) + 1))
