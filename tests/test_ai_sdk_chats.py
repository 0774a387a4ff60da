"""The AI SDK's chats: whose they are, which run answers in them, and how one comes back to it."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import anyio
import pytest
from pydantic import SecretStr

from streamlab.gateway.access import LOCAL, Grant
from streamlab.gateway.last_runs import LastRuns
from streamlab.gateway.protocols.ai_sdk.chat import CHAT, Chat
from streamlab.hub import Hub, Log
from streamlab.hub.shared import DocumentType
from tests import shared
from tests.access import OTHER, SECRET
from tests.ai_sdk import chat, check_sentence, chunks, said, text
from tests.conftest import PATIENCE, demo_model, until
from tests.gateway import FAST, Served, delta, parse_stream, served
from tests.shared import Pair

gateways = shared.gateways  # fixtures are found by their names

pytestmark = pytest.mark.anyio

TEXT = "An answer of several words."
JSON = {"content-type": "application/json"}
ADA, BOB = ({"authorization": f"Bearer {token}"} for token in (SECRET, OTHER))
ENDLESS = demo_model(chunks=100_000, rate=20)

Json = dict[str, Any]


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    tokens = tuple(SecretStr(f"{name}:{token}") for name, token in (("ada", SECRET), ("bob", OTHER)))
    async with served(FAST, gateway_tokens=tokens, gateway_runs_per_minute=10_000, gateway_max_runs=1_000) as lab:
        lab.client.headers.update(ADA)
        yield lab


async def live(lab: Served, id: str, caller: dict[str, str] = ADA) -> Log:
    """Ask in a chat for an answer without end, and leave."""
    sent = chat(id=id, model=ENDLESS)
    async with lab.client.stream("POST", "/ai-sdk/chat", json=sent, headers=caller) as response:
        assert response.status_code == 200
        return lab.engine.hub.log(response.headers["x-run-id"])


def at(chat_id: str, what: str) -> str:
    return f"/ai-sdk/chat/{chat_id}/{what}"


async def stopped(log: Log) -> None:
    await until(lambda: log.done is not None)
    assert log.done is not None
    assert log.done.status == "stopped"


async def test_another_callers_chat_of_the_same_id_is_another(lab: Served) -> None:
    """Neither reads nor stops the other's, nor takes its place."""
    log = await live(lab, "mine")
    assert (await lab.client.get(at("mine", "stream"), headers=BOB)).status_code == 204
    assert (await lab.client.post(at("mine", "stop"), headers=BOB)).status_code == 204
    his = await live(lab, "mine", BOB)
    assert log.done is None
    assert (await lab.client.post(at("mine", "stop"))).status_code == 202
    await stopped(log)
    assert his.done is None
    assert (await lab.client.post(at("mine", "stop"), headers=BOB)).status_code == 202
    await stopped(his)


async def test_a_new_question_takes_the_place_of_the_former(lab: Served) -> None:
    """Which is stopped, once the new one was taken; a refused one changes nothing."""
    first = await live(lab, "again")
    refused = await lab.client.post("/ai-sdk/chat", json=chat(id="again", model="gpt-99"))
    assert refused.status_code == 422
    assert first.done is None
    second = await live(lab, "again")
    await stopped(first)
    async with lab.client.stream("GET", at("again", "stream")) as response:
        assert response.headers["x-run-id"] == second.run_id
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert response.headers["location"] == f"/api/runs/{second.run_id}"
    await lab.client.post(at("again", "stop"))
    await stopped(second)


async def test_the_same_question_again_under_its_key(lab: Served) -> None:
    """Is answered by the same run, which goes on."""
    sent, key = chat(id="keyed", model=ENDLESS), {"idempotency-key": "k1"}
    runs = []
    for _ in range(2):
        async with lab.client.stream("POST", "/ai-sdk/chat", json=sent, headers=key) as response:
            runs.append(response.headers["x-run-id"])
    assert response.headers["idempotency-replayed"] == "true"
    assert runs[0] == runs[1]
    assert lab.engine.hub.log(runs[0]).done is None
    await lab.client.post(at("keyed", "stop"))


async def test_an_answer_that_has_ended_can_be_had_by_who_asks_for_it(lab: Served) -> None:
    """A page whose connection was cut just before the end would else not have it."""
    sent = chat(id="over", model=demo_model(text=TEXT))
    whole = await lab.client.post("/ai-sdk/chat", json=sent)
    assert parse_stream(whole.content)[-1].data == "[DONE]"
    assert (await lab.client.get(at("over", "stream"))).status_code == 204
    again = await lab.client.get(at("over", "stream"), params={"ended": "true"})
    assert again.status_code == 200
    assert again.headers["x-run-id"] == whole.headers["x-run-id"]
    for answer in (whole, again):
        deltas = [sent.json["delta"] for sent in parse_stream(answer.content)[:-1] if "delta" in sent.json]
        assert "".join(deltas) == TEXT


ANSWER = said(text("4."), role="assistant")


