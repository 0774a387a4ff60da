"""What the tests share: the demo model, an engine, and runs on the test's own event loop."""

import json
import os
import re
import socketserver
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import anyio
import httpx2
import pytest
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr
from streamlit.components.v2 import manifest_scanner

from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine, engine_in_thread
from streamlab.events.event import Retry, StreamEvent, TextDelta, Thinking, ToolCall, ToolResult
from streamlab.events.outcome import Outcome
from streamlab.hub import Gap, Hub, MemoryHub, Snapshot
from streamlab.hub.redis.hub import RedisHub
from streamlab.hub.redis.store import Times
from streamlab.hub.sqlite.hub import SqliteHub
from streamlab.local_model import server as local_server
from streamlab.models.catalog import Models
from streamlab.runs.chain import ChainAttempt, chat_chain, chat_input
from streamlab.runs.run import RunLimits, Runs
from streamlab.settings import Settings
from tests.browser import shared_app
from tests.events import answer, end
from tests.redis_server import own_redis, redis_server

__all__ = ["own_redis", "redis_server", "shared_app"]  # fixtures for every test

# Times on a shared machine say nothing about the laws. `make test` tries the same examples each time, so that what
# fails was changed; `make soak` tries many others.
hypothesis_settings.register_profile("laws", deadline=None, max_examples=25, derandomize=True)
hypothesis_settings.register_profile("thorough", deadline=None, max_examples=1_000)
hypothesis_settings.load_profile("laws")

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of the many processes would compile everything anew
os.environ["LAB_STORE"] = "memory:"  # also for what is made before a test, and for the processes that tests start

MakeLab = Callable[..., "Lab"]
Asked = Callable[..., Awaitable[list[dict[str, Any]]]]

PATIENCE = 20.0  # seconds until a test that waits in vain gives up
LONGEST = "test_soak_class.py"
# What starts browsers, scripts of pages and processes, or waits for what is silent: a mixture, to be begun with.
LONG = re.compile("bodies|browser|page|leaving|examples|javascript|command|redis|crash|trials|calls|cuts")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that none of them is left for one process at the end."""
    items.sort(key=lambda item: (item.path.name != LONGEST, not LONG.search(item.path.name)))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's environment and `.env` out of the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("LAB_STORE", "memory:")
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture(scope="session", autouse=True)
def _no_proxies_from_outside() -> Iterator[None]:
    """Keep them out as well, from the first server that is started."""
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patched.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _packages_are_searched_once() -> Iterator[None]:
    """Each page under test has Streamlit search all packages for components anew, which takes half a second."""
    with pytest.MonkeyPatch.context() as patched:
        found_once = cache(manifest_scanner.scan_component_manifests)
        patched.setattr(manifest_scanner, "scan_component_manifests", found_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_local_model() -> Iterator[pytest.MonkeyPatch]:
    """Offer no local model, which is there or not by what is installed. Its own tests undo this."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(local_server, "find_spec", lambda name: None)
        yield patched


@pytest.fixture(scope="session")
def demo() -> Iterator[DemoModel]:
    with DemoModel() as model:
        yield model


@pytest.fixture(scope="session")
def models(demo: DemoModel) -> Iterator[Models]:
    with closing(Models(Settings(_env_file=None), demo.base_url)) as models:
        yield models


@contextmanager
def provider(base_url: str, key: str | None = None) -> Iterator[Models]:
    """Connect models to an endpoint that is not the demo model, or that does not know it is."""
    settings = Settings(_env_file=None, openai_base_url=base_url, openai_api_key=SecretStr(key) if key else None)
    with closing(Models(settings, "http://127.0.0.1:9")) as models:
        yield models


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with engine_in_thread(Settings(_env_file=None)) as engine:
        yield engine


