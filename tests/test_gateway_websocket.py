"""The same events over a WebSocket: order, resuming, stopping, and why it closes."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamlab.events.event import StreamEvent, Thinking, decode
from streamlab.gateway.delivery import Pace
from streamlab.gateway.http import create_app
from streamlab.hub import Log
from streamlab.hub.log import Bounds
from tests.conftest import demo_model, until
from tests.gateway import Served, delta, ending, seqs, served

pytestmark = pytest.mark.anyio

SECRET = "swordfish-0123456789"
BEARER = {"authorization": f"Bearer {SECRET}"}
FAR_AHEAD = 1_000.0

Message = dict[str, Any]


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served() as lab:
        yield lab


@pytest.fixture(scope="module")
async def closed_lab(anyio_backend: str) -> AsyncIterator[Served]:
    """One that has a token, and short-lived follow tokens."""
    async with served(gateway_tokens=(SecretStr(SECRET),), gateway_follow_token_seconds=3) as lab:
        yield lab


@asynccontextmanager
async def socket_of(
    lab: Served, run_id: str, headers: dict[str, str] | None = None, query: str = "", **options: Any
) -> AsyncIterator[ClientConnection]:
    url = f"ws://127.0.0.1:{lab.port}/api/runs/{run_id}/ws{query}"
    async with connect(url, additional_headers=headers, compression=None, **options) as client:
        yield client


async def read(client: ClientConnection) -> tuple[list[Message], int | None, str | None]:
    """All messages until the end, its code and its reason."""
    messages: list[Message] = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(await client.recv()))
    return messages, client.close_code, client.close_reason


def log_events(messages: list[Message]) -> list[StreamEvent]:
    return [decode(json.dumps(message["data"])) for message in messages if "id" in message]


async def events_after(lab: Served, log: Log, token: str) -> list[Message]:
    async with socket_of(lab, log.run_id, query=f"?after={token}") as client:
        messages, code, _ = await read(client)
        assert code == 1000
        return messages


async def test_a_run_arrives_whole_and_in_order(lab: Served) -> None:
    """Live, `open` first, each event with its resume token; 1000 at the run's end."""
    started = (await lab.client.post("/runs", json={"message": "hi", "model": demo_model(rate=200)})).json()
    async with socket_of(lab, started["id"]) as client:
        messages, code, reason = await read(client)
    log = lab.engine.hub.log(started["id"])
    assert (code, reason) == (1000, "ended")
    assert messages[0]["event"] == "open"
    assert messages[0]["data"]["conversation"] == started["conversation"]
    events = log_events(messages)
    assert seqs(events) == list(range(1, log.seq + 1))
    assert [message["id"] for message in messages[1:]] == [f"{log.epoch}-{event.seq}" for event in events]
    assert [message["event"] for message in messages[1:]] == [event.type for event in events]


@pytest.mark.parametrize("content", ["\u2028\r\n", "\ud800", '"}', "配信 🎈", "\x00"])
async def test_whatever_a_model_writes_arrives_as_it_was(lab: Served, content: str) -> None:
    """Also what UTF-8 cannot say."""
    log = lab.log(delta(content, FAR_AHEAD), *ending(content))
    assert log_events(await events_after(lab, log, "")) == log.since(0)


async def test_resuming_anywhere_repeats_nothing_and_loses_nothing(lab: Served) -> None:
    """With tokens that another protocol gave; at the end there is only the end."""
    log = lab.log(*[delta(letter, FAR_AHEAD) for letter in "stream"], *ending("stream"))
    for seq in range(log.seq + 1):
        messages = await events_after(lab, log, f"{log.epoch}-{seq}")
        assert seqs(log_events(messages)) == list(range(seq + 1, log.seq + 1))


