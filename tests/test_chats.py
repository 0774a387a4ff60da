"""Conversations: what they accept, what they keep, what the model is told, and when they go."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from streamlab.agent.tasks import Agents
from streamlab.chats import chats as module
from streamlab.chats.chat import CHATS, KEPT, Busy, Chat, UnknownChat
from streamlab.chats.chats import Chats
from streamlab.hub import UnknownRun
from streamlab.hub.memory.shared import MemoryShared
from streamlab.models.options import QUESTION_CHARACTERS, InvalidQuestion, Options
from streamlab.runs.run import TooManyRuns
from tests.chats import HISTORY, ask, settled
from tests.conftest import PATIENCE, Asked, Endpoint, Lab, MakeLab, demo_model, http, provider, raw_endpoint, sse, until

pytestmark = pytest.mark.anyio


def make(lab: Lab, history_tokens: int = HISTORY) -> Chats:
    agents = Agents(lab.runs, lab.models, lab.hub, history_tokens)
    return Chats(lab.runs, lab.models, agents, lab.hub, history_tokens)


@pytest.fixture
def chats(lab: Lab) -> Chats:
    return make(lab)


def says(text: str, **options: object) -> Options:
    return Options(demo_model(text=text, **options), temperature=0)


ENDLESS = {"chunks": 100_000, "rate": 50}


async def test_a_question_begins_a_conversation_and_its_outcome_stays(chats: Chats) -> None:
    """Live until its run has ended, then with what became of it."""
    options = says("whole")
    begun = await chats.ask(None, "q", options)
    assert begun.live == begun.turns[0]
    assert (begun.live.question, begun.live.options, begun.live.outcome) == ("q", options, None)
    assert abs(begun.live.asked_at - time.time()) < PATIENCE
    chat = await settled(chats, begun)
    assert chat.live is None
    (turn,) = chat.turns
    assert turn.outcome
    assert (turn.run_id, turn.outcome.text, turn.outcome.status) == (begun.live.run_id, "whole", "completed")


async def test_a_conversation_that_was_read_does_not_change(chats: Chats) -> None:
    """Any thread may hold one; what happens later is in a new one."""
    begun = await chats.ask(None, "q", says("whole"))
    copy = replace(begun)
    await settled(chats, begun)
    assert begun == copy


async def test_conversations_do_not_mix(chats: Chats) -> None:
    """Each has its own id, which cannot be guessed, and its own turns."""
    first, second = await ask(chats, None, "1", says("a")), await ask(chats, None, "2", says("b"))
    assert len({first.id, second.id}) == 2
    assert min(len(first.id), len(second.id)) >= 22
    first = await ask(chats, first, "3", says("c"))
    assert [turn.question for turn in first.turns] == ["1", "3"]
    assert [turn.question for turn in (await chats.get(second.id)).turns] == ["2"]


@pytest.mark.parametrize("question", ["", " ", "\n\t\u3000\u2028"])
async def test_a_question_without_a_word_is_refused(chats: Chats, question: str) -> None:
    """With the code `empty`; no conversation has begun."""
    with pytest.raises(InvalidQuestion) as caught:
        await chats.ask(None, question, says("a"))
    assert caught.value.code == "empty"


async def test_a_question_may_have_32000_characters_and_no_more(chats: Chats, lab: Lab) -> None:
    """The longest is answered, one more is refused with its length."""
    assert (await ask(chats, None, "字" * QUESTION_CHARACTERS, says("a"))).turns[0].outcome
    with pytest.raises(InvalidQuestion) as caught:
        await chats.ask(None, "x" * (QUESTION_CHARACTERS + 1), says("a"))
    assert (caught.value.code, caught.value.length) == ("too_long", 32_001)
    assert len(lab.hub) == 1


async def test_a_conversation_that_is_being_answered_is_busy(chats: Chats) -> None:
    """Neither asked nor answered anew until its run has ended; nothing has changed."""
    chat = await chats.ask(None, "q", says("", **ENDLESS))
    with pytest.raises(Busy):
        await chats.ask(chat.id, "again", says("a"))
    with pytest.raises(Busy):
        await chats.regenerate(chat.id, says("a"))
    assert (await chats.get(chat.id)).turns == chat.turns
    await chats.stop(chat.id)
    chat = await settled(chats, chat)
    assert (await ask(chats, chat, "again", says("a"))).turns[1].outcome


async def test_a_refusal_changes_nothing(make_lab: MakeLab) -> None:
    """When there is no room for a run, the conversation is as it was; the former answer stays."""
    chats = make(make_lab(live=1))
    chat = await ask(chats, None, "q", says("kept"))
    await chats.ask(None, "other", Options(demo_model(**ENDLESS)))
    with pytest.raises(TooManyRuns):
        await chats.ask(chat.id, "more", says("a"))
    with pytest.raises(TooManyRuns):
        await chats.regenerate(chat.id, says("a"))
    assert (await chats.get(chat.id)).turns == chat.turns


async def test_an_unknown_conversation_is_a_key_error(chats: Chats) -> None:
    """Whatever is wanted of it."""
    for act in (chats.get, chats.stop):
        with pytest.raises(UnknownChat):
            await act("nobody")
    with pytest.raises(UnknownChat):
        await chats.ask("nobody", "q", says("a"))
    with pytest.raises(UnknownChat):
        await chats.regenerate("nobody", says("a"))


async def test_regenerate_answers_the_last_question_anew(chats: Chats) -> None:
    """The former answer goes, the turns before it stay."""
    chat = await ask(chats, None, "1", says("a"))
    chat = await ask(chats, chat, "2", says("b"))
    again = await chats.regenerate(chat.id, says("c"))
    assert [turn.question for turn in again.turns] == ["1", "2"]
    again = await settled(chats, again)
    assert [turn.outcome.text for turn in again.turns if turn.outcome] == ["a", "c"]


async def test_stop_keeps_the_text_and_reaches_the_model(chats: Chats, asked: Asked, lab: Lab) -> None:
    """What came so far is the answer; stopping what is not live changes nothing."""
    model = demo_model(**ENDLESS)
    chat = await chats.ask(None, "q", Options(model))
    await lab.until(chat.turns[0].run_id, "text_delta", 3)
    await chats.stop(chat.id)
    chat = await settled(chats, chat)
    outcome = chat.turns[0].outcome
    assert outcome
    assert outcome.status == "stopped"
    assert outcome.text.startswith("word1")
    assert [record["ended"] for record in await asked(model)] == ["disconnected"]
    await chats.stop(chat.id)
    assert (await chats.get(chat.id)).turns == chat.turns


async def test_the_outcome_outlives_the_log(chats: Chats, lab: Lab) -> None:
    """The run's events leave the hub after minutes, the conversation stays."""
    chat = await ask(chats, None, "q", says("whole"))
    run_id = chat.turns[0].run_id
    lab.hub.log(run_id).began -= 1_000
    lab.hub.sweep()
    with pytest.raises(UnknownRun):
        lab.hub.log(run_id)
    outcome = (await chats.get(chat.id)).turns[0].outcome
    assert outcome
    assert outcome.text == "whole"


