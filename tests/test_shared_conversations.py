"""Conversations in two processes: busy, answered and lost alike in both."""

import asyncio
import time
from collections.abc import AsyncIterator

import anyio
import pytest

from streamlab.chats import chats as conversations
from streamlab.chats.chat import LOST, Busy, Chat, Turn, UnknownChat
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.runs.run import TooManyRuns, new_run_id
from tests.conftest import Asked, demo_model, until
from tests.events import content
from tests.redis_server import RedisServer, producer
from tests.shared import ENDLESS, LEASE, PATIENCE, Side, a_side, name, says, soon

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sides(redis_server: RedisServer, models: Models) -> AsyncIterator[tuple[Side, Side]]:
    """Two processes on one Redis, as far as they know."""
    async with a_side(redis_server.url, models) as here, a_side(redis_server.url, models) as there:
        yield here, there


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
    endless = Options(demo_model(**ENDLESS))  # however long the others take to ask, it is not over
    for number in range(5):
        before = here.runs.started + there.runs.started
        answers = await asyncio.gather(
            *[side.chats.ask(chat.id, f"q{number}", endless) for side in (here, there, here, there)],
            return_exceptions=True,
        )
        kinds = [type(answer) for answer in answers]
        assert (kinds.count(Chat), kinds.count(Busy)) == (1, 3)
        assert here.runs.started + there.runs.started == before + 1
        await there.chats.stop(chat.id)
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
    assert turn.outcome == LOST
    assert (await here.chats.get(early.id)).live


async def test_what_the_producer_says_counts_over_what_others_concluded(sides: tuple[Side, Side]) -> None:
    """A process that was thought dead, and is not."""
    here, there = sides
    chat = await here.chats.ask(None, "q", Options(demo_model(chunks=20, rate=50)))
    known = await there.chats._chats.get(chat.id)
    assert known
    assert await there.chats._close(known, LOST)
    await until(lambda: not here.chats._outcomes)
    (turn,) = (await there.chats.get(chat.id)).turns
    assert turn.outcome
    assert turn.outcome.status == "completed"