@pytest.mark.parametrize(
    ("messages", "more", "question"),
    [
        (
            [said(text("何ですか。\n「"), text("\u2028</script>"))],
            {},
            {"id": "m", "text": "何ですか。\n「\n\n\u2028</script>"},
        ),
        (
            [said(text("What is 2 + 2?")), ANSWER, said(text("And 3?")) | {"id": "m2"}],
            {},
            {"id": "m2", "text": "And 3?"},
        ),
        ([said(text("Again")), ANSWER], {"trigger": "regenerate-message"}, {"id": "m", "text": "Again"}),
        ([said(text("Half \ud800")) | {"id": "\ud800"}], {}, {"id": "?", "text": "Half ?"}),
        ([said(text("No id")) | {"id": None}], {}, {"id": "question-{run}", "text": "No id"}),
        ([said(text("Empty")) | {"id": ""}], {}, {"id": "question-{run}", "text": "Empty"}),
        ([said(text("A number")) | {"id": 7}], {}, {"id": "question-{run}", "text": "A number"}),
        ([said(text("q" * 500_000))], {}, {"id": "m", "text": "q" * 500_000}),
    ],
)
@pytest.mark.parametrize("version", [5, 6, 7])
async def test_whoever_takes_an_answer_up_is_told_its_question(
    lab: Served, messages: list[Json], more: Json, question: Json, version: int
) -> None:
    """Once, behind the start, and not in the message; who asked is not told, and nobody with another token."""
    sent = chat(*messages, id=uuid4().hex, model=demo_model(text=TEXT), **more)
    asked = await lab.client.post("/ai-sdk/chat", content=json.dumps(sent), params={"version": version}, headers=JSON)
    wanted = {"version": version, "ended": True}
    taken_up = await lab.client.get(at(sent["id"], "stream"), params=wanted)
    start, told, *rest = chunks(taken_up.content)
    data = {name: value.format(run=asked.headers["x-run-id"]) for name, value in question.items()}
    assert told == {"type": "data-question", "data": data, "transient": True}
    for first, *others in ([start, *rest], chunks(asked.content)):
        assert first == {"type": "start", "messageId": asked.headers["x-run-id"]}
        assert "".join(each["delta"] for each in others if "delta" in each) == TEXT
        assert "data-question" not in {each["type"] for each in others}
    assert (await lab.client.get(at(sent["id"], "stream"), params=wanted, headers=BOB)).status_code == 204


async def test_two_questions_at_once_leave_one_answer(lab: Served) -> None:
    """Whichever comes last is the chat's, and every other is stopped."""
    logs = await asyncio.gather(*(live(lab, "at once") for _ in range(5)))
    await until(lambda: sum(log.done is None for log in logs) == 1)
    (last,) = (log for log in logs if log.done is None)
    async with lab.client.stream("GET", at("at%20once", "stream")) as response:
        assert response.headers["x-run-id"] == last.run_id
    await lab.client.post(at("at%20once", "stop"))


async def test_a_server_that_leaves_says_that_the_answer_goes_on() -> None:
    """The stream does not look whole."""
    async with served(FAST) as lab:
        log = lab.log(delta("Half"))  # as one that another process writes
        await LastRuns(CHAT, lab.engine.hub.shared).put(Grant(LOCAL), "c", Chat(log.run_id))
        async with lab.client.stream("GET", at("c", "stream")) as response:
            await until(lambda: log.followers == 1)
            await lab.gateway.drain(notice=0)
            body = b"".join([piece async for piece in response.aiter_raw()])
        *_, text_delta, last = (sent.json for sent in parse_stream(body))
        assert text_delta["delta"] == "Half"
        assert last["type"] == "error"
        assert last["errorText"].endswith("Reload the page to see the rest of it.")
        refused = await lab.client.post("/ai-sdk/chat", json=chat())
        assert refused.status_code == 503
        check_sentence(refused)


async def test_each_run_of_a_chat_learns_of_the_one_before(any_hub: Hub) -> None:
    """Wherever it is kept, and however many come at once; the same run again, of none."""
    ada, chat_id = Grant("ada"), uuid4().hex
    runs = [Chat(f"run {number}", "m", "What?") for number in range(20)]
    former = await asyncio.gather(*(LastRuns(CHAT, any_hub.shared).put(ada, chat_id, run) for run in runs))
    last = await LastRuns(CHAT, any_hub.shared).get(ada, chat_id)
    assert last
    assert {*filter(None, former), last} == {*runs}
    assert await LastRuns(CHAT, any_hub.shared).put(ada, chat_id, last) is None
    assert await LastRuns(CHAT, any_hub.shared).get(Grant("bob"), chat_id) is None


async def test_a_chat_goes_on_at_any_gateway(gateways: Pair) -> None:
    """One asks, another tells the answer and stops it."""
    here, there = gateways
    sent = chat(id=uuid4().hex, model=ENDLESS)
    async with here.client.stream("POST", "/ai-sdk/chat", json=sent) as asked:
        async with there.client.stream("GET", at(sent["id"], "stream")) as told:
            assert told.headers["x-run-id"] == asked.headers["x-run-id"]
            assert (await there.client.post(at(sent["id"], "stop"))).status_code == 202
            body = await told.aread()
        assert parse_stream(await asked.aread())[-1].data == "[DONE]"
    assert b'"type":"abort"' in body
    assert chunks(body)[1]["data"] == {"id": "m", "text": "What is streaming?"}
    assert (await there.client.get(at(sent["id"], "stream"))).status_code == 204


async def test_what_another_version_noted_is_replaced(any_hub: Hub) -> None:
    """Nothing is known of it, and nothing waits for it to go."""
    chat_id, ada = uuid4().hex, Grant("ada")
    former = DocumentType(CHAT.name, str.encode, bytes.decode, CHAT.seconds, CHAT.capacity)
    await LastRuns(former, any_hub.shared).put(ada, chat_id, "no JSON")
    run = Chat(uuid4().hex)
    with anyio.fail_after(PATIENCE):
        await LastRuns(CHAT, any_hub.shared).put(ada, chat_id, run)
    assert await LastRuns(CHAT, any_hub.shared).get(ada, chat_id) == run
