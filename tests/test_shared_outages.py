"""Conversations while Redis is away: what ends is kept, and what cannot be known is refused."""

import time
from contextlib import closing

import anyio
import pytest
from pydantic import SecretStr

from benchmarks.harness import wait_until
from components.page.texts import texts
from streamlab.engine import engine_in_thread
from streamlab.events.event import Event
from streamlab.hub import HubUnreachable
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.runs.run import new_run_id
from streamlab.settings import Settings
from tests.conftest import demo_model, shown, until
from tests.events import content
from tests.gateway import delta, is_refusal
from tests.pages import checked, languages, serving, visit
from tests.redis_server import RedisServer, proxy
from tests.shared import PATIENCE, TIMES, a_side, ask, has_ended, name, pair, says, shown_on, soon

pytestmark = pytest.mark.anyio


# Redis away


async def test_what_ends_while_redis_is_away_is_kept_when_it_is_back(own_redis: RedisServer, models: Models) -> None:
    """Meanwhile nothing can be asked, and that is said within the time that Redis has for an answer."""
    async with (
        proxy(own_redis) as way,
        a_side(way.url, models) as here,
        a_side(own_redis.url, models) as there,
    ):
        chat = await here.chats.ask(None, "q", Options(demo_model(chunks=60, rate=50)))
        log = await here.hub.open(chat.turns[0].run_id)
        with anyio.fail_after(PATIENCE):
            while log.seq < 3:
                await log.grown()
        await way.cut()
        for act in (
            here.chats.get(chat.id),
            here.chats.ask(chat.id, "q", says("a")),
            here.chats.ask(None, "q", says("a")),
        ):
            with pytest.raises(HubUnreachable):
                await act
        await until(lambda: here.runs.live == 0)
        await way.listen()
        chat = await there.settled(chat)
        await until(lambda: log.done is not None)
    outcome = chat.turns[0].outcome
    assert outcome
    assert outcome.status == "completed"
    assert outcome.text == "".join(content(event) for event in log.since(0) if event.type == "text_delta")
    assert here.runs.started == 1


async def test_a_redis_that_hangs_is_not_waited_for_longer_than_it_has(own_redis: RedisServer, models: Models) -> None:
    """Stopped, it takes connections and says nothing; afterwards all goes on."""
    async with a_side(own_redis.url, models) as here:
        chat = await here.settled(await here.chats.ask(None, "q", says("a")))
        own_redis.pause()
        began = time.monotonic()
        with pytest.raises(HubUnreachable):
            await here.chats.ask(chat.id, "q", says("a"))
        assert time.monotonic() - began < 2 * TIMES.answer + 10
        own_redis.resume()

        async def back() -> bool:
            try:
                return await here.chats.get(chat.id) == chat
            except HubUnreachable:
                return False

        await soon(back)
        assert here.runs.started == 1


async def test_a_question_whose_answer_from_redis_was_lost_leaves_nothing_behind(
    redis_server: RedisServer, models: Models
) -> None:
    """Redis has taken it, but nobody was told: it was refused, so it is taken back."""
    async with proxy(redis_server) as way, a_side(way.url, models) as here, a_side(redis_server.url, models) as there:
        chat = await here.settled(await here.chats.ask(None, "q", says("a")))
        await until(lambda: not here.chats._outcomes)
        way.swallow = lambda request: b"EVALSHA" in request and b"asked in vain" in request
        with pytest.raises(HubUnreachable):
            await here.chats.ask(chat.id, "asked in vain", says("a"))
        assert way.swallowed
        way.swallow = lambda request: False

        async def taken_back() -> bool:
            return await there.chats.get(chat.id) == chat

        await soon(taken_back)
        assert here.runs.started == 1


# Two gateways


async def test_without_redis_what_cannot_be_known_is_refused(own_redis: RedisServer) -> None:
    """503 in a clear sentence and in time; nothing began, and all goes on when it is back."""
    async with proxy(own_redis) as way, pair(way.url, own_redis.url) as (here, there):
        started = (await ask(there)).json()
        await has_ended(here, started["id"])
        await way.cut()
        log = here.log(delta())
        for response in (
            await ask(here),
            await ask(here, key=name()),
            await ask(here, conversation=started["conversation"]),
            await here.client.get(f"/runs/{new_run_id()}"),
            await here.client.delete(f"/runs/{log.run_id}/token"),
        ):
            assert is_refusal(response, 503, "logs_unavailable")
            assert response.headers["retry-after"] == "1"
        assert here.engine.runs.started == 0
        await way.listen()

        async def back() -> bool:
            return (await ask(here, conversation=started["conversation"])).status_code == 201

        await soon(back)
        assert len((await there.engine.chats.get(started["conversation"])).turns) == 2


# Pages


@languages
def test_a_page_says_when_the_store_is_away(own_redis: RedisServer, language: str) -> None:
    """The conversation is not said to be unknown, the question comes back into the box, and later all is there."""
    with serving(redis_url=SecretStr(own_redis.url)) as engine:
        chat = engine.portal.call(engine.chats.ask, None, "q", Options(demo_model(text="kept")))
        app = visit("chat", language, chat=chat.id)
        assert "kept" in shown_on(app)
        own_redis.kill()
        checked(app.chat_input[0].set_value("asked in vain").run())
        warnings = {warning.value for warning in app.warning}
        assert {texts(language)["notice.not_asked"], texts(language)["chat.unreachable"]} <= warnings
        assert texts(language)["chat.unknown"] not in warnings
        assert app.chat_input[0].proto.value == "asked in vain"
        assert app.query_params["chat"] == chat.id
        own_redis.start()
        wait_until(lambda: engine.hub.reachable, PATIENCE)
        again = visit("chat", language, chat=chat.id)
        assert "kept" in shown_on(again)
        assert not again.warning
        assert engine.runs.started == 1


def test_who_begins_to_read_waits_for_a_store_that_is_away(own_redis: RedisServer) -> None:
    """As a page does that has just learnt of a live answer: nothing is an error, and all of it comes."""
    settings = Settings(_env_file=None, redis_url=SecretStr(own_redis.url))
    with engine_in_thread(settings) as here, engine_in_thread(settings) as there:
        chat = here.portal.call(here.chats.ask, None, "q", Options(demo_model(first=0, rate=20, chunks=60)))
        own_redis.pause()
        with closing(there.follow(chat.turns[-1].run_id, 0.05)) as batches:
            assert next(batches) == []
            own_redis.resume()
            items = [item for batch in batches for item in batch]
        log = here.portal.call(here.hub.open, chat.turns[-1].run_id)
        whole = here.portal.call(log.outcome).text
    assert [item.status for item in items if isinstance(item, Event) and item.type == "done"] == ["completed"]
    assert shown(items) == whole != ""