# What the model is told


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    answers = [http(sse("a1")), http(sse("a2")), http(sse("a3")), http(sse("a4"))]
    with raw_endpoint(*answers) as endpoint:
        yield endpoint


def told(endpoint: Endpoint, number: int) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in endpoint.requests[number]["messages"]]


async def test_the_model_is_told_the_former_turns(endpoint: Endpoint, make_lab: MakeLab) -> None:
    """In order, under the instructions of the question that is asked; regenerating leaves out the answer that goes."""
    with provider(endpoint.base_url) as models:
        chats = make(make_lab(models))
        chat = await ask(chats, None, "q1", Options("any"))
        chat = await ask(chats, chat, "q2", Options("any", system="Be brief."))
        await settled(chats, await chats.regenerate(chat.id, Options("any", system=" \n")))
    assert told(endpoint, 0) == [("user", "q1")]
    assert told(endpoint, 1) == [("system", "Be brief."), ("user", "q1"), ("assistant", "a1"), ("user", "q2")]
    assert told(endpoint, 2) == [("user", "q1"), ("assistant", "a1"), ("user", "q2")]


async def test_a_question_that_got_no_text_is_not_told(endpoint: Endpoint, make_lab: MakeLab) -> None:
    """Roles alternate, as some models demand; what a stopped answer said so far is told."""
    with provider(endpoint.base_url) as models:
        chats = make(make_lab(models))
        chat = await chats.ask(None, "stopped at once", Options("any"))
        await chats.stop(chat.id)
        await settled(chats, chat)
        before = len(endpoint.requests)
        await ask(chats, chat, "q", Options("any"))
    assert told(endpoint, before) == [("user", "q")]