async def test_what_cannot_be_had_is_a_gap_and_its_sum(lab: Served) -> None:
    """As control messages, without an id."""
    log = lab.log()
    log.bounds = Bounds(events=3)
    for event in (*[delta(letter, FAR_AHEAD) for letter in "abc"], *ending("abc")):
        log.append(event)
    messages = await events_after(lab, log, f"{log.epoch}-1")
    assert [message["event"] for message in messages] == [
        "open",
        "gap",
        "snapshot",
        "text_delta",
        "final_answer",
        "done",
    ]
    assert not any("id" in message for message in messages[:3])
    assert messages[2]["data"]["text"] == "ab"


async def test_a_lagging_client_gets_merged_deltas(lab: Served) -> None:
    """As over any protocol."""
    log = lab.log(*[delta("a")] * 100, *ending("a" * 100))
    messages = await events_after(lab, log, f"{log.epoch}-10")
    assert messages[1]["data"]["seq_from"] == 11
    assert messages[1]["id"] == f"{log.epoch}-100"


async def test_the_client_can_stop_the_run(lab: Served) -> None:
    """One message; the stream goes on to the end of the log, which says that it was stopped."""
    body = {"message": "hi", "model": demo_model(chunks=100_000, rate=50)}
    started = (await lab.client.post("/runs", json=body)).json()
    async with socket_of(lab, started["id"]) as client:
        await client.recv()
        await client.send('{"type": "stop"}')
        messages, code, _ = await read(client)
    assert code == 1000
    assert messages[-1]["data"]["status"] == "stopped"


@pytest.mark.parametrize("said", ["", "stop", "[" * 10_000, '{"type":"stop","x":1}', "null", b"\x00stop"])
async def test_any_other_message_is_answered_and_harms_nothing(lab: Served, said: str | bytes) -> None:
    """With a sentence; the stream goes on."""
    log = lab.log(delta(at=FAR_AHEAD))
    async with socket_of(lab, log.run_id) as client:
        await client.send(said)
        await client.send("again")
        for event in ending("x"):
            await asyncio.sleep(0.02)
            log.append(event)
        messages, code, _ = await read(client)
    assert code == 1000
    refusals = [message["data"]["error"] for message in messages if message["event"] == "refused"]
    assert {refusal["code"] for refusal in refusals} == {"unknown_message"}
    assert seqs(log_events(messages)) == [1, 2, 3]


async def test_a_follow_token_reads_and_does_not_stop(closed_lab: Served) -> None:
    """The run it was issued for, without its conversation, until it expires: 4401, and a `close` message before."""
    log = closed_lab.log(delta(at=FAR_AHEAD))
    token = (await closed_lab.client.post(f"/runs/{log.run_id}/token", headers=BEARER)).json()["token"]
    async with socket_of(closed_lab, log.run_id, query=f"?token={token}") as client:
        await client.send('{"type": "stop"}')
        messages, code, reason = await read(client)
    assert [message["event"] for message in messages] in (
        ["open", "text_delta", "refused", "close"],
        ["open", "refused", "text_delta", "close"],
    )
    assert (code, reason) == (4401, "expired")
    refused = next(message for message in messages if message["event"] == "refused")
    assert refused["data"]["error"]["code"] == "read_only"
    assert log.done is None


@pytest.mark.parametrize(
    ("run", "headers", "query", "code", "reason"),
    [
        ("mine", {}, "", 4401, "unauthorized"),
        ("mine", {"authorization": "Bearer no"}, "", 4401, "invalid_access_token"),
        ("mine", {}, "?token=no", 4401, "invalid_follow_token"),
        ("nobody", BEARER, "", 4404, "unknown_run"),
        ("mine", BEARER, "?after=7", 4400, "invalid_resume_token"),
    ],
)
async def test_what_is_refused_closes_with_its_status(
    closed_lab: Served, run: str, headers: dict[str, str], query: str, code: int, reason: str
) -> None:
    """4000 and what HTTP would say, which a browser can read; it cannot read the status of a handshake."""
    run_id = closed_lab.log(*ending("")).run_id if run == "mine" else run
    async with socket_of(closed_lab, run_id, headers, query) as client:
        assert await read(client) == ([], code, reason)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"origin": "https://evil.example"}, "foreign_origin"),
        ({"x-forwarded-for": "10.0.0.1"}, "not_local"),
    ],
)
async def test_the_gates_hold_before_the_handshake(lab: Served, headers: dict[str, str], code: str) -> None:
    """No socket is opened to another site's page; the answer has the shape of every error."""
    log = lab.log(*ending(""))
    with pytest.raises(InvalidStatus) as caught:
        async with socket_of(lab, log.run_id, headers):
            pass
    assert caught.value.response.status_code == 403
    assert json.loads(caught.value.response.body)["error"]["code"] == code


