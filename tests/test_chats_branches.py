"""Branches of a conversation, what readers thought of its answers, and addresses that can only be read."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.chats import branches
from streamlab.chats.chat import CHATS, LOST, NOTE_CHARACTERS, Busy, Chat, Feedback, Turn, UnknownChat
from streamlab.chats.chats import Chats
from streamlab.chats.history import text_of
from streamlab.chats.readers import Readers, is_reader
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from tests.chats import settled
from tests.conftest import demo_model
from tests.redis_server import RedisServer
from tests.shared import ENDLESS, a_side, says

BEFORE = Path(__file__).parent / "cases/chats/before_branches.json"
DEMO = Options("demo")


def asked(chat: Chat, run_id: str, at: float, after: str | None = None) -> Chat:
    """Return the conversation after a question more, as `Chats.ask` makes it."""
    chat = chat if after is None else branches.cut(chat, after)
    return replace(chat, turns=(*chat.turns, Turn(f"q {run_id}", DEMO, run_id, at, LOST)))


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_no_turn_is_ever_lost_and_each_is_reached(count: int, chance: random.Random) -> None:
    """Wherever questions are asked, every turn is on a branch, behind the one that it came after."""
    chat, parents = Chat("id"), dict[str, str]()
    for number in range(count):
        after = chance.choice(["", *parents])
        parents[str(number)] = after
        chat = asked(chat, str(number), float(number), after)
    assert sorted(turn.run_id for turn in chat.all_turns) == sorted(parents)
    for run_id, after in parents.items():
        path = [turn.run_id for turn in branches.branch(chat, run_id)]
        assert run_id in path
        assert [parents[run] for run in path] == ["", *path[:-1]]
        assert branches.before(chat, run_id) == after
        assert branches.versions(chat, run_id) == tuple(run for run in parents if parents[run] == after)
    kept = CHATS.decode(CHATS.encode(chat))
    assert kept == chat
    anew = branches.answering_anew(chat, chance.choice(list(parents)))
    for turn in anew.all_turns:
        assert turn in branches.branch(anew, turn.run_id)


def test_a_document_from_before_there_were_branches_opens() -> None:
    """As it was written then; and is branched like any other."""
    chat = CHATS.decode(BEFORE.read_bytes())
    assert [turn.question for turn in chat.turns] == ["First?", "次は？"]
    assert chat.turns[0].outcome
    assert chat.turns[0].outcome.tools[0].result == {"value": 2}
    assert chat.asides == ()
    assert [turn.feedback for turn in chat.turns] == [None, None]
    edited = asked(chat, "run-3", 1_800_000_000.0, after="run-1")
    assert branches.versions(edited, "run-3") == ("run-2", "run-3")
    assert CHATS.decode(CHATS.encode(edited)) == edited


def test_the_end_of_an_answer_is_one_of_the_versions_that_are_expected() -> None:
    """And nothing else that may happen meanwhile."""
    live = Chat("id", (Turn("q", DEMO, "1", 0.0),))
    for status in ("completed", "failed", "stopped", "lost"):
        ended = replace(live, turns=(replace(live.turns[0], outcome=replace(LOST, status=status)),))
        assert ended.version in live.versions
        assert ended.versions == (ended.version,)
    renamed = replace(ended, title="Another")
    rated = replace(ended, turns=(replace(ended.turns[0], feedback=Feedback("up")),))
    assert not {renamed.version, rated.version, asked(ended, "2", 1.0).version} & {*live.versions}


@pytest.fixture
async def chats(redis_server: RedisServer, models: Models) -> AsyncIterator[Chats]:
    async with a_side(redis_server.url, models) as side:
        yield side.chats


@pytest.mark.anyio
async def test_an_edited_question_branches_the_conversation(chats: Chats) -> None:
    """The model is told what came before it, both branches stay, and one can be gone on with."""
    chat = await settled(chats, await chats.ask(None, "q1", says("a1")))
    chat = await settled(chats, await chats.ask(chat.id, "q2", says("a2")))
    first, second = chat.turns
    chat = await settled(chats, await chats.ask(chat.id, "q2 edited", says("a3"), after=first.run_id))
    assert [turn.question for turn in chat.turns] == ["q1", "q2 edited"]
    assert [turn.question for turn in branches.branch(chat, second.run_id)] == ["q1", "q2"]
    chat = await settled(chats, await chats.ask(chat.id, "q3", says("a4"), after=second.run_id))
    assert [turn.question for turn in chat.turns] == ["q1", "q2", "q3"]
    chat = await settled(chats, await chats.ask(chat.id, "q1 edited", says("a5"), after=""))
    assert [turn.question for turn in chat.turns] == ["q1 edited"]
    assert {"q1", "q2", "q2 edited", "q3"} <= {aside.turn.question for aside in chat.asides}
    assert all(word in text_of(chat) for word in ("q2 edited", "a2", "a5"))
    with pytest.raises(UnknownChat):
        await chats.ask(chat.id, "q", says("a"), after="no such run")


@pytest.mark.anyio
async def test_an_answer_of_another_branch_is_given_anew(chats: Chats) -> None:
    """It replaces the former one, and its branch is the one that is gone on with."""
    chat = await settled(chats, await chats.ask(None, "q1", says("a1")))
    first = chat.turns[0]
    chat = await settled(chats, await chats.ask(chat.id, "q1 edited", says("a2"), after=""))
    chat = await settled(chats, await chats.regenerate(chat.id, says("a3"), first.run_id))
    assert [turn.question for turn in chat.turns] == ["q1"]
    assert [aside.turn.question for aside in chat.asides] == ["q1 edited"]
    assert first.run_id not in {turn.run_id for turn in chat.all_turns}


@pytest.mark.anyio
async def test_nothing_branches_while_an_answer_arrives(chats: Chats) -> None:
    """There is one answer at a time in a conversation, on all its branches."""
    chat = await chats.ask(None, "q1", Options(demo_model(**ENDLESS)))
    for after in (None, "", "no such run"):
        with pytest.raises(Busy):
            await chats.ask(chat.id, "q2", says("a"), after=after)
    await chats.stop(chat.id)
    await settled(chats, chat)


@pytest.mark.anyio
async def test_what_was_thought_of_an_answer_is_kept(chats: Chats) -> None:
    """On every branch, also while another answer arrives; a note is bounded, and all can be taken back."""
    chat = await settled(chats, await chats.ask(None, "q1", says("a1")))
    run_id = chat.turns[0].run_id
    chat = await chats.ask(chat.id, "q1 edited", Options(demo_model(**ENDLESS)), after="")
    await chats.rate(chat.id, run_id, Feedback("down", "n" * 3_000))
    await chats.stop(chat.id)
    chat = await settled(chats, chat)
    assert chat.asides[0].turn.feedback == Feedback("down", "n" * NOTE_CHARACTERS)
    assert (await chats.rate(chat.id, run_id, None)).asides[0].turn.feedback is None
    with pytest.raises(UnknownChat):
        await chats.rate("unknown", run_id, None)


@pytest.mark.anyio
async def test_whoever_has_an_address_for_reading_can_only_read(redis_server: RedisServer, models: Models) -> None:
    """Nothing that changes a conversation knows of it, and it tells neither the conversation's id nor its owner's."""
    async with a_side(redis_server.url, models) as side:
        chats, readers = side.chats, Readers(side.chats, side.hub.shared)
        chat = await settled(chats, await chats.ask(None, "q1", says("a1"), browser="me"))
        reader_id = await readers.share(chat.id)
        assert is_reader(reader_id)
        assert reader_id == await readers.share(chat.id)
        seen = await readers.read(reader_id)
        assert (seen.turns, seen.version) == (chat.turns, chat.version)
        assert chat.id not in repr(seen)
        assert "me" not in (seen.browser, seen.owner)
        assert (await readers.read(chat.id)) == chat
        assert await readers.chat_id(reader_id) == chat.id
        run_id = chat.turns[0].run_id
        for attempt in (
            chats.ask(reader_id, "q", says("a")),
            chats.ask(reader_id, "q", says("a"), after=""),
            chats.regenerate(reader_id, says("a")),
            chats.rate(reader_id, run_id, Feedback("up")),
            chats.stop(reader_id),
            readers.share(reader_id),
            readers.read("read-nothing"),
        ):
            with pytest.raises(UnknownChat):
                await attempt
        assert await chats.get(chat.id) == chat
