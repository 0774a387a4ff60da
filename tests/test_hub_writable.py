"""Whether the store takes what is written is tried, in each engine; what is wrong is said, in time, without secrets."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import httpx2
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from streamlab.gateway.gateway import PROBED
from streamlab.hub import Hub, HubUnreachable
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.redis.store import Times
from streamlab.hub.sqlite.hub import ANSWER, SqliteHub
from streamlab.hub.sqlite.worker import PAUSE
from tests.gateway import Served, is_refusal, served
from tests.redis_server import RedisServer
from tests.store_files import full_disk

pytestmark = pytest.mark.anyio

PATIENCE = 30.0
PASSWORD = "a-password-of-redis"

Fault = Callable[[RedisServer, Redis], Awaitable[None]]


async def test_a_store_that_takes_what_is_written_is_writable(any_hub: Hub) -> None:
    """In each engine, again and again; no trace is left that anybody would see."""
    for _ in range(3):
        await any_hub.try_write()
    assert any_hub.reachable
    assert len(any_hub) == 0


# Redis


async def gone(server: RedisServer, redis: Redis) -> None:
    server.kill()


async def paused(server: RedisServer, redis: Redis) -> None:
    server.pause()


async def replica(server: RedisServer, redis: Redis) -> None:
    await redis.replicaof("127.0.0.1", 9)


async def full(server: RedisServer, redis: Redis) -> None:
    await redis.config_set("maxmemory-policy", "noeviction")
    await redis.config_set("maxmemory", "1")


async def other_password(server: RedisServer, redis: Redis) -> None:
    await redis.config_set("requirepass", PASSWORD)
    await redis.client_kill_filter(_type="normal", skipme=False)


async def read_only_user(server: RedisServer, redis: Redis) -> None:
    await redis.acl_setuser("default", commands=["-set"], enabled=True)


async def loading(server: RedisServer, redis: Redis) -> None:
    for number in range(100):
        await redis.set(f"key {number}", os.urandom(4_096))
    await redis.bgrewriteaof()
    with anyio.fail_after(PATIENCE):
        while (await redis.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110
            await anyio.sleep(0.05)
    server.kill()
    server.start(**{"key-load-delay": 50_000, "loading-process-events-interval-bytes": 1024})


FAULTS: dict[Fault, str] = {
    gone: "Redis cannot be reached.",
    paused: "Redis does not answer in time.",
    replica: "Redis is read-only: it is a replica.",
    full: "Redis is full.",
    other_password: "Redis refuses the password of REDIS_URL.",
    read_only_user: "Redis does not permit writing to the user of REDIS_URL.",
    loading: "Redis is still loading what it keeps.",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_redis_that_takes_nothing_is_told(own_redis: RedisServer, fault: Fault) -> None:
    """Why, in one sentence; the others of its process are not waited for."""
    async with (
        RedisHub(own_redis.url, times=Times(answer=0.5)) as hub,
        Redis.from_url(own_redis.url) as redis,
    ):
        await hub.try_write()
        await fault(own_redis, redis)
        assert await why(hub) == FAULTS[fault]


# The file


async def test_a_file_that_takes_nothing_is_told_without_its_path(tmp_path: Path) -> None:
    """On a full disk, or read-only; and all is well when it is again."""
    async with SqliteHub(tmp_path / "store") as hub:
        await hub.try_write()
        with full_disk(tmp_path / "store", 100):
            assert await why(hub) == "The store's file cannot be written: its disk is full or fails."
            assert not hub.reachable
        await hub.try_write()
        assert hub.reachable
        hub._file.connection.execute("PRAGMA query_only = ON")
        assert await why(hub) == "The store's file is read-only."
        hub._file.connection.execute("PRAGMA query_only = OFF")
        await hub.try_write()


async def why(hub: Hub) -> str:
    with pytest.raises(HubUnreachable) as refused:
        await hub.try_write()
    return str(refused.value)


# The gateway


async def test_the_gateway_is_not_ready_while_its_redis_takes_nothing(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full, and then paused: 503 with the reason, also to HEAD, and ready again by itself. Nothing of the address."""
    monkeypatch.setattr("streamlab.gateway.gateway.PROBED", 0.1)
    async with served(redis_url=SecretStr(own_redis.url)) as lab, Redis.from_url(own_redis.url) as redis:
        assert (await lab.client.get("/readyz")).status_code == 200
        await full(own_redis, redis)
        refused = await until_not_ready(lab)
        assert refused.json()["error"]["message"] == "Redis is full."
        assert str(own_redis.port) not in refused.text
        assert (await lab.client.head("/readyz")).status_code == 503
        assert (await lab.client.get("/healthz")).status_code == 200
        await redis.config_set("maxmemory", "0")
        await until_ready(lab)
        own_redis.pause()
        assert (await until_not_ready(lab)).json()["error"]["message"] == "Redis does not answer in time."
        own_redis.resume()
        await until_ready(lab)


async def until_not_ready(lab: Served) -> httpx2.Response:
    """Ask until it is not ready: each time it answers within the time that Redis has for one."""
    with anyio.fail_after(PATIENCE):
        while (response := await lab.client.get("/readyz", timeout=PATIENCE)).status_code == 200:  # noqa: ASYNC110
            await anyio.sleep(0.1)
    assert is_refusal(response, 503, "logs_unavailable")
    assert response.headers["retry-after"] == "1"
    return response


async def until_ready(lab: Served) -> None:
    with anyio.fail_after(PATIENCE):
        while (await lab.client.get("/readyz", timeout=PATIENCE)).status_code != 200:  # noqa: ASYNC110
            await anyio.sleep(0.1)


async def test_many_probes_are_one_write(tmp_path: Path) -> None:
    """Two hundred at once, and whoever asks soon after."""
    async with served(lab_store=tmp_path / "store") as lab:
        hub, tried = lab.engine.hub, 0
        try_write = hub.try_write

        async def counted() -> None:
            nonlocal tried
            tried += 1
            await try_write()

        hub.try_write = counted  # type: ignore[method-assign]
        answers = [await lab.client.get("/readyz")]
        answers += await asyncio.gather(*[lab.client.get("/readyz") for _ in range(200)])
        assert {answer.status_code for answer in answers} == {200}
        assert tried <= 1 + len(answers) / 100


def test_a_probe_is_answered_before_who_asks_gives_up() -> None:
    """The image's health check waits for four seconds."""
    assert max(Times().answer, ANSWER) < 4
    assert PROBED > PAUSE, "the embedded store's file is tidied in pauses"
