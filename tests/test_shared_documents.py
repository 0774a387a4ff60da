"""Documents and memberships that several processes share, wherever they are kept."""

import asyncio
from dataclasses import replace

import anyio
import pytest

from streamlab.chats.chat import CHATS, Chat, Turn
from streamlab.events.event import Usage
from streamlab.events.outcome import Outcome, ToolUse
from streamlab.events.timings import Timings
from streamlab.hub import Hub, HubUnreachable
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.shared import DocumentType, Membership, Shared
from streamlab.models.options import Options
from tests.conftest import until
from tests.redis_server import RedisServer, proxy
from tests.shared import TIMES, name, soon

pytestmark = pytest.mark.anyio

WORDS = DocumentType("word", str.encode, bytes.decode, 60.0, 100)


@pytest.fixture
async def shared(any_hub: Hub) -> Shared:
    return any_hub.shared


async def test_of_many_that_add_one_document_one_does(shared: Shared) -> None:
    """The others learn that something is there, and what it is stays."""
    words, key = shared.documents(WORDS), name()
    added = await asyncio.gather(*[words.add(key, f"word {number}") for number in range(20)])
    (won,) = [kept for kept in added if kept]
    there = await words.get(key)
    assert there
    assert there.document == won.document


async def test_a_document_is_replaced_by_who_knows_it_as_it_stands(shared: Shared) -> None:
    """Not by who read it before another changed it, nor when it is gone."""
    words, key = shared.documents(WORDS), name()
    first = await words.add(key, "first")
    assert first
    read = await words.get(key)
    assert read
    second = await words.replace(key, read, "second")
    assert second
    assert await words.replace(key, first, "late") is None
    assert await words.replace(key, second, "third")
    await words.put(key, "fourth")
    assert (await words.get(key) or first).document == "fourth"
    last = await words.get(key)
    assert last
    await words.remove(key)
    assert await words.get(key) is None
    assert await words.replace(key, last, "ghost") is None


async def test_a_document_goes_some_time_after_its_last_use(shared: Shared) -> None:
    """To read it is to use it; its place is free then."""
    words, used, unused = shared.documents(replace(WORDS, seconds=2.0)), name(), name()
    await words.put(used, "used")
    assert await words.add(unused, "unused", 1.0)

    async def only_used() -> bool:
        return bool(await words.get(used)) and await words.add(unused, "again", 60.0) is not None

    await soon(only_used)
    await anyio.sleep(2.5)
    assert await words.get(used) is None
    assert await words.get(unused)


async def test_documents_of_two_kinds_do_not_mix(shared: Shared) -> None:
    """Under the same key."""
    key = name()
    await shared.documents(WORDS).put(key, "word")
    assert await shared.documents(replace(WORDS, name="other")).get(key) is None


async def test_nobody_enters_a_roll_that_is_full(shared: Shared) -> None:
    """Nor the others that were asked for with it; who leaves makes room, and who is in may stay."""
    small, large = Membership(name(), 60.0, 2), Membership(name(), 60.0, 100)
    answers = await asyncio.gather(*[shared.enter([large, small], f"{number}") for number in range(20)])
    assert answers.count(None) == 2
    full = next(answer for answer in answers if answer)
    assert full.membership == small
    assert 0 < full.seconds <= 60
    members = set(await shared.names(small))
    assert set(await shared.names(large)) == members
    one = min(members)
    assert await shared.enter([large, small], one) is None
    await shared.leave([large, small], one)
    assert set(await shared.names(small)) == members - {one}
    assert await shared.enter([large, small], "new") is None


async def test_who_is_not_entered_again_lapses(shared: Shared) -> None:
    """As when a process dies; who is, stays."""
    membership = Membership(name(), 1.0, 2)
    await shared.enter([membership], "dead")
    await shared.enter([membership], "living")

    async def room() -> bool:
        await shared.enter([replace(membership, limit=None)], "living")
        return await shared.enter([membership], "new") is None

    await soon(room)
    assert {"living", "new"} <= set(await shared.names(membership))


async def test_an_errand_is_done_when_the_store_is_back(shared: Shared) -> None:
    """However often it did not answer; others are not held up."""
    tries: list[int] = []

    async def work() -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise HubUnreachable

    shared.later(work)
    await until(lambda: len(tries) == 3)
    await shared.now_or_later(work)
    assert len(tries) == 4


async def test_a_call_whose_answer_was_lost_is_repeated_without_harm(redis_server: RedisServer) -> None:
    """Redis has done it: the one who added is told so, and nobody has two places."""
    async with proxy(redis_server) as way, RedisHub(way.url, times=TIMES) as hub:
        words, key, membership = hub.shared.documents(WORDS), name(), Membership(name(), 60.0, 1)
        assert await words.add(name(), "so that the scripts are known")
        assert await hub.shared.enter([Membership(name(), 60.0)], "known, too") is None
        way.swallow = lambda request: b"EVALSHA" in request and way.swallowed % 2 == 0
        added = await words.add(key, "once")
        assert added
        assert way.swallowed == 1
        way.swallowed = 0
        assert await words.replace(key, added, "twice")
        assert way.swallowed == 1
        way.swallowed = 0
        assert await hub.shared.enter([membership], "one") is None
        assert way.swallowed == 1
        assert set(await hub.shared.names(membership)) == {"one"}


def test_a_conversation_is_read_as_it_was_written() -> None:
    """Whatever is in it."""
    usage = Usage(1, 2, estimated=True)
    tool = ToolUse("t", {"a": [1, None, 1.5]}, {"rows": [["字", "\ud800"]]}, "failed", 0.25)
    outcome = Outcome("failed", "timeout", None, "a\u2028\ud800字", "thought", usage, Timings(None, 1.5), 2, (tool,))
    turns = tuple(
        Turn(f"q{number} \ud800", Options("m", "s", 0.5, tools=True), "run", 1.5, each)
        for number, each in enumerate((outcome, replace(outcome, timings=Timings(0.25, 1.0), tools=()), None))
    )
    chat = Chat("id", turns)
    assert CHATS.decode(CHATS.encode(chat)) == chat
    with pytest.raises(ValueError, match="turns"):
        CHATS.decode(b'{"id":"id","turns":7}')
