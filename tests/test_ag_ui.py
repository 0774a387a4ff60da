"""AG-UI's own client, `@ag-ui/client`, pointed at a gateway that really listens."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from uuid import uuid4

import anyio
import httpx2
import pytest
from ag_ui.core import RunErrorEvent

from tests.ag_ui_streams import FOLDER, told
from tests.conftest import demo_model, until
from tests.gateway import FAST, Served, served
from tests.javascript import install, needs_node
from tests.redis_server import RedisServer
from tests.shared import pair

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
TOKENS = "one:secret-one,two:secret-two"
ONE, TWO = ({"authorization": f"Bearer secret-{name}"} for name in ("one", "two"))
WEATHER: Json = {
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Clients:
    """HttpAgents in one process of Node; each has a name, and its messages for as long as the process lives."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self._url = url
        self._ids = count()
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            told = json.loads(line)
            self._waiting.pop(told.pop("id")).set_result(told)
        for waiting in self._waiting.values():
            waiting.set_exception(EOFError("the clients have ended"))

    def go(self, name: str, thread: str, **command: Any) -> "asyncio.Future[Json]":
        """Have an agent run, or connect, and say in the end what it was told."""
        assert self._process.stdin
        id = next(self._ids)
        self._waiting[id] = asyncio.get_running_loop().create_future()
        asked = {"id": id, "name": f"{name} {thread}", "threadId": thread, "url": self._url, "headers": ONE} | command
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        return self._waiting[id]

    async def ask(self, thread: str, say: str, name: str = "a", **forwarded: Any) -> Json:
        parameters = {"forwardedProps": {"model": demo_model()} | forwarded}
        return await self.go(name, thread, say=say, parameters=parameters)


@asynccontextmanager
async def clients_at(url: str) -> AsyncIterator[Clients]:
    """Agents of the gateway whose API is there."""
    await anyio.to_thread.run_sync(install, FOLDER)
    process = await asyncio.create_subprocess_exec(
        str(shutil.which("node")), "agent.mjs", cwd=FOLDER, stdin=-1, stdout=-1, limit=2**24
    )
    clients = Clients(process, f"{url}/ag-ui")
    try:
        yield clients
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()
        await clients._reading


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(FAST, gateway_tokens=TOKENS, gateway_max_runs=100, gateway_runs_per_minute=10_000) as lab:
        yield lab


@pytest.fixture(scope="module")
async def clients(lab: Served) -> AsyncIterator[Clients]:
    async with clients_at(lab.url) as clients:
        yield clients


@pytest.fixture
def thread() -> str:
    return f"thread/{uuid4().hex} ü"  # whatever an application calls it


def types(outcome: Json) -> list[str]:
    return [event["type"] for event in outcome["events"]]


def clean(outcome: Json) -> Json:
    assert (outcome["error"], outcome["warnings"]) == (None, [])
    return outcome


def body(thread: str = "t", **changes: Any) -> Json:
    question = {"id": "u1", "role": "user", "content": "Hi"}
    return {"threadId": thread, "runId": uuid4().hex, "messages": [question]} | changes


async def post(lab: Served, sent: Json, **headers: str) -> httpx2.Response:
    return await lab.client.post("/ag-ui", json=sent, headers=ONE | headers)


# Runs


@needs_node
async def test_a_chat_goes_on(clients: Clients, lab: Served, thread: str) -> None:
    """The text arrives bit by bit; the next question comes with all that was said."""
    first = clean(await clients.ask(thread, "What is streaming?"))
    assert types(first)[:3] == ["RUN_STARTED", "STEP_STARTED", "TEXT_MESSAGE_START"]
    assert types(first)[-3:] == ["TEXT_MESSAGE_END", "STEP_FINISHED", "RUN_FINISHED"]
    started, finished = first["events"][0], first["events"][-1]
    assert (started["threadId"], started["protocolVersion"]) == (thread, "1.0")
    assert (finished["threadId"], finished["runId"]) == (thread, started["runId"])
    run = (await lab.client.get(f"/runs/{started['metadata']['run']}", headers=ONE)).json()
    assert first["messages"][-1]["content"] == run["text"]
    second = clean(await clients.ask(thread, "And what is a token?"))
    assert [message["role"] for message in second["messages"]] == ["user", "assistant"] * 2


