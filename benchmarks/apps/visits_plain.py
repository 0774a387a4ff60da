"""The peer: a page of the usual kind, in a server that streams an answer beside it on a schedule."""

import asyncio
from collections.abc import AsyncIterator

import streamlit as st
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

EVENT = b'event: text_delta\ndata: {"content": "word "}\n\n'


async def answer(request: Request) -> StreamingResponse:
    rate, seconds = float(request.query_params["rate"]), float(request.query_params["seconds"])

    async def events() -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(began + number / rate - loop.time())
            yield EVENT

    return StreamingResponse(events(), media_type="text/event-stream")


app = st.App("plain.py", routes=[Route("/answer", answer)])
