"""Many readers of one run in OpenAI's forms: each frame is written about once, whoever reads it from where."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from fastapi import FastAPI, Request, Response

from streamlab.gateway.access import Grant
from streamlab.gateway.protocols.openai import chat_writer, responses_writer
from streamlab.gateway.protocols.openai.chat_writer import ChatWriter
from streamlab.gateway.protocols.openai.responses_writer import ResponsesWriter
from streamlab.gateway.protocols.sse import EventStream
from tests.conftest import until
from tests.gateway import Served, delta, ending, listening, served
from tests.openai_streams import FORM, HEAD, data_of

pytestmark = pytest.mark.anyio

READERS = 30
TEXT = "x" * 30
FAR_AHEAD = 1_000.0


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often frames were written in each form."""
    counts: Counter[str] = Counter()

    def counted(form: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def count(*given: Any) -> Any:
            counts[form] += 1
            return write(*given)

        return count

    for module in (chat_writer, responses_writer):
        monkeypatch.setattr(module, "_write", counted(module.__name__, module._write))
    return counts


@asynccontextmanager
async def forms(lab: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve a log in both forms, on a port of its own; a response also after an event."""
    api, grant = FastAPI(), Grant("test")

    async def follow(run_id: str, request: Request) -> Response:
        log = await lab.gateway.log(run_id, grant)
        after = request.query_params.get("after")
        writer = ChatWriter(FORM) if after is None else ResponsesWriter(HEAD, int(after))
        delivery = lab.gateway.deliver(log, grant, writer.name, merged=after is None)
        return EventStream(delivery, writer, await lab.gateway.opening(log, grant))

    api.get("/{run_id}")(follow)
    async with listening(api) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/api") as client:
        yield client


async def test_a_frame_is_written_about_once_for_thirty_readers_of_each_form(written: Counter[str]) -> None:
    """Of the responses' readers half go on after an event that they had, and are sent nothing before it."""
    answers: dict[str, list[list[str]]] = {}
    async with served() as lab, forms(lab) as client:
        log = lab.log()

        async def read(after: dict[str, str]) -> None:
            response = await client.get(f"/{log.run_id}", params=after)
            answers.setdefault(str(after), []).append(data_of(response.content))

        asked: list[dict[str, str]] = [{}] * READERS + [{"after": "-1"}, {"after": "9"}] * (READERS // 2)
        async with anyio.create_task_group() as group:
            for after in asked:
                group.start_soon(read, after)
            await until(lambda: log.followers == len(asked))
            for letter in TEXT:
                log.append(delta(letter, FAR_AHEAD))
                await asyncio.sleep(0.002)
            for event in ending(TEXT):
                log.append(event)
    for same in answers.values():
        assert same == same[:1] * len(same)
    chat, whole, rest = (answers[str(after)][0] for after in ({}, {"after": "-1"}, {"after": "9"}))
    assert len(chat) == 1 + len(TEXT) + 3  # the role, the pieces, the end, the usage, `[DONE]`
    assert rest == whole[10:]
    assert len(written) == 2
    assert max(written.values()) <= 2 * log.seq
