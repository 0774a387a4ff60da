"""What the agent remembers of a conversation: what its tools said, as long as somebody can go on from it."""

from typing import Any

import pytest

from streamlab.agent.tasks import Agents
from streamlab.chats.chat import Chat
from streamlab.chats.chats import Chats
from streamlab.models.options import Options
from tests.chats import HISTORY, ask, settled
from tests.conftest import Asked, Lab, demo_model, until

pytestmark = pytest.mark.anyio

ENDLESS = {"chunks": 100_000, "rate": 50}


@pytest.fixture
def agents(lab: Lab) -> Agents:
    return Agents(lab.runs, lab.models, lab.hub, HISTORY)


def messages(records: list[dict[str, Any]]) -> list[int]:
    """How many messages the model was told, request by request."""
    return [record["prompt"]["messages"] for record in records]


async def test_the_agent_remembers_what_its_tools_said(lab: Lab, agents: Agents, asked: Asked) -> None:
    """Each turn begins with all of the one before, calls and results too; also where it is answered anew."""
    chats = Chats(lab.runs, lab.models, agents, lab.hub, HISTORY)
    options = Options(demo_model(), tools=True)
    chat = await ask(chats, None, "What is 17.5 % of 2,480?", options)
    assert chat.turns[0].outcome
    (tool,) = chat.turns[0].outcome.tools
    assert (tool.tool, tool.result["value"], tool.status) == ("calculate", 434, "completed")
    await ask(chats, chat, "What is 3 + 4?", options)
    await chats.regenerate(chat.id, options)
    chat = await settled(chats, chat)
    assert messages(await asked(options.model)) == [1, 3, 5, 7, 5, 7]
    plain = await ask(chats, chat, "And without tools?", Options(demo_model(text="text")))
    assert plain.turns[-1].outcome
    await ask(chats, plain, "What is 1 + 1?", options)
    assert messages(await asked(options.model))[6:] == [11, 13]
    assert messages(await asked(plain.turns[-1].options.model)) == [5]


def remembered(chats: Chats, chat: Chat) -> list[bool]:
    """Which turns the agent can go on from."""
    return [turn.run_id in chats._threads.of(chat) for turn in chat.turns]


async def test_the_agent_forgets_what_nobody_can_go_on_from(lab: Lab, agents: Agents) -> None:
    """The last two turns are remembered, a stopped one is not, and nothing of a conversation that is gone."""
    chats = Chats(lab.runs, lab.models, agents, lab.hub, HISTORY)
    options = Options(demo_model(), tools=True)
    chat = await ask(chats, None, "What is 1 + 1?", options)
    for question in ("What is 2 + 2?", "What is 3 + 3?", "What is 4 + 4?"):
        chat = await ask(chats, chat, question, options)
    assert remembered(chats, chat) == [False, False, True, True]
    assert agents.threads == 2
    chat = await chats.ask(chat.id, "What is streaming?", Options(demo_model(**ENDLESS), tools=True))
    await chats.stop(chat.id)
    chat = await settled(chats, chat)
    assert remembered(chats, chat) == [False, False, False, True, False]
    assert agents.threads == 1


async def test_a_question_to_the_agent_alone_leaves_no_memory(lab: Lab, agents: Agents) -> None:
    """Nobody goes on from it."""
    await lab.read(await agents.ask("What is 1 + 1?", Options(demo_model())))
    await until(lambda: lab.runs.live == 0)
    assert agents.threads == 0


async def test_the_agent_is_told_the_newest_that_fits(lab: Lab, asked: Asked) -> None:
    """Older exchanges go as a whole, the question and its own calls never."""
    agents = Agents(lab.runs, lab.models, lab.hub, 0)
    chats = Chats(lab.runs, lab.models, agents, lab.hub, 0)
    options = Options(demo_model(), tools=True)
    chat = await ask(chats, None, "What is 1 + 1?", options)
    await ask(chats, chat, "What is 2 + 2?", options)
    assert messages(await asked(options.model)) == [1, 3, 1, 3]


async def test_an_attempt_that_failed_leaves_nothing_in_the_memory(lab: Lab, agents: Agents, asked: Asked) -> None:
    """The next attempt begins where the first did: the question stands in the conversation once."""
    chats = Chats(lab.runs, lab.models, agents, lab.hub, HISTORY)
    options = Options(demo_model(fault="cut", after=1, times=1), tools=True)
    chat = await ask(chats, None, "What is 1 + 1?", options)
    assert chat.turns[0].outcome
    assert (chat.turns[0].outcome.status, chat.turns[0].outcome.retries) == ("completed", 1)
    await ask(chats, chat, "What is 2 + 2?", options)
    assert messages(await asked(options.model)) == [1, 1, 3, 5, 7]
