"""What several processes know of each other: conversations, keys, revocations and limits; in memory and in Redis."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import httpx2
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from streamlit.testing.v1 import AppTest

from components.page.texts import texts
from streamlab import chats as conversations
from streamlab.agent.tasks import Agents
from streamlab.chats import CHATS, Busy, Chat, Chats, Turn, UnknownChat
from streamlab.engine import engine_in_thread
from streamlab.events.event import Done, Usage
from streamlab.events.outcome import Outcome, ToolUse
from streamlab.events.timings import Timings
from streamlab.gateway import submissions as asking
from streamlab.gateway.access import Caller
from streamlab.hub import Hub, HubUnreachable, MemoryHub
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.redis.store import Times
from streamlab.hub.shared import DocumentType, Membership, Shared
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.runs.run import RunLimits, Runs, TooManyRuns, new_run_id
from streamlab.settings import Settings
from tests.conftest import Asked, demo_model, until
from tests.events import content
from tests.gateway import Served, delta, is_refusal, log_events, parse_stream, served
from tests.pages import checked, languages, serving, visit
from tests.redis_server import ROOT, RedisServer, producer, proxy

pytestmark = pytest.mark.anyio

LEASE = 1.0  # seconds: long enough for a busy machine to renew it
TIMES = Times(lease=LEASE)
PATIENCE = 40.0
HISTORY = 1_000
ENDLESS: dict[str, Any] = {"chunks": 100_000, "rate": 50}
WORDS = DocumentType("word", str.encode, bytes.decode, 60.0, 100)
SECRET = "swordfish-0123456789"
BEARER = {"authorization": f"Bearer {SECRET}"}


def name() -> str:
    return uuid4().hex


async def soon(holds: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until what is asked again and again is so."""
    with anyio.fail_after(patience):
        while not await holds():  # noqa: ASYNC110 # another process may be the one to change it
            await anyio.sleep(0.05)


# Documents and memberships, wherever they are kept


@pytest.fixture(params=["memory", "redis"])
async def shared(request: pytest.FixtureRequest) -> AsyncIterator[Shared]:
    hub: Hub = MemoryHub()
    if request.param == "redis":
        hub = RedisHub(request.getfixturevalue("redis_server").url, times=TIMES)
    async with hub:
        yield hub.shared


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


# Conversations in two processes


@dataclass
class Side:
    """What one process has."""

    hub: RedisHub
    runs: Runs
    agents: Agents
    chats: Chats

    async def settled(self, chat: Chat) -> Chat:
        async def ended() -> bool:
            return (await self.chats.get(chat.id)).live is None

        await soon(ended)
        return await self.chats.get(chat.id)


@asynccontextmanager
async def a_side(url: str, models: Models, live: int = 100) -> AsyncIterator[Side]:
    async with RedisHub(url, times=TIMES) as hub:
        runs = Runs(hub, RunLimits(backoff=0.01, total=PATIENCE, live=live))
        agents = Agents(runs, models, hub, HISTORY)
        try:
            yield Side(hub, runs, agents, Chats(runs, models, agents, hub, HISTORY))
        finally:
            await runs.close()


@pytest.fixture
async def sides(redis_server: RedisServer, models: Models) -> AsyncIterator[tuple[Side, Side]]:
    """Two processes on one Redis, as far as they know."""
    async with a_side(redis_server.url, models) as here, a_side(redis_server.url, models) as there:
        yield here, there


def says(text: str, **options: object) -> Options:
    return Options(demo_model(text=text, **options), temperature=0)


async def test_a_conversation_goes_on_in_another_process(sides: tuple[Side, Side], asked: Asked) -> None:
    """With its turns and what became of them; the model is told what was said."""
    here, there = sides
    chat = await here.chats.ask(None, "q1", says("a1"))
    chat = await there.settled(chat)
    assert [turn.outcome.text for turn in chat.turns if turn.outcome] == ["a1"]
    options = says("a2")
    chat = await here.settled(await there.chats.ask(chat.id, "q2", options))
    assert [(turn.question, turn.outcome.text) for turn in chat.turns if turn.outcome] == [("q1", "a1"), ("q2", "a2")]
    assert [record["prompt"]["messages"] for record in await asked(options.model)] == [3]
    chat = await here.settled(await here.chats.regenerate(chat.id, says("a3")))
    assert chat == await there.chats.get(chat.id)
    assert [turn.outcome.text for turn in chat.turns if turn.outcome] == ["a1", "a3"]


