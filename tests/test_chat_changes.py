"""A conversation's versions, and who is told of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import anyio
import pytest

from streamlab.chats.chat import Chat
from streamlab.chats.chats import Chats
from streamlab.gateway.changes import versions
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from tests.chats import settled
from tests.conftest import PATIENCE, demo_model
from tests.redis_server import RedisServer
from tests.shared import ENDLESS, a_side, says

pytestmark = pytest.mark.anyio

Act = Callable[[Chats, Chat], Awaitable[object]]


async def _ask(chats: Chats, chat: Chat) -> None:
    await settled(chats, await chats.ask(chat.id, "q2", says("a2")))


async def _regenerate(chats: Chats, chat: Chat) -> None:
    await settled(chats, await chats.regenerate(chat.id, says("another")))


async def _ask_and_stop(chats: Chats, chat: Chat) -> None:
    await chats.ask(chat.id, "q2", Options(demo_model(**ENDLESS)))
    await chats.stop(chat.id)
    await settled(chats, chat)


ACTS = pytest.mark.parametrize("act", [_ask, _regenerate, _ask_and_stop])


@pytest.fixture
async def sides(redis_server: RedisServer, models: Models) -> AsyncIterator[tuple[Chats, Chats]]:
    """Two processes on one Redis, as far as they know."""
    async with a_side(redis_server.url, models) as here, a_side(redis_server.url, models) as there:
        yield here.chats, there.chats


@ACTS
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another process"])
async def test_each_change_is_told(sides: tuple[Chats, Chats], act: Act, elsewhere: bool) -> None:
    """The last version that is told is that of the conversation as it stands, and it differs from the first."""
    here, there = sides
    chat = await settled(here, await here.ask(None, "q1", says("a1")))
    with anyio.fail_after(PATIENCE):
        async with aclosing(versions(there if elsewhere else here, chat.id)) as told:
            assert (first := await anext(told)) == chat.version
            await act(here, chat)
            last = (await here.get(chat.id)).version
            assert last != first
            while await anext(told) != last:
                pass


async def test_nothing_is_told_of_another_conversation(sides: tuple[Chats, Chats]) -> None:
    """Nor of a look at one, nor twice of the same."""
    here, there = sides
    chat = await settled(here, await here.ask(None, "q1", says("a1")))
    for chats in sides:
        async with aclosing(versions(chats, chat.id)) as told:
            await anext(told)
            waiting = asyncio.ensure_future(anext(told))
            await settled(there, await there.ask(None, "q1", says("a1")))
            await there.get(chat.id)
            await asyncio.sleep(1.0)  # longer than two looks at Redis
            assert not waiting.done()
            waiting.cancel()
            await asyncio.wait([waiting])


async def test_an_unknown_conversation_has_a_version_too(sides: tuple[Chats, Chats]) -> None:
    """A page that shows that it is not there is told when it is."""
    here, _ = sides
    async with aclosing(versions(here, "unknown")) as told:
        assert await anext(told) == ""
