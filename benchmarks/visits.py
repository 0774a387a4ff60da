"""How long a stream stands still while others visit the pages, beside a plain page's visitors.

One client reads an answer of 60 chunks a second as server-sent events. Meanwhile 20 visitors come in ten seconds, each
to the next of the pages, and load it as a browser does over Streamlit's WebSocket, until its script has ended. *Gap* is
the longest time between two arrivals at the reader; what the same reader sees with no visitor stands beside it.

Ours is the app with its settings, also with other intervals at which Python lets another thread run
(`sys.setswitchinterval`). The plain server has one page under Streamlit's defaults and an answer from a schedule, with
no chain, log or model. The first visits of a process import what they need; they are counted too (*first*), and apart.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from typing import Any

import httpx2
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from benchmarks.harness import APPS, ROOT, Claim, Result, Server, by_turns, medians, print_table, streamlit_server
from components.page.pages import PAGES

VISITS = 20
SECONDS = 10.0  # within which they come
LEAD = 2.0  # seconds of the answer before the first and after the last
RATE = 60
TARGET = 0.1  # seconds
INTERVALS = (0.0005, 0.001, 0.002, 0.005)
MODEL = f"demo?first=0&jitter=0&rate={RATE}&chunks={int(RATE * (SECONDS + 4 * LEAD))}"
SETTINGS = {"LAB_MODELS": MODEL, "LAB_GRPC_PORT": "0", "LAB_LOG_LEVEL": "warning"}


async def _arrivals(lines: AsyncIterator[bytes], seconds: float) -> list[float]:
    """Return when pieces of the stream arrived, for so many seconds from the first."""
    times: list[float] = []
    async for _ in lines:
        times.append(time.monotonic())
        if times[-1] - times[0] > seconds:
            break
    return times


async def _read(server: Server, ours: bool, seconds: float) -> list[float]:
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
        asked = (
            client.stream("POST", f"{server.url}/api/chat", json={"message": "go"})
            if ours
            else client.stream("GET", f"{server.url}/answer", params={"rate": RATE, "seconds": seconds + 1})
        )
        async with asked as response:
            return await _arrivals(response.aiter_raw(), seconds)


async def _visit(server: Server, page: str) -> None:
    """Load a page once, as a new session, until its script has ended."""
    address = f"{server.url.replace('http', 'ws')}/_stcore/stream"
    async with connect(address, subprotocols=[Subprotocol("streamlit")], compression=None, max_size=None) as socket:
        message = BackMsg()
        message.rerun_script.page_name = page
        await socket.send(message.SerializeToString())
        while True:
            data = await socket.recv()
            if ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode()).HasField("script_finished"):
                return


async def _gap(server: Server, ours: bool, visits: int) -> float:
    """Return the longest gap of an answer, in seconds, while so many visit."""
    reading = asyncio.create_task(_read(server, ours, SECONDS + 2 * LEAD))
    await asyncio.sleep(LEAD)
    pages = [*PAGES] if ours else [""]
    visiting = []
    for number in range(visits):
        visiting.append(asyncio.create_task(_visit(server, pages[number % len(pages)])))
        await asyncio.sleep(SECONDS / visits)
    times = await reading
    await asyncio.gather(*visiting)
    return max(after - before for before, after in pairwise(times))


def _measure(serve: Callable[[], AbstractContextManager[Server]], ours: bool) -> dict[str, float]:
    with serve() as server:
        return {name: asyncio.run(_gap(server, ours, visits)) for name, visits in _parts()}


def _parts() -> Sequence[tuple[str, int]]:
    return (("first", VISITS), ("visited", VISITS), ("alone", 0))


def _app(interval: float) -> AbstractContextManager[Server]:
    environment = SETTINGS | {"PYTHONPATH": str(APPS / "startup"), "BENCH_SWITCH_INTERVAL": str(interval)}
    return streamlit_server(ROOT / "app.py", environment=environment)


def _plain() -> AbstractContextManager[Server]:
    watching = "--server.fileWatcherType=auto"  # Streamlit's default
    return streamlit_server(APPS / "visits_plain.py", environment=SETTINGS, folder=APPS, options=[watching])


def run(rounds: int = 3) -> Result:
    measures: dict[str, Callable[[], dict[str, float]]] = {"plain": partial(_measure, _plain, False)}
    for interval in INTERVALS:
        measures[f"ours, {interval * 1000:g} ms"] = partial(_measure, partial(_app, interval), True)
    found = by_turns(measures, rounds, warm_up=0)
    middle = {name: medians(runs) for name, runs in found.items()}
    head = ("longest gap, ms", *(part for part, _ in _parts()))
    print_table(head, [(name, *(f"{1000 * gap:.0f}" for gap in gaps.values())) for name, gaps in middle.items()])
    default = middle[f"ours, {INTERVALS[-1] * 1000:g} ms"]
    claims = [
        Claim("longest gap while 20 visit, against 100 ms", default["visited"] * 1000, TARGET * 1000, 1.0, "ms"),
        Claim("the same, beside a plain page", default["visited"] * 1000, middle["plain"]["visited"] * 1000, 1.0, "ms"),
    ]
    observed: dict[str, Any] = found
    return Result(claims, observed)
