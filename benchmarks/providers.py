"""CPU per chunk of each provider's answers, from the socket to a follower, beside its bare LangChain client.

As in `chunks`: the process time of this process, divided by the number of chunks; what answers is a process of its own
that speaks the providers' protocols. The bare chain is the same prompt and parser with the provider's own class as it
comes, its text thrown away. *fast*: as quickly as the model can write; *paced*: one by one, 100 a second.
"""

import gc
import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from importlib.util import find_spec

import httpx2
import uvloop
from pydantic import SecretStr

from benchmarks.chunks import INPUT, PACES, TARGET, follow, spent_on
from benchmarks.harness import Claim, Result, asgi_server, by_turns, middles, print_table
from streamlab.models.catalog import Models
from streamlab.models.connections import LIMITS, TIMEOUT, async_http_client
from streamlab.models.provider import StockOptions
from streamlab.runs.chain import chat_chain
from streamlab.settings import Settings

SPOKEN = "benchmarks.apps.spoken:application"
PROVIDERS = {
    "openai": ("openai:gpt", "langchain_openai"),
    "anthropic": ("anthropic:claude-opus-4-7", "langchain_anthropic"),
    "google": ("google_genai:gemini-2.0-flash", "langchain_google_genai"),
}
ASKED = StockOptions(timeout=60, streaming=True, chunk_timer=False)


def stream(models: Models, http: httpx2.Client, model: str) -> int:
    bare = models.stock_model(model, ASKED, http, async_http_client())
    return sum(len(text) for text in chat_chain(bare).stream(INPUT))


def settings_of(url: str) -> Settings:
    key = SecretStr("key")
    return Settings(
        openai_api_key=key,
        openai_base_url=f"{url}/v1",
        anthropic_api_key=key,
        anthropic_base_url=url,
        google_api_key=key,
        google_gemini_base_url=url,
    )


def run(rounds: int = 9) -> Result:
    gc.freeze()  # as the app does
    with (
        asgi_server(SPOKEN) as server,
        closing(Models(settings_of(server.url), "http://127.0.0.1:9")) as models,
        httpx2.Client(limits=LIMITS, timeout=TIMEOUT) as http,
    ):
        modes: dict[str, tuple[str, Callable[[str], int]]] = {}
        for name, (model, package) in PROVIDERS.items():
            if find_spec(package):
                modes[f"{name}, ours"] = model, lambda model: uvloop.run(follow(models, model))
                modes[f"{name}, chain.stream()"] = model, partial(stream, models, http)
            else:
                print(f"{package} is not installed: measured without it")
        results = {
            pace: by_turns({name: partial(_spent, *mode, chunks, rate) for name, mode in modes.items()}, rounds)
            for pace, (chunks, rate) in PACES.items()
        }
    middle = {pace: middles(runs) for pace, runs in results.items()}
    rows = [(name, *(f"{middle[pace][name]:.0f}" for pace in PACES)) for name in modes]
    print_table(("µs of CPU per chunk", *PACES), rows)
    print("load average", *(f"{load:.1f}" for load in os.getloadavg()))
    claims = [
        Claim(
            f"CPU per chunk, {pace}, {name} beside its own client",
            cost[f"{name}, ours"],
            cost[f"{name}, chain.stream()"],
            TARGET,
            "µs",
        )
        for pace, cost in middle.items()
        for name in PROVIDERS
        if f"{name}, ours" in cost
    ]
    return Result(claims, {"load": os.getloadavg(), "results": results})


def _spent(model: str, mode: Callable[[str], int], chunks: int, rate: int) -> float:
    return spent_on(partial(mode, f"{model}-{chunks}x{rate}"), chunks)
