"""The seam for protocols: another one is a writer, and one with state shares its encodings like those without."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
from fastapi import FastAPI, Request, Response

from streamlab.events.event import TextDelta
from streamlab.gateway.access import Grant
from streamlab.gateway.control import Close, Drain, Open
from streamlab.gateway.delivery import Pace
from streamlab.gateway.feed import Frame
from streamlab.gateway.protocols.sse import Body, EventStream, packet
from streamlab.gateway.writer import Packet, Writer
from streamlab.hub import Log
from tests.conftest import until
from tests.gateway import FAST, Served, delta, ending, listening, served

pytestmark = pytest.mark.anyio

FAR_AHEAD = 1_000.0
TEXT = "x" * 30
EVERYTHING = Grant("test")

written: Counter[bool] = Counter()  # how often a frame was written, by the state before it


def line(data: dict[str, str]) -> bytes:
    return b"data: %s\n\n" % json.dumps(data).encode()


def parts(frame: Frame, is_open: bool) -> tuple[Sequence[Packet[Body]], bool]:
    """Write a frame, and tell whether a part is open after it."""
    written[is_open] += 1
    lines: list[bytes] = []
    for item in frame.items:
        if isinstance(item, TextDelta) != is_open:
            lines.append(line({"type": "end" if is_open else "start"}))
            is_open = not is_open
        if isinstance(item, TextDelta):
            lines.append(line({"type": "text", "text": item.content}))
    return [packet(b"".join(lines), frame.events)] if lines else [], is_open


class Parts(Writer[Body]):
    """A protocol that says where a text starts and ends, as those of other front ends do."""

    name = "parts"

    def __init__(self) -> None:
        self._open = False

    def opening(self, event: Open) -> Sequence[Packet[Body]]:
        return [packet(line({"type": "begin", "id": event.run_id}))]

    def frame(self, frame: Frame) -> Sequence[Packet[Body]]:
        packets, self._open = frame.form(parts, self._open)
        return packets

    def sign_of_life(self) -> Sequence[Packet[Body]]:
        return [packet(b": here\n\n")]

    def closing(self, event: Drain | Close | None) -> Sequence[Packet[Body]]:
        return [] if event else [packet(b"data: [DONE]\n\n")]


@asynccontextmanager
async def parts_served(lab: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """A route of the new protocol, on a port of its own."""
    api = FastAPI()

    async def follow(run_id: str, request: Request) -> Response:
        log = await lab.gateway.log(run_id, EVERYTHING)
        after = lab.gateway.position(request.query_params.get("after"))
        delivery = lab.gateway.deliver(log, EVERYTHING, Parts.name, after)
        return EventStream(delivery, Parts(), await lab.gateway.opening(log, EVERYTHING), {"x-parts": "1"})

    api.get("/{run_id}")(follow)
    async with listening(api) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/api") as client:
        yield client


async def told(client: httpx2.AsyncClient, log: Log, after: str = "") -> list[str]:
    """The lines that have data."""
    response = await client.get(f"/{log.run_id}", params={"after": after})
    assert response.headers["x-parts"] == "1"
    return [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]


async def test_a_protocol_with_state_is_written_once_for_all_who_read_alike() -> None:
    """Each of thirty clients hears a start, the text and an end; a frame is written about once, not thirty times."""
    written.clear()
    answers: list[list[str]] = []
    async with served() as lab, parts_served(lab) as client:
        log = lab.log()

        async def read() -> None:
            answers.append(await told(client, log))

        async with anyio.create_task_group() as group:
            for _ in range(30):
                group.start_soon(read)
            await until(lambda: log.followers == 30)
            for letter in TEXT:
                log.append(delta(letter, FAR_AHEAD))
                await asyncio.sleep(0.002)
            for event in ending(TEXT):
                log.append(event)
        traffic = lab.gateway.deliveries.traffic[Parts.name]
        assert traffic.events == 30 * log.seq
    text = [json.dumps({"type": "text", "text": letter}) for letter in TEXT]
    begin = json.dumps({"type": "begin", "id": log.run_id})
    assert answers == [[begin, '{"type": "start"}', *text, '{"type": "end"}', "[DONE]"]] * 30
    assert sum(written.values()) <= log.seq


async def test_a_late_client_has_a_state_of_its_own() -> None:
    """At the same frame one has a part open and the other not: each hears what is right for it."""
    written.clear()
    async with served(Pace(frame=0.05, heartbeat=0.1, check=0.05)) as lab, parts_served(lab) as client:
        log = lab.log(delta("a", FAR_AHEAD))
        answers: dict[str, list[str]] = {}

        async def read(name: str, after: str) -> None:
            answers[name] = await told(client, log, after)

        async with anyio.create_task_group() as group:
            group.start_soon(read, "early", "")
            await until(lambda: log.followers == 1 and bool(written))
            group.start_soon(read, "late", f"{log.epoch}-1")
            await until(lambda: log.followers == 2)
            await asyncio.sleep(0.2)  # signs of life go to both meanwhile
            for event in (delta("b", FAR_AHEAD), *ending("ab")):
                log.append(event)
    a, b = (json.dumps({"type": "text", "text": letter}) for letter in "ab")
    start, end = '{"type": "start"}', '{"type": "end"}'
    assert answers["early"][1:] == [start, a, b, end, "[DONE]"]
    assert answers["late"][1:] == [start, b, end, "[DONE]"]
    assert written[True] >= 1
    assert written[False] >= 2


async def test_a_stream_that_ends_early_is_told_why() -> None:
    """The closing is written with the reason: a client that is sent away does not hear that the run is over."""
    async with served(FAST) as lab, parts_served(lab) as client:
        log = lab.log(delta("a", FAR_AHEAD))
        reading = asyncio.create_task(told(client, log))
        await until(lambda: log.followers == 1)
        await lab.gateway.drain(notice=0)
        assert (await reading)[-1] == '{"type": "text", "text": "a"}'