async def test_the_agent_goes_on_where_it_remembers_and_is_told_elsewhere(
    sides: tuple[Side, Side], asked: Asked
) -> None:
    """The process that answered before knows its calls; another one is told the texts, and so is the first of those."""
    here, there = sides
    options = Options(demo_model(), tools=True)
    chat = await here.settled(await here.chats.ask(None, "What is 17 * 23?", options))
    assert [record["prompt"]["messages"] for record in await asked(options.model)] == [1, 3]
    await there.settled(await there.chats.ask(chat.id, "What is 3 + 4?", options))
    assert [record["prompt"]["messages"] for record in await asked(options.model)][2:] == [3, 5]
    await here.settled(await here.chats.ask(chat.id, "What is 1 + 1?", options))
    assert [record["prompt"]["messages"] for record in await asked(options.model)][4:] == [7, 9]


async def test_of_two_who_ask_at_once_one_is_answered(sides: tuple[Side, Side]) -> None:
    """The other hears that the conversation is busy, and no run of it was begun."""
    here, there = sides
    chat = await here.settled(await here.chats.ask(None, "q", says("a")))
    for number in range(5):
        before = here.runs.started + there.runs.started
        answers = await asyncio.gather(
            *[side.chats.ask(chat.id, f"q{number}", says("a")) for side in (here, there, here, there)],
            return_exceptions=True,
        )
        kinds = [type(answer) for answer in answers]
        assert (kinds.count(Chat), kinds.count(Busy)) == (1, 3)
        assert here.runs.started + there.runs.started == before + 1
        chat = await here.settled(chat)
        assert len(chat.turns) == number + 2


async def test_a_conversation_is_busy_everywhere_until_its_run_was_stopped_anywhere(sides: tuple[Side, Side]) -> None:
    """And then it goes on, with the text so far."""
    here, there = sides
    chat = await here.chats.ask(None, "q", Options(demo_model(**ENDLESS)))
    log = await there.hub.open(chat.turns[0].run_id) if await begun(here, chat) else None
    assert log
    with pytest.raises(Busy):
        await there.chats.ask(chat.id, "again", says("a"))
    with anyio.fail_after(PATIENCE):
        while log.seq < 3:
            await log.grown()
    await there.chats.stop(chat.id)
    chat = await there.settled(chat)
    assert chat.turns[0].outcome
    assert chat.turns[0].outcome.status == "stopped"
    assert chat.turns[0].outcome.text.startswith("word1")
    assert len((await there.chats.ask(chat.id, "again", says("a"))).turns) == 2


async def begun(side: Side, chat: Chat) -> bool:
    """Once Redis has the log of its run."""
    await side.hub.open(chat.turns[-1].run_id)
    return True


async def test_a_refusal_leaves_the_conversation_as_it_was_everywhere(
    redis_server: RedisServer, models: Models
) -> None:
    """When there is no room for a run; a new one is not begun."""
    async with a_side(redis_server.url, models, live=1) as here, a_side(redis_server.url, models) as there:
        chat = await here.settled(await here.chats.ask(None, "q", says("kept")))
        await here.chats.ask(None, "other", Options(demo_model(**ENDLESS)))
        for act in (here.chats.ask(chat.id, "more", says("a")), here.chats.regenerate(chat.id, says("a"))):
            with pytest.raises(TooManyRuns):
                await act
            assert await there.chats.get(chat.id) == chat


async def test_an_unknown_conversation_is_unknown_everywhere(sides: tuple[Side, Side]) -> None:
    """Also to a store that knows others."""
    for side in sides:
        with pytest.raises(UnknownChat):
            await side.chats.ask(name(), "q", says("a"))


async def dead_turn(side: Side, run_id: str, asked_at: float | None = None) -> Chat:
    """A conversation whose last question is answered by a run of another process."""
    turn = Turn("q", Options("demo"), run_id, time.time() if asked_at is None else asked_at)
    chat = Chat(name(), (turn,))
    assert await side.chats._chats.add(chat.id, chat)
    await side.chats._chat_ids.put(run_id, chat.id)
    return chat