@needs_node
async def test_reasoning_is_a_message_of_its_own(clients: Clients, thread: str) -> None:
    """It is there before the answer, and no part of the text."""
    outcome = clean(await clients.ask(thread, "Hi", model=demo_model(reasoning=True)))
    assert [message["role"] for message in outcome["messages"]] == ["user", "reasoning", "assistant"]
    assert all(message["content"] for message in outcome["messages"])


@needs_node
async def test_the_server_s_own_tools_are_shown_with_their_results(clients: Clients, thread: str) -> None:
    """A step for each turn of the model; what it called and what came of that stand in the history as models take it,
    so that the conversation goes on.
    """
    for question in ("What is 17 * 23, and what is 5 * 5?", "What is 4 * 4?"):
        outcome = clean(await clients.ask(thread, question, agent=True))
        assert types(outcome).count("STEP_STARTED") == types(outcome).count("STEP_FINISHED") >= 2
        calls = [call for message in outcome["messages"] for call in message.get("toolCalls", [])]
        results = [message for message in outcome["messages"] if message["role"] == "tool"]
        assert {call["id"] for call in calls} == {result["toolCallId"] for result in results}
        assert types(outcome).count("TOOL_CALL_RESULT") >= 1
    assert "16" in outcome["messages"][-1]["content"]


@needs_node
async def test_a_lost_attempt_leaves_nothing_behind(clients: Clients, thread: str) -> None:
    """What was said before, and what the client has of its own, is still there; the lost text is not."""
    text = "All of this is said in the end."
    clean(await clients.ask(thread, "Hi"))
    model = demo_model(text=text, fault="cut", after=3, times=1)
    outcome = clean(await clients.ask(thread, "And now?", model=model))
    retry = next(event for event in outcome["events"] if event["type"] == "CUSTOM")
    assert (retry["name"], retry["value"]["code"]) == ("retry", "connection_lost")
    assert types(outcome).count("MESSAGES_SNAPSHOT") == 1
    assert [message["role"] for message in outcome["messages"]] == ["user", "assistant", "user", "assistant"]
    assert outcome["messages"][-1]["content"] == text


@needs_node
async def test_a_run_that_fails_is_an_error_of_ours(clients: Clients, thread: str) -> None:
    outcome = await clients.ask(thread, "Hi", model=demo_model(fault="key"))
    assert types(outcome)[-2:] == ["STEP_FINISHED", "RUN_ERROR"]
    assert outcome["events"][-1]["code"] == "auth"


@needs_node
async def test_functions_of_the_page_are_called_and_answered(clients: Clients, thread: str) -> None:
    """The call comes without a result, and is named at the end; with the page's result the model goes on."""
    parameters = {"tools": [WEATHER], "forwardedProps": {"model": demo_model()}}
    asked = clean(await clients.go("a", thread, say="What is the weather in Oslo?", parameters=parameters))
    (call,) = asked["messages"][-1]["toolCalls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("get_weather", {"city": "Oslo"})
    assert "TOOL_CALL_RESULT" not in types(asked)
    assert asked["events"][-1]["outcome"] == {"type": "success", "pendingToolCallIds": [call["id"]]}
    result = {"id": "r", "role": "tool", "toolCallId": call["id"], "content": "Sunny, 20 degrees"}
    answered = clean(await clients.go("a", thread, add=result, parameters=parameters))
    assert "Sunny, 20 degrees" in answered["messages"][-1]["content"]


# Coming back


@needs_node
async def test_a_run_that_was_left_is_taken_up(clients: Clients, lab: Served, thread: str) -> None:
    """By the page that has a part of it, and by another browser, which learns what was asked: both have the same."""
    clean(await clients.ask(thread, "Hi", model=demo_model(reasoning=True)))
    text = " ".join(map(str, range(60)))
    model = demo_model(text=text, rate=30, reasoning=True)
    parameters = {"forwardedProps": {"model": model}}
    await clients.go("a", thread, say="Count", parameters=parameters, leave=30)
    again = clients.go("a", thread, connect=True)
    other = clients.go("b", thread, connect=True)
    here, there = clean(await again), clean(await other)
    assert types(here)[:2] == types(there)[:2] == ["RUN_STARTED", "MESSAGES_SNAPSHOT"]
    assert "TEXT_MESSAGE_CONTENT" in types(there)
    assert here["messages"] == there["messages"]
    assert [message["role"] for message in there["messages"]] == ["user", "reasoning", "assistant"] * 2
    assert there["messages"][-1]["content"] == text
    assert lab.gateway.deliveries.traffic["ag-ui"].events > 0


@needs_node
async def test_a_run_that_has_ended_is_told_whole(clients: Clients, thread: str) -> None:
    """For as long as its log is kept: a page that comes late has the conversation, too."""
    asked = clean(await clients.ask(thread, "Hi"))
    late = clean(await clients.go("b", thread, connect=True))
    assert types(late) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]
    assert late["messages"] == asked["messages"]
    assert late["events"][-1] == asked["events"][-1]