class Lab:
    """Runs and their hub on the running loop, with the demo model behind them."""

    def __init__(self, models: Models, limits: dict[str, Any]) -> None:
        self.models = models
        self.hub = MemoryHub()
        self.runs = Runs(self.hub, RunLimits(**{"backoff": 0.01, "total": PATIENCE} | limits))
        self.outcomes: dict[str, Outcome] = {}

    def attempt(self, model: str, question: str = "What is streaming?") -> ChainAttempt:
        inputs = chat_input("", [], question, 1_000)
        return ChainAttempt(lambda: chat_chain(self.models.chat_model(model, 0.0)), inputs)

    def start(self, model: str, question: str = "What is streaming?") -> str:
        run_id = self.runs.start(
            lambda: self.attempt(model, question), lambda outcome: self.outcomes.update({run_id: outcome})
        )
        return run_id

    async def read(self, run_id: str) -> list[StreamEvent]:
        """Return the whole log, once it has its end, and check the laws of logs on it."""
        log = self.hub.log(run_id)
        with anyio.fail_after(PATIENCE), log.follow() as follower:
            while await follower.batch():
                pass
        events = log.since(0)
        check_laws(events)
        return events

    async def run(self, model: str, question: str = "What is streaming?") -> list[StreamEvent]:
        return await self.read(self.start(model, question))

    async def until(self, run_id: str, type: str, count: int = 1) -> None:
        """Wait until the log holds so many events of a type."""
        log = self.hub.log(run_id)
        with anyio.fail_after(PATIENCE):
            while sum(event.type == type for event in log.since(0)) < count:
                await log.grown()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def any_hub(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub of each engine."""
    hub: Hub = MemoryHub()
    if request.param == "sqlite":
        hub = SqliteHub(tmp_path / "store")
    if request.param == "redis":
        hub = RedisHub(request.getfixturevalue("redis_server").url, times=Times(lease=1.0))
    async with hub:
        yield hub


@pytest.fixture
async def make_lab(models: Models) -> AsyncIterator[MakeLab]:
    labs: list[Lab] = []

    def make(other: Models | None = None, **limits: Any) -> Lab:
        labs.append(Lab(other or models, limits))
        return labs[-1]

    yield make
    for lab in labs:
        await lab.runs.close()


@pytest.fixture
async def lab(make_lab: MakeLab) -> Lab:
    return make_lab()


@pytest.fixture
async def asked(demo: DemoModel) -> AsyncIterator[Asked]:
    """Return what the demo model was asked under a name, oldest first: once `count` were, and have ended if `ended`."""
    async with httpx2.AsyncClient(base_url=demo.base_url) as client:

        async def records(model: str, count: int = 0, *, ended: bool = True) -> list[dict[str, Any]]:
            with anyio.fail_after(PATIENCE):
                while True:
                    every = (await client.get("../requests")).json()
                    mine = [record for record in every if record["model"] == model]
                    if len(mine) >= count and not (ended and any(record["ended"] == "running" for record in mine)):
                        return mine
                    await anyio.sleep(0.02)

        yield records


def demo_model(**options: object) -> str:
    """Make a name of the demo model that no other test uses, fast unless the options say otherwise."""
    chosen = {"id": uuid4().hex, "first": 0, "rate": 5_000, "prefill": 1_000_000_000} | options
    return f"demo?{urlencode({name: str(value) for name, value in chosen.items()})}"


def shown(events: Sequence[StreamEvent | Gap | Snapshot]) -> str:
    """Return what a reader has before them at last: the text of the last step since its last retry."""
    step, text = 1, ""
    for event in events:
        match event:
            case Gap():
                continue
            case Snapshot():
                step, text = event.step, event.text
                continue
            case ToolResult():  # may come late, in the midst of a later step
                continue
        if event.step != step or isinstance(event, Retry):
            step, text = event.step, ""
        if isinstance(event, TextDelta):
            text += event.content
    return text


def check_laws(events: list[StreamEvent]) -> None:
    """Check what holds for the whole log of any run."""
    types = [event.type for event in events]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)
    begun = [event for event in events if isinstance(event, Thinking) and event.state]
    assert begun == [Thinking("", state="begun", seq=1, at=events[0].at)], "it is said first, and once"
    assert types.index("done") == len(events) - 1, "one done, and it is the last"
    done = end(events)
    assert done.status in ("completed", "stopped", "failed")
    assert done.usage is not None
    endings = [event.type for event in events if event.type in ("final_answer", "error")]
    expected: dict[str, list[str]] = {"completed": ["final_answer"], "failed": ["error"], "stopped": []}
    assert endings == expected[done.status]
    if endings:
        assert types[-2] == endings[0]
    if done.status == "completed":
        assert answer(events) == shown(events)
    open_calls: set[str] = set()
    for event in events:
        if isinstance(event, ToolCall):
            assert event.call_id not in open_calls
            open_calls.add(event.call_id)
        if isinstance(event, ToolResult):
            open_calls.remove(event.call_id)
    assert not open_calls


class Endpoint:
    """A raw HTTP server for what no honest model would send. `requests` holds the JSON bodies it got."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self.requests: list[dict[str, Any]] = []
        self.headers: list[str] = []


@contextmanager
def raw_endpoint(*answers: bytes) -> Iterator[Endpoint]:
    """Answer each connection with the next of the bytes, the last one again and again, and close it."""
    left = list(answers)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while not head.endswith(b"\r\n\r\n") and (line := self.rfile.readline()):
                head += line
            endpoint.headers.append(head.decode())
            lengths = [line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length")]
            if lengths:
                endpoint.requests.append(json.loads(self.rfile.read(int(lengths[0]))))
            self.wfile.write(left.pop(0) if len(left) > 1 else left[0])

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        endpoint = Endpoint(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()


def http(body: bytes, status: str = "200 OK", kind: str = "text/event-stream", *headers: str) -> bytes:
    """Build a response that ends with its connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def sse(*deltas: str | dict[str, Any], finish: str | None = "stop") -> bytes:
    """Build a chat-completions stream of these deltas, escaped to ASCII; a string is a delta's content."""
    chunks: list[dict[str, Any]] = [
        {"delta": {"content": delta} if isinstance(delta, str) else delta, "finish_reason": None} for delta in deltas
    ]
    if finish:
        chunks.append({"delta": {}, "finish_reason": finish})
    lines = [
        json.dumps({"id": "1", "object": "chat.completion.chunk", "model": "raw", "choices": [{"index": 0} | chunk]})
        for chunk in chunks
    ]
    return "".join(f"data: {line}\n\n" for line in [*lines, *(["[DONE]"] if finish else [])]).encode()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nothing tells of."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def threads_gone(name: str = "pump") -> None:
    """Wait until every thread of this name has ended."""
    await until(lambda: all(thread.name != name for thread in threading.enumerate()))
