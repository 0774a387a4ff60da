"""The peer: a relay of the usual kind, a generator for each client that yields what `POST /blocks` gave it."""

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse


def application() -> FastAPI:
    app = FastAPI()
    blocks: list[bytes] = []
    state = {"rate": 1.0}
    go = asyncio.Event()

    @app.post("/blocks")
    async def prepare(request: Request) -> dict[str, float]:
        sent = await request.json()
        blocks[:] = [block.encode() for block in sent["blocks"]]
        state["rate"] = sent["rate"]
        go.clear()
        return {}

    @app.post("/go")
    async def let() -> dict[str, float]:
        state["began"] = time.monotonic()
        go.set()
        return {}

    @app.get("/events")
    async def follow() -> StreamingResponse:
        async def events() -> AsyncIterator[bytes]:
            await go.wait()
            for number, block in enumerate(blocks):
                await asyncio.sleep(state["began"] + number / state["rate"] - time.monotonic())
                yield block

        return StreamingResponse(events(), media_type="text/event-stream")

    return app