@needs_node
async def test_where_nothing_is_to_be_taken_up_nothing_is_told(clients: Clients, thread: str) -> None:
    """No error either, also in the thread of another's that has the same name."""
    clean(await clients.ask(thread, "Hi"))
    for headers, name in ((ONE, "no such thread"), (TWO, thread)):
        outcome = clean(await clients.go("b", name, connect=True, headers=headers))
        assert (outcome["events"], outcome["messages"]) == ([], [])


@needs_node
async def test_whoever_may_ask_in_a_thread_stops_its_run(clients: Clients, lab: Served, thread: str) -> None:
    """Everyone who follows it is told that it was cancelled; there is nothing to stop then, nor for anybody else."""
    model = demo_model(chunks=3_000, rate=20)
    running = clients.go("a", thread, say="Hi", parameters={"forwardedProps": {"model": model}})
    place = f"/ag-ui/{thread}/stop"

    async def stop(headers: Json) -> int:
        return (await lab.client.post(place, headers=headers)).status_code

    with anyio.fail_after(20):
        while await stop(ONE) != 202:
            assert await stop(TWO) == 204
            await asyncio.sleep(0.02)
    outcome = clean(await running)
    assert outcome["events"][-1]["outcome"] == {"type": "cancelled"}
    assert await stop(ONE) == 204


@needs_node
async def test_a_thread_has_one_run_at_a_time(clients: Clients, thread: str) -> None:
    """Whoever asks anew has left the answer before: it is stopped."""
    model = demo_model(chunks=3_000, rate=20)
    parameters = {"forwardedProps": {"model": model}}
    first = clients.go("a", thread, say="Hi", parameters=parameters)
    await clients.go("b", thread, say="Hi", parameters=parameters, leave=4)
    assert clean(await first)["events"][-1]["outcome"] == {"type": "cancelled"}


async def test_a_repeated_request_has_one_run(lab: Served, thread: str) -> None:
    """By its key; the client may have a part of the answer, so all messages are told at once."""
    sent = body(thread)
    key = uuid4().hex
    answers = [await post(lab, sent, **{"idempotency-key": key}) for _ in range(2)]
    assert answers[0].headers["x-run-id"] == answers[1].headers["x-run-id"]
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert [event.type.value for event in told([answers[1].content])][1] == "MESSAGES_SNAPSHOT"


async def test_a_server_that_leaves_says_so(anyio_backend: str) -> None:
    """A mere end would be taken for the run's."""
    async with served(FAST) as lab:
        sent = body(forwardedProps={"model": demo_model(chunks=3_000, rate=20)})
        asking = asyncio.create_task(lab.client.post("/ag-ui", json=sent))
        await until(lambda: len(lab.gateway.deliveries) == 1)
        await lab.gateway.deliveries.drain(grace=5)
        last = told([(await asking).content])[-1]
    assert isinstance(last, RunErrorEvent)
    assert last.code == "drain"


async def test_a_thread_is_known_at_every_gateway(redis_server: RedisServer, thread: str) -> None:
    """On one Redis a run is taken up and stopped at another than the one that began it."""
    async with pair(redis_server.url, redis_server.url) as (here, there):
        sent = body(thread, forwardedProps={"model": demo_model(chunks=3_000, rate=30)})
        asking = asyncio.create_task(here.client.post("/ag-ui", json=sent))
        await until(lambda: len(here.gateway.deliveries) == 1)
        coming = asyncio.create_task(there.client.get(f"/ag-ui/{thread}/stream"))
        await until(lambda: len(there.gateway.deliveries) == 1)
        assert (await there.client.post(f"/ag-ui/{thread}/stop")).status_code == 202
        streams = [told([(await each).content]) for each in (asking, coming)]
    assert [stream[-1].model_dump() for stream in streams] == [streams[0][-1].model_dump()] * 2
    assert [event.type.value for event in streams[1]][:2] == ["RUN_STARTED", "MESSAGES_SNAPSHOT"]