async def test_a_producer_that_dies_does_not_leave_its_conversation_busy(
    redis_server: RedisServer, sides: tuple[Side, Side]
) -> None:
    """Killed in the middle: busy until its log has its end, then lost, with the text that the log has."""
    here, there = sides
    run_id = new_run_id()
    with producer(redis_server.url, run_id, LEASE) as dying:
        chat = await dead_turn(here, run_id)
        log = await here.hub.open(run_id)
        with anyio.fail_after(PATIENCE):
            while log.seq < 5:
                await log.grown()
        assert (await there.chats.get(chat.id)).live
        dying.kill()
        with pytest.raises(Busy):
            await there.chats.ask(chat.id, "again", says("a"))
        chat = await there.settled(chat)
    outcome = chat.turns[0].outcome
    assert outcome
    assert (outcome.status, outcome.code) == ("lost", "producer_lost")
    await until(lambda: log.done is not None)
    assert outcome.text == "".join(content(event) for event in log.since(0) if event.type == "text_delta")
    assert outcome.text.startswith("begin 1 2 ")
    assert here.hub.taken_over + there.hub.taken_over == 1
    assert len((await here.chats.ask(chat.id, "again", says("a"))).turns) == 2


async def test_what_a_lost_run_said_is_kept_when_nobody_looks_at_the_conversation(
    redis_server: RedisServer, sides: tuple[Side, Side]
) -> None:
    """Whoever ends its log in its place sees to that: the log goes after minutes, the conversation stays."""
    here, _ = sides
    run_id = new_run_id()
    with producer(redis_server.url, run_id, LEASE) as dying:
        chat = await dead_turn(here, run_id)
        log = await here.hub.open(run_id)
        dying.kill()
        await until(lambda: log.done is not None)

    async def closed() -> bool:
        kept = await here.chats._chats.get(chat.id)
        return kept is not None and kept.document.live is None

    await soon(closed)


async def test_a_run_without_a_log_is_lost(sides: tuple[Side, Side]) -> None:
    """Its process died before it began, or the log has gone; one that was just asked for may still begin."""
    here, _ = sides
    late = await dead_turn(here, new_run_id(), time.time() - conversations.BEGINNING - 1)
    early = await dead_turn(here, new_run_id())
    (turn,) = (await here.chats.get(late.id)).turns
    assert turn.outcome == conversations.LOST
    assert (await here.chats.get(early.id)).live


async def test_what_the_producer_says_counts_over_what_others_concluded(sides: tuple[Side, Side]) -> None:
    """A process that was thought dead, and is not."""
    here, there = sides
    chat = await here.chats.ask(None, "q", Options(demo_model(chunks=20, rate=50)))
    known = await there.chats._chats.get(chat.id)
    assert known
    assert await there.chats._close(known, conversations.LOST)
    await until(lambda: not here.chats._outcomes)
    (turn,) = (await there.chats.get(chat.id)).turns
    assert turn.outcome
    assert turn.outcome.status == "completed"


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


Pair = tuple[Served, Served]


@asynccontextmanager
async def pair(*urls: str, **settings: Any) -> AsyncIterator[Pair]:
    common: dict[str, Any] = {
        "gateway_secret": SecretStr("s" * 32),
        "gateway_tokens": (SecretStr(f"ada:{SECRET}"),),
    } | settings
    here, there = (served(redis_url=SecretStr(url), **common) for url in urls)
    async with here as first, there as second:
        for lab in (first, second):
            lab.client.headers.update(BEARER)
        yield first, second


@pytest.fixture(scope="module")
async def gateways(anyio_backend: str, redis_server: RedisServer) -> AsyncIterator[Pair]:
    """As nginx has them behind it."""
    async with pair(
        redis_server.url, redis_server.url, gateway_max_runs=500, gateway_runs_per_minute=10_000
    ) as gateways:
        yield gateways


async def ask(lab: Served, route: str = "/runs", key: str | None = None, **body: Any) -> httpx2.Response:
    headers = {"idempotency-key": key} if key else {}
    return await lab.client.post(route, json={"message": "q", "model": demo_model()} | body, headers=headers)


