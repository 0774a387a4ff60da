"""The gateway's application, with other ways to read the same model in the same process.

`POST /read` with a read mode and a model answers the characters, the seconds of process time, and the seconds until
the first text.
"""

import time
from collections.abc import Callable, Iterator

import anyio.to_thread
import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.apps import gateway
from benchmarks.apps.bare import bare_model
from streamlab.models.catalog import Models
from streamlab.models.connections import LIMITS, TIMEOUT
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.runs.chain import chat_chain, chat_input

QUESTION = "What is streaming?"
INPUT = chat_input("", [], QUESTION, 1_000)

ReadMode = Callable[[Models, str], Iterator[str]]


def chain(models: Models, name: str) -> Iterator[str]:
    """Read the same prompt and parser with `ChatOpenAI` as it comes."""
    with httpx2.Client(limits=LIMITS, timeout=TIMEOUT) as http:
        yield from chat_chain(bare_model(name, models.demo_url, http_client=http)).stream(INPUT)


def own_chain(models: Models, name: str) -> Iterator[str]:
    """Read the chain that the gateway's runs read."""
    yield from chat_chain(models.chat_model(name, DEFAULT_TEMPERATURE)).stream(INPUT)


def lines(models: Models, name: str) -> Iterator[str]:
    """Read the lines of the same HTTP answer without parsing them."""
    body = {"model": name, "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
    with (
        httpx2.Client(limits=LIMITS, timeout=TIMEOUT) as http,
        http.stream("POST", f"{models.demo_url}/chat/completions", json=body) as response,
    ):
        yield from response.iter_lines()


READ_MODES: dict[str, ReadMode] = {"chain": chain, "own chain": own_chain, "lines": lines}


async def read(request: Request) -> Response:
    body = await request.json()
    models = request.app.state.engine.models
    return JSONResponse(await anyio.to_thread.run_sync(_read, READ_MODES[body["mode"]], models, body["model"]))


def _read(mode: ReadMode, models: Models, name: str) -> dict[str, float]:
    began, spent, first, characters = time.perf_counter(), time.process_time(), 0.0, 0
    for text in mode(models, name):
        first = first or time.perf_counter()
        characters += len(text)
    return {"characters": characters, "cpu": time.process_time() - spent, "first": first - began}


def application() -> Starlette:
    return gateway.application(Route("/read", read, methods=["POST"]))
