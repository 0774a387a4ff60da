"""What it costs to read an answer: the Python client, and the `openai` package on as much text.

A server in a process of its own sends the same text in the same pieces, as the gateway's events and as chunks of the
chat completions protocol, from bytes that it has ready. Measures the reading process: CPU from the request until the
text is whole, per event, less what a text of one event takes. *fast*: as quickly as it is read, many events at a read;
*one by one*: a piece each millisecond, about one event at a read.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

import openai
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from benchmarks.harness import ROOT, Claim, Result, asgi_server, by_turns, middles, print_table
from streamlab.events.event import Done, FinalAnswer, StreamEvent, TextDelta, encode
from streamlab.gateway.feed import Entry
from streamlab.gateway.protocols.sse import encode_event

sys.path.append(str(ROOT / "clients" / "python" / "src"))

from streamlab_client import AsyncClient, Client

PIECE = "word "
PACES = {"fast": 4_000, "one by one": 600}  # events
EPOCH = "0" * 16
TARGET = 1.0

Read = Callable[[str, str, int], str]  # the server's address, the pace, how many events -> the text


def application() -> Starlette:
    """Build the server; `/{pace}/{count}/…`."""
    return Starlette(
        routes=[
            Route("/{pace}/{count:int}/api/runs/{run}/events", _events),
            Route("/{pace}/{count:int}/v1/chat/completions", _chunks, methods=["POST"]),
        ]
    )


def _events(request: Request) -> StreamingResponse:
    count = request.path_params["count"]
    text: list[StreamEvent] = [TextDelta(PIECE, seq=seq, at=seq / 50) for seq in range(1, count + 1)]
    answer = FinalAnswer(PIECE * count, seq=count + 1, at=count / 50)
    end = Done("completed", seq=count + 2, at=count / 50)
    entries = (Entry(f"{EPOCH}-{event.seq}", event.type, encode(event)) for event in [*text, answer, end])
    return _stream([encode_event(entry) for entry in entries], request.path_params["pace"])


def _chunks(request: Request) -> StreamingResponse:
    head = {"id": "chatcmpl-0123456789", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "demo"}
    pieces = [{"delta": {"content": PIECE}, "finish_reason": None}] * request.path_params["count"]
    lines = [json.dumps(head | {"choices": [{"index": 0, **each}]}) for each in pieces]
    lines += [json.dumps(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}), "[DONE]"]
    return _stream([f"data: {line}\n\n".encode() for line in lines], request.path_params["pace"])


def _stream(pieces: list[bytes], pace: str) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        if pace == "fast":
            yield b"".join(pieces)
            return
        for piece in pieces:
            yield piece
            await asyncio.sleep(0.001)

    return StreamingResponse(body(), media_type="text/event-stream")


def ours(url: str, pace: str, count: int) -> str:
    with Client(f"{url}/{pace}/{count}/api") as client:
        return "".join(event.content for event in client.follow("run") if event.type == "text_delta")


def peer(url: str, pace: str, count: int) -> str:
    with openai.OpenAI(base_url=f"{url}/{pace}/{count}/v1", api_key="none") as client:
        chunks = client.chat.completions.create(model="demo", messages=[], stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


async def aours(url: str, pace: str, count: int) -> str:
    async with AsyncClient(f"{url}/{pace}/{count}/api") as client:
        return "".join([event.content async for event in client.follow("run") if event.type == "text_delta"])


async def apeer(url: str, pace: str, count: int) -> str:
    async with openai.AsyncOpenAI(base_url=f"{url}/{pace}/{count}/v1", api_key="none") as client:
        chunks = await client.chat.completions.create(model="demo", messages=[], stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])


READ_MODES: dict[str, Read] = {
    "ours": ours,
    "openai": peer,
    "ours, async": lambda *arguments: asyncio.run(aours(*arguments)),
    "openai, async": lambda *arguments: asyncio.run(apeer(*arguments)),
}


def microseconds(read: Read, url: str, pace: str, count: int) -> float:
    """Return the µs of CPU per event, without what it takes to begin and to end."""
    return (_cpu(read, url, pace, count) - _cpu(read, url, pace, 1)) / (count - 1) * 1e6


def _cpu(read: Read, url: str, pace: str, count: int) -> float:
    before = time.process_time()
    text = read(url, pace, count)
    after = time.process_time()
    if text != PIECE * count:
        raise RuntimeError("the text is not whole")
    return after - before


def measure(url: str, pace: str, rounds: int) -> dict[str, list[float]]:
    measures = {mode: partial(microseconds, read, url, pace, PACES[pace]) for mode, read in READ_MODES.items()}
    return by_turns(measures, rounds)


def run(rounds: int = 9) -> Result:
    with asgi_server("benchmarks.clients:application") as server:
        results = {pace: measure(server.url, pace, rounds) for pace in PACES}
    middle = {pace: middles(modes) for pace, modes in results.items()}
    rows = [(mode, *(f"{middle[pace][mode]:.1f}" for pace in PACES)) for mode in READ_MODES]
    print_table(("µs of CPU per event", *PACES), rows)
    claims = [
        Claim(f"CPU per event, {pace}{kind}, beside openai", modes[f"ours{kind}"], modes[f"openai{kind}"], TARGET, "µs")
        for pace, modes in middle.items()
        for kind in ("", ", async")
    ]
    return Result(claims, results)