async def has_ended(lab: Served, run_id: str) -> None:
    async def ended() -> bool:
        return bool((await lab.client.get(f"/runs/{run_id}")).json()["status"] != "live")

    await soon(ended)


async def test_a_conversation_goes_on_at_the_other_gateway(gateways: Pair) -> None:
    """With its model and settings; one question at a time, wherever it is asked."""
    here, there = gateways
    model = demo_model(**ENDLESS)
    first = (await ask(here, model=model, temperature=0.5)).json()
    goes_on = {"message": "and?", "conversation": first["conversation"]}
    assert is_refusal(await there.client.post("/runs", json=goes_on), 409, "conversation_busy")
    assert (await there.client.delete(f"/runs/{first['id']}")).status_code == 202
    await has_ended(there, first["id"])
    second = await there.client.post("/runs", json=goes_on)
    assert second.status_code == 201
    assert second.json()["model"] == model
    assert second.json()["conversation"] == first["conversation"]
    assert (await there.client.delete(f"/runs/{second.json()['id']}")).status_code == 202
    turns = (await here.engine.chats.get(first["conversation"])).turns
    assert [turn.question for turn in turns] == ["q", "and?"]
    assert turns[1].options == turns[0].options
    assert is_refusal(await ask(there, conversation="nobody"), 404, "unknown_conversation")


async def test_a_stream_opens_with_its_conversation_at_either_gateway(gateways: Pair) -> None:
    """For whoever may go on with it; a follow token learns the model alone."""
    here, there = gateways
    started = (await ask(here)).json()
    await has_ended(there, started["id"])
    token = (await there.client.post(f"/runs/{started['id']}/token")).json()["token"]
    for params, conversation in (({}, started["conversation"]), ({"token": token}, None)):
        async with httpx2.AsyncClient(base_url=there.url) as client:
            response = await client.get(
                f"/runs/{started['id']}/events", params=params, headers={} if params else BEARER
            )
        opening = parse_stream(response.content)[0].json
        assert (opening["conversation"], opening["model"]) == (conversation, started["model"])


async def test_one_key_is_one_run_at_both_gateways(gateways: Pair) -> None:
    """One after the other, twenty at once, and as a stream."""
    here, there = gateways
    body = {"model": demo_model()}
    key = name()
    before = here.engine.runs.started + there.engine.runs.started
    answers = await asyncio.gather(*[ask(lab, key=key, **body) for lab in (here, there) * 10])
    assert {answer.status_code for answer in answers} == {201}
    (run_id,) = {answer.json()["id"] for answer in answers}
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19
    assert here.engine.runs.started + there.engine.runs.started == before + 1
    await has_ended(there, run_id)
    for lab in (here, there):
        stream = await ask(lab, "/chat", key=key, **body)
        assert stream.headers["x-run-id"] == run_id
        assert log_events(parse_stream(stream.content))[-1].type == "done"
        assert is_refusal(await ask(lab, key=key, **body | {"message": "other"}), 409, "idempotency_conflict")


