"""The routes: what they answer, what they refuse and how they say it, idempotency, and pages of events."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from streamlab.gateway.limits import BODY
from streamlab.gateway.submissions import ChatRequest
from streamlab.hub.log import Bounds
from streamlab.models.options import QUESTION_CHARACTERS
from tests.conftest import check_laws, demo_model, until
from tests.events import content, end
from tests.gateway import (
    FAR_AHEAD,
    Served,
    ask,
    delta,
    ended,
    ending,
    is_refusal,
    log_events,
    parse_stream,
    seqs,
    served,
)


@pytest.fixture(scope="module")
async def lab(anyio_backend: str) -> AsyncIterator[Served]:
    async with served(gateway_runs_per_minute=10_000, gateway_max_runs=500) as lab:
        yield lab


# Asking


@pytest.mark.anyio
async def test_a_run_is_started_looked_at_read_and_stopped(lab: Served) -> None:
    """POST /runs answers at once with where everything is; each link leads there."""
    response = await ask(lab, message="What is streaming?", model=demo_model(chunks=100_000, rate=100))
    assert response.status_code == 201
    started = response.json()
    run = f"/api/runs/{started['id']}"
    assert response.headers["location"] == started["links"]["run"] == run
    assert response.headers["x-run-id"] == started["id"]
    root = lab.url.removesuffix("/api")
    log = lab.engine.hub.log(started["id"])
    await until(lambda: log.seq > 3)
    state = (await lab.client.get(root + started["links"]["run"])).json()
    assert state["status"] == "live"
    assert state["seq"] >= 3
    assert state["usage"] is None
    page = await lab.client.get(root + started["links"]["events"], headers={"accept": "application/json"})
    assert page.json()["events"][0]["seq"] == 1
    assert (await lab.client.delete(root + run)).status_code == 202
    await ended(lab, response)
    assert (await lab.client.delete(root + run)).status_code == 204
    state = (await lab.client.get(root + run)).json()
    assert state["status"] == "stopped"
    assert state["text"] == "".join(content(event) for event in log.since(0) if event.type == "text_delta") != ""
    assert state["usage"]["output_tokens"] > 0
    assert 0 <= state["time_to_first_token"] <= state["seconds"]
    check_laws(log.since(0))


@pytest.mark.anyio
async def test_the_agent_answers_with_tools(lab: Served) -> None:
    """`agent` is all that it takes."""
    response = await ask(lab, "/chat", message="What is 17 * 23?", agent=True)
    events = log_events(parse_stream(response.content))
    assert {"tool_call", "tool_result", "text_delta", "final_answer", "done"} <= {event.type for event in events}
    state = (await lab.client.get(f"/runs/{response.headers['x-run-id']}")).json()
    assert state["tools"] == 1
    assert "391" in state["text"]


@pytest.mark.anyio
async def test_a_conversation_goes_on(lab: Served) -> None:
    """Its id comes with the first answer; model and settings stay what they were unless they are said anew."""
    name = demo_model()
    first = await ask(lab, message="My name is Ada.", model=name, temperature=0.5)
    await ended(lab, first)
    second = await lab.client.post("/runs", json={"message": "And now?", "conversation": first.json()["conversation"]})
    assert second.json()["conversation"] == first.json()["conversation"]
    assert second.json()["model"] == name
    await ended(lab, second)
    chat = await lab.engine.chats.get(first.json()["conversation"])
    assert [turn.question for turn in chat.turns] == ["My name is Ada.", "And now?"]
    assert chat.turns[1].options == chat.turns[0].options


@pytest.mark.anyio
async def test_a_history_is_what_a_new_conversation_begins_with(lab: Served) -> None:
    """The last message is the question; the model is told of the others, the system message too."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is a token?"},
        {"role": "assistant", "content": "A piece of text."},
        {"role": "user", "content": "And a chunk?"},
    ]
    response = await ask(lab, messages=messages)
    events = await ended(lab, response)
    turns = (await lab.engine.chats.get(response.json()["conversation"])).turns
    assert [turn.question for turn in turns] == ["What is a token?", "And a chunk?"]
    assert turns[0].outcome
    assert turns[0].outcome.text == "A piece of text."
    assert turns[1].options.system == "Be brief."
    alone = await ended(lab, await ask(lab, message="And a chunk?"))
    told, untold = end(events).usage, end(alone).usage
    assert told
    assert untold
    assert told.input_tokens > untold.input_tokens


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "message or messages"),
        ({"message": "a", "messages": [{"role": "user", "content": "a"}]}, "message or messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "a"}]}, "begin and end"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "begin and end"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "in turn"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "begin and end"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "role"),
        ({"messages": [{"role": "user", "content": "a"}], "conversation": "x"}, "send message"),
        ({"message": 7}, "message"),
        ({"message": "   "}, "empty"),
        ({"message": "x" * (QUESTION_CHARACTERS + 1)}, "32,000"),
        ({"messages": [{"role": "user", "content": "x" * (QUESTION_CHARACTERS + 1)}]}, "32,000"),
        ({"message": "a", "temperature": 3}, "temperature"),
        ({"message": "a", "temperature": "1"}, "temperature"),
        ({"message": "a", "agent": "yes"}, "agent"),
        ({"message": "a", "surprise": 1}, "surprise"),
        ({"message": "a\ud800"}, "message"),
        ([], ""),
        ("hi", ""),
    ],
)
async def test_a_wrong_request_is_refused_with_a_sentence(lab: Served, body: object, word: str) -> None:
    """422 names the field and what is wrong, does not repeat what was sent, and starts nothing."""
    before = lab.engine.runs.started
    content = json.dumps(body)
    for route in ("/chat", "/runs"):
        response = await lab.client.post(route, content=content, headers={"content-type": "application/json"})
        assert is_refusal(response, 422, "invalid_request")
        assert word in response.json()["error"]["message"]
        assert len(response.content) < 1_000
    assert lab.engine.runs.started == before


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"\xff", "application/json", 400),
        (b'{"message":NaN}', "application/json", 422),
        (b'{"message":"a","temperature":NaN}', "application/json", 422),
        (b"[" * 100_000, "application/json", 400),
        (b'{"message":"a"}', "text/plain", 422),
        (b"", "application/json", 422),
    ],
)
async def test_a_body_that_is_no_request_is_refused(lab: Served, content: bytes, kind: str, status: int) -> None:
    """Never an error of the server. A simple form of another page is no request either."""
    response = await lab.client.post("/chat", content=content, headers={"content-type": kind})
    assert is_refusal(response, status, "invalid_request" if status == 422 else "bad_request")


