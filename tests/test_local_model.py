"""The local model for real: llama.cpp's own server over the file that is installed."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from functools import reduce
from importlib.util import find_spec
from operator import add
from pathlib import Path

import anyio
import httpx2
import pytest

from components.home.local import LOCAL_QUESTION
from components.page.texts import texts
from streamlab.engine import engine_in_thread, open_engine
from streamlab.events.event import Done
from streamlab.gateway.access import Grant
from streamlab.gateway.errors import Refusal
from streamlab.gateway.gateway import open_gateway
from streamlab.gateway.submissions import ChatRequest
from streamlab.latency.calls import measure
from streamlab.latency.summary import summarize
from streamlab.local_model import LOCAL
from streamlab.local_model import server as local_server
from streamlab.local_model.server import LocalServer
from streamlab.models.catalog import Models
from streamlab.models.failures import Failure
from streamlab.models.options import Options
from streamlab.models.provider import StockOptions
from streamlab.models.usage import reported_usage
from streamlab.process.child_server import ChildServer
from streamlab.settings import Settings
from tests.conftest import PATIENCE, http, raw_endpoint, sse, until
from tests.observations import plan_of
from tests.pages import checked, languages, serving, visit
from tests.present import present

pytestmark = pytest.mark.anyio
SETTINGS = Settings(_env_file=None, lab_local_threads=1)
STORY = "Tell me a long story about a lighthouse."


@pytest.fixture(scope="module", autouse=True)
def installed() -> Iterator[None]:
    """Find what is installed, which is hidden from all other tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(local_server, "find_spec", find_spec)
        yield


@pytest.fixture(scope="module")
def models(installed: None) -> Iterator[Models]:
    with closing(Models(SETTINGS, "http://127.0.0.1:9")) as models:
        yield models


def child_of(server: LocalServer) -> ChildServer:
    assert server._child
    return server._child


def pid_of(server: LocalServer) -> int:
    return present(child_of(server)._child).pid


async def slots(models: Models) -> list[bool]:
    """Tell of each slot of the server whether it is at work."""
    headers = {"authorization": f"Bearer {models.local.key}"}
    async with httpx2.AsyncClient() as client:
        found = (await client.get(models.local.address().replace("/v1", "/slots"), headers=headers)).json()
    return [slot["is_processing"] for slot in found]


def test_it_writes_and_says_what_that_took(models: Models) -> None:
    chunks = list(models.chat_model(LOCAL, 0.0).stream("Name three colors.", max_tokens=24))
    whole = reduce(add, chunks)
    assert len(chunks) > 2
    assert whole.text.strip()
    assert whole.usage_metadata
    assert 0 < whole.usage_metadata["output_tokens"] <= 24


def test_it_says_how_much_of_a_question_it_had_read_before(models: Models) -> None:
    """All but the last token, the second time."""
    model = models.chat_model(LOCAL, 0.0)
    told = [reduce(add, model.stream("Name a sea.", max_tokens=2)).usage_metadata for _ in range(2)]
    first, second = (reported_usage(present(usage)) for usage in told)
    assert present(first.cached_tokens) < present(second.cached_tokens) == first.input_tokens - 1


async def test_it_is_offered_after_the_others(models: Models) -> None:
    assert (await models.names())[-1] == LOCAL
    assert not await models.not_offered([LOCAL])


async def test_it_serves_nobody_without_the_key(models: Models) -> None:
    async with httpx2.AsyncClient(base_url=models.local.address()) as client:
        body = {"model": LOCAL, "messages": [{"role": "user", "content": "Hello"}]}
        assert (await client.post("/chat/completions", json=body)).status_code == 401


async def test_one_that_died_is_started_again(models: Models) -> None:
    models.local.address()
    before = pid_of(models.local)
    os.kill(before, signal.SIGKILL)
    await until(lambda: not child_of(models.local).alive)
    assert models.chat_model(LOCAL, 0.0).invoke("Say yes.", max_tokens=4).text
    assert pid_of(models.local) != before


async def test_a_run_that_is_stopped_frees_its_slot_and_the_app_takes_it_along() -> None:
    async with open_engine(SETTINGS) as engine:
        chat = await engine.chats.ask(None, STORY, Options(LOCAL))
        log = await engine.hub.open(chat.turns[-1].run_id)
        await until(lambda: log.seq > 3)
        assert any(await slots(engine.models))
        engine.runs.stop(log.run_id)
        await until(lambda: log.done is not None)
        with anyio.fail_after(PATIENCE):
            while any(await slots(engine.models)):  # noqa: ASYNC110 # in another process
                await anyio.sleep(0.02)
        child = child_of(engine.models.local)
    assert isinstance(log.done, Done)
    assert log.done.status == "stopped"
    assert not child.alive


