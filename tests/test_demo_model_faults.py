"""The demo model's faults: before the answer, within it, and for so many times."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest
from langchain_openai import ChatOpenAI

from streamlab.demo_model.log import KEPT, FaultCounter
from tests import model_client
from tests.model_client import body, chunks, contents, post, record, say, unique

chat, client = model_client.chat, model_client.client  # fixtures are found by their names


def record_when(client: httpx2.Client, model: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = record(client, model)
        if condition(found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain: {found}")


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("key", openai.AuthenticationError, "invalid_api_key"),
        ("rate_limit", openai.RateLimitError, "rate_limit_exceeded"),
        ("error", openai.InternalServerError, None),
        ("context", openai.BadRequestError, "context_length_exceeded"),
    ],
)
def test_faults_before_the_answer(
    client: httpx2.Client,
    chat: Callable[..., ChatOpenAI],
    fault: str,
    error: type[openai.APIStatusError],
    code: str | None,
) -> None:
    model = unique(f"fault={fault}&retry_after=1.5")
    with pytest.raises(error) as caught:
        list(chat(model).stream("Hi"))
    assert caught.value.code == code
    assert caught.value.response.headers.get("retry-after") == ("1.5" if fault == "rate_limit" else None)
    assert record(client, model)["ended"] == f"fault:{fault}"


@pytest.mark.parametrize("stream", [True, False])
def test_filter_ends_early(client: httpx2.Client, stream: bool) -> None:
    model = unique("first=0&rate=10000&fault=filter&after=3")
    response = post(client, model=model, stream=stream, demo={"text": "abcdef", "size": 1})
    if stream:
        assert contents(response) == ["a", "b", "c"]
        choice = chunks(response)[-1]["choices"][0]
    else:
        choice = response.json()["choices"][0]
        assert choice["message"]["content"] == "abc"
    assert choice["finish_reason"] == "content_filter"
    assert record(client, model)["ended"] == "fault:filter"


@pytest.mark.parametrize("stream", [True, False])
def test_cut_aborts_the_connection(client: httpx2.Client, stream: bool) -> None:
    model = unique("first=0&rate=10000&fault=cut&after=3")
    request = body(model=model, stream=stream, demo={"text": "abcdef", "size": 1})
    with client.stream("POST", "/chat/completions", json=request) as response:
        arriving = response.iter_raw()
        received = next(arriving)
        with pytest.raises(httpx2.RemoteProtocolError):
            received += b"".join(arriving)
    assert received
    assert b"[DONE]" not in received
    seen = record(client, model)
    assert seen["ended"] == "fault:cut"
    assert len(seen["written"]) == (3 if stream else 1)


def test_garbage_is_not_json(client: httpx2.Client, chat: Callable[..., ChatOpenAI]) -> None:
    model = unique("first=0&rate=10000&fault=garbage&after=2")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        list(chat(model).stream("Hi"))
    assert record(client, model)["ended"] == "fault:garbage"
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        post(client, model=model).json()


def test_empty_answer(client: httpx2.Client) -> None:
    model = unique("first=0&fault=empty")
    assert contents(post(client, model=model, stream=True)) == []
    assert say(client, "Hi", model=model) == ""
    assert record(client, model)["ended"] == "fault:empty"


@pytest.mark.parametrize(
    ("options", "chunks_before"),
    [("fault=silent", 0), ("fault=stall&after=2&first=0", 2), ("first=60", 0), ("first=0&rate=0.01", 1)],
)
def test_disconnect_is_seen_while_waiting(client: httpx2.Client, options: str, chunks_before: int) -> None:
    """A client that leaves is noticed at once, although nothing is being written."""
    model = unique(options)
    with httpx2.Client(base_url=client.base_url, timeout=0.4) as impatient, pytest.raises(httpx2.ReadTimeout):
        post(impatient, model=model, stream=True)
    seen = record_when(client, model, lambda seen: seen["ended"] != "running")
    assert seen["ended"] == "disconnected"
    assert len(seen["written"]) == chunks_before


def test_disconnect_is_seen_while_writing(client: httpx2.Client) -> None:
    model = unique("first=0&rate=1000&chunks=100000")
    with client.stream("POST", "/chat/completions", json=body(model=model, stream=True)) as response:
        arriving = response.iter_raw()
        next(arriving)
        assert record(client, model)["ended"] == "running"
    seen = record_when(client, model, lambda seen: seen["ended"] == "disconnected")
    assert 0 < len(seen["written"]) < 100_000


def test_langchain_retries_until_the_fault_has_passed(client: httpx2.Client, chat: Callable[..., ChatOpenAI]) -> None:
    model = unique("first=0&rate=10000&fault=rate_limit&retry_after=0.01&times=2")
    assert chat(model, max_retries=3).invoke("What is SSE?").text
    ends = [record["ended"] for record in client.get("../requests").json() if record["model"] == model]
    assert ends == ["fault:rate_limit", "fault:rate_limit", "completed"]


def test_times_counts_by_id(client: httpx2.Client) -> None:
    options = {"fault": "error", "times": 1, "id": uuid4().hex}
    statuses = [post(client, model=unique(), demo=options).status_code for _ in range(3)]
    assert statuses == [500, 200, 200]
    assert post(client, demo=options | {"id": uuid4().hex}).status_code == 500


def test_fault_counter_is_bounded() -> None:
    """The id used longest ago is forgotten, not the one used last."""
    counter = FaultCounter()
    ids = [str(number) for number in range(KEPT)]
    assert all(counter.strikes(id, 1) for id in ids)
    assert not counter.strikes("0", 1)
    assert counter.strikes("new", 1)
    assert not counter.strikes("0", 1)
    assert counter.strikes("1", 1)