@pytest.mark.anyio
async def test_a_body_that_is_too_large_is_refused(lab: Served) -> None:
    """With a length that says so, and without any."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(BODY // 65_536 + 1):
            yield b" " * 65_536

    headers = {"content-type": "application/json"}
    for body in (b" " * (BODY + 1), endless()):
        response = await lab.client.post("/chat", content=body, headers=headers)
        assert is_refusal(response, 413, "too_large")
    fits = b'{"message":"hi"}'.ljust(BODY)
    assert (await lab.client.post("/runs", content=fits, headers=headers)).status_code == 201


@pytest.mark.anyio
async def test_a_silent_model_server_is_not_answered_for_by_the_demo_model() -> None:
    """Who names no model is told which server does not answer, and so is who names one of its models."""
    async with served(openai_base_url="http://127.0.0.1:9/v1") as lab:
        for named in (None, "llama"):
            response = await ask(lab, message="a", model=named)
            assert is_refusal(response, 503, "models_unknown")
            assert "http://127.0.0.1:9/v1" in response.json()["error"]["message"]
            assert int(response.headers["retry-after"]) > 0
        assert (await ask(lab, message="a", model="demo")).status_code == 201


@pytest.mark.anyio
async def test_what_is_not_there_is_told(lab: Served) -> None:
    """The model with what there is, the run, the conversation, the address and the method."""
    response = await ask(lab, message="a", model="gpt-unheard-of")
    assert is_refusal(response, 422, "unknown_model")
    assert "demo" in response.json()["error"]["hint"]
    assert is_refusal(await ask(lab, message="a", conversation="nobody"), 404, "unknown_conversation")
    for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", ""), ("POST", "/token"), ("DELETE", "/token")):
        assert is_refusal(await lab.client.request(method, f"/runs/nobody{path}"), 404, "unknown_run")
    assert is_refusal(await lab.client.get("/nothing"), 404, "not_found")
    assert is_refusal(await lab.client.get("/runs/"), 404, "not_found")
    response = await lab.client.put("/chat")
    assert is_refusal(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.anyio
async def test_a_conversation_answers_one_question_at_a_time(lab: Served) -> None:
    """The second waits for the first, or stops it."""
    first = await ask(lab, message="a", model=demo_model(fault="silent"))
    response = await ask(lab, message="b", conversation=first.json()["conversation"])
    assert is_refusal(response, 409, "conversation_busy")
    await lab.client.delete(f"/runs/{first.json()['id']}")
    await ended(lab, first)
    assert (await ask(lab, message="b", conversation=first.json()["conversation"])).status_code == 201


@pytest.mark.anyio
async def test_a_full_server_refuses_and_says_when_to_come_back() -> None:
    """As many runs are live as may be, whoever started them."""
    async with served(lab_max_runs=1) as lab:
        assert (await ask(lab, message="a", model=demo_model(fault="silent"))).status_code == 201
        response = await ask(lab, message="a")
        assert is_refusal(response, 503, "at_capacity")
        assert response.headers["retry-after"] == "5"


# Idempotency


@pytest.mark.anyio
async def test_the_same_key_and_request_are_one_run(lab: Served) -> None:
    """Asked again, or twenty times at once, over either route: one run, and everyone reads it from its beginning."""
    body = {"message": "a", "model": demo_model()}
    before = lab.engine.runs.started
    answers = await asyncio.gather(*[ask(lab, key="once", **body) for _ in range(20)])
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert lab.engine.runs.started == before + 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19
    events = await ended(lab, answers[0])
    stream = await ask(lab, "/chat", key="once", **body)
    assert stream.headers["idempotency-replayed"] == "true"
    assert seqs(log_events(parse_stream(stream.content))) == [event.seq for event in events]
    assert (await ask(lab, key="twice", **body)).json()["id"] != answers[0].json()["id"]


@pytest.mark.anyio
async def test_a_key_is_not_used_for_another_request(lab: Served) -> None:
    """409, and nothing starts; a refused request does not use its key up."""
    body = {"message": "a", "model": demo_model()}
    assert is_refusal(await ask(lab, key="mine", message=" "), 422, "invalid_request")
    assert (await ask(lab, key="mine", **body)).status_code == 201
    before = lab.engine.runs.started
    assert is_refusal(await ask(lab, key="mine", **body | {"message": "b"}), 409, "idempotency_conflict")
    assert lab.engine.runs.started == before
    assert is_refusal(await ask(lab, key="x" * 256, **body), 422, "invalid_request")


def test_a_request_and_its_twin_have_one_fingerprint() -> None:
    """What it says counts, not how it is written."""
    one = ChatRequest.model_validate_json('{"message": "a", "agent": false}')
    other = ChatRequest.model_validate_json('{"message":"\\u0061"}')
    assert one.fingerprint == other.fingerprint
    assert one.fingerprint != ChatRequest(message="b").fingerprint


# Pages


@pytest.mark.anyio
@pytest.mark.parametrize("limit", [1, 3, 7, 1_000])
async def test_pages_are_the_whole_log(lab: Served, limit: int) -> None:
    """Each says where the next begins; the last one of a finished run says that there is none."""
    log = lab.log(*[delta(letter, FAR_AHEAD) for letter in "streaming\u2028\ud800"], *ending("streaming\u2028\ud800"))
    events: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        response = await lab.client.get(
            f"/runs/{log.run_id}/events",
            params={"limit": str(limit), "after": after},
            headers={"accept": "application/json"},
        )
        assert response.headers["content-type"] == "application/json"
        page = response.json()
        assert (page["gap"], page["snapshot"]) == (None, None)
        assert len(page["events"]) <= limit
        events += page["events"]
        after = page["next"]
    assert [event["seq"] for event in events] == list(range(1, log.seq + 1))
    assert "".join(event["content"] for event in events[:-2]) == "streaming\u2028\ud800"


@pytest.mark.anyio
async def test_a_page_of_a_live_run_says_where_to_ask_again(lab: Served) -> None:
    """Also when there is nothing new, and with gap and snapshot where something cannot be had any more."""
    log = lab.log()
    log.bounds = Bounds(events=2)

    async def page(after: str) -> Any:
        params, headers = {"after": after}, {"accept": "application/json"}
        return (await lab.client.get(f"/runs/{log.run_id}/events", params=params, headers=headers)).json()

    assert await page("") == {"events": [], "next": f"{log.epoch}-0", "gap": None, "snapshot": None}
    for letter in "abc":
        log.append(delta(letter))
    missed = await page("")
    assert missed["gap"] == {"after": 0, "seq": 1}
    assert missed["snapshot"]["text"] == "a"
    assert [event["content"] for event in missed["events"]] == ["b", "c"]
    assert (await page(missed["next"]))["events"] == []
    assert (await page("0" * 16 + "-3"))["gap"] == {"after": 3, "seq": 1}
    state = (await lab.client.get(f"/runs/{log.run_id}")).json()
    assert state["text"] == "abc"