@pytest.mark.parametrize("budget", [0, 25])
async def test_the_model_is_told_no_more_than_the_budget(endpoint: Endpoint, make_lab: MakeLab, budget: int) -> None:
    """The newest exchanges that fit."""
    with provider(endpoint.base_url) as models:
        chats = make(make_lab(models), budget)
        chat: Chat | None = None
        for number in range(4):
            chat = await ask(chats, chat, f"q{number}", Options("any"))
    roles = [role for role, _ in told(endpoint, 3)]
    assert roles == (["user"] if not budget else ["user", "assistant", "user", "assistant", "user"])


# When conversations go


@pytest.fixture
def bounds(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> "Bounds":
    bounds = Bounds()
    monkeypatch.setattr(lab.hub, "shared", MemoryShared(clock=lambda: bounds.now))
    return bounds


@dataclass
class Bounds:
    """The time by which conversations grow old."""

    now: float = 0.0


async def known(chats: Chats, *those: Chat) -> list[bool]:
    """Which of them are there. Looking at one is using it."""
    found = []
    for chat in those:
        try:
            found.append(bool(await chats.get(chat.id)))
        except UnknownChat:
            found.append(False)
    return found


async def test_a_conversation_goes_a_day_after_its_last_use(lab: Lab, bounds: Bounds) -> None:
    """Used is also looked at. One that is live stays, however old."""
    chats = make(lab)
    old, used, live = [await chats.ask(None, "q", Options(demo_model(**ENDLESS))) for _ in range(3)]
    for chat in (old, used):
        await chats.stop(chat.id)
        await settled(chats, chat)
    bounds.now += KEPT - 1
    await chats.get(used.id)
    bounds.now += 2
    assert await known(chats, old, used, live) == [False, True, True]


async def test_the_longest_unused_go_when_all_grows_too_large(
    lab: Lab, bounds: Bounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only as many as must, never a live one nor the one that is asked."""
    monkeypatch.setattr(module, "CHATS", replace(CHATS, capacity=750))
    chats = make(lab)
    live = await chats.ask(None, "q" * 100, Options(demo_model(**ENDLESS)))
    first, second, third = [await ask(chats, None, "q" * 100, says("a" * 100)) for _ in range(3)]
    assert [chat.size for chat in (first, second, third)] == [200, 200, 200]
    await chats.get(first.id)  # now the second is the longest unused
    await chats.ask(first.id, "q" * 100, says("a"))
    assert await known(chats, second, live, first, third) == [False, True, True, True]
    monkeypatch.setattr(module, "CHATS", replace(CHATS, capacity=0))
    chats = make(lab)
    live = await chats.ask(None, "q" * 100, Options(demo_model(**ENDLESS)))
    first = await ask(chats, None, "q", says("a"))
    newest = await chats.ask(None, "newest", says("a"))
    assert await known(chats, live, first, newest) == [True, False, True]


async def test_an_outcome_of_a_conversation_that_went_is_nobody_s(chats: Chats, lab: Lab) -> None:
    """The run ends in peace."""
    chat = await chats.ask(None, "q", says("whole"))
    await chats._chats.remove(chat.id)
    await until(lambda: not lab.runs.live and not chats._outcomes)
    with pytest.raises(UnknownChat):
        await chats.get(chat.id)