async def test_the_gateway_takes_it_and_refuses_tools_for_it() -> None:
    async with open_engine(SETTINGS) as engine, open_gateway(engine) as gateway:
        started = await gateway.ask(ChatRequest(message="Say yes.", model=LOCAL), Grant("ada"))
        log = await gateway.log(started.run_id, Grant("ada"))
        await until(lambda: log.done is not None)
        assert log.done
        assert log.done.status == "completed"
        assert log.done.usage
        assert not log.done.usage.estimated
        with pytest.raises(Refusal) as refused:
            await gateway.ask(ChatRequest(message="What is 2 + 2?", model=LOCAL, agent=True), Grant("ada"))
    assert refused.value.code == "no_tools"


@pytest.mark.parametrize("content", [None, b"no model"], ids=["missing", "broken"])
def test_a_file_that_is_no_model_is_a_failure_with_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "odd.gguf"
    if content:
        file.write_bytes(content)
    chosen = SETTINGS.model_copy(update={"lab_local_model": file})
    with closing(Models(chosen, "http://127.0.0.1:9")) as models:
        assert models.local.name == "odd"
        with pytest.raises(Failure) as failed:
            models.chat_model(LOCAL, 0.0)
    assert failed.value.code == "provider_unavailable"


async def test_without_its_packages_it_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "find_spec", lambda name: None)
    with closing(Models(SETTINGS, "http://127.0.0.1:9")) as models:
        assert LOCAL not in await models.names()
        assert await models.not_offered([LOCAL]) == LOCAL


def test_another_process_asks_the_same_server(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in models.local.environment().items():
        monkeypatch.setenv(name, value)
    with closing(Models(SETTINGS, "http://127.0.0.1:9")) as elsewhere:
        assert elsewhere.local.address() == models.local.address()
        assert elsewhere.chat_model(LOCAL, 0.0).invoke("Say yes.", max_tokens=4).text


def test_it_is_not_started_before_it_is_asked() -> None:
    with engine_in_thread(SETTINGS) as engine:
        assert not engine.models.local.loading
        assert engine.models.local._child is None


@languages
def test_the_first_page_offers_a_race_with_it(language: str) -> None:
    """One click, and it is asked; without its packages a line says what installs it."""
    with serving(lab_local_threads=1, lab_total_timeout=1, lab_attempts=1) as engine:
        engine.models.local.address()  # or the runs would end before it is there
        app = visit("home", language)
        told = texts(language)["home.local"].format(name=engine.models.local.name)
        assert told in [each.value for each in app.markdown]
        checked(app.button(key="home.local_race").click().run())
        found = engine.portal.call(engine.chats.get, app.query_params["race"])
        assert (found.turns[0].question, found.turns[0].options.model) == (LOCAL_QUESTION, LOCAL)


async def test_no_connection_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server sometimes closes a kept one just as the next request comes; so by both clients."""
    options = StockOptions(timeout=PATIENCE, streaming=True)
    with raw_endpoint(http(sse("Yes."))) as endpoint, httpx2.Client(trust_env=False) as client:
        monkeypatch.setenv(local_server.URL, endpoint.base_url)
        with closing(Models(SETTINGS, "http://127.0.0.1:9")) as models:
            async with httpx2.AsyncClient(trust_env=False) as async_client:
                stock = models.stock_model(LOCAL, options, client, async_client)
                for model in (models.chat_model(LOCAL, 1.0), stock):
                    assert [part async for part in model.astream("Hello")]
    assert ["connection: close" in head.lower() for head in endpoint.headers] == [True, True]


@pytest.mark.soak
def test_a_prompt_that_was_just_read_is_answered_sooner() -> None:
    """By llama.cpp's cache of what a slot has read: the longer it is, the more that saves."""
    plan = plan_of(models=(LOCAL,), ways=("stream",), prompt_lengths=(100, 1_000), pairs=3, max_tokens=16)
    with closing(measure(plan, SETTINGS, "http://127.0.0.1:9/v1")) as calls:
        seen = list(calls)
    assert {one.error for one in seen} == {None}
    first = {(found.prompt_length, found.repeated): found.ttft for found in summarize(seen, 1.0).figures}
    new, again, short = present(first[1_000, False]), present(first[1_000, True]), present(first[100, False])
    assert again.median < new.median / 2
    assert short.median < new.median