async def test_a_key_whose_first_request_takes_long_is_in_progress(
    gateways: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """409 says when to come back; a refused request gives its key back."""
    here, there = gateways
    monkeypatch.setattr(asking, "WAIT", 0.2)
    key, body = name(), {"model": demo_model()}
    slow = asyncio.Event()
    chats_ask = here.engine.chats.ask

    async def ask_slowly(*args: Any) -> Chat:
        await slow.wait()
        return await chats_ask(*args)

    monkeypatch.setattr(here.engine.chats, "ask", ask_slowly)
    first = asyncio.create_task(ask(here, key=key, **body))

    async def in_progress() -> bool:
        response = await ask(there, key=key, **body)
        if response.status_code == 201:  # it was faster than the first one
            return False
        assert is_refusal(response, 503, "idempotency_in_progress")
        assert response.headers["retry-after"] == "1"
        return True

    async def claimed() -> bool:
        async with Redis.from_url(here.engine.settings.redis_url.get_secret_value()) as redis:  # type: ignore[union-attr]
            return any(
                [b'"started": null' in (await redis.get(found) or b"") async for found in redis.scan_iter("lab:key:*")]
            )

    await soon(claimed)
    assert await in_progress()
    slow.set()
    assert (await first).status_code == 201
    again = await ask(there, key=key, **body)
    assert again.json()["id"] == first.result().json()["id"]
    refused = name()
    assert is_refusal(await ask(there, key=refused, message=" "), 422, "invalid_request")
    assert (await ask(here, key=refused)).status_code == 201


async def test_a_caller_that_leaves_does_not_leave_half_of_it_done(gateways: Pair) -> None:
    """The run begins, its key is remembered, and it counts."""
    here, there = gateways
    asked = asking.ChatRequest(message="q", model=demo_model())
    key = name()
    caller = Caller("127.0.0.1", "localhost", authorization=BEARER["authorization"])
    grant = here.gateway.access.identify(caller)
    leaving = asyncio.create_task(here.gateway.ask(asked, grant, key))
    before = here.engine.runs.started
    await asyncio.sleep(0)
    await until(lambda: any(task.get_name() == "shared" for task in asyncio.all_tasks()))
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await until(lambda: here.engine.runs.started == before + 1)
    again = await there.gateway.ask(asked, grant, key)
    assert again.repeated


async def test_a_revoked_token_ends_its_streams_at_both_gateways(gateways: Pair) -> None:
    """Within moments; a token that is issued afterwards is good at both."""
    here, there = gateways
    log = here.log(delta())
    await here.engine.hub.open(log.run_id)
    elsewhere = await there.engine.hub.open(log.run_id)
    token = (await here.client.post(f"/runs/{log.run_id}/token")).json()["token"]
    del there.client.headers["authorization"], here.client.headers["authorization"]
    try:
        async with here.follow(log, token=token) as reading, there.follow(elsewhere, token=token) as other:
            revoked = await here.client.delete(f"/runs/{log.run_id}/token", headers=BEARER)
            assert revoked.status_code == 204
            for each in (reading, other):
                await each.end()
                assert each.parser.events[-1].json == {"code": "revoked"}
        for lab in (here, there):
            assert is_refusal(await lab.get(log, token=token), 401, "revoked_follow_token")
            new = (await lab.client.post(f"/runs/{log.run_id}/token", headers=BEARER)).json()["token"]
            assert (await lab.client.get(f"/runs/{log.run_id}", params={"token": new})).status_code == 200
    finally:
        for lab in gateways:
            lab.client.headers.update(BEARER)
        log.append(Done("stopped", at=0.0))


async def test_a_gateway_that_starts_knows_what_was_revoked(gateways: Pair) -> None:
    """Before it serves anybody."""
    here, _ = gateways
    log = here.log(delta())
    token = here.gateway.access.issue(log.run_id)
    await here.gateway.revoke(log)
    url = here.engine.settings.redis_url
    assert url
    async with served(redis_url=url, gateway_secret=SecretStr("s" * 32), gateway_tokens=(SecretStr(SECRET),)) as third:
        await here.engine.hub.open(log.run_id)
        response = await third.client.get(f"/runs/{log.run_id}", params={"token": token})
        assert is_refusal(response, 401, "revoked_follow_token")
    log.append(Done("stopped", at=0.0))


async def test_limits_hold_over_both_gateways(redis_server: RedisServer) -> None:
    """Live runs and runs in a minute of one token, wherever they began; an ended one is free at the other at once."""
    ada = (SecretStr(f"{name()}:{SECRET}"),)
    async with pair(
        redis_server.url, redis_server.url, gateway_max_runs=2, gateway_runs_per_minute=3, gateway_tokens=ada
    ) as (here, there):
        silent = [(await ask(lab, model=demo_model(fault="silent"))).json()["id"] for lab in (here, there)]
        for lab in (here, there):
            refused = await ask(lab)
            assert is_refusal(refused, 429, "too_many_live_runs")
            assert refused.headers["retry-after"] == "5"
        assert (await there.client.delete(f"/runs/{silent[0]}")).status_code == 202
        await has_ended(there, silent[0])

        async def room() -> bool:
            return (await ask(there)).status_code == 201

        await soon(room)
        assert (await there.client.delete(f"/runs/{silent[1]}")).status_code == 202

        async def none_live() -> bool:
            return not list(
                await here.engine.hub.shared.names(
                    here.gateway._limits._memberships(ada[0].get_secret_value().split(":")[0])[0]
                )
            )

        await soon(none_live)
        for lab in (here, there):
            refused = await ask(lab)
            assert is_refusal(refused, 429, "too_many_runs")
            assert 1 <= int(refused.headers["retry-after"]) <= 60


async def test_a_refused_question_does_not_count(gateways: Pair) -> None:
    """Neither among the live ones nor in the minute."""
    here, _ = gateways
    memberships = here.gateway._limits._memberships("ada")
    before = [set(await here.engine.hub.shared.names(membership)) for membership in memberships]
    assert is_refusal(await ask(here, message=" "), 422, "invalid_request")
    assert is_refusal(await ask(here, conversation="nobody"), 404, "unknown_conversation")
    after = [set(await here.engine.hub.shared.names(membership)) for membership in memberships]
    assert all(now <= former for now, former in zip(after, before, strict=True))


async def test_a_live_run_is_counted_for_as_long_as_it_is_live(gateways: Pair) -> None:
    """Its slot is renewed by its process, also after Redis came back empty."""
    here, there = gateways
    started = (await ask(here, model=demo_model(fault="silent"))).json()
    slot = here.gateway._limits._slots[started["id"]]
    await here.engine.hub.shared.leave([slot[0]], slot[1])
    assert slot[1] not in await there.engine.hub.shared.names(slot[0])
    await here.gateway._limits.renew()
    assert slot[1] in await there.engine.hub.shared.names(slot[0])
    await there.client.delete(f"/runs/{started['id']}")

    async def gone() -> bool:
        return slot[1] not in await there.engine.hub.shared.names(slot[0])

    await soon(gone)


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


def shown_on(app: AppTest) -> str:
    """The Markdown of the page's answers."""
    return "\n".join(each.value for message in app.chat_message for each in message.markdown)


def test_a_page_shows_a_conversation_of_another_process(redis_server: RedisServer) -> None:
    """Live and finished, by its address, and goes on with it."""
    url = SecretStr(redis_server.url)
    with engine_in_thread(Settings(_env_file=None, redis_url=url)) as elsewhere:
        options = Options(demo_model(text="said elsewhere", rate=200), "Be brief.")
        chat = elsewhere.portal.call(elsewhere.chats.ask, None, "What is streaming?", options)
        with serving(redis_url=url):
            app = visit("chat", "en", chat=chat.id)
            assert "said elsewhere" in shown_on(app)
            assert app.text_area(key="settings.system").value == "Be brief."
            checked(app.chat_input[0].set_value("What is a token?").run())
        turns = elsewhere.portal.call(elsewhere.chats.get, chat.id).turns
    assert [turn.question for turn in turns] == ["What is streaming?", "What is a token?"]
    assert all(turn.outcome and turn.outcome.status == "completed" for turn in turns)


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
        assert {texts(language)["notice.unreachable"], texts(language)["chat.unreachable"]} <= warnings
        assert texts(language)["chat.unknown"] not in warnings
        assert app.chat_input[0].proto.value == "asked in vain"
        assert app.query_params["chat"] == chat.id
        own_redis.start()
        again = visit("chat", language, chat=chat.id)
        assert "kept" in shown_on(again)
        assert not again.warning
        assert engine.runs.started == 1


# Figures


def figure(text: str, series: str) -> float:
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(series + " "))


