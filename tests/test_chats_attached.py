"""Files that go with questions, in conversations that any engine keeps: told again, and deleted with them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from streamlab.agent.tasks import Agents
from streamlab.attachments.files import AttachmentRefused, File
from streamlab.chats.chats import Chats
from streamlab.chats.history import History
from streamlab.chats.readers import Readers
from streamlab.hub import Hub
from streamlab.models.catalog import Models
from streamlab.models.options import InvalidQuestion, Options
from streamlab.runs.run import RunLimits, Runs
from tests.chats import ask, settled
from tests.conftest import http, provider, raw_endpoint, sse
from tests.pictures_made import picture
from tests.test_capabilities import listing

pytestmark = pytest.mark.anyio

IMAGE = File("red.png", "image/png", picture())
TEXT = File("plan.md", "text/markdown", "九時に会議\n".encode())


@asynccontextmanager
async def conversing(hub: Hub, models: Models) -> AsyncIterator[Chats]:
    runs = Runs(hub, RunLimits(backoff=0.01))
    agents = Agents(runs, models, hub, 1_000)
    try:
        yield Chats(runs, models, agents, hub, 1_000)
    finally:
        await runs.close()


def kinds(request: dict[str, Any]) -> list[list[str]]:
    """Say of each question what it has: the types of its parts."""
    contents = [message["content"] for message in request["messages"] if message["role"] == "user"]
    return [["text"] if isinstance(each, str) else [part["type"] for part in each] for each in contents]


async def test_files_are_kept_and_told_again(any_hub: Hub) -> None:
    """In a branch as well, and in an answer that is given anew; the document has their names."""
    answers = [http(sse("hi")) for _ in range(4)]
    with raw_endpoint(*answers) as server, provider(server.base_url) as models:
        async with conversing(any_hub, models) as chats:
            options = Options("m")
            chat = await settled(chats, await chats.ask(None, "What is it?", options, files=[IMAGE, TEXT]))
            first, *_ = chat.turns
            chat = await ask(chats, chat, "And now?", options)
            assert kinds(server.requests[0]) == [["image_url", "text"]]
            assert kinds(server.requests[1]) == [["image_url", "text"], ["text"]]
            (shown, told) = server.requests[1]["messages"][0]["content"]
            assert shown["image_url"]["url"].startswith("data:image/png;base64,")
            assert told["text"] == "plan.md:\n```md\n九時に会議\n```\n\nWhat is it?"
            files = list((await chats.attached.found(first.attachments)).values())
            assert files == [IMAGE, TEXT]
            chat = await settled(chats, await chats.ask(chat.id, "Edited", options, after="", files=files))
            assert chat.turns[0].attachments == first.attachments
            chat = await settled(chats, await chats.regenerate(chat.id, options))
            assert kinds(server.requests[3]) == [["image_url", "text"]]
            assert len(chat.attachments) == 2
            assert chat.size < 5_000
            readers = Readers(chats, any_hub.shared)
            read = await readers.read(await readers.share(chat.id))
            assert await chats.attached.find(read.turns[0].attachments[0]) == IMAGE


async def test_files_go_with_their_conversation_and_come_back_with_it(any_hub: Hub) -> None:
    """For as long as it can be restored."""
    with raw_endpoint(http(sse("hi"))) as server, provider(server.base_url) as models:
        async with conversing(any_hub, models) as chats:
            history = History(chats, any_hub.shared)
            chat = await chats.ask(None, "", Options("m"), browser="b", files=[TEXT])
            chat = await settled(chats, chat)
            (attachment,) = chat.attachments
            assert [entry.title for entry in await history.entries("b", "chat")] == ["plan.md"]
            assert [entry.key for entry in await history.entries("b", "chat", "plan")] == [chat.id]
            await history.delete("b", chat.id)
            assert await chats.attached.find(attachment) is None
            assert await history.restore(chat.id)
            assert await chats.attached.find(attachment) == TEXT


async def test_a_refusal_leaves_nothing(any_hub: Hub) -> None:
    """Neither of a question that nobody asked, nor of one without anything."""
    listed = listing(architecture={"input_modalities": ["text"]})
    with raw_endpoint(listed, http(sse("hi"))) as server, provider(server.base_url) as models:
        await models.names()
        async with conversing(any_hub, models) as chats:
            with pytest.raises(AttachmentRefused) as refused:
                await chats.ask(None, "What?", Options("mine"), files=[TEXT, IMAGE])
            assert (refused.value.code, refused.value.name) == ("images_not_taken", "red.png")
            with pytest.raises(InvalidQuestion):
                await chats.ask(None, " ", Options("mine"))
            chat = await settled(chats, await chats.ask(None, "What?", Options("mine"), files=[TEXT]))
            assert kinds(server.requests[-1]) == [["text"]]
            assert chat.turns[-1].outcome


async def test_another_model_is_told_names_of_images_that_it_does_not_take(any_hub: Hub) -> None:
    """With tools, too, where the former model's memory has them."""
    listed = listing(architecture={"input_modalities": ["text"]})
    with raw_endpoint(listed, *[http(sse("hi")) for _ in range(4)]) as server, provider(server.base_url) as models:
        await models.names()
        async with conversing(any_hub, models) as chats:
            for tools in (False, True):
                seeing, blind = Options("other", tools=tools), Options("mine", tools=tools)
                chat = await settled(chats, await chats.ask(None, "What?", seeing, files=[IMAGE]))
                await ask(chats, chat, "And now?", blind)
                assert kinds(server.requests[-1]) == [["text"], ["text"]]
                assert "red.png" in server.requests[-1]["messages"][0]["content"]