async def test_a_client_that_leaves_leaves_nothing_behind(lab: Served) -> None:
    """Properly or not, while it waits or while it reads."""
    log = lab.log(delta(at=FAR_AHEAD))
    for number in range(20):
        async with socket_of(lab, log.run_id) as client:
            await client.recv()
            if number % 2:
                client.transport.abort()
    await until(lambda: log.followers == 0)
    await until(lambda: not len(lab.gateway.deliveries))
    samples = (await lab.client.get("/metrics")).text
    assert 'streamlab_followers{protocol="websocket"} 0.0' in samples


@pytest.mark.parametrize("message", ["websocket.send", "websocket.close"])
async def test_a_connection_that_uvicorn_has_closed_is_a_client_that_has_gone(lab: Served, message: str) -> None:
    """It answers a client's close itself, and calls what is on its way just then a mistake of the application.

    That this happens between two steps of the loop is nothing that a client can bring about at will.
    """
    told: list[str] = []

    async def closed(sent: MutableMapping[str, Any]) -> None:
        told.append(sent["type"])
        if sent["type"] == message:
            raise RuntimeError(f"Unexpected ASGI message '{message}', after sending 'websocket.close'.")

    received: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    received.put_nowait({"type": "websocket.connect"})

    log = lab.log(*ending(""))
    run_id = log.run_id if message == "websocket.send" else "nobody"
    app = create_app(lab.engine.settings)
    app.state.gateway = lab.gateway
    scope = {"type": "websocket", "path": f"/runs/{run_id}/ws", "raw_path": b"", "root_path": "", "query_string": b""}
    scope |= {"headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "scheme": "ws", "subprotocols": []}
    await app(scope, received.get, closed)
    assert told == ["websocket.accept", message]


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    """After the time that a send may take; the run is not held up."""
    async with served(Pace(frame=0.005, send=0.3, check=0.05)) as lab:
        log = lab.log()
        async with socket_of(lab, log.run_id, max_queue=1) as client:
            await until(lambda: log.followers == 1)
            for _ in range(300):
                log.append(Thinking("x" * 100_000, at=FAR_AHEAD))
                await asyncio.sleep(0)
            await until(lambda: log.followers == 0)
            await until(lambda: not len(lab.gateway.deliveries))
            client.transport.abort()
        samples = (await lab.client.get("/metrics")).text
        assert 'streamlab_disconnects_total{protocol="websocket",reason="slow"} 1.0' in samples


async def test_draining_says_so() -> None:
    """`drain`, then 1012, which says to come again."""
    async with served() as lab:
        log = lab.log(delta(at=FAR_AHEAD))
        async with socket_of(lab, log.run_id) as client:
            reading = asyncio.create_task(read(client))
            await until(lambda: log.followers == 1)
            await asyncio.sleep(0.1)
            await lab.gateway.drain(0)
            messages, code, reason = await reading
        assert [message["event"] for message in messages] == ["open", "text_delta", "drain"]
        assert (code, reason) == (1012, "drained")
        with pytest.raises(InvalidStatus) as late:  # before it is accepted: a balancer asks elsewhere then
            async with socket_of(lab, log.run_id):
                pass
        assert late.value.response.status_code == 503