@pytest.mark.parametrize("tokens", [(), (SecretStr(SECRET),)])
async def test_the_metrics_token_reads_the_figures_and_nothing_else(tokens: tuple[SecretStr, ...]) -> None:
    """Access tokens read them too, a follow token does not."""
    async with served(gateway_tokens=tokens, gateway_metrics_token=SecretStr("only-figures")) as lab:
        log = lab.log(delta())
        figures = {"authorization": "Bearer only-figures"}
        assert (await lab.client.get("/metrics", headers=figures)).status_code == 200
        assert (await lab.client.get("/metrics", headers=BEARER)).status_code == 200
        if tokens:
            for method, path in (("GET", f"/runs/{log.run_id}"), ("POST", f"/runs/{log.run_id}/token")):
                response = await lab.client.request(method, path, headers=figures)
                assert is_refusal(response, 401, "invalid_access_token")
            wrong = await lab.client.get("/metrics", headers={"authorization": "Bearer only-figure"})
            assert is_refusal(wrong, 401, "invalid_access_token")
            assert is_refusal(await lab.client.get("/metrics"), 401, "unauthorized")
            follow = lab.gateway.access.issue(log.run_id)
            assert is_refusal(await lab.client.get("/metrics", params={"token": follow}), 401, "unauthorized")
        else:
            forwarded = await lab.client.get("/metrics", headers=figures | {"x-forwarded-for": "10.0.0.1"})
            assert is_refusal(forwarded, 403, "not_local")


