"""Ledgers beside documents, wherever they are kept."""

import asyncio
from pathlib import Path

import pytest

from streamlab.hub import Hub
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.sqlite.hub import SqliteHub
from tests.redis_server import RedisServer
from tests.shared import TIMES, name
from tests.store_files import WORDS

pytestmark = pytest.mark.anyio


async def test_entries_have_one_order_for_all_who_read(any_hub: Hub) -> None:
    """Of many that append at once each has a number of its own, and none is lost."""
    ledger, key = any_hub.shared.ledger(WORDS), name()
    await any_hub.shared.documents(WORDS).put(key, "word")
    entries = [f"entry {number}".encode() for number in range(40)]
    numbers = await asyncio.gather(*[ledger.append(key, entry) for entry in entries])
    assert sorted(numbers) == list(range(1, 41))
    written = [entry for _, entry in sorted(zip(numbers, entries, strict=True))]
    assert list(await ledger.since(key, 0)) == written
    assert list(await ledger.since(key, 37)) == written[37:]
    assert await ledger.since(key, 40) == []
    assert list(await ledger.lengths([key, name()])) == [40, 0]


async def test_there_is_no_ledger_without_its_document(any_hub: Hub) -> None:
    """Neither before there is one, nor when it was deleted; who puts it there again begins anew."""
    words, ledger, key = any_hub.shared.documents(WORDS), any_hub.shared.ledger(WORDS), name()
    assert await ledger.append(key, b"early") == 0
    await words.put(key, "word")
    assert await ledger.append(key, b"entry") == 1
    await words.put(key, "changed")
    assert await ledger.append(key, b"entry") == 2
    await words.remove(key)
    await ledger.remove(key)
    assert await ledger.append(key, b"late") == 0
    assert await ledger.since(key, 0) == []
    await words.put(key, "again")
    assert await ledger.append(key, b"entry") == 1


async def test_two_processes_write_one_ledger(redis_server: RedisServer) -> None:
    key = name()
    async with RedisHub(redis_server.url, times=TIMES) as one, RedisHub(redis_server.url, times=TIMES) as other:
        await one.shared.documents(WORDS).put(key, "word")
        ledgers = [hub.shared.ledger(WORDS) for hub in (one, other)]
        await asyncio.gather(*[ledgers[number % 2].append(key, str(number).encode()) for number in range(40)])
        first, second = [list(await ledger.since(key, 0)) for ledger in ledgers]
        assert first == second
        assert sorted(map(int, first)) == list(range(40))


async def test_a_ledger_outlives_its_process(tmp_path: Path) -> None:
    async with SqliteHub(tmp_path / "store") as hub:
        await hub.shared.documents(WORDS).put("key", "word")
        await hub.shared.ledger(WORDS).append("key", b"entry")
    async with SqliteHub(tmp_path / "store") as hub:
        assert await hub.shared.ledger(WORDS).append("key", b"next") == 2
        assert await hub.shared.ledger(WORDS).since("key", 0) == [b"entry", b"next"]