async def test_each_run_that_wrote_text_tells_its_time_to_first_token(gateways: Pair) -> None:
    """Once, when it has ended; a run without text tells none."""
    here, _ = gateways
    series = "streamlab_run_first_token_seconds"
    await until(lambda: here.engine.runs.live == 0)
    before = (await here.client.get("/metrics")).text
    for model in (demo_model(first=0.3), demo_model(fault="key")):
        await has_ended(here, (await ask(here, model=model)).json()["id"])
    await until(lambda: here.engine.runs.live == 0)
    after = (await here.client.get("/metrics")).text
    assert figure(after, f"{series}_count") == figure(before, f"{series}_count") + 1
    assert figure(after, f"{series}_sum") - figure(before, f"{series}_sum") >= 0.25
    assert figure(after, "streamlab_runs_taken_over_total") == 0


# A real process that is really killed


class GatewayProcess:
    """`python -m streamlab.gateway` with this Redis."""

    def __init__(self, folder: Path, redis: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        environment = {"REDIS_URL": redis, "GATEWAY_TOKENS": f"ada:{SECRET}", "GATEWAY_SECRET": "s" * 32}
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamlab.gateway", "--port", str(self.port)],
            cwd=ROOT,
            env=os.environ | environment | {"LAB_GRPC_PORT": "0"},
            stdout=self._log,
            stderr=self._log,
        )

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()


@pytest.fixture
def doomed(tmp_path: Path, redis_server: RedisServer) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path, redis_server.url)
    try:
        yield process
    finally:
        process.close()


@pytest.mark.soak
async def test_a_gateway_that_is_killed_leaves_nothing_busy(doomed: GatewayProcess, gateways: Pair) -> None:
    """Its conversation is closed with the text that was there, its key leads to its run, and others count it lost."""
    here, _ = gateways
    before = figure((await here.client.get("/metrics")).text, "streamlab_runs_taken_over_total")
    url = f"http://127.0.0.1:{doomed.port}/api"
    key, body = name(), {"message": "q", "model": demo_model(**ENDLESS)}
    async with httpx2.AsyncClient(base_url=url, headers=BEARER) as client:

        async def ready() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx2.TransportError:
                return False

        await soon(ready, 3 * PATIENCE)
        started = (await client.post("/runs", json=body, headers={"idempotency-key": key})).json()
    log = await here.engine.hub.open(started["id"])
    with anyio.fail_after(PATIENCE):
        while log.seq < 10:
            await log.grown()
    doomed.kill()
    goes_on = {"conversation": started["conversation"], "model": demo_model()}
    assert is_refusal(await ask(here, **goes_on), 409, "conversation_busy")
    assert (await ask(here, key=key, **body)).json()["id"] == started["id"]
    await until_done(log)
    assert (await ask(here, **goes_on)).status_code == 201
    turn = (await here.engine.chats.get(started["conversation"])).turns[0]
    assert turn.outcome
    assert turn.outcome.status == "lost"
    assert turn.outcome.text == "".join(content(event) for event in log.since(0) if event.type == "text_delta")
    assert figure((await here.client.get("/metrics")).text, "streamlab_runs_taken_over_total") == before + 1


async def until_done(log: Any) -> None:
    with anyio.fail_after(PATIENCE), log.follow() as follower:
        while await follower.batch():
            pass
